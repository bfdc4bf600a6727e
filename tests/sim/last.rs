//! Last words that are read slowly (design 5, slow readers): whoever takes a byte now and then
//! holds its answer no longer than whoever takes none, and whoever takes them as fast as a slow
//! line gets all of them, however long that takes.

use std::time::Duration;

use fanwire::config::Config;
use fanwire::limits::LEAST_BYTES_PER_SECOND;
use fanwire::metrics::{End, Limit};

use crate::client::codec::{Item, Reader};
use crate::ready::Node;
use crate::world::link::Read;

const STALL_MS: u64 = 3_000;

/// Asks for a long answer, the last one, and takes so many bytes of it every 100 ms. Returns how
/// long that went on, in milliseconds, and whether the whole answer came.
fn read_slowly(node: &mut Node, bytes: usize) -> (u64, bool) {
    let link = node.world.borrow_mut().connect().expect("it listens");
    node.world.borrow_mut().widen(link);
    node.world.borrow_mut().narrow(link, 600);
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let sent = node.world.borrow_mut().client_write(link, request);
    assert_eq!(sent, Some(request.len()));
    let begun = node.world.borrow().now_ms();
    let mut reader = Reader::default();
    loop {
        node.run(None);
        let took = node.world.borrow().now_ms() - begun;
        assert!(took < 600_000, "it goes on for ever");
        let mut buffer = vec![0; bytes];
        match node.world.borrow_mut().client_read(link, &mut buffer) {
            Read::Bytes(count) => reader.feed(&buffer[..count]),
            Read::Nothing => {}
            Read::End | Read::Reset => return (took, false),
        }
        if let Some(Item::Response(200, _)) = reader.next() {
            node.world.borrow_mut().client_close(link);
            return (took, true);
        }
        node.world.borrow_mut().pass(100);
    }
}

fn node(stall: Duration, close: Duration) -> Node {
    let config = Config { workers: 1, open: true, ..Config::default() };
    Node::with(Config { stall_timeout: stall, close_timeout: close, ..config })
}

#[test]
fn last_words_must_come_to_their_end() {
    let (time, none) = (Duration::from_millis(STALL_MS), Duration::ZERO);
    let slow_line = LEAST_BYTES_PER_SECOND / 10 + 20;
    for (stall, close) in [(time, Duration::from_mins(1)), (none, time)] {
        let mut node = node(stall, close);
        let (took, whole) = read_slowly(&mut node, 30);
        assert!(!whole && took < 3 * STALL_MS, "{took} ms, {whole}");
        assert_eq!(node.stats.ended(End::Stalled), 1);
        assert_eq!(node.stats.limited(Limit::Stall), 1);
        let (took, whole) = read_slowly(&mut node, slow_line);
        assert!(whole && took > 3 * STALL_MS, "{took} ms, {whole}");
        assert_eq!(node.stats.ended(End::Stalled), 1);
    }
}
