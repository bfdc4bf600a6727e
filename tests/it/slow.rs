//! Who reads late (design 5, slow readers): a subscriber that does not read while megabytes are
//! published costs nobody anything, and then gets everything in order, or is told exactly what not.

use std::io::Write as _;
use std::thread;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;
use crate::wire::{FIN, RSV1, TEXT, Wire};

/// Push turns to pull early, the kernel holds little, and nobody is ended for being slow.
pub const TIGHT: [&str; 8] = [
    "--window-bytes",
    "16KiB",
    "--unsent-bytes",
    "16KiB",
    "--stall-timeout",
    "0",
    "--ping-interval",
    "0",
];
pub const LONG: [&str; 4] = ["--history-count", "100000", "--history-bytes", "64MiB"];
const SHORT: [&str; 4] = ["--history-count", "30", "--history-bytes", "256KiB"];

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// A subscriber that will not read for a while, by JSON, with few bytes in its kernel.
fn subscriber(server: &Server, channels: &[&str], lines: &str) -> Wire {
    let (mut wire, _) = Wire::open_with(server.port, "/ws", lines);
    wire.keep_little();
    read(&mut wire);
    for channel in channels {
        let request = json!({"type": "subscribe", "id": 1, "channel": channel});
        wire.send(crate::wire::text(&request.to_string()));
        assert_eq!(read(&mut wire)["type"], "ack");
    }
    wire
}

/// The next message, compressed or not; pings are passed over.
fn read(wire: &mut Wire) -> Value {
    loop {
        let frame = wire.frame();
        let bytes = match frame.first {
            first if first == FIN | TEXT => frame.payload,
            first if first == FIN | RSV1 | TEXT => crate::deflate::inflated(15, &frame.payload),
            _ => continue,
        };
        return serde_json::from_slice(&bytes).expect("JSON");
    }
}

/// What number `number` is published with: small, medium and large ones, that hardly compress.
fn data(number: u64) -> Value {
    let length = [100, 3_000, 200, 9_000, 50, 40_000, 15_000][number as usize % 7];
    let mut state = number.wrapping_add(1);
    let text: String = (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + (state >> 58) as u8).max('#')
        })
        .map(|letter| if letter == '\\' { '/' } else { letter })
        .collect();
    json!([number, text])
}

/// Publishes these numbers in batches, round robin to the channels.
fn publish(server: &Server, channels: &[&str], numbers: std::ops::Range<u64>) {
    let mut wire = Wire::connect(server.port);
    let numbers: Vec<u64> = numbers.collect();
    for batch in numbers.chunks(20) {
        let items: Vec<_> = batch
            .iter()
            .map(|&number| {
                let channel = channels[number as usize % channels.len()];
                json!({"channel": channel, "data": data(number)})
            })
            .collect();
        let response = wire.post("/publish", "", json!(items).to_string().as_bytes());
        assert_eq!(response.status, 200);
        let results = response.json();
        assert!(
            results["results"]
                .as_array()
                .is_some_and(|all| all.iter().all(|r| r["id"].is_string()))
        );
    }
}

/// Four megabytes with nobody lost, each sort of subscriber, and one that reads all the time and
/// must not be held up by those that do not read at all.
#[test]
fn everything_arrives_in_order() {
    with_workers(&[&TIGHT[..], &LONG].concat(), |server| {
        let mut slow: Vec<_> = (0..6)
            .map(|n| subscriber(server, &["s"], if n % 2 == 0 { "" } else { DEFLATE }))
            .collect();
        let mut raw = Wire::open(server.port, "/channels/s");
        raw.keep_little();
        server.await_counter("fanwire_subscriptions", |count| count == 13);
        let mut fast = Peer::open(server.port, "/ws");
        fast.subscribe("s");
        let reading = thread::spawn(move || {
            for number in 0..420 {
                assert_eq!(fast.receive()["data"], data(number));
            }
            fast
        });
        publish(server, &["s"], 0..420);
        let mut fast = reading.join().expect("who reads is not held up by who does not");
        fast.ping();
        for wire in &mut slow {
            for number in 0..420 {
                let message = read(wire);
                assert!(message["data"] == data(number), "{number}: {}", message["id"]);
            }
        }
        for number in 0..420 {
            let text = data(number).to_string();
            assert!(raw.text() == text, "{number}");
        }
        assert!(server.counter("fanwire_pulls_total") > 0, "push has turned to pull");
        assert_eq!(server.counter("fanwire_gaps_total"), 0);
        // All follow again.
        publish(server, &["s"], 420..430);
        for wire in &mut slow {
            for number in 420..430 {
                assert!(read(wire)["data"] == data(number));
            }
        }
        server.await_counter("fanwire_window_bytes", |bytes| bytes <= 16 << 10);
    });
}

