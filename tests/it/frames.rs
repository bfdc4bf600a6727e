//! Frames, messages and text (RFC 6455, sections 5, 6 and 8.1; checklist 1.2 and 1.3) as the whole
//! server speaks them, on `/echo`.

use crate::server::Server;
use crate::wire::{
    BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, PONG, RSV1, TEXT, Wire, close, frame, header,
    text,
};

/// Sends these bytes whole and byte by byte; each time exactly this Close must come, then the end.
fn assert_fails(server: &Server, name: &str, bytes: &[u8], code: u16, word: &str) {
    for size in [bytes.len(), 1] {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send_chopped(bytes, size);
        assert_eq!(wire.close(), Some((code, word.into())), "{name}, in pieces of {size}");
        wire.end();
    }
}

fn unmasked(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[1] &= 0x7f;
    bytes.drain(2..6);
    bytes
}

/// Sections 5.1, 5.2, 5.4, 5.5: each of these is 1002.
#[test]
fn violations_close_with_1002() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let long = "x".repeat(126);
    let mut cases = vec![
        ("unmasked text", unmasked(text(""))),
        ("unmasked binary", unmasked(frame(FIN | BINARY, ""))),
        ("unmasked ping", unmasked(frame(FIN | PING, ""))),
        ("unmasked close", unmasked(frame(FIN | CLOSE, ""))),
        ("RSV1 without an extension", frame(FIN | RSV1 | TEXT, "x")),
        ("RSV2", frame(FIN | 0x20 | TEXT, "x")),
        ("RSV3", frame(FIN | 0x10 | TEXT, "x")),
        ("RSV on a ping", frame(FIN | RSV1 | PING, "x")),
        ("125 in 16 bits", [&[FIN | TEXT, 0xfe, 0, 125, 0, 0, 0, 0][..], &[b'x'; 125]].concat()),
        ("0 in 16 bits", vec![FIN | TEXT, 0xfe, 0, 0, 0, 0, 0, 0]),
        ("65535 in 64 bits", vec![FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        ("the top bit of 64", vec![FIN | TEXT, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("a long ping", frame(FIN | PING, &long)),
        ("a long close", frame(FIN | CLOSE, &long)),
        ("half a ping", frame(PING, "x")),
        ("half a close", frame(CLOSE, "")),
        ("a continuation of nothing", frame(FIN | CONTINUATION, "x")),
        ("text inside text", [frame(TEXT, "a"), frame(FIN | TEXT, "b")].concat()),
        ("binary inside text", [frame(TEXT, "a"), frame(BINARY, "b")].concat()),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        // The header alone: the payload is not awaited.
        cases.push(("a reserved opcode", header(FIN | opcode, 5)));
    }
    for (name, bytes) in cases {
        assert_fails(&server, name, &bytes, 1002, "protocol");
    }
}

/// Checklist 3.1: valid messages ahead of the bad frame are answered before the failure.
#[test]
fn what_is_valid_before_a_violation_is_answered() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.port, "/echo");
    wire.send([text("one"), text("two"), frame(FIN | 0x20 | TEXT, "x"), text("three")].concat());
    assert_eq!((wire.text(), wire.text()), ("one".into(), "two".into()));
    assert_eq!(wire.close(), Some((1002, "protocol".into())));
    wire.end();
}

/// Section 10.4: the declared length alone decides; nothing of the payload is sent here.
#[test]
fn too_long_is_refused_by_the_header_alone() {
    let server = Server::start(&["--max-message-bytes", "1KiB"]);
    for length in [1025, 65_535, 65_536, 1 << 32, 1 << 62, (1 << 63) - 1] {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send(header(FIN | BINARY, length));
        assert_eq!(wire.close(), Some((1009, "too_large".into())), "{length}");
        wire.end();
    }
    let most = "x".repeat(1024);
    let mut wire = Wire::open(server.port, "/echo");
    wire.send(text(&most));
    assert_eq!(wire.text(), most, "the limit itself passes");
    wire.send(frame(TEXT, &most));
    wire.send(header(CONTINUATION, 1));
    assert_eq!(wire.close(), Some((1009, "too_large".into())), "the sum over fragments counts");
    wire.end();
}

/// Sections 5.4, 5.5.2 and 5.5.3, in every chopping: fragments, empty ones among them, control
/// frames between them answered at once, unsolicited pongs ignored, all lengths of length.
#[test]
fn a_valid_conversation_in_any_pieces() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let pinged: Vec<u8> = (0..125).collect();
    let medium = "ü".repeat(200);
    let long = vec![0xa5; 65_536];
    let said = [
        frame(TEXT, ""),
        frame(FIN | PING, &pinged),
        frame(CONTINUATION, "K\u{f6}".as_bytes().split_at(2).0),
        frame(FIN | PONG, "unasked"),
        frame(CONTINUATION, "\u{f6}l".as_bytes().split_at(1).1),
        frame(FIN | PING, ""),
        frame(FIN | CONTINUATION, "n"),
        text(""),
        text(&medium),
        frame(FIN | BINARY, &long),
        frame(BINARY, ""),
        frame(FIN | CONTINUATION, ""),
        close(1000, "done"),
    ]
    .concat();
    let heard = [
        (FIN | PONG, pinged),
        (FIN | PONG, Vec::new()),
        (FIN | TEXT, "K\u{f6}ln".into()),
        (FIN | TEXT, Vec::new()),
        (FIN | TEXT, medium.into()),
        (FIN | BINARY, long),
        (FIN | BINARY, Vec::new()),
        (FIN | CLOSE, 1000_u16.to_be_bytes().into()),
    ]
    .map(|(first, payload)| Frame { first, payload });
    for size in [said.len(), 1, 2, 3, 5, 8, 4096] {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send_chopped(&said, size);
        for expected in &heard {
            assert!(wire.frame() == *expected, "in pieces of {size}: {:02x}", expected.first);
        }
        wire.end();
    }
}

