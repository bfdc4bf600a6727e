//! Hooks: the backend decides who connects, subscribes and publishes. Good answers, bad ones, late
//! ones, none; and that nothing of this holds up anybody else. `connect` is about who gets in,
//! `events` about what it is told.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::backend::{self, Backend, Called};
use crate::peer::Peer;
use crate::server::{Server, folder};
use crate::wire::{Wire, handshake};

mod connect;
mod events;
mod rules;

const UNAVAILABLE: &str = r#"fanwire_refusals_total{code="backend_unavailable",over="ws"}"#;

fn start(backend: &Backend, hooks: &str, more: &[&str]) -> Server {
    let flags = backend.flags(hooks);
    let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::start(&flags)
}

fn outcome(call: &str, outcome: &str) -> String {
    format!(r#"fanwire_hook_calls_total{{call="{call}",outcome="{outcome}"}}"#)
}

fn publish(id: u32, channel: &str, data: &Value) -> Value {
    json!({"type": "publish", "id": id, "channel": channel, "data": data})
}

fn subscribe(id: u32, channel: &str) -> Value {
    json!({"type": "subscribe", "id": id, "channel": channel})
}

/// Opens a WebSocket whose welcome waits for the backend.
fn knock(server: &Server, path: &str) -> Wire {
    let mut wire = Wire::connect(server.port);
    wire.send(handshake(path, ""));
    assert_eq!(wire.head().status, 101);
    wire
}

#[test]
fn who_may_subscribe_and_read() {
    for workers in ["1", "3"] {
        let backend = Backend::start();
        let server = start(&backend, "subscribe", &["--workers", workers]);
        let mut peer = Peer::open(server.port, "/ws");
        peer.send(&subscribe(1, "room.1"));
        let asked = backend.asked("subscribe");
        assert_eq!(asked.body["channel"], "room.1");
        assert_eq!(asked.body["connection"], peer.name());
        asked.allow();
        assert_eq!(peer.receive()["type"], "ack");
        // Known by now: the answer is that of before.
        peer.ask(&json!({"type": "history", "id": 2, "channel": "room.1"}));
        assert_eq!(peer.refused(&subscribe(3, "room.1")), "already_subscribed");
        for request in
            [subscribe(4, "room.2"), json!({"type": "history", "id": 5, "channel": "room.2"})]
        {
            peer.send(&request);
            backend.asked("subscribe").deny("members only");
            let error = peer.receive();
            assert_eq!((&error["id"], &error["channel"]), (&request["id"], &request["channel"]));
            assert_eq!(error["data"]["code"], "forbidden");
            assert_eq!(error["data"]["message"], "members only");
            assert_eq!(error["data"]["temporary"], false);
        }
        // Publishing is asked about where that is wanted, and what the server does by itself never.
        peer.publish("room.2", &json!(1));
        server.publish("room.1", "2");
        assert_eq!(peer.receive()["data"], 2);
        assert!(backend.is_quiet());
    }
}

/// Several channels in one message: asked about at once, answered in order.
#[test]
fn many_channels_at_once() {
    let backend = Backend::start();
    let rules = "[[rule]]\npattern = \"free.*\"\nhooks = []\n";
    let file = folder("hooks-many").join("fanwire.toml");
    std::fs::write(&file, rules).expect("written");
    let server = start(&backend, "subscribe", &["--config", &file.to_string_lossy()]);
    let mut peer = Peer::open(server.port, "/ws");
    let names = ["free.1", "a", "b", "free.2", "no..name", "c", "a"];
    let names: Vec<_> = names.iter().map(|name| json!({"channel": name})).collect();
    peer.send(&json!({"type": "subscribe", "id": 1, "data": {"channels": names}}));
    // What nobody is asked about, before the first that waits, does not wait.
    let first = peer.receive();
    assert_eq!((&first["type"], &first["channel"]), (&json!("ack"), &json!("free.1")));
    let mut asked: Vec<Called> = (0..4).map(|_| backend.asked("subscribe")).collect();
    asked.sort_by_key(|asked| asked.body["channel"].to_string());
    let channels: Vec<_> = asked.iter().map(|asked| asked.body["channel"].clone()).collect();
    assert_eq!(channels, ["a", "a", "b", "c"]);
    // Answered the other way round.
    for called in asked.into_iter().rev() {
        if called.body["channel"] == "b" { called.deny("no") } else { called.allow() }
    }
    let mut answers: Vec<Value> = (0..6).map(|_| peer.receive()).collect();
    // Those of different channels may overtake.
    answers.sort_by_key(|answer| answer["channel"].to_string());
    let answers: Vec<_> = answers
        .iter()
        .map(|answer| json!([answer["channel"], answer["type"], answer["data"]["code"]]))
        .collect();
    assert_eq!(
        answers,
        [
            json!(["a", "ack", null]),
            json!(["a", "error", "already_subscribed"]),
            json!(["b", "error", "forbidden"]),
            json!(["c", "ack", null]),
            json!(["free.2", "ack", null]),
            json!(["no..name", "error", "bad_channel"]),
        ]
    );
}

#[test]
fn what_may_be_published() {
    for workers in ["1", "3"] {
        let backend = Backend::start();
        let server = start(&backend, "publish", &["--workers", workers]);
        let mut hears = Peer::open(server.port, "/ws");
        hears.subscribe("room");
        let mut says = Peer::open(server.port, "/ws");
        let mut keyed = publish(1, "room", &json!({"text": "hello"}));
        keyed["key"] = "k".into();
        says.send(&keyed);
        let asked = backend.asked("publish");
        assert_eq!(asked.body["data"], json!({"text": "hello"}));
        assert_eq!((&asked.body["key"], &asked.body["channel"]), (&json!("k"), &json!("room")));
        asked.allow();
        let ack = says.receive();
        assert_eq!(ack["type"], "ack");
        assert_eq!(hears.receive()["id"], ack["data"]["id"]);
        says.send(&publish(2, "room", &json!("spam")));
        backend.asked("publish").deny("be polite");
        let error = says.receive();
        assert_eq!((&error["id"], &error["data"]["code"]), (&json!(2), &json!("forbidden")));
        assert_eq!(error["data"]["message"], "be polite");
        // The backend itself is not asked.
        server.publish("room", "3");
        assert_eq!(hears.receive()["data"], 3);
        assert!(backend.is_quiet());
    }
}

/// What one connection says is asked about in its order, one at a time, and published in it.
#[test]
fn the_order_is_kept() {
    let backend = Backend::start();
    let server = start(&backend, "publish", &["--workers", "2"]);
    let mut hears = Peer::open(server.port, "/ws");
    hears.subscribe("a");
    let mut says = Peer::open(server.port, "/ws");
    for number in 0..20 {
        says.send(&publish(number, "a", &number.into()));
    }
    for number in 0..20 {
        let asked = backend.asked("publish");
        assert_eq!(asked.body["data"], number);
        assert!(backend.is_quiet(), "one at a time");
        if number % 3 == 0 { asked.deny("no") } else { asked.allow() }
    }
    for number in 0..20 {
        let answer = says.receive();
        let kind = if number % 3 == 0 { "error" } else { "ack" };
        assert_eq!((&answer["type"], &answer["id"]), (&json!(kind), &json!(number)));
        if number % 3 != 0 {
            assert_eq!(hears.receive()["data"], number);
        }
    }
}

#[test]
fn raw_channels() {
    let backend = Backend::start();
    let server = start(&backend, "subscribe,publish", &[]);
    let denied = knock(&server, "/channels/raw");
    backend.asked("subscribe").deny("no");
    let mut denied = denied;
    assert_eq!(denied.close(), Some((4403, "forbidden".into())));
    let mut peer = Peer::open(server.port, "/channels/raw");
    let asked = backend.asked("subscribe");
    assert_eq!(asked.body["channel"], "raw");
    asked.allow();
    peer.send_text("{\"a\": 1}");
    let asked = backend.asked("publish");
    assert_eq!(
        (&asked.body["data"], &asked.body["encoding"]),
        (&json!("{\"a\": 1}"), &json!("text"))
    );
    asked.allow();
    assert_eq!(peer.message().to_text().expect("text"), "{\"a\": 1}");
    peer.send_binary(&[0, 255]);
    let asked = backend.asked("publish");
    assert_eq!((&asked.body["data"], &asked.body["encoding"]), (&json!("AP8="), &json!("base64")));
    asked.deny("never seen: there are no words here");
    assert_eq!(peer.closed(), (4403, "forbidden".into()));
    let mut peer = Peer::open(server.port, "/channels/raw");
    backend.asked("subscribe").allow();
    peer.send_text("x");
    backend.asked("publish").answer(500, "");
    assert_eq!(peer.closed(), (1013, "overloaded".into()));
}

/// Whatever is not an answer is none, and nothing happens without one.
#[test]
fn garbage() {
    let backend = Backend::start();
    let server = start(&backend, "publish,connect", &[]);
    let opening = std::thread::scope(|scope| {
        let opening = scope.spawn(|| Peer::open(server.port, "/ws"));
        backend.asked("connect").allow();
        opening.join().expect("no panic")
    });
    let mut peer = opening;
    let long = format!(r#"{{"allow": true, "more": "{}"}}"#, "x".repeat(20_000));
    let mut count = 0;
    for (status, body) in [
        (200, ""),
        (200, "true"),
        (200, "{\"allow\": \"yes\"}"),
        (200, "<html>it works</html>"),
        (200, &*long),
        (201, "{\"allow\": true}"),
        (302, "{\"allow\": true}"),
        (403, "{\"allow\": false}"),
        (500, "oh"),
    ] {
        count += 1;
        peer.send(&publish(count, "a", &json!(1)));
        backend.asked("publish").answer(status, body);
        let error = peer.receive();
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!(count)));
        let data = &error["data"];
        assert_eq!(
            (&data["code"], &data["temporary"]),
            (&json!("backend_unavailable"), &json!(true))
        );
        assert!(data["retry_after_ms"].is_u64());
    }
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    for bytes in
        ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", &head, endless]
    {
        count += 1;
        peer.send(&publish(count, "a", &json!(1)));
        let asked = backend.asked("publish");
        asked.say(bytes.as_bytes());
        drop(asked);
        assert_eq!(peer.receive()["data"]["code"], "backend_unavailable", "{bytes:.40}");
    }
    assert_eq!(server.counter(UNAVAILABLE), u64::from(count));
    let not_reached = server.counter(&outcome("publish", "unreachable"));
    assert_eq!(server.counter(&outcome("publish", "garbage")) + not_reached, u64::from(count));
    assert_eq!(server.read_json("/channels/a/history")["messages"], json!([]));

    let mut wire = knock(&server, "/ws");
    backend.asked("connect").answer(500, "");
    assert_eq!(wire.json()["data"]["code"], "backend_unavailable");
    assert_eq!(wire.close(), Some((1013, "overloaded".into())));
}

