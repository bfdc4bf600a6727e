//! Tests of `inflate`, by way of whole connections: checklist 2.3 and 2.4.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::{FREE_STREAMS, INFLATER_BYTES};
use crate::ws::peer::{
    BINARY, CONTINUATION, FIN, Heard, Listener, PING, RSV1, TEXT, frame, header, hear,
    hear_cut_everywhere, hear_deflated, hear_within, text,
};
use crate::ws::slow_inflate;

/// A compressed text message in one frame.
fn compressed_text(payload: &[u8]) -> Vec<u8> {
    frame(FIN | RSV1 | TEXT, payload)
}

/// What an independent compressor makes of `content`, without the tail.
fn deflated(content: &[u8], level: u32) -> Vec<u8> {
    let mut payload = stream(content, b"", level, FlushCompress::Sync);
    assert!(payload.ends_with(&[0, 0, 0xFF, 0xFF]));
    payload.truncate(payload.len() - 4);
    payload
}

/// One deflate stream that may look back into `window`.
fn stream(content: &[u8], window: &[u8], level: u32, flush: FlushCompress) -> Vec<u8> {
    let mut compressor = Compress::new(Compression::new(level), false);
    if !window.is_empty() {
        compressor.set_dictionary(window).unwrap();
    }
    let mut out = Vec::with_capacity(content.len() * 2 + 100);
    compressor.compress_vec(content, &mut out, flush).unwrap();
    assert_eq!(compressor.total_in(), content.len() as u64);
    out
}

