//! A handshake, from accept to the end of the connection: calls and allocations.

use crate::alone;
use crate::node::{Cost, Node, leaked, upgrade};
use crate::world::Calls;

/// Connections that come at once.
const AT_ONCE: usize = 50;

/// What one of many connections costs that say this when they come, and then go.
fn visit(path: &str) -> [Cost; 2] {
    let said = leaked(upgrade(path));
    let mut node = Node::new();
    // One stays, so that what all share does; as many have been here before.
    node.open(1, said);
    let mut costs = Vec::new();
    for _ in 0..8 {
        let first = node.office().lines.len();
        let came = node.cost_once(|node| node.office().knock(AT_ONCE as u32, said));
        let lines = first..first + AT_ONCE;
        let left = node.cost_once(|node| lines.for_each(|line| node.office().say(line, None)));
        costs.push([came, left]);
    }
    let fewest = costs
        .split_off(1)
        .into_iter()
        .min_by_key(|[came, left]| came.allocations + left.allocations);
    fewest.expect("several times")
}

/// The welcome of `/ws` leaves with the 101. What all that come at once share are the polls and the
/// last accept.
#[test]
fn system_calls_of_a_handshake() {
    let _alone = alone();
    for path in ["/ws", "/channels/room.7", "/echo"] {
        let [came, left] = visit(path);
        let none = Calls::default();
        let polls = came.calls.polls;
        assert!(polls <= 3, "{path}: {polls} polls for all");
        let each = Calls { registers: AT_ONCE, receives: AT_ONCE, sends: AT_ONCE, ..none };
        assert_eq!(came.calls, Calls { polls, accepts: AT_ONCE + 1, ..each }, "{path}");
        let each = Calls { receives: AT_ONCE, closes: AT_ONCE, ..none };
        assert_eq!(left.calls, Calls { polls: left.calls.polls, ..each }, "{path}");
    }
}

/// The most that were counted when this was written: to be lowered with every gain.
#[test]
fn allocations_of_a_handshake() {
    let _alone = alone();
    for (path, most) in [("/ws", 5), ("/channels/room.7", 3), ("/echo", 0)] {
        let [came, left] = visit(path);
        let each = (came.allocations + left.allocations) as f64 / AT_ONCE as f64;
        // A list that all share grows now and then.
        assert!(each <= f64::from(most) + 0.1, "{path}: {each} allocations");
    }
}
