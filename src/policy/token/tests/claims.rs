//! What each claim does: times, parties, user, channels, limits, info.

use super::*;

/// The usual claims with some of them changed; null takes one away.
fn with(changes: &Value) -> Result<Token, Invalid> {
    let mut claims = usual();
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        }
    }
    verified(&claims)
}

#[track_caller]
fn refuses(changes: &Value, why: Invalid) {
    assert_eq!(with(changes), Err(why), "{changes}");
}

#[test]
fn what_a_token_says() {
    let pattern = |text| Pattern::parse(text).unwrap();
    let token = with(&json!({
        "iat": NOW_S, "jti": "t1",
        "subscribe": ["room.*", "news.>"], "publish": ["room.7"],
        "limits": {"connections": 3, "messages_per_second": 5, "other": []},
        "info": {"name": "Ann"},
    }));
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
    assert_eq!(token, Ok(expected));
    let least = Token { user: "ann".into(), expires_ms: NOW_MS + 60_000, ..Token::default() };
    assert_eq!(with(&json!({})), Ok(least));
}

#[test]
fn times() {
    let leeway = Terms::default().leeway_ms / 1000;
    for good in [
        json!({"exp": NOW_S + 1}),
        json!({"exp": NOW_S - leeway + 1}),
        json!({"exp": NOW_S as f64 + 0.5}),
        json!({"nbf": NOW_S, "iat": NOW_S}),
        json!({"nbf": NOW_S + leeway, "iat": NOW_S + leeway}),
        json!({"nbf": 0, "iat": 0}),
        json!({"exp": 253_402_300_799_u64}),
    ] {
        assert!(with(&good).is_ok(), "{good}");
    }
    assert_eq!(with(&json!({"exp": NOW_S as f64 + 0.5})).unwrap().expires_ms, NOW_MS + 500);
    for over in [json!({"exp": NOW_S - leeway}), json!({"exp": 0}), json!({"exp": 1.5})] {
        refuses(&over, Invalid::Expired);
    }
    for early in [json!({"nbf": NOW_S + leeway + 1}), json!({"iat": NOW_S + leeway + 1})] {
        refuses(&early, Invalid::NotYet);
    }
    refuses(&json!({"exp": null}), Invalid::Claim("exp", "is missing"));
    for name in ["exp", "nbf", "iat"] {
        for bad in [
            json!("1790000060"),
            json!(-1),
            json!(NOW_MS), // milliseconds
            json!(1e300),
            json!(true),
            json!([NOW_S + 60]),
            json!({}),
        ] {
            refuses(&json!({name: bad}), Invalid::Claim(name, "must be seconds since 1970"));
        }
    }
    for odd in ["NaN", "Infinity", "1e999", "-0x1", "01"] {
        let claims = format!(r#"{{"sub":"ann","aud":"edge","exp":{odd}}}"#);
        let token = token_of(r#"{"alg":"HS256"}"#, &claims);
        assert!(public(vec![secret()]).verify(&token, NOW_MS).is_err(), "{odd}");
    }
    let null = token_of(r#"{"alg":"HS256"}"#, r#"{"sub":"ann","aud":"edge","exp":null}"#);
    let refused = public(vec![secret()]).verify(&null, NOW_MS);
    assert!(matches!(refused, Err(Invalid::Claim("exp", _))));
}

#[test]
fn a_token_is_over_when_its_time_is() {
    let keys = public(vec![secret()]);
    let token = with(&json!({})).unwrap();
    let last = token.expires_ms + keys.terms().leeway_ms;
    assert!(!keys.is_over(&token, last - 1));
    assert!(keys.is_over(&token, last) && keys.is_over(&token, u64::MAX));
}

#[test]
fn whom_it_is_for() {
    for good in [json!("edge"), json!(["edge"]), json!(["other", "edge"])] {
        assert!(with(&json!({"aud": good})).is_ok());
    }
    for bad in
        [json!("other"), json!("Edge"), json!(""), json!([]), json!(["x"]), json!(7), json!({})]
    {
        refuses(&json!({"aud": bad}), Invalid::Audience);
    }
    refuses(&json!({"aud": null}), Invalid::Audience);
    // Without an audience of ours, a token that has one is for somebody else.
    let verify =
        |claims: Value| keys().verify(&token_of(r#"{"alg":"HS256"}"#, &claims.to_string()), NOW_MS);
    assert_eq!(verify(usual()), Err(Invalid::Audience));
    assert!(verify(json!({"sub": "ann", "exp": NOW_S + 9})).is_ok());
}

#[test]
fn who_has_issued_it() {
    let terms = Terms { issuers: vec!["a".into(), "b".into()], ..Terms::default() };
    let keys = KeySet::new(vec![secret()], terms);
    let verify = |issuer: Value| {
        let claims = json!({"sub": "ann", "exp": NOW_S + 9, "iss": issuer}).to_string();
        keys.verify(&token_of(r#"{"alg":"HS256"}"#, &claims), NOW_MS).map(|_| ())
    };
    assert_eq!((verify(json!("a")), verify(json!("b"))), (Ok(()), Ok(())));
    for bad in [json!("c"), json!("A"), json!(""), json!(["a"]), json!(null), json!(1)] {
        assert_eq!(verify(bad.clone()), Err(Invalid::Issuer), "{bad}");
    }
    let none = token_of(r#"{"alg":"HS256"}"#, &json!({"sub": "a", "exp": NOW_S + 9}).to_string());
    assert_eq!(keys.verify(&none, NOW_MS), Err(Invalid::Issuer));
}

#[test]
fn users() {
    let longest = "é".repeat(64);
    for good in ["a", "a b", "ann@example.org", "*", ">", "{user}", "$all", &longest] {
        assert_eq!(with(&json!({"sub": good})).map(|token| token.user), Ok(good.into()));
    }
    let long = "x".repeat(129);
    let what = "must be 1 to 128 bytes without control characters";
    for bad in ["", &long, "a\nb", "\0", "a\u{7f}", "a\u{85}"] {
        refuses(&json!({"sub": bad}), Invalid::Claim("sub", what));
    }
    refuses(&json!({"sub": null}), Invalid::Claim("sub", "is missing"));
    for odd in [json!(7), json!(["ann"]), json!({})] {
        refuses(&json!({"sub": odd}), Invalid::Claim("sub", "must be a string"));
    }
    refuses(&json!({"jti": 7}), Invalid::Claim("jti", "must be a string"));
    for unnameable in [String::new(), "x".repeat(257)] {
        refuses(&json!({"jti": unnameable}), Invalid::Claim("jti", "must be 1 to 256 bytes"));
    }
}

#[test]
fn channels() {
    for name in ["subscribe", "publish"] {
        for odd in [json!("room.7"), json!({}), json!([7]), json!([["room.7"]]), json!(true)] {
            let what = "must be an array of channel patterns";
            refuses(&json!({name: odd}), Invalid::Claim(name, what));
        }
        let long = "a".repeat(129);
        for odd in ["", "a..b", ">.a", "a b", "room.*x", &long] {
            let what = "has something that is no channel pattern";
            refuses(&json!({name: ["room.7", odd]}), Invalid::Claim(name, what));
        }
        let many = |count: usize| json!({name: vec!["a"; count]});
        assert!(with(&many(256)).is_ok());
        refuses(&many(257), Invalid::Claim(name, "has more than 256 patterns"));
    }
}

#[test]
fn limits_and_info() {
    for odd in [json!([]), json!(7), json!("1")] {
        refuses(&json!({"limits": odd}), Invalid::Claim("limits", "must be an object"));
    }
    for name in ["connections", "messages_per_second"] {
        for odd in [json!(0), json!(-1), json!(1.5), json!("1"), json!(1_u64 << 32)] {
            let what = "must be integers, 1 or more";
            refuses(&json!({"limits": {name: odd}}), Invalid::Claim("limits", what));
        }
    }
    let info = |info: Value| with(&json!({"info": info})).map(|token| token.info);
    assert_eq!(info(json!("x")), Ok(Some(r#""x""#.into())));
    assert_eq!(info(json!(false)), Ok(Some("false".into())));
    assert_eq!(info(Value::Null), Ok(None));
    assert!(info(json!("x".repeat(1022))).is_ok());
    let long = json!({"info": "x".repeat(1023)});
    refuses(&long, Invalid::Claim("info", "is longer than 1 KiB"));
}

#[test]
fn a_place_of_their_own() {
    let place = "https://example.org/fanwire";
    let audiences = vec!["edge".into()];
    let terms = Terms { place: Some(place.into()), audiences, ..Terms::default() };
    let keys = KeySet::new(vec![secret()], terms);
    let verify = |changes: &[(&str, Value)]| {
        let mut claims = usual();
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        keys.verify(&token_of(r#"{"alg":"HS256"}"#, &claims.to_string()), NOW_MS)
    };
    let inside = json!({"publish": ["a"], "sub": "root", "exp": 1, "info": 1});
    let token = verify(&[(place, inside), ("publish", json!([">"]))]).unwrap();
    assert_eq!((&*token.user, token.publish.len(), token.publish[0].as_str()), ("ann", 1, "a"));
    assert_eq!(token.info.as_deref(), Some("1"));
    let token = verify(&[("publish", json!([">"]))]).unwrap();
    assert!(token.publish.is_empty(), "what stands at the top does not count");
    for odd in [json!([]), json!("x"), json!(1), Value::Null] {
        let what = Invalid::Claim("claim of jwt_claims", "must be an object");
        assert_eq!(verify(&[(place, odd)]), Err(what));
    }
}
