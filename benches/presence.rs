//! What presence costs where many come: members join a channel one after the other, within ten
//! seconds of the worker's clock, and all of them listen. The real worker over a network that only
//! counts. Told one by one, N of them would cost N²/2 messages; gathered they cost each listener
//! one an interval, and what a change costs does not depend on how many are there. Told by name it
//! does, in bytes, for who joins is told of all: hence `presence_members`.
//!
//! `cargo bench --bench presence`

mod counting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fanwire::config::Config;
use fanwire::metrics::{Counter, Stats};
use fanwire::node::Node;
use fanwire::worker::{Setup, Worker};

use counting::{Counting, message, run};

/// The time in which all of them come, in milliseconds: so many intervals.
const WITHIN_MS: usize = 10_000;

/// What so many joins came to.
struct Cost {
    seconds: f64,
    sends: u64,
    bytes: u64,
    messages: u64,
}

/// A worker with so many clients, welcomed, who then join one after the other.
fn join(members: usize, names: usize) -> Cost {
    let config = Config {
        max_handshakes: members,
        messages_per_second: 0,
        ping_interval: Duration::ZERO,
        update_interval: Duration::ZERO,
        presence_members: names,
        ..Config::default()
    };
    let stats = Arc::new(Stats::new(1));
    let (config, node) = (Arc::new(config), Arc::new(Node::new(7)));
    let setup = Setup { id: 0, config, stats: Arc::clone(&stats), node, seed: 7 };
    let mut worker = Worker::new(setup, Counting::default());
    worker.net().connect(members);
    run(&mut worker);
    let wish = r#"{"type":"subscribe","channel":"room.7","data":{"presence":true}}"#;
    let wish = message(wish);
    let (sends, bytes) = (worker.net().sends, worker.net().bytes);
    let began = Instant::now();
    for socket in 0..members {
        worker.net().say(socket, Some(&wish));
        worker.net().now.mono_ms = (socket * WITHIN_MS / members) as u64;
        run(&mut worker);
    }
    // What was gathered last.
    worker.net().now.mono_ms += 1000;
    run(&mut worker);
    let seconds = began.elapsed().as_secs_f64();
    let net = worker.net();
    let (sends, bytes) = (net.sends - sends, net.bytes - bytes);
    let messages = stats.sum(Counter::PresenceMessages);
    assert!(messages <= 2 + WITHIN_MS as u64 / 1000, "at most one an interval");
    Cost { seconds, sends, bytes, messages }
}

fn main() {
    println!("members who join and listen, all within 10 s: what each of them has cost");
    println!(
        "{:<28}{:>10}{:>12}{:>10}{:>12}{:>25}",
        "", "messages", "us", "sends", "bytes", "sends, told one by one"
    );
    for (what, names) in [("names up to 200, then counts", 200), ("all by name", usize::MAX >> 1)] {
        println!("{what}");
        for members in [1_000, 2_000, 5_000, 10_000] {
            let Cost { seconds, sends, bytes, messages } = join(members, names);
            let each = |sum: f64| sum / members as f64;
            println!(
                "{members:>28}{messages:>10}{:>12.1}{:>10.1}{:>12.0}{:>25.0}",
                each(seconds * 1e6),
                each(sends as f64),
                each(bytes as f64),
                each((members * members / 2) as f64),
            );
        }
    }
}
