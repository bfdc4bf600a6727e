//! How the backend knows that a call is ours, and fresh: the headers of Standard Webhooks
//! (standardwebhooks.com), for which there are libraries in every language. HMAC-SHA256 over the
//! call's name, its time and its body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header with the name of a call; the same when it is tried again.
pub(super) const ID: &str = "webhook-id";
/// The header with the time of this attempt, in seconds since the Unix epoch.
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signature.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// The signature of a call.
pub(super) fn sign(secret: &[u8], id: &str, timestamp: u64, body: &[u8]) -> String {
    // A key of any length will do, so that this cannot fail; if it did, nobody would believe it.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_is_that_of_standard_webhooks() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
