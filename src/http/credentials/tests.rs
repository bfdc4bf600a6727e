//! Every place, every order, everything that is none.

use super::*;
use crate::http::head::Room;

const EVERYWHERE: Places<'_> = Places { cookie: Some("sid"), query: true };

fn found(
    query: &str,
    lines: &str,
    subprotocol: Option<&str>,
    places: Places<'_>,
) -> Result<Option<Credential<'static>>, Refusal> {
    let text = format!("GET /ws{query} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut room = Room::new();
    let head = Head::parse(text.as_bytes(), &mut room).expect("a head");
    let found = find(&head, subprotocol, places)?;
    Ok(found.map(|found| match found {
        Credential::Token(token) => Credential::Token(token.into_owned().into()),
        Credential::None(what) => Credential::None(what),
    }))
}

fn token(text: &str) -> Credential<'static> {
    Credential::Token(text.to_string().into())
}

/// The first that is there decides, whatever stands behind it, and however bad it is.
#[test]
fn the_order() {
    let lines = [
        ("Authorization: Bearer a\r\n", "a"),
        ("", "p"),
        ("Origin: http://a\r\nCookie: sid=c\r\n", "c"),
        ("", "q"),
    ];
    for first in 0..4 {
        for last in first..4 {
            // Everything from `first` to `last` is there.
            let there = |at: usize| (first..=last).contains(&at);
            let text: String = (0..4).filter(|&at| there(at)).map(|at| lines[at].0).collect();
            let (protocol, query) =
                (there(1).then_some("p"), if there(3) { "?token=q" } else { "" });
            let outcome = found(query, &text, protocol, EVERYWHERE).expect("a good head");
            assert_eq!(outcome, Some(token(lines[first].1)), "{text} {protocol:?} {query}");
        }
    }
}

#[test]
fn nothing_falls_through() {
    for (query, lines, protocol) in [
        ("?token=q", "Authorization: Bearer\r\n", Some("p")),
        ("?token=q", "Authorization: Bearer a b\r\n", Some("p")),
        ("?token=q", "Authorization: bearer \r\n", None),
        ("?token=q", "Origin: http://a\r\nCookie: sid=1; sid=2\r\n", None),
        ("?token=q", "Origin: http://a\r\nCookie: sid=1\r\nCookie: a=b; sid=1\r\n", None),
        ("?token=q&token=q", "", None),
        ("?token=%ff", "", None),
    ] {
        let outcome = found(query, lines, protocol, EVERYWHERE).expect("a good head");
        assert!(matches!(outcome, Some(Credential::None(_))), "{query} {lines}: {outcome:?}");
    }
    // An empty one is one, and no good.
    assert_eq!(found("?token=q", "", Some(""), EVERYWHERE).expect("a good head"), Some(token("")));
    assert_eq!(found("?token", "", None, EVERYWHERE).expect("a good head"), Some(token("")));
    let lines = "Origin: http://a\r\nCookie: sid=\r\n";
    assert_eq!(found("?token=q", lines, None, EVERYWHERE).expect("a good head"), Some(token("")));
}

#[test]
fn only_where_it_is_looked_for() {
    let lines = "Origin: http://a\r\nCookie: sid=c\r\n";
    let outcome = |places| found("?token=q", lines, None, places).expect("a good head");
    assert_eq!(outcome(Places::default()), None);
    assert_eq!(outcome(Places { query: true, ..Places::default() }), Some(token("q")));
    assert_eq!(outcome(Places { cookie: Some("other"), query: true }), Some(token("q")));
    // Names of cookies have a case; other schemes belong to somebody else.
    for lines in
        ["Cookie: SID=c\r\n", "Authorization: Basic YTpi\r\n", "Authorization: Bearers a\r\n"]
    {
        assert_eq!(found("", lines, None, EVERYWHERE).expect("a good head"), None, "{lines}");
    }
}

#[test]
fn cookies() {
    for (line, value) in [
        ("sid=a.b-c_d", "a.b-c_d"),
        ("x=1; sid=a; y=2", "a"),
        ("x=1;sid=a", "a"),
        ("sid=\"a\"", "a"),
        ("sid=a=b", "a=b"),
        ("sid ; sid=a", "a"),
        ("xsid=b; sid=a; sidx=c", "a"),
    ] {
        let lines = format!("Origin: http://a\r\nCookie: {line}\r\n");
        assert_eq!(
            found("", &lines, None, EVERYWHERE).expect("a head"),
            Some(token(value)),
            "{line}"
        );
    }
    let refusal = found("", "Cookie: sid=a\r\n", None, EVERYWHERE).expect_err("no Origin");
    assert_eq!((refusal.status, refusal.code, refusal.close), (403, "forbidden", true));
    // Nobody asks for an Origin where the cookie does not decide.
    let lines = "Authorization: Bearer a\r\nCookie: sid=b\r\n";
    assert_eq!(found("", lines, None, EVERYWHERE).expect("a head"), Some(token("a")));
}

#[test]
fn authorization_stands_once() {
    let lines = "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n";
    assert_eq!(found("", lines, None, EVERYWHERE).expect_err("twice").status, 400);
}

#[test]
fn what_a_bearer_is() {
    for (value, secret) in [
        (&b"Bearer abc"[..], Some(&b"abc"[..])),
        (b"bearer  abc", Some(b"abc")),
        (b"BEARER a/b+c=", Some(b"a/b+c=")),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"Bearerabc", None),
        (b"Bearer a b", None),
        (b"Bearer a\xff", None),
        (b"Basic abc", None),
        (b"", None),
    ] {
        assert_eq!(bearer(value), secret, "{value:?}");
    }
}
