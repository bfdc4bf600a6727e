//! Who a client is: every way of handing over a token, in their order; what is wrong with one; the
//! time until a login, and what comes before a token ends. Whether a token is good is tested beside
//! `policy::token`; what one allows is `rights`.

use serde_json::{Value, json};

mod forged;

use crate::peer::Peer;
use crate::permissions::{BEARER, KEY};
use crate::server::{Server, folder};
use crate::token::{JWT_KEY, SECRET, ending_in, now_ms, signed, token};
use crate::wire::{self, Response, Wire, text};

/// A server where everybody has to log in, with these flags besides.
pub fn server(flags: &[&str]) -> Server {
    let keys = ["--jwt-keys", JWT_KEY, "--api-keys", KEY, "--jwt-leeway", "0"];
    Server::start(&[&keys[..], flags].concat())
}

/// A counter of a server with keys.
pub fn counter(server: &Server, name: &str) -> u64 {
    crate::permissions::counter(server, name)
}

fn ann() -> String {
    token("ann", &json!({}))
}

fn authorization(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn auth(token: &str) -> Value {
    json!({"type": "auth", "id": "a", "data": {"token": token}})
}

fn say(wire: &mut Wire, message: &Value) {
    wire.send(text(&message.to_string()));
}

/// The first message must be a welcome of this user.
fn is_welcome(message: &Value, user: &str) {
    assert_eq!(message["type"], "connection", "{message}");
    let data = &message["data"];
    assert_eq!(data["user"], user, "{message}");
    assert!(
        (1..=3_600_000).contains(&data["expires_in_ms"].as_u64().expect("a time")),
        "{message}"
    );
    assert!(data["position"].is_string(), "{message}");
}

/// An `error` of this code, then a Close with that.
fn is_refused(wire: &mut Wire, code: &str, close: (u16, &str)) {
    let error = wire.json();
    assert_eq!(
        (&error["type"], &error["data"]["code"]),
        (&json!("error"), &json!(code)),
        "{error}"
    );
    assert_eq!(error["data"]["temporary"], json!(false), "{error}");
    assert_eq!(wire.close(), Some((close.0, close.1.into())), "{error}");
}

#[test]
fn every_way_of_handing_over_a_token() {
    let server = server(&["--jwt-cookie", "sid", "--token-in-query"]);
    let token = ann();
    let origin = format!("Origin: http://localhost\r\nCookie: a=b; sid={token}\r\n");
    for (path, lines) in [
        ("/ws".to_string(), authorization(&token)),
        ("/ws".into(), format!("Sec-WebSocket-Protocol: fanwire.v1, bearer.{token}\r\n")),
        ("/ws".into(), format!("Sec-WebSocket-Protocol: bearer.{token}, fanwire.v1\r\n")),
        ("/ws".into(), origin),
        (format!("/ws?token={token}"), String::new()),
    ] {
        let (mut wire, response) = Wire::open_with(server.port, &path, &lines);
        is_welcome(&wire.json(), "ann");
        // A credential is never sent back.
        let protocol = lines.contains("fanwire.v1").then_some("fanwire.v1");
        assert_eq!(response.field("sec-websocket-protocol"), protocol, "{lines}");
    }
    let mut wire = Wire::open(server.port, "/ws");
    say(&mut wire, &auth(&token));
    let ack = wire.json();
    assert_eq!((&ack["type"], &ack["id"]), (&json!("ack"), &json!("a")), "{ack}");
    assert_eq!(ack["data"]["user"], "ann", "{ack}");
    assert!(ack["data"]["expires_in_ms"].as_u64().is_some_and(|ms| ms <= 3_600_000), "{ack}");
    is_welcome(&wire.json(), "ann");
    assert_eq!(counter(&server, "fanwire_logins_total"), 6);
}

/// The first one present decides, and a bad one does not fall through.
#[test]
fn the_first_token_decides() {
    let server = server(&["--jwt-cookie", "sid", "--token-in-query"]);
    let (ann, bob) = (ann(), token("bob", &json!({})));
    let protocol = |token: &str| format!("Sec-WebSocket-Protocol: fanwire.v1, bearer.{token}\r\n");
    let cookie = |token: &str| format!("Origin: http://localhost\r\nCookie: sid={token}\r\n");
    let query = format!("/ws?token={bob}");
    for (path, first, second) in [
        ("/ws", authorization(&ann), protocol(&bob)),
        ("/ws", authorization(&ann), cookie(&bob)),
        ("/ws", protocol(&ann), cookie(&bob)),
        (&query, cookie(&ann), String::new()),
        (&query, authorization(&ann), String::new()),
    ] {
        // The order in which they stand says nothing.
        let mut wire = Wire::open_with(server.port, path, &format!("{second}{first}")).0;
        is_welcome(&wire.json(), "ann");
        let bad = format!("{first}{second}").replace(&ann, "nonsense");
        let mut wire = Wire::open_with(server.port, path, &bad).0;
        is_refused(&mut wire, "unauthorized", (4102, "bad_token"));
    }
    for lines in ["Authorization: Bearer\r\n", "Authorization: Bearer a b\r\n"] {
        let mut wire = Wire::open_with(server.port, &query, lines).0;
        is_refused(&mut wire, "unauthorized", (4102, "bad_token"));
    }
    // A proxy's own password is none of ours.
    let mut wire = Wire::open_with(server.port, &query, "Authorization: Basic YTpi\r\n").0;
    is_welcome(&wire.json(), "bob");
}

/// What is refused before the 101, and nothing else.
#[test]
fn heads_that_are_refused() {
    let server = server(&["--jwt-cookie", "sid"]);
    let token = ann();
    let ask = |lines: &str| -> Response {
        Wire::connect(server.port).ask(&wire::handshake("/ws", lines))
    };
    let alone = ask(&format!("Sec-WebSocket-Protocol: bearer.{token}\r\n"));
    assert_eq!((alone.status, &*alone.code()), (400, "bad_request"));
    let twice = ask(&format!("{0}{0}", authorization(&token)));
    assert_eq!((twice.status, &*twice.code()), (400, "bad_request"));
    let no_origin = ask(&format!("Cookie: sid={token}\r\n"));
    assert_eq!((no_origin.status, &*no_origin.code()), (403, "forbidden"));
    let foreign = ask(&format!("Origin: http://elsewhere\r\nCookie: sid={token}\r\n"));
    assert_eq!((foreign.status, &*foreign.code()), (403, "forbidden"));
    for response in [alone, twice, no_origin, foreign] {
        assert!(!response.text().contains(&token), "{response:?}");
    }
    // What is not looked for is not there.
    let mut wire = Wire::open(server.port, &format!("/ws?token={token}"));
    say(&mut wire, &json!({"type": "subscribe", "id": 1, "channel": "a"}));
    is_refused(&mut wire, "unauthorized", (4401, "token_needed"));
}

#[test]
fn whatever_is_wrong_with_a_token() {
    let server = server(&[]);
    let header = json!({"alg": "HS256"});
    let hour = now_ms() / 1000 + 3600;
    let not_yet = token("ann", &json!({"nbf": hour}));
    let foreign = signed(&header, &json!({"sub": "ann", "exp": hour}), &SECRET.replace('a', "b"));
    let nobody = signed(&header, &json!({"exp": hour}), SECRET);
    let endless = signed(&header, &json!({"sub": "ann"}), SECRET);
    let unsigned = signed(&json!({"alg": "none"}), &json!({"sub": "ann", "exp": hour}), SECRET);
    let over = signed(&header, &json!({"sub": "ann", "exp": now_ms() / 1000 - 60}), SECRET);
    let bad = ("unauthorized", (4102, "bad_token"));
    for (token, (code, close)) in [
        ("nonsense", bad),
        ("", bad),
        ("a.b.c", bad),
        (&not_yet, bad),
        (&foreign, bad),
        (&nobody, bad),
        (&endless, bad),
        (&unsigned, bad),
        (&over, ("token_expired", (4101, "expired"))),
    ] {
        let mut wire = Wire::open(server.port, "/ws");
        say(&mut wire, &auth(token));
        let error = wire.json();
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("a")), "{error}");
        assert_eq!(error["data"]["code"], code, "{token}: {error}");
        assert!(token.is_empty() || !error.to_string().contains(token), "{error}");
        assert_eq!(wire.close(), Some((close.0, close.1.into())), "{token}");
        // In the handshake it is the same; a raw channel has no words.
        let lines = authorization(token);
        let mut wire = Wire::open_with(server.port, "/ws", &lines).0;
        is_refused(&mut wire, code, close);
        let mut wire = Wire::open_with(server.port, "/channels/a", &lines).0;
        assert_eq!(wire.close(), Some((close.0, close.1.into())), "{token}");
    }
    assert_eq!(counter(&server, r#"fanwire_closes_total{code="4102"}"#), 8 * 3);
    assert_eq!(counter(&server, r#"fanwire_closes_total{code="4101"}"#), 3);
    assert_eq!(counter(&server, r#"fanwire_refusals_total{code="token_expired",over="ws"}"#), 2);
    assert_eq!(counter(&server, "fanwire_logins_total"), 0);
}

/// A connection that has to log in may do that, and ping, and hears nothing but answers.
#[test]
fn a_stranger_hears_nothing() {
    let server = server(&["--update-interval", "100ms"]);
    let mut wire = Wire::open(server.port, "/ws");
    assert_eq!(server.post("/broadcast", BEARER, "1").status, 200);
    for (message, answer) in [
        (r#"{"type":"ping","id":1}"#, "pong"),
        ("nonsense", "error"),
        (r#"{"type":"dance","id":2}"#, "error"),
        (r#"{"type":"auth","id":3}"#, "error"),
    ] {
        wire.send(text(message));
        let received = wire.json();
        assert_eq!(received["type"], answer, "{message}: {received}");
    }
    say(&mut wire, &auth(&ann()));
    assert_eq!(wire.json()["type"], "ack");
    is_welcome(&wire.json(), "ann");
    assert_eq!(server.post("/broadcast", BEARER, "2").status, 200);
    loop {
        let message = wire.json();
        if message["type"] != "update" {
            assert_eq!((&message["type"], &message["data"]), (&json!("broadcast"), &json!(2)));
            break;
        }
    }
}

#[test]
fn whoever_has_no_token_is_told_to_stop() {
    let server = server(&[]);
    for request in [
        json!({"type": "subscribe", "id": 1, "channel": "a"}),
        json!({"type": "publish", "id": 1, "channel": "a", "data": 1}),
        json!({"type": "history", "id": 1, "channel": "a"}),
        json!({"type": "echo", "id": 1}),
    ] {
        let mut wire = Wire::open(server.port, "/ws");
        say(&mut wire, &request);
        let error = wire.json();
        assert_eq!(error["data"]["code"], "unauthorized", "{error}");
        assert_eq!((&error["id"], &error["channel"]), (&json!(1), &request["channel"]), "{error}");
        assert_eq!(wire.close(), Some((4401, "token_needed".into())));
    }
    let mut wire = Wire::open(server.port, "/ws");
    let channels = json!([{"channel": "a"}, {"channel": "b..c"}, {"channel": "d"}]);
    say(&mut wire, &json!({"type": "subscribe", "id": 2, "data": {"channels": channels}}));
    for channel in ["a", "b..c", "d"] {
        let error = wire.json();
        assert_eq!(error["data"]["code"], "unauthorized", "{error}");
        assert_eq!((&error["id"], &error["channel"]), (&json!(2), &json!(channel)), "{error}");
    }
    assert_eq!(wire.close(), Some((4401, "token_needed".into())));
    let mut wire = Wire::open(server.port, "/channels/a");
    assert_eq!(wire.close(), Some((4401, "token_needed".into())));
    assert_eq!(counter(&server, r#"fanwire_closes_total{code="4401"}"#), 6);
}

#[test]
fn a_login_has_its_time() {
    let server = server(&["--auth-timeout", "200ms"]);
    let mut late = Wire::open(server.port, "/ws");
    let mut known = Peer::open_as(server.port, "/ws", &ann());
    assert_eq!(late.close(), Some((4003, "too_late".into())));
    assert_eq!(counter(&server, r#"fanwire_limits_total{limit="auth_timeout"}"#), 1);
    known.ping();
}

#[test]
fn a_stranger_says_little_at_once() {
    let server = server(&[]);
    let ping = |bytes: usize| format!("{{\"type\":\"ping\",\"fill\":\"{}\"}}", "x".repeat(bytes));
    let fits = ping((16 << 10) - ping(0).len());
    let mut wire = Wire::open(server.port, "/ws");
    wire.send(text(&fits));
    assert_eq!(wire.json()["type"], "pong");
    // Who has logged in may say more, also when it comes in the same breath.
    let long = ping(40 << 10);
    wire.send([text(&auth(&ann()).to_string()), text(&long)].concat());
    assert_eq!(wire.json()["type"], "ack");
    is_welcome(&wire.json(), "ann");
    assert_eq!(wire.json()["type"], "pong");
    let mut wire = Wire::open(server.port, "/ws");
    wire.send(text(&format!("{fits} ")));
    assert_eq!(wire.close(), Some((1009, "too_large".into())));
    assert_eq!(counter(&server, r#"fanwire_limits_total{limit="max_message_bytes"}"#), 1);
}

/// What came with the handshake is not forgotten over the login.
#[test]
fn broadcasts_are_resumed_after_the_login() {
    let server = server(&[]);
    let peer = Peer::open_as(server.port, "/ws", &ann());
    let position = peer.welcome["data"]["position"].as_str().expect("a position").to_string();
    assert_eq!(server.post("/broadcast", BEARER, "1").status, 200);
    let mut wire = Wire::open(server.port, &format!("/ws?since={position}"));
    say(&mut wire, &auth(&ann()));
    for (kind, data) in [("ack", None), ("connection", None), ("broadcast", Some(json!(1)))] {
        let message = wire.json();
        assert_eq!(message["type"], kind, "{message}");
        assert!(data.is_none_or(|data| message["data"] == data), "{message}");
    }
}

/// Before a token ends its client is told; with the next one it stays, without it must go.
#[test]
fn a_token_ends() {
    let flags = ["--token-notice", "60s", "--token-grace", "100ms", "--ping-interval", "0"];
    let server = server(&flags);
    let open = || Peer::open_as(server.port, "/ws", &ending_in("ann", 800, &json!({})));
    let (mut goes, mut stays) = (open(), open());
    let mut raw = Peer::open_as(
        server.port,
        "/channels/a",
        &ending_in("ann", 800, &json!({"subscribe": ["a"]})),
    );
    for peer in [&mut goes, &mut stays] {
        let expiring = peer.receive();
        assert_eq!(expiring["type"], "expiring", "{expiring}");
        let left_ms = expiring["data"]["expires_in_ms"].as_u64().expect("a time");
        assert!(left_ms <= 400, "half of its life is left, at most: {expiring}");
    }
    stays.ask(&auth(&ann()));
    assert_eq!(goes.closed(), (4101, "expired".into()));
    assert_eq!(raw.closed(), (4101, "expired".into()));
    stays.ping();
    assert_eq!(counter(&server, r#"fanwire_closes_total{code="4101"}"#), 2);
}

/// A refresh is of the same user; one that is refused leaves the old token in force.
#[test]
fn a_refresh_in_place() {
    let server = server(&[]);
    let mut peer = Peer::open_as(server.port, "/ws", &ann());
    assert_eq!(peer.refused(&auth(&token("bob", &json!({})))), "forbidden");
    assert_eq!(peer.refused(&auth("nonsense")), "unauthorized");
    assert_eq!(peer.refused(&auth(&ending_in("ann", 0, &json!({})))), "token_expired");
    let ack = peer.ask(&auth(&ann()));
    assert_eq!(ack["user"], "ann", "{ack}");
    peer.ping();
    assert_eq!(counter(&server, "fanwire_logins_total"), 2);
}

/// Where one may stay without a token, one may also log in later; but a bad token is not taken for
/// none.
#[test]
fn anonymous_clients() {
    let server = server(&["--anonymous"]);
    let mut peer = Peer::open(server.port, "/ws");
    assert_eq!(peer.welcome["data"]["user"], json!(null));
    assert_eq!(peer.welcome["data"]["expires_in_ms"], json!(null));
    assert_eq!(peer.refused(&json!({"type": "subscribe", "id": 1, "channel": "a"})), "forbidden");
    peer.ask(&auth(&token("ann", &json!({"subscribe": ["a"]}))));
    peer.subscribe("a");
    let mut peer = Peer::open(server.port, "/ws");
    assert_eq!(peer.refused(&auth("nonsense")), "unauthorized");
    assert_eq!(peer.closed(), (4102, "bad_token".into()));
    let mut wire = Wire::open_with(server.port, "/ws", &authorization("nonsense")).0;
    is_refused(&mut wire, "unauthorized", (4102, "bad_token"));
}

/// Without keys for tokens nobody is anybody, and credentials are not looked at.
#[test]
fn a_server_without_keys_for_tokens() {
    let server = Server::start(&[]);
    let mut wire = Wire::open_with(server.port, "/ws", &authorization("nonsense")).0;
    assert_eq!(wire.json()["data"]["user"], json!(null));
    say(&mut wire, &auth(&ann()));
    assert_eq!(wire.json()["data"]["code"], "not_enabled");
    say(&mut wire, &json!({"type": "ping"}));
    assert_eq!(wire.json()["type"], "pong");
}

/// A token may set a rate that is lower than everybody's, never a higher one.
#[test]
fn a_rate_of_its_own() {
    let flags = ["--messages-per-second", "100", "--burst", "160"];
    let server = server(&flags);
    let limits = |rate: u32| token("ann", &json!({"limits": {"messages_per_second": rate}}));
    for (token, refused) in [(limits(1), true), (limits(1_000_000), true), (ann(), true)] {
        let mut wire = Wire::open_with(server.port, "/ws", &authorization(&token)).0;
        is_welcome(&wire.json(), "ann");
        let pings = text(r#"{"type":"ping"}"#).repeat(400);
        wire.send(pings);
        let refusals: Vec<_> =
            (0..400).map(|_| wire.json()).filter(|answer| answer["type"] == "error").collect();
        assert_eq!(!refusals.is_empty(), refused);
        let pace = refusals[0]["data"]["retry_after_ms"].as_u64().expect("a pace");
        assert_eq!(pace > 500, token == limits(1), "{}", refusals[0]);
    }
}

/// Tokens stand in no log, whatever becomes of them.
#[test]
fn tokens_are_not_logged() {
    let flags = ["--log-level", "trace", "--jwt-cookie", "sid", "--token-in-query"];
    let server = server(&flags);
    let good = ann();
    let bad = good.replace('.', ".x");
    for token in [&good, &bad] {
        let cookie = format!("Origin: http://localhost\r\nCookie: sid={token}\r\n");
        let protocol = format!("Sec-WebSocket-Protocol: fanwire.v1, bearer.{token}\r\n");
        for path in ["/ws", "/channels/a"] {
            for lines in [&authorization(token), &cookie, &protocol] {
                Wire::open_with(server.port, path, lines).0.frame();
            }
            Wire::open(server.port, &format!("{path}?token={token}")).frame();
        }
        let mut wire = Wire::open(server.port, "/ws");
        say(&mut wire, &auth(token));
        wire.json();
        let list = Wire::connect(server.port).request("GET", "/connections", BEARER);
        assert!(!list.text().contains(token.as_str()));
        let metrics = Wire::connect(server.port).request("GET", "/metrics", BEARER);
        assert!(!metrics.text().contains(token.as_str()));
    }
    let log = server.into_log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "it logs much: {log}");
    for token in [&good, &bad] {
        for part in token.split('.').filter(|part| part.len() > 4) {
            assert!(!log.contains(part), "{part} stands in the log");
        }
    }
    assert!(!log.contains(SECRET));
}

/// New keys drop nobody who has logged in; who has not may stay no longer where one must.
#[test]
fn keys_come_with_a_reload() {
    let file = folder("auth-reload").join("fanwire.toml");
    let settings = |keys: &str| {
        let text = format!("api_keys = [\"{KEY}\"]\njwt_keys = [{keys}]\n");
        std::fs::write(&file, text).expect("written");
    };
    let reloads = r#"fanwire_reloads_total{outcome="ok"}"#;
    let reload = |server: &Server, keys: &str| {
        let before = counter(server, reloads);
        settings(keys);
        server.signal(rustix::process::Signal::HUP);
        let start = std::time::Instant::now();
        while counter(server, reloads) == before {
            assert!(start.elapsed() < wire::PATIENCE, "it does not reload");
        }
        server.await_workers(BEARER);
    };
    settings("");
    let server = Server::start(&["--workers", "2", "--config", &file.to_string_lossy()]);
    let mut anonymous = Peer::open(server.port, "/ws");
    let mut raw = Peer::open(server.port, "/channels/a");
    assert_eq!(raw.closed(), (4403, "forbidden".into()));
    reload(&server, &format!("\"{JWT_KEY}\""));
    assert_eq!(anonymous.closed(), (4401, "token_needed".into()));
    let mut known = Peer::open_as(server.port, "/ws", &ann());
    reload(&server, "\"hs256:quite another secret that is as long as it must be\"");
    known.ping();
    assert_eq!(known.refused(&auth(&ann())), "unauthorized");
    known.ping();
    let mut wire = Wire::open_with(server.port, "/ws", &authorization(&ann())).0;
    is_refused(&mut wire, "unauthorized", (4102, "bad_token"));
}
