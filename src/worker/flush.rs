//! Sending. First what connections have of their own, then the hot feeds, round robin, for each
//! follower one send of the window from its cursor to the end. A turn sends a bounded number of
//! times, then the others get their answers; frames that arrive meanwhile ride in the same send for
//! those not yet reached.

use std::io::{self, ErrorKind};

use super::Worker;
use super::net::{Fault, Net};
use crate::conn::entry::{Flags, Phase, Reference};
use crate::feed::pass::Offer;
use crate::feed::window::{Rest, Run};
use crate::limits::{
    FEED_SENDS, FLUSH_BYTES, FLUSH_SENDS, OUTPUT_BYTES, UNLIMITED, VISITS_PER_SEND,
};
use crate::metrics::{Counter, End};
use crate::ws::close::CloseCode;
use crate::ws::frame::Opcode;

/// What a turn may still send.
#[derive(Debug)]
struct Budget {
    sends: usize,
    bytes: usize,
    visits: usize,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.sends == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.sends = self.sends.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Looking at many that need nothing costs as much as sending to a few.
    fn visit(&mut self) {
        self.visits += 1;
        if self.visits.is_multiple_of(VISITS_PER_SEND) {
            self.sends = self.sends.saturating_sub(1);
        }
    }
}

/// A part of what was gathered for one connection from several feeds.
struct Segment {
    feed: u32,
    at: usize,
    bytes: usize,
}

impl<N: Net> Worker<N> {
    /// Sends what one turn may.
    pub(super) fn flush(&mut self) {
        self.fail_overfull();
        // Half for either, so that neither answers nor publications starve; what answers leave over
        // is for publications.
        let (mut sends, mut bytes) = (FLUSH_SENDS / 2, FLUSH_BYTES / 2);
        if self.net.plants(Fault::GreedyFlush) {
            (sends, bytes) = (UNLIMITED / 2, UNLIMITED / 2);
        }
        let mut budget = Budget { sends, bytes, visits: 0 };
        let mut dirty = std::mem::take(&mut self.dirty);
        let mut done = 0;
        while done < dirty.len() && !budget.is_spent() {
            let slot = dirty[done];
            done += 1;
            let Some(hot) = self.table.occupied(slot) else { continue };
            hot.flags.clear(Flags::DIRTY);
            self.flush_one(slot, &mut budget);
        }
        dirty.drain(..done);
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
        budget.sends += sends;
        budget.bytes += bytes;
        self.flush_hot(&mut budget);
        self.close_slow();
    }

    /// Closes those that were found too slow, in the very flush that found them: later their slots
    /// might be somebody else's.
    fn close_slow(&mut self) {
        while let Some(slot) = self.slow.pop() {
            self.close(slot, CloseCode::SLOW);
        }
    }

    /// Sends what a connection has of its own, then what it lags behind in feeds.
    fn flush_one(&mut self, slot: u32, budget: &mut Budget) {
        loop {
            let hot = self.table.hot_mut(slot);
            if hot.flags.any(Flags::BLOCKED | Flags::DEAD) {
                return;
            }
            let (Some(outbox), Some(socket)) = (hot.outbox.as_deref_mut(), &hot.socket) else {
                break;
            };
            let wanted = outbox.front().len();
            if wanted == 0 {
                hot.outbox = None;
                break;
            }
            if budget.is_spent() {
                return self.mark_dirty(slot);
            }
            let outcome = self.net.send(socket, outbox.front());
            if let Ok(count) = outcome {
                outbox.taken(count.min(wanted));
            }
            budget.spend(self.sent(slot, wanted, &outcome));
        }
        self.resume(slot);
        self.all_sent(slot);
        if self.table.hot(slot).phase == Phase::Open {
            self.catch_up(slot, budget);
        }
    }

    /// Whether a connection has been given all that it has of its own and follows. Who has not gets
    /// it in the flushes to come, for it lags in a hot feed, or is dirty, blocked or pulling.
    pub(super) fn is_served(&self, slot: u32) -> bool {
        let hot = self.table.hot(slot);
        let caught_up = |reference: Reference| {
            let run = self.feeds[reference.feed as usize].run(reference.at as usize);
            matches!(run, Run::CaughtUp)
        };
        hot.outbox.is_none() && !hot.flags.has(Flags::BLOCKED) && hot.references().all(caught_up)
    }

