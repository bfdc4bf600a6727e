//! Who was dropped, who is back, and who has what: the audience of a storm. Opens and drops nobody.
//!
//! Who is away is owed everything all the same, so the books go on counting it as there. It is
//! *restored* when it is subscribed again and has, or was told of, all that was published before
//! its subscription was acknowledged.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::bench::books::Books;
use crate::bench::clock::now_ns;
use crate::bench::codec::Header;
use crate::bench::dialect::Word;
use crate::bench::hearing::Audience;
use crate::bench::line::Line;
use crate::bench::positions::{Positions, text_of};
use crate::bench::report::histogram;
use crate::bench::stamp::Stamp;
use crate::bench::traffic::{Counted, Entry};

/// Who was refused or lost on its way back tries again after so long.
const PAUSE_NS: u64 = 100_000_000;

/// What became of a connection in this storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Untouched,
    /// It was dropped.
    Away,
    /// It is subscribed again, and restored when it has this sequence.
    Back(u64),
    /// It has everything.
    Restored,
    /// It is gone for good, which is counted as closed.
    Gone,
}

/// The audience.
#[derive(Debug)]
pub struct Returning {
    pub books: Books,
    /// How often a connection had to try again.
    pub retried: u64,
    /// Latencies of those that were not dropped, from the drop until all were back.
    pub untouched: Histogram<u64>,
    positions: Vec<Positions>,
    states: Vec<State>,
    entries: Vec<Entry>,
    /// Who is to come back, and from when on.
    queue: VecDeque<(u64, usize)>,
    dropped: u64,
    dropped_ns: u64,
    /// How long after the drop each was restored, in that order.
    restored_ns: Vec<u64>,
}

impl Returning {
    pub fn new(books: Books, channels: usize, connections: usize) -> Result<Self, String> {
        Ok(Self {
            books,
            retried: 0,
            untouched: histogram::empty()?,
            positions: (0..channels).map(|_| Positions::default()).collect(),
            states: vec![State::Untouched; connections],
            entries: vec![Entry::default(); connections],
            queue: VecDeque::new(),
            dropped: 0,
            dropped_ns: 0,
            restored_ns: Vec::new(),
        })
    }

    /// A new storm is to come.
    pub fn begin(&mut self, lines: &[Line]) {
        self.books.tally.clear();
        self.retried = 0;
        self.untouched.reset();
        self.queue.clear();
        (self.dropped, self.dropped_ns) = (0, 0);
        self.restored_ns.clear();
        for (at, state) in self.states.iter_mut().enumerate() {
            *state = if lines[at].is_open() { State::Untouched } else { State::Gone };
            self.entries[at] = Entry { from: self.books.sequence(at), ..Entry::default() };
        }
    }

    /// A connection was dropped.
    pub fn dropped(&mut self, at: usize, line: &mut Line, now_ns: u64) {
        self.go_away(at, line, now_ns);
        self.dropped += 1;
    }

    /// It is to come back. Of a gap whose messages it has not passed, it will be told once more.
    fn go_away(&mut self, at: usize, line: &mut Line, until_ns: u64) {
        self.entries[at].told -= u64::from(std::mem::take(&mut line.told));
        self.states[at] = State::Away;
        self.queue.push_back((until_ns, at));
    }

    /// All are dropped.
    pub fn begin_to_return(&mut self, now_ns: u64) {
        self.dropped_ns = now_ns;
    }

    /// When the next may come back.
    pub fn next_return_ns(&self) -> u64 {
        self.queue.front().map_or(u64::MAX, |(at_ns, _)| *at_ns)
    }

    /// Who comes back now.
    pub fn return_now(&mut self, now_ns: u64) -> Option<usize> {
        self.queue.pop_front_if(|(at_ns, _)| *at_ns <= now_ns).map(|(_, at)| at)
    }

    pub fn all_are_back(&self) -> bool {
        self.restored_ns.len() as u64 == self.dropped
    }

    /// The last time that somebody was dropped or restored.
    pub fn progress_ns(&self) -> u64 {
        self.dropped_ns + self.restored_ns.last().copied().unwrap_or(0)
    }

