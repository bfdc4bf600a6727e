//! Verification as a whole. Every kind of key signs a token that counts (`kinds`), every known
//! attack on JWTs is refused (`attacks`), and every claim does what it says (`claims`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use serde_json::{Value, json};

use super::key::{Algorithm, Key};
use super::*;

mod attacks;
mod claims;
mod kinds;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_MS: u64 = 1_790_000_000_000;
const NOW_S: u64 = NOW_MS / 1000;

/// What a PEM file of the folder `keys` holds.
macro_rules! der {
    ($name:literal) => {
        from_pem(include_bytes!(concat!("keys/", $name, ".pem")))
    };
}
use der;

fn from_pem(pem: &[u8]) -> Vec<u8> {
    <(SectionKind, Vec<u8>)>::from_pem_slice(pem).expect("PEM").1
}

/// One secret, and nothing else asked.
fn keys() -> KeySet {
    KeySet::new(vec![secret()], Terms::default())
}

fn secret() -> Key {
    Key::secret(Algorithm::HS256, SECRET).expect("a key")
}

/// Public keys, for an audience.
fn public(keys: Vec<Key>) -> KeySet {
    KeySet::new(keys, Terms { audiences: vec!["edge".into()], ..Terms::default() })
}

/// A token of this header and these claims, whatever they are, signed with the secret.
fn token_of(header: &str, claims: &str) -> String {
    signed(header, claims, Algorithm::HS256, &EncodingKey::from_secret(SECRET))
}

fn signed(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = message(header, claims);
    let signature = crypto::sign(message.as_bytes(), key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

fn message(header: &str, claims: &str) -> String {
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encoded(header), encoded(claims))
}

/// What everybody's token says.
fn usual() -> Value {
    json!({"sub": "ann", "exp": NOW_S + 60, "aud": "edge"})
}

fn verified(claims: &Value) -> Result<Token, Invalid> {
    public(vec![secret()]).verify(&token_of(r#"{"alg":"HS256"}"#, &claims.to_string()), NOW_MS)
}
