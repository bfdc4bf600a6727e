//! Every error of `fanwire.v1` that exists (design 2): a bad message gets an `error` with the
//! request's id, and the connection goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;
use crate::wire::{BINARY, FIN, Wire, frame, text};

#[test]
fn what_is_not_understood() {
    with_workers(&["--messages-per-second", "0"], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        for bad in ["", "{", "[]x", "nonsense", r#"{"type":"ping"}}"#, &"[".repeat(100)] {
            peer.send_text(bad);
            let error = peer.receive();
            let code = error["data"]["code"].as_str().unwrap_or_default();
            assert!(matches!(code, "bad_json" | "bad_request"), "{bad}: {error}");
        }
        let deep =
            format!(r#"{{"type":"echo","id":3,"data":{}{}}}"#, "[".repeat(65), "]".repeat(65));
        peer.send_text(&deep);
        let error = peer.receive();
        assert_eq!((&error["data"]["code"], &error["id"]), (&json!("bad_json"), &json!(3)));
        for (request, code) in [
            (json!({"type": "fly", "id": 1}), "unknown_type"),
            (json!({"type": 5, "id": 1}), "bad_request"),
            (json!({"type": "subscribe", "id": 1}), "bad_request"),
            (json!({"type": "subscribe", "id": 1, "channel": "a..b"}), "bad_channel"),
            (json!({"type": "subscribe", "id": 1, "channel": "a.*"}), "bad_channel"),
            (json!({"type": "subscribe", "id": 1, "channel": "$other"}), "bad_channel"),
            (json!({"type": "subscribe", "id": 1, "channel": "x".repeat(129)}), "bad_request"),
            (
                json!({"type": "subscribe", "id": 1, "channel": "a", "data": {"last": -1}}),
                "bad_request",
            ),
            (
                json!({"type": "subscribe", "id": 1, "channel": "a", "data": {"mode": "x"}}),
                "bad_request",
            ),
            (json!({"type": "subscribe", "id": 1, "channel": "a", "data": 5}), "bad_request"),
            (json!({"type": "subscribe", "id": 1, "data": {"channels": []}}), "bad_request"),
            (json!({"type": "publish", "id": 1, "channel": "a"}), "bad_request"),
            (json!({"type": "publish", "id": 1, "channel": "$all", "data": 1}), "forbidden"),
            (
                json!({"type": "publish", "id": 1, "channel": "a", "data": 1, "key": ""}),
                "bad_request",
            ),
            (
                json!({"type": "publish", "id": 1, "channel": "a", "data": 1,
                    "idempotency_key": "x".repeat(65)}),
                "bad_request",
            ),
            (
                json!({"type": "history", "id": 1, "channel": "a", "data": {"limit": 0}}),
                "bad_request",
            ),
            (
                json!({"type": "history", "id": 1, "channel": "a", "data": {"limit": 1001}}),
                "bad_request",
            ),
            (json!({"type": "auth", "id": 1, "data": {}}), "bad_request"),
        ] {
            let found = peer.refused(&request);
            let either = code == "bad_request" && found == "bad_channel";
            assert!(found == code || either, "{request}: {found}");
        }
        for id in [json!(-1), json!(1.5), json!("x".repeat(65)), json!(1_u64 << 53), json!([])] {
            peer.send(&json!({"type": "ping", "id": id}));
            let error = peer.receive();
            assert_eq!(error["data"]["code"], "bad_request", "{id}");
            assert_eq!(error.get("id"), None, "what is no id is not echoed");
        }
        peer.ping();
    });
}

#[test]
fn what_is_not_enabled() {
    with_workers(&[], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        for request in [
            json!({"type": "auth", "id": 1, "data": {"token": "x"}}),
            json!({"type": "presence", "id": 1, "channel": "$all"}),
            json!({"type": "subscribe", "id": 1, "channel": "$user"}),
        ] {
            assert_eq!(peer.refused(&request), "not_enabled", "{request}");
        }
        peer.subscribe("a");
        let again = json!({"type": "subscribe", "id": 1, "channel": "a"});
        assert_eq!(peer.refused(&again), "already_subscribed");
        let again = json!({"type": "subscribe", "id": 1, "channel": "$all"});
        assert_eq!(peer.refused(&again), "already_subscribed");
    });
}

