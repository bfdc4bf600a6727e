//! Arbitrary bytes as a token, or as header and claims, on two lines, that a key has signed: nothing
//! panics, only what was signed with a known key counts, and what counts is within its bounds. The
//! first byte chooses.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanwire::limits::{MAX_TOKEN, MAX_TOKEN_INFO, MAX_TOKEN_PATTERNS, MAX_USER};
use fanwire::policy::token::key::{Algorithm, Key};
use fanwire::policy::token::{KeySet, Terms, Token};
use fanwire::tokens::Tokens;
use libfuzzer_sys::fuzz_target;

const NOW_MS: u64 = 1_790_000_000_000;

static KEY: LazyLock<Key> = LazyLock::new(|| key(1));
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let place = Some("place".into());
    KeySet::new(vec![KEY.clone()], Terms { place, ..Terms::default() })
});
static TOP: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::new(vec![key(2), KEY.clone()], Terms::default()));

fn key(byte: u8) -> Key {
    Key::secret(Algorithm::HS256, &[byte; 32]).expect("a key")
}

fuzz_target!(|data: &[u8]| {
    let [choice, rest @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let keys = if choice & 1 == 0 { &*KEYS } else { &*TOP };
    if choice & 2 == 0 {
        assert!(keys.verify(text, NOW_MS).is_err(), "nobody has signed it");
        return;
    }
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"HS256"}"#, text));
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = KEY.sign(&message).expect("a signature");
    let token = format!("{message}.{signature}");
    let verified = keys.verify(&token, NOW_MS);
    if let Ok(verified) = &verified {
        check(verified);
        assert!(token.len() <= MAX_TOKEN);
    }
    let known = Tokens::new(1);
    for _ in 0..2 {
        let again = known.verify(keys, &token, NOW_MS);
        assert_eq!(again.map(|token| Token::clone(&token)), verified, "known or not");
    }
});

fn check(token: &Token) {
    assert!((1..=MAX_USER).contains(&token.user.len()));
    assert!(!token.user.chars().any(char::is_control));
    assert!(token.expires_ms + 10_000 > NOW_MS);
    assert!(token.issued_ms.is_none_or(|issued| issued <= NOW_MS + 10_000));
    for patterns in [&token.subscribe, &token.publish] {
        assert!(patterns.len() <= MAX_TOKEN_PATTERNS);
    }
    if let Some(info) = &token.info {
        assert!(info.len() <= MAX_TOKEN_INFO);
        serde_json::from_str::<serde_json::Value>(info).expect("JSON");
    }
}
