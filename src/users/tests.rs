//! The directory of users, against limits of each kind and a slow, obvious model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::limits::UNLIMITED;

fn key(slot: u32) -> ConnectionKey {
    ConnectionKey { worker: (slot % 3) as WorkerId, slot, generation: 1 }
}

fn at_most(connections: usize, replace: bool) -> Allowance {
    Allowance { connections, replace }
}

#[test]
fn a_user_is_counted_and_forgotten() {
    let (users, ann) = (Users::new(1), Arc::from("ann"));
    let free = at_most(UNLIMITED, false);
    let seats: Vec<Seat> =
        (0..6).filter_map(|slot| Some(users.enter(&ann, key(slot), free)?.seat)).collect();
    assert_eq!((seats.len(), users.len()), (6, 1));
    assert_eq!(users.connections("ann", 0), [key(0), key(3)]);
    assert_eq!(users.connections("ann", 2), [key(2), key(5)]);
    assert!(users.connections("bob", 0).is_empty());
    users.leave("ann", seats[3]);
    assert_eq!(users.connections("ann", 0), [key(0)]);
    let left = seats.iter().map(|&seat| users.leave("ann", seat));
    let left: Vec<bool> = left.collect();
    assert_eq!(left, [false, false, false, false, false, true], "one of them a second time");
    assert!(users.is_empty());
}

#[test]
fn who_comes_too_late_is_refused() {
    let (users, ann, bob) = (Users::new(1), Arc::from("ann"), Arc::from("bob"));
    let two = at_most(2, false);
    let first = users.enter(&ann, key(0), two).expect("a seat");
    assert!(first.is_first && first.replaced.is_empty());
    let second = users.enter(&ann, key(1), two).expect("a seat");
    assert!(!second.is_first && second.replaced.is_empty());
    assert_eq!(users.enter(&ann, key(2), two), None);
    assert!(users.enter(&bob, key(3), two).is_some(), "another user's");
    users.leave("ann", first.seat);
    assert!(users.enter(&ann, key(2), two).is_some(), "there is room again");
}

#[test]
fn the_oldest_is_replaced() {
    let (users, ann) = (Users::new(1), Arc::from("ann"));
    let mut seats = Vec::new();
    for slot in 0..4 {
        let entered = users.enter(&ann, key(slot), at_most(3, true)).expect("a seat");
        assert_eq!(entered.replaced, if slot < 3 { vec![] } else { vec![key(0)] });
        seats.push(entered.seat);
    }
    // The one that was replaced leaves later, and takes nobody else's seat.
    assert!(!users.leave("ann", seats[0]));
    let last = users.enter(&ann, key(9), at_most(1, true)).expect("a seat");
    assert!(!last.is_first);
    assert_eq!(last.replaced, [key(1), key(2), key(3)], "a narrower limit");
}

#[test]
fn where_none_is_allowed_nobody_enters() {
    let (users, ann) = (Users::new(1), Arc::from("ann"));
    for replace in [false, true] {
        assert_eq!(users.enter(&ann, key(0), at_most(0, replace)), None);
    }
    assert!(users.is_empty());
}

proptest! {
    /// Whoever comes and goes, the directory knows those, and in that order, that a list of them
    /// all knows.
    #[test]
    fn like_a_list(steps in prop::collection::vec((0..4usize, any::<bool>(), 0..5usize), 0..200)) {
        let users = Users::new(3);
        let names: Vec<Arc<str>> = ["ann", "bob", "eve", "zoë"].map(Arc::from).into();
        let mut model: BTreeMap<usize, Vec<(Seat, ConnectionKey)>> = BTreeMap::new();
        for (slot, (who, comes, number)) in steps.into_iter().enumerate() {
            let held = model.entry(who).or_default();
            if comes {
                let allowance = at_most(number, slot % 2 == 0);
                let entered = users.enter(&names[who], key(slot as u32), allowance);
                let over = (held.len() + 1).saturating_sub(number);
                let refused = number == 0 || over > 0 && !allowance.replace;
                prop_assert_eq!(entered.is_none(), refused);
                if let Some(Entered { seat, is_first, replaced }) = entered {
                    prop_assert_eq!(is_first, held.is_empty());
                    let expected: Vec<_> = held.drain(..over).map(|(_, key)| key).collect();
                    prop_assert_eq!(replaced, expected);
                    held.push((seat, key(slot as u32)));
                }
            } else if !held.is_empty() {
                let (seat, _) = held.remove(number % held.len());
                prop_assert_eq!(users.leave(&names[who], seat), held.is_empty());
            }
            for worker in 0..3 {
                let here = |&&(_, key): &&(Seat, ConnectionKey)| key.worker == worker;
                let expected: Vec<_> = held.iter().filter(here).map(|&(_, key)| key).collect();
                prop_assert_eq!(users.connections(&names[who], worker), expected);
            }
        }
        let present = model.values().filter(|held| !held.is_empty()).count();
        prop_assert_eq!(users.len(), present);
    }
}
