//! A page: what a reader that joins or lags gets from the owner, at most 64 KiB or one frame, with
//! the gap before it where something is lost. Only this file makes gaps. Pages are shared: in a
//! storm everybody asks for the same one, so the latest few are kept for a moment ([`Pages`]).

use std::collections::VecDeque;

use super::history::History;
use super::{Encoding, Epoch, Format, Framer, Frames, Gap, GapReason, Position, encode};

/// How many pages a shard keeps for others who ask for the same.
const KEPT_PAGES: usize = 16;

/// An answer to a Join or a Pull.
#[derive(Clone, Debug)]
pub struct Page {
    /// The channel's epoch.
    pub epoch: Epoch,
    /// What is lost between the reader's place and the first frame. Where the format has words, its
    /// text stands at the beginning of `frames`.
    pub gap: Option<Gap>,
    /// The reader's place after gap and frames.
    pub last: u64,
    /// The channel's head when this page was cut.
    pub head: u64,
    /// Whole messages, in order; `None` when there is nothing to send.
    pub frames: Option<Frames>,
}

/// Where a reader stands, as far as the owner can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the head: it wants nothing old.
    Head,
    /// It has everything up to and with this index of the current epoch.
    At(u64),
    /// Its numbering is not ours; what it said, where that could be read.
    Elsewhere(Option<Position>),
}

/// A channel as far as cutting a page needs it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its epoch.
    pub epoch: Epoch,
    /// Index of its latest publication.
    pub head: u64,
    /// What it still has.
    pub history: &'a History,
}

impl Source<'_> {
    /// Decides what a reader at `place` is given: the gap, and the index of the first publication
    /// that it gets (head + 1: none). `latest`: give so many latest when the place cannot be met.
    pub fn resume(
        &self,
        place: Place,
        latest: Option<u64>,
        reason: GapReason,
    ) -> (Option<Gap>, u64) {
        let held = self.history.first().unwrap_or(self.head + 1);
        let newest = |count: u64| held.max((self.head + 1).saturating_sub(count));
        let gap = |after, next: u64, missed, reason| {
            let to = Position { epoch: self.epoch, index: next - 1 };
            Some(Gap { after, to, missed, reason })
        };
        match place {
            Place::Head => (None, latest.map_or(self.head + 1, newest)),
            Place::At(index) if index + 1 >= held => (None, index + 1),
            Place::At(index) => {
                let next = latest.map_or(held, newest);
                let after = Position { epoch: self.epoch, index };
                (gap(Some(after), next, Some(next - 1 - index), reason), next)
            }
            Place::Elsewhere(after) => {
                let next = latest.map_or(self.head + 1, newest);
                (gap(after, next, None, GapReason::Epoch), next)
            }
        }
    }

    /// Cuts the page that begins with publication `next`, after `gap`.
    pub fn cut(
        &self,
        gap: Option<Gap>,
        next: u64,
        encoding: Encoding,
        framer: &mut impl Framer,
        page_bytes: usize,
        wall_ms: u64,
    ) -> Page {
        let mut out = Vec::new();
        let mut text = Vec::new();
        if let Some(gap) = gap.filter(|_| encoding.format == Format::Json) {
            encode::gap(&mut text, self.name, &gap, wall_ms);
            framer.append(&mut out, encoding, false, &text);
        }
        let mut last = next - 1;
        for publication in self.history.from(next) {
            debug_assert_eq!(publication.position.index, last + 1, "history is dense");
            let before = out.len();
            encode::frame(&mut out, &mut text, encoding, self.name, publication, framer);
            if out.len() > page_bytes && last >= next {
                out.truncate(before);
                break;
            }
            last = publication.position.index;
        }
        let frames = (!out.is_empty()).then(|| out.into());
        Page { epoch: self.epoch, gap, last, head: self.head, frames }
    }
}

/// The latest pages that were cut.
#[derive(Debug, Default)]
pub struct Pages {
    kept: VecDeque<(PageKey, Page)>,
}

/// What a kept page was cut for. The epoch is unique to one life of one channel in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageKey {
    /// The channel's life.
    pub epoch: Epoch,
    /// The reader's place.
    pub since: u64,
    /// Where the page begins; with `since` it says which gap it tells.
    pub next: u64,
    /// For whom.
    pub encoding: Encoding,
}

impl Pages {
    /// The page kept under this key that still reaches as far as a new one would: to the head, or
    /// full.
    pub fn find(&self, key: &PageKey, head: u64) -> Option<Page> {
        let (_, page) = self.kept.iter().find(|(kept, _)| kept == key)?;
        (page.head == head || page.last < page.head).then(|| Page { head, ..page.clone() })
    }

    /// Keeps a page.
    pub fn keep(&mut self, key: PageKey, page: &Page) {
        self.kept.retain(|(kept, _)| kept != &key);
        if self.kept.len() == KEPT_PAGES {
            self.kept.pop_front();
        }
        self.kept.push_back((key, page.clone()));
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.kept.clear();
    }
}
