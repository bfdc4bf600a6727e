//! Who floods, who does not read, who dawdles (RFC 6455, section 10.4; checklist 1.2, 1.5 and 4):
//! memory stays bounded, deadlines hold, and nobody else is held up.

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{
    BINARY, CONTINUATION, FIN, PATIENCE, PING, PONG, TEXT, Wire, close, frame, text,
};

const MIB: u64 = 1 << 20;

/// Reading has stopped, for the peer does not take what it is answered.
const PAUSED: &str = r#"fanwire_limits_total{limit="output_bytes"}"#;

/// How much more memory the server has after `hostility` than before it.
fn growth(server: &Server, hostility: impl FnOnce()) -> u64 {
    let before = server.resident_bytes();
    hostility();
    server.resident_bytes().saturating_sub(before)
}

/// Checklist 1.2, CVE-2026-48779: fragments are joined in one buffer; their number alone costs
/// nothing.
#[test]
fn fragments_cost_their_bytes_and_no_more() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let mut wire = Wire::open(server.port, "/echo");
    let grown = growth(&server, || {
        wire.send(frame(TEXT, ""));
        let empty = frame(CONTINUATION, "").repeat(10_000);
        for _ in 0..50 {
            wire.send(&empty);
        }
        for _ in 0..16 {
            wire.send(frame(CONTINUATION, "x").repeat(4096));
        }
        wire.send(frame(FIN | CONTINUATION, ""));
        assert_eq!(wire.text(), "x".repeat(65_536), "65,536 fragments make a message");
    });
    assert!(grown < 16 * MIB, "{grown} bytes for half a million fragments");
}

/// Sends `bytes` again and again until the server has stopped reading: until the kernel takes
/// nothing more and the server says so. Returns how often they were sent whole, and how much of
/// them was sent after that.
fn flood(server: &Server, wire: &mut Wire, bytes: &[u8]) -> (usize, usize) {
    wire.stream.set_nonblocking(true).expect("non-blocking");
    let start = Instant::now();
    let (mut total, mut full) = (0, 0);
    while full < 20 {
        assert!(start.elapsed() < PATIENCE, "the server reads on: {total} bytes");
        match wire.stream.write(&bytes[total % bytes.len()..]) {
            Ok(count) => {
                total += count;
                full = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // The question takes the time that the server may need to read more.
                full += usize::from(server.counter(PAUSED) > 0);
            }
            Err(error) => panic!("{error}"),
        }
    }
    wire.stream.set_nonblocking(false).expect("blocking");
    (total / bytes.len(), total % bytes.len())
}

/// Section 5.5.3, checklist 1.2 and CVE-2020-35896: pongs that nobody reads are bounded, and none
/// is lost.
#[test]
fn a_flood_of_pings_without_reading_stops_reading() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.port, "/echo");
    let ping = frame(FIN | PING, [7; 125]);
    let bytes = ping.repeat(100);
    let mut sent = (0, 0);
    let grown = growth(&server, || sent = flood(&server, &mut wire, &bytes));
    assert!(grown < 16 * MIB, "{grown} bytes for pongs that nobody reads");
    let (whole, part) = sent;
    let mut writer = wire.stream.try_clone().expect("clone");
    let rest = [&bytes[part..], &close(1000, "")].concat();
    let writer = std::thread::spawn(move || writer.write_all(&rest));
    for number in 0..(whole + 1) * 100 {
        let pong = wire.frame();
        assert_eq!((pong.first, pong.payload.len()), (FIN | PONG, 125), "pong {number}");
    }
    assert_eq!(wire.close(), Some((1000, String::new())));
    wire.end();
    writer.join().expect("no panic").expect("all was read in the end");
}

/// The same for answers (CVE-2020-35875): echoes on `/ws` and publications with their acks.
#[test]
fn requests_without_reading_the_answers_stop_reading() {
    for request in [
        format!(r#"{{"type":"echo","data":"{}"}}"#, "x".repeat(3000)),
        r#"{"type":"publish","channel":"flood","id":"sixty-four-bytes-at-most","data":1}"#.into(),
        r#"{"type":"nonsense"}"#.into(),
    ] {
        let server = Server::start(&["--messages-per-second", "0", "--workers", "2"]);
        let mut wire = Wire::open(server.port, "/ws");
        wire.json();
        let bytes = text(&request).repeat(50);
        let mut sent = (0, 0);
        let grown = growth(&server, || sent = flood(&server, &mut wire, &bytes));
        assert!(grown < 16 * MIB, "{grown} bytes for answers that nobody reads: {request}");
        // Others are served meanwhile.
        Peer::open(server.port, "/ws").ping();
        let (whole, part) = sent;
        let mut writer = wire.stream.try_clone().expect("clone");
        let rest = bytes[part..].to_vec();
        let writer = std::thread::spawn(move || writer.write_all(&rest));
        for _ in 0..(whole + 1) * 50 {
            let answer = wire.json();
            assert!(matches!(answer["type"].as_str(), Some("echo" | "ack" | "error")), "{answer}");
        }
        writer.join().expect("no panic").expect("all was read in the end");
    }
}

/// Checklist 1.5: slow heads, slow bodies, and who never says anything.
#[test]
fn who_dawdles_hits_a_deadline() {
    let server = Server::start(&["--handshake-timeout", "400ms"]);
    let post = "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1";
    for start in ["", "G", "GET /live HTTP/1.1\r\nHost:", post] {
        let mut wire = Wire::connect(server.port);
        wire.send(start);
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (408, true), "{start:?}");
        wire.end();
    }
    // One byte at a time does not put off the end of a head.
    let mut wire = Wire::connect(server.port);
    wire.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
    wire.send("GET /live HTTP/1.1\r\nX-Slow: ");
    let start = Instant::now();
    while wire.stream.peek(&mut [0]).is_err() {
        assert!(start.elapsed() < PATIENCE, "no deadline");
        wire.send("x");
    }
    wire.stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let response = wire.response();
    assert_eq!(response.status, 408);
    assert_eq!(response.json()["error"]["temporary"], true, "the same in time would do");
}

/// Design 4, `stall_timeout`: who takes nothing of what waits for it cannot hold its slot.
#[test]
fn who_takes_nothing_is_ended() {
    let server = Server::start(&[
        "--messages-per-second",
        "0",
        "--stall-timeout",
        "500ms",
        "--ping-interval",
        "0",
    ]);
    let mut wire = Wire::open(server.port, "/echo");
    let message = frame(FIN | BINARY, vec![1; 60_000]);
    wire.stream.set_nonblocking(true).expect("non-blocking");
    let mut sent = 0;
    server.await_counter(r#"fanwire_ends_total{how="stalled"}"#, |stalled| {
        sent += wire.stream.write(&message[sent % message.len()..]).unwrap_or(0);
        stalled == 1
    });
    server.await_counter("fanwire_websockets", |open| open == 0);
}
