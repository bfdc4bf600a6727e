//! The opening handshake (RFC 6455, section 4; checklist 1.1): what becomes a WebSocket, what is
//! refused with which words, and that nothing after a refusal is carried out.

use crate::server::Server;
use crate::wire::{ACCEPT, CLOSE, FIN, KEY, PING, PONG, Response, Wire, close, frame, text};

/// The answer to this request, after which nothing but the end of the stream may come where the
/// answer says so.
fn answer(server: &Server, request: &str) -> Response {
    let mut wire = Wire::connect(server.port);
    wire.send(request);
    let response = wire.response();
    if response.closes() {
        wire.end();
    }
    response
}

fn without(line: &str) -> String {
    let whole = crate::wire::handshake("/ws", "");
    assert!(whole.contains(line), "{line:?} stands in it");
    whole.replacen(line, "", 1)
}

fn instead(line: &str, other: &str) -> String {
    let whole = crate::wire::handshake("/ws", "");
    assert!(whole.contains(line), "{line:?} stands in it");
    whole.replacen(line, other, 1)
}

fn with(lines: &str) -> String {
    crate::wire::handshake("/ws", lines)
}

/// RFC 6455, section 4.2.2 (5): the 101 has these fields, and neither length nor coding (RFC 9110,
/// section 8.6; RFC 9112, section 6.1).
#[test]
fn the_answer_is_what_the_rfc_asks_for() {
    let server = Server::start(&[]);
    let (mut wire, response) = Wire::open_with(server.port, "/ws", "");
    assert_eq!(response.field("upgrade"), Some("websocket"));
    assert_eq!(response.field("connection"), Some("Upgrade"));
    assert_eq!(response.field("sec-websocket-accept"), Some(ACCEPT));
    for absent in [
        "content-length",
        "transfer-encoding",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    ] {
        assert_eq!(response.field(absent), None);
    }
    assert_eq!(wire.json()["type"], "connection");
}

/// Section 4.2.1: case, order, lists over several lines, unknown fields, absolute targets.
#[test]
fn all_forms_of_a_good_handshake_are_accepted() {
    let server = Server::start(&[]);
    let accepted = [
        instead("Upgrade: websocket", "uPGRADE: WebSocket"),
        instead("Upgrade: websocket", "Upgrade: h2c, websocket"),
        instead("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"),
        instead("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        instead("Connection: Upgrade", "Connection: keep-alive\r\nconnection: upgrade"),
        instead("Sec-WebSocket-Key: ", "sec-websocket-key:\t  "),
        instead("GET /ws", "GET http://localhost/ws"),
        with("X-Unknown: anything\r\nAccept-Language: de\r\nCookie: a=b\r\n"),
        with("Content-Length: 0\r\n"),
        with("Sec-WebSocket-Extensions: x-unknown; a=1, other\r\n"),
        with("Sec-WebSocket-Extensions: x; y=\"permessage-deflate\"\r\n"),
        with("Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: chat\r\n"),
    ];
    for request in accepted {
        let mut wire = Wire::connect(server.port);
        wire.send(&request);
        let response = wire.head();
        assert_eq!(response.status, 101, "{request}");
        assert_eq!(response.field("sec-websocket-accept"), Some(ACCEPT), "{request}");
        assert_eq!(response.field("sec-websocket-extensions"), None, "{request}");
        assert_eq!(response.field("sec-websocket-protocol"), None, "{request}");
        assert_eq!(wire.json()["type"], "connection");
    }
}

/// Sections 4.2.1, 4.2.2 and 4.4; RFC 9110, sections 15.5.6 and 15.5.22.
#[test]
fn what_is_no_handshake_is_refused_with_a_reason() {
    let server = Server::start(&[]);
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let version = "Sec-WebSocket-Version: 13\r\n";
    let upgrade_required = [
        without("Upgrade: websocket\r\n"),
        without("Connection: Upgrade\r\n"),
        without(version),
        instead("Upgrade: websocket", "Upgrade: websocketx"),
        instead("Connection: Upgrade", "Connection: Upgraded"),
        instead("HTTP/1.1", "HTTP/1.0"),
        instead("Version: 13", "Version: 8"),
        instead("Version: 13", "Version: 013"),
        instead("Version: 13", "Version: 13, 8"),
    ];
    for request in upgrade_required {
        let response = answer(&server, &request);
        assert_eq!(response.status, 426, "{request}");
        assert_eq!(response.field("upgrade"), Some("websocket"), "{request}");
        assert_eq!(response.field("sec-websocket-version"), Some("13"), "{request}");
        assert!(response.field("connection").is_some_and(|c| c.contains("Upgrade")), "{request}");
        assert_eq!(response.code(), "bad_request");
    }
    let bad = [
        without(&key),
        with(&key),
        with(version),
        instead(KEY, "dGhlIHNhbXBsZSBub25jZQ"),
        instead(KEY, "dGhlIHNhbXBsZSBub25jZQ="),
        instead(KEY, "dGhlIHNhbXBsZSBub25jZQ==="),
        instead(KEY, "dGhlIHNhbXBsZSBub25jZ==="),
        instead(KEY, "dGhlIHNhbXBsZSBub25j*Q=="),
        instead(KEY, "dGhlIHNhbXBsZSBub25jZQAAAA=="),
        instead(KEY, ""),
    ];
    for request in bad {
        let response = answer(&server, &request);
        assert_eq!((response.status, response.closes()), (400, true), "{request}");
        assert_eq!(response.code(), "bad_request");
    }
    for method in ["POST", "PUT", "get", "OPTIONS"] {
        let response = answer(&server, &instead("GET", method));
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.field("allow"), Some("GET, HEAD"), "{method}");
    }
    let response = answer(&server, &instead("GET /ws", "GET /nothing"));
    assert_eq!((response.status, response.code()), (404, "not_found".into()));
}