    /// Those who did not come back.
    pub fn away(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|at| self.states[*at] == State::Away).collect()
    }

    /// It will not come back: what it missed is lost.
    pub fn lose(&mut self, at: usize, line: &mut Line) {
        self.books.leave(at, line);
        self.states[at] = State::Gone;
    }

    /// How it stands, in a line.
    pub fn news(&self) -> String {
        match self.dropped {
            0 => format!("{} published, nobody is dropped yet", self.books.tally.published),
            dropped => format!("{} of {dropped} are back", self.restored_ns.len()),
        }
    }

    pub fn dropped_count(&self) -> u64 {
        self.dropped
    }

    /// How long it took until so many of 100 of those dropped were restored.
    pub fn restored(&self, percent: u64) -> Option<u64> {
        let needed = (self.dropped * percent).div_ceil(100);
        self.restored_ns.get(usize::try_from(needed).ok()?.checked_sub(1)?).copied()
    }

    /// Messages that connections which are there got or were told of too few, or too many.
    pub fn wrong(&self, lines: &[Line]) -> u64 {
        let entries = self.entries.iter().enumerate();
        let there = entries.filter(|(at, _)| lines[*at].is_open());
        there.map(|(at, entry)| entry.wrong_by(self.books.sequence(at))).sum()
    }

    /// Whether it has come far enough.
    fn look(&mut self, at: usize, line: &Line, now_ns: u64) {
        if let State::Back(target) = self.states[at]
            && line.last + u64::from(line.told) >= target
        {
            self.states[at] = State::Restored;
            self.restored_ns.push(now_ns - self.dropped_ns);
        }
    }
}

impl Counted for Returning {
    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}

impl Audience for Returning {
    fn joined(&mut self, at: usize, line: &mut Line, now_ns: u64) {
        match self.states[at] {
            State::Away => {
                self.states[at] = State::Back(self.books.sequence(at));
                self.look(at, line, now_ns);
            }
            _ => self.books.joined(at, line, now_ns),
        }
    }

    #[inline]
    fn begun(&mut self, at: usize, _: Header, payload: &[u8]) {
        let count = self.positions.len();
        self.positions[at % count].learn(payload);
    }

    #[inline]
    fn heard(&mut self, at: usize, line: &mut Line, stamp: Stamp, now_ns: u64) {
        let before = self.books.tally.operations;
        self.books.heard(at, line, stamp, now_ns);
        self.entries[at].received += self.books.tally.operations - before;
        match self.states[at] {
            State::Untouched if self.dropped_ns > 0 && !self.all_are_back() => {
                self.untouched.saturating_record(now_ns.saturating_sub(stamp.at_ns).max(1));
            }
            State::Back(_) => self.look(at, line, now_ns),
            _ => {}
        }
    }

    fn word(&mut self, at: usize, line: &mut Line, word: Word, text: &[u8]) {
        let told = line.told;
        self.books.word(at, line, word, text);
        self.entries[at].told += u64::from(line.told - told);
        let channel = at % self.positions.len();
        if word == Word::Joined
            && self.positions[channel].is_empty()
            && let Some(position) = text_of(text, "position")
        {
            self.positions[channel].keep(self.books.sequence(at), position);
        }
        self.look(at, line, now_ns());
    }

    fn ended(&mut self, at: usize, line: &mut Line) {
        match self.states[at] {
            State::Away | State::Back(_) => {
                self.retried += 1;
                self.go_away(at, line, now_ns() + PAUSE_NS);
            }
            State::Untouched | State::Restored if line.is_open() => {
                self.books.ended(at, line);
                self.states[at] = State::Gone;
            }
            _ => {}
        }
    }

