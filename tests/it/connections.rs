//! Who is connected (design 3): `GET /connections` and `DELETE /connections/{id}`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;
use crate::wire::{Response, Wire};

fn delete(server: &Server, path: &str) -> Response {
    Wire::connect(server.port).request("DELETE", path, "")
}

fn list(server: &Server, query: &str) -> Vec<Value> {
    let page = server.read_json(&format!("/connections?{query}"));
    page["connections"].as_array().expect("a list").clone()
}

/// All pages of a list behind this cursor, and how many there were.
fn pages(server: &Server, query: &str, cursor: &str) -> (Vec<Value>, usize) {
    let (mut all, mut cursor, mut pages) = (Vec::new(), cursor.to_owned(), 0);
    loop {
        let page = server.read_json(&format!("/connections?{query}{cursor}"));
        all.extend(page["connections"].as_array().expect("a list").iter().cloned());
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (all, pages),
        }
    }
}

fn names(connections: &[Value]) -> BTreeSet<String> {
    let name = |one: &Value| one["connection"].as_str().expect("a name").to_owned();
    connections.iter().map(name).collect()
}

#[test]
fn what_is_told_of_a_connection() {
    with_workers(&["--node-name", "n1"], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("a");
        peer.subscribe("b");
        let raw = Peer::open(server.port, "/channels/a");
        let echo = Peer::open(server.port, "/echo");
        let all = list(server, "");
        assert_eq!(all.len(), 3, "HTTP connections are not listed: {all:?}");
        let of = |endpoint: &str| {
            all.iter().find(|one| one["endpoint"] == endpoint).expect(endpoint).clone()
        };
        let mut one = of("/ws");
        let since_ms = one["since_ms"].take().as_u64().expect("milliseconds");
        assert!(since_ms > 1_600_000_000_000, "since the Unix epoch");
        assert!(one["age_ms"].take().is_u64());
        let expected = json!({
            "connection": peer.name(), "user": null, "address": "127.0.0.1", "node": "n1",
            "endpoint": "/ws", "since_ms": null, "age_ms": null, "subscriptions": 3,
            "queued_bytes": 0, "behind": 0,
        });
        assert_eq!(one, expected);
        assert_eq!(of("/channels/a")["subscriptions"], 1);
        assert_eq!(of("/echo")["subscriptions"], 0);
        assert_eq!(list(server, "channel=a").len(), 2);
        assert_eq!(names(&list(server, "channel=b")), BTreeSet::from([peer.name().into()]));
        assert_eq!(list(server, "channel=$all").len(), 1);
        assert!(list(server, "channel=unknown").is_empty());
        assert!(list(server, "user=ann").is_empty(), "nobody has logged in");
        drop((raw, echo));
        server.await_counter("fanwire_websockets", |count| count == 1);
        assert_eq!(list(server, "").len(), 1);
    });
}

/// A page is bounded, and those who stay are seen once, whoever comes and goes between the pages.
#[test]
fn pages_are_stable() {
    with_workers(&["--max-handshakes", "0"], |server| {
        let mut peers: Vec<_> = (0..50).map(|_| Peer::open(server.port, "/ws")).collect();
        let all: BTreeSet<String> = peers.iter().map(|peer| peer.name().into()).collect();
        let (found, count) = pages(server, "limit=7", "");
        assert_eq!((found.len(), count), (50, 8));
        assert_eq!(names(&found), all);
        let (found, count) = pages(server, "limit=7&sort=queued", "");
        assert_eq!((names(&found), count), (all, 8));
        let first = server.read_json("/connections?limit=20");
        let seen = names(first["connections"].as_array().expect("a list"));
        // Half of all go, those that were seen too, and others come.
        let gone: BTreeSet<String> = peers.drain(..25).map(|peer| peer.name().to_owned()).collect();
        server.await_counter("fanwire_websockets", |count| count == 25);
        let new: Vec<_> = (0..10).map(|_| Peer::open(server.port, "/ws")).collect();
        let next = first["next"].as_str().expect("more");
        let (rest, _) = pages(server, "limit=20", &format!("&cursor={next}"));
        let rest = names(&rest);
        assert!(rest.is_disjoint(&seen) && rest.is_disjoint(&gone));
        for peer in &peers {
            let name = peer.name();
            assert!(seen.contains(name) != rest.contains(name), "{name} is seen once");
        }
        drop(new);
    });
}

