//! The memory of idempotency keys: a repeated publish gets the first answer. One table per shard,
//! bounded in age and bytes; it never decides whether to publish.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Position;

/// What an entry costs besides its text.
pub const ENTRY_OVERHEAD: usize = 96;

/// Keys that are forgotten at once because they are too old.
const EXPIRED_AT_ONCE: usize = 1024;

/// Keys seen lately, each with the position that its publication got.
#[derive(Debug)]
pub struct Keys {
    /// Each with the time at which it was remembered.
    known: HashMap<Arc<[u8]>, (u64, Position), FixedState>,
    order: VecDeque<(u64, Arc<[u8]>)>,
    bytes: usize,
    age_ms: u64,
    max_bytes: usize,
}

impl Keys {
    /// Remembers keys for `age_ms`, in at most `max_bytes`; the oldest go first.
    pub fn new(age_ms: u64, max_bytes: usize, hasher: FixedState) -> Self {
        let known = HashMap::with_hasher(hasher);
        Self { known, order: VecDeque::new(), bytes: 0, age_ms, max_bytes }
    }

    /// The name under which a key of this publisher in this channel is kept. No part can be taken
    /// for another: channel names have no NUL, and the publisher's length is written out.
    pub fn name(channel: &str, publisher: &str, key: &str) -> Vec<u8> {
        let mut name = Vec::with_capacity(channel.len() + publisher.len() + key.len() + 10);
        name.extend_from_slice(channel.as_bytes());
        name.push(0);
        name.extend_from_slice(&(publisher.len() as u64).to_be_bytes());
        name.extend_from_slice(publisher.as_bytes());
        name.extend_from_slice(key.as_bytes());
        name
    }

    /// The position that was given under this name, if it is remembered.
    pub fn seen(&mut self, name: &[u8], now_ms: u64) -> Option<Position> {
        self.expire(now_ms);
        let &(at, position) = self.known.get(name)?;
        (!self.is_old(at, now_ms)).then_some(position)
    }

    /// Remembers.
    pub fn remember(&mut self, name: &[u8], position: Position, now_ms: u64) {
        if self.age_ms == 0 {
            return;
        }
        let name: Arc<[u8]> = name.into();
        self.bytes += ENTRY_OVERHEAD + name.len();
        self.known.insert(Arc::clone(&name), (now_ms, position));
        self.order.push_back((now_ms, name));
        while self.bytes > self.max_bytes && self.forget_oldest() {}
    }

    /// Forgets what is too old, a bounded number at a time.
    pub fn expire(&mut self, now_ms: u64) {
        for _ in 0..EXPIRED_AT_ONCE {
            if !self.order.front().is_some_and(|&(at, _)| self.is_old(at, now_ms)) {
                return;
            }
            self.forget_oldest();
        }
    }

    fn is_old(&self, at: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(at) > self.age_ms
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the oldest key. False when there is none.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some((at, name)) = self.order.pop_front() else { return false };
        self.bytes -= ENTRY_OVERHEAD + name.len();
        // It may have been remembered anew before it was forgotten.
        if self.known.get(&name).is_some_and(|&(known_at, _)| known_at == at) {
            self.known.remove(&name);
        }
        true
    }
}
