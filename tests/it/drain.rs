//! How a node stops (design 5, drain), and how connections of age go by the same means: red at
//! once, then `goaway`, then a Close with a pace; what was asked is answered; status 0 in time.

mod many; // thousands of clients at once

use std::os::unix::process::ExitStatusExt as _;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::server::Server;
use crate::wire::{PATIENCE, Wire, close, handshake, text};

/// Long, for whoever leaves by itself is not waited for; short, for who must be waited for.
const LONG: [&str; 2] = ["--drain-time", "20s"];
const SHORT: [&str; 2] = ["--drain-time", "3s"];

/// A client that has had its welcome.
fn client(server: &Server) -> Wire {
    let mut wire = Wire::open(server.port, "/ws");
    assert_eq!(wire.json()["type"], "connection");
    wire
}

/// Reads up to and with a `goaway`, which must be well-formed. Returns `closes_in_ms`.
fn goaway(wire: &mut Wire, reason: &str) -> u64 {
    let message = wire.json();
    assert_eq!(message["type"], "goaway", "{message}");
    let data = &message["data"];
    assert_eq!(data["reason"], reason);
    let number = |value: &Value| value.as_u64().expect("milliseconds");
    let closes = number(&data["closes_in_ms"]);
    let (least, most) =
        (number(&data["reconnect_after_ms"][0]), number(&data["reconnect_after_ms"][1]));
    assert!(least <= most && most <= closes, "{message}");
    closes
}

/// Reads a Close with this code and word, and a pace.
fn paced_close(wire: &mut Wire, code: u16, word: &str) {
    let (got, reason) = wire.close().expect("a code");
    assert_eq!(got, code, "{reason}");
    let pace = reason.strip_prefix(word).and_then(|rest| rest.strip_prefix(";retry="));
    let (least, most) = pace.and_then(|pace| pace.split_once('-')).expect("a pace");
    let (least, most): (u64, u64) = (least.parse().unwrap(), most.parse().unwrap());
    assert!(0 < least && least < most, "{reason}");
}

/// Answers a Close, after which the server ends the connection.
fn part(mut wire: Wire, code: u16) {
    wire.send(close(code, ""));
    wire.end();
}

/// Waits until the node says that it is not ready.
fn await_red(server: &Server) {
    let start = Instant::now();
    loop {
        let response = server.read("/ready");
        if response.status == 503 {
            assert_eq!(response.code(), "draining");
            assert_eq!(response.field("retry-after"), Some("1"));
            assert_eq!(response.json()["error"]["retry_after_ms"], 1000);
            return;
        }
        assert!(start.elapsed() < PATIENCE, "it stays ready");
    }
}

/// On one worker and on several.
fn with_workers(flags: &[&str], test: impl Fn(Server)) {
    for workers in ["1", "3"] {
        test(Server::start(&[&["--workers", workers], flags].concat()));
    }
}

