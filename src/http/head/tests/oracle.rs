//! The scanner and the parser against a reading that is slow and obvious, on heads that are nearly
//! right; and against themselves, cut in any way.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::MAX_BYTES;
use crate::http::Refusal;
use crate::http::head::{Head, MAX_EMPTY_LINES, MAX_FIELDS, Method, Room, Scanner, Version};

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    length: usize,
    method: Option<&'static str>,
    path: String,
    query: String,
    old_version: bool,
    fields: Vec<(String, Vec<u8>)>,
}

/// Reads a head that is known to have an end. `None`: it is to be refused.
fn read_slowly(bytes: &[u8]) -> Option<Reading> {
    let mut rest = bytes;
    let mut empty_lines = 0;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
        empty_lines += 1;
    }
    let end = (0..rest.len()).find(|&at| rest[at..].starts_with(b"\r\n\r\n"))?;
    let length = bytes.len() - rest.len() + end + 4;
    // One char per byte, so that text can be used on any bytes.
    let text: String = rest[..end].iter().map(|&byte| char::from(byte)).collect();
    let lines: Vec<&str> = text.split("\r\n").collect();
    if empty_lines > MAX_EMPTY_LINES || length > MAX_BYTES || lines.len() > 1 + MAX_FIELDS {
        return None;
    }
    if lines.iter().any(|line| line.contains(['\r', '\n', '\0'])) {
        return None;
    }
    let words: Vec<&str> = lines[0].split(' ').collect();
    let [method, target, version] = words[..] else { return None };
    if !is_token(method) || !target.chars().all(|c| ('!'..='~').contains(&c) && c != '#') {
        return None;
    }
    let (before_query, query) = target.split_once('?').unwrap_or((target, ""));
    let path = match before_query.strip_prefix("http://") {
        Some(rest) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
            // No piece has a digit, so a port can only be empty.
            if !port.is_empty() || name.is_empty() || name.contains(['"', '{', ':']) {
                return None;
            }
            format!("/{path}")
        }
        None if before_query.starts_with('/') => before_query.to_owned(),
        None => return None,
    };
    let fields = lines[1..].iter().map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim_matches([' ', '\t']);
        let good = |c: char| c == '\t' || (c >= ' ' && c != '\u{7f}');
        let value_bytes = value.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        (is_token(name) && value.chars().all(good)).then(|| (name.to_owned(), value_bytes))
    });
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
    Some(Reading {
        length,
        method: known.into_iter().find(|name| *name == method),
        path,
        query: query.to_owned(),
        old_version: match version {
            "HTTP/1.0" => true,
            "HTTP/1.1" => false,
            _ => return None,
        },
        fields: fields.collect::<Option<_>>()?,
    })
}

fn is_token(text: &str) -> bool {
    let separators = "\"(),/:;<=>?@[\\]{}";
    !text.is_empty() && text.chars().all(|c| ('!'..='~').contains(&c) && !separators.contains(c))
}

fn read(bytes: &[u8]) -> Result<Option<Reading>, Refusal> {
    let Some(length) = Scanner::default().scan(bytes, MAX_BYTES)? else { return Ok(None) };
    let mut room = Room::new();
    let head = Head::parse(&bytes[..length], &mut room)?;
    Ok(Some(Reading {
        length,
        method: match head.method {
            Method::Get => Some("GET"),
            Method::Head => Some("HEAD"),
            Method::Post => Some("POST"),
            Method::Put => Some("PUT"),
            Method::Delete => Some("DELETE"),
            Method::Options => Some("OPTIONS"),
            Method::Other => None,
        },
        path: head.target.path.to_owned(),
        query: head.target.query.0.to_owned(),
        old_version: head.version == Version::Http10,
        fields: head.fields().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
    }))
}

/// Good heads with a few small things put in, taken out or put twice; always with an end.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let good = select(vec![
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST http://h/a?b=c HTTP/1.0\r\n",
        "\r\n\r\nHEAD /x HTTP/1.1\r\nHost:h\r\nA: \r\nB:\tb \t\r\nA: 2\r\n",
        "OPTIONS /%41 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: a, Upgrade\r\n",
    ]);
    let pieces: Vec<&'static [u8]> = vec![
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"/",
        b"#",
        b"A",
        b"\x01",
        b"\x7f",
        b"\xe9",
        b"\x80",
        b"\"",
        b"(",
        b",",
        b"{",
        b"?x",
        b"HTTP/1.1",
        b"Host: i\r\n",
        b"\r\n\r\n",
        b"",
    ];
    let edit = (any::<Index>(), 0..2usize, select(pieces));
    (good, prop::collection::vec(edit, 0..4)).prop_map(|(good, edits)| {
        let mut bytes = good.as_bytes().to_vec();
        for (place, taken, piece) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + taken).min(bytes.len());
            bytes.splice(start..end, piece.iter().copied());
        }
        bytes.extend_from_slice(b"\r\n\r\nX / Y\r\n\r\n");
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn reads_what_the_slow_reading_reads(bytes in nearly_right()) {
        match (read(&bytes), read_slowly(&bytes)) {
            (Err(refusal), None) => prop_assert!(refusal.close),
            (Ok(Some(fast)), Some(slow)) => prop_assert_eq!(fast, slow),
            (fast, slow) => prop_assert!(false, "{fast:?} but {slow:?}"),
        }
    }

    #[test]
    fn cuts_change_nothing(
        bytes in nearly_right(),
        max_bytes in 1..120usize,
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let whole = Scanner::default().scan(&bytes, max_bytes);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut scanner = Scanner::default();
        let mut results = ends.iter().map(|&end| scanner.scan(&bytes[..end], max_bytes));
        let cut = results.find(|result| !matches!(result, Ok(None))).unwrap_or(Ok(None));
        prop_assert_eq!(cut, whole);
    }
}
