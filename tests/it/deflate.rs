//! permessage-deflate (RFC 7692; checklist 2): what is agreed on, and messages as they are spoken
//! with each window, in one frame and in many.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::server::Server;
use crate::wire::{BINARY, CONTINUATION, FIN, Frame, PING, PONG, RSV1, TEXT, Wire, frame, text};

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn offer(server: &Server, path: &str, offer: &str) -> (Wire, Option<String>) {
    let lines = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let (wire, response) = Wire::open_with(server.port, path, &lines);
    (wire, response.field("sec-websocket-extensions").map(Into::into))
}

/// The payload of a compressed message (section 7.2.1).
fn deflated(window_bits: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 1024);
    let mut raw = Compress::new_with_window_bits(Compression::new(6), false, window_bits);
    raw.compress_vec(content, &mut bytes, FlushCompress::Sync).expect("it fits");
    assert_eq!(raw.total_in(), content.len() as u64);
    assert!(bytes.ends_with(&TAIL));
    bytes.truncate(bytes.len() - TAIL.len());
    bytes
}

/// What a payload says (section 7.2.2), to a receiver whose window is no larger than agreed.
pub fn inflated(window_bits: u8, payload: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(4 << 20);
    let mut raw = Decompress::new_with_window_bits(false, window_bits);
    let whole = [payload, &TAIL].concat();
    raw.decompress_vec(&whole, &mut content, FlushDecompress::Sync).expect("a good stream");
    assert_eq!(raw.total_in(), whole.len() as u64, "nothing is left over");
    content
}

