//! The newest of every key (design 2, `mode: latest`): a ticker at the pace that its reader asked
//! for, one who wakes late, and what rules say about slow readers and about payloads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;
use crate::slow::{LONG, TIGHT};
use crate::wire::Wire;

const KEYS: u64 = 1_000;

/// Publishes a tick: of every key the value `tick`, with so many letters beside it.
fn tick(server: &Server, tick: u64, letters: usize) {
    let mut wire = Wire::connect(server.port);
    let pad = "x".repeat(letters);
    for from in (0..KEYS).step_by(100) {
        let item =
            |key| json!({"channel": "prices", "key": format!("k{key}"), "data": [key, tick, pad]});
        let items: Vec<_> = (from..from + 100).map(item).collect();
        let response = wire.post("/publish", "", json!(items).to_string().as_bytes());
        assert_eq!(response.status, 200);
    }
}

/// Ticks of readers that were filled first.
const LATER: u64 = 1_000_000;

/// A subscriber that does not read, is full, and then misses ten ticks of every key.
fn slow_reader(server: &Server) -> Wire {
    let mut wire = open(server);
    wire.keep_little();
    subscribe(&mut wire, &json!({}));
    fill(server);
    for number in 1..=10 {
        tick(server, LATER + number, 1_000);
    }
    wire
}

/// Publishes values of one key, until the one reader's socket is full and stays so, or the reader
/// has been closed for that. The questions in between give each value the time to be sent.
fn fill(server: &Server) {
    let mut wire = Wire::connect(server.port);
    let (mut count, mut full) = (0, 0);
    let is_full = || {
        server.counter("fanwire_blocked_connections") > 0
            || server.counter("fanwire_closes_total{code=\"4001\"}") > 0
    };
    // The kernel takes more now and then: full is what stays full.
    while full < 30 {
        count += 1;
        let item = json!({"channel": "prices", "key": "k0", "data": [0, count, "x".repeat(8_000)]});
        assert_eq!(wire.post("/publish", "", item.to_string().as_bytes()).status, 200);
        full = if is_full() { full + 1 } else { 0 };
    }
}

/// Reads until every key has the value `last`. Values of a key only rise. Returns how many came.
fn read_to(last: u64, mut receive: impl FnMut() -> Value) -> u64 {
    let (mut values, mut count) = (BTreeMap::new(), 0);
    while values.len() < KEYS as usize || values.values().any(|&value| value != last) {
        let message = receive();
        assert_eq!(message["type"], "message", "{message}");
        let number = |at: usize| message["data"][at].as_u64().expect("a number");
        let (key, value) = (number(0), number(1));
        assert_eq!(message["key"], format!("k{key}"));
        let before = values.insert(key, value);
        assert!(before.is_none_or(|before| before < value), "k{key}: {value} after {before:?}");
        count += 1;
    }
    count
}

fn subscribe(wire: &mut Wire, data: &Value) -> Value {
    let request = json!({"type": "subscribe", "id": 1, "channel": "prices", "data": data});
    wire.send(crate::wire::text(&request.to_string()));
    let answer = wire.json();
    assert_eq!(answer["type"], "ack", "{answer}");
    answer
}

/// The welcome is read.
fn open(server: &Server) -> Wire {
    let mut wire = Wire::open(server.port, "/ws");
    wire.json();
    wire
}

#[test]
fn a_ticker_comes_in_rounds() {
    with_workers(&[], |server| {
        let mut paced = open(server);
        subscribe(&mut paced, &json!({"mode": "latest", "max_rate": 2}));
        let mut live = Peer::open(server.port, "/ws");
        live.subscribe("prices");
        let (ticks, mut all) = (30, 0);
        for number in 1..=ticks {
            tick(server, number, 20);
            for _ in 0..KEYS {
                live.receive();
                all += 1;
            }
        }
        assert_eq!(all, ticks * KEYS);
        let came = read_to(ticks, || paced.json());
        assert!(came < all, "{came} of {all}");
        assert!(server.counter("fanwire_rounds_total") > 0);
        assert_eq!(server.counter("fanwire_gaps_total"), 0, "what is superseded is no gap");
        server.await_counter("fanwire_window_bytes", |bytes| bytes == 0);
    });
}

#[test]
fn who_wakes_late_gets_the_newest_of_every_key() {
    with_workers(&[&TIGHT[..], &LONG].concat(), |server| {
        for data in [json!({"mode": "latest"}), json!({"mode": "latest", "max_rate": 50})] {
            let mut wire = open(server);
            wire.keep_little();
            subscribe(&mut wire, &data);
            // Ten megabytes, of which nobody reads any.
            let ticks = 10;
            for number in 1..=ticks {
                tick(server, number, 1_000);
            }
            let came = read_to(ticks, || wire.json());
            assert!(came < ticks * KEYS, "{came}: {data}");
            assert_eq!(server.counter("fanwire_gaps_total"), 0);
        }
    });
}

