//! Two workers: how often a publication passes between them, whoever listens. A batch costs three
//! writes of shared memory where it is posted and three where it is collected (a lock, its release,
//! the sum of what waits), a wake one system call; nothing else of a publication is shared but the
//! count of those who hold its frames.

use crate::alone;
use crate::node::{Cost, Node, leaked, quiet, subscribe, text, upgrade};

/// Publications to so many subscribers, half of them on either worker, from a client on one.
fn publications(subscribers: u32, publisher: usize, count: usize, raw: bool) -> Cost {
    let mut config = quiet();
    config.workers = 2;
    let mut node = Node::with(config);
    let (from, to, said) = if raw {
        (upgrade("/channels/a?self=0"), upgrade("/channels/a"), text("hello"))
    } else {
        let publish = text(r#"{"type":"publish","channel":"a","data":1}"#);
        (upgrade("/ws"), [upgrade("/ws"), subscribe("a")].concat(), publish)
    };
    // The door gives to either in turn.
    let publishers = node.open(2, leaked(from));
    node.open(subscribers, leaked(to));
    let said = leaked(said.repeat(count));
    node.cost(publishers + publisher, said);
    node.cost(publishers + publisher, said)
}

/// Where the publisher is on the channel's worker, there is one batch to the other worker, and at
/// most one wake; else one more, there, and what comes back has the answer in it.
#[test]
fn a_publication_is_one_batch_and_at_most_one_wake_for_each_worker() {
    let _alone = alone();
    for (raw, count) in [(true, 1), (true, 16), (false, 1), (false, 16)] {
        let mut batches = [0, 1].map(|publisher| {
            let [few, many] =
                [10, 1000].map(|subscribers| publications(subscribers, publisher, count, raw));
            // The other publisher on a raw channel hears it, and on `/ws` the own one an answer.
            assert_eq!((few.sends(), many.sends()), (11, 1001), "raw: {raw}, {count}");
            assert_eq!(few.allocations, many.allocations, "raw: {raw}, {count}");
            for calls in [few.calls, many.calls] {
                assert_eq!((calls.posts, calls.collects), (few.calls.posts, few.calls.posts));
                assert!(calls.wakes <= calls.posts, "{calls:?}");
            }
            few.calls.posts
        });
        batches.sort_unstable();
        assert_eq!(batches, [1, 2], "raw: {raw}, {count} in one read");
    }
}
