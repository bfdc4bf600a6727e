//! Answers: what is answered to one read costs one send, and what came whole no allocation.

use crate::alone;
use crate::node::{Cost, Node, leaked, text, upgrade};
use crate::world::Calls;

/// What a read costs that is answered: a poll, one receive, for a short one has emptied the socket,
/// and one send.
const ONE_READ: Calls = Calls {
    polls: 1,
    receives: 1,
    sends: 1,
    wakeups: 0,
    accepts: 0,
    registers: 0,
    shutdowns: 0,
    closes: 0,
    posts: 0,
    wakes: 0,
    collects: 0,
};

/// Sixteen echoes in one read cost as many system calls as one: neither one more receive, nor one
/// more send. On many connections that were told of by one poll, that is shared, too.
#[test]
fn system_calls_of_an_echo() {
    let _alone = alone();
    let message = text(&"x".repeat(125));
    for depth in [1, 16] {
        let mut node = Node::new();
        let first = node.open(100, leaked(upgrade("/echo")));
        let said = leaked(message.repeat(depth));
        node.cost(first, said);
        let bytes = depth * (2 + 125);
        assert_eq!(node.cost(first, said), Cost { allocations: 0, calls: ONE_READ, bytes });
        let all = node.cost_of(|node| (first..first + 100).for_each(|line| node.say(line, said)));
        let calls = Calls { receives: 100, sends: 100, ..ONE_READ };
        assert_eq!(all, Cost { allocations: 0, calls, bytes: 100 * bytes });
    }
}

/// A read that filled the buffer is followed by another one: there may be more, and no event will
/// tell.
#[test]
fn a_full_read_is_followed_by_another_one() {
    let _alone = alone();
    let mut node = Node::new();
    let line = node.open(1, leaked(upgrade("/echo")));
    let message = text(&"x".repeat(122));
    assert_eq!(fanwire::limits::READ_BYTES % message.len(), 0);
    let said = leaked(message.repeat(fanwire::limits::READ_BYTES / message.len()));
    node.cost(line, said);
    let cost = node.cost(line, said);
    assert_eq!(cost.calls, Calls { polls: 2, receives: 2, ..ONE_READ });
}

/// An echo of a message that came whole costs no allocation; neither do pings.
#[test]
fn answers_cost_no_allocation() {
    let _alone = alone();
    let ping = [0x89, 0x82, 0, 0, 0, 0, 1, 2];
    let binary = [&[0x82, 0xfe, 0x20, 0, 0, 0, 0, 0][..], &[7; 8192]].concat();
    for (path, said) in [
        ("/echo", text("hello")),
        ("/echo", binary),
        ("/echo", ping.to_vec()),
        ("/ws", ping.to_vec()),
        ("/ws", text(r#"{"type":"ping","id":7}"#)),
        ("/ws", text(r#"{"type":"echo","data":[1,{"a":null}]}"#)),
        ("/ws", text(r#"{"no":"type"}"#)),
    ] {
        let mut node = Node::new();
        let line = node.open(1, leaked(upgrade(path)));
        let said = leaked(said);
        node.cost(line, said);
        let cost = node.cost(line, said);
        let said = said.escape_ascii();
        assert_eq!((cost.allocations, cost.calls), (0, ONE_READ), "{path} {said}");
    }
}

/// All answers to one read leave in one send.
#[test]
fn answers_to_one_read_are_one_send() {
    let _alone = alone();
    let ping = text(r#"{"type":"ping"}"#);
    for (path, said) in [
        ("/echo", text("hello").repeat(100)),
        ("/ws", ping.repeat(100)),
        ("/ws", [text(r#"{"type":"nonsense"}"#), ping, text("{")].concat()),
    ] {
        let mut node = Node::new();
        let line = node.open(1, leaked(upgrade(path)));
        let cost = node.cost(line, leaked(said));
        assert_eq!(cost.sends(), 1, "{path}");
    }
    let mut node = Node::new();
    let line = node.open(1, &[]);
    let request = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let cost = node.cost(line, request);
    assert_eq!(cost.sends(), 1, "an answer is one send");
}
