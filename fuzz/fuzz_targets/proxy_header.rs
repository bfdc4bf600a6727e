//! Arbitrary bytes as the start of a proxied connection: nothing panics, a header says the same
//! whole and cut anywhere, and none is longer than it may be. The first byte chooses a beginning.
#![no_main]

use fanwire::http::proxy_header::{MAX_BYTES, parse};
use libfuzzer_sys::fuzz_target;

const STARTS: [&[u8]; 4] =
    [b"", b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"];

fuzz_target!(|data: &[u8]| {
    let [start, rest @ ..] = data else { return };
    let bytes = [STARTS[usize::from(*start) % STARTS.len()], rest].concat();
    let whole = parse(&bytes);
    let mut said = Ok(None);
    for end in 0..=bytes.len().min(MAX_BYTES + 1) {
        let now = parse(&bytes[..end]);
        assert!(said == Ok(None) || now == said, "more bytes change nothing");
        said = now;
    }
    match whole {
        Ok(Some((_, length))) => {
            assert!(length <= MAX_BYTES && length <= bytes.len());
            assert_eq!(parse(&bytes[..length]), whole);
            assert_eq!(parse(&bytes[..length - 1]), Ok(None));
        }
        Ok(None) => assert!(bytes.len() < MAX_BYTES, "it has an end"),
        Err(_) => {}
    }
    assert_eq!(said, whole);
});
