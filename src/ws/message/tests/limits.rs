//! Limits and memory (RFC 6455, section 10.4): judged by the header alone, and nothing is ever
//! allocated for bytes that have not come.

use crate::ws::Partial;
use crate::ws::peer::{
    BINARY, CONTINUATION, FIN, Heard, Listener, PING, TEXT, frame, header, hear_cut_everywhere,
    hear_within,
};

/// Checklist 2.4's rule without compression: exactly the limit passes, one more is 1009.
#[test]
fn the_limit_itself_passes() {
    let of = |len| hear_cut_everywhere(100, false, &frame(FIN | BINARY, &vec![7; len]));
    assert_eq!(of(99), [Heard::Binary(vec![7; 99])]);
    assert_eq!(of(100), [Heard::Binary(vec![7; 100])]);
    assert_eq!(of(101), [Heard::Failed(1009)]);
    let none = |len| hear_cut_everywhere(0, false, &frame(FIN | BINARY, &vec![7; len]));
    assert_eq!(none(0), [Heard::Binary(vec![])]);
    assert_eq!(none(1), [Heard::Failed(1009)]);
}

/// Checklist 1.2: over the limit is refused by the header alone, whatever the number; its top bit
/// is 1002 (CVE-2020-27813, CVE-2020-13935, CVE-2022-35922).
#[test]
fn a_declared_length_is_refused_at_once() {
    let table = [
        (101, 1009),
        (126, 1009),
        (65535, 1009),
        (65536, 1009),
        (1 << 32, 1009),
        ((1 << 32) + 1, 1009),
        (1 << 62, 1009),
        (u64::MAX >> 1, 1009),
        (1 << 63, 1002),
        (u64::MAX, 1002),
    ];
    for (len, code) in table {
        for first in [FIN | BINARY, BINARY, FIN | TEXT, TEXT] {
            let heard = hear_cut_everywhere(100, false, &header(first, len));
            assert_eq!(heard, [Heard::Failed(code)], "{len}");
        }
        let after = [frame(BINARY, b"begun"), header(FIN | CONTINUATION, len)].concat();
        assert_eq!(hear_cut_everywhere(100, false, &after), [Heard::Failed(code)], "{len}");
    }
}

/// Checklist 1.2: the sum over fragments counts, without overflow, also from the header alone.
#[test]
fn fragments_are_counted_together() {
    let first = frame(BINARY, &[7; 60]);
    let fits = [first.clone(), frame(FIN | CONTINUATION, &[7; 40])].concat();
    assert_eq!(hear_cut_everywhere(100, false, &fits), [Heard::Binary(vec![7; 100])]);
    for len in [41, u64::MAX >> 1] {
        let over = [first.clone(), header(FIN | CONTINUATION, len)].concat();
        assert_eq!(hear_cut_everywhere(100, false, &over), [Heard::Failed(1009)]);
    }
    let rest = [
        frame(CONTINUATION, &[7; 40]),
        frame(FIN | PING, &[1; 125]),
        frame(FIN | CONTINUATION, b""),
    ];
    let full = [first, rest.concat()].concat();
    let expected = [Heard::Ping(vec![1; 125]), Heard::Binary(vec![7; 100])];
    assert_eq!(hear_cut_everywhere(100, false, &full), expected, "control frames do not count");
}

/// With a limit of the largest number, a length may still not overflow anything.
#[test]
fn no_limit_does_not_overflow() {
    let begun = [frame(BINARY, b"x"), header(FIN | CONTINUATION, u64::MAX >> 1)].concat();
    assert_eq!(hear_within(usize::MAX, false, [&begun[..], b"more"]), []);
    assert_eq!(hear_within(usize::MAX, true, [&begun[..], b"more"]), []);
}

/// Checklist 1.2 (no allocation from the declared length) and 1.5 (an idle connection holds
/// nothing): what is kept follows what has come.
#[test]
fn memory_follows_the_bytes_that_came() {
    let fixed = size_of::<Partial>();
    assert!(fixed <= 256, "{fixed} bytes");
    let mut listener = Listener::new(1 << 30, false);
    let mut heard = Vec::new();
    let kept = |listener: &Listener| listener.partial.as_ref().map_or(0, |kept| kept.bytes());

    assert_eq!(kept(&listener), 0);
    listener.hear(&header(FIN | BINARY, 1 << 30)[..9], &mut heard);
    assert_eq!(kept(&listener), fixed, "half a header");
    listener.hear(&header(FIN | BINARY, 1 << 30)[9..], &mut heard);
    assert_eq!(kept(&listener), fixed, "a gigabyte was declared");
    for _ in 0..10 {
        listener.hear(&[0; 1000], &mut heard);
    }
    assert!((fixed + 10_000..=fixed + 20_000).contains(&kept(&listener)));

    let mut listener = Listener::new(1 << 30, false);
    let input = [frame(TEXT, b"a"), frame(FIN | PING, b"ping"), frame(FIN | CONTINUATION, b"b")];
    for byte in input.concat() {
        listener.hear(&[byte], &mut heard);
    }
    assert_eq!(heard, [Heard::Ping(b"ping".into()), Heard::Text("ab".into())]);
    assert!(listener.partial.is_none(), "at rest there is nothing");
}
