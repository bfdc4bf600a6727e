//! A minute in which nothing is said: how often a worker wakes, and what a round of pings costs.

use std::time::Duration;

use crate::alone;
use crate::node::{Cost, Node, leaked, quiet, subscribe, upgrade};
use crate::world::Calls;

const CONNECTIONS: u32 = 1000;
const MINUTE: Duration = Duration::from_mins(1);

/// In a minute, where there are channels.
const UPKEEPS: usize = 6;
/// Allocations of a ping: its place among what the connection has to say. To be lowered with every
/// gain.
const PER_PING: usize = 4;

fn minute(node: &mut Node) -> Cost {
    node.cost_once(|node| node.office().let_pass(MINUTE))
}

/// Without pings and updates nobody wakes a worker but the upkeep of channels, each ten seconds
/// where there are any.
#[test]
fn a_quiet_worker_sleeps() {
    let _alone = alone();
    for (path, wakeups) in [("/echo", 0), ("/ws", UPKEEPS), ("/channels/room.7", UPKEEPS)] {
        let mut node = Node::new();
        node.open(CONNECTIONS, leaked(upgrade(path)));
        minute(&mut node);
        let cost = minute(&mut node);
        let calls = Calls { polls: wakeups, wakeups, ..Calls::default() };
        assert_eq!(cost, Cost { allocations: 0, calls, bytes: 0 }, "{path}");
    }
}

/// A round of pings is one send and one receive for each connection. They come in eight groups, so
/// that they spread; a group wakes the worker for its pings, and once more to see that the pongs
/// have come. Its sends take a second flush, and its pongs a poll.
#[test]
fn a_round_of_pings() {
    let _alone = alone();
    let mut config = quiet();
    config.ping_interval = MINUTE;
    let mut node = Node::with(config);
    node.open(CONNECTIONS, leaked([upgrade("/ws"), subscribe("room.7")].concat()));
    for _ in 0..4 {
        minute(&mut node);
    }
    let Cost { allocations, calls, bytes } = minute(&mut node);
    let (groups, many) = (8, CONNECTIONS as usize);
    let rest = Calls { polls: calls.polls, wakeups: calls.wakeups, ..Calls::default() };
    assert_eq!(calls, Calls { receives: many, sends: many, ..rest });
    assert!(calls.wakeups <= UPKEEPS + 2 * groups, "{} wakeups", calls.wakeups);
    assert!(calls.polls <= calls.wakeups + 3 * groups, "{} polls", calls.polls);
    assert_eq!(bytes, 2 * many);
    let most = PER_PING * many + groups;
    assert!(allocations <= most, "{allocations} allocations");
}
