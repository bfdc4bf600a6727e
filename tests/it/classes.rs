//! Classes of bugs that other servers had, each with its names: a search for a CVE ends here. Where
//! a whole subject is tested elsewhere, the row here is its sharpest case, and says where the rest
//! is. Times are never compared: that a parser is linear is counted beside it, in `src/http` and
//! `src/ws`; here the worst input must be answered at all.

use std::thread;

use flate2::{Compress, Compression, FlushCompress};
use serde_json::json;

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{
    BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, PONG, RSV1, TEXT, Wire, close, frame, handshake,
    header, text,
};

const MIB: u64 = 1 << 20;

/// How much more memory the server has after `hostility` than before it.
fn growth(server: &Server, hostility: impl FnOnce()) -> u64 {
    let before = server.resident_bytes();
    hostility();
    server.resident_bytes().saturating_sub(before)
}

fn assert_alive(server: &Server) {
    Peer::open(server.port, "/ws").ping();
}

/// CVE-2023-43669, RUSTSEC-2023-0065 (tungstenite): a long head in small pieces was parsed from its
/// beginning at each. Counted in `http::head::tests::scanner`.
#[test]
fn a_long_head_in_small_pieces() {
    let server = Server::start(&[]);
    let long = format!("GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Long: {}", "x".repeat(1 << 20));
    for size in [1, 1000] {
        let mut wire = Wire::connect(server.port);
        wire.send_chopped(&long.as_bytes()[..17 << 10], size);
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (431, true), "as soon as it is known");
        wire.end();
    }
    let server = Server::start(&["--max-header-bytes", "2MiB"]);
    for (bytes, size) in [(200 << 10, 1), (1 << 20, 1000)] {
        let mut wire = Wire::connect(server.port);
        let line = format!("X-Long: {}\r\n", "x".repeat(bytes));
        wire.send_chopped(handshake("/ws", &line).as_bytes(), size);
        assert_eq!(wire.head().status, 101, "{bytes} bytes in pieces of {size}");
        assert_eq!(wire.json()["type"], "connection");
    }
}

/// CVE-2024-37890, GHSA-3h5v-q93c-6h6q (ws): more header lines than the parser keeps, before
/// `Upgrade`, ended the process.
#[test]
fn thousands_of_header_lines_before_upgrade() {
    let server = Server::start(&["--max-header-bytes", "1MiB"]);
    for count in [2_000, 20_000] {
        let head = handshake("/ws", "")
            .replace("Upgrade:", &format!("{}Upgrade:", "X: y\r\n".repeat(count)));
        let mut wire = Wire::connect(server.port);
        wire.send(head);
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (431, true), "{count} lines");
        wire.end();
    }
    assert_alive(&server);
}

/// CVE-2021-32640 (ws, `Sec-WebSocket-Protocol`), CVE-2020-7662 and CVE-2020-7663
/// (websocket-extensions): lists that took quadratic or exponential time.
#[test]
fn lists_that_are_slow_to_parse() {
    let server = Server::start(&["--max-header-bytes", "1MiB"]);
    let long = 900_000;
    for (line, status) in [
        (format!("Sec-WebSocket-Protocol: a{}b\r\n", " ".repeat(long)), 400),
        (format!("Sec-WebSocket-Protocol: a,{}fanwire.v1\r\n", "\t ".repeat(long / 2)), 101),
        (format!("Sec-WebSocket-Protocol: a{}\r\n", ",".repeat(long)), 400),
        (format!("Sec-WebSocket-Extensions: a; b=\"{}\r\n", "\\c".repeat(long / 2)), 400),
        (format!("Sec-WebSocket-Extensions: a; b=\"{}\r\n", "\\".repeat(long)), 400),
        (format!("Sec-WebSocket-Extensions: a{}\r\n", "; b".repeat(long / 3)), 101),
        (format!("Sec-WebSocket-Extensions: a{};\r\n", " ".repeat(long)), 400),
    ] {
        let mut wire = Wire::connect(server.port);
        wire.send(handshake("/ws", &line));
        assert_eq!(wire.head().status, status, "{}", &line[..60]);
    }
}

