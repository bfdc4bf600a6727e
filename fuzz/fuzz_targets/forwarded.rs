//! Arbitrary header values as what stands in front of a proxy's own: nothing panics, and whatever a
//! client sends, the hop that the trusted proxy appends decides.
#![no_main]

use std::net::IpAddr;

use fanwire::http::forwarded::{TrustedProxy, client};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let trusted = ["unix", "10.0.0.0/8", "2001:db8:f::/48"];
    let trusted = trusted.map(|text| TrustedProxy::parse(text).expect("a proxy"));
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let none = || std::iter::empty::<&[u8]>();
    let _ = client(lines.iter().copied(), none(), &trusted);
    let _ = client(none(), lines.iter().copied(), &trusted);
    let wanted: Option<IpAddr> = "203.0.113.7".parse().ok();
    let appended = |hop: &str| -> Vec<Vec<u8>> {
        let (last, others) = lines.split_last().expect("split gives one at least");
        let last = [last, b", ".as_slice(), hop.as_bytes()].concat();
        others.iter().map(|line| line.to_vec()).chain([last]).collect()
    };
    for hops in ["203.0.113.7", "203.0.113.7, 10.0.0.1"] {
        let lines = appended(hops);
        assert_eq!(client(lines.iter().map(Vec::as_slice), none(), &trusted), wanted);
    }
    for hops in ["for=203.0.113.7", "For=\"203.0.113.7:80\";by=_x, for=\"[2001:db8:f::1]\""] {
        let lines = appended(hops);
        assert_eq!(client(none(), lines.iter().map(Vec::as_slice), &trusted), wanted);
    }
});