/// Checklist 1.2: many small frames in one read are all answered, in order.
#[test]
fn many_messages_in_one_segment() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let mut wire = Wire::open(server.port, "/echo");
    let many: Vec<u8> = (0..2000).flat_map(|n| text(&n.to_string())).collect();
    wire.send(&many);
    for number in 0..2000 {
        assert_eq!(wire.text(), number.to_string());
    }
}

/// Section 8.1: what is and what is not UTF-8, whole, in fragments, and between.
#[test]
fn text_is_utf8_or_1007() {
    let server = Server::start(&["--messages-per-second", "0"]);
    let mut wire = Wire::open(server.port, "/echo");
    for valid in ["\0", "\u{feff}", "\u{fffe}\u{ffff}\u{fdd0}", "\u{10ffff}", "κόσμε", "\u{7ff}"]
    {
        wire.send(text(valid));
        assert_eq!(wire.text(), valid);
        let bytes = valid.as_bytes();
        wire.send(frame(TEXT, ""));
        wire.send(frame(CONTINUATION, &bytes[..1]));
        wire.send(frame(FIN | CONTINUATION, &bytes[1..]));
        assert_eq!(wire.text(), valid, "cut within a character");
    }
    for invalid in [
        &b"\x80"[..],
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"ok\xce",
        b"\xf0\x9f\x98",
    ] {
        assert_fails(&server, "not UTF-8", &frame(FIN | TEXT, invalid), 1007, "bad_data");
        let pieces = [frame(TEXT, invalid), frame(FIN | CONTINUATION, "")].concat();
        assert_fails(&server, "not UTF-8 in fragments", &pieces, 1007, "bad_data");
    }
}

/// Checklist 1.3: the failure comes at the offending byte, not at the end of frame or message.
#[test]
fn bad_text_fails_fast() {
    let server = Server::start(&[]);
    let start = frame(FIN | TEXT, [&b"good \xf4\x90"[..], &[b'x'; 90]].concat());
    for (name, bytes) in [
        ("within a frame", &start[..6 + 7]),
        ("before the end of the message", &frame(TEXT, b"\xc3(")[..]),
    ] {
        let mut wire = Wire::open(server.port, "/echo");
        wire.send(bytes);
        assert_eq!(wire.close(), Some((1007, "bad_data".into())), "{name}");
        wire.end();
    }
}
