//! Requests of `fanwire.v1` and their answers (design 2), each with one, two and four workers, so
//! that channels are owned here and elsewhere.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{Wire, text};

/// Runs a test with one, two and four workers.
pub fn with_workers(flags: &[&str], test: impl Fn(&Server)) {
    for workers in ["1", "2", "4"] {
        let server = Server::start(&[&["--workers", workers], flags].concat());
        test(&server);
    }
}

/// Channels that, with several workers, have different owners.
const CHANNELS: [&str; 6] = ["a", "b", "room.7", "room.8", "x:y@z", "~"];

#[test]
fn the_welcome_says_what_holds_here() {
    let flags = [
        "--node-name",
        "n1",
        "--ping-interval",
        "20s",
        "--update-interval",
        "15s",
        "--max-message-bytes",
        "8KiB",
    ];
    with_workers(&flags, |server| {
        let first = Peer::open(server.port, "/ws");
        let second = Peer::open(server.port, "/ws");
        assert_ne!(first.name(), second.name(), "names are unique");
        let data = &first.welcome["data"];
        assert_eq!(data["user"], Value::Null);
        assert_eq!(data["node"], "n1");
        assert!(data["server"].as_str().is_some_and(|name| name.starts_with("fanwire/")));
        assert_eq!(data["protocol"], 1);
        assert!(data["features"].as_array().is_some_and(|all| all.contains(&json!("history"))));
        assert!(data["position"].is_string());
        assert_eq!(data["ping_interval_ms"], 20_000);
        assert_eq!(data["pong_timeout_ms"], 10_000);
        assert_eq!(data["update_interval_ms"], 15_000);
        assert_eq!(data["max_message_bytes"], 8192);
        assert_eq!(data["expires_in_ms"], Value::Null);
        assert!(data["reconnect"]["min_ms"].as_u64() < data["reconnect"]["max_ms"].as_u64());
    });
}

#[test]
fn echo_and_ping() {
    with_workers(&[], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        peer.ping();
        for data in [json!(null), json!("ü\u{1f600}\0"), json!([1, {"a": [true, 1.50]}])] {
            peer.send(&json!({"type": "echo", "id": "e", "data": data}));
            let echo = peer.receive();
            assert_eq!(
                (&echo["type"], &echo["id"], &echo["data"]),
                (&json!("echo"), &json!("e"), &data)
            );
        }
        peer.send(&json!({"hello": [1, 2]}));
        let echo = peer.receive();
        assert_eq!((&echo["type"], &echo["data"]), (&json!("echo"), &json!({"hello": [1, 2]})));
        peer.send_text(r#"{"type":"ping"}"#);
        let pong = peer.receive();
        assert_eq!((&pong["type"], pong.get("id")), (&json!("pong"), None), "no id, no id");
        for id in [json!(0), json!(9_007_199_254_740_991_u64), json!("x".repeat(64)), json!("")] {
            peer.send(&json!({"type": "ping", "id": id}));
            assert_eq!(peer.receive()["id"], id);
        }
    });
}

