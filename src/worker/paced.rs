//! Rounds: members of a feed with a pace are sent the newest of every key once a period. Here is
//! when a round is due, and how its pages get from the owner into the feed; who is sent what is the
//! business of `feed::paced` and `flush`. Nothing is queued per connection.

use std::sync::Arc;

use super::Worker;
use super::mail::{Mail, Round, RoundPage};
use super::net::{Fault, Net};
use crate::feed::Feed;
use crate::limits::ROUNDS_PER_TURN;
use crate::metrics::Counter;

impl<N: Net> Worker<N> {
    /// Asks owners for the rounds that are due, a bounded number a turn. Where the last page is
    /// still being passed out, the next one is set again when that is done (`flush`).
    pub(super) fn ask_rounds(&mut self) {
        let now_ms = self.now.mono_ms;
        for _ in 0..ROUNDS_PER_TURN {
            let Some(&(due_ms, index)) = self.rounds.first() else { return };
            if due_ms > now_ms {
                return;
            }
            self.rounds.pop_first();
            let (audience, feed) = (self.audience(index), self.feed_key(index));
            let asked = &mut self.feeds[index as usize];
            if asked.hot {
                asked.put_off_round();
                continue;
            }
            let Some(since) = asked.begin_round(now_ms, &mut self.spare) else { continue };
            let (owner, channel) = (asked.owner, Arc::clone(&asked.channel));
            let letter = Round { channel, audience, feed, since };
            self.letter(owner, Mail::Round(Box::new(letter)));
        }
    }

    /// Whether a round is due.
    pub(super) fn is_round_due(&self) -> bool {
        self.rounds.first().is_some_and(|&(due_ms, _)| due_ms <= self.now.mono_ms)
    }

    /// Sets when a feed's next round begins, if it has a pace and there is reason for a round.
    pub(super) fn schedule_round(&mut self, index: u32) {
        let due_ms = self.feeds[index as usize].schedule_round(self.now.mono_ms);
        self.rounds.extend(due_ms.map(|due_ms| (due_ms, index)));
    }

    /// Begins the next rounds of what a connection follows now and not in their time, for it is
    /// about to be closed, and the last values must come. Says whether all have come.
    pub(super) fn hurry_rounds(&mut self, slot: u32) -> bool {
        let now_ms = self.now.mono_ms;
        let mut all = true;
        for reference in self.table.hot(slot).references() {
            let Some(paced) = &mut self.feeds[reference.feed as usize].paced else { continue };
            all &= paced.rests();
            if let Some(late_ms) = paced.hurry(now_ms) {
                self.rounds.remove(&(late_ms, reference.feed));
                self.rounds.insert((now_ms, reference.feed));
            }
        }
        all
    }

    /// The owner has something again for a feed that had everything.
    pub(super) fn ring(&mut self, index: u32) {
        if let Some(paced) = &mut self.feeds[index as usize].paced {
            paced.ring();
        }
        self.schedule_round(index);
    }

    /// A feed is gone.
    pub(super) fn forget_rounds(&mut self, index: u32, feed: &mut Feed) {
        let Some(paced) = &feed.paced else { return };
        self.paced_feeds -= 1;
        if let Some(due_ms) = paced.due_ms() {
            self.rounds.remove(&(due_ms, index));
        }
    }

    pub(super) fn owner_round(&mut self, round: &Round) {
        let Round { channel, audience, feed, since } = round;
        let (terms, now) = (self.terms(channel), self.now);
        let since = Some(*since);
        let page = self.shard.round(channel, *audience, *feed, since, &terms, now, &mut self.codec);
        // Without the channel the group has left too: its Leave came before this.
        let Some(page) = page else { return };
        let letter = RoundPage { feed: *feed, page };
        self.letter(audience.worker, Mail::RoundPage(Box::new(letter)));
    }

    /// A page of a round has come: it becomes what the feed's members are sent.
    pub(super) fn take_round(&mut self, letter: RoundPage) {
        let RoundPage { feed: key, mut page } = letter;
        if self.net.plants(Fault::StaleRound) {
            page.frames = None;
        }
        let index = key.index;
        let same = |feed: &&mut Feed| feed.generation == key.generation;
        let Some(feed) = self.feeds.get_mut(index as usize).filter(same) else { return };
        let gap = page.gap;
        let window_bytes = self.config.window_bytes;
        if feed.turn_round(page, window_bytes, &mut self.spare) && !feed.hot {
            feed.hot = true;
            self.hot.push_back(index);
        }
        self.count_one(Counter::Rounds);
        if let Some(gap) = gap {
            self.counters().gaps(gap.reason);
        }
        self.schedule_round(index);
        self.hold_windows(index);
    }
}
