//! How connections end (RFC 6455, sections 5.5.1 and 7; checklist 1.4): codes, the order on TCP,
//! last words that arrive whatever the peer does, and slots that are given back.

use crate::server::Server;
use crate::wire::{CLOSE, CONTINUATION, FIN, PING, TEXT, Wire, close, frame, text};

const CLOSED: &str = "fanwire_connections_closed_total";

/// Section 7.4 and the IANA registry: every code of the table.
#[test]
fn every_received_code_is_judged_as_the_table_says() {
    let server = Server::start(&[]);
    let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    for code in valid.into_iter().chain([3000, 3999, 4000, 4999]) {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send(close(code, "good bye"));
        assert_eq!(wire.close(), Some((code, String::new())), "echoed");
        wire.end();
    }
    let invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    for code in invalid {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send(close(code, ""));
        assert_eq!(wire.close(), Some((1002, "protocol".into())), "{code}");
        wire.end();
    }
}

/// Section 5.5.1: no body, half a code, the longest reason, a reason that is not UTF-8.
#[test]
fn bodies_of_close_frames() {
    let server = Server::start(&[]);
    for (body, answer) in [
        (&b""[..], None),
        (b"\x03", Some((1002, "protocol".into()))),
        (b"\x03\xe8", Some((1000, String::new()))),
        (&[&b"\x03\xe8"[..], &[b'x'; 123]].concat(), Some((1000, String::new()))),
        (b"\x03\xe8\xff", Some((1007, "bad_data".into()))),
        (b"\x03\xe8\xed\xa0\x80", Some((1007, "bad_data".into()))),
    ] {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send(frame(FIN | CLOSE, body));
        assert_eq!(wire.close(), answer, "{body:02x?}");
        wire.end();
    }
}

/// Sections 5.5.1 and 7.1.1: a Close within a fragmented message is a normal one; nothing after it
/// is processed; the server closes first, while this end is still open.
#[test]
fn after_a_close_nothing_is_processed_and_the_server_closes_first() {
    let server = Server::start(&[]);
    let before = server.counter(CLOSED);
    let mut wire = Wire::open(server.port, "/echo");
    let half = [frame(TEXT, "half"), close(1001, "")].concat();
    let more = [frame(FIN | PING, "p"), frame(FIN | CONTINUATION, "x"), close(1000, "")].concat();
    wire.send([half, more].concat());
    assert_eq!(wire.close(), Some((1001, String::new())));
    wire.end();
    wire.fin();
    server.await_counter(CLOSED, |closed| closed > before);
}

/// Section 7.1.1 and RFC 9112, section 9.6: a failed peer that goes on sending still reads the
/// last words, for the server reads and discards instead of resetting the connection.
#[test]
fn last_words_arrive_though_the_peer_goes_on_sending() {
    let server = Server::start(&[]);
    for (path, first, code) in [
        ("/echo", frame(FIN | 0x20 | TEXT, "x"), 1002),
        ("/echo", frame(FIN | TEXT, b"\xff"), 1007),
        ("/ws", frame(FIN | TEXT, vec![b'x'; 70_000]), 1009),
    ] {
        let mut wire = Wire::open(server.port, path);
        if path == "/ws" {
            wire.json();
        }
        wire.send(first);
        let garbage = vec![0xff; 4 << 20];
        wire.send(&garbage);
        assert_eq!(wire.close().map(|(code, _)| code), Some(code));
        wire.send(&garbage);
        wire.end();
    }
    let mut wire = Wire::connect(server.port);
    wire.send("POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
    wire.send(vec![b'x'; 4 << 20]);
    assert_eq!(wire.response().status, 413);
    wire.end();
}

/// Checklist 1.4, deadlines: who never ends is ended.
#[test]
fn a_peer_that_does_not_end_is_ended() {
    let server = Server::start(&["--close-timeout", "200ms"]);
    let before = server.counter(r#"fanwire_ends_total{how="timeout"}"#);
    let mut wires: Vec<_> = (0..5).map(|_| Wire::open(server.port, "/echo")).collect();
    for wire in &mut wires {
        wire.send(close(1000, ""));
        assert_eq!(wire.close(), Some((1000, String::new())));
        wire.end();
    }
    server.await_counter(r#"fanwire_ends_total{how="timeout"}"#, |count| count == before + 5);
    server.await_counter("fanwire_websockets", |open| open == 0);
}

/// Checklist 4, close races (CVE-2022-25762): hundreds come and go at once, by Close, by FIN and by
/// reset, while everybody is sent to; the counts return to nothing and those that stay hear
/// everything.
#[test]
fn a_coming_and_going() {
    for workers in ["1", "4"] {
        let server = Server::start(&["--workers", workers, "--messages-per-second", "0"]);
        let mut stays = crate::peer::Peer::open(server.port, "/ws");
        stays.subscribe("race");
        let port = server.port;
        let threads = (0..4).map(|thread| {
            std::thread::spawn(move || {
                for round in 0..100 {
                    let path = ["/ws", "/channels/race", "/ws?since=x:1"][round % 3];
                    let mut wire = Wire::open(port, path);
                    match (round + thread) % 4 {
                        0 => wire.send(close(1000, "")),
                        1 => wire.fin(),
                        2 => wire.send(frame(TEXT, "half")),
                        _ => wire.send(&close(1001, "")[..5]),
                    }
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        for number in 0..200 {
            server.publish("race", number.to_string());
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
        let mut next = 0;
        while next < 200 {
            let message = stays.receive();
            assert_eq!(message["data"], next, "{message}");
            next += 1;
        }
        server.await_counter("fanwire_websockets", |open| open == 1);
        server.await_counter("fanwire_subscriptions", |count| count == 2);
        server.await_counter("fanwire_connections", |count| count <= 2);
        stays.ping();
    }
}

/// Section 7.1.5: connections that are lost at any moment leave nothing behind.
#[test]
fn lost_connections_are_given_back() {
    let server = Server::start(&["--workers", "2"]);
    let cuts = crate::wire::handshake("/channels/lost?last=3", "");
    for at in [0, 10, cuts.len() - 1, cuts.len()] {
        let mut wire = Wire::connect(server.port);
        wire.send(&cuts[..at]);
    }
    for end in [&b""[..], &text("a publication"), &frame(TEXT, "half")[..9], b"\xff\xff\xff"] {
        for path in ["/ws", "/channels/lost", "/echo"] {
            let mut wire = Wire::open(server.port, path);
            wire.send(end);
            wire.fin();
            // Half of them do not even read.
            if end.len() % 2 == 0 {
                wire.rest();
            }
        }
    }
    server.await_counter("fanwire_websockets", |open| open == 0);
    server.await_counter("fanwire_subscriptions", |count| count == 0);
    // What asks is a connection itself.
    server.await_counter("fanwire_connections", |count| count <= 1);
}
