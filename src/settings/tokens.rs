//! Keys of tokens as an operator writes them: `hs256:secret`, `key.pem`, `ps256:key.pem`,
//! `jwks.json`. Only public keys and secrets that nobody else has leave this file as a `KeySet`; no
//! refusal repeats a secret. What a key is for: `policy::token::key`.

use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::Jwk;
use rustls_pki_types::pem::{SectionKind, SliceIter};
use serde_json::Value;

use super::keys::{Secret, Warnings, read_secret};
use super::token_flags::TokenFlags;
use super::watch::Watch;
use crate::limits::{MAX_KEY_ID, MAX_TOKEN_KEYS};
use crate::policy::token::key::{Algorithm, Key};
use crate::policy::token::{KeySet, Terms};

/// Where keys come from and what is asked of tokens, so that they can be read again when a file has
/// changed.
#[derive(Clone, Debug)]
pub(super) struct TokenSource {
    given: Vec<Given>,
    terms: Terms,
}

/// What it came to.
#[derive(Debug)]
pub(super) struct Read {
    /// The keys.
    pub keys: KeySet,
    /// The files that they stand in.
    pub watch: Watch,
    /// What is not wrong, but not wise.
    pub warnings: Warnings,
}

impl TokenSource {
    /// What the settings say.
    pub fn of(flags: &TokenFlags) -> Result<Self, String> {
        let boxed = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let terms = Terms {
            issuers: boxed(&flags.jwt_issuer),
            audiences: boxed(&flags.jwt_audience),
            leeway_ms: flags.jwt_leeway.as_millis() as u64,
            place: flags.jwt_claims.as_deref().map(Into::into),
        };
        let given = flags.jwt_keys.iter().enumerate();
        let given = given.map(|(at, text)| Given::parse(&text.0).map_err(|why| wrong(at, &why)));
        Ok(Self { given: given.collect::<Result<_, _>>()?, terms })
    }

    /// Reads all keys.
    pub fn read(&self) -> Result<Read, String> {
        let watch = Watch::of(self.given.iter().filter_map(Given::file));
        let (mut keys, mut warnings) = (Vec::new(), Warnings::new());
        for (at, given) in self.given.iter().enumerate() {
            keys.extend(given.keys(&mut warnings).map_err(|why| wrong(at, &why))?);
        }
        if keys.len() > MAX_TOKEN_KEYS {
            return Err(format!("jwt_keys: more than {MAX_TOKEN_KEYS} keys"));
        }
        if self.terms.audiences.is_empty() && !keys.iter().all(Key::is_secret) {
            let why = "needed with public keys, whose tokens may be meant for somebody else";
            return Err(format!("jwt_audience: {why}"));
        }
        Ok(Read { keys: KeySet::new(keys, self.terms.clone()), watch, warnings })
    }
}

fn wrong(at: usize, reason: &str) -> String {
    format!("jwt_keys: number {}: {reason}", at + 1)
}

/// One item of the list.
#[derive(Clone, Debug)]
enum Given {
    /// A secret itself.
    Secret(Algorithm, Secret),
    /// A file with a secret.
    SecretFile(Algorithm, PathBuf),
    /// A file with public keys, each for this algorithm, or for the usual one of its kind.
    Pem(Option<Algorithm>, PathBuf),
    /// A file with a JWK set.
    Jwks(PathBuf),
}

const WANTED: &str = "must be hs256:secret, hs256:@/path/of/a/file, a file ending in .pem, or a \
    JWK set ending in .json";

impl Given {
    fn parse(text: &str) -> Result<Self, String> {
        let named = text.split_once(':').and_then(|(word, rest)| Some((algorithm(word)?, rest)));
        let (algorithm, rest) = named.map_or((None, text), |(name, rest)| (Some(name), rest));
        let at = rest.strip_prefix('@');
        let path = at.unwrap_or(rest);
        let file = PathBuf::from(path);
        match algorithm {
            Some(algorithm) if is_secret(algorithm) => match at {
                // Taken for the secret itself, a path that many know would let everybody in.
                Some(path) if !path.starts_with('/') => {
                    Err("the path of a secret's file must begin with /".into())
                }
                Some(_) => Ok(Self::SecretFile(algorithm, file)),
                None => Ok(Self::Secret(algorithm, Secret(rest.into()))),
            },
            _ if ends(path, ".pem") => Ok(Self::Pem(algorithm, file)),
            None if ends(path, ".json") || ends(path, ".jwks") => Ok(Self::Jwks(file)),
            Some(algorithm) => {
                Err(format!("a key for {algorithm:?} must be a file that ends in .pem"))
            }
            None => Err(WANTED.into()),
        }
    }

