//! Origins and open mode.

use super::{AllowedOrigin, Hosts, Origin, check_open_mode, check_origin};
use crate::http::Refusal;
use crate::http::head::{Head, Host, Room};

fn status(result: &Result<(), Refusal>) -> u16 {
    result.as_ref().map_or_else(|refusal| refusal.status, |()| 200)
}

fn of(host: &str) -> Hosts<'_> {
    Hosts { host: Host::parse(host), forwarded: None }
}

/// Behind a proxy the page knows the name that the proxy was asked for.
#[test]
fn forwarded_host() {
    let hosts = |forwarded| Hosts { host: Host::parse("inner:3003"), forwarded };
    for (origin, forwarded, expected) in [
        ("https://chat.example", Some("chat.example"), 200),
        ("https://chat.example", Some("chat.example:8443"), 403),
        ("http://inner:3003", Some("chat.example"), 200),
        ("https://chat.example.evil.org", Some("chat.example"), 403),
        ("https://chat.example", None, 403),
    ] {
        let result = check_origin(Some(origin), hosts(forwarded.and_then(Host::parse)), &[]);
        assert_eq!(status(&result), expected, "{origin} {forwarded:?}");
    }
    let result = check_origin(Some("http://a"), hosts(Host::parse("b:1")), &[]);
    let message = result.expect_err("foreign").message;
    for named in ["Origin http://a", "Host inner:3003", "X-Forwarded-Host b:1"] {
        assert!(message.contains(named), "{message}");
    }
}

/// Checklist 1.1: the same host is the same name and port, nothing shorter, longer or similar.
#[test]
fn same_host() {
    for (origin, host, expected) in [
        ("http://example.com", "example.com", 200),
        ("https://example.com", "example.com", 200),
        ("http://EXAMPLE.com", "example.COM", 200),
        ("http://example.com:80", "example.com", 200),
        ("http://example.com", "example.com:80", 200),
        ("https://example.com", "example.com:443", 200),
        ("http://localhost:3003", "localhost:3003", 200),
        ("http://[::1]:3003", "[::1]:3003", 200),
        ("http://localhost:5173", "localhost:3003", 403),
        ("http://localhost", "localhost:3003", 403),
        ("http://localhost:3003", "localhost", 403),
        ("http://localhost:3003", "127.0.0.1:3003", 403),
        ("https://example.com", "example.com:80", 403),
        ("http://example.com.evil.org", "example.com", 403),
        ("http://evil-example.com", "example.com", 403),
        ("http://evil.org/example.com", "example.com", 403),
        ("http://example.com@evil.org", "example.com", 403),
        ("http://evil.org#example.com", "example.com", 403),
        ("http://example.com.", "example.com", 403),
        ("http://example.com/", "example.com", 403),
        ("http://user@example.com", "example.com", 403),
        ("http://a.example.com", "example.com", 403),
        ("http://example.co", "example.com", 403),
        ("http://example.com http://example.com", "example.com", 403),
        ("http://example.com,http://example.com", "example.com", 403),
        ("example.com", "example.com", 403),
        ("//example.com", "example.com", 403),
        ("http:example.com", "example.com", 403),
        ("app://example.com", "example.com", 403),
        ("null", "example.com", 403),
        ("null", "null", 403),
        ("", "example.com", 403),
        ("http://", "example.com", 403),
    ] {
        let result = check_origin(Some(origin), of(host), &[]);
        assert_eq!(status(&result), expected, "{origin} {host}");
    }
}

/// A missing Origin is not a page; a missing Host is nobody's.
#[test]
fn missing() {
    assert_eq!(check_origin(None, of("a"), &[]), Ok(()));
    assert_eq!(check_origin(None, Hosts::default(), &[]), Ok(()));
    assert_eq!(status(&check_origin(Some("http://a"), Hosts::default(), &[])), 403);
}

/// The setting `origins`: exact scheme, host and port.
#[test]
fn allowed_origins() {
    let allowed = ["https://app.example", "http://dev.example:5173", "capacitor://localhost"]
        .map(|text| AllowedOrigin::parse(text).expect("an origin"));
    for (origin, expected) in [
        ("https://app.example", 200),
        ("HTTPS://APP.example:443", 200),
        ("http://dev.example:5173", 200),
        ("capacitor://localhost", 200),
        ("http://app.example", 403),
        ("http://app.example:443", 403),
        ("https://app.example:8443", 403),
        ("https://app.example.evil.org", 403),
        ("https://xapp.example", 403),
        ("https://app.example/", 403),
        ("http://dev.example", 403),
        ("http://localhost", 403),
        ("null", 403),
    ] {
        let result = check_origin(Some(origin), of("ws.example"), &allowed);
        assert_eq!(status(&result), expected, "{origin}");
    }
}

/// What settings can check before they are used.
#[test]
fn origins_parse() {
    for (text, expected) in [
        ("https://a.example", true),
        ("chrome-extension://abcdef", true),
        ("http://[::1]:80", true),
        ("null", false),
        ("*", false),
        ("https://*.example", false),
        ("a.example", false),
        ("https://a.example/", false),
        ("1http://a", false),
        ("ht tp://a", false),
        ("://a", false),
        ("http://a:b", false),
    ] {
        assert_eq!(Origin::parse(text).is_some(), expected, "{text}");
        assert_eq!(AllowedOrigin::parse(text).is_some(), expected, "{text}");
    }
}

