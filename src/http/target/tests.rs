//! Queries and percent-encoding. Forms of targets are tested with `head`.

use super::{Fault, Query, decode};

/// RFC 3986, section 2.1.
#[test]
fn percent_encoding() {
    for (text, expected) in [
        ("", Some("")),
        ("room.7", Some("room.7")),
        ("a%2Eb%2f", Some("a.b/")),
        ("%C3%A9", Some("\u{e9}")),
        ("%00%0d%0a", Some("\0\r\n")),
        ("a+b", Some("a+b")),
        ("%25%32%35", Some("%25")),
        ("%", None),
        ("%2", None),
        ("a%2", None),
        ("%2g", None),
        ("%+1", None),
        ("%%41", None),
        ("%C3", None),
        ("%C3%28", None),
        ("%ED%A0%80", None),
    ] {
        assert_eq!(decode(text).as_deref(), expected, "{text}");
    }
}

/// URL Standard, section 5.1 (application/x-www-form-urlencoded), but broken escapes are errors.
#[test]
fn pairs() {
    let shown = |query| {
        let shown = Query(query).pairs().map(|(name, value)| {
            [name.as_deref().unwrap_or("!"), value.as_deref().unwrap_or("!")].join(">")
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", ""),
        ("&&", ""),
        ("a=1", "a>1"),
        ("a", "a>"),
        ("a=", "a>"),
        ("=1", ">1"),
        ("a=b=c", "a>b=c"),
        ("a=1&b=2&a=3", "a>1 b>2 a>3"),
        ("s%69nce=k3%3A1", "since>k3:1"),
        ("a=x+y%2Bz", "a>x y+z"),
        ("a=%zz&%=1", "a>! !>1"),
    ] {
        assert_eq!(shown(query), expected, "{query}");
    }
}

#[test]
fn single() {
    let query = Query("a=1&b=%zz&c=1&c=1&%64=4");
    assert_eq!(query.single("a").unwrap().as_deref(), Some("1"));
    assert_eq!(query.single("d").unwrap().as_deref(), Some("4"));
    assert_eq!(query.single("absent"), Ok(None));
    assert_eq!(query.single("b"), Err(Fault::Encoding));
    assert_eq!(query.single("c"), Err(Fault::Repeated));
}