/// NSP 550 (ws before 3.3.1, an extension named `constructor`) and ws issue 1235: names taken as
/// keys of an object; a quoted value taken for an offer.
#[test]
fn odd_names_and_quoted_values_of_extensions() {
    let server = Server::start(&[]);
    for offer in [
        "constructor",
        "__proto__; toString=valueOf",
        "hasOwnProperty, constructor; prototype",
        "x; y=\",permessage-deflate,\"",
        "x; y=\", permessage-deflate; \"",
        "x; y=permessage-deflate",
        "permessage-deflate; constructor",
        "xpermessage-deflate, permessage-deflatex",
    ] {
        let lines = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let mut wire = Wire::connect(server.port);
        wire.send(handshake("/echo", &lines));
        let response = wire.head();
        assert_eq!(response.field("sec-websocket-extensions"), None, "{offer}");
        if response.status == 101 {
            wire.send(frame(FIN | RSV1 | TEXT, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]));
            assert_eq!(wire.close(), Some((1002, "protocol".into())), "{offer}: not agreed on");
        } else {
            assert_eq!(response.status, 400, "{offer}: a quoted value has to be a token");
        }
    }
    assert_alive(&server);
}

/// websocketpp issue 32, netty issue 786, Bun pull 43153, h2o issue 1272: frames in the packet of
/// the handshake were lost. In any pieces:
/// `handshake::frames_may_follow_the_head_at_once_and_heads_come_in_any_pieces`.
#[test]
fn frames_in_the_packet_of_the_handshake() {
    let server = Server::start(&[]);
    let mut wire = Wire::connect(server.port);
    wire.send([handshake("/echo", "").as_bytes(), &text("one"), &text("two")[..7]].concat());
    assert_eq!(wire.head().status, 101);
    assert_eq!(wire.text(), "one");
    wire.send(&text("two")[7..]);
    assert_eq!(wire.text(), "two");
}

/// CVE-2022-35922, RUSTSEC-2022-0035 (rust-websocket): memory for a length that was only declared.
#[test]
fn declared_lengths_cost_nothing() {
    let server = Server::start(&["--max-message-bytes", "16MiB"]);
    let mut wires: Vec<_> = (0..200).map(|_| Wire::open(server.port, "/echo")).collect();
    let grown = growth(&server, || {
        for (number, wire) in wires.iter_mut().enumerate() {
            let length = if number % 2 == 0 { 16 << 20 } else { 1 << 62 };
            wire.send([&header(FIN | BINARY, length)[..], b"start"].concat());
            if number % 2 == 1 {
                assert_eq!(wire.close(), Some((1009, "too_large".into())));
            }
        }
        assert_alive(&server);
    });
    assert!(grown < 8 * MIB, "{grown} bytes for 1.6 GiB that were only declared");
}

/// CVE-2020-27813 (gorilla), CVE-2020-13935 (Tomcat, an endless loop), CVE-2026-1528 (undici),
/// CVE-2026-54466 (websocket-driver): lengths that overflow or turn negative, and sums that do.
#[test]
fn lengths_that_overflow() {
    let server = Server::start(&[]);
    let first = frame(TEXT, "first");
    for (length, code) in [
        ((1 << 63) - 1, 1009),
        (1 << 63, 1002),
        (u64::MAX, 1002),
        (u64::MAX - 4, 1002),
        (u64::from(u32::MAX) + 1, 1009),
        (u64::from(u32::MAX), 1009),
        (1 << 31, 1009),
        ((1 << 63) - 5, 1009),
    ] {
        let mut alone = Wire::open(server.port, "/echo");
        alone.send(header(FIN | BINARY, length));
        assert_eq!(alone.close().map(|(code, _)| code), Some(code), "{length}");
        alone.end();
        let mut sum = Wire::open(server.port, "/echo");
        sum.send([&first[..], &header(FIN | CONTINUATION, length)].concat());
        assert_eq!(sum.close().map(|(code, _)| code), Some(code), "5 and {length}");
        sum.end();
    }
    assert_alive(&server);
}

