//! Bodies of known length and in chunks, whole and cut, and what hostile ones cost.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{BodyReader, MAX_EXTENSION_BYTES, MAX_TRAILER_BYTES};
use crate::http::Refusal;
use crate::http::head::Body;

/// What comes of a body: what was collected and how many bytes it took, `None` while it goes on.
type Outcome = Result<Option<(Vec<u8>, usize)>, Refusal>;

/// Pushes the input in pieces that end at `ends`.
fn read(body: Body, max_bytes: usize, input: &[u8], ends: &[usize]) -> Outcome {
    let mut reader = BodyReader::new(body, max_bytes)?;
    let mut taken = 0;
    for &end in ends {
        let (consumed, done) = reader.push(&input[taken..end])?;
        taken += consumed;
        assert!(reader.len() <= max_bytes);
        if done {
            return Ok(Some((reader.take(), taken)));
        }
        assert_eq!(taken, end, "an unfinished body takes everything");
    }
    Ok(None)
}

/// Whole and byte by byte, which must be the same.
fn read_chunks(max_bytes: usize, input: &str) -> Outcome {
    let input = input.as_bytes();
    let whole = read(Body::Chunked, max_bytes, input, &[input.len()]);
    let bytewise: Vec<usize> = (0..=input.len()).collect();
    assert_eq!(read(Body::Chunked, max_bytes, input, &bytewise), whole);
    whole
}

fn status(outcome: Outcome) -> u16 {
    match outcome {
        Ok(Some(_)) => 200,
        Ok(None) => 100,
        Err(refusal) => {
            assert!(refusal.close, "nobody knows where the next request begins");
            refusal.status
        }
    }
}

#[test]
fn no_body() {
    for body in [Body::None, Body::Length(0)] {
        assert_eq!(read(body, 0, b"GET", &[3]), Ok(Some((vec![], 0))));
    }
}

/// RFC 9112, section 6.2: exactly so many bytes, and the next request after them.
#[test]
fn known_length() {
    let input = b"helloGET / HTTP/1.1";
    let expected = Ok(Some((b"hello".to_vec(), 5)));
    assert_eq!(read(Body::Length(5), 5, input, &[input.len()]), expected);
    assert_eq!(read(Body::Length(5), 5, input, &[0, 1, 1, 4, 5]), expected);
    assert_eq!(read(Body::Length(5), 5, b"hell", &[4]), Ok(None));
}

/// 413 before a byte of it has come (checklist 4: allocation from a declared length).
#[test]
fn a_long_body_is_refused_by_its_length() {
    for length in [6, 1 << 31, 1 << 62, 1 << 63, u64::MAX] {
        assert_eq!(status(read(Body::Length(length), 5, b"", &[0])), 413, "{length}");
    }
    let mut reader = BodyReader::new(Body::Length(1 << 62), usize::MAX).unwrap();
    assert_eq!(reader.push(b"x"), Ok((1, false)));
    assert!(reader.collected.capacity() < 100, "memory follows what came, not what was said");
}

/// RFC 9112, section 7.1.
#[test]
fn chunks() {
    for (input, expected, rest) in [
        ("0\r\n\r\n", "", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
        ("5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET"),
        ("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", ""),
        ("0000000000000005\r\nhello\r\n00\r\n\r\n", "hello", ""),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""),
        // Section 7.1.1: extensions mean nothing to us.
        ("5;a\r\nhello\r\n0;b=c;d=\"\\\";\"\r\n\r\n", "hello", ""),
        ("5 \t;a\r\nhello\r\n0\r\n\r\n", "hello", ""),
        // Section 7.1.2: trailers are dropped.
        ("1\r\na\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\nX", "a", "X"),
    ] {
        let (collected, taken) = read_chunks(100, input).unwrap().unwrap();
        assert_eq!(collected, expected.as_bytes(), "{input:?}");
        assert_eq!(&input[taken..], rest, "{input:?}");
    }
}

/// RFC 9112, sections 2.2, 7.1 and 11.2: what two parsers could read differently.
#[test]
fn malformed_chunks() {
    for input in [
        "\r\n",
        ";a\r\n",
        " 5\r\n",
        "+5\r\n",
        "-5\r\n",
        "0x5\r\n",
        "5_0\r\n",
        "g\r\n",
        "\"5\"\r\n",
        "5\n",
        "5\r\r",
        "5\rx",
        "5 \r\n",
        "5 5\r\n",
        "5 x\r\n",
        "5\0",
        "5;\n",
        "5;a\rb",
        "5;\0",
        "5;\x7f",
        "00000000000000005\r\n",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\rx",
        "1\r\na0\r\n",
        "0\r\n\n",
        "0\r\n\rx",
        "0\r\nA: b\n",
        "0\r\nA: b\rx",
        "0\r\n A: b\r\n",
        "0\r\n: b\r\n",
        "0\r\nA: b\r\n c\r\n",
        "0\r\nA\0",
        "0\n",
        "\u{661}\r\n",
    ] {
        assert_eq!(status(read_chunks(100, input)), 400, "{input:?}");
    }
}

