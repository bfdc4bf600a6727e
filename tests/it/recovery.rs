//! Resuming (design 2 and 5): what a subscriber hears that was away, and what it is told is lost.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;

fn subscribe(channel: &str, data: &Value) -> Value {
    json!({"type": "subscribe", "id": 1, "channel": channel, "data": data})
}

fn publish(server: &Server, channel: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| server.publish(channel, number.to_string())).collect()
}

fn hears(peer: &mut Peer, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let message = peer.receive();
        assert_eq!(message["data"], number, "{message}");
    }
}

/// The next message is this gap.
fn hears_gap(peer: &mut Peer, after: &Value, to: &str, missed: &Value, reason: &str) {
    let gap = peer.receive();
    assert_eq!(gap["type"], "gap", "{gap}");
    assert_eq!(gap["data"]["after"], *after, "{gap}");
    assert_eq!(gap["data"]["to"], to, "{gap}");
    assert_eq!(gap["data"].get("missed").unwrap_or(&Value::Null), missed, "{gap}");
    assert_eq!(gap["data"]["reason"], reason, "{gap}");
}

#[test]
fn what_history_holds_is_recovered_whole() {
    with_workers(&[], |server| {
        for channel in ["a", "b", "c"] {
            let positions = publish(server, channel, 1..=50);
            let mut peer = Peer::open(server.port, "/ws");
            let joined = peer.ask(&subscribe(channel, &json!({"since": positions[9]})));
            assert_eq!(joined, json!({"position": positions[49], "recovered": true, "missed": 0}));
            hears(&mut peer, 11..=50);
            publish(server, channel, 51..=52);
            hears(&mut peer, 51..=52);
        }
    });
}

/// Before the welcome of each subscriber, while publications go on: nothing twice, nothing lost.
#[test]
fn joining_while_publications_go_on() {
    with_workers(&["--history-count", "100000"], |server| {
        let start = server.publish("busy", "0");
        let port = server.port;
        let publisher = std::thread::spawn(move || {
            let mut peer = Peer::open(port, "/ws");
            for number in 1..=150 {
                peer.publish("busy", &json!(number));
            }
        });
        let mut peers: Vec<_> = (0..40)
            .map(|_| {
                let mut peer = Peer::open(server.port, "/ws");
                peer.ask(&subscribe("busy", &json!({"since": start})));
                peer
            })
            .collect();
        publisher.join().expect("all is published");
        for peer in &mut peers {
            hears(peer, 1..=150);
            peer.ping();
        }
    });
}

#[test]
fn the_latest_alone_and_when_the_position_cannot_be_met() {
    with_workers(&["--history-count", "10"], |server| {
        let positions = publish(server, "l", 1..=30);
        let mut peer = Peer::open(server.port, "/ws");
        let joined = peer.ask(&subscribe("l", &json!({"last": 3})));
        assert_eq!(joined["recovered"], true);
        hears(&mut peer, 28..=30);
        let mut peer = Peer::open(server.port, "/ws");
        peer.ask(&subscribe("l", &json!({"last": 1000})));
        hears(&mut peer, 21..=30);
        let mut peer = Peer::open(server.port, "/ws");
        let joined = peer.ask(&subscribe("l", &json!({"since": positions[24], "last": 1})));
        assert_eq!(joined["recovered"], true, "`last` is for when it cannot be met");
        hears(&mut peer, 26..=30);
        let mut peer = Peer::open(server.port, "/ws");
        let joined = peer.ask(&subscribe("l", &json!({"since": positions[4], "last": 2})));
        assert_eq!((&joined["recovered"], &joined["missed"]), (&json!(false), &json!(23)));
        hears_gap(&mut peer, &json!(positions[4]), &positions[27], &json!(23), "evicted");
        hears(&mut peer, 29..=30);
        let mut peer = Peer::open(server.port, "/ws");
        peer.ask(&subscribe("l", &json!({"last": 0})));
        peer.ping();
    });
}

