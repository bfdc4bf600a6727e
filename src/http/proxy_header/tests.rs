//! Headers of both versions: tables, cuts at every byte, bounds, and any bytes at all.

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Source {
    Source::Address(text.parse().expect("an address"))
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// Whole, followed by a request, and cut at every byte, a header says the same.
#[track_caller]
fn same_however_cut(header: &[u8], expected: Source) {
    assert_eq!(parse(header), Ok(Some((expected, header.len()))));
    let followed = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
    assert_eq!(parse(&followed), Ok(Some((expected, header.len()))));
    for cut in 0..header.len() {
        assert_eq!(parse(&header[..cut]), Ok(None), "cut at {cut}");
    }
}

#[test]
fn lines() {
    let v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    for (line, source) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", address("192.0.2.1")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n", address("255.255.255.255")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", address("2001:db8::1")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", address("192.0.2.1")),
        (&format!("PROXY TCP6 {v6} {v6} 65535 65535\r\n"), address(v6)),
        ("PROXY UNKNOWN\r\n", Source::Proxy),
        (&format!("PROXY UNKNOWN {v6} {v6} 65535 65535\r\n"), Source::Proxy),
    ] {
        same_however_cut(line.as_bytes(), source);
    }
}

#[test]
fn lines_that_are_none() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2  2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 x 1 2\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY \r\n",
        "PROXY TCP4 1.1.1.\u{e9} 2.2.2.2 1 2\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line}");
    }
    // 107 bytes and no end of the line among them.
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    assert_eq!(parse(&endless[..106]), Ok(None));
    assert_eq!(parse(&endless[..107]), Err(Malformed));
    assert_eq!(parse(&endless), Err(Malformed));
}

#[test]
fn binaries() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0, 80, 1, 187];
    let v6: Vec<u8> = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 1, 0, 2]].concat();
    let unix = [7; 216];
    let additions = [4, 0, 0, 0x20, 0, 2, 1, 2];
    let with = |addresses: &[u8], more: &[u8]| [addresses, more].concat();
    for (header, source) in [
        (binary(0x21, 0x11, &v4), address("192.0.2.1")),
        (binary(0x21, 0x11, &with(&v4, &additions)), address("192.0.2.1")),
        (binary(0x21, 0x21, &v6), address("2001:db8::7")),
        (binary(0x21, 0x21, &with(&v6, &additions)), address("2001:db8::7")),
        (binary(0x21, 0x31, &unix), Source::Unix),
        (binary(0x21, 0x00, &[]), Source::Proxy),
        (binary(0x21, 0x00, &[9; 100]), Source::Proxy),
        (binary(0x20, 0x00, &[]), Source::Proxy),
        (binary(0x20, 0x11, &v4), Source::Proxy),
        (binary(0x20, 0x7f, &[1]), Source::Proxy),
    ] {
        same_however_cut(&header, source);
    }
}

#[test]
fn binaries_that_are_none() {
    let v4 = [0; 12];
    for header in [
        binary(0x11, 0x11, &v4),
        binary(0x22, 0x11, &v4),
        binary(0x21, 0x12, &v4),
        binary(0x21, 0x41, &v4),
        binary(0x21, 0x11, &v4[1..]),
        binary(0x21, 0x21, &[0; 35]),
        binary(0x21, 0x31, &[0; 215]),
        binary(0x21, 0x11, &[0; 13]),
        binary(0x21, 0x11, &[&v4[..], &[4, 0, 1]].concat()),
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".into(),
    ] {
        assert_eq!(parse(&header), Err(Malformed), "{header:?}");
    }
    // What is too long is refused before it comes.
    let long = binary(0x21, 0x11, &[0; MAX_BYTES - FIXED_BYTES + 1]);
    assert_eq!(parse(&long[..FIXED_BYTES]), Err(Malformed));
}

proptest! {
    /// Once something is said about a prefix, more bytes do not change it.
    #[test]
    fn more_bytes_change_nothing(
        start in 0usize..3,
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let start = [LINE_START, SIGNATURE, b"PROXY TCP4 1.1.1.1 "][start];
        let all = [start, &rest].concat();
        let mut said = Ok(None);
        for end in 0..=all.len() {
            let now = parse(&all[..end]);
            prop_assert!(said == Ok(None) || now == said);
            said = now;
        }
    }
}
