//! Verification as a whole.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::key::{Algorithm, Key};
use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_MS: u64 = 1_790_000_000_000;

fn keys() -> KeySet {
    KeySet::new(vec![Key::secret(Algorithm::HS256, SECRET).unwrap()], Terms::default())
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

#[test]
fn what_a_token_says() {
    let token = signed(&json!({
        "sub": "ann", "exp": 1_790_000_060, "iat": 1_790_000_000, "jti": "t1",
        "subscribe": ["room.*", "news.>"], "publish": ["room.7"],
        "limits": {"connections": 3, "messages_per_second": 5, "other": []},
        "info": {"name": "Ann"},
    }));
    let pattern = |text| Pattern::parse(text).unwrap();
    let expected = Token {
        user: "ann".into(),
        id: Some("t1".into()),
        issued_ms: Some(NOW_MS),
        expires_ms: NOW_MS + 60_000,
        subscribe: vec![pattern("room.*"), pattern("news.>")],
        publish: vec![pattern("room.7")],
        limits: TokenLimits { connections: Some(3), messages_per_second: Some(5) },
        info: Some(r#"{"name":"Ann"}"#.into()),
    };
    assert_eq!(keys().verify(&token, NOW_MS), Ok(expected));
}
