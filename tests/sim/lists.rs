//! Lists that are asked for all at once (design 3): one look a turn, and only so many being made.

use fanwire::limits::LISTS;
use fanwire::metrics::Limit;

use crate::client::codec::{Item, Reader, request};
use crate::ready::Node;
use crate::world::link::Read;

/// What so many clients are answered that all ask for this at the same moment.
fn answers(node: &mut Node, count: usize, path: &str) -> Vec<(u16, String)> {
    let request = request("GET", path, "", b"");
    let (last, most) = request.split_last().expect("a request");
    let mut links = Vec::new();
    for _ in 0..count {
        let link = node.world.borrow_mut().connect().expect("it listens");
        let mut sent = 0;
        while sent < most.len() {
            let written = node.world.borrow_mut().client_write(link, &most[sent..]);
            sent += written.expect("connected");
            node.run(None);
        }
        links.push((link, Reader::default()));
    }
    for (link, _) in &links {
        let sent = node.world.borrow_mut().client_write(*link, &[*last]);
        assert_eq!(sent.expect("connected"), 1);
    }
    let mut answers = Vec::new();
    for _ in 0..100_000 {
        node.run(None);
        links.retain_mut(|(link, reader)| {
            let mut buffer = [0; 4096];
            if let Read::Bytes(count) = node.world.borrow_mut().client_read(*link, &mut buffer) {
                reader.feed(&buffer[..count]);
            }
            let Some(Item::Response(status, body)) = reader.next() else { return true };
            answers.push((status, String::from_utf8(body).expect("text")));
            node.world.borrow_mut().client_close(*link);
            false
        });
        if links.is_empty() {
            return answers;
        }
    }
    panic!("{} have no answer", links.len());
}

#[test]
fn more_lists_than_are_made_at_once_are_refused() {
    for path in ["/connections?limit=5", "/channels?limit=5"] {
        let mut node = Node::new(1);
        let answers = answers(&mut node, LISTS + 50, path);
        let made = answers.iter().filter(|(status, _)| *status == 200).count();
        assert!(made >= LISTS, "{made} of {path}");
        let refused: Vec<_> = answers.iter().filter(|(status, _)| *status != 200).collect();
        assert!(!refused.is_empty(), "{path}");
        for (status, body) in &refused {
            assert_eq!(*status, 503);
            assert!(body.contains(r#""code":"overloaded""#), "{body}");
            assert!(body.contains(r#""retry_after_ms":1000"#), "{body}");
        }
        assert_eq!(node.stats.limited(Limit::Lists), refused.len() as u64);
    }
}