    fn since(&self, at: usize, line: &Line) -> Option<String> {
        if self.states[at] != State::Away {
            return None;
        }
        self.positions[at % self.positions.len()].of(line.last).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stamp::STAMP;

    /// Two connections that have joined, of a channel whose positions are `k:SEQUENCE`.
    fn crew() -> (Returning, [Line; 2]) {
        let mut crew = Returning::new(Books::new(1, false).unwrap(), 1, 2).unwrap();
        let mut lines = [Line::default(), Line::default()];
        for (at, line) in lines.iter_mut().enumerate() {
            crew.joined(at, line, 1);
            let ack = br#"{"type":"ack","data":{"position":"k:0"}}"#;
            crew.word(at, line, Word::Joined, ack);
        }
        crew.begin(&lines);
        crew.states.fill(State::Untouched); // these lines have no sockets, and so are never open
        (crew, lines)
    }

    fn hear(crew: &mut Returning, lines: &mut [Line], at: usize, sequence: u64, now_ns: u64) {
        let stamp = Stamp { sequence, at_ns: 1 };
        let mut bytes = [0; STAMP];
        stamp.write(&mut bytes);
        let message = [format!(r#"{{"id":"k:{sequence}","data":""#).as_bytes(), &bytes].concat();
        let length = message.len() as u32;
        let opcode = crate::ws::frame::Opcode::Text;
        let header = Header { size: 2, fin: true, rsv1: false, opcode, len: length };
        crew.begun(at, header, &message);
        crew.heard(at, &mut lines[at], stamp, now_ns);
    }

    #[test]
    fn who_returns_goes_on_where_it_was() {
        let (mut crew, mut lines) = crew();
        assert_eq!((crew.books.publish(0), crew.books.publish(0)), (1, 2));
        hear(&mut crew, &mut lines, 0, 1, 5);
        hear(&mut crew, &mut lines, 0, 2, 5);
        hear(&mut crew, &mut lines, 1, 1, 5);
        assert_eq!(crew.since(1, &lines[1]), None, "it was not dropped");
        crew.dropped(1, &mut lines[1], 100);
        crew.begin_to_return(100);
        assert_eq!((crew.return_now(99), crew.return_now(100)), (None, Some(1)));
        assert_eq!(crew.since(1, &lines[1]).as_deref(), Some("k:1"));
        assert_eq!(crew.books.publish(0), 3);
        crew.joined(1, &mut lines[1], 150);
        hear(&mut crew, &mut lines, 1, 2, 160);
        assert!(!crew.all_are_back(), "one more was published before it was back");
        hear(&mut crew, &mut lines, 0, 3, 170);
        hear(&mut crew, &mut lines, 1, 3, 180);
        assert!(crew.all_are_back());
        assert_eq!([50, 99, 100].map(|percent| crew.restored(percent)), [Some(80); 3]);
        assert_eq!((crew.books.outstanding, crew.books.tally.lost), (0, 0));
        assert_eq!(crew.untouched.len(), 1, "of the other one, in the storm");
        assert!(crew.entries.iter().all(|entry| entry.wrong_by(3) == 0), "{:?}", crew.entries);
    }

    /// It was told of a gap, and lost before anything came behind it: the gap counts once.
    #[test]
    fn a_gap_that_is_told_again_counts_once() {
        let (mut crew, mut lines) = crew();
        (0..5).for_each(|_| assert!(crew.books.publish(0) > 0));
        hear(&mut crew, &mut lines, 0, 1, 5);
        crew.dropped(0, &mut lines[0], 100);
        for attempt in 0..2 {
            assert!(crew.return_now(u64::MAX).is_some());
            crew.joined(0, &mut lines[0], 150);
            crew.word(0, &mut lines[0], Word::Gap(4), b"{}");
            assert!(crew.restored(100).is_some(), "it knows all that there is to know");
            if attempt == 0 {
                crew.go_away(0, &mut lines[0], 160);
                crew.restored_ns.clear();
            }
        }
        assert_eq!(crew.books.publish(0), 6);
        hear(&mut crew, &mut lines, 0, 6, 200);
        assert_eq!((crew.entries[0].told, crew.entries[0].received), (4, 2));
        assert_eq!((crew.books.tally.lost, crew.entries[0].wrong_by(6)), (0, 0));
    }

    #[test]
    fn who_is_refused_tries_again() {
        let (mut crew, mut lines) = crew();
        crew.dropped(0, &mut lines[0], 100);
        assert_eq!(crew.return_now(100), Some(0));
        crew.ended(0, &mut lines[0]);
        assert_eq!((crew.retried, crew.away()), (1, vec![0]));
        assert_eq!(crew.return_now(100), None, "after a pause");
        assert_eq!(crew.return_now(u64::MAX), Some(0));
        crew.lose(0, &mut lines[0]);
        assert_eq!((crew.away(), crew.books.tally.closed), (vec![], 1));
        assert_eq!(crew.restored(100), None);
    }
}
