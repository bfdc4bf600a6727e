//! Properties: the same however the input is cut, equal to a slow reader, equal to tungstenite.

use std::io::Cursor;

use proptest::prelude::*;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket};

use crate::ws::frame::{self, Opcode};
use crate::ws::peer::{self, CONTINUATION, FIN, Heard, TEXT, hear_within, text};
use crate::ws::{CloseCode, close};

const MOST: usize = 300;

/// A frame as a client might send it: mostly good, sometimes not.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        6 => Just(0x1u8),
        6 => Just(0x2),
        8 => Just(0x0),
        3 => Just(0x9),
        3 => Just(0xA),
        1 => Just(0x8),
        1 => 0u8..16,
    ];
    let flags = prop_oneof![
        20 => Just(FIN),
        20 => Just(0),
        1 => any::<u8>().prop_map(|bits| bits & 0xF0),
    ];
    let payload = prop_oneof![
        6 => "[a-z]{0,10}".prop_map(String::into_bytes),
        6 => "\\PC{0,10}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        2 => Just(b"\x03\xe8bye".to_vec()),
        1 => (120usize..MOST + 2).prop_map(|len| vec![b'x'; len]),
    ];
    (opcode, flags, payload).prop_map(|(opcode, flags, payload)| {
        // Control frames are mostly whole.
        let flags = if opcode & 0x8 != 0 && flags & 0x70 == 0 { FIN } else { flags };
        peer::frame(flags | opcode, &payload)
    })
}

/// The definition, slowly: `input` is whole frames with lengths below 2^16, everything is copied,
/// nothing is clever.
fn slow(input: &[u8]) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut message: Option<(bool, Vec<u8>)> = None;
    let mut rest = input;
    while let [first, second, ..] = *rest {
        let (opcode, fin) = (first & 0xF, first & FIN != 0);
        let (at, len) = match second & 0x7F {
            126 => (4, usize::from(rest[2]) << 8 | usize::from(rest[3])),
            len => (2, usize::from(len)),
        };
        let begun = message.as_ref().map(|(_, bytes)| bytes.len());
        let good = match opcode {
            0 => begun.is_some(),
            1 | 2 => begun.is_none(),
            8..=10 => fin && len <= 125,
            _ => false,
        };
        if !good || first & 0x70 != 0 || second & 0x80 == 0 {
            heard.push(Heard::Failed(1002));
            break;
        }
        if opcode < 8 && begun.unwrap_or(0) + len > MOST {
            heard.push(Heard::Failed(1009));
            break;
        }
        let (key, payload) = rest[at..at + 4 + len].split_at(4);
        let payload: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect();
        rest = &rest[at + 4 + len..];
        match opcode {
            8 => heard.push(slow_close(&payload)),
            9 => heard.push(Heard::Ping(payload)),
            10 => heard.push(Heard::Pong(payload)),
            _ => {
                let (is_text, mut bytes) = message.take().unwrap_or((opcode == 1, Vec::new()));
                bytes.extend(payload);
                match std::str::from_utf8(&bytes) {
                    Err(bad) if is_text && (fin || bad.error_len().is_some()) => {
                        heard.push(Heard::Failed(1007));
                    }
                    _ if !fin => message = Some((is_text, bytes)),
                    Ok(whole) if is_text => heard.push(text(whole)),
                    _ => heard.push(Heard::Binary(bytes)),
                }
            }
        }
        if matches!(heard.last(), Some(Heard::Close(_) | Heard::Failed(_))) {
            break;
        }
    }
    heard
}

fn slow_close(payload: &[u8]) -> Heard {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Heard::Close(None) } else { Heard::Failed(1002) };
    };
    match (u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason)) {
        (0..=999 | 1004..=1006 | 1015..=2999 | 5000.., _) => Heard::Failed(1002),
        (_, Err(_)) => Heard::Failed(1007),
        (code, Ok(reason)) => Heard::Close(Some((code, reason.into()))),
    }
}

