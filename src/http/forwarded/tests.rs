//! Hops: tables, and the property that matters: nothing on the left outweighs what is on the right.

use proptest::prelude::*;

use super::*;

fn trusted() -> Vec<TrustedProxy> {
    ["unix", "10.0.0.0/8", "192.0.2.1", "2001:db8:f::/48", "::ffff:192.0.2.77"]
        .map(|text| TrustedProxy::parse(text).expect("a proxy"))
        .into()
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The client by these lines of the two fields, none when they do not say.
fn found(x_forwarded_for: &[&str], forwarded: &[&str]) -> Option<IpAddr> {
    let bytes = |line: &&str| -> &'static [u8] { line.to_string().leak().as_bytes() };
    client(x_forwarded_for.iter().map(bytes), forwarded.iter().map(bytes), &trusted())
}

#[test]
fn proxies_parse() {
    for text in ["", "Unix", "unix ", "10.0.0.0/33", "10.0.0/8", "example.org", "*", "[::1]"] {
        assert_eq!(TrustedProxy::parse(text), None, "{text}");
    }
}

/// Peers are compared by the addresses that they really have, so networks must be too.
#[test]
fn a_mapped_network_is_one_of_ipv4() {
    for (mapped, plain) in [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:a00:0/104", "10.0.0.0/8"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::ffff:192.0.2.7/128", "192.0.2.7/32"),
    ] {
        assert_eq!(TrustedProxy::parse(mapped), TrustedProxy::parse(plain), "{mapped}");
    }
    for text in ["::ffff:10.0.0.0/95", "::ffff:10.0.0.0/8", "::ffff:0.0.0.0/0"] {
        assert_eq!(TrustedProxy::parse(text), None, "{text}");
    }
}

#[test]
fn peers_are_believed_by_network() {
    for (peer, expected) in [
        (Some("10.1.2.3"), true),
        (Some("::ffff:10.1.2.3"), true),
        (Some("192.0.2.1"), true),
        (Some("192.0.2.77"), true),
        (Some("192.0.2.2"), false),
        (Some("11.0.0.1"), false),
        (Some("2001:db8:f:1::1"), true),
        (Some("2001:db8:e::1"), false),
        (None, true),
    ] {
        assert_eq!(trusts(&trusted(), peer.map(address)), expected, "{peer:?}");
    }
    assert!(!trusts(&[], None) && !trusts(&trusted()[1..], None));
}

#[test]
fn the_right_most_hop_that_is_not_trusted() {
    for (lines, expected) in [
        (&["203.0.113.7"][..], Some("203.0.113.7")),
        (&["203.0.113.7, 10.0.0.1"], Some("203.0.113.7")),
        (&["6.6.6.6, 203.0.113.7, 10.0.0.1, 192.0.2.1"], Some("203.0.113.7")),
        (&["6.6.6.6,203.0.113.7", "10.0.0.1"], Some("203.0.113.7")),
        (&["6.6.6.6", "203.0.113.7"], Some("203.0.113.7")),
        // All are trusted: the first of them began it.
        (&["10.0.0.9, 10.0.0.1"], Some("10.0.0.9")),
        (&[" 203.0.113.7 ,, \t"], Some("203.0.113.7")),
        (&["203.0.113.7:4711"], Some("203.0.113.7")),
        (&["2001:db8::7"], Some("2001:db8::7")),
        (&["[2001:db8::7]"], Some("2001:db8::7")),
        (&["[2001:db8::7]:4711"], Some("2001:db8::7")),
        (&["::ffff:203.0.113.7"], Some("203.0.113.7")),
        // Nothing is to be read beyond what is not understood.
        (&["203.0.113.7, unknown"], None),
        (&["203.0.113.7, unknown, 10.0.0.1"], Some("10.0.0.1")),
        (&["203.0.113.7, 1.2.3.4.5"], None),
        (&["203.0.113.7, fe80::1%eth0"], None),
        (&["203.0.113.7, [1.2.3.4]"], None),
        (&["203.0.113.7, [2001:db8::7"], None),
        (&["203.0.113.7, 1.2.3.4:99999"], None),
        (&["203.0.113.7, 010.1.2.3"], None),
        (&["203.0.113.7 10.0.0.1"], None),
        (&[""], None),
        (&[], None),
    ] {
        assert_eq!(found(lines, &[]), expected.map(address), "{lines:?}");
    }
}

/// RFC 7239, sections 4 and 6, with its examples.
#[test]
fn forwarded() {
    for (lines, expected) in [
        (&["for=192.0.2.43"][..], Some("192.0.2.43")),
        (&["For=\"[2001:db8:cafe::17]:4711\""], Some("2001:db8:cafe::17")),
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"], Some("192.0.2.60")),
        (&["for=192.0.2.43, for=198.51.100.17"], Some("198.51.100.17")),
        (&["for=192.0.2.43, for=\"[2001:db8:f::1]\""], Some("192.0.2.43")),
        (&["for=192.0.2.43", "for=10.0.0.1"], Some("192.0.2.43")),
        (&["FOR=\"192.0.2.43:47011\""], Some("192.0.2.43")),
        (&["for=192.0.2.43 ; host=\"a,b\\\",c\", , by=x;for=10.0.0.1"], Some("192.0.2.43")),
        (&["for=\"1\\92.0.2.4\\3\""], Some("192.0.2.43")),
        (&["for=1.2.3.4, for=unknown"], None),
        (&["for=1.2.3.4, for=_hidden, for=10.0.0.1"], Some("10.0.0.1")),
        (&["for=1.2.3.4, by=10.0.0.1"], None),
        (&["for=1.2.3.4, for=1.2.3.4;for=5.6.7.8"], None),
        (&["for=1.2.3.4, for"], None),
        (&["for=1.2.3.4, for="], None),
        (&["for=1.2.3.4, for=\""], None),
        (&["for=1.2.3.4, for=\"1.2.3.4"], None),
        (&["for=1.2.3.4, for = 1.2.3.4"], None),
        (&[""], None),
    ] {
        assert_eq!(found(&[], lines), expected.map(address), "{lines:?}");
    }
    let long = format!("for=\"{}\"", "1".repeat(10_000));
    assert_eq!(found(&[], &[&long]), None);
}

/// What our proxy does not set it passes on as the client sent it.
#[test]
fn forwarded_counts_only_without_x_forwarded_for() {
    assert_eq!(found(&["1.2.3.4"], &["for=6.6.6.6"]), Some(address("1.2.3.4")));
    assert_eq!(found(&["unknown"], &["for=6.6.6.6"]), None);
}

proptest! {
    /// Whatever a client sends, what the proxy appends decides.
    #[test]
    fn nothing_on_the_left_outweighs_the_right(
        left in "[ -~]{0,60}",
        quotes in "[\",\\\\;=for]{0,20}",
    ) {
        let wanted = Some(address("203.0.113.7"));
        let v6 = Some(address("2001:db8::7"));
        for left in [left, quotes] {
            prop_assert_eq!(found(&[&format!("{left}, 203.0.113.7")], &[]), wanted);
            prop_assert_eq!(found(&[&left, "203.0.113.7"], &[]), wanted);
            prop_assert_eq!(found(&[], &[&format!("{left}, for=203.0.113.7")]), wanted);
            prop_assert_eq!(found(&[], &[&format!("{left}, for=\"[2001:db8::7]:1\";by=_x")]), v6);
            prop_assert_eq!(found(&[], &[&left, "for=203.0.113.7"]), wanted);
        }
    }
}
