//! A page: what a reader that joins or lags gets from the owner, at most 64 KiB or one frame, with
//! the gap before it where something is lost. Only this file makes gaps. Pages are shared: in a
//! storm everybody asks for the same one, so the latest few are kept for a moment ([`Pages`]).

use std::collections::VecDeque;
use std::sync::Arc;

use super::history::History;
use super::{
    Encoding, Epoch, Format, Framer, Frames, Gap, GapReason, Mode, Position, Publication, encode,
};

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

/// What a reader wants to find on its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// How it reads.
    pub encoding: Encoding,
    /// How much of it.
    pub mode: Mode,
    /// Up to and with this index: where its paced group stands. In mode `latest` only.
    pub until: Option<u64>,
}

impl Want {
    /// Everything up to the head.
    pub fn all(encoding: Encoding) -> Self {
        Self { encoding, mode: Mode::All, until: None }
    }

    /// The newest of every key.
    pub fn latest(encoding: Encoding, until: Option<u64>) -> Self {
        Self { encoding, mode: Mode::Latest, until }
    }
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

    /// The same in mode `latest`: what is superseded is no loss, and a subscriber whose place is
    /// void (`reason` is `Slow`: it is one already) gets the last value of every key.
    pub fn resume_latest(
        &self,
        place: Place,
        latest: Option<u64>,
        reason: GapReason,
    ) -> (Option<Gap>, u64) {
        let forgotten = self.history.forgotten();
        let newest = |count: u64| {
            let held = self.history.newest(0).map(|publication| publication.position.index);
            let held: Vec<u64> = held.collect();
            let skip = held.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
            held.get(skip).copied().unwrap_or(self.head + 1)
        };
        let gap = |after, next: u64, reason| {
            let to = Position { epoch: self.epoch, index: next - 1 };
            Some(Gap { after, to, missed: None, reason })
        };
        match place {
            Place::Head => (None, latest.map_or(self.head + 1, newest)),
            Place::At(index) if index >= forgotten => (None, index + 1),
            Place::At(index) => {
                let next = latest.map_or(forgotten + 1, newest);
                let after = Position { epoch: self.epoch, index };
                (gap(Some(after), next, reason), next)
            }
            Place::Elsewhere(after) => {
                let all = if reason == GapReason::Slow { forgotten } else { self.head } + 1;
                let next = latest.map_or(all, newest);
                (gap(after, next, GapReason::Epoch), next)
            }
        }
    }

    /// Cuts the page that begins with publication `next`, after `gap`.
    pub fn cut(
        &self,
        gap: Option<Gap>,
        next: u64,
        want: &Want,
        framer: &mut impl Framer,
        page_bytes: usize,
        wall_ms: u64,
    ) -> Page {
        let Want { encoding, mode, until } = *want;
        let mut sheet = Sheet { out: Vec::new(), text: Vec::new(), encoding, framer, page_bytes };
        if let Some(gap) = gap.filter(|_| encoding.format == Format::Json) {
            encode::gap(&mut sheet.text, self.name, &gap, wall_ms);
            sheet.framer.append(&mut sheet.out, encoding, false, &sheet.text);
        }
        let end = until.map_or(self.head, |until| until.min(self.head));
        let up_to_end = |publication: &&Arc<Publication>| {
            debug_assert!(publication.position.index >= next, "a page begins at its place");
            publication.position.index <= end
        };
        let cut_at = match mode {
            Mode::All => sheet.fill(self.name, self.history.from(next).take_while(up_to_end)),
            Mode::Latest => sheet.fill(self.name, self.history.newest(next).take_while(up_to_end)),
        };
        let last = cut_at.unwrap_or(end.max(next - 1));
        let frames = (!sheet.out.is_empty()).then(|| sheet.out.into());
        Page { epoch: self.epoch, gap, last, head: self.head, frames }
    }
}

/// A page that is being written.
struct Sheet<'a, F> {
    out: Vec<u8>,
    text: Vec<u8>,
    encoding: Encoding,
    framer: &'a mut F,
    page_bytes: usize,
}

impl<F: Framer> Sheet<'_, F> {
    /// Appends publications. Where the page is full before they are over, says which is the last.
    fn fill<'p>(
        &mut self,
        channel: &str,
        publications: impl Iterator<Item = &'p Arc<Publication>>,
    ) -> Option<u64> {
        let mut last = None;
        for publication in publications {
            let before = self.out.len();
            let (out, text) = (&mut self.out, &mut self.text);
            encode::frame(out, text, self.encoding, channel, publication, self.framer);
            if self.out.len() > self.page_bytes && last.is_some() {
                self.out.truncate(before);
                return last;
            }
            last = Some(publication.position.index);
        }
        None
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
    pub want: Want,
    /// The head, in mode `latest`: what is newest changes with it. Else 0.
    pub head: u64,
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