/// A backend that takes its time, or for ever: the answer comes by the timeout, and meanwhile
/// everybody else, even on the same worker, is served.
#[test]
fn slow_and_never() {
    let backend = Backend::start();
    let server = start(&backend, "publish", &["--workers", "1", "--hook-timeout", "500ms"]);
    let mut peer = Peer::open(server.port, "/ws");
    let mut other = Peer::open(server.port, "/ws");
    peer.send(&publish(1, "a", &json!(1)));
    let never = backend.asked("publish");
    other.ping();
    other.subscribe("a");
    assert_eq!(peer.receive()["data"]["code"], "backend_unavailable");
    drop(never);
    peer.send(&publish(2, "a", &json!(1)));
    let drips = backend.asked("publish");
    drips.say(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"allow\": ");
    assert_eq!(peer.receive()["data"]["code"], "backend_unavailable");
    drips.say(b"true}");
    drop(drips);
    assert_eq!(server.counter(&outcome("publish", "late")), 2);
    // And when it is back, all is well.
    peer.send(&publish(3, "a", &json!(3)));
    backend.asked("publish").allow();
    assert_eq!(peer.receive()["type"], "ack");
    assert_eq!(other.receive()["data"], 3);
}

#[test]
fn nobody_there() {
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let flags = backend::flags(free, "publish,subscribe");
    let server = Server::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let mut peer = Peer::open(server.port, "/ws");
    assert_eq!(peer.refused(&publish(1, "a", &json!(1))), "backend_unavailable");
    assert_eq!(peer.refused(&subscribe(2, "a")), "backend_unavailable");
    assert_eq!(server.counter(&outcome("publish", "unreachable")), 1);
    assert_eq!(server.counter(&outcome("subscribe", "unreachable")), 1);
    assert_eq!(Peer::open(server.port, "/channels/a").closed(), (1013, "overloaded".into()));
}

