//! Who the client is behind proxies: what is believed, from whom, and what an address may have
//! then. That the right client is seen shows in whose limit is reached.

use crate::addresses::{REFUSED, connect_from};
use crate::server::Server;
use crate::start::ends;
use crate::wire::{Response, Wire, handshake};

const NO_HEADER: &str = "fanwire_limits_total{limit=\"proxy_protocol\"}";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version 2 header: command, family, and what follows.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    [V2, &[command, family], &(rest.len() as u16).to_be_bytes(), rest].concat()
}

fn v2_from(last: u8) -> Vec<u8> {
    v2(0x21, 0x11, &[203, 0, 113, last, 127, 0, 0, 1, 0, 1, 0, 2])
}

/// A WebSocket handshake from this address, with these header lines.
fn upgrade(from: u8, port: u16, lines: &str) -> (Wire, Response) {
    let mut wire = connect_from(from, port);
    wire.send(handshake("/ws", lines));
    let response = wire.head();
    (wire, response)
}

/// Design 4, `trusted_proxies`: the right-most hop that is not trusted is the client.
#[test]
fn what_a_trusted_proxy_says_is_believed() {
    // 127.0.0.1 asks for counts, and names nobody.
    let trusted = ["--trusted-proxies", "127.0.0.1,127.0.0.2,10.0.0.0/8"];
    let flags = [&trusted[..], &["--max-connections-per-address", "2"]].concat();
    let server = Server::start(&[&flags[..], &["--open"]].concat());
    let mut kept = Vec::new();
    let mut open = |from: u8, lines: &str| {
        let (wire, response) = upgrade(from, server.port, lines);
        kept.push(wire);
        response.status
    };
    let client = "X-Forwarded-For: 203.0.113.7\r\n";
    assert_eq!([open(2, client), open(2, client), open(2, client)], [101, 101, 503]);
    for same in [
        "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n",
        "X-Forwarded-For: 203.0.113.7, 10.1.1.1\r\n",
        "X-Forwarded-For: \"for=,;\r\nX-Forwarded-For: 203.0.113.7\r\n",
        "X-Forwarded-For: ::ffff:203.0.113.7\r\nForwarded: for=1.2.3.4\r\n",
        "Forwarded: for=1.2.3.4, for=\"203.0.113.7:80\"\r\n",
    ] {
        assert_eq!(open(2, same), 503, "{same}");
    }
    let other = "X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n";
    assert_eq!([open(2, other), open(2, other), open(2, other)], [101, 101, 503]);
    // A proxy that does not say has no client to be counted.
    for unknown in ["", "X-Forwarded-For: unknown\r\n", "Forwarded: for=_hidden\r\n"] {
        assert_eq!([open(2, unknown), open(2, unknown), open(2, unknown)], [101; 3]);
    }
    // IPv6 by /64.
    let v6 = |number: u8| format!("Forwarded: for=\"[2001:db8::{number}]\"\r\n");
    assert_eq!([open(2, &v6(1)), open(2, &v6(2)), open(2, &v6(3))], [101, 101, 503]);
    // Nobody else is believed.
    assert_eq!([open(3, "X-Forwarded-For: 1.1.1.1\r\n"), open(3, client)], [101, 101]);
    assert_eq!(open(3, "X-Forwarded-For: 1.1.1.2\r\n"), 503);
    let refused = server.counter(REFUSED);
    assert_eq!(refused, 9);
    drop(kept);
    server.await_counter("fanwire_websockets", |open| open == 0);
    assert_eq!(upgrade(2, server.port, client).1.status, 101, "who leaves makes room");
}

/// A proxy's kept connection carries requests of many clients: each counts while it is answered.
#[test]
fn a_kept_connection_belongs_to_whose_request_it_carries() {
    let flags = ["--trusted-proxies", "127.0.0.0/8", "--max-connections-per-address", "1"];
    let server = Server::start(&[&flags[..], &["--open"]].concat());
    let get = |client: &str| {
        format!("GET /live HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n\r\n")
    };
    let mut first = Wire::connect(server.port);
    let mut second = Wire::connect(server.port);
    for _ in 0..3 {
        for client in ["203.0.113.7", "203.0.113.8"] {
            assert_eq!(first.ask(&get(client)).status, 200);
            assert_eq!(second.ask(&get(client)).status, 200, "the first one's is answered");
        }
    }
    let lines = "X-Forwarded-For: 203.0.113.7\r\n";
    let (_kept, response) = upgrade(1, server.port, lines);
    assert_eq!(response.status, 101);
    let response = first.ask(&get("203.0.113.7"));
    assert_eq!((response.status, response.closes()), (503, true));
    assert_eq!(second.ask(&get("203.0.113.8")).status, 200);
}

