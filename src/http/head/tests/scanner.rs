//! Ends, lines and limits of heads, and what hostile ones cost.

use super::{parse, status, with};
use crate::http::Refusal;
use crate::http::head::{MAX_EMPTY_LINES, MAX_FIELDS, Scanner};

/// What the scanner says when the bytes come in pieces of `piece`, and the scanner after that.
fn scan_in_pieces(
    bytes: &[u8],
    piece: usize,
    max_bytes: usize,
) -> (Result<Option<usize>, Refusal>, Scanner, usize) {
    let mut scanner = Scanner::default();
    let mut arrived = 0;
    loop {
        arrived = (arrived + piece).min(bytes.len());
        let result = scanner.scan(&bytes[..arrived], max_bytes);
        if arrived == bytes.len() || !matches!(result, Ok(None)) {
            return (result, scanner, arrived);
        }
    }
}

/// Checklist 1.1: frames in the same read as the head are left where they are.
#[test]
fn what_follows_the_head_is_not_its_business() {
    let head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for tail in [&b""[..], b"\x81\x00", b"\n\n", b"GET / HTTP/1.1\r\n", &[0; 99]] {
        let bytes = [head, tail].concat();
        assert_eq!(Scanner::default().scan(&bytes, 1 << 14), Ok(Some(head.len())));
    }
}

/// RFC 9112, section 2.2: empty lines before the request line are skipped, a few of them, and are
/// part of the head that the scanner returns.
#[test]
fn empty_lines_before_the_request() {
    let most = usize::from(MAX_EMPTY_LINES);
    for (lines, expected) in [(0, 200), (1, 200), (most, 200), (most + 1, 400)] {
        let bytes = ["\r\n".repeat(lines), "GET / HTTP/1.0\r\n\r\n".to_owned()].concat();
        assert_eq!(status(parse(bytes.as_bytes())), expected, "{lines}");
    }
    // Alone they are not a request.
    assert_eq!(Scanner::default().scan(b"\r\n\r\n\r\n", 1 << 14), Ok(None));
    // And never make an unfinished one complete.
    assert_eq!(Scanner::default().scan(b"\r\n\r\nGET / HTTP/1.1\r\n", 1 << 14), Ok(None));
}

/// Nothing is waited for that can no longer become a request: each of these is refused although the
/// head has no end.
#[test]
fn refused_at_the_first_wrong_byte() {
    for bytes in [
        &b"\x16"[..],
        b" ",
        b"\n",
        b"\0",
        b"\rG",
        b"GET / HTTP/1.1\n",
        b"GET /\r ",
        b"GET /\0",
        b"GET / HTTP/1.1\r\n ",
        b"GET / HTTP/1.1\r\n\t",
        b"GET / HTTP/1.1\r\nA: b\r\n ",
        b"GET / HTTP/1.1\r\nA: b\r\n\n",
        b"GET / HTTP/1.1\r\nA: b\r\n\r\r",
    ] {
        let shown = bytes.escape_ascii();
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(Scanner::default().scan(before, 1 << 14), Ok(None), "{shown}");
        assert_eq!(status(Scanner::default().scan(bytes, 1 << 14)), 400, "{shown}");
    }
}

/// Checklist 1.1, RFC 6585, section 5: the limit is exact, and it matters where it is met.
#[test]
fn bytes_are_limited() {
    let bytes = with("A: b\r\n");
    assert_eq!(Scanner::default().scan(&bytes, bytes.len()), Ok(Some(bytes.len())));
    let line = b"GET / HTTP/1.1\r\n".len();
    for max_bytes in 1..bytes.len() {
        let expected = if max_bytes < line { 414 } else { 431 };
        for piece in [1, 7, bytes.len()] {
            let (result, _, arrived) = scan_in_pieces(&bytes, piece, max_bytes);
            assert_eq!(status(result), expected, "{max_bytes} {piece}");
            assert!(arrived < max_bytes + piece, "early");
        }
    }
}

/// CVE-2024-37890: more header lines than expected are refused, not dropped.
#[test]
fn lines_are_limited() {
    for (lines, expected) in [(MAX_FIELDS, 200), (MAX_FIELDS + 1, 431), (2500, 431)] {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let text = ["A:b\r\n".repeat(lines - 2), upgrade.to_owned()].concat();
        let bytes = ["GET / HTTP/1.1\r\n", &text, "\r\n"].concat().into_bytes();
        let result = parse(&bytes);
        if let Ok(head) = &result {
            assert!(head.wants_upgrade());
        }
        assert_eq!(status(result), expected, "{lines}");
    }
    // At the line that is too many, not at the end of the head.
    let most = ["GET / HTTP/1.1\r\n", &"A:b\r\n".repeat(MAX_FIELDS)].concat();
    assert_eq!(Scanner::default().scan(most.as_bytes(), 1 << 14), Ok(None));
    let over = most + "A:b\r\n";
    assert_eq!(status(Scanner::default().scan(over.as_bytes(), 1 << 14)), 431);
}

/// CVE-2023-43669: a header of a megabyte in small pieces. Every byte is looked at once; only a CR
/// at the end of a piece is looked at again, once.
#[test]
fn scanning_is_linear() {
    let value = "x".repeat(1 << 20);
    let one_line = with(&format!("A: {value}\r\n"));
    let many_lines = with(&"A: 0123456789\r\n".repeat(MAX_FIELDS - 1));
    let line_ends = "\r\n".repeat(usize::from(MAX_EMPTY_LINES)).into_bytes();
    for bytes in [one_line, many_lines, line_ends] {
        for piece in [1, 2, 3, 1000] {
            let (result, scanner, _) = scan_in_pieces(&bytes, piece, usize::MAX);
            assert_eq!(result.is_ok_and(|end| end.is_some()), bytes.len() > 8);
            let line_ends = memchr::memchr_iter(b'\r', &bytes).count();
            // The LF after a CR is looked at with it: it is not counted.
            assert!(scanner.visits >= bytes.len() - line_ends, "{}", scanner.visits);
            assert!(scanner.visits <= bytes.len(), "{} of {}", scanner.visits, bytes.len());
        }
    }
}

/// The same megabyte within the usual limit: over at the limit, whatever else was sent.
#[test]
fn a_long_header_is_refused_early() {
    let bytes = with(&format!("A: {}\r\n", "x".repeat(1 << 20)));
    for piece in [1, 1000, 1024] {
        let (result, scanner, arrived) = scan_in_pieces(&bytes, piece, 16 << 10);
        assert_eq!(status(result), 431);
        assert!(arrived < (16 << 10) + piece);
        assert!(scanner.visits <= 16 << 10);
    }
}

/// CVE-2021-32640: long runs of spaces, commas and the like in lists are read in one pass.
#[test]
fn runs_in_lists() {
    for filler in [" ", ",", "\t", ", ", "a ", "\"\\c"] {
        let run = filler.repeat(16_000 / filler.len());
        let bytes = with(&format!("Connection: x{run}, upgrade\r\nUpgrade: websocket\r\n"));
        let head = parse(&bytes).unwrap();
        assert!(head.wants_upgrade(), "{filler:?}");
        assert!(head.elements("Connection").map(<[u8]>::len).sum::<usize>() <= bytes.len());
    }
}