/// A binary message on `/ws` is `unsupported_data`, not the end.
#[test]
fn binary_messages() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.port, "/ws");
    wire.json();
    wire.send([frame(FIN | BINARY, r#"{"type":"ping"}"#), text(r#"{"type":"ping"}"#)].concat());
    assert_eq!(wire.json()["data"]["code"], "unsupported_data");
    assert_eq!(wire.json()["type"], "pong");
}

#[test]
fn too_many_subscriptions() {
    with_workers(&["--max-subscriptions", "5"], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        for number in 0..5 {
            peer.subscribe(&format!("c{number}"));
        }
        let sixth = json!({"type": "subscribe", "id": 1, "channel": "c5"});
        assert_eq!(peer.refused(&sixth), "too_many_subscriptions");
        peer.ask(&json!({"type": "unsubscribe", "id": 1, "channel": "c0"}));
        peer.ask(&sixth);
        // Also all at once, while none is answered yet.
        let mut peer = Peer::open(server.port, "/ws");
        let wishes: Vec<_> = (0..9).map(|n| json!({"channel": format!("m{n}")})).collect();
        peer.send(&json!({"type": "subscribe", "id": 2, "data": {"channels": wishes}}));
        let answers: Vec<_> = (0..9).map(|_| peer.receive()["type"].clone()).collect();
        assert_eq!(answers.iter().filter(|kind| **kind == "ack").count(), 5);
    });
}

#[test]
fn more_messages_than_the_rate_allows() {
    let server = Server::start(&["--messages-per-second", "5", "--burst", "160"]);
    let mut peer = Peer::open(server.port, "/ws");
    for number in 0..200 {
        peer.send(&json!({"type": "ping", "id": number}));
    }
    let answers: Vec<Value> = (0..200).map(|_| peer.receive()).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer["type"] == "error").collect();
    assert!((1..=40).contains(&refused.len()), "{} of 200 were refused", refused.len());
    for answer in refused {
        assert_eq!(answer["data"]["code"], "rate_limited");
        assert_eq!(answer["data"]["temporary"], true);
        assert!(answer["data"]["retry_after_ms"].as_u64().is_some_and(|pace| pace <= 1000));
        assert!(answer["id"].is_u64(), "it names the request");
    }
    // Whoever waits as long as it is told may speak again.
    peer.send(&json!({"type": "ping", "id": 1}));
    let answer = peer.receive();
    if let Some(pace) = answer["data"]["retry_after_ms"].as_u64() {
        let then = Instant::now() + Duration::from_millis(pace);
        server.await_counter("fanwire_connections", |_| Instant::now() >= then);
        peer.ping();
    }
    let off = Server::start(&["--messages-per-second", "0"]);
    let mut peer = Peer::open(off.port, "/ws");
    (0..1000).for_each(|_| peer.ping());
}

/// Raw channels and `/echo` have no words for it: they are just read more slowly.
#[test]
fn over_the_rate_without_words() {
    let server = Server::start(&[
        "--messages-per-second",
        "50",
        "--burst",
        "37",
        "--max-subscriptions",
        "5",
    ]);
    let start = Instant::now();
    let mut wire = Wire::open(server.port, "/echo");
    wire.send(text("x").repeat(80));
    for _ in 0..80 {
        assert_eq!(wire.text(), "x");
    }
    assert!(start.elapsed().as_millis() >= 500, "43 messages at 50 a second");
    assert!(server.counter(r#"fanwire_limits_total{limit="messages_per_second"}"#) > 0);
}

/// `max_message_bytes` is 1009; exactly so many pass.
#[test]
fn messages_that_are_too_long() {
    with_workers(&["--max-message-bytes", "2KiB"], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        let empty = json!({"type": "echo", "data": ""}).to_string().len();
        peer.send(&json!({"type": "echo", "data": "x".repeat(2048 - empty)}));
        assert_eq!(peer.receive()["type"], "echo");
        peer.send(&json!({"type": "echo", "data": "x".repeat(2049 - empty)}));
        assert_eq!(peer.closed(), (1009, "too_large".into()));
    });
}

/// `max_channels`: only channels that somebody listens to are kept for sure.
#[test]
fn too_many_channels() {
    let server = Server::start(&["--max-channels", "4", "--workers", "1"]);
    let mut peer = Peer::open(server.port, "/ws");
    // `$all` is one of the four.
    for number in 0..3 {
        peer.subscribe(&format!("c{number}"));
    }
    for request in [
        json!({"type": "subscribe", "id": 1, "channel": "c3"}),
        json!({"type": "publish", "id": 2, "channel": "c3", "data": 1}),
    ] {
        peer.send(&request);
        let error = peer.receive()["data"].clone();
        assert_eq!(error["code"], "too_many_channels");
        assert_eq!((&error["temporary"], &error["retry_after_ms"]), (&json!(true), &json!(1000)));
    }
    let response = server.post("/channels/c3", "", "1");
    assert_eq!((response.status, response.code()), (503, "too_many_channels".into()));
    assert_eq!(response.json()["error"]["retry_after_ms"], 1000);
    assert_eq!(response.field("retry-after"), Some("1"));
    let mut raw = Peer::open(server.port, "/channels/c3");
    assert_eq!(raw.closed().0, 1013);
    peer.ask(&json!({"type": "unsubscribe", "id": 3, "channel": "c0"}));
    peer.subscribe("c3");
}
