//! Who has been sent what, and who has it: the audience of everything that is published. What is
//! outstanding is a number, so that nobody is looked at to know that all have everything.

use super::dialect::Word;
use super::hearing::Audience;
use super::line::{Line, Noted};
use super::stamp::Stamp;
use super::tally::Tally;

/// In closed loop, the latency of one in so many connections is recorded, and of the last delivery.
const SAMPLE: usize = 16;

/// The books of all channels. Always: `outstanding` is the sum, over all open connections, of what
/// their channel has beyond the highest sequence they have.
#[derive(Debug)]
pub struct Books {
    /// Counted since the slice began.
    pub tally: Tally,
    /// Deliveries that are still to come; below 0 where others publish and have not said so yet.
    pub outstanding: i64,
    /// Every latency is recorded, and not a sample.
    pub all: bool,
    channels: Vec<Channel>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    /// The latest sequence.
    sequence: u64,
    /// Its subscribers.
    live: u64,
}

impl Books {
    /// Of so many channels, with nobody there.
    pub fn new(channels: usize, all: bool) -> Result<Self, String> {
        let channels = vec![Channel::default(); channels];
        Ok(Self { tally: Tally::new()?, outstanding: 0, all, channels })
    }

    /// The next message of a channel is published; its sequence.
    pub fn publish(&mut self, channel: usize) -> u64 {
        let Channel { sequence, live } = &mut self.channels[channel];
        *sequence += 1;
        self.outstanding += live.cast_signed();
        self.tally.published += 1;
        self.tally.expected += *live;
        *sequence
    }

    /// Nothing more will come: what is outstanding is lost.
    pub fn give_up(&mut self, lines: &mut [Line]) {
        if self.outstanding <= 0 {
            return;
        }
        for (at, line) in lines.iter_mut().enumerate() {
            if line.is_open() && !line.is_stalled() {
                let missing = line.skip_to(self.channel(at).sequence);
                self.outstanding -= missing.cast_signed();
                self.tally.lost += excuse(line, missing);
            }
        }
    }

    /// The latest sequence of this connection's channel.
    pub fn sequence(&self, at: usize) -> u64 {
        self.channels[at % self.channels.len()].sequence
    }

    /// A connection is gone for good: what it does not have is lost.
    pub fn leave(&mut self, at: usize, line: &mut Line) {
        let channel = self.channel(at);
        channel.live -= 1;
        let missing = line.skip_to(channel.sequence);
        self.outstanding -= missing.cast_signed();
        self.tally.lost += excuse(line, missing);
        self.tally.closed += 1;
    }

    fn channel(&mut self, at: usize) -> &mut Channel {
        let count = self.channels.len();
        &mut self.channels[at % count]
    }
}

impl Audience for Books {
    fn joined(&mut self, at: usize, line: &mut Line, _: u64) {
        let channel = self.channel(at);
        channel.live += 1;
        line.start_at(channel.sequence);
    }

    #[inline]
    fn heard(&mut self, at: usize, line: &mut Line, stamp: Stamp, now_ns: u64) {
        match line.note(stamp.sequence) {
            Noted::New { missing } => {
                self.outstanding -= missing.cast_signed() + 1;
                if missing > 0 {
                    self.tally.lost += excuse(line, missing);
                }
            }
            Noted::Late => {
                self.tally.reordered += 1;
                self.tally.lost = self.tally.lost.saturating_sub(1);
            }
            Noted::Again => {
                self.tally.duplicated += 1;
                return;
            }
        }
        self.tally.operations += 1;
        if self.all || at.is_multiple_of(SAMPLE) || self.outstanding == 0 {
            self.tally.took(now_ns.saturating_sub(stamp.at_ns));
        }
    }

    fn word(&mut self, _: usize, line: &mut Line, word: Word, _: &[u8]) {
        if let Word::Gap(missed) = word {
            self.tally.gaps_told += 1;
            line.told = line.told.saturating_add(u32::try_from(missed).unwrap_or(u32::MAX));
        }
    }

    fn ended(&mut self, at: usize, line: &mut Line) {
        if line.is_open() {
            self.leave(at, line);
        }
    }
}

/// How many of the missing ones were missing in silence.
fn excuse(line: &mut Line, missing: u64) -> u64 {
    let told = missing.min(u64::from(line.told));
    line.told -= told as u32;
    missing - told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(books: &mut Books, line: &mut Line, sequence: u64) {
        books.heard(0, line, Stamp { sequence, at_ns: 1 }, 2);
    }

    #[test]
    fn nothing_is_outstanding_when_all_have_everything() {
        let mut books = Books::new(1, false).expect("books");
        let mut lines = [Line::default(), Line::default()];
        for (at, line) in lines.iter_mut().enumerate() {
            books.joined(at, line, 0);
        }
        assert_eq!((books.publish(0), books.publish(0)), (1, 2));
        assert_eq!((books.outstanding, books.tally.expected), (4, 4));
        let [first, second] = &mut lines;
        for line in [first, second] {
            heard(&mut books, line, 1);
            heard(&mut books, line, 2);
        }
        assert_eq!((books.outstanding, books.tally.operations), (0, 4));
        assert_eq!((books.tally.lost, books.tally.duplicated, books.tally.reordered), (0, 0, 0));
    }

    #[test]
    fn what_is_lost_doubled_late_or_told() {
        let mut books = Books::new(1, false).expect("books");
        let mut line = Line::default();
        books.joined(0, &mut line, 0);
        (0..9).for_each(|_| assert!(books.publish(0) > 0));
        heard(&mut books, &mut line, 1);
        heard(&mut books, &mut line, 1);
        assert_eq!(books.tally.duplicated, 1);
        heard(&mut books, &mut line, 4);
        assert_eq!((books.tally.lost, books.outstanding), (2, 5));
        heard(&mut books, &mut line, 3);
        assert_eq!((books.tally.lost, books.tally.reordered, books.outstanding), (1, 1, 5));
        books.word(0, &mut line, Word::Gap(2), b"");
        heard(&mut books, &mut line, 7);
        assert_eq!((books.tally.lost, books.tally.gaps_told, books.outstanding), (1, 1, 2));
        assert_eq!(books.tally.operations, 4);
    }
}
