//! What the backend is told: who has gone, which channels are in use; in order, again until it
//! takes that, and how much it will never hear of.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{knock, publish, start};
use crate::backend::{self, Backend};
use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{Wire, text};

#[test]
fn occupied_and_vacated() {
    for workers in ["1", "3"] {
        let backend = Backend::start();
        let server = start(&backend, "occupied,vacated", &["--workers", workers]);
        let mut peers: Vec<_> = (0..2).map(|_| Peer::open(server.port, "/ws")).collect();
        let told = |event: &str| {
            let events = backend.told();
            let words: Vec<_> =
                events.iter().map(|told| (&told["event"], &told["channel"])).collect();
            assert_eq!(words, [(&json!(event), &json!("room"))]);
        };
        for round in 0..2 {
            peers[0].subscribe("room");
            told("occupied");
            peers[1].subscribe("room");
            peers[0].ask(&json!({"type": "unsubscribe", "id": 1, "channel": "room"}));
            assert!(backend.is_quiet());
            if round == 0 {
                peers[1].ask(&json!({"type": "unsubscribe", "id": 1, "channel": "room"}));
            }
            drop(peers.pop().filter(|_| round == 1));
            told("vacated");
            peers = (0..2).map(|_| Peer::open(server.port, "/ws")).collect();
        }
    }
}

/// Events are told in order, and again until the backend takes them; what it will never hear of it
/// is told the number of.
#[test]
fn events_are_told_again() {
    let backend = Backend::start();
    let server = start(&backend, "occupied,vacated", &["--workers", "1"]);
    let mut peer = Peer::open(server.port, "/ws");
    peer.subscribe("a");
    let first = backend.next();
    peer.ask(&json!({"type": "unsubscribe", "id": 1, "channel": "a"}));
    peer.subscribe("b");
    let (name, events) = (first.field("webhook-id").to_string(), first.body["events"].clone());
    first.answer(500, "");
    let again = backend.next();
    assert_eq!(again.field("webhook-id"), name, "the same call");
    assert_eq!(again.body["events"], events);
    drop(again);
    assert_eq!(backend.told(), *events.as_array().expect("events"));
    let rest = backend.told();
    let words: Vec<_> = rest.iter().map(|told| (&told["event"], &told["channel"])).collect();
    assert_eq!(words, [(&json!("vacated"), &json!("a")), (&json!("occupied"), &json!("b"))]);
    assert_eq!(server.counter(r#"fanwire_hook_events_total{outcome="told"}"#), 3);
    assert_eq!(server.counter(r#"fanwire_hook_events_total{outcome="lost"}"#), 0);
    let failed = server.counter(r#"fanwire_hook_calls_total{call="events",outcome="garbage"}"#);
    let broken = server.counter(r#"fanwire_hook_calls_total{call="events",outcome="unreachable"}"#);
    assert_eq!((failed, broken), (1, 1));
}

#[test]
fn what_is_lost_is_counted_and_told() {
    let backend = Backend::start();
    let small = ["--hook-queue-bytes", "1000", "--hook-retry", "0", "--workers", "1"];
    let server = start(&backend, "occupied", &small);
    let mut peer = Peer::open(server.port, "/ws");
    peer.subscribe("first");
    let first = backend.next();
    // While that call goes on, a few find room.
    for number in 0..9 {
        peer.subscribe(&format!("c.{number}"));
    }
    let lost = r#"fanwire_hook_events_total{event="occupied",outcome="lost"}"#;
    let refused = server.counter(lost);
    assert!((1..9).contains(&refused), "{refused}");
    assert_eq!(server.counter(r#"fanwire_limits_total{limit="hook_queue_bytes"}"#), refused);
    first.answer(503, "");
    let rest = backend.next();
    let (count, told) = (rest.body["events"].as_array().expect("events").len(), &rest.body["lost"]);
    assert_eq!((count as u64 + refused, told), (9, &json!(refused + 1)), "and the first");
    rest.answer(200, "");
    peer.subscribe("last");
    let last = backend.next();
    assert_eq!(last.body["lost"], Value::Null, "told once");
    last.answer(200, "");
    assert_eq!(server.counter(lost), refused + 1);
}

/// Whoever the backend has let in, or may think that it has, is told of when gone: also one that
/// did not wait for the answer.
#[test]
fn gone_while_the_backend_thinks() {
    let backend = Backend::start();
    let server = start(&backend, "connect,disconnect,publish", &["--hook-timeout", "1s"]);
    let wire = knock(&server, "/ws");
    let asked = backend.asked("connect");
    let name = asked.body["connection"].clone();
    let path = format!("/connections/{}", name.as_str().expect("a name"));
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(Wire::connect(server.port).ask(&request).json()["disconnected"], 1);
    drop(wire);
    asked.allow();
    let told = backend.told();
    assert_eq!((&told[0]["event"], &told[0]["connection"]), (&json!("disconnect"), &name));

    let mut wire = knock(&server, "/ws");
    let asked = backend.asked("connect");
    let name = asked.body["connection"].clone();
    assert_eq!(wire.json()["data"]["code"], "backend_unavailable");
    assert_eq!(backend.told()[0]["connection"], name);
    drop(asked);

    // One that is let in, and publishes, and is gone when that is allowed: nothing is published.
    let mut wire = knock(&server, "/ws");
    let asked = backend.asked("connect");
    let path = format!("/connections/{}", asked.body["connection"].as_str().expect("a name"));
    asked.allow();
    wire.json();
    wire.send(text(&publish(1, "a", &json!(1)).to_string()));
    let asked = backend.asked("publish");
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(Wire::connect(server.port).ask(&request).json()["disconnected"], 1);
    asked.allow();
    assert_eq!(wire.close().map(|(code, _)| code), Some(4410));
    assert_eq!(server.read_json("/channels/a/history")["messages"], json!([]));
}

/// A node that stops tells of all its ends before it is gone.
#[test]
fn the_last_words() {
    let backend = Backend::start();
    let server = start(&backend, "disconnect", &["--drain-time", "10s"]);
    let peers: Vec<_> = (0..5).map(|_| Peer::open(server.port, "/ws")).collect();
    drop(peers);
    server.signal(Signal::TERM);
    let mut told = 0;
    while told < 5 {
        told += backend.told().len();
    }
    let (status, log) = server.ended();
    assert!(status.success() && told == 5, "{status}: {log}");
    // One that nobody listens to is not waited for longer than for one call.
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let flags = backend::flags(free, "disconnect");
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let server = Server::start(&flags);
    drop(Peer::open(server.port, "/ws"));
    let log = server.stop();
    assert!(log.contains("the backend was not told"), "{log}");
}
