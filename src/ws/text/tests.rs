//! Tests of `text` against a slow decoder written from the definition of UTF-8 (RFC 3629).

use proptest::prelude::*;

use super::{check, whole_characters};
use crate::ws::CloseCode;

/// What a beginning of a text can be.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// So many bytes are whole characters, the rest may become one.
    Good(usize),
    /// A byte is there that no character can have in its place.
    Bad,
}

/// RFC 3629, section 4, by decoding and looking at the number: character by character, byte by
/// byte, asking of each beginning whether any scalar value begins so.
fn slow(bytes: &[u8]) -> Verdict {
    let mut at = 0;
    while at < bytes.len() {
        let (len, first_bits) = match bytes[at] {
            byte @ 0x00..=0x7F => (1, u32::from(byte)),
            byte @ 0xC0..=0xDF => (2, u32::from(byte & 0x1F)),
            byte @ 0xE0..=0xEF => (3, u32::from(byte & 0x0F)),
            byte @ 0xF0..=0xF7 => (4, u32::from(byte & 0x07)),
            _ => return Verdict::Bad,
        };
        let here = &bytes[at..bytes.len().min(at + len)];
        let mut value = first_bits;
        for byte in &here[1..] {
            if byte & 0xC0 != 0x80 {
                return Verdict::Bad;
            }
            value = value << 6 | u32::from(byte & 0x3F);
        }
        // Of the values that the bytes still to come can make, is any a scalar value? The first,
        // or the first after the surrogates.
        let missing = 6 * (len - here.len());
        let (low, high) = (value << missing, (value + 1) << missing);
        let least = [0, 0x80, 0x800, 0x1_0000][len - 1];
        let first = low.max(least);
        let likely = [first, first.max(0xE000)];
        if !likely.iter().any(|value| *value < high && char::from_u32(*value).is_some()) {
            return Verdict::Bad;
        }
        if missing > 0 {
            return Verdict::Good(at);
        }
        at += len;
    }
    Verdict::Good(at)
}

fn fast(bytes: &[u8]) -> Verdict {
    match whole_characters(bytes) {
        Ok(len) => Verdict::Good(len),
        Err(failure) => {
            assert_eq!(failure.code, CloseCode::BAD_DATA);
            Verdict::Bad
        }
    }
}

fn agree(bytes: &[u8]) {
    assert_eq!(fast(bytes), slow(bytes), "{bytes:x?}");
    assert_eq!(check(bytes).is_ok(), slow(bytes) == Verdict::Good(bytes.len()), "{bytes:x?}");
}

/// Checklist 1.3: what is refused, and at which byte; what is accepted.
#[test]
fn knows_the_edges_of_utf8() {
    let good: [&[u8]; 9] = [
        b"",
        b"\0",
        "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
        "\u{feff}BOM".as_bytes(),
        "\u{fffe}\u{ffff}\u{fdd0}\u{fdef}\u{1fffe}\u{10fffe}".as_bytes(),
        "\u{d7ff}\u{e000}".as_bytes(),
        "κόσμε".as_bytes(),
        "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
        "\u{fffd}".as_bytes(),
    ];
    for bytes in good {
        assert_eq!(fast(bytes), Verdict::Good(bytes.len()), "{bytes:x?}");
        agree(bytes);
    }
    let bad: [&[u8]; 16] = [
        b"\x80",             // continuation without a start
        b"\xc0",             // overlong, whatever follows
        b"\xc1\xbf",         //
        b"\xe0\x80",         // overlong in three bytes, known at the second
        b"\xe0\x9f",         //
        b"\xf0\x80",         // overlong in four bytes
        b"\xf0\x8f",         //
        b"\xed\xa0",         // surrogates, U+D800 and up
        b"\xed\xbf",         //
        b"\xf4\x90",         // above U+10FFFF (Autobahn 6.4.1 to 6.4.4 send f4 90 80 80)
        b"\xf5",             //
        b"\xf8\x88\x80",     // five bytes
        b"\xfc\x84\x80",     // six bytes
        b"\xfe",             //
        b"\xff",             //
        b"ok\xce\xbak\xce?", // a character broken off
    ];
    for bytes in bad {
        assert_eq!(fast(bytes), Verdict::Bad, "{bytes:x?}");
        agree(bytes);
    }
    for end in 1..4 {
        let bytes = &"a\u{10ffff}".as_bytes()[..=end];
        assert_eq!(fast(bytes), Verdict::Good(1));
        agree(bytes);
    }
}

/// Every sequence of two bytes, and every beginning of a character of three or four.
#[test]
fn equals_the_definition_on_all_short_sequences() {
    for first in 0..=255 {
        agree(&[first]);
        for second in 0..=255 {
            agree(&[first, second]);
            if first >= 0xE0 {
                for third in [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF] {
                    agree(&[first, second, third]);
                    agree(&[first, second, third, 0x80]);
                }
            }
        }
    }
}

proptest! {
    /// Long enough for the vector code, with faults and cuts anywhere.
    #[test]
    fn equals_the_definition(
        text in "\\PC{0,120}",
        fault in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        end: prop::sample::Index,
    ) {
        let mut bytes = text.into_bytes();
        if let (Some((at, byte)), false) = (fault, bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len() + 1));
        agree(&bytes);
    }
}
