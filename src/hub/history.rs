//! The history of one channel: its latest publications, bounded by count, bytes and age. It owns
//! the publications and the arithmetic of what is still held; it never gives out positions
//! (`channel`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::Publication;

/// What one publication costs besides its payload: the shared block with its two counts, and its
/// place in the queue.
pub const PUBLICATION_OVERHEAD: usize =
    2 * size_of::<usize>() + size_of::<Publication>() + size_of::<(u64, Arc<Publication>)>();

/// Bounds of one channel's history.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Publications; 0: none are kept.
    pub count: usize,
    /// Bytes, overhead included. The newest stays even when it alone is larger.
    pub bytes: usize,
    /// Age in milliseconds; 0: no bound.
    pub age_ms: u64,
}

/// The latest publications, oldest first, dense in index.
#[derive(Debug, Default)]
pub struct History {
    entries: VecDeque<(u64, Arc<Publication>)>,
    bytes: usize,
}

impl History {
    /// Adds the newest, and forgets what is then too much. `now_ms` is monotonic.
    pub fn push(&mut self, publication: Arc<Publication>, now_ms: u64, bounds: &Bounds) {
        if bounds.count == 0 {
            return;
        }
        self.bytes += cost(&publication);
        self.entries.push_back((now_ms, publication));
        while self.entries.len() > 1
            && (self.entries.len() > bounds.count || self.bytes > bounds.bytes)
        {
            self.forget_oldest();
        }
        self.expire(now_ms, bounds);
    }

    /// Forgets what is older than the bound, but for the newest.
    pub fn expire(&mut self, now_ms: u64, bounds: &Bounds) {
        if bounds.age_ms == 0 {
            return;
        }
        while self.entries.len() > 1
            && self
                .entries
                .front()
                .is_some_and(|(at, _)| now_ms.saturating_sub(*at) > bounds.age_ms)
        {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest. The place of an emptied queue is given back.
    pub fn forget_oldest(&mut self) {
        if let Some((_, publication)) = self.entries.pop_front() {
            self.bytes -= cost(&publication);
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of publications held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Index of the oldest publication held.
    pub fn first(&self) -> Option<u64> {
        self.entries.front().map(|(_, publication)| publication.position.index)
    }

    /// The publications from `index` on, oldest first; what is not held any more is left out.
    pub fn from(&self, index: u64) -> impl Iterator<Item = &Arc<Publication>> {
        let skip = self.first().map_or(0, |first| index.saturating_sub(first));
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.range(skip..).map(|(_, publication)| publication)
    }
}

/// Bytes charged for one publication.
pub fn cost(publication: &Publication) -> usize {
    PUBLICATION_OVERHEAD
        + publication.payload.len()
        + publication.from.as_ref().map_or(0, |user| user.len())
        + publication.key.as_ref().map_or(0, |key| key.len())
}