/// RFC 6454, section 6.2: no case, no default port.
#[test]
fn origins_are_written_as_browsers_do() {
    for (text, expected) in [
        ("HTTPS://App.Example:443", "https://app.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://[::1]:80", "http://[::1]"),
    ] {
        assert_eq!(AllowedOrigin::parse(text).expect("an origin").as_str(), expected);
    }
}

/// The answer names both sides, and nothing in them can break out of the message.
#[test]
fn the_refusal_names_both() {
    let refusal = check_origin(Some("http://a:5"), of("b:6"), &[]).unwrap_err();
    assert_eq!((refusal.code, refusal.close), ("forbidden", true));
    assert!(refusal.message.contains("http://a:5 ") && refusal.message.contains("b:6 "));
    let long = format!("http://\"\r\n\u{e9}{}", "x".repeat(5000));
    let refusal = check_origin(Some(&long), Hosts::default(), &[]).unwrap_err();
    assert!(refusal.message.len() < 300, "{}", refusal.message);
    assert!(refusal.message.contains(r#"\"\r\n\xc3\xa9xx"#), "{}", refusal.message);
    assert!(refusal.message.contains("x... is") && refusal.message.contains("(none)"));
}

fn open_mode(method: &str, lines: &str) -> Result<(), Refusal> {
    let bytes = format!("{method} /ws HTTP/1.1\r\n{lines}\r\n").into_bytes();
    check_open_mode(&Head::parse(&bytes, &mut Room::new()).unwrap())
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

/// Design, section 3, open mode: only this machine, by its own names.
#[test]
fn open_mode_hosts() {
    for (host, expected) in [
        ("localhost", 200),
        ("LOCALHOST:3003", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:3003", 200),
        ("127.255.0.9", 200),
        ("[::1]:3003", 200),
        ("localhost.", 403),
        ("localhost.evil.org", 403),
        ("evil.localhost", 403),
        ("127.0.0.1.evil.org", 403),
        ("127.evil.org", 403),
        ("127.0.0.256", 403),
        ("127.0.0.01", 403),
        ("127.0.0.", 403),
        ("127.0.0", 403),
        ("127.1", 403),
        ("127.0.0.1.1", 403),
        ("128.0.0.1", 403),
        ("0.0.0.0", 403),
        ("10.0.0.1", 403),
        ("[::]", 403),
        ("[::2]", 403),
        ("[::ffff:127.0.0.1]", 403),
        ("example.com", 403),
        ("2130706433", 403),
    ] {
        let plain = open_mode("GET", &format!("Host: {host}\r\n"));
        assert_eq!(status(&plain), expected, "{host}");
        let page = open_mode("GET", &format!("Host: {host}\r\n{UPGRADE}Origin: http://{host}\r\n"));
        assert_eq!(status(&page), expected, "{host}");
        // A program may know this machine by any name.
        let program = open_mode("GET", &format!("Host: {host}\r\n{UPGRADE}"));
        assert_eq!(status(&program), 200, "{host}");
        // But only a GET can become a WebSocket.
        let other = open_mode("POST", &format!("Host: {host}\r\n{UPGRADE}"));
        assert_eq!(status(&other), expected, "{host}");
    }
}

/// Design, section 3, open mode: nothing that came through a proxy, upgrade or not.
#[test]
fn open_mode_proxies() {
    for (line, expected) in [
        ("Forwarded: for=1.2.3.4", 403),
        ("X-Forwarded-For: 1.2.3.4", 403),
        ("x-forwarded-proto: https", 403),
        ("X-FORWARDED-ANYTHING: ", 403),
        ("X-Real-IP: 1.2.3.4", 403),
        ("Via: 1.1 proxy", 403),
        ("X-Forwarded: 1", 200),
        ("Viable: 1", 200),
        ("Forwarded-X: 1", 200),
        ("X: Forwarded", 200),
    ] {
        for upgrade in ["", UPGRADE] {
            let result = open_mode("GET", &format!("Host: localhost\r\n{upgrade}{line}\r\n"));
            assert_eq!(status(&result), expected, "{line}");
        }
    }
}

#[test]
fn open_mode_says_why() {
    let lines = "Host: evil.org:80\r\nOrigin: http://evil.org\r\n";
    let refusal = open_mode("GET", lines).unwrap_err();
    assert_eq!((refusal.code, refusal.close), ("open_mode_behind_proxy", true));
    assert!(refusal.message.contains("evil.org:80,"), "{}", refusal.message);
    assert!(refusal.message.contains("http://evil.org)"), "{}", refusal.message);
    assert!(refusal.message.contains("Host is not this machine"), "{}", refusal.message);
    let proxied = open_mode("GET", "Host: localhost\r\nVia: x\r\n").unwrap_err();
    assert!(proxied.message.contains("came through a proxy"), "{}", proxied.message);
}

/// A head without a good Host has no good answer but 400, and one without any is not this machine.
#[test]
fn open_mode_without_a_host() {
    assert_eq!(status(&open_mode("GET", "")), 400);
    let mut room = Room::new();
    let old = Head::parse(b"GET / HTTP/1.0\r\n\r\n", &mut room).unwrap();
    let old = check_open_mode(&old);
    assert_eq!(status(&old), 403);
}
