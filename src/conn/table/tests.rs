//! Slots, their uses, and due ticks, beside plain vectors.

use super::*;
use crate::conn::inbox::Inbox;
use crate::conn::ledger::Ledger;
use crate::conn::outbox::Outbox;

#[test]
fn a_slot_is_used_again_by_another_generation() {
    let mut table: Table<u8> = Table::default();
    let slot = table.insert();
    table.hot_mut(slot).socket = Some(7);
    let generation = table.hot(slot).generation;
    assert!(table.same(slot, generation).is_some());
    assert_eq!(table.remove(slot), Some(7));
    assert!(table.occupied(slot).is_none() && table.same(slot, generation).is_none());
    assert_eq!(table.insert(), slot);
    assert!(table.occupied(slot).is_some() && table.same(slot, generation).is_none());
    assert!(table.same(slot, generation + 1).is_some());
    assert!(table.occupied(slot + 1).is_none() && table.same(u32::MAX, 0).is_none());
}

#[test]
fn nothing_of_the_last_use_is_left() {
    let mut table: Table<u8> = Table::default();
    let slot = table.insert();
    let (hot, cold) = table.parts(slot);
    hot.refer(3, 4);
    let ledger = Ledger::default();
    hot.inbox = Some(Box::new(Inbox::new(&ledger)));
    let mut outbox = Outbox::new(&ledger);
    outbox.push(b"rest");
    hot.outbox = Some(Box::new(outbox));
    (hot.pending, hot.rate, cold.deadline, cold.update, cold.blocked) = (9, 9, 9, 9, 9);
    table.set_due(slot, 1);
    table.remove(slot);
    let again = table.insert();
    let (hot, cold) = table.parts(again);
    assert_eq!((hot.subscriptions(), hot.queued(), hot.pending, hot.rate), (0, 0, 0, 0));
    assert!(hot.inbox.is_none() && hot.socket.is_none());
    assert_eq!((cold.deadline, cold.update, cold.blocked), (NEVER, NEVER, 0));
    let mut due = Vec::new();
    assert_eq!(table.collect_due(100, &mut due), NEVER);
    assert!(due.is_empty());
}

#[test]
fn due_ticks_come_once_and_the_next_is_known() {
    let mut table: Table<u8> = Table::default();
    let ticks = [5, NEVER, 7, 5, 9, 0];
    for tick in ticks {
        let slot = table.insert();
        table.set_due(slot, tick);
    }
    let mut due = Vec::new();
    assert_eq!(table.collect_due(5, &mut due), 7);
    assert_eq!(due, [0, 3, 5]);
    assert_eq!(table.collect_due(6, &mut due), 7);
    assert_eq!(due.len(), 3);
    assert_eq!(table.collect_due(NEVER - 1, &mut due), NEVER);
    assert_eq!(due, [0, 3, 5, 2, 4]);
}

#[test]
fn counts_and_lists_what_is_there() {
    let mut table: Table<u32> = Table::default();
    let mut oracle = std::collections::BTreeSet::new();
    let mut state = 1u32;
    for step in 0..5000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 || oracle.is_empty() {
            let slot = table.insert();
            table.hot_mut(slot).socket = Some(slot);
            assert!(oracle.insert(slot), "a free slot");
        } else {
            let slot = *oracle.iter().nth((state as usize >> 8) % oracle.len()).expect("one");
            oracle.remove(&slot);
            assert_eq!(table.remove(slot), Some(slot));
        }
        assert_eq!((table.len(), table.is_empty()), (oracle.len(), oracle.is_empty()));
        if step % 100 == 0 {
            assert!(table.iter().map(|(slot, ..)| slot).eq(oracle.iter().copied()));
        }
    }
    assert!(table.slots() < 1000, "slots are used again");
}