/// RFC 9112, sections 2.2, 3.2, 5.1, 5.2: lines, hosts and targets that are not well-formed.
#[test]
fn malformed_heads_are_refused_and_closed() {
    let server = Server::start(&[]);
    let host = "Host: localhost\r\n";
    let malformed = [
        without(host),
        with(host),
        instead(host, "Host: a b\r\n"),
        instead(host, "Host: localhost:http\r\n"),
        instead(host, "Host: user@localhost\r\n"),
        instead(host, "Host:\r\n"),
        instead("GET /ws", "GET ws"),
        instead("GET /ws", "GET *"),
        instead("GET /ws", "GET localhost:80"),
        instead("GET /ws", "GET ftp://localhost/ws"),
        instead("GET /ws", "GET  /ws"),
        with("X-Y: a\rb\r\n"),
        with("X-Y: a\0b\r\n"),
        with("X-Y : a\r\n"),
        with("X-Y: a\r\n b\r\n"),
        with(": a\r\n"),
        with("X-Y a\r\n"),
        with("X-Y: a\nX-Z: b\r\n"),
        with("Sec-WebSocket-Protocol: \r\n"),
        with("Sec-WebSocket-Protocol: chat,,super\r\n"),
        with("Sec-WebSocket-Protocol: a b\r\n"),
        with("Sec-WebSocket-Protocol: a/b\r\n"),
        with("Sec-WebSocket-Extensions: permessage-deflate; =1\r\n"),
        with("Sec-WebSocket-Extensions: permessage-deflate; a=\"b\r\n"),
        with("Sec-WebSocket-Extensions: permessage-deflate; a=\"b c\"\r\n"),
        with("Origin: http://localhost\r\nOrigin: http://localhost\r\n"),
    ];
    for request in malformed {
        let response = answer(&server, &request);
        assert_eq!((response.status, response.closes()), (400, true), "{request:?}");
        assert_eq!(response.code(), "bad_request", "{request:?}");
    }
}

/// RFC 9112, sections 6.1 and 6.3: no body of an upgrade is ever taken for frames or a request.
#[test]
fn a_body_on_an_upgrade_is_refused() {
    let server = Server::start(&[]);
    for lines in [
        "Content-Length: 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
    ] {
        let smuggled = "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let response = answer(&server, &(with(lines) + smuggled));
        assert_eq!((response.status, response.closes()), (400, true), "{lines}");
    }
}