/// Who does not read is furthest behind.
#[test]
fn the_slowest_come_first() {
    let flags = ["--unsent-bytes", "4KiB", "--window-bytes", "64KiB", "--ping-interval", "0"];
    with_workers(&flags, |server| {
        let quick: Vec<_> = (0..5).map(|_| Peer::open(server.port, "/ws")).collect();
        let mut slow = Wire::open(server.port, "/ws");
        slow.keep_little();
        let welcome = slow.json();
        let name = welcome["data"]["connection"].as_str().expect("a name");
        slow.send(crate::wire::text(r#"{"type":"subscribe","id":1,"channel":"s"}"#));
        slow.json();
        let data = json!("x".repeat(60_000)).to_string();
        loop {
            server.publish("s", &data);
            let listed = list(server, "sort=queued&limit=3");
            assert_eq!(listed.len(), 3);
            if listed[0]["connection"] == name && listed[0]["behind"].as_u64() > Some(3) {
                assert_eq!(listed[1]["queued_bytes"], 0, "{listed:?}");
                break;
            }
        }
        drop(quick);
    });
}

/// Where the time of the last message is kept, nobody knows when a connection was opened.
#[test]
fn the_age_is_unknown_where_the_last_message_counts() {
    let server = Server::start(&["--idle-timeout", "1h"]);
    let peer = Peer::open(server.port, "/ws");
    let one = &list(&server, "")[0];
    assert_eq!(one["connection"], peer.name());
    assert_eq!((&one["since_ms"], &one["age_ms"]), (&Value::Null, &Value::Null));
}

#[test]
fn bad_questions_about_connections() {
    let server = Server::start(&[]);
    for (query, code) in [
        ("limit=0", "bad_request"),
        ("sort=age", "bad_request"),
        ("cursor=x", "bad_request"),
        ("cursor=0.0.0-0-0-0", "bad_request"),
        ("channel=a..b", "bad_channel"),
        ("channel=a&channel=b", "bad_request"),
    ] {
        let response = server.read(&format!("/connections?{query}"));
        assert_eq!((response.status, &*response.code()), (400, code), "{query}");
    }
}

#[test]
fn the_backend_disconnects() {
    with_workers(&[], |server| {
        let mut peers: Vec<_> = (0..4).map(|_| Peer::open(server.port, "/ws")).collect();
        let mut raw = Peer::open(server.port, "/channels/a");
        let listed = list(server, "channel=a");
        let raw_name = listed[0]["connection"].as_str().expect("a name");
        let gone = peers.pop().expect("one");
        let gone_name = gone.name().to_owned();
        drop(gone);
        server.await_counter("fanwire_websockets", |count| count == 4);
        let name = peers[1].name().to_owned();
        for (path, count) in [
            (format!("/connections/{name}"), 1),
            (format!("/connections/{name}"), 0),
            (format!("/connections/{}?reconnect=true", peers[2].name()), 1),
            (format!("/connections/{raw_name}?reconnect=false"), 1),
            (format!("/connections/{gone_name}"), 0),
            ("/connections/nobody".into(), 0),
            ("/connections/0-0-0-0".into(), 0),
        ] {
            let response = delete(server, &path);
            assert_eq!((response.status, response.json()), (200, json!({"disconnected": count})));
        }
        assert_eq!(peers[1].closed(), (4410, "disconnected".into()));
        assert_eq!(peers[2].closed(), (4007, "moved".into()));
        assert_eq!(raw.closed(), (4410, "disconnected".into()));
        peers[0].ping();
        assert_eq!(names(&list(server, "")), BTreeSet::from([peers[0].name().into()]));
        for (labels, times) in
            [(r#"code="4410",word="disconnected""#, 2), (r#"code="4007",word="moved""#, 1)]
        {
            let name = format!("fanwire_closes_total{{{labels}}}");
            server.await_counter(&name, |count| count == times);
        }
        let bad = delete(server, "/connections/x?reconnect=yes");
        assert_eq!((bad.status, &*bad.code()), (400, "bad_request"));
        let wrong = server.read("/connections/x");
        assert_eq!((wrong.status, wrong.field("allow")), (405, Some("DELETE")));
    });
}

/// One that does not read has its Close behind what waits, and is let go after `close_timeout`.
#[test]
fn one_that_does_not_read_is_let_go() {
    let flags = ["--unsent-bytes", "4KiB", "--close-timeout", "200ms", "--ping-interval", "0"];
    let server = Server::start(&flags);
    let mut slow = Wire::open(server.port, "/ws");
    slow.keep_little();
    let welcome = slow.json();
    let name = welcome["data"]["connection"].as_str().expect("a name");
    let data = json!("x".repeat(60_000)).to_string();
    while list(&server, "")[0]["queued_bytes"] == 0 {
        server.post("/broadcast", "", &data);
    }
    assert_eq!(delete(&server, &format!("/connections/{name}")).json()["disconnected"], 1);
    server.await_counter("fanwire_websockets", |count| count == 0);
}