/// CVE-2026-48779, GHSA-96hv-2xvq-fx4p, and ws issue 2331: a million tiny fragments without an end.
/// Whole messages of them: `hostile::fragments_cost_their_bytes_and_no_more`.
#[test]
fn a_million_fragments_without_an_end() {
    let server = Server::start(&["--max-message-bytes", "1MiB"]);
    let mut wires: Vec<_> = (0..2).map(|_| Wire::open(server.port, "/echo")).collect();
    let grown = growth(&server, || {
        for (wire, payload) in wires.iter_mut().zip(["", "x"]) {
            wire.send(frame(BINARY, ""));
            let some = frame(CONTINUATION, payload).repeat(10_000);
            (0..50).for_each(|_| wire.send(&some));
            wire.send(frame(FIN | PING, "all read"));
            assert_eq!(wire.frame().payload, b"all read");
        }
    });
    assert!(grown < 4 * MIB, "{grown} bytes for half a million bytes in a million fragments");
    for (wire, bytes) in wires.iter_mut().zip([0, 500_000]) {
        wire.send(frame(FIN | CONTINUATION, ""));
        assert_eq!(wire.frame().payload, vec![b'x'; bytes]);
    }
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() / 500 + 1024);
    let mut raw = Compress::new(Compression::best(), false);
    raw.compress_vec(content, &mut bytes, FlushCompress::Sync).expect("it fits");
    assert_eq!(raw.total_in(), content.len() as u64);
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// CVE-2018-1000518 (Python websockets, pull 407), tornado pull 2391, websocketpp issue 1191,
/// GHSA-hxp9-w8x3-p566 (Autobahn-Python, issue 1909), Apache `HttpComponents` pulls 821 and 822,
/// CVE-2026-1526 (undici), CVE-2026-29035 (`CivetWeb`, an overrun): the limit counts what comes
/// out, while it does. In one frame and in two:
/// `deflate::bombs_are_stopped_while_they_are_inflated`.
#[test]
fn bombs_by_the_dozen() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let limit = 64 << 10;
    let bomb = deflated(&vec![0; 60 * limit]);
    assert!(bomb.len() * 1000 <= 61 * limit, "a thousand to one");
    let open = || Wire::open_with(server.port, "/echo", offer).0;
    let grown = growth(&server, || {
        let mut wires: Vec<_> = (0..64).map(|_| open()).collect();
        for (number, wire) in wires.iter_mut().enumerate() {
            let (mut first, mut rest) = (RSV1 | BINARY, Vec::new());
            for piece in bomb.chunks(1 << (number % 8)) {
                rest.extend(frame(first, piece));
                first = CONTINUATION;
            }
            rest.extend(frame(FIN | CONTINUATION, ""));
            wire.send(rest);
        }
        for wire in &mut wires {
            assert_eq!(wire.close(), Some((1009, "too_large".into())));
            wire.end();
        }
    });
    assert!(grown < 8 * MIB, "{grown} bytes for 64 bombs of 4 MiB");
    let mut wire = open();
    wire.send(frame(FIN | RSV1 | BINARY, deflated(&vec![0; limit])));
    assert_eq!(wire.frame().first & 0xf, BINARY, "the limit itself passes");
    wire.send(frame(FIN | RSV1 | BINARY, deflated(&vec![0; limit + 1])));
    assert_eq!(wire.close(), Some((1009, "too_large".into())), "one more does not");
}

/// CVE-2026-2229 (undici): window bits out of their range were taken. All offers:
/// `deflate::offers_are_met_whole_or_declined`.
#[test]
fn window_bits_out_of_range() {
    let server = Server::start(&[]);
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for bits in ["0", "7", "16", "999", "-9", "4294967305", "00", "1e1", "９"] {
            let offer = format!("Sec-WebSocket-Extensions: permessage-deflate; {name}={bits}\r\n");
            let mut wire = Wire::connect(server.port);
            wire.send(handshake("/echo", &offer));
            let response = wire.head();
            assert!(matches!(response.status, 101 | 400), "{offer}");
            assert_eq!(response.field("sec-websocket-extensions"), None, "{offer}");
        }
    }
    assert_alive(&server);
}

