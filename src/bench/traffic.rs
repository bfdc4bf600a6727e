//! Messages at a rate, while something else goes on; and the wait until everybody has what was
//! published. What goes on is the scenario's business.

use std::time::Duration;

use super::books::Books;
use super::crowd::{Crowd, Wait};
use super::hearing::Audience;
use super::publisher::Publisher;
use super::stamp::Stamp;
use super::work::Silence;
use crate::entropy::Random;

/// The rate where none is given.
pub const USUAL_RATE: f64 = 10.0;

/// An audience that keeps books.
pub trait Counted: Audience {
    /// Its books.
    fn books(&mut self) -> &mut Books;
}

/// Messages at their times, to each channel in turn.
#[derive(Debug)]
pub struct Traffic {
    publisher: Publisher,
    rate: f64,
    begin_ns: u64,
    /// The number of the next message since then.
    number: u64,
    /// The number of the next message of all.
    turn: usize,
}

impl Traffic {
    /// Of this publisher, at so many messages a second.
    pub fn new(publisher: Publisher, rate: f64) -> Self {
        Self { publisher, rate, begin_ns: 0, number: 0, turn: 0 }
    }

    /// The first message is due now.
    pub fn begin(&mut self, now_ns: u64) {
        (self.begin_ns, self.number) = (now_ns, 0);
    }

    /// When the next message is due.
    pub fn due_ns(&self) -> u64 {
        let passed = Duration::from_secs_f64(self.number as f64 / self.rate);
        self.begin_ns + passed.as_nanos() as u64
    }

    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The channels that it goes to.
    pub fn channels(&self) -> usize {
        self.publisher.channels()
    }

    /// Publishes a message if one is due. One at a time: who is late with publishing is not to be
    /// later for it with reading.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn publish(
        &mut self,
        crowd: &mut Crowd,
        books: &mut Books,
        now_ns: u64,
    ) -> Result<(), String> {
        let at_ns = self.due_ns();
        if at_ns > now_ns {
            return Ok(());
        }
        let channel = self.turn % self.publisher.channels();
        (self.number, self.turn) = (self.number + 1, self.turn + 1);
        self.publisher.publish(crowd, channel..channel + 1, |_| Stamp {
            sequence: books.publish(channel),
            at_ns,
        })
    }
}

/// Serves the crowd until this moment, or until something happens.
///
/// # Errors
/// When it is pointless to go on.
pub fn turn_until(
    crowd: &mut Crowd,
    audience: &mut impl Audience,
    now_ns: u64,
    until_ns: u64,
) -> Result<(), String> {
    let wait = if until_ns > now_ns { Wait::Until(until_ns) } else { Wait::No };
    crowd.turn(wait, audience).map(|_| ())
}

/// Until everybody has everything, or nothing came for too long: then it is lost.
///
/// # Errors
/// When it is pointless to go on.
pub fn drain(
    crowd: &mut Crowd,
    audience: &mut impl Counted,
    patience: Duration,
) -> Result<(), String> {
    let mut silence = Silence::of(patience);
    while audience.books().outstanding > 0 {
        if silence.is_over(crowd.turn(silence.wait(), audience)?) {
            let talker = crowd.talker();
            audience.books().give_up(&mut crowd.lines[..talker]);
            return Ok(());
        }
    }
    Ok(())
}

/// A share of so many connections, each time the same, and of all channels and addresses alike.
#[expect(clippy::cast_sign_loss, reason = "it is not below 0")]
pub fn pick(count: usize, share: f64) -> Vec<usize> {
    let mut random = Random::new(count as u64);
    let mut all: Vec<usize> = (0..count).collect();
    for left in (1..count).rev() {
        all.swap(left, random.below(left as u64 + 1) as usize);
    }
    all.truncate((share * count as f64).round() as usize);
    all.sort_unstable();
    all
}

/// What each connection was given and told, so that it can be held against what was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The sequence that it began behind.
    pub from: u64,
    /// Messages that came, each counted once.
    pub received: u64,
    /// Messages that it was told will not come.
    pub told: u64,
}

impl Entry {
    /// By how much it is wrong, now that so many were published: too little or too much.
    pub fn wrong_by(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(self.from).abs_diff(self.received + self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread() {
        for (count, share, expected) in
            [(10, 0.0, 0), (10, 1.0, 10), (10, 0.3, 3), (3, 0.1, 0), (19_000, 0.999, 18_981)]
        {
            assert_eq!(pick(count, share).len(), expected, "{share} of {count}");
        }
        let picked = pick(10_000, 0.1);
        assert!(picked.is_sorted_by(|left, right| left < right), "each once");
        for channel in 0..10 {
            let here = picked.iter().filter(|at| *at % 10 == channel).count();
            assert!((50..150).contains(&here), "{here} of channel {channel}");
        }
    }

    #[test]
    fn an_entry_is_exact() {
        let entry = Entry { from: 10, received: 7, told: 3 };
        assert_eq!([19, 20, 21].map(|sequence| entry.wrong_by(sequence)), [1, 0, 1]);
    }
}