/// A history too short for the slow: received and told together are everything that was published,
/// in order, and the latest always comes.
#[test]
fn gaps_are_exact() {
    with_workers(&[&TIGHT[..], &SHORT].concat(), |server| {
        let mut slow: Vec<_> = (0..4)
            .map(|n| subscriber(server, &["g"], if n % 2 == 0 { "" } else { DEFLATE }))
            .collect();
        publish(server, &["g"], 0..600);
        for wire in &mut slow {
            let (mut at, mut missed) = (0, 0);
            while at < 600 {
                let message = read(wire);
                if message["type"] == "gap" {
                    let gap = &message["data"];
                    assert_eq!(gap["reason"], "slow");
                    assert_eq!(index(&gap["after"]), at, "the last that it had: {gap}");
                    assert_eq!(index(&gap["to"]) - at, gap["missed"], "{gap}");
                    missed += index(&gap["to"]) - at;
                    at = index(&gap["to"]);
                } else {
                    at += 1;
                    assert_eq!(index(&message["id"]), at, "no untold gap");
                    assert!(message["data"] == data(at - 1), "{at}");
                }
            }
            assert!(missed > 0, "nothing was evicted: the test is too small");
        }
        assert!(server.counter("fanwire_gaps_total") >= 4);
    });
}

fn index(position: &Value) -> u64 {
    let (_, index) = position.as_str().and_then(|text| text.split_once(':')).expect("a position");
    index.parse().expect("a number")
}

/// Several channels of one slow connection: each in its own order, none forgotten.
#[test]
fn several_channels_of_one_reader() {
    with_workers(&[&TIGHT[..], &LONG].concat(), |server| {
        let channels = ["c0", "c1", "c2", "c3", "c4"];
        let mut slow: Vec<_> =
            ["", DEFLATE].map(|lines| subscriber(server, &channels, lines)).into();
        publish(server, &channels, 0..500);
        for wire in &mut slow {
            let mut next: Vec<u64> = (0..5).collect();
            while next.iter().any(|&number| number < 500) {
                let message = read(wire);
                assert_eq!(message["type"], "message", "{message}");
                let number = message["data"][0].as_u64().expect("a number");
                let expected = &mut next[number as usize % 5];
                assert_eq!(number, *expected, "each channel in its order");
                assert!(message["data"] == data(number));
                *expected += 5;
            }
        }
        assert!(server.counter("fanwire_pulls_total") > 0);
    });
}

/// A raw channel has no words for a gap: the reader is closed with 4006, after what is in order.
#[test]
fn a_raw_reader_that_has_lost_its_place_is_closed() {
    with_workers(&[&TIGHT[..], &SHORT].concat(), |server| {
        let mut wire = Wire::open(server.port, "/channels/r");
        wire.keep_little();
        server.await_counter("fanwire_subscriptions", |count| count == 1);
        publish(server, &["r"], 0..600);
        let mut number = 0;
        let code = loop {
            let frame = wire.frame();
            if frame.first != FIN | TEXT {
                let (code, reason) = frame.payload.split_at(2);
                break (code.to_vec(), reason.to_vec());
            }
            assert!(frame.payload == data(number).to_string().as_bytes(), "{number}");
            number += 1;
        };
        assert_eq!(code, (4006_u16.to_be_bytes().to_vec(), b"lost".to_vec()));
    });
}

/// A slow reader that goes on asking: its answers come among the publications, none is lost.
#[test]
fn a_slow_reader_may_also_ask() {
    with_workers(&[&TIGHT[..], &LONG].concat(), |server| {
        let mut wire = subscriber(server, &["q"], "");
        publish(server, &["q"], 0..100);
        for id in 0..50 {
            let request = json!({"type": "publish", "id": id, "channel": "q2", "data": id});
            wire.send(crate::wire::text(&request.to_string()));
        }
        wire.stream.flush().expect("sent");
        publish(server, &["q"], 100..200);
        let (mut number, mut id) = (0, 0);
        while number < 200 || id < 50 {
            let message = read(&mut wire);
            if message["type"] == "ack" {
                assert_eq!(message["id"], id);
                id += 1;
            } else {
                assert!(message["data"] == data(number), "{number}: {}", message["id"]);
                number += 1;
            }
        }
    });
}

/// Subscribers that leave or break off while they lag leave nothing behind.
#[test]
fn who_goes_while_it_lags_leaves_nothing() {
    with_workers(&[&TIGHT[..], &LONG].concat(), |server| {
        let mut slow: Vec<_> = (0..6).map(|_| subscriber(server, &["w"], "")).collect();
        publish(server, &["w"], 0..200);
        for wire in slow.drain(..3) {
            drop(wire);
        }
        for wire in &mut slow {
            let leave = json!({"type": "unsubscribe", "id": "bye", "channel": "w"});
            wire.send(crate::wire::text(&leave.to_string()));
        }
        for wire in &mut slow {
            let mut at = 0;
            loop {
                let message = read(wire);
                if message["id"] == "bye" {
                    assert_eq!(index(&message["data"]["position"]), at, "where it left");
                    break;
                }
                at += 1;
                assert_eq!(index(&message["id"]), at);
            }
        }
        drop(slow);
        server.await_counter("fanwire_subscriptions", |count| count == 0);
        server.await_counter("fanwire_window_bytes", |bytes| bytes == 0);
        assert_eq!(server.read_json("/channels/w")["subscribers"], 0);
    });
}
