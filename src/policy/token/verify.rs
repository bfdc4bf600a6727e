//! From a text to a verified token: form, header, signature, claims, in this order, so that nothing
//! is believed, nor much work done, before a key has signed it. The header chooses among keys,
//! never how one is used. What the claims must be: `claims`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::{Algorithm, Key};
use super::members::Members;
use super::{Invalid, KeySet, Token, claims};
use crate::limits::{MAX_KEY_ID, MAX_TOKEN};

/// What counts of a header. Keys that a token brings along (`jwk`, `jku`, `x5c`, `x5u`) are not
/// looked at.
#[derive(Debug)]
struct Header {
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl KeySet {
    /// Verifies a token: the compact form of a JWS (RFC 7515) with claims (RFC 7519). Time is that
    /// of the wall, in milliseconds since the Unix epoch.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Token, Invalid> {
        let parts = Parts::of(token)?;
        let header = Header::read(&decoded(parts.header)?)?;
        self.check_signature(&parts, &header)?;
        claims::read(&decoded(parts.claims)?, &self.terms, now_ms)
    }

    /// What a token with these claims comes to, once a key has signed it.
    pub fn read_claims(&self, text: &str, now_ms: u64) -> Result<Token, Invalid> {
        claims::read(text, &self.terms, now_ms)
    }

    /// Every key that may be meant is tried: those of its name, or, where no key has that, those
    /// without a name.
    fn check_signature(&self, parts: &Parts<'_>, header: &Header) -> Result<(), Invalid> {
        let id = header.key_id.as_deref();
        let named = id.is_some_and(|id| self.keys.iter().any(|key| key.id() == Some(id)));
        let meant = |key: &&Key| match (id, named) {
            (None, _) => true,
            (id, true) => key.id() == id,
            (Some(_), false) => key.id().is_none(),
        };
        if !self.keys.iter().any(|key| meant(&key)) {
            return Err(Invalid::UnknownKey);
        }
        let fits = |key: &&Key| key.algorithm() == header.algorithm;
        let mut tried = false;
        for key in self.keys.iter().filter(meant).filter(fits) {
            if key.has_signed(parts.message, parts.signature) {
                return Ok(());
            }
            tried = true;
        }
        Err(if tried { Invalid::Signature } else { Invalid::Algorithm })
    }
}

/// The parts of a token, each in base64url; `message` is what is signed.
struct Parts<'a> {
    message: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, Invalid> {
        if token.len() > MAX_TOKEN {
            return Err(Invalid::Malformed("it is longer than 16 KiB"));
        }
        let parts = || {
            let (message, signature) = token.rsplit_once('.')?;
            let (header, claims) = message.split_once('.')?;
            (!claims.contains('.')).then_some(Self { message, header, claims, signature })
        };
        parts().ok_or(Invalid::Malformed("it must have three parts, joined by dots"))
    }
}

impl Header {
    fn read(text: &str) -> Result<Self, Invalid> {
        const BAD: Invalid =
            Invalid::Malformed("its header is not an object, or says something twice");
        let members = Members::read(text).ok_or(BAD)?;
        if members.raw("crit").is_some() {
            return Err(Invalid::Critical);
        }
        let kind: Option<String> = members.value("typ").unwrap_or(Some(String::new()));
        if kind.is_some_and(|kind| !is_for_access(&kind)) {
            return Err(Invalid::Malformed("its typ must be JWT or at+jwt"));
        }
        let name: Option<String> = members.value("alg").unwrap_or(None);
        let algorithm = name.and_then(|name| name.parse().ok()).ok_or(Invalid::Algorithm)?;
        let key_id: Option<String> =
            members.value("kid").map_err(|_| Invalid::Malformed("its kid must be a string"))?;
        if key_id.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID) {
            return Err(Invalid::UnknownKey);
        }
        Ok(Self { algorithm, key_id })
    }
}

/// Whether a `typ` is that of a token for access. Others are for something else, though the same
/// key may have signed them (RFC 8725, section 3.11).
fn is_for_access(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
}

fn decoded(part: &str) -> Result<String, Invalid> {
    const BAD: Invalid = Invalid::Malformed("its parts must be base64url of UTF-8");
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| BAD)?;
    String::from_utf8(bytes).map_err(|_| BAD)
}
