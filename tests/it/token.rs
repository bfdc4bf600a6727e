//! Tokens as a backend issues them: JWT by HS256 (RFC 7515, RFC 7518), made by hand, so that they
//! share nothing with the server.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the tests sign with, and the setting that lets the server verify it.
pub const SECRET: &str = "a secret of thirty-two bytes or more for tests";
pub const JWT_KEY: &str = "hs256:a secret of thirty-two bytes or more for tests";

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    now.as_millis() as u64
}

/// A token of this user, good for an hour, that says this besides.
pub fn token(user: &str, claims: &Value) -> String {
    let mut all = json!({"sub": user, "exp": now_ms() / 1000 + 3600});
    let claims = claims.as_object().expect("an object").clone();
    all.as_object_mut().expect("an object").extend(claims);
    signed(&json!({"alg": "HS256", "typ": "JWT"}), &all, SECRET)
}

/// The same, which ends in so many milliseconds.
pub fn ending_in(user: &str, ms: u64, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["exp"] = ((now_ms() + ms) as f64 / 1000.0).into();
    token(user, &claims)
}

/// A token with this header and these claims.
pub fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    signed_as_it_is(&header.to_string(), &claims.to_string(), secret)
}

/// The same of texts, which need not be JSON.
pub fn signed_as_it_is(header: &str, claims: &str, secret: &str) -> String {
    let [header, claims] = [header, claims].map(|part| encode(part.as_bytes()));
    let message = format!("{header}.{claims}");
    let signature = hmac(secret.as_bytes(), message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    if key.len() > 64 {
        return hmac(&Sha256::digest(key), message);
    }
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}
