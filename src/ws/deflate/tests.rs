//! Tests of `deflate` against the slow inflater, which also says how far a stream looks back.

use proptest::prelude::*;

use super::{Deflate, MIN_PAYLOAD};
use crate::ws::slow_inflate::inflate;

/// Text with repetitions at all distances up to twice the largest window.
fn far_repetitions() -> Vec<u8> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut content: Vec<u8> = (0..70_000).map(|_| noise()).collect();
    for window in (9..=16).map(|bits| 1 << bits) {
        for back in [window - 262, window - 1, window, window + 1] {
            let from = content.len() - back;
            content.extend_from_within(from..from + 100);
            content.extend((0..150).map(|_| noise()));
        }
    }
    content
}

/// Checklist 2.2: the compressor really keeps to the window, at each of its sizes; and makes use
/// of it.
#[test]
fn keeps_to_the_window() {
    let json = br#"{"type":"message","channel":"room.7","data":{"n":1234567}}"#;
    let mut content = json.repeat(1000);
    content.extend(far_repetitions());
    let mut deflate = Deflate::new();
    for bits in 9..=15 {
        let mut out = Vec::new();
        assert!(deflate.compress(bits, &content, &mut out));
        let slow = inflate(&out).expect("a good stream");
        assert!(slow.bytes == content, "{bits} bits: the content");
        assert!(slow.farthest <= 1 << bits, "{bits} bits: {}", slow.farthest);
        assert!(slow.farthest > 1 << (bits - 2), "{bits} bits: {}", slow.farthest);
    }
}

/// Checklist 2.2 (`server_no_context_takeover`): the same message always gives the same bytes,
/// whatever was sent before it, so that one result serves all receivers.
#[test]
fn a_message_knows_nothing_of_the_one_before() {
    let message = b"a message that is long enough to be compressed, compressed, compressed. ";
    let message = message.repeat(3);
    let mut deflate = Deflate::new();
    let mut first = Vec::new();
    assert!(deflate.compress(15, &message, &mut first));
    for other in [&message[..], &vec![b'x'; 100_000], &far_repetitions()] {
        deflate.compress(15, other, &mut Vec::new());
        let mut again = b"before".to_vec();
        assert!(deflate.compress(15, &message, &mut again));
        assert_eq!(again.strip_prefix(b"before"), Some(&first[..]), "and is appended");
    }
}

/// What does not pay is left alone: the short, and what does not get smaller.
#[test]
fn appends_nothing_when_it_does_not_pay() {
    let mut deflate = Deflate::new();
    let mut out = b"before".to_vec();
    assert!(!deflate.compress(15, b"", &mut out));
    assert!(!deflate.compress(15, &[b'x'; MIN_PAYLOAD - 1], &mut out));
    assert!(!deflate.compress(15, &far_repetitions()[..5000], &mut out), "noise");
    let all: Vec<u8> = (0..=255).collect();
    assert!(!deflate.compress(15, &all, &mut out));
    assert!(!deflate.compress(8, &[b'x'; 1000], &mut out), "a window that cannot be made");
    assert!(!deflate.compress(16, &[b'x'; 1000], &mut out));
    assert!(!deflate.compress(0, &[b'x'; 1000], &mut out));
    assert_eq!(out, b"before");
    assert!(deflate.compress(15, &[b'x'; MIN_PAYLOAD], &mut out));
    assert!(out.len() < 6 + MIN_PAYLOAD);
}

proptest! {
    /// Checklist 2.3: what is sent is whole blocks without the tail, shorter than the message.
    #[test]
    fn the_slow_one_gets_the_message_back(
        bits in 9u8..=15,
        pieces in prop::collection::vec(
            prop_oneof!["[a-e]{1,40}", "\\PC{1,20}", Just("{\"type\":\"message\"}".to_owned())],
            0..30,
        ),
    ) {
        let content = pieces.concat().into_bytes();
        let mut out = Vec::new();
        if Deflate::new().compress(bits, &content, &mut out) {
            prop_assert!(out.len() < content.len());
            prop_assert!(!out.ends_with(&[0, 0, 0xFF, 0xFF]));
            let slow = inflate(&out).expect("a good stream");
            prop_assert!(slow.farthest <= 1 << bits);
            prop_assert_eq!(slow.bytes, content);
        } else {
            prop_assert!(out.is_empty());
        }
    }
}

/// zlib-rs keeps the place of its pending output over a reset: a compressor that ran out of room
/// must not be used again, or it ends in a panic.
#[test]
fn what_does_not_get_smaller_does_no_harm() {
    let noise = far_repetitions();
    let mut deflate = Deflate::new();
    for bits in 9..=15 {
        for round in 0..40 {
            let payload = &noise[round * 7..round * 7 + 200 + round * 761];
            deflate.compress(bits, payload, &mut Vec::new());
        }
    }
}