#[test]
fn what_is_evicted_is_told_exactly() {
    with_workers(&["--history-count", "10"], |server| {
        for channel in ["a", "b", "c"] {
            let positions = publish(server, channel, 1..=30);
            let mut peer = Peer::open(server.port, "/ws");
            let joined = peer.ask(&subscribe(channel, &json!({"since": positions[4]})));
            let expected = json!({"position": positions[29], "recovered": false, "missed": 15});
            assert_eq!(joined, expected);
            hears_gap(&mut peer, &json!(positions[4]), &positions[19], &json!(15), "evicted");
            hears(&mut peer, 21..=30);
            publish(server, channel, 31..=31);
            hears(&mut peer, 31..=31);
        }
    });
}

/// Positions of another epoch, beyond the head, or made up: one gap, and on from the head.
#[test]
fn unknown_positions_are_another_epoch() {
    with_workers(&[], |server| {
        let positions = publish(server, "e", 1..=5);
        let (epoch, _) = positions[4].split_once(':').expect("epoch and index");
        let beyond = format!("{epoch}:6");
        for since in ["zzz:3", "zzz:0", beyond.as_str(), "nonsense", "", ":", "ü", "1:1:1"] {
            let mut peer = Peer::open(server.port, "/ws");
            let joined = peer.ask(&subscribe("e", &json!({"since": since})));
            assert_eq!(joined["recovered"], false, "{since}");
            let gap = peer.receive();
            assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!("e")));
            assert_eq!(
                (&gap["data"]["reason"], &gap["data"]["to"]),
                (&json!("epoch"), &json!(positions[4]))
            );
            peer.ping();
            let last = subscribe("f", &json!({"since": since, "last": 2}));
            assert_eq!(peer.ask(&last)["recovered"], false);
            assert_eq!(peer.receive()["data"]["reason"], "epoch");
        }
        let mut peer = Peer::open(server.port, "/ws");
        peer.ask(&subscribe("e", &json!({"since": "zzz:3", "last": 2})));
        assert_eq!(peer.receive()["data"]["to"], positions[2]);
        hears(&mut peer, 4..=5);
    });
}

/// `history_count = 0`: positions still, and what is not heard live is lost, and told.
#[test]
fn without_history_positions_still_tell() {
    with_workers(&["--history-count", "0"], |server| {
        let positions = publish(server, "n", 1..=3);
        let mut peer = Peer::open(server.port, "/ws");
        let joined = peer.ask(&subscribe("n", &json!({"since": positions[0]})));
        assert_eq!((&joined["recovered"], &joined["missed"]), (&json!(false), &json!(2)));
        hears_gap(&mut peer, &json!(positions[0]), &positions[2], &json!(2), "evicted");
        publish(server, "n", 4..=4);
        hears(&mut peer, 4..=4);
        let mut peer = Peer::open(server.port, "/ws");
        let joined = peer.ask(&subscribe("n", &json!({"since": positions[2]})));
        assert_eq!(joined["missed"], 1);
    });
}

/// `$all`: every client follows it from its welcome, `?since=` resumes it, `unsubscribe` leaves it.
#[test]
fn broadcasts_are_resumed() {
    with_workers(&["--history-count", "5"], |server| {
        let broadcast = |number: u64| {
            let response = server.post("/broadcast", "", number.to_string());
            response.json()["id"].as_str().expect("a position").to_owned()
        };
        let mut peer = Peer::open(server.port, "/ws");
        let first = broadcast(1);
        let message = peer.receive();
        assert_eq!(message["type"], "broadcast");
        assert_eq!((&message["id"], &message["data"]), (&json!(first), &json!(1)));
        assert_eq!(message.get("channel"), None);
        let positions: Vec<_> = (2..=4).map(broadcast).collect();
        hears(&mut peer, 2..=4);
        let mut late = Peer::open(server.port, &format!("/ws?since={first}"));
        assert_eq!(late.welcome["data"]["position"], positions[2]);
        hears(&mut late, 2..=4);
        (5..=9).for_each(|number| drop(broadcast(number)));
        hears(&mut peer, 5..=9);
        hears(&mut late, 5..=9);
        let mut later = Peer::open(server.port, &format!("/ws?since={first}"));
        let gap = later.receive();
        assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!("$all")));
        assert_eq!((&gap["data"]["missed"], &gap["data"]["to"]), (&json!(3), &json!(positions[2])));
        hears(&mut later, 5..=9);
        let leave = json!({"type": "unsubscribe", "id": 1, "channel": "$all"});
        later.ask(&leave);
        broadcast(10);
        later.ping();
        hears(&mut peer, 10..=10);
        later.ask(&subscribe("$all", &json!({"last": 1})));
        hears(&mut later, 10..=10);
    });
}

