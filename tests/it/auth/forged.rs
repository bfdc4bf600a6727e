//! Tokens that somebody has made to get in, or to do harm: the program answers each as documented,
//! in the handshake, on a raw channel and in `auth`. All of them, with more variants, are tested
//! beside `policy::token`; here it is what a client sees.

use serde_json::json;

use super::{auth, authorization, counter, is_refused, say, server};
use crate::permissions::KEY;
use crate::server::Server;
use crate::token::{SECRET, now_ms, signed, signed_as_it_is};
use crate::wire::{self, Wire};

const BAD: (u16, &str) = (4102, "bad_token");

/// Refused wherever it is handed over.
fn nobody_gets_in(server: &Server, token: &str) {
    let lines = authorization(token);
    is_refused(&mut Wire::open_with(server.port, "/ws", &lines).0, "unauthorized", BAD);
    let mut raw = Wire::open_with(server.port, "/channels/a", &lines).0;
    assert_eq!(raw.close(), Some((BAD.0, BAD.1.into())), "{token}");
    let mut wire = Wire::open(server.port, "/ws");
    say(&mut wire, &auth(token));
    is_refused(&mut wire, "unauthorized", BAD);
}

#[test]
fn forged_tokens() {
    let server = server(&["--jwt-audience", "edge"]);
    let plain = r#"{"alg":"HS256"}"#;
    let end = now_ms() / 1000 + 3600;
    let usual = format!(r#"{{"sub":"ann","exp":{end},"aud":"edge"}}"#);
    let with = |header: &str| signed_as_it_is(header, &usual, SECRET);
    let saying = |claims: &str| signed_as_it_is(plain, &usual.replace('}', claims), SECRET);
    let good = with(plain);
    let unsigned = with(r#"{"alg":"none"}"#);
    let nested = format!(r#","x":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let tokens = [
        signed_as_it_is(plain, &usual.replace("edge", "elsewhere"), SECRET),
        signed_as_it_is(plain, &usual.replace("aud", "other"), SECRET),
        saying(r#","sub":"bob"}"#),
        saying(r#","s\u0075b":"bob"}"#),
        saying(&nested),
        saying(r#","subscribe":["a.>.b"]}"#),
        saying(r#","limits":{"connections":0}}"#),
        with(r#"{"alg":"HS256","crit":["exp"]}"#),
        with(r#"{"alg":"HS512"}"#),
        with(r#"{"alg":"ES256"}"#),
        format!("{}.", unsigned.rsplit_once('.').expect("three parts").0),
        format!("{}.", good.rsplit_once('.').expect("three parts").0),
        format!("{good}."),
    ];
    for token in &tokens {
        nobody_gets_in(&server, token);
    }
    let closed = counter(&server, r#"fanwire_closes_total{code="4102",word="bad_token"}"#);
    assert_eq!(closed, 3 * tokens.len() as u64);
    let mut wire = Wire::open_with(server.port, "/ws", &authorization(&good)).0;
    assert_eq!(wire.json()["data"]["user"], "ann", "but for what was changed they were good");
}

/// Who knows the public key signs nothing with it: it is no secret, and not taken for one.
#[test]
fn a_public_key_is_no_secret() {
    let file = format!("{}/src/policy/token/tests/keys/p256.pub.pem", env!("CARGO_MANIFEST_DIR"));
    let keys = ["--jwt-keys", &file, "--jwt-audience", "edge", "--api-keys", KEY];
    let server = Server::start(&keys);
    let claims = json!({"sub": "ann", "exp": now_ms() / 1000 + 3600, "aud": "edge"});
    let key = std::fs::read_to_string(&file).expect("a key");
    for secret in [&*key, key.trim(), ""] {
        for algorithm in ["HS256", "ES256"] {
            nobody_gets_in(&server, &signed(&json!({"alg": algorithm}), &claims, secret));
        }
    }
}

/// As long as a token may be it is looked at; a longer one is not. Before that stand the limits of
/// what carries it.
#[test]
fn oversized_tokens() {
    let server = server(&["--max-header-bytes", "64KiB"]);
    let of = |filler: usize| {
        let claims = json!({"sub": "ann", "exp": now_ms() / 1000 + 60, "x": "x".repeat(filler)});
        signed(&json!({"alg": "HS256"}), &claims, SECRET)
    };
    let (most, long) = (of(12_000), of(12_300));
    assert!(most.len() <= 16 << 10 && long.len() > 16 << 10, "{} {}", most.len(), long.len());
    let mut wire = Wire::open_with(server.port, "/ws", &authorization(&most)).0;
    assert_eq!(wire.json()["data"]["user"], "ann");
    let mut wire = Wire::open_with(server.port, "/ws", &authorization(&long)).0;
    is_refused(&mut wire, "unauthorized", BAD);
    let mut wire = Wire::open(server.port, "/ws");
    say(&mut wire, &auth(&long));
    assert_eq!(wire.close(), Some((1009, "too_large".into())), "a stranger's message has 16 KiB");
    let usual = super::server(&[]);
    let head = wire::handshake("/ws", &authorization(&long));
    assert_eq!(Wire::connect(usual.port).ask(&head).status, 431);
}
