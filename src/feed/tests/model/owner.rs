//! The owner of the channel: it gives positions, keeps a short history, and cuts pages.

use std::sync::Arc;

use super::Pair;
use crate::feed::Appended;
use crate::feed::subscription::State;
use crate::feed::window::LARGE_FRAME;
use crate::hub::{Delivery, Epoch, FeedKey, Frames, Position};

/// How many publications the owner's history holds, and how many a page.
const HELD: u64 = 12;
const PAGE: u64 = 3;

/// What an owner has published in one epoch.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The index before the first.
    pub(super) base: u64,
    pub(super) frames: Vec<Frames>,
}

impl Numbering {
    pub(super) fn after(base: u64) -> Self {
        Self { base, frames: Vec::new() }
    }

    fn head(&self) -> u64 {
        self.base + self.frames.len() as u64
    }
}

impl Pair {
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.numberings.len() as u64)
    }

    pub(super) fn now(&self) -> &Numbering {
        &self.numberings[self.numberings.len() - 1]
    }

    pub(super) fn head(&self) -> u64 {
        self.now().head()
    }

    /// Gives a position to a frame whose bytes say where it stands.
    pub(super) fn admit(&mut self, size: u16, large: bool) {
        let size = usize::from(size);
        let length = if large { LARGE_FRAME - 2 + size % 64 } else { 2 + size % 600 };
        let seed = self.head().wrapping_mul(31) ^ self.epoch().0.wrapping_mul(101);
        let bytes = (0..length as u64).map(|at| (seed + at * 7 + (at >> 8)) as u8);
        let at = self.numberings.len() - 1;
        self.numberings[at].frames.push(bytes.collect());
    }

    pub(super) fn publish(&mut self, size: u16, large: bool, skip: Option<u8>) {
        self.admit(size, large);
        let position = Position { epoch: self.epoch(), index: self.head() };
        let feed = FeedKey { index: 0, generation: 1 };
        let frames = Arc::clone(self.now().frames.last().expect("the new one"));
        let delivery = Delivery { feed, position, frames, skip: None, accepted_us: 0 };
        let skip = skip.and_then(|which| self.pick(which));
        let outcome = self.feed.append(&delivery, skip, self.window_bytes, &mut self.spare);
        assert_eq!(outcome, self.appended(position, skip));
        self.hot |= outcome != Appended::Early;
    }

    /// What the delivery comes to.
    pub(super) fn appended(
        &mut self,
        Position { epoch, index }: Position,
        skip: Option<usize>,
    ) -> Appended {
        let Some(end) = self.end else { return Appended::Early };
        if (epoch, index) != (self.seen, end + 1) {
            self.see(epoch, None);
            return Appended::Reset;
        }
        let was_empty = self.window().is_empty();
        self.end = Some(index);
        if self.readers.iter().all(|reader| reader.state == State::Joining) {
            self.empty_window();
            return Appended::Early;
        }
        if was_empty {
            self.first = index;
        }
        while self.first < index
            && self.window().map(|index| self.cost(index)).sum::<usize>() > self.window_bytes
        {
            self.first += 1;
        }
        if let Some(reader) = skip.map(|at| &mut self.readers[at])
            && reader.state == State::Following
            && let Some(place) = reader.place
        {
            reader.skips.push(index);
            reader.stand_at(place);
            if reader.place == Some(place) {
                self.forget_skips();
            }
        }
        self.tidy_window();
        Appended::Hot
    }

    /// The page for a reader that said `since`: where it begins, and where it ends.
    pub(super) fn cut(&self, since: Option<Position>, joins: bool) -> u64 {
        let head = self.head();
        let held = (self.now().base + 1).max((head + 1).saturating_sub(HELD));
        match since {
            Some(since) if since.epoch == self.epoch() && since.index <= head => {
                head.min((since.index + 1).max(held) - 1 + PAGE)
            }
            // Some of the new ones want a little of the past.
            None if joins && self.next_slot.is_multiple_of(2) => head.min(held - 1 + PAGE),
            _ => head,
        }
    }
}
