//! The table of a worker's connections: slots in chunks that never move, generations that tell
//! their uses apart, and the dense array of due ticks that replaces timers.

use super::entry::{Cold, Hot, NEVER, Phase};
use crate::chunks::Chunks;

#[cfg(test)]
mod tests;

/// All connections of one worker.
#[derive(Debug)]
pub struct Table<S> {
    hot: Chunks<Hot<S>>,
    cold: Chunks<Cold>,
    due: Chunks<u32>,
    free: Vec<u32>,
    occupied: usize,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self {
            hot: Chunks::default(),
            cold: Chunks::default(),
            due: Chunks::default(),
            free: Vec::new(),
            occupied: 0,
        }
    }
}

impl<S> Table<S> {
    /// Number of connections.
    pub fn len(&self) -> usize {
        self.occupied
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// Number of slots, free ones included.
    pub fn slots(&self) -> usize {
        self.hot.len()
    }

    /// Finds a slot for a new connection in phase `Head`. Its socket is yet to be set.
    pub fn insert(&mut self) -> u32 {
        self.occupied += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.cold.push(Cold::default());
            self.due.push(NEVER);
            self.hot.push(Hot::free(0)) as u32
        });
        self.hot[slot as usize].phase = Phase::Head;
        slot
    }

    /// Frees a slot; what was there is dropped, and its generation ends. Returns the socket.
    pub fn remove(&mut self, slot: u32) -> Option<S> {
        let hot = &mut self.hot[slot as usize];
        debug_assert_ne!(hot.phase, Phase::Free, "a connection is buried once");
        let generation = hot.generation.wrapping_add(1);
        let old = std::mem::replace(hot, Hot::free(generation));
        self.cold[slot as usize] = Cold::default();
        self.due[slot as usize] = NEVER;
        self.free.push(slot);
        self.occupied -= 1;
        old.socket
    }

    /// The connection in this slot, if there is one.
    pub fn occupied(&mut self, slot: u32) -> Option<&mut Hot<S>> {
        self.hot.get_mut(slot as usize).filter(|hot| hot.phase != Phase::Free)
    }

    /// The connection in this slot, if it is still that use of it.
    pub fn same(&mut self, slot: u32, generation: u32) -> Option<&mut Hot<S>> {
        self.occupied(slot).filter(|hot| hot.generation == generation)
    }

    /// The hot part of an occupied slot.
    pub fn hot(&self, slot: u32) -> &Hot<S> {
        &self.hot[slot as usize]
    }

    /// The hot part of an occupied slot.
    pub fn hot_mut(&mut self, slot: u32) -> &mut Hot<S> {
        &mut self.hot[slot as usize]
    }

    /// The cold part of an occupied slot.
    pub fn cold(&self, slot: u32) -> &Cold {
        &self.cold[slot as usize]
    }

    /// The cold part of an occupied slot.
    pub fn cold_mut(&mut self, slot: u32) -> &mut Cold {
        &mut self.cold[slot as usize]
    }

    /// Both parts.
    pub fn parts(&mut self, slot: u32) -> (&mut Hot<S>, &mut Cold) {
        (&mut self.hot[slot as usize], &mut self.cold[slot as usize])
    }

    /// Sets the tick at which the connection wants to be looked at.
    pub fn set_due(&mut self, slot: u32, tick: u32) {
        self.due[slot as usize] = tick;
    }

    /// Appends the slots whose tick has come, and clears their ticks. Returns the earliest of the
    /// others.
    pub fn collect_due(&mut self, now: u32, into: &mut Vec<u32>) -> u32 {
        let mut earliest = NEVER;
        for (slot, due) in self.due.iter_mut().enumerate() {
            if *due <= now {
                *due = NEVER;
                into.push(slot as u32);
            } else {
                earliest = earliest.min(*due);
            }
        }
        earliest
    }

    /// All connections.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Hot<S>, &Cold)> {
        let all = self.hot.iter().zip(self.cold.iter()).enumerate();
        all.map(|(slot, (hot, cold))| (slot as u32, hot, cold))
            .filter(|(_, hot, _)| hot.phase != Phase::Free)
    }
}
