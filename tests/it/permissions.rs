//! What rules let clients do, where keys are configured and nobody has a token: every client is
//! anonymous. What is forbidden is answered in order, and counted; raw channels, which have no
//! words, are closed with 4403.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::server::{Server, counter_in, folder};
use crate::wire::{Wire, text};

/// The key that a test asks with, and the line that brings it.
pub const KEY: &str = "test:0123456789abcdef:admin";
pub const BEARER: &str = "Authorization: Bearer 0123456789abcdef\r\n";

const RULES: &str = r#"
[[rule]]
pattern = "open.>"
subscribe = "anyone"
publish = "anyone"

[[rule]]
pattern = "hear.>"
subscribe = "anyone"

[[rule]]
pattern = "drop.>"
subscribe = "backend"
publish = "anyone"

[[rule]]
pattern = "mine.>"
subscribe = "user"
publish = "user"
"#;

/// A counter, asked for with the key.
pub fn counter(server: &Server, name: &str) -> u64 {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{BEARER}\r\n");
    counter_in(&Wire::connect(server.port).ask(&request).text(), name)
}

fn with_rules(name: &str, test: impl Fn(&Server)) {
    let file = folder(name).join("fanwire.toml");
    std::fs::write(&file, format!("api_keys = [\"{KEY}\"]\n{RULES}")).expect("written");
    for workers in ["1", "4"] {
        let file = file.to_string_lossy();
        test(&Server::start(&["--workers", workers, "--config", &file]));
    }
}

fn request(kind: &str, channel: &str) -> Value {
    json!({"type": kind, "id": 1, "channel": channel, "data": {}})
}

#[test]
fn what_a_rule_does_not_allow_is_forbidden() {
    with_rules("permissions-ws", |server| {
        let mut peer = Peer::open(server.port, "/ws");
        let mut forbidden = 0;
        for (kind, channel) in [
            ("subscribe", "other"),
            ("subscribe", "drop.a"),
            ("subscribe", "mine.a"),
            ("history", "other"),
            ("history", "drop.a"),
            ("presence", "other"),
            ("publish", "other"),
            ("publish", "hear.a"),
            ("publish", "mine.a"),
        ] {
            assert_eq!(peer.refused(&request(kind, channel)), "forbidden", "{kind} {channel}");
            forbidden += 1;
        }
        assert_eq!(peer.refused(&request("publish", "$all")), "forbidden");
        peer.subscribe("hear.a");
        peer.ask(&request("history", "hear.a"));
        peer.ask(&request("publish", "drop.a"));
        peer.publish("open.a", &json!(1));
        let refused = r#"fanwire_refusals_total{code="forbidden",over="ws"}"#;
        assert_eq!(counter(server, refused), forbidden + 1);
    });
}

/// With keys and without tokens every connection hears what is for all.
#[test]
fn everybody_hears_what_is_for_all() {
    with_rules("permissions-all", |server| {
        let mut peer = Peer::open(server.port, "/ws");
        assert!(peer.welcome["data"]["position"].is_string());
        assert_eq!(server.post("/broadcast", BEARER, "5").status, 200);
        let broadcast = peer.receive();
        assert_eq!((&broadcast["type"], &broadcast["data"]), (&json!("broadcast"), &json!(5)));
        peer.ask(&json!({"type": "unsubscribe", "id": 1, "channel": "$all"}));
        peer.subscribe("$all");
    });
}

/// A refusal waits for the answers of its channel that were asked for earlier.
#[test]
fn refusals_keep_their_place() {
    with_rules("permissions-order", |server| {
        let mut peer = Peer::open(server.port, "/ws");
        for channel in ["drop.a", "drop.b", "drop.c", "drop.d"] {
            for round in 0..3 {
                peer.send(&json!({"type": "publish", "id": round, "channel": channel, "data": 1}));
                peer.send(&json!({"type": "subscribe", "id": round, "channel": channel}));
            }
            for round in 0..3 {
                for kind in ["ack", "error"] {
                    let answer = peer.receive();
                    assert_eq!((&answer["type"], &answer["id"]), (&json!(kind), &json!(round)));
                }
            }
        }
    });
}

#[test]
fn raw_channels_are_closed() {
    with_rules("permissions-raw", |server| {
        let forbidden = (4403, "forbidden".to_string());
        for channel in ["other", "drop.a", "mine.a"] {
            let mut peer = Peer::open(server.port, &format!("/channels/{channel}"));
            assert_eq!(peer.closed(), forbidden, "{channel}");
        }
        let mut peer = Peer::open(server.port, "/channels/hear.a");
        let mut other = Peer::open(server.port, "/channels/open.a");
        peer.send_text("not here");
        assert_eq!(peer.closed(), forbidden);
        other.send_text("but here");
        assert_eq!(other.message().into_text().expect("text").as_str(), "but here");
        // What comes behind the first message is not looked at.
        let mut wire = Wire::open(server.port, "/channels/hear.a");
        wire.send([text("1"), text("2"), text("3")].concat());
        assert_eq!(wire.frame().payload[..2], 4403_u16.to_be_bytes());
        assert_eq!(counter(server, r#"fanwire_closes_total{code="4403"}"#), 5);
    });
}