    /// The file that it stands in.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Secret(..) => None,
            Self::SecretFile(_, file) | Self::Pem(_, file) | Self::Jwks(file) => Some(file),
        }
    }

    fn keys(&self, warnings: &mut Warnings) -> Result<Vec<Key>, String> {
        let (path, found, mode) = match self {
            Self::Secret(algorithm, secret) => {
                return Ok(vec![Key::secret(*algorithm, secret.0.as_bytes())?]);
            }
            Self::SecretFile(algorithm, path) => {
                let (text, mode) = content(path)?;
                let key = Key::secret(*algorithm, text.trim_ascii().as_bytes());
                (path, key.map(|key| vec![key]), mode)
            }
            Self::Pem(algorithm, path) => {
                let (text, mode) = content(path)?;
                (path, public_keys(text.as_bytes(), *algorithm), mode)
            }
            Self::Jwks(path) => {
                let (text, mode) = content(path)?;
                (path, jwk_set(&text, warnings, path), mode)
            }
        };
        let keys = found.map_err(|reason| format!("in {}: {reason}", path.display()))?;
        if mode & 0o004 != 0 && keys.iter().any(Key::is_secret) {
            warnings.push(format!("jwt_keys: everybody may read {}", path.display()));
        }
        Ok(keys)
    }
}

/// Whether a secret itself stands in the text.
pub(super) fn is_bare(text: &str) -> bool {
    text.split(',').any(|one| matches!(Given::parse(one), Ok(Given::Secret(..))))
}

fn ends(path: &str, ending: &str) -> bool {
    path.len() > ending.len() && path.ends_with(ending)
}

/// The algorithm that a word stands for: `hs256`, or as tokens have it.
fn algorithm(word: &str) -> Option<Algorithm> {
    let upper = word.to_ascii_uppercase();
    if upper == "EDDSA" { Some(Algorithm::EdDSA) } else { upper.parse().ok() }
}

fn is_secret(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

fn content(path: &Path) -> Result<(String, u32), String> {
    read_secret(path).map_err(|reason| format!("the file {}: {reason}", path.display()))
}

/// The public keys of a PEM file.
fn public_keys(text: &[u8], algorithm: Option<Algorithm>) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for section in SliceIter::<(SectionKind, Vec<u8>)>::new(text) {
        let (kind, der) = section.map_err(|_| "it is not PEM".to_string())?;
        match kind {
            SectionKind::PublicKey => keys.push(Key::public(&der, algorithm)?),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                let how = "openssl pkey -in private.pem -pubout -out public.pem";
                return Err(format!("it has a private key, which only issuers need; {how}"));
            }
            SectionKind::Certificate => {
                let how = "openssl x509 -in certificate.pem -pubkey -noout";
                return Err(format!("it has a certificate; give its public key; {how}"));
            }
            _ => {}
        }
    }
    if keys.is_empty() {
        return Err("it has no section BEGIN PUBLIC KEY".into());
    }
    Ok(keys)
}

/// The keys of a JWK set (RFC 7517). What is not for signatures, or of another kind, is left out.
fn jwk_set(text: &str, warnings: &mut Warnings, path: &Path) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_string())?;
    let Some(Value::Array(all)) = set.get("keys") else {
        return Err("it must be an object with an array, keys".into());
    };
    let mut keys = Vec::new();
    for (at, value) in all.iter().enumerate() {
        let wrong = |reason: &str| format!("key number {}: {reason}", at + 1);
        if value.get("d").is_some() {
            return Err(wrong("it is a private key, which only issuers need"));
        }
        let found = match serde_json::from_value::<Jwk>(value.clone()) {
            Ok(jwk) if jwk.common.key_id.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID) => {
                return Err(wrong("its kid is too long"));
            }
            Ok(jwk) => Key::of_jwk(&jwk).map_err(|reason| wrong(&reason))?,
            Err(_) => None,
        };
        if found.is_none() {
            let why = "is not one that verifies tokens here, and is left out";
            warnings.push(format!("jwt_keys: {}: key number {} {why}", path.display(), at + 1));
        }
        keys.extend(found);
    }
    if keys.is_empty() {
        return Err("it has no key that verifies tokens".into());
    }
    Ok(keys)
}
