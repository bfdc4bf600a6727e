//! What a head says. `scanner` has the rules of lines and limits, `framing` those of bodies,
//! `oracle` compares all of it with a slow and obvious reading.

use super::{Head, Host, Method, Scanner, Version};
use crate::http::Refusal;

mod framing;
mod oracle;
mod scanner;

const MAX_BYTES: usize = 16 << 10;

/// The way of a request whose head has arrived whole.
fn parse(bytes: &[u8]) -> Result<Head<'_>, Refusal> {
    let length = Scanner::default().scan(bytes, MAX_BYTES)?.expect("the head has an end");
    Head::parse(&bytes[..length], Box::leak(Box::default()))
}

/// A request with these lines, ended and with a good Host.
fn with(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes()
}

fn status<T>(result: Result<T, Refusal>) -> u16 {
    result.map_or_else(|refusal| refusal.status, |_| 200)
}

/// RFC 9110, section 9.1: methods are case-sensitive tokens.
#[test]
fn methods() {
    for (token, method) in [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("get", Method::Other),
        ("Get", Method::Other),
        ("PATCH", Method::Other),
        ("M-SEARCH", Method::Other),
    ] {
        let bytes = format!("{token} / HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        assert_eq!(parse(&bytes).unwrap().method, method, "{token}");
    }
}

/// RFC 9112, section 3: three words, one space between them, and a version of ours.
#[test]
fn request_lines() {
    for (line, expected) in [
        ("GET / HTTP/1.1", 200),
        ("GET / HTTP/1.0", 200),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/0.9", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /a b HTTP/2.0", 400),
        ("GET\t/\tHTTP/1.1", 400),
        ("GET /", 400),
        ("GET", 400),
        ("GET ", 400),
        ("G(T / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("GET /\u{7f} HTTP/1.1", 400),
        ("GET /\u{e9} HTTP/1.1", 400),
    ] {
        let bytes = format!("{line}\r\nHost: h\r\n\r\n").into_bytes();
        assert_eq!(status(parse(&bytes)), expected, "{line:?}");
    }
}

/// RFC 9112, section 3.2, checklist 1.1: origin-form and absolute-form, nothing else.
#[test]
fn targets() {
    for (target, path, query) in [
        ("/", "/", ""),
        ("/ws", "/ws", ""),
        ("/a%20b//../c", "/a%20b//../c", ""),
        ("/ws?since=k3:1", "/ws", "since=k3:1"),
        ("/?a?b", "/", "a?b"),
        ("//host/path", "//host/path", ""),
        ("http://h", "/", ""),
        ("http://h?x=1", "/", "x=1"),
        ("HTTPS://h:8/p?x", "/p", "x"),
        ("http://[::1]:80/p", "/p", ""),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        let head = parse(&bytes).unwrap();
        assert_eq!((head.target.path, head.target.query.0), (path, query), "{target}");
    }
    for target in [
        "*",
        "h:443",
        "ws",
        "?x",
        "ws://h/",
        "ftp://h/",
        "http:/h/",
        "http://",
        "http:///p",
        "http://user@h/",
        "http://h:x/",
        "http://h:99999/",
        "/a#b",
        "http://h/#",
        "://h/",
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        assert_eq!(status(parse(&bytes)), 400, "{target}");
    }
}

/// RFC 9112, section 5: names are tokens right before the colon, values have no controls.
#[test]
fn field_lines() {
    for (line, expected) in [
        ("A: b", 200),
        ("A:b", 200),
        ("A:", 200),
        ("A: \t b \t ", 200),
        ("!#$%&'*+-.^_`|~09azAZ: x", 200),
        ("A: caf\u{e9}", 200),
        ("A : b", 400),
        ("A\t: b", 400),
        (": b", 400),
        ("A", 400),
        ("A b: c", 400),
        ("A(: b", 400),
        ("\u{e9}: b", 400),
        ("A: b\r\n c", 400),
        ("A: b\r\n\tc", 400),
        ("A: b\u{0}c", 400),
        ("A: b\u{1}c", 400),
        ("A: b\u{7f}c", 400),
        ("A: b\rc", 400),
        ("A: b\nC: d", 400),
        ("A: b\n", 400),
    ] {
        assert_eq!(status(parse(&with(&format!("{line}\r\n")))), expected, "{line:?}");
    }
}

/// RFC 9112, section 2.2: no whitespace between the request line and the first header line.
#[test]
fn space_before_the_first_field() {
    assert_eq!(status(parse(b"GET / HTTP/1.1\r\n Host: h\r\n\r\n")), 400);
}

/// RFC 9110, sections 5.1, 5.3, 5.5: names have no case, lines keep their order, values lose the
/// whitespace around them.
#[test]
fn values() {
    let bytes = with("x-A: 1 \r\nOther: 2\r\nX-a:\t3\r\n");
    let head = parse(&bytes).unwrap();
    assert_eq!(head.values("X-A").collect::<Vec<_>>(), [b"1", b"3"]);
    assert_eq!(head.value("OTHER").unwrap(), Some(&b"2"[..]));
    assert_eq!(head.value("Absent").unwrap(), None);
    assert_eq!(status(head.value("X-A")), 400);
    assert_eq!(head.fields().count(), 4);
}

/// Values are bytes; where text is wanted, it is ASCII.
#[test]
fn text() {
    let mut bytes = with("A: x\r\n");
    let place = bytes.windows(3).position(|window| window == b": x").unwrap();
    bytes[place + 2] = 0xe9;
    let head = parse(&bytes).unwrap();
    assert_eq!(head.value("A").unwrap(), Some(&[0xe9][..]));
    assert_eq!(status(head.text("A")), 400);
}

/// RFC 9110, section 5.6.1: empty elements are nothing.
#[test]
fn elements() {
    let bytes = with("L: , a,,b ,\r\nL:\r\nL:\tc d\t,\r\n");
    let head = parse(&bytes).unwrap();
    let elements: Vec<_> = head.elements("l").collect();
    assert_eq!(elements, [&b"a"[..], b"b", b"c d"]);
}

/// RFC 9112, section 3.2, checklist 1.1: exactly one well-formed Host.
#[test]
fn hosts() {
    for (lines, expected) in [
        ("Host: example.com\r\n", Ok(("example.com", None))),
        ("Host: example.com:3003\r\n", Ok(("example.com", Some(3003)))),
        ("Host: example.com:\r\n", Ok(("example.com", None))),
        ("Host: 127.0.0.1:80\r\n", Ok(("127.0.0.1", Some(80)))),
        ("Host: [::1]:80\r\n", Ok(("[::1]", Some(80)))),
        ("Host: [::ffff:1.2.3.4]\r\n", Ok(("[::ffff:1.2.3.4]", None))),
        ("host:\tx_y\t\r\n", Ok(("x_y", None))),
        ("", Err(400)),
        ("Host: a\r\nHost: a\r\n", Err(400)),
        ("Host: a\r\nhost: b\r\n", Err(400)),
        ("Host:\r\n", Err(400)),
        ("Host: a, b\r\n", Err(400)),
        ("Host: a b\r\n", Err(400)),
        ("Host: a/b\r\n", Err(400)),
        ("Host: u@a\r\n", Err(400)),
        ("Host: a:b\r\n", Err(400)),
        ("Host: a:+80\r\n", Err(400)),
        ("Host: a:65536\r\n", Err(400)),
        ("Host: a:000080\r\n", Err(400)),
        ("Host: a:80:80\r\n", Err(400)),
        ("Host: :80\r\n", Err(400)),
        ("Host: [::1\r\n", Err(400)),
        ("Host: [::1]x\r\n", Err(400)),
        ("Host: [v1.a]\r\n", Err(400)),
        ("Host: []\r\n", Err(400)),
        ("Host: ::1\r\n", Err(400)),
        ("Host: caf\u{e9}\r\n", Err(400)),
        ("Host: a%20b\r\n", Err(400)),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes();
        let found = parse(&bytes).unwrap().host().map_err(|refusal| refusal.status);
        let expected = expected.map(|(name, port)| Some(Host { name, port }));
        assert_eq!(found, expected, "{lines:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(256)).into_bytes();
    assert_eq!(status(parse(&long).unwrap().host()), 400);
}

/// RFC 9112, section 3.2: HTTP/1.0 may leave Host out, but may not have a bad one.
#[test]
fn host_in_the_old_version() {
    assert_eq!(parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().host(), Ok(None));
    let two = b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n";
    assert_eq!(status(parse(two).unwrap().host()), 400);
}

/// RFC 9112, section 3.2.2: the absolute target's host is the host; the field must be good still.
#[test]
fn host_of_an_absolute_target() {
    let expected = Some(Host { name: "a", port: Some(1) });
    let head = b"GET http://a:1/ HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_eq!(parse(head).unwrap().host(), Ok(expected));
    assert_eq!(parse(b"GET http://a:1/ HTTP/1.0\r\n\r\n").unwrap().host(), Ok(expected));
    assert_eq!(status(parse(b"GET http://a:1/ HTTP/1.1\r\n\r\n").unwrap().host()), 400);
    let two = b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    assert_eq!(status(parse(two).unwrap().host()), 400);
}

/// RFC 9112, section 9.3, and our choice about HTTP/1.0.
#[test]
fn keep_alive() {
    for (version, lines, expected) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Upgrade, CLOSE\r\n", false),
        ("1.1", "Connection: a\r\nConnection: b,close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/{version}\r\n{lines}\r\n").into_bytes();
        assert_eq!(parse(&bytes).unwrap().keep_alive(), expected, "{version} {lines:?}");
    }
}

/// RFC 6455, section 4.2.1 (3) and (4), checklist 1.1: token lists over any number of lines,
/// whatever the case; a part of a token is not the token.
#[test]
fn upgrades() {
    for (lines, expected) in [
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", true),
        ("upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n", true),
        ("Upgrade: h2c,websocket\r\nConnection: upgrade\r\n", true),
        ("Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: a\r\nConnection: upgrade\r\n", true),
        ("Upgrade: websocketx\r\nConnection: Upgrade\r\n", false),
        ("Upgrade: xwebsocket\r\nConnection: Upgrade\r\n", false),
        ("Upgrade: websocket/13\r\nConnection: Upgrade\r\n", false),
        ("Upgrade: web socket\r\nConnection: Upgrade\r\n", false),
        ("Upgrade: h2c\r\nConnection: Upgrade\r\n", false),
        ("Upgrade: websocket\r\nConnection: keep-alive\r\n", false),
        ("Upgrade: websocket\r\nConnection: Upgrades\r\n", false),
        ("Upgrade: websocket\r\n", false),
        ("Connection: Upgrade\r\n", false),
        ("", false),
    ] {
        assert_eq!(parse(&with(lines)).unwrap().wants_upgrade(), expected, "{lines:?}");
    }
}

/// RFC 9110, section 7.8; checklist 1.1: HTTP/1.0 is not upgraded.
#[test]
fn no_upgrade_in_the_old_version() {
    let bytes = b"GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let head = parse(bytes).unwrap();
    assert_eq!(head.version, Version::Http10);
    assert!(!head.wants_upgrade());
}

/// RFC 6454, section 7.3: one Origin.
#[test]
fn origins() {
    let origin = |lines: &str| {
        let bytes = with(lines);
        parse(&bytes).unwrap().origin().map(|origin| origin.map(str::to_owned))
    };
    assert_eq!(origin(""), Ok(None));
    assert_eq!(origin("Origin: http://a\r\n"), Ok(Some("http://a".to_owned())));
    assert_eq!(status(origin("Origin: http://a\r\norigin: http://a\r\n")), 400);
    assert_eq!(status(origin("Origin: http://\u{e9}\r\n")), 400);
}