/// Whoever is welcomed while broadcasts go on hears each one that comes after its `position`.
#[test]
fn nothing_is_lost_at_the_welcome() {
    with_workers(&["--messages-per-second", "0"], |server| {
        let index = |position: &Value| {
            let text = position.as_str().expect("a position");
            text.rsplit(':').next().and_then(|index| index.parse::<u64>().ok()).expect("an index")
        };
        let port = server.port;
        let publisher = std::thread::spawn(move || {
            let mut wire = crate::wire::Wire::connect(port);
            for number in 0..400 {
                assert_eq!(wire.post("/broadcast", "", number.to_string().as_bytes()).status, 200);
            }
        });
        let mut peers: Vec<_> = (0..60).map(|_| Peer::open(server.port, "/ws")).collect();
        publisher.join().expect("all is published");
        for peer in &mut peers {
            for at in index(&peer.welcome["data"]["position"].clone())..400 {
                let message = peer.receive();
                assert_eq!((index(&message["id"]), &message["data"]), (at + 1, &json!(at)));
            }
            peer.ping();
        }
    });
}

/// Publications longer than a page, and a history longer than one answer.
#[test]
fn large_publications() {
    with_workers(&["--history-bytes", "16MiB"], |server| {
        let large =
            |number: usize| json!(format!("{number}{}", "x".repeat(150_000 * (number % 3))));
        let ids: Vec<_> =
            (0..9).map(|number| server.publish("big", large(number).to_string())).collect();
        let mut peer = Peer::open(server.port, "/ws");
        let joined = peer.ask(&subscribe("big", &json!({"since": ids[0]})));
        assert_eq!(joined["recovered"], true);
        for number in 1..9 {
            assert!(peer.receive()["data"] == large(number), "{number}");
        }
        server.publish("big", large(2).to_string());
        assert!(peer.receive()["data"] == large(2));
        for forward in [true, false] {
            let mut at = ids[if forward { 0 } else { 8 }].clone();
            let (mut seen, mut more) = (0, true);
            while more {
                let way = if forward { "since" } else { "before" };
                let data = json!({way: at});
                let history = json!({"type": "history", "id": 1, "channel": "big", "data": data});
                let answer = peer.ask(&history);
                let messages = answer["messages"].as_array().expect("a list");
                more = answer["more"] == true;
                seen += messages.len();
                let edge = if forward { messages.last() } else { messages.first() };
                at = edge.and_then(|edge| edge["id"].as_str()).expect("at least one").into();
            }
            assert_eq!(seen, if forward { 9 } else { 8 }, "each once");
        }
    });
}

/// Nobody there, somebody there, everybody gone: positions of a channel go on.
#[test]
fn positions_go_on_while_nobody_listens() {
    with_workers(&[], |server| {
        let first = server.publish("quiet", "1");
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("quiet");
        drop(peer);
        server.await_counter("fanwire_subscriptions", |count| count == 0);
        publish(server, "quiet", 2..=3);
        let mut peer = Peer::open(server.port, "/ws");
        assert_eq!(peer.ask(&subscribe("quiet", &json!({"since": first})))["recovered"], true);
        hears(&mut peer, 2..=3);
    });
}
