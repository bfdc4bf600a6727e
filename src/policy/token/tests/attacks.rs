//! What has been tried against servers that take JWTs; RFC 8725 and the advisories tell of most.

use super::*;

fn refused(keys: &KeySet, token: &str) -> Invalid {
    keys.verify(token, NOW_MS).expect_err("it is refused")
}

/// CVE-2015-9235 and others: the header says that nothing was signed.
#[test]
fn alg_none() {
    for name in ["none", "None", "NONE", "nOnE", "", "null", "HS256 ", "hs256", "HS0", "RSA1_5"] {
        let header = format!(r#"{{"alg":"{name}","typ":"JWT"}}"#);
        let message = message(&header, &usual().to_string());
        for keys in [KeySet::default(), keys(), public(vec![secret()])] {
            assert_eq!(refused(&keys, &format!("{message}.")), Invalid::Algorithm, "{name}");
            assert_eq!(refused(&keys, &format!("{message}.AAAA")), Invalid::Algorithm, "{name}");
        }
    }
    for header in ["{}", r#"{"alg":null}"#, r#"{"alg":1}"#, r#"{"alg":["HS256"]}"#] {
        assert_eq!(refused(&keys(), &token_of(header, "{}")), Invalid::Algorithm, "{header}");
    }
}

/// CVE-2016-10555: the public key, which everybody has, used as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    let rsa = include_bytes!("keys/rsa.pub.pem");
    let keys = public(vec![
        Key::public(&der!("rsa.pub"), None).unwrap(),
        Key::public(&der!("p256.pub"), None).unwrap(),
    ]);
    let text = std::str::from_utf8(rsa).unwrap();
    let without_end = text.trim_end().as_bytes();
    let spki = der!("rsa.pub");
    for secret in [&rsa[..], without_end, &spki, &der!("p256.pub"), &spki[24..], b""] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = format!(r#"{{"alg":"{algorithm:?}"}}"#);
            let key = EncodingKey::from_secret(secret);
            let token = signed(&header, &usual().to_string(), algorithm, &key);
            assert_eq!(refused(&keys, &token), Invalid::Algorithm);
        }
    }
}

