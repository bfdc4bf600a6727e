//! What comes by the clock (RFC 6455, section 5.5.2; design 4): pings and who does not answer them,
//! updates, and who says nothing for too long.

use std::time::Instant;

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{BINARY, FIN, Frame, PATIENCE, PING, PONG, TEXT, Wire, close, frame};

const SOON: [&str; 6] =
    ["--ping-interval", "300ms", "--pong-timeout", "300ms", "--close-timeout", "300ms"];

/// Reads up to the next ping, over whatever else comes.
fn ping(wire: &mut Wire) -> Frame {
    loop {
        let frame = wire.frame();
        if frame.first == FIN | PING {
            return frame;
        }
        assert_eq!(frame.first, FIN | TEXT);
    }
}

/// Silent peers are closed with 4002, whatever they are connected to, and then ended.
#[test]
fn who_does_not_answer_is_closed() {
    let server = Server::start(&SOON);
    let paths = ["/ws", "/channels/silent", "/echo"];
    let mut wires: Vec<_> = paths.iter().map(|path| Wire::open(server.port, path)).collect();
    for wire in &mut wires {
        ping(wire);
        assert_eq!(wire.close(), Some((4002, "no_pong".into())));
        wire.end();
    }
    assert_eq!(server.counter(r#"fanwire_closes_total{word="no_pong"}"#), 3);
    server.await_counter("fanwire_connections", |count| count <= 1);
    server.await_counter("fanwire_subscriptions", |count| count == 0);
}

/// One that answers Close with Close, as it should, is ended cleanly and at once.
#[test]
fn a_close_of_the_servers_is_answered_by_the_peer() {
    let mut flags = SOON;
    flags[5] = "20s";
    let server = Server::start(&flags);
    let mut wire = Wire::open(server.port, "/echo");
    ping(&mut wire);
    assert_eq!(wire.close(), Some((4002, "no_pong".into())));
    // Data after the server's Close is read and dropped (section 5.5.1).
    wire.send([frame(FIN | TEXT, "late"), frame(FIN | PING, "late"), close(4002, "")].concat());
    wire.end();
}

/// Who answers stays, and who sends anything is not even asked.
#[test]
fn who_answers_stays() {
    let server = Server::start(&[&SOON[..], &["--messages-per-second", "0"]].concat());
    let mut answering = Wire::open(server.port, "/ws");
    let mut empty = Wire::open(server.port, "/channels/x");
    for _ in 0..5 {
        let asked = ping(&mut answering);
        answering.send(frame(FIN | PONG, &asked.payload));
        ping(&mut empty);
        empty.send(frame(FIN | PONG, "not what was asked for"));
    }
    let mut talking = Wire::open(server.port, "/echo");
    let start = Instant::now();
    while start.elapsed().as_millis() < 1000 {
        // Whoever talks all the time, at the pace of the answers to another, is not asked.
        talking.send(frame(FIN | BINARY, "x"));
        assert_eq!(talking.frame().first, FIN | BINARY);
        server.read("/live");
    }
}

/// tungstenite answers pings while it reads: it sees updates for many rounds of pings.
#[test]
fn updates_come_and_tell_the_time() {
    let server = Server::start(&[&SOON[..], &["--update-interval", "200ms"]].concat());
    let mut peer = Peer::open(server.port, "/ws");
    let mut last = 0;
    for _ in 0..8 {
        let update = peer.receive();
        assert_eq!(update["type"], "update");
        let time = update["data"]["time"].as_u64().expect("a time");
        assert!(time > last && update["timestamp"] == time, "{update}");
        assert!(update["data"]["connections"].as_u64() >= Some(1));
        last = time;
    }
    let quiet = Server::start(&["--update-interval", "100ms", "--public-counts=false"]);
    let update = Peer::open(quiet.port, "/ws").receive();
    assert_eq!(update["data"].get("connections"), None);
}

/// `idle_timeout`: no message for so long is 4005; pongs do not count, messages do.
#[test]
fn who_says_nothing_is_idle() {
    let server = Server::start(&[
        "--idle-timeout",
        "700ms",
        "--ping-interval",
        "200ms",
        "--messages-per-second",
        "0",
    ]);
    let mut idle = Peer::open(server.port, "/ws");
    let mut busy = Peer::open(server.port, "/ws");
    let reading = std::thread::spawn(move || idle.closed());
    let start = Instant::now();
    while !reading.is_finished() {
        busy.ping();
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(reading.join().expect("no panic"), (4005, "idle".into()));
    assert!(start.elapsed().as_millis() >= 500, "not before its time");
    busy.ping();
}

/// Design 2, raw channels and `/echo`: over the rate the server reads more slowly, and that the
/// pongs are then not read either is not held against the client. Echo counts as activity.
#[test]
fn who_is_throttled_or_busy_is_not_silent() {
    let rate = ["--messages-per-second", "5", "--burst", "200", "--idle-timeout", "900ms"];
    let server = Server::start(&[&SOON[..], &rate].concat());
    let mut wire = Wire::open(server.port, "/echo");
    wire.send(frame(FIN | BINARY, "x").repeat(206));
    let mut echoes = 0;
    while echoes < 206 {
        let heard = wire.frame();
        match heard.first & 0xF {
            PING => wire.send(frame(FIN | PONG, &heard.payload)),
            BINARY => echoes += 1,
            _ => panic!("{heard:?} after {echoes} echoes"),
        }
    }
    assert_eq!(server.counter(r#"fanwire_closes_total{word="no_pong"}"#), 0);
}
