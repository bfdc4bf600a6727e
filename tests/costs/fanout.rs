//! A publication: calls, allocations and bytes of its deliveries, by however many subscribers.

use crate::alone;
use crate::node::{Cost, Node, leaked, post, quiet, subscribe, text, told, upgrade};
use crate::world::Calls;

/// A publication by HTTP to few and to many subscribers; each has one channel beside `$all`. The
/// answer to the publisher is left out.
fn delivery(body: &str, path: &str, subscribers: [u32; 2]) -> [Cost; 2] {
    subscribers.map(|subscribers| {
        let mut node = Node::new();
        node.open(subscribers, leaked([upgrade("/ws"), subscribe("room.7")].concat()));
        let backend = node.open(1, &[]);
        let request = post(path, body);
        // What is made once, and kept, is made now.
        node.cost(backend, request);
        let Cost { allocations, mut calls, bytes } = node.cost(backend, request);
        calls.sends -= 1;
        Cost { allocations, calls, bytes }
    })
}

/// Publications in one read from a client to so many who do not publish; the client is answered
/// in an envelope, and hears nothing of its own on a raw channel.
fn publication(subscribers: u32, raw: bool, said: Vec<u8>) -> Cost {
    let mut node = Node::new();
    let (subscriber, publisher) = if raw {
        (upgrade("/channels/room.7"), upgrade("/channels/room.7?self=0"))
    } else {
        ([upgrade("/ws"), subscribe("room.7")].concat(), upgrade("/ws"))
    };
    node.open(subscribers, leaked(subscriber));
    let publisher = node.open(1, leaked(publisher));
    let said = leaked(said);
    node.cost(publisher, said);
    let Cost { allocations, mut calls, bytes } = node.cost(publisher, said);
    calls.sends -= usize::from(!raw);
    Cost { allocations, calls, bytes }
}