/// 413 as soon as the announced sum is too large, not when it has come.
#[test]
fn long_chunks() {
    for (input, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", 200),
        ("4\r\nhell\r\n1\r\no\r\n0\r\n\r\n", 200),
        ("6", 413),
        ("4\r\nhell\r\n2", 413),
        ("10", 413),
        ("7fffffffffffffff\r\n", 413),
        ("8000000000000000\r\n", 413),
        ("ffffffffffffffff\r\n", 413),
        ("5\r\nhello\r\nffffffffffffffff\r\n", 413),
        ("10000000000000000\r\n", 413),
    ] {
        assert_eq!(status(read_chunks(5, input)), expected, "{input:?}");
    }
    // Without a limit the number of digits is one.
    assert_eq!(status(read_chunks(usize::MAX, "ffffffffffffffff\r\nx")), 100);
    assert_eq!(status(read_chunks(usize::MAX, "10000000000000000\r\n")), 400);
}

/// CVE-2023-39326 and the like: framing that costs without carrying anything.
#[test]
fn framing_is_bounded() {
    let extensions = |bytes: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(bytes - 1));
    assert_eq!(status(read_chunks(100, &extensions(MAX_EXTENSION_BYTES))), 200);
    assert_eq!(status(read_chunks(100, &extensions(MAX_EXTENSION_BYTES + 1))), 400);
    let spread = "1;xxxxxxx\r\na\r\n".repeat(MAX_EXTENSION_BYTES / 8);
    assert_eq!(status(read_chunks(1000, &format!("{spread}0\r\n\r\n"))), 200);
    assert_eq!(status(read_chunks(1000, &format!("{spread}0;\r\n\r\n"))), 400);
    let spaces = format!("1{}", " ".repeat(MAX_EXTENSION_BYTES + 1));
    assert_eq!(status(read_chunks(100, &spaces)), 400);
    let trailer = |bytes: usize| format!("0\r\nA:{}\r\n\r\n", "x".repeat(bytes - 2));
    assert_eq!(status(read_chunks(100, &trailer(MAX_TRAILER_BYTES))), 200);
    assert_eq!(status(read_chunks(100, &trailer(MAX_TRAILER_BYTES + 1))), 431);
}

/// A done reader takes nothing more.
#[test]
fn done_is_done() {
    let mut reader = BodyReader::new(Body::Chunked, 10).unwrap();
    assert_eq!(reader.push(b"0\r\n\r\n0\r\n"), Ok((5, true)));
    assert_eq!(reader.push(b"0\r\n"), Ok((0, true)));
}

/// Chunks of any sizes, in any writing, with a few small things put in or taken out.
fn nearly_chunked() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (prop::collection::vec(any::<u8>(), 1..20), select(vec!["", ";a=b", " ;c"]));
    let piece = select(vec!["\r", "\n", "\r\n", "0", "f", ";", " ", "", "\0"]);
    let edits = prop::collection::vec((any::<Index>(), 0..2usize, piece), 0..3);
    let trailer = select(vec!["", "A: b\r\n", "A: b\r\nC: d\r\n"]);
    (prop::collection::vec(chunk, 0..6), trailer, edits).prop_map(|(chunks, trailer, edits)| {
        let mut bytes = Vec::new();
        for (data, extension) in &chunks {
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
            bytes.extend_from_slice(data);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("0\r\n{trailer}\r\nGET / HTTP/1.1").as_bytes());
        for (place, taken, piece) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + taken).min(bytes.len());
            bytes.splice(start..end, piece.bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn cuts_change_nothing(
        bytes in nearly_chunked(),
        length in 0..100u64,
        max_bytes in 0..100usize,
        cuts in prop::collection::vec(any::<Index>(), 0..10),
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        for body in [Body::Chunked, Body::Length(length)] {
            let whole = read(body, max_bytes, &bytes, &[bytes.len()]);
            prop_assert_eq!(read(body, max_bytes, &bytes, &ends), whole);
        }
    }

    #[test]
    fn what_was_chunked_comes_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let taken = bytes.len();
        let outcome = read(Body::Chunked, 2400, &bytes, &[taken]);
        prop_assert_eq!(outcome, Ok(Some((chunks.concat(), taken))));
    }
}
