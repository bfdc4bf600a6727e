//! The users of all connections of a node: which connections each of them has, in the order in
//! which they came, and what was taken back from them (`revocations`). Shards under locks, touched
//! at a login, at an end, and when the backend asks for a user; never by a message. There are never
//! more entries than connections.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::hub::{ConnectionKey, WorkerId};
use crate::revocations::Revocations;

const SHARDS: usize = 16;

/// The place of a connection among those of its user: what it leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(u64);

/// How many connections a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many.
    pub connections: usize,
    /// A new one takes the place of the oldest; else it is refused.
    pub replace: bool,
}

/// A connection that has a seat.
#[derive(Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its seat.
    pub seat: Seat,
    /// Whether its user had none before.
    pub is_first: bool,
    /// Those that have lost theirs to it.
    pub replaced: Vec<ConnectionKey>,
}

/// The users of a node.
#[derive(Debug)]
pub struct Users {
    shards: [Mutex<Shard>; SHARDS],
    hasher: FixedState,
    revocations: Revocations,
}

#[derive(Debug)]
struct Shard {
    /// The connections of each user, in the order of their seats.
    users: HashMap<Arc<str>, VecDeque<(Seat, ConnectionKey)>, FixedState>,
    next: u64,
}

impl Users {
    /// No users. The seed is secret: users may choose their names.
    pub fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        let shard = |_| {
            let users = HashMap::with_hasher(hasher.clone());
            Mutex::new(Shard { users, next: 0 })
        };
        let shards = std::array::from_fn(shard);
        Self { shards, revocations: Revocations::new(seed), hasher }
    }

    /// The tokens that were taken back.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Takes in one more connection of a user. `None` when there is no seat to be had.
    pub fn enter(
        &self,
        user: &Arc<str>,
        connection: ConnectionKey,
        allowance: Allowance,
    ) -> Option<Entered> {
        let mut shard = self.shard(user);
        let Shard { users, next } = &mut *shard;
        let held = users.get(user).map_or(0, VecDeque::len);
        let over = (held + 1).saturating_sub(allowance.connections);
        // Where none may be had at all, there is none to replace either.
        if over > held || over > 0 && !allowance.replace {
            return None;
        }
        let seat = Seat(*next);
        *next += 1;
        let connections = users.entry(Arc::clone(user)).or_default();
        let replaced = connections.drain(..over).map(|(_, replaced)| replaced).collect();
        connections.push_back((seat, connection));
        Some(Entered { seat, is_first: held == 0, replaced })
    }

    /// A connection is gone. One that was replaced has no seat any more. Says whether it was the
    /// last of its user.
    pub fn leave(&self, user: &str, seat: Seat) -> bool {
        let mut shard = self.shard(user);
        let Some(connections) = shard.users.get_mut(user) else { return false };
        if let Ok(at) = connections.binary_search_by_key(&seat, |&(seat, _)| seat) {
            connections.remove(at);
        }
        let was_last = connections.is_empty();
        if was_last {
            shard.users.remove(user);
        }
        was_last
    }

    /// The connections that a user has on one worker, the oldest first.
    pub fn connections(&self, user: &str, worker: WorkerId) -> VecDeque<ConnectionKey> {
        let shard = self.shard(user);
        let all = shard.users.get(user).into_iter().flatten();
        all.map(|&(_, key)| key).filter(|key| key.worker == worker).collect()
    }

    /// Number of different users.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).users.len()).sum()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, user: &str) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(user) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A panic ends the process; whoever sees the lock poisoned is a test.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
