//! How bodies are delimited: the cases by which requests are smuggled (RFC 9112, sections 6.1, 6.3
//! and 11.2), and `Expect`.

use super::{parse, status, with};
use crate::http::head::Body;

/// RFC 9112, section 6.2: `1*DIGIT`, once.
#[test]
fn content_length() {
    for (value, expected) in [
        ("0", Ok(Body::None)),
        ("000", Ok(Body::None)),
        ("5", Ok(Body::Length(5))),
        ("0005", Ok(Body::Length(5))),
        (" 5\t", Ok(Body::Length(5))),
        ("9223372036854775808", Ok(Body::Length(1 << 63))),
        ("18446744073709551615", Ok(Body::Length(u64::MAX))),
        // Beyond 64 bits: as large as can be said, never small again.
        ("18446744073709551616", Ok(Body::Length(u64::MAX))),
        ("18446744073709551621", Ok(Body::Length(u64::MAX))),
        ("99999999999999999999999999999999999999999999", Ok(Body::Length(u64::MAX))),
        ("", Err(400)),
        ("+5", Err(400)),
        ("-5", Err(400)),
        ("0x5", Err(400)),
        ("5 5", Err(400)),
        ("5,5", Err(400)),
        ("5, 6", Err(400)),
        ("5.0", Err(400)),
        ("5e0", Err(400)),
        ("1_0", Err(400)),
        ("\u{661}", Err(400)),
        ("five", Err(400)),
    ] {
        let bytes = with(&format!("Content-Length: {value}\r\n"));
        let found = parse(&bytes).unwrap().body().map_err(|refusal| refusal.status);
        assert_eq!(found, expected, "{value:?}");
    }
}

/// RFC 9112, sections 6.1, 6.3 and 7: `chunked` alone, and nothing beside it.
#[test]
fn transfer_encoding() {
    for (lines, expected) in [
        ("", Ok(Body::None)),
        ("Transfer-Encoding: chunked\r\n", Ok(Body::Chunked)),
        ("transfer-encoding: \tCHUNKED \r\n", Ok(Body::Chunked)),
        ("Transfer-Encoding: ,chunked,\r\n", Ok(Body::Chunked)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(501)),
        ("Transfer-Encoding: gzip\r\n", Err(400)),
        ("Transfer-Encoding: identity\r\n", Err(400)),
        ("Transfer-Encoding: chunked, gzip\r\n", Err(400)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Err(400)),
        ("Transfer-Encoding: chunked, chunked\r\n", Err(400)),
        ("Transfer-Encoding: xchunked\r\n", Err(400)),
        ("Transfer-Encoding: chunkedx\r\n", Err(400)),
        ("Transfer-Encoding: chunked;a=b\r\n", Err(400)),
        ("Transfer-Encoding: \"chunked\"\r\n", Err(400)),
        ("Transfer-Encoding:\r\n", Err(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(400)),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Err(400)),
        ("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", Err(400)),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(400)),
        ("Content-Length: 5\r\ncontent-length: 5\r\n", Err(400)),
    ] {
        let bytes = with(lines);
        let found = parse(&bytes).unwrap().body();
        assert!(found.as_ref().err().is_none_or(|refusal| refusal.close), "{lines:?}");
        assert_eq!(found.map_err(|refusal| refusal.status), expected, "{lines:?}");
    }
}

/// RFC 9112, section 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing.
#[test]
fn chunks_in_the_old_version() {
    let bytes = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(status(parse(bytes).unwrap().body()), 400);
}

/// RFC 9110, section 10.1.1.
#[test]
fn expect() {
    for (version, lines, expected) in [
        ("1.1", "", Ok(false)),
        ("1.1", "Expect: 100-continue\r\n", Ok(true)),
        ("1.1", "expect: 100-Continue\r\n", Ok(true)),
        ("1.1", "Expect: 200-ok\r\n", Err(417)),
        ("1.1", "Expect: 100-continue, x\r\n", Err(417)),
        ("1.0", "Expect: 100-continue\r\n", Ok(false)),
    ] {
        let bytes = format!("POST / HTTP/{version}\r\n{lines}\r\n").into_bytes();
        let found = parse(&bytes).unwrap().expects_continue();
        assert_eq!(found.map_err(|refusal| refusal.status), expected, "{version} {lines:?}");
    }
}
