//! Received closes (RFC 6455, sections 5.5.1 and 7).

use crate::ws::peer::{BINARY, CLOSE, CONTINUATION, FIN, Heard, PING, TEXT, frame, hear, text};

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

fn closed(code: u16, reason: &str) -> Heard {
    Heard::Close(Some((code, reason.into())))
}

/// Checklist 1.4: empty or at least two bytes; the code table is `close`'s own test.
#[test]
fn the_body_is_read() {
    assert_eq!(hear(&frame(FIN | CLOSE, b"")), [Heard::Close(None)]);
    assert_eq!(hear(&frame(FIN | CLOSE, b"\x03")), [Heard::Failed(1002)]);
    assert_eq!(hear(&close(1000, b"")), [closed(1000, "")]);
    assert_eq!(hear(&close(1001, "bye µ".as_bytes())), [closed(1001, "bye µ")]);
    assert_eq!(hear(&close(4999, &[b'x'; 123])), [closed(4999, &"x".repeat(123))]);
    assert_eq!(hear(&close(1000, &[b'x'; 124])), [Heard::Failed(1002)]);
    assert_eq!(hear(&close(1005, b"")), [Heard::Failed(1002)]);
    assert_eq!(hear(&close(5000, b"")), [Heard::Failed(1002)]);
    assert_eq!(hear(&close(1000, b"\xce")), [Heard::Failed(1007)]);
}

/// Checklist 1.4: after a close nothing more is processed (Autobahn 7.1.3, 7.1.4), good or bad;
/// what was finished before it is handed out (7.1.6).
#[test]
fn nothing_comes_after_a_close() {
    let before = [frame(FIN | TEXT, b"before"), close(1000, b"")].concat();
    let after = [
        frame(FIN | TEXT, b"after"),
        frame(FIN | PING, b""),
        close(1001, b""),
        frame(FIN | BINARY, &[0; 300]),
        b"\xff\xff\xff".to_vec(),
    ];
    for after in after {
        assert_eq!(hear(&[before.clone(), after].concat()), [text("before"), closed(1000, "")]);
    }
}

/// Checklist 1.4: in the middle of a fragmented message a close is a close (Autobahn 7.1.5).
#[test]
fn a_close_may_interrupt_a_message() {
    let input = [frame(TEXT, b"begun"), close(1000, b""), frame(FIN | CONTINUATION, b"")].concat();
    assert_eq!(hear(&input), [closed(1000, "")]);
}

/// Checklist 1.2: no fragmented close, no long one (Autobahn 7.3.6).
#[test]
fn a_close_is_one_short_frame() {
    assert_eq!(hear(&frame(CLOSE, b"\x03\xe8")), [Heard::Failed(1002)]);
    assert_eq!(hear(&frame(FIN | CLOSE, &[b'x'; 126])), [Heard::Failed(1002)]);
}