/// A key is for one algorithm: one that is weaker, or used another way, is not tried with it.
#[test]
fn a_key_is_not_used_another_way() {
    let private = EncodingKey::from_rsa_der(&der!("rsa"));
    let keys = public(vec![Key::public(&der!("rsa.pub"), Some(Algorithm::PS256)).unwrap()]);
    for algorithm in [Algorithm::RS256, Algorithm::RS512, Algorithm::PS384] {
        let header = format!(r#"{{"alg":"{algorithm:?}"}}"#);
        let token = signed(&header, &usual().to_string(), algorithm, &private);
        assert_eq!(refused(&keys, &token), Invalid::Algorithm, "{algorithm:?}");
        let lie = signed(r#"{"alg":"PS256"}"#, &usual().to_string(), algorithm, &private);
        assert_eq!(refused(&keys, &lie), Invalid::Signature, "{algorithm:?}");
    }
}

/// CVE-2022-21449, "psychic signatures": r and s of an ECDSA signature are 0. And signatures in
/// another form than the one of JWS, or made longer or shorter.
#[test]
fn signatures_that_are_none() {
    let keys = public(vec![Key::public(&der!("p256.pub"), None).unwrap()]);
    let message = message(r#"{"alg":"ES256"}"#, &usual().to_string());
    let one_s = [[0; 31].as_slice(), &[1], &[0; 31], &[1]].concat();
    let ieee = [&[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00][..]].concat();
    for signature in [vec![0; 64], one_s, ieee, vec![0xff; 64], vec![0; 63], vec![0; 65], vec![]] {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert_eq!(refused(&keys, &token), Invalid::Signature, "{signature:?}");
    }
    let zero = format!("{}.", message.replace("ES256", "HS256"));
    assert_eq!(refused(&keys, &zero), Invalid::Signature);
    let right = token_of(r#"{"alg":"HS256"}"#, &json!({"sub": "a", "exp": NOW_S}).to_string());
    for wrong in [&right[..right.len() - 1], &format!("{right}A"), &format!("{right}=")] {
        assert_eq!(refused(&super::keys(), wrong), Invalid::Signature);
    }
}

/// The last character of base64 has bits that mean nothing: a token has one spelling only, or a
/// list of revoked ones could be passed by.
#[test]
fn a_token_has_one_spelling() {
    let token =
        token_of(r#"{"alg":"HS256"}"#, &json!({"sub": "ann", "exp": NOW_S + 9}).to_string());
    assert!(keys().verify(&token, NOW_MS).is_ok());
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (front, last) = token.split_at(token.len() - 1);
    for other in alphabet.chars().filter(|c| !last.starts_with(*c)) {
        assert_eq!(refused(&keys(), &format!("{front}{other}")), Invalid::Signature, "{other}");
    }
    for odd in
        [format!(" {token}"), format!("{token} "), format!("{token}\n"), token.replace('.', ". ")]
    {
        refused(&keys(), &odd);
    }
}

/// CVE-2018-0114: the token brings its own key, or says where to fetch it; or its `kid` is meant
/// to be pasted into a path or a query.
#[test]
fn a_token_does_not_choose_its_key() {
    let own = EncodingKey::from_secret(b"an attacker's own secret of 32 b");
    let jwk = r#"{"kty":"oct","k":"YW4gYXR0YWNrZXIncyBvd24gc2VjcmV0IG9mIDMyIGI"}"#;
    for header in [
        format!(r#"{{"alg":"HS256","jwk":{jwk}}}"#),
        format!(r#"{{"alg":"HS256","jwk":{jwk},"kid":"new"}}"#),
        r#"{"alg":"HS256","jku":"http://127.0.0.1:1/jwks.json"}"#.into(),
        r#"{"alg":"HS256","x5u":"http://127.0.0.1:1/x.pem"}"#.into(),
        r#"{"alg":"HS256","x5c":["MIIB"]}"#.into(),
        r#"{"alg":"HS256","kid":"../../../../dev/null"}"#.into(),
        r#"{"alg":"HS256","kid":"x' UNION SELECT 'a"}"#.into(),
        r#"{"alg":"HS256","kid":""}"#.into(),
    ] {
        let token = signed(&header, &usual().to_string(), Algorithm::HS256, &own);
        assert_eq!(refused(&public(vec![secret()]), &token), Invalid::Signature, "{header}");
    }
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(257));
    assert_eq!(refused(&keys(), &token_of(&long, "{}")), Invalid::UnknownKey);
    let odd = token_of(r#"{"alg":"HS256","kid":7}"#, "{}");
    assert!(matches!(refused(&keys(), &odd), Invalid::Malformed(_)));
}

/// RFC 7515, section 4.1.11: what must be understood and is not.
#[test]
fn critical_headers() {
    for crit in [r#"["exp"]"#, r#"["b64"]"#, r#"["http://x/y"]"#, "[]", "null", r#""b64""#] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit},"b64":false}}"#);
        let token = token_of(&header, &usual().to_string());
        assert_eq!(refused(&public(vec![secret()]), &token), Invalid::Critical, "{crit}");
    }
}

/// RFC 8725, section 3.11: what was signed for another purpose is not let in.
#[test]
fn tokens_of_another_kind() {
    let verify = |kind: &str| {
        let token = token_of(&format!(r#"{{"alg":"HS256","typ":{kind}}}"#), &usual().to_string());
        public(vec![secret()]).verify(&token, NOW_MS).is_ok()
    };
    for good in [r#""JWT""#, r#""jwt""#, r#""at+jwt""#, r#""application/at+jwt""#] {
        assert!(verify(good), "{good}");
    }
    for bad in
        [r#""secevent+jwt""#, r#""logout+jwt""#, r#""dpop+jwt""#, r#""JOSE""#, r#""""#, "7", "null"]
    {
        assert!(!verify(bad), "{bad}");
    }
}

/// Readers disagree on which of two members of the same name counts.
#[test]
fn nothing_stands_there_twice() {
    for header in [
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
    ] {
        let token = token_of(header, &usual().to_string());
        assert!(matches!(refused(&public(vec![secret()]), &token), Invalid::Malformed(_)));
    }
    let soon = NOW_S + 60;
    for claims in [
        format!(r#"{{"sub":"ann","sub":"root","exp":{soon}}}"#),
        format!(r#"{{"sub":"ann","s\u0075b":"root","exp":{soon}}}"#),
        format!(r#"{{"sub":"ann","exp":1,"exp":{soon}}}"#),
        format!(r#"{{"sub":"ann","exp":{soon},"publish":[],"publish":[">"]}}"#),
        format!(r#"{{"sub":"ann","exp":{soon},"x":1,"x":1}}"#),
    ] {
        let token = token_of(r#"{"alg":"HS256"}"#, &claims);
        assert!(matches!(refused(&keys(), &token), Invalid::Malformed(_)), "{claims}");
    }
    let inside =
        format!(r#"{{"sub":"a","exp":{soon},"limits":{{"connections":9,"connections":1}}}}"#);
    let token = token_of(r#"{"alg":"HS256"}"#, &inside);
    assert!(matches!(refused(&keys(), &token), Invalid::Claim("limits", _)));
}

/// Texts that are no token, as long as a token may be, or longer, or nested.
#[test]
fn what_is_no_token() {
    let good = token_of(r#"{"alg":"HS256"}"#, &json!({"sub": "a", "exp": NOW_S + 9}).to_string());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        message.into(),
        format!("{good}."),
        format!("{good}.."),
        format!(".{claims}.{signature}"),
        format!("{header}={claims}.{signature}"),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}+.{claims}.{signature}"),
        format!("é.{claims}.{signature}"),
        ".".repeat(16 << 10),
        "A".repeat(16 << 10),
        "a.".repeat(8 << 10),
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("[]")),
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\"")),
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("[".repeat(10_000))),
    ] {
        assert!(matches!(refused(&keys(), &text), Invalid::Malformed(_)), "{text:.60}");
    }
    let long = |bytes: usize| {
        let filler = "x".repeat(bytes);
        token_of(
            r#"{"alg":"HS256"}"#,
            &json!({"sub": "a", "exp": NOW_S + 9, "x": filler}).to_string(),
        )
    };
    assert!(keys().verify(&long(12_000), NOW_MS).is_ok());
    assert_eq!(refused(&keys(), &long(13_000)), Invalid::Malformed("it is longer than 16 KiB"));
    // Five parts: encrypted, which is none of ours.
    let encrypted = format!("{header}.{claims}.{claims}.{claims}.{signature}");
    assert!(matches!(refused(&keys(), &encrypted), Invalid::Malformed(_)));
}

/// What a key has signed, but nested more deeply than anything may be.
#[test]
fn nesting_is_bounded() {
    for depth in [64, 1000, 5000] {
        let info = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let claims = format!(r#"{{"sub":"a","exp":{},"info":{info}}}"#, NOW_S + 9);
        let token = token_of(r#"{"alg":"HS256"}"#, &claims);
        assert!(matches!(refused(&keys(), &token), Invalid::Malformed(_)), "{depth}");
    }
}

/// One bit anywhere is enough.
#[test]
fn what_was_changed_was_not_signed() {
    let token =
        token_of(r#"{"alg":"HS256"}"#, &json!({"sub": "ann", "exp": NOW_S + 9}).to_string());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            refused(&keys(), &changed);
        }
    }
    let other = EncodingKey::from_rsa_der(&der!("rsa-other"));
    let token = signed(r#"{"alg":"RS256"}"#, &usual().to_string(), Algorithm::RS256, &other);
    let keys = public(vec![Key::public(&der!("rsa.pub"), None).unwrap()]);
    assert_eq!(refused(&keys, &token), Invalid::Signature, "another key of the same kind");
}
