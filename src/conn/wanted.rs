//! Which connections a list is to show, and in which order they stand. Finding them is the business
//! of `worker::connections`.

use std::cmp::Reverse;

use crate::hub::{ConnectionKey, WorkerId};

/// Which connections are wanted, and in which order.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Those of this user.
    pub user: Option<Box<str>>,
    /// Those that follow this channel.
    pub channel: Option<Box<str>>,
    /// Those that are furthest behind first, else in the order of their names.
    pub queued: bool,
    /// Those that stand after this place.
    pub after: Option<Rank>,
    /// At most so many.
    pub limit: usize,
}

/// A connection's place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Bytes queued and publications behind; nothing where the order is that of names.
    pub weight: Reverse<(u64, u64)>,
    worker: WorkerId,
    slot: u32,
    generation: u32,
}

impl Rank {
    /// The place of a connection of this weight.
    pub fn new(key: ConnectionKey, weight: (u64, u64)) -> Self {
        let ConnectionKey { worker, slot, generation } = key;
        Self { weight: Reverse(weight), worker, slot, generation }
    }

    /// Whose place this is.
    pub fn key(&self) -> ConnectionKey {
        ConnectionKey { worker: self.worker, slot: self.slot, generation: self.generation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_furthest_behind_comes_first_then_names_decide() {
        let rank = |slot, weight| {
            let key = ConnectionKey { worker: 0, slot, generation: 0 };
            Rank::new(key, weight)
        };
        let order = [rank(5, (9, 0)), rank(4, (1, 8)), rank(3, (1, 7)), rank(8, (1, 7))];
        assert!(order.is_sorted());
        assert!(rank(1, (0, 0)) > rank(8, (1, 7)));
    }
}