/// RFC 7692, section 7.2.3: every example. Checklist 2.3: several blocks, stored blocks, a block
/// with BFINAL set, the empty message.
#[test]
fn inflates_the_examples_of_the_rfc() {
    let table: [(&[u8], &str); 5] = [
        (b"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"),
        (b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"),
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
        (b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"),
        (b"\x00", ""),
    ];
    for (payload, expected) in table {
        let input = [compressed_text(payload), compressed_text(payload)].concat();
        assert_eq!(hear_deflated(&input), [text(expected), text(expected)], "{payload:x?}");
    }
    let fragments =
        [frame(RSV1 | TEXT, b"\xf2\x48\xcd"), frame(FIN | CONTINUATION, b"\xc9\xc9\x07\x00")];
    assert_eq!(hear_deflated(&fragments.concat()), [text("Hello")]);
}

/// The answer to the offer says that there is no context takeover: the second "Hello" of RFC 7692,
/// section 7.2.3.2 looks back into the first, which is gone.
#[test]
fn the_window_does_not_outlive_its_message() {
    let first = compressed_text(b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    let second = compressed_text(b"\xf2\x00\x11\x00\x00");
    assert_eq!(hear_deflated(&[first, second].concat()), [text("Hello"), Heard::Failed(1007)]);
}

/// Checklist 2.3: RSV1 only on the first frame of a data message, and only where it was agreed on;
/// messages without it stay legal.
#[test]
fn rsv1_marks_only_the_first_frame_of_a_message() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    assert_eq!(hear(&compressed_text(hello)), [Heard::Failed(1002)]);
    let begun = frame(RSV1 | TEXT, &hello[..3]);
    let again = [begun.clone(), frame(FIN | RSV1 | CONTINUATION, &hello[3..])].concat();
    assert_eq!(hear_deflated(&again), [Heard::Failed(1002)]);
    assert_eq!(hear_deflated(&frame(FIN | RSV1 | PING, b"")), [Heard::Failed(1002)]);
    let mixed = [
        frame(FIN | TEXT, b"plain"),
        begun,
        frame(FIN | PING, b"between"),
        frame(FIN | CONTINUATION, &hello[3..]),
        frame(FIN | BINARY, b""),
    ];
    let ping = Heard::Ping(b"between".into());
    let expected = [text("plain"), ping, text("Hello"), Heard::Binary(vec![])];
    assert_eq!(hear_deflated(&mixed.concat()), expected);
}

/// Checklist 2.3: a zero-length payload is no block; blocks that do not end, bytes that are left,
/// distances beyond the window, bad tables. The inflater is none the worse for it.
#[test]
fn a_bad_stream_fails_and_is_forgotten() {
    let bad: [&[u8]; 14] = [
        b"",
        b"\xf2",                                             // a block that does not end
        b"\xf2\x48\xcd\xc9\xc9\x07",                         // no empty block to cut the tail off
        b"\xf3\x48\xcd\xc9\xc9\x07\x00",                     // the same after BFINAL
        b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\x00\xff\xff", // the tail was not cut off
        b"\x00\x00",
        b"\x00\x0a\x00\xf5\xff\x48", // a stored block that does not end
        b"\x00\x05\x00\xfb\xff\x48\x65\x00", // its length and check differ
        b"\x06\x00",                 // block type 3
        b"\x07\x00",
        b"\x04\x00\xfe\xff\x00",                     // bad code lengths
        b"\xf2\x00\x11\x00\x00",                     // looks back beyond the beginning
        b"\xf2\x48\xcd\xc9\xc9\x07\x00garbage",      // bytes after the end
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff\xff", // and after BFINAL
    ];
    for payload in bad {
        assert_eq!(slow_inflate::inflate(payload), None, "{payload:x?}");
        let whole = compressed_text(payload);
        assert_eq!(hear_deflated(&whole), [Heard::Failed(1007)], "{payload:x?}");

        // Another connection of the same worker.
        let mut listener = Listener::new(1 << 16, true);
        let mut heard = Vec::new();
        listener.hear(&whole, &mut heard);
        listener.over = false;
        listener.hear(&compressed_text(b"\xf2\x48\xcd\xc9\xc9\x07\x00"), &mut heard);
        assert_eq!(heard, [Heard::Failed(1007), text("Hello")], "{payload:x?}");
    }
}

/// Checklist 2.3: after a block with BFINAL set the window is kept.
#[test]
fn a_new_stream_sees_the_window_of_the_last() {
    let first: Vec<u8> = (0..40_000u32).map(|i| ((i * i) >> 7) as u8).collect();
    let second = [&first[20_000..], &first[30_000..]].concat();
    let third = [&second[1000..5000], b"and something new"].concat();
    let all = [&first[..], &second, &third].concat();
    let mut payload = stream(&first, b"", 6, FlushCompress::Finish);
    payload.extend(stream(&second, &first[first.len() - 32768..], 6, FlushCompress::Finish));
    assert!(payload.len() < first.len() + 2000, "the second looks back into the first");
    let seen = [&first[..], &second].concat();
    payload.extend(stream(&third, &seen[seen.len() - 32768..], 6, FlushCompress::Sync));
    payload.truncate(payload.len() - 4);
    assert!(slow_inflate::inflate(&payload).is_some_and(|slow| slow.bytes == all));
    let input = frame(FIN | RSV1 | BINARY, &payload);
    assert!(hear_within(1 << 20, true, [&input[..]]) == [Heard::Binary(all)]);
}

/// Each stream copies the window, so their number is bounded, by content: a message of nothing but
/// empty last blocks must not keep a worker busy.
#[test]
fn a_flood_of_streams_fails() {
    let of = |streams| [b"\x03\x00".repeat(streams), b"\x00".to_vec()].concat();
    let hear = |streams| hear_within(1 << 16, true, [&compressed_text(&of(streams))[..]]);
    assert_eq!(hear(FREE_STREAMS), [text("")]);
    assert_eq!(hear(FREE_STREAMS + 1), [Heard::Failed(1007)]);
    let twice = compressed_text(&of(FREE_STREAMS)).repeat(2);
    assert_eq!(hear_deflated(&twice), [text(""), text("")], "each message for itself");

    // A sender that ends a stream with each kilobyte is served however long it goes on.
    let kilobyte = [7; 1 << 10];
    let mut payload = stream(&kilobyte, b"", 1, FlushCompress::Finish).repeat(1000);
    payload.push(0);
    let input = frame(FIN | RSV1 | BINARY, &payload);
    let heard = hear_within(1 << 20, true, [&input[..]]);
    assert!(heard == [Heard::Binary(vec![7; 1000 << 10])]);
}

/// Checklist 2.4: exactly the limit passes, one more is refused, not cut off (python-websockets
/// issue 1715); in one frame, over fragments, and with output still inside the inflater when all
/// input is used.
#[test]
fn the_limit_holds_while_inflating() {
    const MOST: usize = 10_000;
    for len in [MOST - 1, MOST, MOST + 1, 100 * MOST] {
        let content = vec![b'x'; len];
        let expected = match len {
            ..=MOST => vec![text(&"x".repeat(len))],
            _ => vec![Heard::Failed(1009)],
        };
        for level in [0, 1, 6] {
            let payload = deflated(&content, level);
            let whole = compressed_text(&payload);
            if level == 0 && len > 2 * MOST {
                continue; // refused by its header, see below
            }
            assert_eq!(hear_cut_everywhere(MOST, true, &whole), expected, "{len} at {level}");
            let mut fragments = frame(RSV1 | TEXT, b"");
            for byte in &payload {
                fragments.extend(frame(CONTINUATION, &[*byte]));
            }
            fragments.extend(frame(FIN | CONTINUATION, b""));
            assert_eq!(hear_within(MOST, true, [&fragments[..]]), expected, "{len} at {level}");
        }
    }
}

/// Of two faults the first in the content counts, so that no cutting makes a difference.
#[test]
fn the_limit_comes_before_what_is_beyond_it() {
    for (content, code) in [(b"0123456789\xff", 1009), (b"012345678\xff9", 1007)] {
        let input = compressed_text(&deflated(content, 6));
        assert_eq!(hear_cut_everywhere(10, true, &input), [Heard::Failed(code)]);
    }
}

/// Checklist 1.2 with compression: a length that no message within the limit needs is refused by
/// the header alone.
#[test]
fn a_declared_length_is_refused_at_once() {
    for len in [2 * 100 + 65, 1 << 32, u64::MAX >> 1] {
        for first in [FIN | RSV1 | TEXT, RSV1 | TEXT] {
            let heard = hear_cut_everywhere(100, true, &header(first, len));
            assert_eq!(heard, [Heard::Failed(1009)]);
        }
        let later = [frame(RSV1 | TEXT, b"\xf2"), header(FIN | CONTINUATION, len)].concat();
        assert_eq!(hear_cut_everywhere(100, true, &later), [Heard::Failed(1009)]);
    }
}

/// Checklist 2.4: 1000 to 1, and memory does not follow. A bomb that has not yet gone off is held
/// at the limit.
#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    const MOST: usize = 1 << 16;
    let payload = deflated(&vec![0; 64 * MOST], 9);
    let mut listener = Listener::new(MOST, true);
    let mut heard = Vec::new();
    let mut most_kept = 0;
    for piece in frame(RSV1 | BINARY, &payload[..60]).chunks(1) {
        listener.hear(piece, &mut heard);
        most_kept = listener.partial.as_ref().map_or(0, |kept| kept.bytes()).max(most_kept);
    }
    assert_eq!(heard, []);
    assert!((MOST / 2..MOST + INFLATER_BYTES + 1000).contains(&most_kept), "{most_kept}");
    listener.hear(&frame(CONTINUATION, &payload[60..100]), &mut heard);
    assert_eq!(heard, [Heard::Failed(1009)]);
    assert!(listener.inflate.last().len() <= MOST + 1);
}

/// Checklist 2.4 and 1.3: text is checked as it comes out, before the message is complete.
#[test]
fn inflated_text_fails_at_the_offending_byte() {
    let content = "κόσμε".as_bytes().repeat(50);
    let bad = [&content[..], b"\xf4\x90\x80\x80", &content[..]].concat();
    assert_eq!(hear_deflated(&compressed_text(&deflated(&bad, 6))), [Heard::Failed(1007)]);
    let begun = stream(&bad[..content.len() + 2], b"", 6, FlushCompress::Sync);
    let input = header(FIN | RSV1 | TEXT, 1000);
    let input =
        [input, frame(FIN | RSV1 | TEXT, &begun).split_off(if begun.len() < 126 { 6 } else { 8 })]
            .concat();
    assert_eq!(hear_cut_everywhere(1 << 16, true, &input), [Heard::Failed(1007)]);
    let cut = compressed_text(&deflated(b"ok\xce", 6));
    assert_eq!(hear_deflated(&cut), [Heard::Failed(1007)], "ends inside a character");
    let long = compressed_text(&deflated("é".repeat(3000).as_bytes(), 6));
    assert_eq!(hear_deflated(&long), [text(&"é".repeat(3000))]);
}

/// Between messages a connection holds nothing; a message that is cut takes an inflater along and
/// gives it back.
#[test]
fn only_a_cut_message_holds_an_inflater() {
    let payload = deflated(&b"some text, some text".repeat(50), 6);
    let whole = frame(FIN | RSV1 | BINARY, &payload);
    let mut listener = Listener::new(1 << 16, true);
    let mut heard = Vec::new();
    for _ in 0..3 {
        listener.hear(&whole, &mut heard);
        assert!(listener.partial.is_none());
        assert_eq!(listener.inflate.pool.len(), 1, "one serves all");
    }
    listener.hear(&whole[..whole.len() - 3], &mut heard);
    assert!(listener.partial.as_ref().unwrap().bytes() > INFLATER_BYTES);
    assert_eq!(listener.inflate.pool.len(), 0);
    listener.hear(&whole[whole.len() - 3..], &mut heard);
    assert!(listener.partial.is_none());
    assert_eq!(listener.inflate.pool.len(), 1);
    assert_eq!(heard.len(), 4);
}

/// Content that compresses somewhat, of any length up to a few windows of the smallest kind.
fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"{\"type\":\"message\",\"data\":".to_vec()),
        "[a-z]{1,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..20),
        (any::<u8>(), 1usize..400).prop_map(|(byte, times)| vec![byte; times]),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Good streams of every kind of block, and the same with a byte changed, cut anywhere: as the
    /// slow one says.
    #[test]
    fn equals_the_definition_however_cut(
        content in any_content(),
        level in 0u32..=9,
        fault in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        lens in prop::collection::vec(1usize..50, 1..6),
    ) {
        let mut payload = deflated(&content, level);
        if let Some((at, byte)) = fault {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let expected = match slow_inflate::inflate(&payload) {
            Some(slow) if slow.bytes.len() <= 1 << 16 => vec![Heard::Binary(slow.bytes)],
            Some(_) => vec![Heard::Failed(1009)],
            None => vec![Heard::Failed(1007)],
        };
        let input = frame(FIN | RSV1 | BINARY, &payload);
        prop_assert_eq!(&hear_within(1 << 16, true, [&input[..]]), &expected);
        prop_assert_eq!(&hear_within(1 << 16, true, input.chunks(lens[0])), &expected);
        prop_assert_eq!(&hear_within(1 << 16, true, input.chunks(1)), &expected);
        let mut fragments = frame(RSV1 | BINARY, b"");
        for piece in payload.chunks(lens[0]) {
            fragments.extend(frame(CONTINUATION, piece));
        }
        fragments.extend(frame(FIN | CONTINUATION, b""));
        prop_assert_eq!(&hear_within(1 << 16, true, [&fragments[..]]), &expected);
    }

    /// Any bytes as a stream, with a low limit and as text: the same verdict however cut, and the
    /// slow one's where that has one.
    #[test]
    fn any_bytes_however_cut(payload in prop::collection::vec(any::<u8>(), 0..60)) {
        for kind in [TEXT, BINARY] {
            let input = frame(FIN | RSV1 | kind, &payload);
            let whole = hear_within(100, true, [&input[..]]);
            prop_assert_eq!(&hear_within(100, true, input.chunks(1)), &whole);
            let good = matches!(whole[..], [Heard::Text(_) | Heard::Binary(_)]);
            prop_assert!(!good || slow_inflate::inflate(&payload).is_some());
        }
    }
}
