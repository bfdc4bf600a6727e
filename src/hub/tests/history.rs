//! Bounds of a channel's history, and of the memory of idempotency keys.

use std::sync::Arc;

use foldhash::fast::FixedState;

use super::publication;
use crate::hub::history::{Bounds, History, PUBLICATION_OVERHEAD, cost};
use crate::hub::idempotency::{ENTRY_OVERHEAD, Keys};
use crate::hub::{Epoch, Position};

const NONE: Bounds = Bounds { count: usize::MAX, bytes: usize::MAX, age_ms: 0 };

fn position(index: u64) -> Position {
    Position { epoch: Epoch(1), index }
}

/// Publications 1 to `count` of 10 bytes, one a millisecond.
fn filled(count: u64, bounds: &Bounds) -> History {
    let mut history = History::default();
    for index in 1..=count {
        history.push(Arc::new(publication(position(index), &[b'1'; 10])), index, bounds);
    }
    history
}

fn indices(history: &History) -> Vec<u64> {
    history.from(0).map(|publication| publication.position.index).collect()
}

fn last_values(history: &History) -> Vec<u64> {
    history.newest(0).map(|publication| publication.position.index).collect()
}

#[test]
fn holds_as_many_as_the_tightest_bound_allows() {
    let each = PUBLICATION_OVERHEAD + 10;
    let cases = [
        (NONE, 1..=9),
        (Bounds { count: 3, ..NONE }, 7..=9),
        (Bounds { count: 1, ..NONE }, 9..=9),
        (Bounds { bytes: 4 * each, ..NONE }, 6..=9),
        (Bounds { bytes: 4 * each - 1, ..NONE }, 7..=9),
        (Bounds { bytes: 0, ..NONE }, 9..=9),
        (Bounds { age_ms: 2, ..NONE }, 7..=9),
        (Bounds { count: 2, bytes: 4 * each, age_ms: 5 }, 8..=9),
    ];
    for (bounds, held) in cases {
        let history = filled(9, &bounds);
        assert_eq!(indices(&history), held.clone().collect::<Vec<_>>(), "{bounds:?}");
        assert_eq!(history.bytes(), history.len() * each);
        assert_eq!(history.first(), Some(*held.start()));
    }
    let history = filled(9, &Bounds { count: 0, ..NONE });
    assert_eq!((history.len(), history.bytes(), history.first()), (0, each, None));
    assert_eq!(last_values(&history), [9]);
}

#[test]
fn the_newest_stays_however_old() {
    let mut history = filled(3, &NONE);
    history.hold(1_000_000, &Bounds { age_ms: 1, ..NONE });
    assert_eq!(indices(&history), [3]);
    while history.shed() {}
    assert_eq!((indices(&history), history.bytes(), history.forgotten()), (vec![], 0, 3));
    assert!(history.is_empty());
}

#[test]
fn gives_what_it_still_holds_from_a_place_on() {
    let history = filled(9, &Bounds { count: 4, ..NONE });
    for (from, first) in [(0, 6), (6, 6), (8, 8), (10, 10), (u64::MAX, 10)] {
        let given: Vec<_> = history.from(from).map(|p| p.position.index).collect();
        assert_eq!(given, (first..=9).collect::<Vec<_>>(), "from {from}");
    }
    assert_eq!(History::default().from(3).count(), 0);
}

#[test]
fn everything_that_grows_with_the_input_is_charged() {
    let mut publication = publication(position(1), b"12345");
    publication.from = Some("ann".into());
    publication.key = Some("k".into());
    assert_eq!(cost(&publication), PUBLICATION_OVERHEAD + 5 + 3 + 1);
}

#[test]
fn a_key_is_remembered_for_its_age() {
    let mut keys = Keys::new(100, 10_000, FixedState::default());
    let name = Keys::name("room", "ann", "1");
    assert_eq!(keys.seen(&name, 0), None);
    keys.remember(&name, position(7), 5);
    assert_eq!(keys.seen(&name, 105), Some(position(7)));
    assert_eq!(keys.seen(&name, 106), None);
    assert_eq!(keys.bytes(), 0);
    let mut keys = Keys::new(0, 10_000, FixedState::default());
    keys.remember(&name, position(7), 5);
    assert_eq!((keys.seen(&name, 5), keys.bytes()), (None, 0));
}

#[test]
fn the_oldest_keys_go_when_there_are_too_many_bytes() {
    let name = |number: u64| Keys::name("room", "ann", &number.to_string());
    let each = ENTRY_OVERHEAD + name(1).len();
    let mut keys = Keys::new(1000, 3 * each, FixedState::default());
    for number in 1..=5 {
        keys.remember(&name(number), position(number), number);
    }
    let seen: Vec<_> = (1..=5).filter(|&number| keys.seen(&name(number), 5).is_some()).collect();
    assert_eq!((seen, keys.bytes()), (vec![3, 4, 5], 3 * each));
    // One that is larger than all there is room for leaves nothing behind.
    keys.remember(&vec![1; 3 * each], position(9), 6);
    assert_eq!(keys.bytes(), 0);
}

#[test]
fn parts_of_a_key_cannot_be_taken_for_each_other() {
    let parts = ["", "a", "b", "ab", "\0", "a\0", "\0\0\0\0\0\0\0\u{1}a", "1"];
    let mut names = std::collections::HashSet::new();
    for channel in ["a", "ab", "a.b"] {
        for publisher in parts {
            for key in parts {
                let name = Keys::name(channel, publisher, key);
                assert!(names.insert(name), "{channel:?} {publisher:?} {key:?}");
            }
        }
    }
}

#[test]
fn old_keys_are_forgotten_a_few_at_a_time_and_not_believed_meanwhile() {
    let mut keys = Keys::new(100, usize::MAX, FixedState::default());
    let name = |number: usize| Keys::name("room", "ann", &number.to_string());
    let position = |index| Position { epoch: Epoch(1), index };
    for number in 0..5_000 {
        keys.remember(&name(number), position(1), 0);
    }
    let full = keys.bytes();
    assert_eq!(keys.seen(&name(4_999), 101), None, "it is old, though still held");
    assert!(keys.bytes() > full / 2, "one look forgets few");
    keys.remember(&name(4_999), position(2), 101);
    for _ in 0..5 {
        keys.expire(101);
    }
    assert_eq!(keys.bytes(), ENTRY_OVERHEAD + name(4_999).len());
    assert_eq!(keys.seen(&name(4_999), 101), Some(position(2)), "the newer one counts");
}