/// Checklist 1.1: after a refused upgrade nothing is read as frames or as a next request, unless
/// the connection goes on strictly as HTTP/1.1.
#[test]
fn nothing_after_a_refused_upgrade_is_carried_out() {
    let server = Server::start(&[]);
    for request in [instead(KEY, "short"), instead("Version: 13", "Version: 8")] {
        let mut wire = Wire::connect(server.port);
        let next = "POST /channels/smuggled HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Length: 2\r\n\r\n{}";
        wire.send([request.as_bytes(), next.as_bytes(), &text("frame")].concat());
        assert!(wire.response().closes());
        wire.end();
    }
    assert!(server.read_json("/channels/smuggled")["position"].is_null());
}

/// Section 11.3.4: an offered value with its exact case, or none; a token is never sent back.
#[test]
fn the_subprotocol_is_selected_or_left_out() {
    let server = Server::start(&[]);
    for (offer, selected) in [
        ("fanwire.v1", Some("fanwire.v1")),
        ("chat, fanwire.v1", Some("fanwire.v1")),
        ("fanwire.v1, bearer.abc", Some("fanwire.v1")),
        ("bearer.abc, fanwire.v1", Some("fanwire.v1")),
        ("chat\r\nSec-WebSocket-Protocol: fanwire.v1", Some("fanwire.v1")),
        ("Fanwire.v1", None),
        ("fanwire.v2", None),
        ("fanwire", None),
    ] {
        let lines = format!("Sec-WebSocket-Protocol: {offer}\r\n");
        let (_, response) = Wire::open_with(server.port, "/ws", &lines);
        assert_eq!(response.field("sec-websocket-protocol"), selected, "{offer}");
    }
    let response = answer(&server, &with("Sec-WebSocket-Protocol: bearer.abc\r\n"));
    assert_eq!(response.status, 400, "design 2: alone it is 400");
}

/// Section 10.2: origins are compared whole; none at all is a program; `null` is nobody's.
#[test]
fn foreign_origins_are_refused_before_the_101() {
    let server = Server::start(&["--origins", "https://app.example:8443"]);
    for origin in [
        "http://localhost",
        "HTTP://LOCALHOST:80",
        "https://app.example:8443",
        "HTTPS://APP.EXAMPLE:8443",
    ] {
        let (mut wire, _) = Wire::open_with(server.port, "/ws", &format!("Origin: {origin}\r\n"));
        assert_eq!(wire.json()["type"], "connection", "{origin}");
    }
    for origin in [
        "http://evil.example",
        "http://localhost.evil.example",
        "http://evillocalhost",
        "http://localhost:3003",
        "https://app.example",
        "http://app.example:8443",
        "https://x.app.example:8443",
        "https://app.example:8443.evil.example",
        "https://app.example:8443/",
        "http://localhost http://evil.example",
        "null",
        "",
        "*",
    ] {
        let response = answer(&server, &with(&format!("Origin: {origin}\r\n")));
        let verdict = (response.status, response.code(), response.closes());
        assert_eq!(verdict, (403, "forbidden".into(), true), "{origin:?}");
    }
}

/// Design 3, open mode: neither proxies nor names that were made to point here.
#[test]
fn open_mode_is_for_this_machine() {
    let server = Server::start(&[]);
    let elsewhere = "Host: fanwire.example\r\n";
    for request in [
        with("X-Forwarded-For: 10.0.0.1\r\n"),
        with("Forwarded: for=10.0.0.1\r\n"),
        with("X-Real-IP: 10.0.0.1\r\n"),
        with("Via: 1.1 proxy\r\n"),
        instead("Host: localhost\r\n", elsewhere)
            .replace("\r\n\r\n", "\r\nOrigin: http://fanwire.example\r\n\r\n"),
    ] {
        let response = answer(&server, &request);
        let verdict = (response.status, response.code());
        assert_eq!(verdict, (403, "open_mode_behind_proxy".into()), "{request}");
    }
    let mut wire = Wire::connect(server.port);
    wire.send(instead("Host: localhost\r\n", elsewhere));
    assert_eq!(wire.head().status, 101, "without an Origin the name does not count on upgrades");
    let open = Server::start(&["--open"]);
    let (mut wire, _) = Wire::open_with(open.port, "/ws", "X-Forwarded-For: 10.0.0.1\r\n");
    assert_eq!(wire.json()["type"], "connection");
    let response = answer(&open, &with("Origin: http://evil.example\r\n"));
    assert_eq!(response.status, 403, "--open never lifts the check of Origin");
}

