//! Heap bytes: of a connection, a subscription, a channel. The slope, so that what there is only
//! once does not count.

use std::sync::Arc;

use fanwire::config::Config;
use fanwire::policy::Policy;
use fanwire::policy::rule::{Presence, Rule};

use crate::node::{Node, leaked, quiet, subscribe, text, upgrade};
use crate::{ALLOCATOR, alone};

fn live_bytes() -> isize {
    let stats = ALLOCATOR.stats();
    // Reallocations are counted in both as what they change.
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

/// Heap bytes per connection that says this and then nothing more.
fn bytes_per_connection(said: Vec<u8>) -> f64 {
    bytes_per_connection_to(Node::new(), said)
}

fn bytes_per_connection_to(mut node: Node, said: Vec<u8>) -> f64 {
    let said = leaked(said);
    node.open(1000, said);
    let before = live_bytes();
    node.open(4000, said);
    (live_bytes() - before) as f64 / 4000.0
}

/// Design 5, bytes of a connection: no heap block belongs to an idle one. Its place in the tables
/// is 100 bytes, its place in `$all` 16; the rest is the last chunk, which is not full.
#[test]
fn of_an_idle_connection() {
    let _alone = alone();
    let idle = bytes_per_connection(upgrade("/ws"));
    assert!((100.0..=140.0).contains(&idle), "{idle} bytes");
    let raw = bytes_per_connection(upgrade("/channels/room.7"));
    assert!((100.0..=140.0).contains(&raw), "{raw} bytes on a raw channel");
    let echo = bytes_per_connection(upgrade("/echo"));
    assert!((100.0..=124.0).contains(&echo), "{echo} bytes on /echo");
    let half = upgrade("/ws");
    let deflate = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let compressed = bytes_per_connection([&half[..half.len() - 2], deflate].concat());
    assert!((100.0..=140.0).contains(&compressed), "{compressed} bytes when it is compressed");
}

/// A subscription is its place in the feed, 16 bytes; beside `$all` the first stands in the
/// connection's entry, and the others in a list of 8 bytes each that doubles.
#[test]
fn of_a_subscription() {
    let _alone = alone();
    let names: Vec<String> = (0..9).map(|number| format!("room.{number}")).collect();
    let with = |count: usize| {
        let wishes = names[..count].iter().flat_map(|name| subscribe(name));
        bytes_per_connection(upgrade("/ws").into_iter().chain(wishes).collect())
    };
    let (none, one, nine) = (with(0), with(1), with(9));
    assert!((15.0..=20.0).contains(&(one - none)), "{} bytes for the first", one - none);
    let more = (nine - one) / 8.0;
    assert!((24.0..=30.0).contains(&more), "{more} bytes for each of the others");
}

/// docs/presence.md: a member without a name of its own takes some 24 bytes at its channel's owner;
/// who hears of the others has one subscription more.
#[test]
fn of_a_member() {
    let _alone = alone();
    let told = |what| {
        let fallback = Arc::new(Rule { presence: what, ..Rule::default() });
        Node::with(Config {
            policy: Arc::new(Policy { fallback, ..Policy::default() }),
            presence_members: 10,
            ..quiet()
        })
    };
    let said = [upgrade("/ws"), subscribe("room.7")].concat();
    let [none, count, full] = [Presence::None, Presence::Count, Presence::Full]
        .map(|what| bytes_per_connection_to(told(what), said.clone()));
    assert!((-1.0..=1.0).contains(&(count - none)), "{} bytes to be counted", count - none);
    assert!((14.0..=40.0).contains(&(full - none)), "{} bytes for a member", full - none);
    let idle = upgrade("/ws");
    let [none, full] = [Presence::None, Presence::Full]
        .map(|what| bytes_per_connection_to(told(what), idle.clone()));
    assert!((-1.0..=1.0).contains(&(full - none)), "an idle connection is nobody's member");
    let wish = r#"{"type":"subscribe","channel":"room.7","data":{"presence":true}}"#;
    let hears = [upgrade("/ws"), text(wish)].concat();
    let hears = bytes_per_connection_to(told(Presence::Count), hears) - count;
    assert!((16.0..=80.0).contains(&hears), "{hears} bytes for hearing");
}

/// ARCHITECTURE, memory: what a channel costs besides its name and its history. The slope, so that
/// tables that double count as they are on the average.
#[test]
fn of_a_channel() {
    let _alone = alone();
    let mut node = Node::new();
    let line = node.open(1, leaked(upgrade("/ws")));
    let mut create = |from: u32, to: u32| {
        let before = live_bytes();
        let publish = |n: u32| text(&format!(r#"{{"type":"publish","channel":"c{n}","data":1}}"#));
        let said: Vec<_> = (from..to).map(|number| leaked(publish(number))).collect();
        let spoken = live_bytes() - before;
        for said in said {
            node.say(line, said);
            node.settle();
        }
        (live_bytes() - before - spoken) as f64 / f64::from(to - from)
    };
    create(0, 4_000);
    let bytes = create(4_000, 12_000);
    assert!((400.0..=560.0).contains(&bytes), "{bytes} bytes");
}

/// After a storm of answers and pages an idle connection is as small as before.
#[test]
fn what_a_connection_needed_is_given_back() {
    let _alone = alone();
    let echo = text(r#"{"type":"echo","data":"x"}"#).repeat(20);
    let history = text(r#"{"type":"history","channel":"room.7"}"#);
    let resumed = text(r#"{"type":"subscribe","channel":"room.7","data":{"last":4}}"#);
    let fragments = [0x01, 0x81, 0, 0, 0, 0, b'{', 0x80, 0x81, 0, 0, 0, 0, b'}'];
    let said = [upgrade("/ws"), echo, history, resumed, fragments.to_vec()].concat();
    let bytes = bytes_per_connection(said);
    assert!((100.0..=190.0).contains(&bytes), "{bytes} bytes");
}
