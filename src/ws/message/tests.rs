//! Tests of `message` and `partial`, without compression. Every input is also read byte by byte
//! and, where it is short, cut in two at every place: see `peer`.

mod closing;
mod fragments;
mod limits;
mod properties;

use crate::ws::inflate::Inflate;
use crate::ws::peer::{
    BINARY, CLOSE, FIN, Heard, PING, PONG, RSV1, TEXT, frame, header, hear, hear_within, text,
};
use crate::ws::{Event, Limits, MessageKind, Reader};

/// RFC 6455, section 5.7: the masked "Hello".
#[test]
fn a_single_frame_is_a_message() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(frame(FIN | TEXT, b"Hello"), hello);
    assert_eq!(hear(&hello), [text("Hello")]);
}

/// Checklist 1.2 (right for every chopping) at the lengths where headers change, and Autobahn 1.*.
#[test]
fn messages_of_any_length_arrive() {
    for len in [0, 1, 3, 4, 5, 7, 8, 9, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let ascii = "*".repeat(len);
        let input = [frame(FIN | BINARY, &payload), frame(FIN | TEXT, ascii.as_bytes())].concat();
        assert_eq!(hear(&input), [Heard::Binary(payload), Heard::Text(ascii)]);
    }
}

/// Checklist 1.2: many small frames in one read, all in that turn, in order.
#[test]
fn many_frames_in_one_read_arrive_in_order() {
    let one = |i: usize| match i % 3 {
        0 => (FIN | TEXT, text(&i.to_string())),
        1 => (FIN | BINARY, Heard::Binary(i.to_string().into())),
        _ => (FIN | PING, Heard::Ping(i.to_string().into())),
    };
    let input: Vec<u8> = (0..500).flat_map(|i| frame(one(i).0, i.to_string().as_bytes())).collect();
    let expected: Vec<_> = (0..500).map(|i| one(i).1).collect();
    assert_eq!(hear(&input), expected);
}

/// The hot path: no copy, no memory.
#[test]
fn a_whole_message_is_a_slice_of_the_input() {
    let mut input = frame(FIN | TEXT, b"Hello");
    let (start, end) = (input.as_ptr_range().start as usize, input.as_ptr_range().end as usize);
    let mut partial = None;
    let mut inflate = Inflate::new();
    let limits = Limits { max_message_bytes: 100, deflate: false };
    let mut reader = Reader::new(&mut input, &mut partial, limits, &mut inflate);
    let Ok(Some(Event::Message { kind: MessageKind::Text, payload })) = reader.next() else {
        panic!("no message");
    };
    let at = payload.as_ptr() as usize;
    assert!(start < at && at + payload.len() == end);
    payload.make_ascii_uppercase();
    assert_eq!(reader.next(), Ok(None));
    assert!(partial.is_none());
    assert!(input.ends_with(b"HELLO"));
}

/// The loop may stop in the middle of a read, and go on later with what it has not looked at.
#[test]
fn the_rest_of_a_read_can_be_read_later() {
    let mut input =
        [frame(FIN | TEXT, b"one"), frame(FIN | TEXT, b"two"), frame(FIN | TEXT, b"three")]
            .concat();
    let last_two = input[9..].to_vec();
    let mut partial = None;
    let mut inflate = Inflate::new();
    let limits = Limits { max_message_bytes: 100, deflate: false };
    let mut reader = Reader::new(&mut input, &mut partial, limits, &mut inflate);
    assert!(matches!(reader.next(), Ok(Some(_))));
    assert_eq!(reader.rest(), last_two, "not unmasked, not looked at");
    let mut rest = reader.rest().to_vec();
    let mut heard = Vec::new();
    let mut reader = Reader::new(&mut rest, &mut partial, limits, &mut inflate);
    while let Ok(Some(event)) = reader.next() {
        heard.push(Heard::from(event));
    }
    assert_eq!(heard, [text("two"), text("three")]);
}

/// An echo goes on until the answers are as long as they may get, and leaves what is no short
/// message as it came.
#[test]
fn an_echo_ends_at_its_bound_and_before_anything_else() {
    let short = frame(FIN | TEXT, b"one");
    let (long, bad) = (frame(FIN | BINARY, &[7; 126]), frame(FIN | TEXT, b"\xFF"));
    for other in [long, bad, frame(FIN | PING, b""), frame(TEXT, b"begun"), short[..8].to_vec()] {
        let mut input = [&short[..], &short, &short, &other].concat();
        let mut partial = None;
        let mut inflate = Inflate::new();
        let limits = Limits { max_message_bytes: 200, deflate: false };
        let mut reader = Reader::new(&mut input, &mut partial, limits, &mut inflate);
        let mut answers = Vec::new();
        assert_eq!(reader.echo(&mut answers, 5), 2, "the second is begun within the bound");
        assert_eq!(answers, b"\x81\x03one\x81\x03one");
        assert_eq!(reader.echo(&mut answers, 5), 0);
        assert_eq!(reader.echo(&mut answers, 100), 1);
        assert_eq!(answers, b"\x81\x03one".repeat(3));
        assert_eq!(reader.rest(), other);
    }
}