    /// Books what a send came to. Returns how many bytes were taken.
    pub(super) fn sent(&mut self, slot: u32, wanted: usize, outcome: &io::Result<usize>) -> usize {
        let count = match outcome {
            Ok(count) => *count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.mark_dirty(slot);
                return 0;
            }
            Err(_) => {
                self.mark_dead(slot, End::Reset);
                return 0;
            }
        };
        let counters = self.stats.worker(self.id);
        counters.add(Counter::Sends, 1);
        counters.add(Counter::BytesOut, count as u64);
        if count < wanted {
            counters.add(Counter::ShortWrites, 1);
            self.wait_for_room(slot);
        }
        if self.table.hot(slot).phase == Phase::Lingering {
            self.earn_time(slot, count);
        }
        count
    }

    /// The socket is full. Most never are, so poll is asked about room only now: when a connection
    /// comes there always is some, and to be told so would cost an event.
    fn wait_for_room(&mut self, slot: u32) {
        let tick = self.tick();
        let (hot, cold) = self.table.parts(slot);
        self.blocked += usize::from(hot.flags.set(Flags::BLOCKED));
        hot.flags.set(Flags::LAGGED);
        cold.blocked = tick;
        let first = hot.flags.set(Flags::AWAITS_ROOM);
        if let (true, Some(socket)) = (first, &hot.socket)
            && self.net.await_room(socket, slot).is_err()
        {
            return self.mark_dead(slot, End::Reset);
        }
        self.schedule(slot);
    }

    /// Passes over the hot feeds.
    fn flush_hot(&mut self, budget: &mut Budget) {
        while !budget.is_spent() {
            let Some(index) = self.hot.pop_front() else { return };
            let slice = budget.sends.saturating_sub(FEED_SENDS);
            let visits = budget.visits;
            loop {
                if budget.sends <= slice || budget.is_spent() {
                    self.hot.push_back(index);
                    break;
                }
                self.push_alike(index, slice, budget);
                if budget.sends <= slice || budget.is_spent() {
                    continue;
                }
                let feed = &mut self.feeds[index as usize];
                let Some(at) = feed.visit() else {
                    feed.hot = false;
                    break;
                };
                budget.visit();
                let slot = feed.subscriptions()[at].slot;
                let hot = self.table.hot(slot);
                // Who has output of its own, or a full socket, catches up when that is gone.
                if hot.outbox.is_some() || hot.flags.any(Flags::BLOCKED | Flags::DEAD) {
                    continue;
                }
                if hot.only(index) {
                    self.push(slot, index, at, budget);
                } else {
                    self.catch_up(slot, budget);
                }
            }
            let feed = &mut self.feeds[index as usize];
            // When that was is known at the end of the turn.
            self.landed.extend(feed.flight.visited(budget.visits - visits, !feed.hot));
            if !feed.hot {
                self.schedule_round(index);
            }
        }
    }

    /// Gives followers of a feed what it has for them, as long as each is like most: ready to be
    /// sent to, and with nothing to be sent from elsewhere. Stops at the first that is not, or when
    /// only `slice` sends are left.
    fn push_alike(&mut self, index: u32, slice: usize, budget: &mut Budget) {
        const UNLIKE: u32 = Flags::BLOCKED | Flags::DEAD | Flags::LAGGED;
        let alone = self.hot.is_empty();
        let Self { feeds, table, net, spare, .. } = self;
        let mut bytes = 0;
        let mut short = None;
        let passed = feeds[index as usize].pass(spare, |slot, run| {
            let hot = table.hot(slot);
            let unlike = hot.outbox.is_some() || hot.flags.any(UNLIKE);
            let (Some(socket), false) = (&hot.socket, unlike) else { return Offer::Unfit };
            if budget.sends <= slice || budget.is_spent() || !(alone || hot.only(index)) {
                return Offer::Unfit;
            }
            match net.send(socket, run) {
                Ok(count) if count == run.len() => {
                    bytes += count;
                    budget.spend(count);
                    Offer::Whole
                }
                outcome => {
                    short = Some((slot, run.len(), outcome));
                    Offer::Short
                }
            }
        });
        budget.visits += passed.whole + usize::from(short.is_some());
        let counters = self.counters();
        counters.add(Counter::Sends, passed.whole as u64);
        counters.add(Counter::BytesOut, bytes as u64);
        counters.add(Counter::Deliveries, passed.deliveries);
        if let (Some((slot, wanted, outcome)), Some(at)) = (short, passed.short) {
            self.book(slot, index, at, wanted, &outcome, budget);
        }
    }

    /// Books what a run came to that was sent to one subscription. Says whether it was taken whole.
    fn book(
        &mut self,
        slot: u32,
        index: u32,
        at: usize,
        wanted: usize,
        outcome: &io::Result<usize>,
        budget: &mut Budget,
    ) -> bool {
        let taken = self.sent(slot, wanted, outcome);
        budget.spend(taken);
        let short = taken < wanted;
        let lost = short && self.net.plants(Fault::CursorPastShortWrite);
        self.advance(slot, index, at, if lost { wanted } else { taken });
        !short
    }

    /// Gives one subscription what its feed has for it.
    fn push(&mut self, slot: u32, index: u32, at: usize, budget: &mut Budget) {
        loop {
            let hot = self.table.hot(slot);
            let Some(socket) = &hot.socket else { return self.take_probe(slot, index, at) };
            let (outcome, wanted) = match self.feeds[index as usize].run(at) {
                Run::Frames(bytes) => (self.net.send(socket, bytes), bytes.len()),
                Run::Large(frames) => (self.net.send(socket, frames), frames.len()),
                Run::Fallen => {
                    if !hot.flags.has(Flags::PULLING) {
                        self.pull(slot, index, at);
                    }
                    return;
                }
                Run::CaughtUp | Run::Waiting => return,
            };
            if !self.book(slot, index, at, wanted, &outcome, budget) {
                return;
            }
            // Of large frames each is a send: they may outlast the budget.
            if budget.is_spent() {
                return self.mark_dirty(slot);
            }
        }
    }

    /// Moves a cursor over what was taken; the rest of a frame that was cut goes first from now on.
    fn advance(&mut self, slot: u32, index: u32, at: usize, taken: usize) {
        let feed = &mut self.feeds[index as usize];
        let before = feed.subscriptions()[at].sent;
        let rest = feed.advance(at, taken, &mut self.spare);
        let count = feed.subscriptions()[at].sent.wrapping_sub(before);
        self.counters().add(Counter::Deliveries, count);
        match rest {
            Rest::None => {}
            Rest::Small(bytes) => self.queue(slot, &bytes, false),
            Rest::Large(frames, from) => self.queue_shared(slot, frames, from),
        }
    }

    /// Gives a connection what all its feeds have for it, gathered in one send where they are
    /// several; then pulls for one subscription that has fallen behind its window.
    fn catch_up(&mut self, slot: u32, budget: &mut Budget) {
        loop {
            let hot = self.table.hot(slot);
            if hot.socket.is_none()
                || hot.outbox.is_some()
                || hot.flags.any(Flags::BLOCKED | Flags::DEAD)
            {
                return;
            }
            if budget.is_spent() {
                return self.mark_dirty(slot);
            }
            let hot = self.table.hot(slot);
            let mut lagging = None;
            let mut fallen = false;
            let mut several = false;
            for reference in hot.references() {
                let run = self.feeds[reference.feed as usize].run(reference.at as usize);
                match run {
                    Run::Frames(_) | Run::Large(_) => {
                        several |= lagging.is_some();
                        lagging = lagging.or(Some(reference));
                    }
                    Run::Fallen => fallen = true,
                    Run::CaughtUp | Run::Waiting => {}
                }
            }
            match lagging {
                Some(_) if several => self.push_gathered(slot, budget),
                Some(one) => self.push(slot, one.feed, one.at as usize, budget),
                None if fallen => return self.pull_next(slot),
                None => {
                    self.table.hot_mut(slot).flags.clear(Flags::LAGGED);
                    return;
                }
            }
        }
    }

    /// Sends the small frames that several feeds have for a connection as one.
    fn push_gathered(&mut self, slot: u32, budget: &mut Budget) {
        let mut gather = std::mem::take(&mut self.gather);
        gather.clear();
        let mut segments: Vec<Segment> = Vec::new();
        let hot = self.table.hot(slot);
        for reference in hot.references() {
            let at = reference.at as usize;
            let bytes: &[u8] = match self.feeds[reference.feed as usize].run(at) {
                Run::Frames(bytes) => bytes,
                Run::Large(frames) => frames,
                Run::Fallen | Run::CaughtUp | Run::Waiting => continue,
            };
            if !gather.is_empty() && gather.len() + bytes.len() > OUTPUT_BYTES {
                break;
            }
            gather.extend_from_slice(bytes);
            segments.push(Segment { feed: reference.feed, at, bytes: bytes.len() });
        }
        let Some(socket) = &hot.socket else { return };
        let outcome = self.net.send(socket, &gather);
        let mut taken = self.sent(slot, gather.len(), &outcome);
        budget.spend(taken);
        for segment in segments {
            let count = taken.min(segment.bytes);
            taken -= count;
            self.advance(slot, segment.feed, segment.at, count);
        }
        gather.shrink_to(2 * OUTPUT_BYTES);
        self.gather = gather;
    }

    /// Pulls for the next of a connection's subscriptions that have fallen behind, in turn.
    fn pull_next(&mut self, slot: u32) {
        let hot = self.table.hot(slot);
        if hot.flags.has(Flags::PULLING) {
            return;
        }
        let is_fallen = |reference: &Reference| {
            let run = self.feeds[reference.feed as usize].run(reference.at as usize);
            matches!(run, Run::Fallen)
        };
        let Some(reference) = hot.references().find(is_fallen) else { return };
        self.table.hot_mut(slot).put_last(reference.feed);
        self.pull(slot, reference.feed, reference.at as usize);
    }

    /// Sends bytes to one connection alone: at once if nothing is before them, else in their turn.
    pub(super) fn send_private(&mut self, slot: u32, bytes: &[u8]) {
        let hot = self.table.hot(slot);
        if hot.flags.any(Flags::DEAD | Flags::OVERFULL) {
            return;
        }
        let wait = hot.outbox.is_some()
            || hot.flags.has(Flags::BLOCKED)
            // The welcome comes in this very turn, most often, and then rides along.
            || hot.phase == Phase::Opening;
        let Some(socket) = hot.socket.as_ref().filter(|_| !wait) else {
            return self.queue(slot, bytes, true);
        };
        let outcome = self.net.send(socket, bytes);
        let taken = self.sent(slot, bytes.len(), &outcome);
        if taken < bytes.len() {
            self.queue(slot, &bytes[taken..], taken == 0);
        }
        if self.table.hot(slot).phase == Phase::Lingering {
            self.mark_dirty(slot);
        }
    }

    /// Says bytes to one connection: with the other answers while it is being served.
    pub(super) fn say(&mut self, slot: u32, bytes: &[u8]) {
        if self.serving == Some(slot) {
            self.answers.extend_from_slice(bytes);
        } else {
            self.queue(slot, bytes, true);
        }
    }

    /// Says a text to one connection.
    pub(super) fn frame_text(&mut self, slot: u32, text: &[u8]) {
        let window_bits = self.table.hot(slot).window_bits();
        if self.serving == Some(slot) {
            self.codec.message(&mut self.answers, Opcode::Text, window_bits, text);
        } else {
            let mut framed = std::mem::take(&mut self.gather);
            framed.clear();
            self.codec.message(&mut framed, Opcode::Text, window_bits, text);
            self.queue(slot, &framed, true);
            framed.shrink_to(2 * OUTPUT_BYTES);
            self.gather = framed;
        }
    }
}