/// JSON that compresses, with repetitions farther apart than the smaller windows reach.
fn compressible(bytes: usize) -> String {
    let mut text = String::new();
    let mut number = 1_u64;
    while text.len() < bytes {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let price = ((number >> 33) % 1000).to_string();
        text.extend([r#"{"price":"#, &price, r#","name":"ünit"},"#]);
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}

/// Sections 5.1 and 7.1: the first offer that can be met whole, or none.
#[test]
fn offers_are_met_whole_or_declined() {
    let server = Server::start(&[]);
    let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for offered in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "x-other, permessage-deflate",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
        "permessage-deflate; unknown, permessage-deflate",
        "PERMESSAGE-DEFLATE",
    ] {
        assert_eq!(offer(&server, "/echo", offered).1.as_deref(), Some(plain), "{offered}");
    }
    for bits in 9..=15 {
        let quoted = format!("permessage-deflate; server_max_window_bits=\"{bits}\"");
        let bare = format!("permessage-deflate; server_max_window_bits={bits}");
        let expected = format!("{plain}; server_max_window_bits={bits}");
        for offered in [quoted, bare] {
            assert_eq!(offer(&server, "/echo", &offered).1, Some(expected.clone()), "{offered}");
        }
    }
    for declined in [
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=0",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover=true",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "x-webkit-deflate-frame",
    ] {
        assert_eq!(offer(&server, "/echo", declined).1, None, "{declined}");
    }
    let off = Server::start(&["--compression", "off"]);
    assert_eq!(offer(&off, "/echo", "permessage-deflate").1, None);
}

/// Sections 7.1.2 and 7.2: messages of all sizes, each window of ours and each of the client's;
/// the windows start empty with every message (7.1.1), in one frame or cut anywhere (6.2).
#[test]
fn messages_in_every_window() {
    let server = Server::start(&["--messages-per-second", "0"]);
    for bits in 9..=15 {
        let offered = format!(
            "permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}"
        );
        let (mut wire, _) = offer(&server, "/echo", &offered);
        for bytes in [0, 1, 63, 64, 1000, 40_000, 60_000] {
            let content = compressible(bytes);
            let payload = deflated(bits, content.as_bytes());
            let (head, tail) = payload.split_at(payload.len() / 3);
            for message in [
                frame(FIN | RSV1 | TEXT, &payload),
                text(&content),
                [
                    frame(RSV1 | TEXT, head),
                    frame(FIN | PING, "between"),
                    frame(CONTINUATION, ""),
                    frame(FIN | CONTINUATION, tail),
                ]
                .concat(),
            ] {
                wire.send(message);
                let mut echo = wire.frame();
                if echo.first == FIN | PONG {
                    echo = wire.frame();
                }
                assert_echo(&echo, bits, &content);
            }
        }
    }
}

fn assert_echo(echo: &Frame, bits: u8, content: &str) {
    if echo.first == FIN | TEXT {
        assert!(echo.payload == content.as_bytes(), "{bits} bits, as it is");
        assert!(content.len() < 1000, "long repetitive messages are compressed");
    } else {
        assert_eq!(echo.first, FIN | RSV1 | TEXT);
        assert!(inflated(bits, &echo.payload) == content.as_bytes(), "{bits} bits, compressed");
    }
}

/// Section 7.1.2.1 and design 5: one publication, encoded once for each window that somebody has.
#[test]
fn a_publication_reaches_every_window() {
    for workers in ["1", "2", "4"] {
        let server = Server::start(&["--workers", workers]);
        let mut wires: Vec<_> = (8..=15)
            .map(|bits| {
                let offered = format!("permessage-deflate; server_max_window_bits={bits}");
                let (wire, answer) = offer(&server, "/channels/w", &offered);
                assert_eq!(answer.is_some(), bits > 8);
                (bits, wire)
            })
            .collect();
        server.await_counter("fanwire_subscriptions", |count| count == 8);
        let content = format!("\"{}\"", compressible(50_000).replace('"', "'"));
        server.publish("w", &content);
        for (bits, wire) in &mut wires {
            let frame = wire.frame();
            assert_eq!(frame.first == FIN | RSV1 | TEXT, *bits > 8);
            let bytes = if *bits > 8 { inflated(*bits, &frame.payload) } else { frame.payload };
            assert!(bytes == content.as_bytes(), "{bits} bits");
        }
    }
}

/// Sections 7.2.3.3 to 7.2.3.6: stored, fixed and dynamic blocks, BFINAL, the empty message.
#[test]
fn all_sorts_of_blocks() {
    let server = Server::start(&[]);
    let (mut wire, _) = offer(&server, "/echo", "permessage-deflate");
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for (name, payload) in
        [("fixed", &hello[..]), ("stored", &stored), ("BFINAL", &last), ("two blocks", &two)]
    {
        wire.send(frame(FIN | RSV1 | TEXT, payload));
        assert_eq!(wire.text(), "Hello", "{name}");
    }
    wire.send(frame(FIN | RSV1 | TEXT, [0x00]));
    assert_eq!(wire.text(), "", "an empty message");
}

/// Checklist 2.3: bad streams are 1007, RSV1 where it must not be is 1002, text is checked as it
/// comes out.
#[test]
fn bad_streams_fail() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let bad_text = deflated(15, &[&b"x".repeat(1000)[..], b"\xed\xa0\x80"].concat());
    let cases = [
        ("nothing at all", frame(FIN | RSV1 | TEXT, ""), 1007),
        ("a reserved block type", frame(FIN | RSV1 | BINARY, [0x06, 0x00]), 1007),
        ("a distance too far", frame(FIN | RSV1 | BINARY, [0x4b, 0x04, 0x12, 0x00]), 1007),
        ("the middle of a block", frame(FIN | RSV1 | TEXT, &hello[..4]), 1007),
        ("text that is none", frame(FIN | RSV1 | TEXT, &bad_text), 1007),
        ("RSV1 on a ping", frame(FIN | RSV1 | PING, hello), 1002),
        (
            "RSV1 on a continuation",
            [frame(RSV1 | TEXT, hello), frame(FIN | RSV1 | CONTINUATION, "")].concat(),
            1002,
        ),
        ("RSV2", frame(FIN | 0x20 | TEXT, ""), 1002),
    ];
    for (name, bytes, code) in cases {
        for size in [bytes.len(), 1] {
            let (mut wire, _) = offer(&server, "/echo", "permessage-deflate");
            wire.send_chopped(&bytes, size);
            assert_eq!(wire.close().map(|(code, _)| code), Some(code), "{name}");
            wire.end();
        }
        // The worker's inflaters are as new.
        let (mut wire, _) = offer(&server, "/echo", "permessage-deflate");
        wire.send(frame(FIN | RSV1 | TEXT, hello));
        assert_eq!(wire.text(), "Hello", "after {name}");
    }
    let (mut wire, _) = offer(&server, "/echo", "permessage-deflate");
    wire.send(frame(RSV1 | TEXT, &bad_text));
    assert_eq!(wire.close().map(|(code, _)| code), Some(1007), "before the message ends");
}

/// Checklist 2.4, CVE-2018-1000518: exactly the limit passes, one byte more is 1009, and a bomb
/// costs no memory.
#[test]
fn bombs_are_stopped_while_they_are_inflated() {
    let server = Server::start(&["--messages-per-second", "0", "--max-message-bytes", "1MiB"]);
    let limit = 1 << 20;
    let (mut wire, _) = offer(&server, "/echo", "permessage-deflate");
    let exact = vec![b' '; limit];
    wire.send(frame(FIN | RSV1 | TEXT, deflated(15, &exact)));
    assert!(inflated(15, &wire.frame().payload) == exact);
    let bomb = deflated(15, &vec![0; 400 * limit]);
    assert!(bomb.len() < limit, "the frame itself is within the limit: {}", bomb.len());
    let before = server.resident_bytes();
    let (head, tail) = bomb.split_at(bomb.len() / 2);
    let over = deflated(15, &vec![b' '; limit + 1]);
    for (name, message) in [
        ("one byte more", frame(FIN | RSV1 | TEXT, over)),
        ("one frame", frame(FIN | RSV1 | BINARY, &bomb)),
        ("two frames", [frame(RSV1 | BINARY, head), frame(FIN | CONTINUATION, tail)].concat()),
    ] {
        for _ in 0..5 {
            let (mut wire, _) = offer(&server, "/echo", "permessage-deflate");
            wire.send(&message);
            assert_eq!(wire.close(), Some((1009, "too_large".into())), "{name}");
            wire.end();
        }
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for bombs of 400 MiB");
}
