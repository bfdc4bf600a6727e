//! The history of one channel: its latest publications, bounded by count, bytes and age, and the
//! last value of every key, which outlives them (`latest`). It owns the publications and the
//! arithmetic of what is still held; it never gives out positions (`channel`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::Publication;
use super::latest::Latest;
use crate::limits::LAST_VALUES;

/// What one publication costs besides its payload: the shared block with its two counts, and its
/// place in the queue.
pub const PUBLICATION_OVERHEAD: usize =
    2 * size_of::<usize>() + size_of::<Publication>() + size_of::<(u64, Arc<Publication>)>();

/// Bounds of one channel's history.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Publications; 0: none but last values.
    pub count: usize,
    /// Bytes, overhead included, and the same again for last values that have outlived the rest.
    /// The newest publication stays even when it alone is larger.
    pub bytes: usize,
    /// Age in milliseconds; 0: no bound.
    pub age_ms: u64,
}

/// The latest publications, oldest first, dense in index; and older ones that are last values.
#[derive(Debug, Default)]
pub struct History {
    entries: VecDeque<(u64, Arc<Publication>)>,
    bytes: usize,
    /// Without it there are no keys, and the newest publication is the one last value.
    latest: Option<Box<Latest>>,
    /// Index of the newest last value that was forgotten. None is held at or before it.
    forgotten: u64,
}

impl History {
    /// Adds the newest, and forgets what is then too much. `now_ms` is monotonic.
    pub fn push(&mut self, publication: Arc<Publication>, now_ms: u64, bounds: &Bounds) {
        if publication.key.is_some() || self.latest.is_some() {
            self.latest().supersede(&publication);
        }
        self.bytes += cost(&publication);
        self.entries.push_back((now_ms, publication));
        self.hold(now_ms, bounds);
    }

    /// Holds the bounds, which may have changed: the oldest go. Where a count is allowed, the
    /// newest stays; last values go only for bounds of their own.
    pub fn hold(&mut self, now_ms: u64, bounds: &Bounds) {
        let least = bounds.count.min(1);
        while self.entries.len() > least && self.is_too_much(now_ms, bounds) {
            self.forget_oldest();
        }
        while let Some(latest) = &self.latest
            && (latest.keys() > LAST_VALUES || latest.bytes() > bounds.bytes)
            && self.entries.len() + latest.held() > 1
        {
            if latest.held() > 0 {
                self.forget_last_value();
            } else {
                self.forget_oldest();
            }
        }
    }

    fn is_too_much(&self, now_ms: u64, bounds: &Bounds) -> bool {
        let oldest = self.entries.front().map_or(now_ms, |(at, _)| *at);
        self.entries.len() > bounds.count
            || self.bytes > bounds.bytes
            || bounds.age_ms > 0 && now_ms.saturating_sub(oldest) > bounds.age_ms
    }

    /// Lets go of the oldest; as a last value it is kept. The place of an emptied queue is given
    /// back.
    fn forget_oldest(&mut self) {
        let Some((_, publication)) = self.entries.front() else { return };
        let is_last_value = self.is_newest(publication);
        if is_last_value {
            self.latest();
        }
        let Some((_, publication)) = self.entries.pop_front() else { return };
        self.bytes -= cost(&publication);
        if let Some(latest) = self.latest.as_mut().filter(|_| is_last_value) {
            latest.keep(publication);
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    fn forget_last_value(&mut self) {
        let index = self.latest.as_mut().and_then(|latest| latest.forget_oldest());
        self.forgotten = index.unwrap_or(self.forgotten);
    }

    /// Gives up something, for the node has too much: the oldest, last values last. False when
    /// nothing is left.
    pub fn shed(&mut self) -> bool {
        if self.entries.is_empty() {
            let held = self.bytes();
            self.forget_last_value();
            return self.bytes() < held;
        }
        self.forget_oldest();
        true
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        let newest = self.newest(0).last().map(|publication| publication.position.index);
        let forgotten = newest.unwrap_or(self.forgotten);
        *self = Self { forgotten, ..Self::default() };
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes + self.latest.as_ref().map_or(0, |latest| latest.bytes())
    }

    fn latest(&mut self) -> &mut Latest {
        let newest = self.entries.back().map_or(0, |(_, newest)| newest.position.index);
        self.latest.get_or_insert_with(|| Box::new(Latest::new(newest)))
    }

    fn is_newest(&self, publication: &Publication) -> bool {
        match &self.latest {
            Some(latest) => latest.is_newest(publication),
            None => self
                .entries
                .back()
                .is_some_and(|(_, newest)| newest.position == publication.position),
        }
    }

    /// The last value of each key, from `index` on, in order.
    pub fn newest(&self, index: u64) -> impl Iterator<Item = &Arc<Publication>> {
        let kept = self.latest.iter().flat_map(move |latest| latest.from(index));
        kept.chain(self.from(index).filter(|publication| self.is_newest(publication)))
    }

    /// Index of the newest last value that is not held any more; 0 where none was forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Number of publications held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held, not even a last value.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
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
