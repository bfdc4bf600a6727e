//! A key that tokens are verified with. Each is for exactly one algorithm, so that no token can
//! choose how it is checked: a public key is never taken for a secret, and there is no `none`.
//! Reading keys from settings and files is the business of `settings`.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, EncodingKey, crypto};
use sha2::{Digest as _, Sha256};

pub use jsonwebtoken::Algorithm;

/// One key.
#[derive(Clone)]
pub struct Key {
    /// What a token names it by (`kid`); nothing: any token without a name, or with one that no
    /// key has, may be meant.
    id: Option<Box<str>>,
    algorithm: Algorithm,
    material: DecodingKey,
}

impl fmt::Debug for Key {
    /// Without what it is made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, algorithm, material: _ } = self;
        f.debug_struct("Key").field("id", id).field("algorithm", algorithm).finish_non_exhaustive()
    }
}

impl Key {
    /// A secret, for one of the HMAC algorithms; as long as the hash, or longer (RFC 7518, section
    /// 3.2).
    pub fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, String> {
        let Some(least) = least_secret(algorithm) else {
            return Err(format!("a secret is not for {algorithm:?}"));
        };
        if secret.len() < least {
            return Err(format!("a secret for {algorithm:?} must have {least} bytes or more"));
        }
        Ok(Self { id: None, algorithm, material: DecodingKey::from_secret(secret) })
    }

    /// A public key as `SubjectPublicKeyInfo` (RFC 5280), which is what stands in a PEM. RSA is for
    /// RS256, unless `algorithm` says otherwise; the others are for the one algorithm of their
    /// curve.
    pub fn public(der: &[u8], algorithm: Option<Algorithm>) -> Result<Self, String> {
        // Anything else may be the bare point of a curve, which does not say of which.
        let sound = der.len() > ED25519_POINT && der.first() == Some(&SEQUENCE);
        let kinds = [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256];
        let own = kinds.into_iter().find(|own| sound && is_key(*own, der)).ok_or(NO_KEY)?;
        Self::of_kind(own, der, algorithm)
    }

    /// A public key of the kind that `own` is usual for.
    fn of_kind(own: Algorithm, key: &[u8], wanted: Option<Algorithm>) -> Result<Self, String> {
        if !is_key(own, key) {
            return Err(NO_KEY.into());
        }
        let material = match own.family() {
            AlgorithmFamily::Ec => DecodingKey::from_ec_der(key),
            AlgorithmFamily::Ed => DecodingKey::from_ed_der(key),
            _ => DecodingKey::from_rsa_der(key),
        };
        let algorithm = wanted.unwrap_or(own);
        let both_rsa = [own, algorithm].iter().all(|one| one.family() == AlgorithmFamily::Rsa);
        if algorithm != own && !both_rsa {
            return Err(format!("a key for {own:?} is not for {algorithm:?}"));
        }
        Ok(Self { id: None, algorithm, material })
    }

    /// A key of a JWK set, for what its `alg` says. `None`: not one to verify signatures with, or
    /// of a kind that is not served; a set may hold such (RFC 7517, section 5).
    pub fn of_jwk(jwk: &Jwk) -> Result<Option<Self>, String> {
        let usage = jwk.common.public_key_use.as_ref();
        if usage.is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return Ok(None);
        }
        let algorithm = match jwk.common.key_algorithm.map(Algorithm::try_from) {
            Some(Err(_)) => return Ok(None),
            Some(Ok(algorithm)) => Some(algorithm),
            None => None,
        };
        let key = match &jwk.algorithm {
            AlgorithmParameters::OctetKey(key) => {
                let secret = decoded(&key.value)?;
                Self::secret(algorithm.unwrap_or(Algorithm::HS256), &secret)
            }
            AlgorithmParameters::RSA(key) => {
                let (n, e) = (decoded(&key.n)?, decoded(&key.e)?);
                let (n, e) = (without_zeros(&n), without_zeros(&e));
                let der = RsaPublicKeyComponents { n, e }.as_der().map_err(|_| NO_KEY)?;
                Self::of_kind(Algorithm::RS256, der.as_ref(), algorithm)
            }
            AlgorithmParameters::EllipticCurve(key) => {
                let own = match key.curve {
                    EllipticCurve::P256 => Algorithm::ES256,
                    EllipticCurve::P384 => Algorithm::ES384,
                    _ => return Ok(None),
                };
                let point = [&[4][..], &decoded(&key.x)?, &decoded(&key.y)?].concat();
                Self::of_kind(own, &point, algorithm)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Self::of_kind(Algorithm::EdDSA, &decoded(&key.x)?, algorithm)
            }
            _ => return Ok(None),
        };
        let id = jwk.common.key_id.as_deref().map(Into::into);
        key.map(|key| Some(Self { id, ..key }))
    }

    /// Whether it is a secret, which somebody has made for this server.
    pub fn is_secret(&self) -> bool {
        self.algorithm.family() == AlgorithmFamily::Hmac
    }

    /// Signs, where it is a secret; in base64url.
    pub fn sign(&self, message: &str) -> Option<String> {
        let secret = EncodingKey::from_secret(self.bytes());
        crypto::sign(message.as_bytes(), &secret, self.algorithm).ok()
    }

    /// What a token names it by.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it has signed a message; the signature is base64url.
    pub(super) fn has_signed(&self, message: &str, signature: &str) -> bool {
        crypto::verify(signature, message.as_bytes(), &self.material, self.algorithm)
            .unwrap_or(false)
    }

    /// Adds what makes this key another one than any other.
    pub(super) fn add_to(&self, digest: &mut Sha256) {
        for part in [format!("{:?}", self.algorithm).as_bytes(), self.bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let id = self.id.as_deref();
        digest.update([u8::from(id.is_some())]);
        digest.update((id.map_or(0, str::len) as u64).to_be_bytes());
        digest.update(id.unwrap_or_default());
    }

    fn bytes(&self) -> &[u8] {
        // None of them is made of an RSA key's components.
        self.material.try_get_as_bytes().unwrap_or_default()
    }
}

const NO_KEY: &str = "must be a key of RSA of 2048 bits or more, P-256, P-384 or Ed25519";

/// Bytes of a key of Ed25519 without words around it.
const ED25519_POINT: usize = 32;
/// What begins a structure of ASN.1.
const SEQUENCE: u8 = 0x30;

/// Whether these bytes are a key of the kind that an algorithm is usual for.
fn is_key(own: Algorithm, bytes: &[u8]) -> bool {
    let parses = |kind: &'static dyn VerificationAlgorithm| ParsedPublicKey::new(kind, bytes);
    match own {
        Algorithm::ES256 => parses(&ECDSA_P256_SHA256_FIXED).is_ok(),
        Algorithm::ES384 => parses(&ECDSA_P384_SHA384_FIXED).is_ok(),
        Algorithm::EdDSA => parses(&ED25519).is_ok(),
        // Which looks at the size, too.
        _ => PublicEncryptingKey::from_der(bytes).is_ok(),
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "is not base64url".to_string())
}

/// An integer's bytes as they must be (RFC 7518, section 2), though some issuers lead with zeros.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// The shortest secret; `None` for an algorithm that has none.
fn least_secret(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::HS256 => Some(32),
        Algorithm::HS384 => Some(48),
        Algorithm::HS512 => Some(64),
        _ => None,
    }
}