fn ends_well(server: Server) {
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn everybody_is_told_and_then_closed_with_a_pace() {
    with_workers(&LONG, |server| {
        let mut clients: Vec<_> = (0..5).map(|_| client(&server)).collect();
        let raw = Wire::open(server.port, "/channels/room.7");
        let mut echo = Wire::open(server.port, "/echo");
        echo.send(text("there?"));
        assert_eq!(echo.text(), "there?");
        let mut kept = Wire::connect(server.port);
        assert_eq!(kept.ask("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
        server.signal(Signal::TERM);
        kept.end();
        for mut wire in clients.drain(..) {
            assert!(goaway(&mut wire, "restart") > 0);
            paced_close(&mut wire, 1012, "restart");
            part(wire, 1012);
        }
        for mut wire in [raw, echo] {
            paced_close(&mut wire, 1012, "restart");
            part(wire, 1012);
        }
        ends_well(server);
    });
}

/// Until the Close everything is answered, and what is acknowledged is delivered.
#[test]
fn until_the_close_everything_is_answered() {
    with_workers(&LONG, |server| {
        let mut wire = client(&server);
        server.signal(Signal::INT);
        goaway(&mut wire, "restart");
        for request in [
            json!({"type": "subscribe", "id": 1, "channel": "room.7"}),
            json!({"type": "publish", "id": 2, "channel": "room.7", "data": "last"}),
            json!({"type": "ping", "id": 3}),
        ] {
            wire.send(text(&request.to_string()));
        }
        let mut seen: Vec<_> = (0..4)
            .map(|_| wire.json())
            .map(|message| format!("{} {}", message["type"], message["id"]))
            .map(|seen| if seen.starts_with("\"message") { "delivered".into() } else { seen })
            .collect();
        seen.sort();
        assert_eq!(seen, ["\"ack\" 1", "\"ack\" 2", "\"pong\" 3", "delivered"]);
        paced_close(&mut wire, 1012, "restart");
        part(wire, 1012);
        ends_well(server);
    });
}

/// Who leaves when told is not waited for.
#[test]
fn a_node_without_clients_ends_at_once() {
    with_workers(&["--drain-time", "1h"], |server| {
        let mut wire = client(&server);
        // As browsers open them, in case.
        let mut spare = Wire::connect(server.port);
        assert_eq!(server.read("/live").status, 200);
        server.signal(Signal::TERM);
        goaway(&mut wire, "restart");
        wire.send(close(1000, ""));
        assert_eq!(wire.close(), Some((1000, String::new())));
        drop(wire);
        assert_eq!(spare.response().status, 408);
        drop(spare);
        ends_well(server);
    });
}

#[test]
fn during_the_notice_it_is_red_and_serves_and_a_second_signal_ends_it() {
    for (first, second) in [(Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        let server = Server::start(&["--drain-notice", "1h", "--drain-time", "2h"]);
        let mut before = client(&server);
        assert_eq!(server.counter("fanwire_draining"), 0);
        assert_eq!(server.read_json("/status")["status"], "ok");
        server.signal(first);
        await_red(&server);
        assert_eq!(server.counter("fanwire_draining"), 1);
        assert_eq!(server.read_json("/status")["status"], "draining");
        assert_eq!(server.read("/live").status, 200);
        let mut late = client(&server);
        assert_eq!(server.post("/broadcast", "", "7").status, 200);
        for wire in [&mut before, &mut late] {
            assert_eq!(wire.json()["type"], "broadcast");
        }
        server.signal(second);
        let (status, log) = server.ended();
        assert_eq!(status.code(), Some(128 + second.as_raw()), "{status:?} {log}");
        assert_eq!(status.signal(), None, "it exits, by itself");
    }
}

/// Neither who answers no Close nor who reads nothing holds the node beyond its time.
#[test]
fn who_never_answers_is_cut_off_in_time() {
    let flags = [&SHORT[..], &["--log-level", "info", "--unsent-bytes", "16KiB"]].concat();
    with_workers(&flags, |server| {
        let mut silent = client(&server);
        let deaf = Wire::open(server.port, "/ws");
        deaf.keep_little();
        let long = format!("\"{}\"", "x".repeat(500_000));
        for _ in 0..20 {
            assert_eq!(server.post("/broadcast", "", &long).status, 200);
            assert_eq!(silent.json()["type"], "broadcast");
        }
        server.signal(Signal::TERM);
        goaway(&mut silent, "restart");
        paced_close(&mut silent, 1012, "restart");
        let (status, log) = server.ended();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("cut_off=2"), "{log}");
        drop((silent, deaf));
    });
}

/// What was begun before is answered, and the connection ends with that; who wants a WebSocket is
/// sent elsewhere.
#[test]
fn requests_under_way_are_answered_once_more() {
    let flags = [&LONG[..], &["--workers", "1"]].concat();
    let server = Server::start(&flags);
    let mut watch = client(&server);
    let head = "POST /channels/room.7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n";
    let upgrade = handshake("/ws", "");
    let mut begun = Vec::new();
    for (request, cut) in
        [(format!("{head}true"), 20), (format!("{head}true"), head.len() + 2), (upgrade, 20)]
    {
        let mut wire = Wire::connect(server.port);
        wire.send(&request[..cut]);
        begun.push((wire, request[cut..].to_owned()));
    }
    // They are read before this is.
    assert_eq!(server.counter("fanwire_connections_accepted_total"), 5);
    server.signal(Signal::TERM);
    goaway(&mut watch, "restart");
    let statuses = begun.into_iter().map(|(mut wire, rest)| {
        wire.send(rest);
        let response = wire.response();
        assert!(response.closes(), "{response:?}");
        wire.end();
        if response.status == 503 {
            assert_eq!(response.code(), "draining");
            assert_eq!(response.field("retry-after"), Some("1"));
        }
        response.status
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 200, 503]);
    paced_close(&mut watch, 1012, "restart");
    part(watch, 1012);
    ends_well(server);
}

#[test]
fn nobody_gets_in_when_the_notice_is_over() {
    let server = Server::start(&LONG);
    let mut wire = client(&server);
    server.signal(Signal::TERM);
    goaway(&mut wire, "restart");
    let refused = std::net::TcpStream::connect(("127.0.0.1", server.port));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    part_told(wire);
    ends_well(server);
}

fn part_told(mut wire: Wire) {
    paced_close(&mut wire, 1012, "restart");
    part(wire, 1012);
}

#[test]
fn a_connection_of_age_is_told_and_closed() {
    with_workers(&["--max-connection-age", "1s"], |server| {
        let mut wire = client(&server);
        let mut raw = Wire::open(server.port, "/channels/room.7");
        assert!(goaway(&mut wire, "age") <= 200);
        paced_close(&mut wire, 4007, "moved");
        part(wire, 4007);
        paced_close(&mut raw, 4007, "moved");
        part(raw, 4007);
        assert_eq!(server.counter("fanwire_goaways_total"), 1);
        assert_eq!(server.counter("fanwire_closes_total{code=\"4007\",word=\"moved\"}"), 2);
        assert_eq!(server.counter("fanwire_limits_total{limit=\"max_connection_age\"}"), 2);
    });
}