/// Checklist 1.1: frames in the segment of the head are kept; the head may come byte by byte.
#[test]
fn frames_may_follow_the_head_at_once_and_heads_come_in_any_pieces() {
    let server = Server::start(&[]);
    let frames = [text("with the head"), frame(FIN | PING, "p"), close(1000, "")].concat();
    let whole = [crate::wire::handshake("/echo", "").as_bytes(), &frames].concat();
    for size in [whole.len(), 1, 2, 7, 64] {
        let mut wire = Wire::connect(server.port);
        wire.send_chopped(&whole, size);
        assert_eq!(wire.head().status, 101);
        assert_eq!(wire.text(), "with the head");
        assert_eq!(wire.frame().first, FIN | PONG);
        assert_eq!(wire.frame().first, FIN | CLOSE);
        wire.end();
    }
}

/// The same on `/ws`, where the welcome is awaited before anything else is read.
#[test]
fn requests_in_the_segment_of_the_head_are_answered_after_the_welcome() {
    for workers in ["1", "4"] {
        let server = Server::start(&["--workers", workers]);
        let mut wire = Wire::connect(server.port);
        let request = text(r#"{"type":"ping","id":1}"#);
        wire.send([crate::wire::handshake("/ws", "").as_bytes(), &request].concat());
        assert_eq!(wire.head().status, 101);
        assert_eq!(wire.json()["type"], "connection");
        assert_eq!(wire.json()["type"], "pong");
    }
}

/// RFC 9112, section 5; CWE-113: nothing that was asked for can add a line to an answer.
#[test]
fn input_cannot_add_lines_to_an_answer() {
    let server = Server::start(&[]);
    let injection = "%0d%0aSet-Cookie:%20a=b";
    let requests = [
        crate::wire::handshake(&format!("/channels/x{injection}"), ""),
        crate::wire::handshake(&format!("/channels/x?since={injection}&mode=y"), ""),
        crate::wire::handshake(&format!("/{injection}"), ""),
        format!("GET /channels/{injection} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /channels?cursor={injection}&limit=x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        with("Origin: http://evil.example\",\"x\":\"\r\n"),
    ];
    for request in requests {
        let response = answer(&server, &request);
        assert!((400..500).contains(&response.status), "{request}");
        assert_eq!(response.field("set-cookie"), None);
        assert!(response.json()["error"].is_object(), "{request}");
    }
}

/// RFC 6585, section 5; RFC 9110, section 15.5.15: too long is said as soon as it is known.
#[test]
fn heads_are_limited() {
    let server = Server::start(&["--max-header-bytes", "4KiB"]);
    let long = "x".repeat(5000);
    let many = "X: y\r\n".repeat(200);
    for (start, status) in [
        (format!("GET /{long}"), 414),
        (format!("GET /ws HTTP/1.1\r\nX-Long: {long}"), 431),
        (format!("GET /ws HTTP/1.1\r\nHost: localhost\r\n{many}"), 431),
    ] {
        let mut wire = Wire::connect(server.port);
        wire.send(&start);
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (status, true));
        wire.end();
    }
    let mut wire = Wire::connect(server.port);
    wire.send_chopped(format!("GET /ws HTTP/1.1\r\nX-Long: {long}").as_bytes(), 1);
    assert_eq!(wire.response().status, 431, "byte by byte");
    assert_eq!(server.counter(r#"fanwire_limits_total{limit="max_header_bytes"}"#), 4);
}
