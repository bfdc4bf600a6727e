//! Frames and messages: any bytes, whole and cut, heard or echoed, must give the same events and
//! the same end.
//!
//! The first bytes of the input choose the limits and the lengths of the pieces; the rest is what
//! the client sends.
#![no_main]

use fanwire::ws::inflate::Inflate;
use fanwire::ws::{Event, Limits, MessageKind, Reader};
use libfuzzer_sys::fuzz_target;

/// What was heard, and how it ended.
#[derive(Debug, PartialEq)]
enum Heard {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(u16),
}

fn text_is_valid(kind: MessageKind, payload: &[u8]) -> bool {
    kind == MessageKind::Binary || std::str::from_utf8(payload).is_ok()
}

/// The messages that an echo answered, out of its answers: short frames, one after the other.
fn echoed(mut answers: &[u8], heard: &mut Vec<Heard>) {
    while let [first, len, rest @ ..] = answers {
        let kind = if *first == 0x81 { MessageKind::Text } else { MessageKind::Binary };
        let (payload, rest) = rest.split_at(usize::from(*len));
        assert!(text_is_valid(kind, payload));
        heard.push(Heard::Message(kind, payload.to_vec()));
        answers = rest;
    }
}

fn hear<'a>(
    limits: Limits,
    echoes: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut partial = None;
    let mut inflate = Inflate::new();
    let mut came = 0;
    for piece in pieces {
        came += piece.len();
        let mut piece = piece.to_vec();
        let mut reader = Reader::new(&mut piece, &mut partial, limits, &mut inflate);
        loop {
            if echoes {
                let mut answers = Vec::new();
                reader.echo(&mut answers, 256);
                echoed(&answers, &mut heard);
            }
            heard.push(match reader.next() {
                Ok(None) => break,
                Ok(Some(Event::Message { kind, payload })) => {
                    assert!(payload.len() <= limits.max_message_bytes);
                    assert!(text_is_valid(kind, payload));
                    Heard::Message(kind, payload.to_vec())
                }
                Ok(Some(Event::Ping(payload))) => Heard::Ping(payload.to_vec()),
                Ok(Some(Event::Pong(payload))) => Heard::Pong(payload.to_vec()),
                Ok(Some(Event::Close(said))) => {
                    Heard::Close(said.map(|said| (said.code.0, said.reason.to_owned())))
                }
                Err(failure) => Heard::Failed(failure.code.0),
            });
            if matches!(heard.last(), Some(Heard::Close(_) | Heard::Failed(_))) {
                assert_eq!(reader.next(), Ok(None));
                return heard;
            }
        }
        // Memory follows the bytes that came, or the limit where they are inflated.
        let content = if limits.deflate { limits.max_message_bytes + 1 } else { 2 * came + 64 };
        let kept = partial.as_ref().map_or(0, |partial| partial.bytes());
        assert!(kept <= 1024 + 2 * content + if limits.deflate { 48 << 10 } else { 0 });
    }
    heard
}

fuzz_target!(|data: &[u8]| {
    let [flags, first_len, second_len, input @ ..] = data else { return };
    let limits = Limits {
        max_message_bytes: if flags & 2 == 0 { 200 } else { 1 << 16 },
        deflate: flags & 1 == 1,
    };
    let whole = hear(limits, false, std::iter::once(input));
    assert_eq!(hear(limits, true, std::iter::once(input)), whole);
    for echoes in [false, true] {
        assert_eq!(hear(limits, echoes, input.chunks(usize::from(*first_len) + 1)), whole);
        assert_eq!(hear(limits, echoes, input.chunks(usize::from(second_len % 8) + 1)), whole);
    }
});