/// A publication as its subscribers hear it, with the position that its publisher was told.
#[test]
fn publish_and_subscribe() {
    with_workers(&[], |server| {
        let mut publisher = Peer::open(server.port, "/ws");
        let mut subscribers: Vec<_> = (0..5).map(|_| Peer::open(server.port, "/ws")).collect();
        for channel in CHANNELS {
            for peer in &mut subscribers {
                let joined = peer.subscribe(channel);
                assert_eq!(joined["recovered"], true);
                assert_eq!(joined["missed"], 0);
                assert!(joined["position"].is_string());
            }
            let data = json!({"n": 1, "text": "grüß dich"});
            let by_client = publisher.publish(channel, &data);
            let by_backend = server.publish(channel, r#"  {"raw" : 1.50}  "#);
            // Who was answered may yet have to be counted, by another worker.
            let path = format!("/channels/{channel}");
            let described = server.await_json(&path, |found| found["subscribers"] == 5);
            assert_eq!(described["position"], by_backend);
            for peer in &mut subscribers {
                let message = peer.receive();
                assert_eq!(message["type"], "message");
                assert_eq!(message["id"], by_client);
                assert_eq!(message["channel"], channel);
                assert_eq!(message["data"], data);
                assert!(message["timestamp"].is_u64());
                assert_eq!(message.get("from"), None);
                let message = peer.message().into_text().expect("text");
                assert!(message.contains(r#""data":{"raw" : 1.50}"#), "as it stood: {message}");
                assert!(message.contains(&format!(r#""id":"{by_backend}""#)), "{message}");
            }
        }
        for peer in &mut subscribers {
            peer.ping();
        }
    });
}

#[test]
fn subscribing_to_many_at_once() {
    with_workers(&[], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        let since = server.publish("b", "1");
        server.publish("b", "2");
        server.publish("room.7", "3");
        let wishes = json!([
            {"channel": "a"}, {"channel": "b", "since": since}, {"channel": "room.7", "last": 1},
            {"channel": "a"}, {"channel": "bad..name"}, {"channel": "room.8", "since": 5},
            {"channel": "~", "presence": true},
        ]);
        peer.send(&json!({"type": "subscribe", "id": "m", "data": {"channels": wishes}}));
        let mut heard: Vec<(String, String, String)> = Vec::new();
        for _ in 0..10 {
            let message = peer.receive();
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, channel) = (word(&message["type"]), word(&message["channel"]));
            if kind != "message" && kind != "presence" {
                assert_eq!(message["id"], "m", "{message}");
            }
            let what = match &*kind {
                "message" => message["data"].to_string(),
                "error" => word(&message["data"]["code"]),
                _ => String::new(),
            };
            heard.push((kind, channel, what));
        }
        // Answers for one channel keep their order.
        let of = |channel: &str| {
            let of = heard.iter().filter(|heard| heard.1 == channel);
            of.map(|heard| format!("{} {}", heard.0, heard.2)).collect::<Vec<_>>()
        };
        assert_eq!(of("a"), ["ack ", "error already_subscribed"]);
        assert_eq!(of("b"), ["ack ", "message 2"]);
        assert_eq!(of("room.7"), ["ack ", "message 3"]);
        assert_eq!(of("bad..name"), ["error bad_channel"]);
        assert_eq!(of("room.8"), ["error bad_request"]);
        assert_eq!(of("~"), ["ack ", "presence "]);
        server.publish("a", "4");
        assert_eq!(peer.receive()["data"], 4);
    });
}

#[test]
fn unsubscribing_ends_what_comes() {
    with_workers(&[], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        for channel in CHANNELS {
            peer.subscribe(channel);
            let position = server.publish(channel, "1");
            assert_eq!(peer.receive()["data"], 1);
            let left = peer.ask(&json!({"type": "unsubscribe", "id": 2, "channel": channel}));
            assert_eq!(left["position"], position);
            server.publish(channel, "2");
            let again = json!({"type": "unsubscribe", "id": 3, "channel": channel});
            assert_eq!(peer.refused(&again), "bad_request");
            let since = json!({"type": "subscribe", "id": 4, "channel": channel,
                "data": {"since": position}});
            assert_eq!(peer.ask(&since)["recovered"], true);
            assert_eq!(peer.receive()["data"], 2, "resumed where it left");
        }
        server.await_counter("fanwire_subscriptions", |count| count == 7);
        drop(peer);
        server.await_counter("fanwire_subscriptions", |count| count == 0);
    });
}

/// A burst of requests for one channel, in one segment: the answers keep the order, the own
/// publications come in order too, and nothing of the channel comes after it was left.
#[test]
fn answers_keep_their_order_per_channel() {
    with_workers(&[], |server| {
        for channel in CHANNELS {
            let mut wire = Wire::open(server.port, "/ws");
            wire.json();
            let request = |id: u32, kind: &str, rest: &str| {
                text(&format!(r#"{{"type":"{kind}","id":{id},"channel":"{channel}"{rest}}}"#))
            };
            let publish = |id: u32| request(id, "publish", &format!(r#","data":{id}"#));
            let burst = [
                request(1, "subscribe", ""),
                request(2, "subscribe", ""),
                publish(3),
                publish(4),
                request(5, "history", r#","data":{"limit":1}"#),
                request(6, "unsubscribe", ""),
                publish(7),
                request(8, "unsubscribe", ""),
                request(9, "presence", ""),
            ];
            wire.send(burst.concat());
            assert_in_order(&mut wire);
        }
    });
}

/// Reads what the burst brings.
fn assert_in_order(wire: &mut Wire) {
    let (mut answers, mut before) = (Vec::new(), Vec::new());
    while answers.len() < 9 {
        let message = wire.json();
        let (id, data) = (message["id"].clone(), &message["data"]);
        match message["type"].as_str() {
            Some("message") => {
                assert!(answers.len() < 6, "after the ack of unsubscribe: {message}");
                before.push(data.clone());
            }
            Some("ack") => {
                answers.push(id.clone());
                if id == 6 {
                    // Without a position nothing was heard: it left before its first page came.
                    let position = data["position"].as_str().unwrap_or(":0");
                    let heard = format!(":{}", before.len());
                    assert!(position.ends_with(&heard), "{position} is what was heard: {before:?}");
                }
            }
            _ => {
                answers.push(id.clone());
                let code = match id.as_u64() {
                    Some(2) => "already_subscribed",
                    Some(8) => "bad_request",
                    _ => panic!("{message}"),
                };
                assert_eq!(data["code"], code, "{message}");
            }
        }
    }
    assert_eq!(answers, (1..=9).map(|id| json!(id)).collect::<Vec<_>>());
    // What was published just before the end may be after it, and then is told so by `position`.
    assert!([json!(3), json!(4)].starts_with(&before), "{before:?}");
}

/// Requests for one channel are carried out in their order, also when they come at once.
#[test]
fn subscribing_right_behind_an_unsubscribe() {
    with_workers(&[], |server| {
        for channel in CHANNELS {
            let mut peer = Peer::open(server.port, "/ws");
            peer.subscribe(channel);
            peer.send(&json!({"type": "unsubscribe", "id": 1, "channel": channel}));
            peer.send(&json!({"type": "subscribe", "id": 2, "channel": channel}));
            for id in 1..=2 {
                let answer = peer.receive();
                assert_eq!((&answer["type"], &answer["id"]), (&json!("ack"), &json!(id)));
            }
            server.publish(channel, "1");
            assert_eq!(peer.receive()["data"], 1);
        }
    });
}

#[test]
fn idempotency_and_skip_self() {
    with_workers(&[], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        let mut other = Peer::open(server.port, "/ws");
        let mut third = Peer::open(server.port, "/ws");
        for channel in CHANNELS {
            other.subscribe(channel);
            peer.subscribe(channel);
            let publish = json!({"type": "publish", "id": 1, "channel": channel, "data": 1,
                "idempotency_key": "k1", "skip_self": true});
            let first = peer.ask(&publish);
            assert_eq!(first.get("duplicate"), None);
            let again = third.ask(&publish);
            assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
            let by_backend =
                server.post(&format!("/channels/{channel}"), "Idempotency-Key: k1\r\n", "2");
            assert_ne!(by_backend.json()["id"], first["id"], "another publisher's key is another");
            assert_eq!(other.receive()["data"], 1);
            assert_eq!(other.receive()["data"], 2);
            assert_eq!(peer.receive()["data"], 2, "not its own");
        }
    });
}

/// `encoding`: what JSON subscribers and history show of binary and of text.
#[test]
fn publishing_text_and_bytes_by_envelope() {
    with_workers(&[], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("e");
        let mut wire = Wire::open(server.port, "/channels/e");
        server.await_counter("fanwire_subscriptions", |count| count == 3);
        for (encoding, data, first, raw) in [
            ("base64", "AAH/", 0x82, &b"\x00\x01\xff"[..]),
            ("text", "not {json", 0x81, b"not {json"),
        ] {
            peer.send(&json!({"type": "publish", "id": 1, "channel": "e", "data": data,
                "encoding": encoding, "key": "k"}));
            let (mut acked, mut message) = (peer.receive(), peer.receive());
            if acked["type"] != "ack" {
                std::mem::swap(&mut acked, &mut message);
            }
            assert_eq!(acked["type"], "ack");
            assert_eq!((&message["encoding"], &message["data"]), (&json!(encoding), &json!(data)));
            let frame = wire.frame();
            assert_eq!((frame.first, &*frame.payload), (first, raw), "raw subscribers: as it is");
        }
        let bad =
            json!({"type": "publish", "id": 2, "channel": "e", "data": "A", "encoding": "base64"});
        assert_eq!(peer.refused(&bad), "bad_request");
    });
}

#[test]
fn history_in_both_directions() {
    with_workers(&["--history-count", "10"], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        for channel in CHANNELS {
            let positions: Vec<_> =
                (1..=12).map(|n| server.publish(channel, n.to_string())).collect();
            let head = positions[11].clone();
            let mut check = |data: Value, numbers: std::ops::Range<u64>, more: bool| {
                let answer = peer
                    .ask(&json!({"type": "history", "id": 1, "channel": channel, "data": data}));
                let list = answer["messages"].as_array().expect("a list");
                let found: Vec<_> = list.iter().filter_map(|m| m["data"].as_u64()).collect();
                assert_eq!(found, numbers.collect::<Vec<_>>(), "{data}: {answer}");
                assert_eq!(answer["more"], more, "{data}");
                assert_eq!(answer["position"], head);
                for message in list {
                    assert_eq!(message["type"], "message");
                    let at = message["data"].as_u64().expect("a number") as usize - 1;
                    assert_eq!(message["id"], positions[at]);
                }
            };
            check(json!({}), 3..13, false);
            check(json!({"limit": 4}), 9..13, true);
            check(json!({"since": positions[4]}), 6..13, false);
            check(json!({"since": positions[4], "limit": 3}), 6..9, true);
            check(json!({"before": positions[4]}), 3..5, false);
            check(json!({"before": positions[9], "limit": 2}), 8..10, true);
            check(json!({"since": head}), 13..13, false);
            let both = json!({"type": "history", "id": 2, "channel": channel,
                "data": {"since": head, "before": head}});
            assert_eq!(peer.refused(&both), "bad_request");
            let over_http = server
                .read_json(&format!("/channels/{channel}/history?since={}&limit=3", positions[4]));
            assert_eq!(over_http["messages"][0]["data"], 6);
            assert_eq!(over_http["more"], true);
        }
        let unknown = peer.ask(&json!({"type": "history", "id": 1, "channel": "never"}));
        assert_eq!(unknown["messages"], json!([]));
    });
}