/// The slow reader itself reads the example of RFC 6455, section 5.7.
#[test]
fn the_slow_reader_is_right() {
    let input = [peer::frame(TEXT, b"Hel"), peer::frame(FIN | CONTINUATION, b"lo")].concat();
    assert_eq!(slow(&input), [text("Hello")]);
}

/// The input in pieces of these lengths, over and over.
fn cut<'a>(mut input: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in lens.iter().cycle() {
        if input.is_empty() {
            break;
        }
        let (piece, rest) = input.split_at((*len).min(input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

proptest! {
    /// Whole frames, good and bad: equal to the slow reader, however they are cut.
    #[test]
    fn equals_the_definition_however_cut(
        frames in prop::collection::vec(any_frame(), 0..12),
        lens in prop::collection::vec(1usize..40, 1..8),
    ) {
        let input = frames.concat();
        let expected = slow(&input);
        prop_assert_eq!(&hear_within(MOST, false, [&input[..]]), &expected);
        prop_assert_eq!(&hear_within(MOST, false, cut(&input, &lens)), &expected);
        prop_assert_eq!(&hear_within(MOST, false, input.chunks(1)), &expected);
    }

    /// Any bytes: no panic, and the same however they are cut.
    #[test]
    fn any_bytes_however_cut(
        mut input in prop::collection::vec(any::<u8>(), 0..200),
        deflate: bool,
        lens in prop::collection::vec(1usize..20, 1..8),
    ) {
        if let [first, second, ..] = &mut input[..] {
            (*first, *second) = (*first & 0xCF, *second | 0x80);
        }
        let whole = hear_within(MOST, deflate, [&input[..]]);
        prop_assert_eq!(&hear_within(MOST, deflate, cut(&input, &lens)), &whole);
        prop_assert_eq!(&hear_within(MOST, deflate, input.chunks(1)), &whole);
    }

    /// What tungstenite writes as a client, we read.
    #[test]
    fn reads_what_tungstenite_writes(
        contents in prop::collection::vec("\\PC{0,200}", 0..6),
        lens in prop::collection::vec(1usize..100, 1..8),
    ) {
        let mut wire = Cursor::new(Vec::new());
        let mut client = WebSocket::from_raw_socket(&mut wire, Role::Client, None);
        let mut expected = Vec::new();
        for content in contents {
            let bytes = content.clone().into_bytes();
            let short = bytes[..bytes.len().min(125)].to_vec();
            client.send(Message::text(content.clone())).unwrap();
            client.send(Message::binary(bytes.clone())).unwrap();
            client.send(Message::Ping(short.clone().into())).unwrap();
            expected.extend([text(&content), Heard::Binary(bytes), Heard::Ping(short)]);
        }
        let input = wire.into_inner();
        prop_assert_eq!(hear_within(1 << 16, false, cut(&input, &lens)), expected);
    }

    /// What we write, tungstenite reads as a client.
    #[test]
    fn tungstenite_reads_what_we_write(
        content in "\\PC{0,200}",
        len in prop::sample::select(vec![0usize, 1, 125, 126, 127, 65535, 65536, 70000]),
        control in prop::collection::vec(any::<u8>(), 0..=125),
    ) {
        let mut wire = Vec::new();
        frame::encode(&mut wire, Opcode::Text, false, content.as_bytes());
        frame::encode(&mut wire, Opcode::Binary, false, &vec![7; len]);
        frame::encode(&mut wire, Opcode::Pong, false, &control);
        close::encode_word(&mut wire, CloseCode::SLOW, None);
        let mut client = WebSocket::from_raw_socket(Cursor::new(wire), Role::Client, None);
        prop_assert_eq!(client.read().unwrap(), Message::text(content));
        prop_assert_eq!(client.read().unwrap(), Message::binary(vec![7; len]));
        prop_assert_eq!(client.read().unwrap(), Message::Pong(control.into()));
        let Message::Close(Some(close)) = client.read().unwrap() else { panic!("no close") };
        prop_assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, "slow"));
    }
}
