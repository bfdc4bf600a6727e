//! Who stood still, and who has what: the audience of `slow`. Stalls and wakes nobody.

use hdrhistogram::Histogram;

use crate::bench::books::Books;
use crate::bench::dialect::Word;
use crate::bench::hearing::Audience;
use crate::bench::line::Line;
use crate::bench::report::{Stalled, histogram};
use crate::bench::stamp::Stamp;
use crate::bench::traffic::{Counted, Entry};

/// The audience.
#[derive(Debug)]
pub struct Readers {
    pub books: Books,
    /// Latencies of those who went on reading.
    pub healthy: Histogram<u64>,
    /// Of each connection, if it stood still, what it got.
    entries: Vec<Option<Entry>>,
    closed: u64,
}

impl Readers {
    pub fn new(books: Books, connections: usize) -> Result<Self, String> {
        let healthy = histogram::empty()?;
        Ok(Self { books, healthy, entries: vec![None; connections], closed: 0 })
    }

    /// Nobody stands still yet.
    pub fn begin(&mut self) {
        self.books.tally.clear();
        self.healthy.reset();
        self.entries.fill(None);
        self.closed = 0;
    }

    /// This one stands still from now on.
    pub fn stall(&mut self, at: usize) {
        self.entries[at] = Some(Entry { from: self.books.sequence(at), ..Entry::default() });
    }

    /// Those who stood still.
    pub fn stalled(&self) -> Vec<usize> {
        (0..self.entries.len()).filter(|at| self.entries[*at].is_some()).collect()
    }

    /// Messages that those of them who were not closed got or were told of too few, or too many.
    pub fn missing(&self, lines: &[Line]) -> u64 {
        let entries = self.entries.iter().enumerate().filter(|(at, _)| lines[*at].is_open());
        let wrong = entries
            .filter_map(|(at, entry)| Some(entry.as_ref()?.wrong_by(self.books.sequence(at))));
        wrong.sum()
    }

    /// What is told of them.
    pub fn told(&self, lines: &[Line]) -> Stalled {
        let entries = || self.entries.iter().flatten();
        Stalled {
            count: entries().count() as u64,
            received: entries().map(|entry| entry.received).sum(),
            told_in_gaps: entries().map(|entry| entry.told).sum(),
            closed: self.closed,
            missing: self.missing(lines),
            ..Stalled::default()
        }
    }
}

impl Counted for Readers {
    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}

impl Audience for Readers {
    fn joined(&mut self, at: usize, line: &mut Line, now_ns: u64) {
        self.books.joined(at, line, now_ns);
    }

    #[inline]
    fn heard(&mut self, at: usize, line: &mut Line, stamp: Stamp, now_ns: u64) {
        let before = self.books.tally.operations;
        self.books.heard(at, line, stamp, now_ns);
        match &mut self.entries[at] {
            Some(entry) => entry.received += self.books.tally.operations - before,
            None => self.healthy.saturating_record(now_ns.saturating_sub(stamp.at_ns).max(1)),
        }
    }

    fn word(&mut self, at: usize, line: &mut Line, word: Word, text: &[u8]) {
        let told = line.told;
        self.books.word(at, line, word, text);
        if let Some(entry) = &mut self.entries[at] {
            entry.told += u64::from(line.told - told);
        }
    }

    fn ended(&mut self, at: usize, line: &mut Line) {
        self.closed += u64::from(line.is_open() && self.entries[at].is_some());
        self.books.ended(at, line);
    }
}