/// One question is asked at a time here, and hardly a second one may wait.
#[test]
fn the_queue_is_full() {
    let backend = Backend::start();
    let small = ["--hook-calls", "1", "--hook-queue-bytes", "1000", "--hook-timeout", "20s"];
    let server = start(&backend, "publish,connect", &small);
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..3 {
        let peer = std::thread::scope(|scope| {
            let opening = scope.spawn(|| Peer::open(server.port, "/ws"));
            backend.asked("connect").allow();
            opening.join().expect("no panic")
        });
        peers.push(peer);
    }
    peers[0].send(&publish(1, "a", &json!("first")));
    let first = backend.asked("publish");
    peers[1].send(&publish(2, "a", &json!("second")));
    server.await_counter(r#"fanwire_hook_queue_bytes{queue="questions"}"#, |bytes| bytes > 0);
    peers[2].send(&publish(3, "a", &json!("x".repeat(900))));
    let refused = peers[2].receive();
    assert_eq!(refused["data"]["code"], "overloaded");
    assert_eq!(refused["data"]["temporary"], true);
    assert_eq!(server.counter(&outcome("publish", "crowded")), 1);
    assert_eq!(server.counter(r#"fanwire_limits_total{limit="hook_queue_bytes"}"#), 1);
    first.allow();
    assert_eq!(peers[0].receive()["type"], "ack");
    backend.asked("publish").allow();
    assert_eq!(peers[1].receive()["type"], "ack");
    assert_eq!(server.counter(r#"fanwire_hook_queue_bytes{queue="questions"}"#), 0);
}

/// The backend may move, come and go while the server runs.
#[test]
fn reload() {
    let (one, two) = (Backend::start(), Backend::start());
    let file = folder("hooks-reload").join("fanwire.toml");
    let write = |port: u16| {
        let secret = backend::SECRET;
        let url = format!("http://127.0.0.1:{port}/hooks?of=fanwire");
        let text = format!("hook_url = {url:?}\nhook_secret = {secret:?}\nhooks = [\"publish\"]\n");
        std::fs::write(&file, if port == 0 { "" } else { &text }).expect("written");
    };
    write(0);
    let server = Server::start(&["--config", &file.to_string_lossy()]);
    let mut peer = Peer::open(server.port, "/ws");
    let turns = [
        (0, None),
        (one.port, Some(&one)),
        (two.port, Some(&two)),
        (0, None),
        (one.port, Some(&one)),
    ];
    for (reloads, (port, backend)) in (1..).zip(turns) {
        write(port);
        server.signal(Signal::HUP);
        server.await_counter(r#"fanwire_reloads_total{outcome="ok"}"#, |count| count == reloads);
        peer.ping();
        peer.send(&publish(1, "a", &json!(1)));
        if let Some(backend) = backend {
            backend.asked("publish").allow();
        }
        assert_eq!(peer.receive()["type"], "ack");
    }
    assert!(one.is_quiet() && two.is_quiet());
}

/// At any level of the log: neither what calls are signed with, nor what stands in them, nor where
/// they go, which may have a secret in it.
#[test]
fn no_secret_is_logged() {
    let backend = Backend::start();
    let server = start(&backend, "publish", &["--log-level", "trace"]);
    let mut peer = Peer::open(server.port, "/ws");
    peer.send(&publish(1, "a", &json!("private words")));
    backend.asked("publish").answer(500, "more private words");
    assert_eq!(peer.receive()["type"], "error");
    let log = server.into_log();
    assert!(log.contains("hook"), "{log}");
    for secret in [backend::SECRET, "private", "of=fanwire", "v1,"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
