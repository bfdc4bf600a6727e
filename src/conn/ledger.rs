//! The account of what a worker's connections hold: unfinished input, request bodies, private
//! output. Whoever holds bytes has a `Charge`, which follows them and is paid back when it is
//! dropped, so that nothing is ever counted twice or forgotten. It decides nothing: what happens
//! when `max_buffered_bytes` is reached is the business of `worker`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::hub::Frames;

/// The total of one worker. Clones are the same account.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Rc<Account>);

#[derive(Debug, Default)]
struct Account {
    bytes: Cell<usize>,
    /// Holders of frames that several may share, by the frames' place in memory: the first one
    /// pays, the last one is paid back.
    shared: RefCell<HashMap<usize, u32>>,
}

/// Frames that wait for one connection, and perhaps for others too: they count once.
#[derive(Debug)]
pub struct Shared {
    ledger: Ledger,
    frames: Frames,
}

/// One holder's part of the total.
#[derive(Debug, Default)]
pub struct Charge {
    ledger: Ledger,
    bytes: usize,
}

impl Ledger {
    /// Bytes held by all.
    pub fn bytes(&self) -> usize {
        self.0.bytes.get()
    }

    fn change(&self, from: usize, to: usize) {
        let bytes = &self.0.bytes;
        bytes.set(bytes.get() - from + to);
    }

    /// Whether these frames would be new to it.
    pub fn is_news(&self, frames: &Frames) -> bool {
        !self.0.shared.borrow().contains_key(&place(frames))
    }

    /// Holds frames.
    pub fn share(&self, frames: Frames) -> Shared {
        let mut shared = self.0.shared.borrow_mut();
        let holders = shared.entry(place(&frames)).or_insert(0);
        *holders += 1;
        if *holders == 1 {
            self.change(0, frames.len());
        }
        Shared { ledger: self.clone(), frames }
    }

    /// A new holder, of nothing yet.
    pub fn charge(&self) -> Charge {
        Charge { ledger: self.clone(), bytes: 0 }
    }
}

impl Charge {
    /// What its holder has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its holder has so many bytes now.
    pub fn set(&mut self, bytes: usize) {
        self.ledger.change(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Shared {
    /// The frames.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }
}

fn place(frames: &Frames) -> usize {
    Arc::as_ptr(frames).cast::<u8>().addr()
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut shared = self.ledger.0.shared.borrow_mut();
        let place = place(&self.frames);
        let Some(holders) = shared.get_mut(&place) else { return };
        *holders -= 1;
        if *holders == 0 {
            shared.remove(&place);
            self.ledger.change(self.frames.len(), 0);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_paid_back() {
        let ledger = Ledger::default();
        let (mut one, mut other) = (ledger.charge(), ledger.clone().charge());
        one.set(10);
        other.set(5);
        one.set(7);
        assert_eq!((ledger.bytes(), one.bytes()), (12, 7));
        drop(one);
        assert_eq!(ledger.bytes(), 5);
        other.set(0);
        assert_eq!(ledger.bytes(), 0);
    }

    #[test]
    fn what_several_share_counts_once() {
        let ledger = Ledger::default();
        let frames: Frames = vec![0; 1000].into();
        assert!(ledger.is_news(&frames));
        let first = ledger.share(frames.clone());
        let second = ledger.share(frames.clone());
        assert!(!ledger.is_news(&frames));
        assert_eq!(ledger.bytes(), 1000);
        drop(first);
        assert_eq!((ledger.bytes(), second.frames().len()), (1000, 1000));
        drop(second);
        assert_eq!(ledger.bytes(), 0);
    }
}