/// CVE-2020-35896, RUSTSEC-2020-0043 (ws-rs): output without a bound for who never reads. Pings:
/// `hostile::a_flood_of_pings_without_reading_stops_reading`; thousands: `tests/abuse`.
#[test]
fn a_broadcast_to_who_never_reads() {
    let server = Server::start(&["--window-bytes", "64KiB", "--history-bytes", "256KiB"]);
    let mut deaf: Vec<_> = (0..50).map(|_| Wire::open(server.port, "/ws")).collect();
    let data = json!("x".repeat(32 << 10)).to_string();
    let grown = growth(&server, || {
        for _ in 0..200 {
            assert_eq!(server.post("/broadcast", "", &data).status, 200);
        }
    });
    assert!(grown < 24 * MIB, "{grown} bytes for 300 MiB that nobody takes");
    assert!(server.counter("fanwire_short_writes_total") >= 50, "all of them were full");
    assert_eq!(deaf[0].json()["type"], "connection");
    assert_alive(&server);
}

/// CVE-2020-35875, RUSTSEC-2020-0019 (tokio-rustls), Python websockets issue 105: reading outran
/// what was done with it. `hostile::requests_without_reading_the_answers_stop_reading` for those
/// who do not read; here the rate holds the reading.
#[test]
fn reading_waits_for_what_is_done_with_it() {
    let server = Server::start(&["--messages-per-second", "50", "--ping-interval", "0"]);
    let mut fast = Wire::open(server.port, "/echo");
    let mut writer = fast.stream.try_clone().expect("clone");
    let bytes = text(&"x".repeat(60_000)).repeat(400);
    let sending = thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    let grown = growth(&server, || {
        (0..210).for_each(|_| assert_eq!(fast.text().len(), 60_000));
    });
    assert!(grown < 8 * MIB, "{grown} bytes for 24 MiB that come too fast");
    let throttled = r#"fanwire_limits_total{limit="messages_per_second"}"#;
    assert!(server.counter(throttled) > 0, "reading waited for the rate");
    drop(fast.stream.shutdown(std::net::Shutdown::Both));
    drop(sending.join());
}

/// CVE-2022-25762, CVE-2021-42340, CVE-2024-23672 with GHSA-v682-8vv8-vpwr (Tomcat): sends that
/// race with closes, and what is never given back. With checks of what is heard:
/// `close::a_coming_and_going`; by the hundred thousand: `tests/abuse`.
#[test]
fn sends_closes_and_drops_from_all_sides() {
    let server = Server::start(&["--workers", "2", "--messages-per-second", "0"]);
    let port = server.port;
    let subscribe = text(&json!({"type": "subscribe", "channel": "race"}).to_string());
    let publish = text(&json!({"type": "publish", "channel": "race", "data": 1}).to_string());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (subscribe, publish) = (subscribe.clone(), publish.clone());
            thread::spawn(move || {
                for round in 0..500 {
                    let mut wire = Wire::open(port, "/ws");
                    wire.send([&subscribe[..], &publish, &publish].concat());
                    match (round + thread) % 5 {
                        0 => wire.send([&close(1000, "")[..], &publish].concat()),
                        1 => wire.fin(),
                        2 => wire.send(frame(FIN | CLOSE, [3])),
                        3 => wire.send(&publish[..9]),
                        _ => assert_eq!(wire.json()["type"], "connection"),
                    }
                }
            })
        })
        .collect();
    for number in 0..300 {
        server.publish("race", number.to_string());
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
    server.await_counter("fanwire_websockets", |open| open == 0);
    server.await_counter("fanwire_subscriptions", |count| count == 0);
    server.await_counter("fanwire_window_bytes", |bytes| bytes == 0);
    // What asks is a connection itself.
    server.await_counter("fanwire_connections", |count| count <= 1);
}

/// CVE-2024-32650, RUSTSEC-2024-0336 (rustls `complete_io`): there is no TLS in this server, so a
/// hello with a `close_notify` behind it is a bad request, at once.
#[test]
fn tls_is_not_spoken() {
    let server = Server::start(&[]);
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    let close_notify = [0x15, 3, 3, 0, 2, 1, 0];
    let mut wire = Wire::connect(server.port);
    wire.send([&hello[..], &close_notify].concat());
    let response = wire.response();
    assert_eq!((response.status, response.closes()), (400, true));
    wire.end();
}

