//! Fragmented messages (RFC 6455, section 5.4).

use crate::ws::peer::{
    BINARY, CONTINUATION, FIN, Heard, Listener, PING, PONG, TEXT, frame, hear, hear_within, text,
};

/// A sequence of frames, joined.
fn frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
}

/// RFC 6455, section 5.7: "Hel", "lo".
#[test]
fn fragments_are_joined() {
    let input = frames(&[(TEXT, b"Hel"), (FIN | CONTINUATION, b"lo"), (FIN | TEXT, b"next")]);
    assert_eq!(hear(&input), [text("Hello"), text("next")]);
    let input = frames(&[(BINARY, &[0xFF]), (CONTINUATION, &[0]), (FIN | CONTINUATION, &[1])]);
    assert_eq!(hear(&input), [Heard::Binary(vec![0xFF, 0, 1])]);
}

/// Checklist 1.2: empty fragments anywhere (Autobahn 6.1.*).
#[test]
fn fragments_may_be_empty() {
    let all_empty = frames(&[(TEXT, b""), (CONTINUATION, b""), (FIN | CONTINUATION, b"")]);
    assert_eq!(hear(&all_empty), [text("")]);
    for at in 0..3 {
        let part = |i: usize| if i == at { &b"middle"[..] } else { b"" };
        let input =
            frames(&[(TEXT, part(0)), (CONTINUATION, part(1)), (FIN | CONTINUATION, part(2))]);
        assert_eq!(hear(&input), [text("middle")]);
    }
}

/// Checklist 1.2: control frames between the fragments are handled at once (Autobahn 5.6 to 5.8,
/// 5.19), before the message that they interrupt.
#[test]
fn control_frames_come_between_fragments() {
    let input = frames(&[
        (TEXT, b"one"),
        (FIN | PING, b"1"),
        (CONTINUATION, b"two"),
        (FIN | PONG, b""),
        (FIN | PING, b"2"),
        (FIN | CONTINUATION, b"three"),
        (FIN | PING, b"3"),
    ]);
    let ping = |payload: &str| Heard::Ping(payload.into());
    let expected = [ping("1"), Heard::Pong(vec![]), ping("2"), text("onetwothree"), ping("3")];
    assert_eq!(hear(&input), expected);
}

/// Checklist 1.2: a continuation of nothing, a new message inside another (Autobahn 5.9 to 5.18;
/// 5.15: what was complete before is answered).
#[test]
fn the_sequence_of_fragments_is_checked() {
    type Frames = &'static [(u8, &'static [u8])];
    let complete: Frames = &[(TEXT, b"a"), (FIN | PING, b"p"), (FIN | CONTINUATION, b"b")];
    let bad: [Frames; 8] = [
        &[(FIN | CONTINUATION, b"x")],
        &[(CONTINUATION, b"x")],
        &[(FIN | CONTINUATION, b"")],
        &[(TEXT, b"x"), (FIN | TEXT, b"y")],
        &[(TEXT, b"x"), (TEXT, b"y")],
        &[(TEXT, b"x"), (FIN | BINARY, b"y")],
        &[(BINARY, b"x"), (CONTINUATION, b""), (BINARY, b"y")],
        &[(BINARY, b""), (FIN | TEXT, b"")],
    ];
    for sequence in bad {
        assert_eq!(hear(&frames(sequence)), [Heard::Failed(1002)], "{sequence:?}");
        let after = frames(&[complete, sequence, complete].concat());
        let expected = [Heard::Ping(b"p".into()), text("ab"), Heard::Failed(1002)];
        assert_eq!(hear(&after), expected, "{sequence:?}");
    }
}

/// Checklist 1.3: characters may be split between fragments (Autobahn 6.2.*), fail-fast holds over
/// them (6.4.1, 6.4.2), and a message may not end inside one.
#[test]
fn characters_may_be_split_between_fragments() {
    let content = "Hello-µ@ß€😀".as_bytes();
    for first in 0..=content.len() {
        for second in first..=content.len() {
            let input = frames(&[
                (TEXT, &content[..first]),
                (CONTINUATION, &content[first..second]),
                (FIN | CONTINUATION, &content[second..]),
            ]);
            let whole = [text("Hello-µ@ß€😀")];
            assert_eq!(hear_within(1 << 10, false, [&input[..]]), whole);
            assert_eq!(hear_within(1 << 10, false, input.chunks(1)), whole);
        }
    }
    let bad = frames(&[(TEXT, "κόσμε".as_bytes()), (CONTINUATION, b"\xf4\x90")]);
    assert_eq!(hear(&bad), [Heard::Failed(1007)], "the end is not awaited");
    let unfinished = frames(&[(TEXT, b"\xce"), (CONTINUATION, b""), (FIN | CONTINUATION, b"")]);
    assert_eq!(hear(&unfinished), [Heard::Failed(1007)]);
    let broken = frames(&[(TEXT, b"\xe2\x82"), (FIN | CONTINUATION, b"A")]);
    assert_eq!(hear(&broken), [Heard::Failed(1007)]);
}

/// Checklist 1.2 and 4 (fragment flood, CVE-2026-48779): memory follows the bytes, not the number
/// of fragments, which has no bound of its own (Autobahn 9.3, 9.4).
#[test]
fn a_flood_of_fragments_costs_only_its_bytes() {
    const MOST: usize = 1 << 16;
    let mut listener = Listener::new(MOST, false);
    let mut heard = Vec::new();
    let kept = |listener: &Listener| listener.partial.as_ref().map_or(0, |kept| kept.bytes());
    listener.hear(&frame(BINARY, b""), &mut heard);
    let at_first = kept(&listener);
    let empty = frame(CONTINUATION, b"").repeat(1000);
    for _ in 0..1000 {
        listener.hear(&empty, &mut heard);
    }
    assert_eq!(kept(&listener), at_first, "a million, empty");
    let single = frame(CONTINUATION, b"x").repeat(1 << 8);
    for _ in 0..MOST >> 8 {
        listener.hear(&single, &mut heard);
    }
    assert!(kept(&listener) <= at_first + 2 * MOST);
    assert_eq!(heard, []);
    listener.hear(&frame(FIN | CONTINUATION, b""), &mut heard);
    assert_eq!(heard, [Heard::Binary(vec![b'x'; MOST])]);
    assert!(listener.partial.is_none());
}
