//! Replies as bytes.

use super::{CONTINUE, Circumstances, Content, Reply, error};
use crate::http::Refusal;

const PLAIN: Circumstances<'_> =
    Circumstances { head_only: false, close: false, wall_ms: None, cors: None };

fn written(reply: &Reply<'_>, circumstances: Circumstances) -> String {
    let mut out = Vec::new();
    let closes = reply.write(circumstances, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(closes, text.contains("close\r\n"));
    text
}

/// RFC 9112, section 4, and what design asks of every answer: `no-store` and `nosniff`.
#[test]
fn the_whole_answer() {
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
        Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n{}";
    assert_eq!(written(&Reply::json(200, &b"{}"[..]), PLAIN), expected);
}

/// RFC 9110, section 15.2.1: an interim answer is a status line and nothing else.
#[test]
fn the_interim_answer() {
    assert_eq!(CONTINUE, b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// RFC 9110, section 6.6.1.
#[test]
fn date_where_the_time_is_known() {
    let reply = Reply::json(200, &b"{}"[..]);
    let text = written(&reply, Circumstances { wall_ms: Some(784_111_777_000), ..PLAIN });
    assert!(text.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert!(!written(&reply, PLAIN).contains("Date"));
}

/// RFC 9110, section 9.3.2: HEAD has the head of GET and no body.
#[test]
fn head_only() {
    for reply in [
        Reply::json(200, &b"[1,2]"[..]),
        Reply::new(200, Content::Page, &b"<p>"[..]),
        error("not_found", 404, "no", false, None),
    ] {
        let whole = written(&reply, PLAIN);
        let head = written(&reply, Circumstances { head_only: true, ..PLAIN });
        assert!(head.ends_with("\r\n\r\n"));
        assert_eq!(whole.strip_prefix(&head).map(str::is_empty), Some(false));
    }
}

/// RFC 9112, section 9.6.
#[test]
fn closing() {
    let reply = Reply::json(200, &b"{}"[..]);
    let close = Circumstances { close: true, ..PLAIN };
    assert!(written(&reply, close).contains("\r\nConnection: close\r\n"));
    assert!(written(&reply.closing(), PLAIN).contains("\r\nConnection: close\r\n"));
}

/// RFC 9110, sections 8.6, 15.3.5 and 15.4.5.
#[test]
fn answers_without_a_body() {
    for status in [204, 304] {
        let text = written(&Reply::new(status, Content::Text, &b"never"[..]), PLAIN);
        assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"), "{text}");
    }
}

/// RFC 6455, section 4.4; RFC 9110, sections 7.8 and 15.5.22: 426 says what to upgrade to.
#[test]
fn upgrade_required() {
    let reply = error("bad_request", 426, "m", false, None).upgrade_to_websocket();
    let text = written(&reply, PLAIN);
    assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
    assert!(text.contains("\r\nConnection: Upgrade\r\n"));
    assert!(text.contains("\r\nUpgrade: websocket\r\n"));
    assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    assert!(written(&reply.closing(), PLAIN).contains("\r\nConnection: Upgrade, close\r\n"));
}

/// Design, section 3: the body of an error, `Retry-After` in whole seconds rounded up.
#[test]
fn errors() {
    let text = written(&error("overloaded", 503, "full", true, Some(1001)), PLAIN);
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(text.contains("\r\nRetry-After: 2\r\n"));
    assert!(text.ends_with(
        r#"{"error":{"code":"overloaded","message":"full","temporary":true,"retry_after_ms":1001}}"#
    ));
    let text = written(&error("forbidden", 403, "a \"b\"\r\n\u{e9}", false, None), PLAIN);
    assert!(!text.contains("Retry-After"));
    assert!(
        text.ends_with(
            r#"{"error":{"code":"forbidden","message":"a \"b\"\r\né","temporary":false}}"#
        )
    );
}

/// RFC 9110, section 15.5.2; RFC 6750, section 3: 401 comes with one challenge.
#[test]
fn challenges() {
    let reply = error("unauthorized", 401, "m", false, None);
    let text = written(&reply, PLAIN);
    assert!(text.contains("\r\nWWW-Authenticate: Bearer realm=\"fanwire\"\r\n"));
    let text = written(&reply.challenge(Some("invalid_token")), PLAIN);
    let expected = "\r\nWWW-Authenticate: Bearer realm=\"fanwire\", error=\"invalid_token\"\r\n";
    assert!(text.contains(expected));
    assert_eq!(text.matches("WWW-Authenticate").count(), 1);
}

#[test]
fn refusals() {
    let close = Refusal::malformed("LF without CR");
    let text = written(&Reply::refusal(&close), PLAIN);
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(text.contains("\r\nConnection: close\r\n"));
    assert!(text.contains(r#""code":"bad_request","message":"LF without CR","temporary":false"#));
    let keep = Refusal::keeping(403, "forbidden", "no");
    assert!(!written(&Reply::refusal(&keep), PLAIN).contains("Connection"));
}

/// Design, section 3: pages carry a strict policy, other answers have no use for one.
#[test]
fn pages() {
    let text = written(&Reply::new(200, Content::Page, &b"<p>"[..]), PLAIN);
    assert!(text.contains("\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; "));
    assert!(!text.contains("unsafe-"));
    assert!(!written(&Reply::json(200, &b"{}"[..]), PLAIN).contains("Content-Security-Policy"));
}

/// Checklist 1.1: no value can end its line.
#[test]
fn no_injection() {
    let reply = Reply::json(200, &b""[..]).field("X", "a\r\nSet-Cookie: b\0\u{7f}\t\u{e9}");
    let text = written(&reply, PLAIN);
    assert!(text.contains("\r\nX: a??Set-Cookie: b?????\r\n"), "{text}");
}

/// Every status that is used has its phrase.
#[test]
fn reasons() {
    for status in [
        200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 426, 429, 431,
        500, 501, 503, 504, 505,
    ] {
        let text = written(&Reply::json(status, &b""[..]), PLAIN);
        let line = text.lines().next().unwrap();
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")) && line.len() > 13, "{line}");
    }
}

/// Fetch standard, section 3.2: only who is named may read, and caches are told why.
#[test]
fn answers_to_pages_from_elsewhere() {
    let cors = Circumstances { cors: Some("https://a.example"), ..PLAIN };
    let text = written(&Reply::json(200, &b"{}"[..]), cors);
    assert!(text.contains("\r\nAccess-Control-Allow-Origin: https://a.example\r\n"), "{text}");
    assert!(text.contains("\r\nVary: Origin\r\n"), "{text}");
    assert!(!text.contains("Allow-Methods") && !text.contains("Credentials"), "{text}");
    let text = written(&Reply::preflight(), cors);
    assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
    assert!(text.contains("\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE\r\n"));
    assert!(text.contains("Authorization") && !text.contains("Content-Length"), "{text}");
    assert!(!written(&Reply::json(200, &b"{}"[..]), PLAIN).contains("Access-Control"));
}
