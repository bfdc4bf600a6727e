//! Keys of every kind, each with a token that it has signed, by its name or without.

use jsonwebtoken::jwk::Jwk;

use super::*;

/// An algorithm, how a token is signed with it, and the key that verifies it.
fn kinds() -> Vec<(Algorithm, EncodingKey, Key)> {
    use Algorithm::{
        ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
    };
    let mut kinds = Vec::new();
    for (algorithm, length) in [(HS256, 32), (HS384, 48), (HS512, 64)] {
        let bytes = vec![7; length];
        let key = Key::secret(algorithm, &bytes).expect("long enough");
        kinds.push((algorithm, EncodingKey::from_secret(&bytes), key));
    }
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512] {
        let key = Key::public(&der!("rsa.pub"), Some(algorithm)).expect("a key");
        kinds.push((algorithm, EncodingKey::from_rsa_der(&der!("rsa")), key));
    }
    for (algorithm, private, public) in [
        (ES256, EncodingKey::from_ec_der(&der!("p256")), der!("p256.pub")),
        (ES384, EncodingKey::from_ec_der(&der!("p384")), der!("p384.pub")),
        (EdDSA, EncodingKey::from_ed_der(&der!("ed25519")), der!("ed25519.pub")),
    ] {
        kinds.push((algorithm, private, Key::public(&public, None).expect("a key")));
    }
    kinds
}

