//! Leaving: how a worker lets its connections go, all of them when the node drains, one at a time
//! when they are of age. Each is told (`goaway`), has its time, is given what it has coming, and is
//! closed with a pace at which to come back. `crate::drain` has the timetable of a node; the clock
//! of each connection is its due tick, as everywhere (`sweep`).

use super::Worker;
use super::net::{Fault, Net};
use crate::client::answer::{self, Away};
use crate::conn::entry::{Endpoint, Flags, NEVER, Phase};
use crate::drain::Timetable;
use crate::http::reply::{self, Reply};
use crate::limits::{AGE_GRACE_TICKS, DUE_PER_TURN, RETRY_JITTER_MS, RETRY_MS, TICK_MS};
use crate::metrics::{Counter, End, Limit};
use crate::ws::close::{CloseCode, Pace};

/// How far this worker is in leaving.
#[derive(Debug, Default)]
pub(super) struct Departure {
    stage: Stage,
    /// How many connections it had then.
    count: u64,
    /// How many of them know when they are closed.
    told: u64,
    /// The next slot to look at for one that must be told.
    next: u32,
    /// The door was shut when this turn began.
    shut: bool,
    /// It has said that it is empty.
    empty: bool,
    /// All workers are.
    over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// It serves; perhaps the notice is given.
    #[default]
    Serving,
    /// The notice is over, but the door still lets in who waits.
    LastCall,
    /// Connections are told and closed by this timetable.
    Leaving(Timetable),
}

impl Departure {
    fn timetable(&self) -> Option<Timetable> {
        match self.stage {
            Stage::Leaving(timetable) => Some(timetable),
            Stage::Serving | Stage::LastCall => None,
        }
    }
}

impl<N: Net> Worker<N> {
    /// Whether this worker is done for good: the node has drained.
    pub fn is_over(&self) -> bool {
        self.departure.over
    }

