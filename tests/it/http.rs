//! HTTP/1.1 on the socket (RFC 9110, RFC 9112; design 3): requests one after the other, bodies,
//! limits, and what must never be taken for a second request.

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{Wire, handshake, text};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Sends `request` followed by another; the first must get this status and end the connection, and
/// the second must not be carried out.
fn assert_ends_with(server: &Server, request: &str, status: u16) {
    let before = server.read_json("/channels/smuggled")["position"].clone();
    let mut wire = Wire::connect(server.port);
    wire.send(format!("{request}{}", post("/channels/smuggled", "1")));
    let response = wire.response();
    assert_eq!((response.status, response.closes()), (status, true), "{request}");
    wire.end();
    assert_eq!(server.read_json("/channels/smuggled")["position"], before, "{request}");
}

/// RFC 9112, sections 9.3 and 9.3.2: connections are kept; pipelined requests are answered in
/// order, though some wait for other workers and some do not.
#[test]
fn requests_follow_each_other_in_order() {
    for workers in ["1", "2", "4"] {
        let server = Server::start(&["--workers", workers]);
        let mut wire = Wire::connect(server.port);
        for _ in 0..3 {
            assert_eq!(wire.ask(&get("/live")).status, 200);
        }
        let mut all = String::new();
        for number in 0..100 {
            all += &post(&format!("/channels/pipe.{}", number % 7), &number.to_string());
            all += &get("/live");
            all += &get(&format!("/channels/pipe.{}/history?limit=1", number % 7));
            all += &get("/nothing");
        }
        for size in [all.len(), 1000, 17] {
            wire.send_chopped(all.as_bytes(), size);
            for number in 0..100 {
                assert!(wire.response().json()["id"].is_string());
                assert_eq!(wire.response().json()["status"], "ok");
                let history = wire.response().json();
                assert_eq!(history["messages"][0]["data"], number, "{history}");
                assert_eq!(wire.response().status, 404);
            }
        }
    }
}

/// RFC 9112, sections 6 and 7.1: bodies by length and in chunks, however they are cut; a body ends
/// where it says, and the next request begins there.
#[test]
fn bodies_by_length_and_in_chunks() {
    let server = Server::start(&[]);
    let chunked = "POST /channels/chunks HTTP/1.1\r\nHost: localhost\r\n\
        Transfer-Encoding: chunked\r\n\r\n\
        1\r\n[\r\n005;ext=\"a\"\r\n1,2,3\r\n1\r\n]\r\n0\r\nTrailer: x\r\n\r\n";
    let both = format!("{chunked}{}{}", post("/channels/chunks", "\"whole\""), get("/live"));
    let mut wire = Wire::connect(server.port);
    for size in [both.len(), 1, 3, 50] {
        wire.send_chopped(both.as_bytes(), size);
        for _ in 0..3 {
            assert_eq!(wire.response().status, 200);
        }
    }
    let history = server.read_json("/channels/chunks/history");
    let data: Vec<_> = history["messages"].as_array().expect("a list").iter().collect();
    assert_eq!(data.len(), 8);
    assert!(data.chunks(2).all(|pair| {
        pair[0]["data"] == serde_json::json!([1, 2, 3]) && pair[1]["data"] == "whole"
    }));
}

/// RFC 9110, section 9.3.1: a GET may have a body, which means nothing and is read.
#[test]
fn a_body_where_none_is_needed_is_read() {
    let server = Server::start(&[]);
    let mut wire = Wire::connect(server.port);
    let inner = post("/channels/smuggled", "1");
    for _ in 0..2 {
        wire.send(post("/live", &inner).replacen("POST", "GET", 1));
        assert_eq!(wire.response().status, 200);
    }
    wire.send(get("/status"));
    assert_eq!(wire.response().json()["publications"], 0);
}

/// RFC 9110, section 10.1.1.
#[test]
fn who_expects_to_be_told_to_continue_is_told() {
    let server = Server::start(&[]);
    let mut wire = Wire::connect(server.port);
    let head = "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n";
    wire.send(format!("{head}Content-Length: 2\r\n\r\n"));
    assert_eq!(wire.head().status, 100);
    wire.send("42");
    assert_eq!(wire.response().status, 200);
    let refused = format!("{head}Content-Length: 99999999\r\n\r\n");
    wire.send(refused);
    assert_eq!(wire.response().status, 413, "a final answer instead of a 100");
    wire.end();
    let other = format!("{}Content-Length: 2\r\n\r\n", head.replace("100-continue", "x"));
    assert_ends_with(&server, &other, 417);
}