fn publish() -> Vec<u8> {
    text(r#"{"type":"publish","channel":"room.7","data":{"n":1}}"#)
}

/// Design 5: nothing per delivery is counted, cloned or allocated, and each is one send. A
/// publication allocates for its frames, its place in the history, its letters and its answer.
#[test]
fn a_delivery_is_one_send_and_no_allocation() {
    let _alone = alone();
    let large = format!("\"{}\"", "x".repeat(20_000));
    for (body, path) in [
        (r#"{"n":1}"#, "/channels/room.7"),
        (r#"{"n":1}"#, "/broadcast"),
        (large.as_str(), "/channels/room.7"),
    ] {
        let [few, many] = delivery(body, path, [10, 1_000]);
        assert_eq!((few.sends(), many.sends()), (10, 1_000), "{path}");
        assert_eq!(few.allocations, many.allocations, "{path}: a delivery allocates nothing");
        assert!(few.allocations <= 24, "{path}: {} allocations per publication", few.allocations);
    }
    for (raw, said, most) in [(false, publish(), 10), (true, text("hello"), 6)] {
        let [few, many] = [10, 10_000].map(|count| publication(count, raw, said.clone()));
        assert_eq!((few.sends(), many.sends()), (10, 10_000), "raw: {raw}");
        assert_eq!(few.allocations, many.allocations, "raw: {raw}");
        assert!(few.allocations <= most, "raw: {raw}: {} allocations", few.allocations);
    }
}

/// Besides its sends a publication takes one poll, one receive, and one look at the others for each
/// full flush.
#[test]
fn system_calls_of_a_publication() {
    let _alone = alone();
    for (raw, said) in [(false, publish()), (true, text("hello"))] {
        let [few, many] = [10, 1280].map(|count| publication(count, raw, said.clone()));
        let once = Calls { polls: 1, receives: 1, sends: 10, ..Calls::default() };
        assert_eq!(few.calls, once, "raw: {raw}");
        let looks = 1280usize.div_ceil(fanwire::limits::FLUSH_SENDS);
        assert!(many.calls.polls <= looks + 1, "{} polls, {looks} flushes", many.calls.polls);
        let polls = many.calls.polls;
        assert_eq!(many.calls, Calls { polls, sends: 1280, ..once }, "raw: {raw}");
    }
}

/// Design 5: K that wait are one contiguous send for each subscriber: 1/K each, on either kind of
/// channel, however they were published.
#[test]
fn a_burst_is_one_send_to_each_subscriber() {
    let _alone = alone();
    let item = r#"{"channel":"room.7","data":1}"#;
    for count in [2, 16, 100] {
        let items = vec![item; count].join(",");
        let [few, many] = delivery(&format!("[{items}]"), "/publish", [10, 1000]);
        assert_eq!((few.sends(), many.sends()), (10, 1000), "{count} publications each");
        assert_eq!(few.allocations, many.allocations, "{count} publications each");
        for (raw, said) in [(false, publish()), (true, text("hello"))] {
            let said = said.repeat(count);
            let [few, many] = [10, 1000].map(|count| publication(count, raw, said.clone()));
            assert_eq!((few.sends(), many.sends()), (10, 1000), "{count}, raw: {raw}");
            assert_eq!(few.allocations, many.allocations, "{count}, raw: {raw}");
            assert_eq!((few.calls.receives, many.calls.receives), (1, 1), "{count}, raw: {raw}");
        }
    }
}

/// A connection with several hot channels is gathered and written once.
#[test]
fn several_channels_are_gathered() {
    let _alone = alone();
    let mut node = Node::new();
    let said = [upgrade("/ws"), subscribe("a"), subscribe("b"), subscribe("c")].concat();
    node.open(100, leaked(said));
    let backend = node.open(1, &[]);
    let all = r#"[{"channels":["a","b","c","a"],"data":1}]"#;
    let cost = node.cost(backend, post("/publish", all));
    assert_eq!(cost.sends(), 101, "one send to each, and the answer");
}

/// What goes over the wire to a raw subscriber is the frame's header and the payload.
#[test]
fn bytes_of_a_raw_delivery() {
    let _alone = alone();
    for (length, header) in [(0, 2), (125, 2), (126, 4), (65_000, 4), (70_000, 10)] {
        let mut config = quiet();
        config.max_message_bytes = 100_000;
        let mut node = Node::with(config);
        node.open(7, leaked(upgrade("/channels/room.7")));
        let publisher = node.open(1, leaked(upgrade("/channels/room.7?self=0")));
        let payload = "x".repeat(length);
        let cost = node.cost(publisher, leaked(text(&payload)));
        assert_eq!(cost.bytes, 7 * (header + length), "{length} bytes to seven");
        assert_eq!(node.office().last, told(0x81, payload.as_bytes()), "{length} bytes");
    }
}

/// In an envelope they are the header and the message, which names its fields once, and has the
/// payload as it was published.
#[test]
fn bytes_of_a_delivery_in_an_envelope() {
    let _alone = alone();
    for data in ["1".to_owned(), format!(r#"{{ "n" : "{}" }}"#, "x".repeat(128))] {
        let mut node = Node::new();
        node.open(7, leaked([upgrade("/ws"), subscribe("room.7")].concat()));
        let publisher = node.open(1, leaked(upgrade("/ws")));
        let publish = format!(r#"{{"type":"publish","channel":"room.7","data":{data}}}"#);
        let publish = leaked(text(&publish));
        node.cost_once(|node| node.say(publisher, publish));
        let last = node.office().last.clone();
        let content = String::from_utf8_lossy(&last[last.len().min(2)..]).into_owned();
        let (_, id) = content.split_once(r#""id":""#).expect("a position");
        let id = id.split('"').next().expect("its end");
        let message = format!(
            r#"{{"type":"message","id":"{id}","channel":"room.7","data":{data},"timestamp":{}}}"#,
            1_790_000_001_000_u64,
        );
        assert_eq!(
            String::from_utf8_lossy(&last),
            String::from_utf8_lossy(&told(0x81, message.as_bytes()))
        );
    }
}