/// The same, when the message that was handed out had been joined from two reads.
#[test]
fn a_joined_message_is_handed_out_once() {
    let input = [frame(FIN | TEXT, b"one"), frame(FIN | TEXT, b"two")].concat();
    let mut partial = None;
    let mut inflate = Inflate::new();
    let limits = Limits { max_message_bytes: 100, deflate: false };
    let (mut head, mut tail) = (input[..7].to_vec(), input[7..].to_vec());
    assert_eq!(
        Reader::new(&mut head, &mut partial, limits, &mut inflate).next(),
        Ok(None),
        "cut in the payload"
    );
    let mut reader = Reader::new(&mut tail, &mut partial, limits, &mut inflate);
    assert_eq!(reader.next().unwrap().map(Heard::from), Some(text("one")));
    let mut rest = reader.rest().to_vec();
    assert!(partial.is_none());
    let mut reader = Reader::new(&mut rest, &mut partial, limits, &mut inflate);
    assert_eq!(reader.next().unwrap().map(Heard::from), Some(text("two")));
    assert_eq!(reader.next(), Ok(None));
}

/// Checklist 1.2: an unmasked frame fails, whatever it is.
#[test]
fn an_unmasked_frame_fails() {
    for first in [FIN | TEXT, FIN | BINARY, FIN | PING, FIN | PONG, FIN | CLOSE, TEXT] {
        assert_eq!(hear(&[first, 0]), [Heard::Failed(1002)]);
        assert_eq!(hear(&[first, 1, b'x']), [Heard::Failed(1002)]);
    }
}

/// Checklist 1.2: reserved bits and opcodes fail before the payload is awaited, and what came
/// before them in the same read is answered (Autobahn 3.2 to 3.4, 4.1.3 to 4.1.5, 4.2.3 to 4.2.5).
#[test]
fn a_reserved_frame_fails_after_what_came_before_it() {
    let before = [frame(FIN | TEXT, b"good"), frame(FIN | PING, b"p")].concat();
    let expected = [text("good"), Heard::Ping(b"p".into()), Heard::Failed(1002)];
    let rsv = [0x10, 0x20, 0x30, RSV1, 0x70].map(|rsv| FIN | rsv | TEXT);
    let opcodes = [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF].map(|opcode| FIN | opcode);
    for first in rsv.into_iter().chain(opcodes) {
        let bad = header(first, 70);
        assert_eq!(hear(&[&before[..], &bad[..2]].concat()), expected, "{first:#x}");
        let after = frame(FIN | TEXT, b"never heard");
        assert_eq!(hear(&[before.clone(), bad, after].concat()), expected, "{first:#x}");
    }
}

/// Checklist 1.2: pings up to 125 bytes, binary included, all of them (Autobahn 2.*); pongs.
#[test]
fn pings_and_pongs_arrive_whole() {
    let bytes: Vec<u8> = (131..=255).collect();
    let ten: Vec<u8> = (0..10).flat_map(|i| frame(FIN | PING, &[i])).collect();
    let expected: Vec<_> = (0..10).map(|i| Heard::Ping(vec![i])).collect();
    assert_eq!(hear(&ten), expected);
    for payload in [&b""[..], b"hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", &bytes] {
        assert_eq!(hear(&frame(FIN | PING, payload)), [Heard::Ping(payload.into())]);
        assert_eq!(hear(&frame(FIN | PONG, payload)), [Heard::Pong(payload.into())]);
    }
    for opcode in [PING, PONG, CLOSE] {
        assert_eq!(hear(&frame(FIN | opcode, &[b'x'; 126])), [Heard::Failed(1002)]);
        assert_eq!(hear(&frame(opcode, b"fragment")), [Heard::Failed(1002)]);
    }
}

/// Checklist 1.3: bad text is 1007, whole or cut; what is not text is not looked at.
#[test]
fn text_is_utf8() {
    let bad: [&[u8]; 5] = [
        b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xff",
        b"ok\xce",
    ];
    for bytes in bad {
        assert_eq!(hear(&frame(FIN | TEXT, bytes)), [Heard::Failed(1007)]);
        assert_eq!(hear(&frame(FIN | BINARY, bytes)), [Heard::Binary(bytes.into())]);
        let long = [&[b'x'; 200][..], bytes].concat();
        assert_eq!(hear(&frame(FIN | TEXT, &long)), [Heard::Failed(1007)]);
    }
    for good in ["", "\0", "κόσμε", "\u{10ffff}\u{fffe}\u{feff}", "Hello-µ@ßöäüàá-UTF-8!!"]
    {
        assert_eq!(hear(&frame(FIN | TEXT, good.as_bytes())), [text(good)]);
        let long = "é".repeat(100) + good;
        assert_eq!(hear(&frame(FIN | TEXT, long.as_bytes())), [text(&long)]);
    }
}

/// Checklist 1.3, fail-fast (Autobahn 6.4.3, 6.4.4): inside a frame that has not fully arrived,
/// at the offending byte and not before it.
#[test]
fn text_fails_at_the_offending_byte() {
    let payload = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let input = frame(FIN | TEXT, payload);
    let offending = input.len() - payload.len() + 12; // after f4, 90 is too much
    assert_eq!(hear_within(1 << 16, false, [&input[..offending]]), []);
    assert_eq!(hear_within(1 << 16, false, [&input[..=offending]]), [Heard::Failed(1007)]);
    let bytes = input[..=offending].chunks(1);
    assert_eq!(hear_within(1 << 16, false, bytes), [Heard::Failed(1007)]);
}