/// RFC 9110, section 9.3.2: HEAD is GET without the body.
#[test]
fn head_has_no_body() {
    let server = Server::start(&[]);
    let mut wire = Wire::connect(server.port);
    for path in ["/live", "/", "/channels/x", "/nothing", "/ws"] {
        let get = wire.ask(&get(path));
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = wire.head();
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.field("content-length"), get.field("content-length"), "{path}");
        assert_eq!(head.field("content-type"), get.field("content-type"), "{path}");
        if get.closes() {
            wire.end();
            wire = Wire::connect(server.port);
        }
    }
    assert_eq!(wire.ask(&get("/live")).status, 200, "no body was in the way");
}

/// RFC 9110, sections 15.5.5 and 15.5.6; the connection goes on.
#[test]
fn unknown_paths_and_methods() {
    let server = Server::start(&[]);
    let mut wire = Wire::connect(server.port);
    for path in ["/nothing", "/channels/a/b", "/v2/x", "/socket.io/", "/live/", "/demo/../x"] {
        let response = wire.ask(&get(path));
        assert_eq!((response.status, response.code()), (404, "not_found".into()), "{path}");
        assert!(!response.closes());
    }
    for (method, path, allow) in [
        ("DELETE", "/live", "GET, HEAD"),
        ("GET", "/broadcast", "POST"),
        ("GET", "/publish", "POST"),
        ("PATCH", "/channels/x", "GET, HEAD, POST"),
        ("OPTIONS", "/channels", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("GET", "/connections/x", "DELETE"),
        ("POST", "/users/a/subscriptions/b", "PUT, DELETE"),
    ] {
        let response = wire.ask(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let verdict = (response.status, response.code(), response.field("allow"));
        assert_eq!(verdict, (405, "method_not_allowed".into(), Some(allow)), "{method} {path}");
        assert!(!response.closes());
    }
    assert_eq!(wire.ask(&post("/users/ann", "1")).code(), "not_enabled");
    assert_eq!(wire.ask(&get("/channels?limit=0")).code(), "bad_request");
    assert_eq!(wire.ask(&get("/channels/a%ff")).code(), "bad_request");
}

/// RFC 9110, section 15.5.14: too much is refused when it is announced, or when it has come.
#[test]
fn bodies_are_limited() {
    let server = Server::start(&["--max-body-bytes", "2KiB"]);
    let long = "1".repeat(2049);
    assert_ends_with(&server, &post("/channels/x", &long), 413);
    let chunked = format!(
        "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
         800\r\n{}\r\n1\r\n1\r\n0\r\n\r\n",
        &long[..2048]
    );
    assert_ends_with(&server, &chunked, 413);
    let endless = chunked.replace("800\r\n", "ffffffffffffffff\r\n");
    assert_ends_with(&server, &endless, 413);
    assert_eq!(server.counter(r#"fanwire_limits_total{limit="max_body_bytes"}"#), 3);
    assert_eq!(server.post("/channels/x", "", "1".repeat(2048)).status, 200, "the limit itself");
}

/// RFC 9112, sections 6.1, 6.3, 7.1 and 11.2: what two parsers could read differently.
#[test]
fn ambiguous_bodies_are_refused() {
    let server = Server::start(&[]);
    let head = "POST /channels/x HTTP/1.1\r\nHost: localhost\r\n";
    for lines in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\n1",
        "Content-Length: 1\r\nContent-Length: 1\r\n\r\n1",
        "Content-Length: 1, 1\r\n\r\n1",
        "Content-Length: +1\r\n\r\n1",
        "Content-Length: 0x1\r\n\r\n1",
        "Content-Length: 1 \x0b\r\n\r\n1",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1 \r\n1\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n+1\r\n1\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\n1\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n12\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\n1\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\n",
    ] {
        assert_ends_with(&server, &format!("{head}{lines}"), 400);
    }
    assert_ends_with(&server, &format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
    let old = format!("{head}Transfer-Encoding: chunked\r\n\r\n").replace("/1.1", "/1.0");
    assert_ends_with(&server, &old, 400);
    assert_ends_with(&server, &get("/live").replace("/1.1", "/2.0"), 505);
    assert_ends_with(&server, &get("/live").replace("/1.1", "/1.0"), 200);
    assert_ends_with(
        &server,
        &get("/live").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
        200,
    );
}

/// Design 3: a page of another site may do nothing, on any route; neither may the body of its
/// request, which is under its control, be carried out as a second request.
#[test]
fn a_foreign_page_may_do_nothing() {
    let server = Server::start(&[]);
    let inner = post("/channels/smuggled", "1");
    let length = inner.len();
    for (method, path) in [
        ("POST", "/broadcast"),
        ("POST", "/channels/x"),
        ("POST", "/publish"),
        ("POST", "/nothing"),
        ("POST", "/live"),
        ("PUT", "/ws"),
        ("GET", "/ws"),
        ("GET", "/status"),
        ("GET", "/metrics"),
        ("GET", "/channels"),
        ("GET", "/"),
        ("DELETE", "/connections/x"),
    ] {
        for lines in [
            "Origin: http://evil.example\r\n",
            "Origin: null\r\n",
            "Host: evil.example\r\nOrigin: http://evil.example\r\n",
            "X-Forwarded-For: 10.0.0.1\r\n",
            "Origin: http://evil.example\r\nExpect: 100-continue\r\n",
        ] {
            let host = if lines.starts_with("Host") { "" } else { "Host: localhost\r\n" };
            let request = format!(
                "{method} {path} HTTP/1.1\r\n{host}{lines}Content-Length: {length}\r\n\r\n{inner}"
            );
            assert_ends_with(&server, &request, 403);
        }
    }
    let same = "POST /broadcast HTTP/1.1\r\nHost: localhost:80\r\nOrigin: http://localhost\r\n\
                Content-Length: 1\r\n\r\n1";
    assert_eq!(Wire::connect(server.port).ask(same).status, 200);
}

/// Any early refusal of a request whose body is still to come ends the connection.
#[test]
fn an_unread_body_is_never_a_request() {
    let server = Server::start(&[]);
    let inner = post("/channels/smuggled", "1");
    for (start, status) in
        [("POST /nothing", 404), ("POST /live", 405), ("DELETE /channels/x", 405), ("GET /ws", 426)]
    {
        let length = inner.len();
        let head = format!("{start} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
        assert_ends_with(&server, &format!("{head}\r\n{inner}"), status);
    }
    // A body that was read is over: the next request is one.
    let mut wire = Wire::connect(server.port);
    wire.send([post("/channels/bad..name", &inner), get("/live")].concat());
    assert_eq!(wire.response().code(), "bad_channel");
    assert_eq!(wire.response().status, 200);
    assert!(server.read_json("/channels/smuggled")["position"].is_null());
}

/// Design 3, open mode on plain HTTP: names that are this machine's, and no others.
#[test]
fn hosts_of_this_machine() {
    let server = Server::start(&[]);
    let asked = |host: &str| {
        let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Wire::connect(server.port).ask(&request).status
    };
    for host in ["localhost", "LocalHost:3003", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:1"] {
        assert_eq!(asked(host), 200, "{host}");
    }
    for host in ["example.org", "localhost.example", "128.0.0.1", "[::2]", "127.0.0.1.example"] {
        assert_eq!(asked(host), 403, "{host}");
    }
    // RFC 9112, section 3.2.2: the host of an absolute target counts.
    let absolute = "GET http://example.org/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(Wire::connect(server.port).ask(absolute).status, 403);
    for host in ["", "a b", "localhost:x", "[::1", "localhost:99999", "a@localhost", "a/b"] {
        assert_eq!(asked(host), 400, "{host:?}");
    }
}

/// RFC 9112, section 9.6: a client that has half-closed still gets its answers, also those that
/// wait for other workers, and then the end.
#[test]
fn half_closed_clients_get_their_answers() {
    for workers in ["1", "4"] {
        let server = Server::start(&["--workers", workers]);
        for requests in [1, 20] {
            let mut wire = Wire::connect(server.port);
            wire.send(post("/channels/half", "1").repeat(requests));
            wire.fin();
            for _ in 0..requests {
                assert_eq!(wire.response().status, 200);
            }
            wire.end();
        }
        // The last one is answered at once, in the very read that finds the end of the stream.
        let mut wire = Wire::connect(server.port);
        wire.send([get("/channels/half"), get("/status")].concat());
        wire.fin();
        assert_eq!(wire.response().status, 200);
        assert_eq!(wire.response().status, 200, "the last answer");
        wire.end();
    }
}

/// Design 5: what many requests of one read are answered is sent while it is made, and who does not
/// take it is not read: small questions with long answers cost bounded memory.
#[test]
fn pipelined_questions_cost_bounded_memory() {
    let server = Server::start(&["--stall-timeout", "20s"]);
    let mut wires: Vec<_> = (0..20).map(|_| Wire::connect(server.port)).collect();
    let before = server.resident_bytes();
    for wire in &mut wires {
        wire.keep_little();
        // 60 KiB of questions with some 30 MiB of answers.
        wire.send(get("/demo/live.js").repeat(900));
    }
    server.await_counter("fanwire_short_writes_total", |count| count >= 20);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} bytes for 600 MiB of answers");
    drop(wires);
    server.await_counter("fanwire_connections", |count| count <= 1);
}

/// Design 3: one item for many channels is kept once.
#[test]
fn a_batch_for_many_channels_keeps_its_payload_once() {
    let server = Server::start(&["--workers", "1"]);
    let channels: Vec<_> = (0..1000).map(|n| format!("\"many.{n}\"")).collect();
    let data = "x".repeat(500_000);
    let body = format!(r#"{{"channels":[{}],"data":"{data}"}}"#, channels.join(","));
    let before = server.resident_bytes();
    let response = server.post("/publish", "", body);
    assert_eq!(response.status, 200, "{}", response.text());
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for half a megabyte");
}

/// Design 4, `max_connections`: the next is told so, with a pace, and those that are there go on.
#[test]
fn a_full_server_says_so() {
    let server = Server::start(&["--max-connections", "3", "--workers", "2"]);
    let mut peers: Vec<_> = (0..3).map(|_| Peer::open(server.port, "/ws")).collect();
    for request in [handshake("/ws", ""), get("/live")] {
        let mut wire = Wire::connect(server.port);
        wire.send(request);
        let response = wire.response();
        assert_eq!((response.status, response.code()), (503, "overloaded".into()));
        let pace = response.field("retry-after").and_then(|pace| pace.parse::<u64>().ok());
        assert!(pace.is_some_and(|pace| (1..=10).contains(&pace)), "{response:?}");
        assert!(response.json()["error"]["retry_after_ms"].is_u64());
        wire.end();
    }
    peers.iter_mut().for_each(Peer::ping);
    drop(peers.pop());
    // The slot is given back in some later turn.
    let start = std::time::Instant::now();
    while Wire::connect(server.port).ask(&get("/live")).status == 503 {
        assert!(start.elapsed() < crate::wire::PATIENCE, "the slot is not given back");
    }
    peers.iter_mut().for_each(Peer::ping);
}

/// Design 4, `max_handshakes`: silent connections do not keep others out for longer than that.
#[test]
fn too_many_handshakes_at_once() {
    let server = Server::start(&["--max-handshakes", "4", "--workers", "1"]);
    let mut silent: Vec<_> = (0..4).map(|_| Wire::connect(server.port)).collect();
    silent[3].send("GET /live HTTP/1.1\r\n");
    let mut wire = Wire::connect(server.port);
    let response = wire.response();
    assert_eq!((response.status, response.code()), (503, "overloaded".into()));
    assert!(response.field("retry-after").is_some());
    wire.end();
    silent[3].send("Host: localhost\r\n\r\n");
    assert_eq!(silent[3].response().status, 200, "who was before is served");
    let mut wire = Wire::connect(server.port);
    assert_eq!(wire.ask(&get("/live")).status, 200, "its place is free");
    assert_eq!(server.counter(r#"fanwire_limits_total{limit="max_handshakes"}"#), 1);
}

/// Frames are no requests, and requests are no frames.
#[test]
fn frames_without_a_handshake() {
    let server = Server::start(&[]);
    let mut wire = Wire::connect(server.port);
    wire.send(text("hello"));
    assert_eq!(wire.response().status, 400);
    wire.end();
    let mut wire = Wire::connect(server.port);
    wire.send([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]);
    assert_eq!(wire.response().status, 400, "a TLS hello");
    wire.end();
}
