//! The paced side of a feed whose members have a `max_rate`: a feed of its own for each pace. No
//! publication is appended to it; once a period it asks the owner for the newest of every key since
//! its last round, and that page, shared, is what its members are sent. It owns the pages of the
//! current round and when the next one begins; it knows no readers (`feed`) and no clock.

use std::collections::VecDeque;

use super::window::{NOWHERE, Rest, Run, Spare};
use crate::hub::{Frames, Pace};

/// What a page costs besides its bytes.
pub const PAGE_OVERHEAD: usize = size_of::<Round>();

/// A page that all who stand at `since` are sent.
#[derive(Debug)]
struct Round {
    since: u64,
    last: u64,
    frames: Frames,
}

/// Rounds of one feed.
#[derive(Debug)]
pub struct Paced {
    pace: Pace,
    /// The pages of the current round, one after the other.
    pages: VecDeque<Round>,
    bytes: usize,
    /// Before this no new round begins.
    next_ms: u64,
    /// When the owner is to be asked.
    due_ms: Option<u64>,
    /// Where the feed stood when the owner was asked; `None` when no answer is awaited.
    asked: Option<u64>,
    /// The owner has nothing more, and will ring.
    rests: bool,
    /// The round is not over: its next page is asked for as soon as this one has been passed out.
    more: bool,
}

impl Paced {
    /// No rounds yet.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            pages: VecDeque::new(),
            bytes: 0,
            next_ms: 0,
            due_ms: None,
            asked: None,
            rests: false,
            more: false,
        }
    }

    /// When the owner is to be asked, where that is set.
    pub fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The owner has rung: there is something to ask for.
    pub fn ring(&mut self) {
        self.rests = false;
    }

    /// Sets when the owner is to be asked, unless that is set, or it has been, or it will ring.
    pub fn schedule(&mut self, now_ms: u64) -> Option<u64> {
        if self.rests || self.asked.is_some() || self.due_ms.is_some() {
            return None;
        }
        self.due_ms = Some(if self.more { now_ms } else { self.next_ms.max(now_ms) });
        self.due_ms
    }

    /// Whether the owner has nothing more than what the round has brought.
    pub fn rests(&self) -> bool {
        self.rests
    }

    /// The owner is to be asked at once. Returns the later time that was set before.
    pub fn hurry(&mut self, now_ms: u64) -> Option<u64> {
        let late_ms = self.due_ms.filter(|&due_ms| due_ms > now_ms)?;
        self.due_ms = Some(now_ms);
        Some(late_ms)
    }

    /// The time has come: none is set any more.
    pub(super) fn begin(&mut self) {
        self.due_ms = None;
    }

    /// The owner is asked for what comes after `end`. A new round takes the place of the last one:
    /// who has not read that gets the newest by a page of its own.
    pub(super) fn ask(&mut self, end: u64, now_ms: u64, spare: &mut Spare) {
        self.asked = Some(end);
        if !self.more {
            self.next_ms = now_ms + self.pace.period_ms();
            self.clear(spare);
        }
    }

    /// The answer has come. `more`: the round has further pages. Returns where the feed stood when
    /// it asked.
    pub(super) fn answered(&mut self, more: bool) -> Option<u64> {
        (self.more, self.rests) = (more, !more);
        self.asked.take()
    }

    /// The answer was of no use: ask again.
    pub(super) fn again(&mut self) {
        (self.more, self.rests) = (true, false);
    }

    /// Adds a page of the round; the oldest go when there are more than `max_bytes`.
    pub fn push(&mut self, since: u64, last: u64, frames: Frames, max: usize, spare: &mut Spare) {
        let before = self.bytes;
        self.bytes += frames.len() + PAGE_OVERHEAD;
        self.pages.push_back(Round { since, last, frames });
        while self.bytes > max && self.pages.len() > 1 {
            let gone = self.pages.pop_front().map_or(0, |page| page.frames.len() + PAGE_OVERHEAD);
            self.bytes -= gone;
        }
        spare.recount(before, self.bytes);
    }

    /// The page that follows on `sent`.
    pub fn run(&self, sent: u64) -> Run<'_> {
        match self.page(sent) {
            Some(page) => Run::Large(&page.frames),
            None => Run::Fallen,
        }
    }

    /// A reader at `sent` has been given `taken` bytes of its page: its new place and the rest.
    pub fn settle(&self, sent: u64, taken: usize) -> (u64, Rest) {
        let Some(page) = self.page(sent).filter(|_| taken > 0) else { return (sent, Rest::None) };
        let whole = taken >= page.frames.len();
        let rest = if whole { Rest::None } else { Rest::Large(page.frames.clone(), taken) };
        (page.last, rest)
    }

    fn page(&self, sent: u64) -> Option<&Round> {
        self.pages.iter().find(|page| page.since == sent && sent != NOWHERE)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops the pages: who has not read them gets one of its own.
    pub fn clear(&mut self, spare: &mut Spare) {
        spare.recount(self.bytes, 0);
        self.bytes = 0;
        self.pages.clear();
    }
}
