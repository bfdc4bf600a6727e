//! Raw channels (design 2): bare payloads both ways, beside JSON subscribers; and `/echo`.

use std::time::Instant;

use serde_json::json;
use tungstenite::Message;

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;
use crate::wire::{BINARY, CONTINUATION, FIN, Frame, PATIENCE, TEXT, Wire, frame, text};

/// Opens a raw subscriber and waits until the channel's owner has counted it.
fn open(server: &Server, path: &str) -> Wire {
    let channel = path.split('?').next().expect("a path");
    let subscribers = || server.read_json(channel)["subscribers"].as_u64().expect("a number");
    let before = subscribers();
    let wire = Wire::open(server.port, path);
    let start = Instant::now();
    while subscribers() == before {
        assert!(start.elapsed() < PATIENCE, "it does not become a subscriber of {channel}");
    }
    wire
}

fn binary(payload: &[u8]) -> Frame {
    Frame { first: FIN | BINARY, payload: payload.into() }
}

fn words(payload: &str) -> Frame {
    Frame { first: FIN | TEXT, payload: payload.into() }
}

/// Everyone hears everything, in the same order, each in its own form.
#[test]
fn raw_and_json_subscribers_side_by_side() {
    with_workers(&[], |server| {
        for channel in ["t", "u", "v.1"] {
            let path = format!("/channels/{channel}");
            let mut peer = Peer::open(server.port, "/ws");
            peer.subscribe(channel);
            let mut first = open(server, &path);
            let mut second = open(server, &path);
            first.send(text("not json {"));
            for wire in [&mut first, &mut second] {
                assert_eq!(wire.frame(), words("not json {"));
            }
            let message = peer.receive();
            assert_eq!(message["encoding"], "text");
            assert_eq!(message["data"], "not json {");
            second.send([frame(BINARY, [0, 255]), frame(FIN | CONTINUATION, [1])].concat());
            for wire in [&mut first, &mut second] {
                assert_eq!(wire.frame(), binary(&[0, 255, 1]));
            }
            let message = peer.receive();
            assert_eq!(message["encoding"], "base64");
            assert_eq!(message["data"], "AP8B");
            assert_eq!(message["type"], "message");
            server.publish(channel, r#" {"a" : 1} "#);
            let octets = "Content-Type: application/octet-stream; x=y\r\n";
            assert_eq!(server.post(&path, octets, [0, 1, 2]).status, 200);
            for wire in [&mut first, &mut second] {
                assert_eq!(wire.frame(), words(r#"{"a" : 1}"#), "a publication's data verbatim");
                assert_eq!(wire.frame(), binary(&[0, 1, 2]));
            }
            assert_eq!(peer.receive()["data"], json!({"a": 1}));
            assert_eq!(peer.receive()["data"], "AAEC");
            first.send([text(""), frame(FIN | BINARY, "")].concat());
            for wire in [&mut first, &mut second] {
                assert_eq!(wire.frame(), words(""));
                assert_eq!(wire.frame(), binary(b""));
            }
            assert_eq!(peer.receive()["data"], "");
            assert_eq!(peer.receive()["data"], "");
            let history = server.read_json(&format!("{path}/history"));
            let encodings: Vec<_> = history["messages"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|message| message["encoding"].as_str().unwrap_or("json"))
                .collect();
            assert_eq!(encodings, ["text", "base64", "json", "base64", "text", "base64"]);
        }
    });
}

#[test]
fn not_its_own() {
    with_workers(&[], |server| {
        let mut mute = open(server, "/channels/own?self=0");
        let mut loud = open(server, "/channels/own?self=1");
        for number in 0..10 {
            mute.send(text(&format!("mute {number}")));
            assert_eq!(loud.text(), format!("mute {number}"));
            loud.send(text(&format!("loud {number}")));
            assert_eq!(loud.text(), format!("loud {number}"));
            assert_eq!(mute.text(), format!("loud {number}"));
        }
    });
}

#[test]
fn resuming_and_the_latest() {
    with_workers(&["--history-count", "5"], |server| {
        let positions: Vec<_> = (1..=9).map(|n| server.publish("r", n.to_string())).collect();
        let mut since = Peer::open(server.port, &format!("/channels/r?since={}", positions[5]));
        let mut last = Peer::open(server.port, "/channels/r?last=2");
        let encoded = positions[6].replace(':', "%3A");
        let mut both = Peer::open(server.port, &format!("/channels/r?since={encoded}&last=1"));
        let mut live = open(server, "/channels/r");
        server.publish("r", "10");
        for (peer, first) in [(&mut since, 7), (&mut last, 8), (&mut both, 8)] {
            for number in first..=10 {
                assert_eq!(peer.message(), Message::text(number.to_string()));
            }
        }
        assert_eq!(live.text(), "10");
    });
}

/// What needs an error or a gap closes, for there are no words for it.
#[test]
fn what_cannot_be_said_closes() {
    with_workers(&["--history-count", "5"], |server| {
        let positions: Vec<_> = (1..=9).map(|n| server.publish("g", n.to_string())).collect();
        for since in [&positions[0], "zzz:1", "nonsense"] {
            let mut peer = Peer::open(server.port, &format!("/channels/g?since={since}"));
            assert_eq!(peer.closed(), (4006, "lost".into()), "{since}");
        }
        for path in ["/channels/$all", "/channels/$user"] {
            let mut peer = Peer::open(server.port, path);
            assert_eq!(peer.closed(), (1008, "policy".into()), "{path}");
        }
        for path in ["/channels/a..b", "/channels/a*", "/channels/$x", "/channels/g?last=x"] {
            let mut wire = Wire::connect(server.port);
            wire.send(crate::wire::handshake(path, ""));
            let response = wire.response();
            assert_eq!(response.status, 400, "{path}");
            assert!(["bad_channel", "bad_request"].contains(&&*response.code()), "{path}");
        }
        server.await_counter("fanwire_subscriptions", |count| count == 0);
    });
}

/// Design 4, `pages`: `/echo` is there with the pages, or not at all.
#[test]
fn echo_is_there_with_the_pages() {
    let server = Server::start(&[]);
    let mut peer = Peer::open(server.port, "/echo");
    peer.send_text("as it is");
    assert_eq!(peer.message(), Message::text("as it is"));
    peer.send_binary(&[1, 2]);
    assert_eq!(peer.message(), Message::binary(vec![1, 2]));
    assert_eq!(server.read("/").status, 200);
    let server = Server::start(&["--pages", "false"]);
    let home = server.read("/");
    assert_eq!((home.status, home.field("content-type")), (404, Some("text/plain; charset=utf-8")));
    assert_eq!(home.text().lines().count(), 1);
    let mut wire = Wire::connect(server.port);
    wire.send(crate::wire::handshake("/echo", ""));
    assert_eq!(wire.response().status, 404);
    assert_eq!(server.read("/").status, 404);
}