/// PROXY protocol, versions 1 and 2, cut at every byte; the request may come along.
#[test]
fn proxy_headers_whole_and_cut() {
    let server = Server::start(&["--trusted-proxies", "127.0.0.2", "--proxy-protocol", "--open"]);
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 28], &[0, 1, 0, 2], &[0x20, 0, 2, 1, 2]].concat();
    for header in [
        b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(),
        b"PROXY UNKNOWN and whatever\r\n".to_vec(),
        v2_from(7),
        v2(0x21, 0x21, &v6),
        v2(0x21, 0x31, &[1; 216]),
        v2(0x20, 0, &[]),
    ] {
        let whole = [&header[..], handshake("/ws", "").as_bytes()].concat();
        for cut in 1..=header.len() {
            let mut wire = connect_from(2, server.port);
            wire.send(&whole[..cut]);
            wire.send(&whole[cut..]);
            assert_eq!(wire.head().status, 101, "{header:?} cut at {cut}");
        }
        let mut wire = connect_from(2, server.port);
        wire.send_chopped(&whole, 1);
        assert_eq!(wire.head().status, 101);
        assert_eq!(wire.json()["type"], "connection");
    }
    assert_eq!(server.counter(NO_HEADER), 0, "who is not trusted needs none");
}

/// A connection from a trusted proxy begins with a header, or ends.
#[test]
fn without_a_proxy_header_there_is_nothing() {
    let server = Server::start(&["--trusted-proxies", "127.0.0.2", "--proxy-protocol", "--open"]);
    let request = b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n";
    let long = v2(0x21, 0x11, &[0; 5000]);
    let wrong = [
        &request[..],
        b"PROXY TCP4 nonsense\r\n",
        b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\n",
        &[b'P'; 3],
        &[b"PROXY ".as_slice(), &[b'x'; 200]].concat(),
        &v2(0x21, 0x12, &[0; 12]),
        &long[..16],
        &long,
    ];
    for (number, first) in wrong.iter().enumerate() {
        let mut wire = connect_from(2, server.port);
        wire.send(first);
        let response = wire.response();
        let verdict = (response.status, response.code(), response.closes());
        assert_eq!(verdict, (400, "bad_request".into(), true), "{first:?}");
        wire.end();
        server.await_counter(NO_HEADER, |count| count == number as u64 + 1);
    }
    // From others a header is no request, and no header either.
    for first in [&b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n\r\n"[..], &v2_from(7)] {
        let mut wire = connect_from(3, server.port);
        wire.send(first);
        assert_eq!(wire.response().status, 400, "{first:?}");
    }
}

/// It has the time of a handshake.
#[test]
fn a_proxy_header_that_does_not_end_is_waited_for_in_vain() {
    let flags = ["--trusted-proxies", "127.0.0.2", "--proxy-protocol", "--open"];
    let server = Server::start(&[&flags[..], &["--handshake-timeout", "300ms"]].concat());
    for start in [&b"PROXY TCP4 203"[..], &v2_from(7)[..20], b"PROXY UNKNOWN\r\n", b""] {
        let mut wire = connect_from(2, server.port);
        wire.send(start);
        assert_eq!(wire.response().status, 408);
    }
}

/// The source of a PROXY header is the client; what its requests say about others is its own word.
#[test]
fn the_source_of_a_proxy_header_is_the_client() {
    let flags = ["--trusted-proxies", "127.0.0.2,10.0.0.0/8", "--max-connections-per-address", "1"];
    let server = Server::start(&[&flags[..], &["--proxy-protocol", "--open"]].concat());
    let open = |header: &[u8], lines: &str| {
        let mut wire = connect_from(2, server.port);
        wire.send([header, handshake("/ws", lines).as_bytes()].concat());
        let status = wire.head().status;
        (wire, status)
    };
    let v1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n";
    let (_first, status) = open(v1, "");
    assert_eq!(status, 101);
    assert_eq!(open(&v2_from(7), "").1, 503);
    assert_eq!(open(&v2_from(7), "X-Forwarded-For: 198.51.100.1\r\n").1, 503);
    assert_eq!(open(&v2_from(8), "X-Forwarded-For: 203.0.113.7\r\n").1, 101);
    // Another trusted proxy behind the first: its word counts.
    let inner = v2(0x21, 0x11, &[10, 0, 0, 1, 127, 0, 0, 1, 0, 1, 0, 2]);
    assert_eq!(open(&inner, "X-Forwarded-For: 203.0.113.7\r\n").1, 503);
    assert_eq!(open(&inner, "X-Forwarded-For: 203.0.113.9\r\n").1, 101);
    assert_eq!(server.counter(REFUSED), 3);
}

/// Open mode is for this machine: a proxy in front of it is said to be one.
#[test]
fn open_mode_has_no_proxies() {
    let said = ends(&["--proxy-protocol", "--trusted-proxies", "127.0.0.1"]).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("proxy_protocol") && said.contains("--open"), "{said}");
    let server = Server::start(&["--trusted-proxies", "127.0.0.0/8"]);
    let (_, response) = upgrade(1, server.port, "X-Forwarded-For: 127.0.0.1\r\n");
    assert_eq!(response.status, 403);
}