/// CVE-2026-25541, RUSTSEC-2026-0007 (`bytes`, an overflow in `reserve`): a fixed version, wherever
/// it is used. Dependencies of the server itself: `cargo tree`, and `make deny`.
#[test]
fn dependencies_with_known_holes_are_mended() {
    let lock = include_str!("../../Cargo.lock");
    for (_, package) in lock.match_indices("name = \"bytes\"\n").map(|(at, _)| lock.split_at(at)) {
        let version = package.lines().nth(1).and_then(|line| line.split('"').nth(1));
        let version = version.expect("a version");
        let numbers: Vec<u64> = version.split('.').filter_map(|part| part.parse().ok()).collect();
        assert!(numbers >= vec![1, 11, 1], "bytes {version}");
    }
}

/// GHSA-2mhh-w6q8-5hxw and GHSA-58qx-3vcg-4xpx (ws): pongs and closes carried memory of the
/// process.
#[test]
fn pongs_and_closes_carry_what_was_sent_and_nothing_else() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let mut wire = Wire::open(server.port, "/echo");
    for length in 0..=125_u8 {
        wire.send(
            [text(&"secret ".repeat(100)), frame(FIN | PING, vec![length; length.into()])].concat(),
        );
        assert_eq!(wire.text().len(), 700);
        let pong = wire.frame();
        assert_eq!((pong.first, pong.payload), (FIN | PONG, vec![length; length.into()]));
    }
    wire.send(close(4321, ""));
    assert_eq!(wire.frame().payload, 4321_u16.to_be_bytes());
    wire.end();
}

/// ws before 7.2.2, websockify issue 164, WebSocket-Node issue 226: masking was not enforced. All
/// opcodes, in any pieces: `frames::violations_close_with_1002`.
#[test]
fn masks_are_insisted_on() {
    let server = Server::start(&[]);
    for path in ["/ws", "/echo", "/channels/mask"] {
        for first in [TEXT, BINARY, PING, PONG, CLOSE] {
            let mut wire = Wire::open(server.port, path);
            if path == "/ws" {
                assert_eq!(wire.json()["type"], "connection");
            }
            wire.send([FIN | first, 2, 3, 0xe8]);
            assert_eq!(wire.close(), Some((1002, "protocol".into())), "{path} {first}");
            wire.end();
        }
    }
}

/// CWE-1385, hijacking from another site: a foreign, a suffixed, a prefixed and a null origin. More
/// of them: `handshake::foreign_origins_are_refused_before_the_101`.
#[test]
fn pages_of_other_sites() {
    let server = Server::start(&[]);
    for (origin, status) in [
        (Some("http://evil.example"), 403),
        (Some("http://localhost.evil.example"), 403),
        (Some("http://evil-localhost"), 403),
        (Some("null"), 403),
        (Some("http://localhost"), 101),
        (None, 101),
    ] {
        let line = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        let mut wire = Wire::connect(server.port);
        wire.send(handshake("/ws", &line));
        assert_eq!(wire.head().status, status, "{origin:?}");
    }
}

/// Smuggling through an upgrade that is refused: the answer is final, the connection ends, and what
/// follows is nobody's request. Bodies: `handshake::a_body_on_an_upgrade_is_refused`.
#[test]
fn what_follows_a_refused_upgrade() {
    let server = Server::start(&[]);
    let smuggled = "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1";
    for (from, to) in [
        ("Version: 13", "Version: 1337"),
        (KEY, "AA=="),
        ("\r\n\r\n", "\r\nContent-Length: 71\r\n\r\n"),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("\r\n\r\n", "\r\nTransfer-Encoding : chunked\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(server.port);
        wire.send(handshake("/ws", "").replace(from, to) + smuggled);
        let response = wire.response();
        assert!((400..500).contains(&response.status) && response.closes(), "{to}: {response:?}");
        wire.end();
    }
    assert_eq!(server.counter("fanwire_publications_total"), 0);
}