    /// Whether new clients are turned away, and old ones let go.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.departure.stage, Stage::Leaving(_))
    }

    /// Whether it has something to do about leaving at once.
    pub(super) fn is_telling(&self) -> bool {
        match self.departure.stage {
            Stage::Serving => false,
            Stage::LastCall => true,
            Stage::Leaving(_) => (self.departure.next as usize) < self.table.slots(),
        }
    }

    /// When a draining worker looks again, in milliseconds: others may have become empty.
    pub(super) fn drain_due_ms(&self) -> Option<u64> {
        let drains = self.stats.drain().began_ms().is_some() && !self.departure.over;
        drains.then_some(self.now.mono_ms + TICK_MS)
    }

    /// What a drain asks of this turn. Comes before adopting, so that who sees the door shut here
    /// then adopts the last connections.
    pub(super) fn drain(&mut self) {
        let drain = self.stats.drain();
        let Some(began_ms) = drain.began_ms() else { return };
        self.departure.shut = drain.door_is_shut();
        self.departure.over = drain.is_over();
        if !self.is_leaving() {
            self.leave_in_time(began_ms);
        }
        let Some(timetable) = self.departure.timetable() else { return };
        self.tell_some(timetable);
        if self.now.mono_ms >= timetable.end_ms {
            self.cut_off();
        }
    }

    /// Begins to leave when the notice is over. The door first lets in who waits, for closing a
    /// listener resets them.
    fn leave_in_time(&mut self, began_ms: u64) {
        let config = &self.config;
        let timetable =
            Timetable::new(began_ms, config.drain_notice, config.drain_time, config.close_timeout);
        let now_ms = self.now.mono_ms;
        if now_ms < timetable.leave_ms {
            return;
        }
        if self.door.is_accepting() && now_ms < timetable.first_ms {
            self.departure.stage = Stage::LastCall;
            return;
        }
        self.departure.stage = Stage::Leaving(timetable);
        self.departure.count = self.table.len() as u64;
        if self.id == 0 {
            self.net.stop_listening();
            self.stats.drain().shut_door();
        }
    }

    /// Tells the next connections, a bounded number a turn, and no faster than it is sent.
    fn tell_some(&mut self, timetable: Timetable) {
        let end = self.departure.next as usize + DUE_PER_TURN;
        let end = end.min(self.table.slots()) as u32;
        while self.departure.next < end && self.dirty.len() < DUE_PER_TURN {
            let slot = self.departure.next;
            self.departure.next += 1;
            self.send_off(slot, timetable);
        }
    }

    /// A connection has become a WebSocket that would have been told, had it been one before.
    pub(super) fn send_off_late(&mut self, slot: u32) {
        if let Some(timetable) = self.departure.timetable() {
            self.send_off(slot, timetable);
        }
    }

    /// Tells one connection of the drain, in the words that it understands.
    fn send_off(&mut self, slot: u32, timetable: Timetable) {
        let Some(hot) = self.table.occupied(slot) else { return };
        let flags = hot.flags;
        // The reader of a probe has no socket, and ends by itself.
        if hot.socket.is_none() {
            return;
        }
        match hot.phase {
            Phase::Open if !flags.has(Flags::PARTING) => {
                let closes_ms = timetable.closes_ms(self.departure.told, self.departure.count);
                self.departure.told += 1;
                self.tell(slot, Away::Restart, (closes_ms / TICK_MS) as u32);
            }
            // Nothing was asked for, and nothing waits to be read.
            Phase::Head if !flags.any(Flags::BEGUN | Flags::READY | Flags::HANDSHAKE) => {
                self.linger(slot);
            }
            Phase::Head | Phase::Body => {
                let begun = flags.has(Flags::BEGUN) || hot.phase == Phase::Body;
                let by_ms = if begun { timetable.last_ms } else { timetable.first_ms };
                let deadline = &mut self.table.cold_mut(slot).deadline;
                *deadline = (*deadline).min((by_ms / TICK_MS) as u32);
                self.schedule(slot);
            }
            // These end by themselves, or are told when they are open.
            Phase::Free
            | Phase::Exchange
            | Phase::Opening
            | Phase::Open
            | Phase::Closing
            | Phase::Lingering => {}
        }
    }

    /// Says `goaway`, and sets the tick at which the connection is closed.
    fn tell(&mut self, slot: u32, why: Away, closes: u32) {
        let closes = closes.max(self.tick() + 1);
        self.table.hot_mut(slot).flags.set(Flags::TOLD);
        self.table.cold_mut(slot).deadline = closes;
        self.schedule(slot);
        let hot = self.table.hot(slot);
        if hot.endpoint() == Endpoint::Envelope && !hot.flags.has(Flags::STRANGER) {
            let closes_in_ms = (u64::from(closes) * TICK_MS).saturating_sub(self.now.mono_ms);
            let wall_ms = self.now.wall_ms;
            self.count_one(Counter::Goaways);
            self.say_text(slot, |out| answer::goaway(out, why, closes_in_ms, wall_ms));
        }
    }

    /// The tick at which a WebSocket that opens now is of age: a tenth more or less, so that those
    /// that came together do not go together.
    pub(super) fn end_of_age(&mut self) -> u32 {
        let age = super::sweep::ticks(self.config.max_connection_age);
        if age == 0 {
            return NEVER;
        }
        let jitter = self.random.below(u64::from(age / 5) + 1) as u32;
        self.tick().saturating_add(age - age / 10 + jitter)
    }

    /// The time of an open WebSocket is over. It is told so and has some more; then nothing more is
    /// read from it, and it is closed when it was given what it has coming: the answers to what it
    /// asked, and in a drain, after which there is nothing to resume, its publications too.
    pub(super) fn time_to_go(&mut self, slot: u32) {
        if !self.table.hot(slot).flags.has(Flags::TOLD) {
            self.counters().limits(Limit::Age);
            let age = super::sweep::ticks(self.config.max_connection_age);
            let closes = self.tick() + (age / 10).clamp(1, AGE_GRACE_TICKS);
            return self.tell(slot, Away::Age, closes);
        }
        let first = self.table.hot_mut(slot).flags.set(Flags::PARTING);
        let rounds = !self.is_leaving() || self.hurry_rounds(slot);
        let served = self.is_served(slot) && rounds;
        let hot = self.table.hot(slot);
        let asks = hot.pending > 0 || hot.inbox.as_ref().is_some_and(|i| !i.held.is_empty());
        let waits = match self.departure.timetable() {
            Some(timetable) => (asks || !served) && self.now.mono_ms < timetable.last_ms,
            // What is on its way to everybody comes in the meantime; for more, it can resume.
            None => asks || first && !served,
        };
        if waits && !self.net.plants(Fault::CloseUnserved) {
            self.table.cold_mut(slot).deadline = self.tick() + 1;
            return;
        }
        let leaving = self.is_leaving();
        let code = if leaving { CloseCode::RESTART } else { CloseCode::MOVED };
        let pace = self.pace();
        self.close_paced(slot, code, Some(pace));
    }

    /// When a client may come back. The least differs too, for clients that take that.
    fn pace(&mut self) -> Pace {
        let min_ms = RETRY_MS.0 + self.random.below(RETRY_JITTER_MS) as u32;
        Pace { min_ms, max_ms: min_ms + RETRY_MS.1 }
    }

    /// What a new WebSocket is answered by a worker that leaves.
    pub(super) fn refuse_newcomer(&mut self) -> Reply<'static> {
        let pace_ms = u64::from(self.pace().min_ms);
        reply::error("draining", 503, "the server is about to stop", true, Some(pace_ms))
    }

    /// The time of the drain is over: whoever is still there is cut off.
    fn cut_off(&mut self) {
        for slot in 0..self.table.slots() as u32 {
            let Some(hot) = self.table.occupied(slot) else { continue };
            // The reader of a probe has no socket, and ends by itself.
            if hot.socket.is_some() && !hot.flags.has(Flags::DEAD) {
                self.counters().limits(Limit::DrainTime);
                self.mark_dead(slot, End::CutOff);
            }
        }
    }

    /// Says, once, that this worker has no connection and will have none. Its owners turn on until
    /// all workers have said so.
    pub(super) fn report_empty(&mut self) {
        if self.departure.shut && !self.departure.empty && self.table.is_empty() {
            self.departure.empty = true;
            self.stats.drain().worker_is_empty();
        }
    }
}