#[test]
fn joining_gives_the_current_values_where_they_are_asked_for() {
    with_workers(&["--history-count", "2"], |server| {
        for number in 1..=2 {
            tick(server, number, 0);
        }
        let mut wire = open(server);
        subscribe(&mut wire, &json!({"mode": "latest", "last": 100_000}));
        assert_eq!(read_to(2, || wire.json()), KEYS, "each once, though history holds only two");
        let mut raw = Wire::open(server.port, "/channels/prices?mode=latest&last=3");
        for key in KEYS - 3..KEYS {
            assert_eq!(raw.text(), json!([key, 2, ""]).to_string());
        }
        let mut plain = open(server);
        let answer = subscribe(&mut plain, &json!({"mode": "latest"}));
        server.publish("prices", "7");
        let message = plain.json();
        assert_eq!(message["data"], 7, "only what is new");
        assert_ne!(message["id"], answer["data"]["position"]);
    });
}

#[test]
fn last_values_beyond_their_bound_are_told_as_a_gap() {
    with_workers(&["--history-count", "2", "--history-bytes", "16KiB"], |server| {
        let mut early = open(server);
        let start = subscribe(&mut early, &json!({"mode": "latest"}))["data"]["position"].clone();
        tick(server, 1, 0);
        server.await_counter("fanwire_limits_total{limit=\"last_values\"}", |times| times > 0);
        let mut late = open(server);
        let answer = subscribe(&mut late, &json!({"mode": "latest", "since": start}));
        assert_eq!(answer["data"]["recovered"], false);
        let gap = late.json();
        assert_eq!((&gap["type"], &gap["data"]["reason"]), (&json!("gap"), &json!("evicted")));
        let newest = format!("k{}", KEYS - 1);
        while late.json()["key"] != newest.as_str() {}
    });
}

/// A settings file with these rules, which goes with the test.
struct Rules(PathBuf);

impl Rules {
    fn new(name: &str, rules: &str) -> Self {
        let file = std::env::temp_dir().join(format!("fanwire-{name}-{}", std::process::id()));
        std::fs::write(&file, rules).expect("a file");
        Self(file)
    }

    fn flags(&self) -> [&str; 2] {
        ["--config", self.0.to_str().expect("a path")]
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn rules_say_what_becomes_of_slow_readers() {
    let rules = "[[rule]]\npattern = \"prices\"\non_slow = \"close\"\n";
    let rules = Rules::new("close", rules);
    with_workers(&[&TIGHT[..], &LONG, &rules.flags()].concat(), |server| {
        let mut wire = slow_reader(server);
        let mut came = 0;
        let reason = loop {
            let frame = wire.frame();
            if frame.first & 15 == 8 {
                break frame.payload;
            }
            came += 1;
        };
        assert_eq!(reason, [&4001u16.to_be_bytes()[..], b"slow"].concat());
        assert!(came < 10 * KEYS, "it was behind");
        assert_eq!(server.counter("fanwire_closes_total{code=\"4001\"}"), 1);
    });
    let rules = "[[rule]]\npattern = \"prices\"\non_slow = \"latest\"\n";
    let rules = Rules::new("newest", rules);
    with_workers(&[&TIGHT[..], &LONG, &rules.flags()].concat(), |server| {
        let mut wire = slow_reader(server);
        assert!(read_to(LATER + 10, || wire.json()) < 10 * KEYS);
        assert_eq!(server.counter("fanwire_gaps_total"), 0);
    });
}

#[test]
fn rules_say_what_a_channel_takes() {
    let rules = "[[rule]]\npattern = \"j\"\npayload = \"json\"\n\
                 [[rule]]\npattern = \"r\"\npublish_rate = 5\n";
    let rules = Rules::new("takes", rules);
    with_workers(&rules.flags(), |server| {
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("j");
        let mut raw = Wire::open(server.port, "/channels/j");
        raw.send(crate::wire::text(" {\"a\":1}"));
        assert_eq!(raw.text(), " {\"a\":1}");
        let message = peer.receive();
        assert_eq!((&message["data"], &message["encoding"]), (&json!({"a": 1}), &Value::Null));
        raw.send(crate::wire::text("{\"a\":"));
        assert_eq!(raw.close(), Some((1007, "bad_data".into())));
        let mut raw = Wire::open(server.port, "/channels/j");
        raw.send(crate::wire::frame(crate::wire::FIN | crate::wire::BINARY, [1]));
        assert_eq!(raw.close(), Some((1003, "unsupported".into())));
        let text =
            json!({"type": "publish", "id": 1, "channel": "j", "encoding": "text", "data": "x"});
        assert_eq!(peer.refused(&text), "unsupported_data");
        // A second's worth at once, then no more.
        for _ in 0..5 {
            peer.publish("r", &json!(1));
        }
        let more = json!({"type": "publish", "id": 1, "channel": "r", "data": 1});
        assert_eq!(peer.refused(&more), "rate_limited");
        server.publish("r", "1");
        let limited = server.counter("fanwire_limits_total{limit=\"publish_rate\"}");
        assert_eq!(limited, 1);
        // Without words nothing is lost: it is read more slowly.
        let mut raw = Wire::open(server.port, "/channels/r");
        for number in 0..8 {
            raw.send(crate::wire::text(&number.to_string()));
        }
        for number in 0..8 {
            assert_eq!(raw.text(), number.to_string());
        }
    });
}