fn header(algorithm: Algorithm) -> String {
    format!(r#"{{"alg":"{algorithm:?}","typ":"JWT"}}"#)
}

#[test]
fn each_kind_verifies_its_own_and_nobody_elses() {
    let kinds = kinds();
    for (algorithm, private, key) in &kinds {
        assert_eq!(key.algorithm(), *algorithm);
        let token = signed(&header(*algorithm), &usual().to_string(), *algorithm, private);
        let verified = public(vec![key.clone()]).verify(&token, NOW_MS);
        assert_eq!(verified.map(|token| token.user), Ok("ann".into()), "{algorithm:?}");
        let others = kinds.iter().filter(|other| other.0 != *algorithm);
        let others = public(others.map(|other| other.2.clone()).collect());
        assert_eq!(others.verify(&token, NOW_MS), Err(Invalid::Algorithm), "{algorithm:?}");
        let all = public(kinds.iter().map(|kind| kind.2.clone()).collect());
        assert!(all.verify(&token, NOW_MS).is_ok(), "{algorithm:?} among all");
    }
}

/// A JWK set's keys stand for the same ones.
fn jwk(key: &EncodingKey, algorithm: Algorithm, edit: &[(&str, Value)]) -> Value {
    let mut value = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    for (name, other) in edit {
        value[name] = other.clone();
    }
    value
}

fn of_jwk(value: &Value) -> Result<Option<Key>, String> {
    Key::of_jwk(&serde_json::from_value(value.clone()).expect("a JWK"))
}

#[test]
fn keys_of_a_set() {
    for (algorithm, private, _) in kinds() {
        let key = of_jwk(&jwk(&private, algorithm, &[("kid", json!("k1"))])).unwrap().unwrap();
        assert_eq!((key.algorithm(), key.id()), (algorithm, Some("k1")));
        let token = signed(&header(algorithm), &usual().to_string(), algorithm, &private);
        assert!(public(vec![key]).verify(&token, NOW_MS).is_ok(), "{algorithm:?}");
    }
    let rsa = EncodingKey::from_rsa_der(&der!("rsa"));
    let without_alg = jwk(&rsa, Algorithm::RS256, &[("alg", Value::Null), ("use", json!("sig"))]);
    assert_eq!(of_jwk(&without_alg).unwrap().unwrap().algorithm(), Algorithm::RS256);
    for left_out in [("use", json!("enc")), ("alg", json!("RSA-OAEP")), ("alg", json!("XS1"))] {
        let value = jwk(&rsa, Algorithm::RS256, std::slice::from_ref(&left_out));
        assert!(of_jwk(&value).unwrap().is_none(), "{left_out:?}");
    }
    let p521 = json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"});
    assert!(of_jwk(&p521).unwrap().is_none());
}

#[test]
fn what_is_no_key() {
    let short = |algorithm, length| Key::secret(algorithm, &vec![7; length]).unwrap_err();
    assert_eq!(short(Algorithm::HS256, 31), "a secret for HS256 must have 32 bytes or more");
    assert_eq!(short(Algorithm::HS384, 47), "a secret for HS384 must have 48 bytes or more");
    assert_eq!(short(Algorithm::HS512, 63), "a secret for HS512 must have 64 bytes or more");
    assert!(Key::secret(Algorithm::RS256, SECRET).is_err());
    let point = vec![0x30; 32];
    for weak in [der!("rsa-1024.pub"), der!("p521.pub"), der!("rsa"), vec![], vec![0; 100], point] {
        assert!(Key::public(&weak, None).is_err());
    }
    for (public, other) in [
        (der!("rsa.pub"), Algorithm::ES256),
        (der!("rsa.pub"), Algorithm::HS256),
        (der!("p256.pub"), Algorithm::ES384),
        (der!("p256.pub"), Algorithm::HS256),
        (der!("ed25519.pub"), Algorithm::ES256),
    ] {
        assert!(Key::public(&public, Some(other)).is_err(), "{other:?}");
    }
    let p256 = EncodingKey::from_ec_der(&der!("p256"));
    for edit in [
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("x", json!("!")),
        ("x", json!("AAAA")),
        ("crv", json!("P-384")),
    ] {
        let value = jwk(&p256, Algorithm::ES256, std::slice::from_ref(&edit));
        assert!(of_jwk(&value).is_err(), "{edit:?}");
    }
    let weak = json!({"kty": "oct", "k": "c2hvcnQ", "alg": "HS256"});
    assert!(of_jwk(&weak).is_err());
    // Written as it stands in a PEM, this one has 32 bytes, as a key of Ed25519.
    let small = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    assert!(of_jwk(&small).is_err());
}

/// Several keys at once, as while one takes over from another.
#[test]
fn a_name_chooses_among_keys() {
    let key = |id: Option<&str>, byte: u8| {
        let mut value = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([byte; 32])});
        if let Some(id) = id {
            value["kid"] = json!(id);
        }
        of_jwk(&value).unwrap().unwrap()
    };
    let keys = public(vec![key(Some("old"), 1), key(Some("new"), 2), key(None, 3)]);
    let verified = |id: Option<&str>, byte: u8| {
        let kid = id.map_or_else(String::new, |id| format!(r#","kid":"{id}""#));
        let header = format!(r#"{{"alg":"HS256"{kid}}}"#);
        let private = EncodingKey::from_secret(&[byte; 32]);
        let token = signed(&header, &usual().to_string(), Algorithm::HS256, &private);
        keys.verify(&token, NOW_MS).map(|_| ())
    };
    for (id, byte, expected) in [
        (Some("old"), 1, Ok(())),
        (Some("new"), 2, Ok(())),
        (Some("new"), 1, Err(Invalid::Signature)),
        (Some("old"), 3, Err(Invalid::Signature)),
        (Some("other"), 3, Ok(())),
        (Some("other"), 1, Err(Invalid::Signature)),
        (None, 1, Ok(())),
        (None, 2, Ok(())),
        (None, 3, Ok(())),
        (None, 4, Err(Invalid::Signature)),
    ] {
        assert_eq!(verified(id, byte), expected, "{id:?} {byte}");
    }
    let named = public(vec![key(Some("old"), 1)]);
    let token = token_of(r#"{"alg":"HS256","kid":"other"}"#, &usual().to_string());
    assert_eq!(named.verify(&token, NOW_MS), Err(Invalid::UnknownKey));
    assert_eq!(KeySet::default().verify(&token, NOW_MS), Err(Invalid::UnknownKey));
}

#[test]
fn sets_that_judge_differently_are_told_apart() {
    let terms = Terms { audiences: vec!["edge".into()], ..Terms::default() };
    let longer = Terms { leeway_ms: 1, ..terms.clone() };
    let rs256 = Key::public(&der!("rsa.pub"), None).unwrap();
    let rs384 = Key::public(&der!("rsa.pub"), Some(Algorithm::RS384)).unwrap();
    let sets = [
        KeySet::default(),
        KeySet::new(vec![secret()], Terms::default()),
        KeySet::new(vec![secret()], terms.clone()),
        KeySet::new(vec![secret()], longer),
        KeySet::new(vec![rs256.clone()], terms.clone()),
        KeySet::new(vec![rs384], terms.clone()),
        KeySet::new(vec![secret(), rs256.clone()], terms.clone()),
    ];
    for (at, one) in sets.iter().enumerate() {
        let same = sets.iter().filter(|other| other.digest() == one.digest()).count();
        assert_eq!(same, 1, "number {at}");
    }
    let again = KeySet::new(vec![secret(), rs256], terms);
    assert_eq!(again.digest(), sets[6].digest());
}

#[test]
fn nothing_shows_a_key() {
    let keys = KeySet::new(vec![secret()], Terms::default());
    let shown = format!("{keys:?}");
    let bytes = format!("{SECRET:?}");
    assert!(!shown.contains("0123456789") && !shown.contains(bytes.trim_matches(['[', ']'])));
    assert!(shown.contains("HS256"), "{shown}");
}
