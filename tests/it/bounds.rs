//! The bounds of one connection's rates and of the node's totals (design 4): each is hit, answered
//! in the documented words, and counted.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{BINARY, FIN, PATIENCE, TEXT, Wire, frame, header, text};

/// The first part of a binary message of 60 KiB, and nothing of its end.
fn half_a_message() -> Vec<u8> {
    let mut bytes = header(FIN | BINARY, 60 << 10);
    bytes.resize(bytes.len() + (50 << 10), b'x');
    bytes
}

#[test]
fn unfinished_input_of_all_together_is_bounded() {
    let server = Server::start(&["--workers=1", "--max-buffered-bytes=220KiB"]);
    let mut wires: Vec<_> = (0..4).map(|_| Wire::open(server.port, "/echo")).collect();
    for wire in &mut wires {
        wire.send(half_a_message());
    }
    server.await_counter("fanwire_buffered_bytes", |held| held >= 4 * (50 << 10));
    let mut one_more = Wire::open(server.port, "/echo");
    one_more.send(half_a_message());
    assert_eq!(one_more.close().map(|(code, _)| code), Some(1013));

    // An HTTP body has no more room, and gets words.
    let mut backend = Wire::connect(server.port);
    backend.send("POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    backend.send(vec![b'1'; 60_000]);
    let refused = backend.response();
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert!(refused.closes() && refused.field("retry-after").is_some(), "{refused:?}");
    assert_eq!(server.counter("fanwire_limits_total{limit=\"max_buffered_bytes\"}"), 2);

    // What holds nothing is served as ever; and what ends makes room.
    Peer::open(server.port, "/ws").ping();
    drop(wires);
    server.await_counter("fanwire_buffered_bytes", |held| held == 0);
    let mut again = Wire::open(server.port, "/echo");
    again.send(half_a_message());
    again.send(vec![b'x'; 10 << 10]);
    assert_eq!(again.frame().payload.len(), 60 << 10);
}

#[test]
fn output_that_is_not_read_is_bounded_for_all_together() {
    let settings = ["--workers=1", "--max-buffered-bytes=512KiB", "--messages-per-second=0"];
    let server = Server::start(&[&settings[..], &["--unsent-bytes=16KiB"]].concat());
    let echo = frame(FIN | TEXT, vec![b'x'; 60_000]);
    let mut greedy = Vec::new();
    // Each holds at most one read's answers; enough of them fill the total.
    while server.counter("fanwire_limits_total{limit=\"max_buffered_bytes\"}") == 0 {
        assert!(greedy.len() < 100, "nothing is ever full");
        let wire = Wire::open(server.port, "/echo");
        wire.keep_little();
        wire.stream.set_nonblocking(true).expect("non-blocking");
        let paused = server.counter("fanwire_limits_total{limit=\"output_bytes\"}");
        let start = Instant::now();
        let (mut at, mut stream) = (0, &wire.stream);
        while server.counter("fanwire_limits_total{limit=\"output_bytes\"}") == paused
            && server.counter("fanwire_limits_total{limit=\"max_buffered_bytes\"}") == 0
        {
            assert!(start.elapsed() < PATIENCE, "the server reads on");
            match stream.write(&echo[at % echo.len()..]) {
                Ok(count) => at += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        greedy.push(wire);
    }
    assert!(greedy.len() > 2, "the total was full after {}", greedy.len());
    assert!(server.counter("fanwire_buffered_bytes") <= (512 << 10) + 4096);
    Peer::open(server.port, "/ws").ping();
}

#[test]
fn ten_bursts_over_the_rate_without_a_pause_are_a_flood() {
    let server = Server::start(&["--messages-per-second=1", "--max-subscriptions=8", "--burst=40"]);
    let mut wire = Wire::open(server.port, "/ws");
    wire.json();
    for _ in 0..460 {
        wire.send(text("{\"type\":\"ping\"}"));
    }
    let (mut pongs, mut refused) = (0, 0);
    let end = loop {
        let frame = wire.frame();
        if frame.first != FIN | TEXT {
            break frame;
        }
        match serde_json::from_slice::<serde_json::Value>(&frame.payload).expect("JSON") {
            pong if pong["type"] == "pong" => pongs += 1,
            error => {
                assert_eq!(error["data"]["code"], "rate_limited");
                assert!(error["data"]["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0));
                refused += 1;
            }
        }
    };
    assert!((40..45).contains(&pongs), "{pongs} pongs");
    assert_eq!(refused, 399, "the 400th refusal ends it");
    assert_eq!(end.payload[..2], 4004u16.to_be_bytes());
    assert_eq!(end.payload[2..], *b"flood");
    assert_eq!(server.counter("fanwire_closes_total{code=\"4004\",word=\"flood\"}"), 1);
}

#[test]
fn bytes_over_their_rate_are_read_later_and_all_come() {
    let server = Server::start(&["--bytes-per-second=256KiB", "--messages-per-second=0"]);
    let mut wire = Wire::open(server.port, "/echo");
    let writer = wire.stream.try_clone().expect("a clone");
    let sender = std::thread::spawn(move || {
        let message = frame(FIN | TEXT, vec![b'y'; 60_000]);
        (0..10).for_each(|_| (&writer).write_all(&message).expect("send"));
    });
    for _ in 0..10 {
        assert_eq!(wire.text().len(), 60_000);
    }
    sender.join().expect("all is sent");
    assert!(server.counter("fanwire_limits_total{limit=\"bytes_per_second\"}") > 0);
}

#[test]
fn a_connection_brings_only_so_many_channels_into_being() {
    let server = Server::start(&["--workers=2", "--new-channels-per-second=1", "--burst=2000"]);
    let mut peer = Peer::open(server.port, "/ws");
    for number in 0..200 {
        peer.publish(&format!("new.{number}"), &json!(1));
    }
    let publish = |channel: &str| json!({"type": "publish", "channel": channel, "data": 1});
    // A second may have passed meanwhile, so a few more may be allowed.
    let mut more = 0;
    let code = loop {
        peer.send(&publish(&format!("more.{more}")));
        let answer = peer.receive();
        if answer["type"] == "error" {
            assert!(answer["data"]["retry_after_ms"].is_u64(), "{answer}");
            break answer["data"]["code"].clone();
        }
        more += 1;
        assert!(more < 100, "there is no end of new channels");
    };
    assert_eq!(code, "rate_limited");
    peer.send(&json!({"type": "subscribe", "channel": "newer.1"}));
    assert_eq!(peer.receive()["data"]["code"], "rate_limited");
    assert!(server.counter("fanwire_limits_total{limit=\"new_channels_per_second\"}") >= 2);
    // What exists may be used, by this one and by others; and others may bring forth their own.
    peer.publish("new.1", &json!(2));
    Peer::open(server.port, "/ws").publish("newer.1", &json!(1));
    peer.subscribe("newer.1");
    // The backend is not a stranger.
    for number in 0..250 {
        server.publish(&format!("backend.{number}"), "1");
    }
}

#[test]
fn requests_are_refused_where_mail_piles_up() {
    let server = Server::start(&["--workers=1", "--max-mail-bytes=1"]);
    let mut wire = Wire::open(server.port, "/ws");
    wire.json();
    let publish = |id: u32| {
        text(&json!({"type": "publish", "id": id, "channel": "c", "data": id}).to_string())
    };
    // Read at once: when the second is looked at, the first is mail that waits.
    wire.send([publish(1), publish(2)].concat());
    let (first, second) = (wire.json(), wire.json());
    assert_eq!((&first["type"], &first["id"]), (&json!("ack"), &json!(1)), "{first}");
    assert_eq!((&second["type"], &second["id"]), (&json!("error"), &json!(2)), "{second}");
    assert_eq!(second["data"]["code"], "overloaded");
    assert_eq!(second["data"]["temporary"], true);
    assert!(second["data"]["retry_after_ms"].is_u64());
    assert_eq!(server.counter("fanwire_limits_total{limit=\"max_mail_bytes\"}"), 1);
    let history = server.read_json("/channels/c/history");
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(1), "nothing happened");

    // A raw channel has no words, and must not lose in silence.
    let mut raw = Wire::open(server.port, "/channels/c");
    raw.send([frame(FIN | TEXT, "one"), frame(FIN | TEXT, "two")].concat());
    assert_eq!(raw.close().map(|(code, _)| code), Some(1013));

    let batch = json!([{"channel": "c", "data": 1}, {"channel": "c", "data": 2}]).to_string();
    let results = server.post("/publish", "", batch).json();
    assert!(results["results"][0]["id"].is_string(), "{results}");
    assert_eq!(results["results"][1]["error"]["code"], "overloaded", "{results}");
}

/// Sends byte after byte, each as soon as the server has been silent for a moment, until it says
/// something. Returns how many it took.
fn trickle(wire: &mut Wire, byte: &[u8]) -> usize {
    wire.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
    let start = Instant::now();
    for count in 0.. {
        assert!(start.elapsed() < PATIENCE, "{count} bytes, and no end");
        if wire.stream.write_all(byte).is_err() {
            break;
        }
        match wire.stream.peek(&mut [0]) {
            Ok(_) => {
                wire.stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
                return count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the connection ended without a word");
}

#[test]
fn a_byte_now_and_then_is_not_progress() {
    let server = Server::start(&["--handshake-timeout=500ms", "--stall-timeout=500ms"]);
    let port = server.port;

    let mut head = Wire::connect(port);
    head.send("GET /status HTTP/1.1\r\nX: ");
    assert!(trickle(&mut head, b"x") > 1);
    let refused = head.response();
    assert_eq!((refused.status, refused.code().as_str()), (408, "timeout"));
    assert_eq!(refused.json()["error"]["temporary"], true);

    let mut body = Wire::connect(port);
    body.send("POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    assert!(trickle(&mut body, b"1") > 1);
    assert_eq!(body.response().status, 408);

    let mut chunked = Wire::connect(port);
    chunked
        .send("POST /broadcast HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send("1;");
    assert!(trickle(&mut chunked, b"x") > 1);
    assert_eq!(chunked.response().status, 408);

    let mut message = Wire::open(port, "/echo");
    message.send(header(FIN | BINARY, 60 << 10));
    assert!(trickle(&mut message, b"x") > 1);
    assert_eq!(message.close(), Some((4001, "slow".into())));

    let mut fragments = Wire::open(port, "/echo");
    fragments.send(frame(TEXT, "x"));
    assert!(trickle(&mut fragments, &frame(crate::wire::CONTINUATION, "")) > 1);
    assert_eq!(fragments.close(), Some((4001, "slow".into())));
    assert!(server.counter("fanwire_limits_total{limit=\"stall_timeout\"}") >= 2);
    assert!(server.counter("fanwire_limits_total{limit=\"handshake_timeout\"}") >= 3);
}

#[test]
fn a_long_message_over_a_slow_line_has_its_time() {
    let server = Server::start(&["--stall-timeout=1s"]);
    let mut wire = Wire::open(server.port, "/echo");
    wire.send(header(FIN | BINARY, 60 << 10));
    // Sixty pieces, each after a moment of silence: in all longer than the first time allows.
    wire.stream.set_read_timeout(Some(Duration::from_millis(30))).expect("timeout");
    for _ in 0..59 {
        wire.send([b'x'; 1 << 10]);
        let silence = wire.stream.read(&mut [0]).expect_err("nothing is said meanwhile");
        assert_eq!(silence.kind(), ErrorKind::WouldBlock);
    }
    wire.stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    wire.send([b'x'; 1 << 10]);
    assert_eq!(wire.frame().payload.len(), 60 << 10);
}
