//! Time: no timers per connection, but one due tick each, scanned densely when the earliest has
//! come: pings, pongs, updates, deadlines, stalls. Ticks are 100 ms.

use std::time::Duration;

use super::Worker;
use super::net::Net;
use super::rate::RENEWED_MS;
use crate::client::answer;
use crate::conn::entry::{Endpoint, Flags, NEVER, Phase};
use crate::http::Refusal;
use crate::limits::{DUE_PER_TURN, LEAST_BYTES_PER_SECOND, TICK_MS, UPKEEP_MS};
use crate::metrics::{End, Limit};
use crate::ws::close::CloseCode;
use crate::ws::frame::{self, Opcode};

impl<N: Net> Worker<N> {
    /// Looks at the connections whose time has come, a bounded number a turn.
    pub(super) fn sweep(&mut self) {
        let now = self.tick();
        if now >= self.next_due {
            self.next_due = self.table.collect_due(now, &mut self.due);
        }
        for _ in 0..self.shard.take_overflows() {
            self.limited(Limit::LastValues);
        }
        if self.now.mono_ms >= self.next_upkeep_ms {
            self.next_upkeep_ms = self.now.mono_ms + UPKEEP_MS;
            self.shard.sweep(self.now);
        }
        let mut due = std::mem::take(&mut self.due);
        for slot in due.drain(due.len().saturating_sub(DUE_PER_TURN)..) {
            if self.table.occupied(slot).is_some() {
                self.tend(slot, now);
                self.schedule(slot);
            }
        }
        self.due = due;
    }

    /// The phase that the connection is in must be over in this time; 0 is no limit.
    pub(super) fn set_deadline(&mut self, slot: u32, time: Duration) {
        self.table.cold_mut(slot).deadline = self.later(time);
        self.schedule(slot);
    }

    /// A body that began at this tick must come to its end: it has the time of a handshake, and
    /// more for the bytes that have come.
    pub(super) fn set_progress_deadline(&mut self, slot: u32, began: u32, came: usize) {
        let time = ticks(self.config.handshake_timeout);
        let deadline = if time == 0 { NEVER } else { began.saturating_add(progress(time, came)) };
        self.table.cold_mut(slot).deadline = deadline;
        self.schedule(slot);
    }

    /// The last words of a connection must come to their end, however slowly they are read: they
    /// have the time of a stall, or where there is none, of a Close, and more for what is taken.
    pub(super) fn set_last_deadline(&mut self, slot: u32) {
        let stall = self.config.stall_timeout;
        let time = if stall.is_zero() { self.config.close_timeout } else { stall };
        self.set_deadline(slot, time);
    }

    /// So many bytes of a connection's last words were taken: the others have more time.
    pub(super) fn earn_time(&mut self, slot: u32, taken: usize) {
        // By what is left, so that no part of a tick is lost from one send to the next.
        let left = self.table.hot(slot).queued();
        let more = earned(left + taken) - earned(left);
        let deadline = &mut self.table.cold_mut(slot).deadline;
        *deadline = deadline.saturating_add(more);
        self.schedule(slot);
    }

    /// The tick that comes so much later; never, when that is 0.
    fn later(&self, time: Duration) -> u32 {
        if time.is_zero() { NEVER } else { self.tick().saturating_add(ticks(time)) }
    }

    /// Begins the round of pings and updates of an open WebSocket, and its age.
    pub(super) fn begin_rounds(&mut self, slot: u32) {
        let period = ticks(self.config.update_interval);
        let update = if period == 0 || self.table.hot(slot).endpoint() != Endpoint::Envelope {
            NEVER
        } else {
            // The first comes at a random moment, so that they spread.
            self.tick() + 1 + self.random.below(u64::from(period)) as u32
        };
        let of_age = self.end_of_age();
        let cold = self.table.cold_mut(slot);
        (cold.update, cold.deadline) = (update, of_age);
        self.schedule(slot);
    }

    /// Sets the due tick of a connection to the earliest that matters to it.
    pub(super) fn schedule(&mut self, slot: u32) {
        let stall = ticks(self.config.stall_timeout);
        let ping = self.ping_period(slot);
        let pong = ticks(self.config.pong_timeout);
        let idle = ticks(self.config.idle_timeout);
        let (hot, cold) = self.table.parts(slot);
        let mut due = cold.deadline;
        let mut consider = |from: u32, period: u32| {
            if period > 0 {
                due = due.min(from.saturating_add(period));
            }
        };
        if hot.flags.has(Flags::BLOCKED) {
            consider(cold.blocked, stall);
        }
        if hot.phase == Phase::Open {
            if hot.flags.has(Flags::PINGED) {
                consider(hot.seen.max(cold.pinged), pong);
            } else {
                consider(hot.seen, ping);
            }
            consider(cold.opened, idle);
            if let Some(inbox) = hot.inbox.as_ref().filter(|inbox| inbox.partial.is_some()) {
                consider(inbox.began, progress(stall, inbox.came));
            }
            due = due.min(cold.update);
            if let Some(login) = cold.session.as_ref().and_then(|session| session.login.as_ref()) {
                due = due.min(login.notice).min(login.over);
            }
            due = due.min(((self.now.mono_ms + RENEWED_MS) / TICK_MS) as u32);
            if hot.flags.has(Flags::THROTTLED) {
                due = due.min((self.now.mono_ms / TICK_MS) as u32 + 1);
            }
        }
        self.table.set_due(slot, due);
        self.next_due = self.next_due.min(due);
    }

    /// The ping period of a connection, up to an eighth shorter, so that pings spread.
    fn ping_period(&self, slot: u32) -> u32 {
        let period = ticks(self.config.ping_interval);
        period - (slot % 8) * (period / 64)
    }

    /// Does what is due.
    fn tend(&mut self, slot: u32, now: u32) {
        let over = now >= self.table.cold(slot).deadline;
        if over && self.table.hot(slot).phase != Phase::Open {
            self.deadline_passed(slot);
            return;
        }
        let hot = self.table.hot(slot);
        let stall = ticks(self.config.stall_timeout);
        if hot.flags.has(Flags::BLOCKED)
            && stall > 0
            && now >= self.table.cold(slot).blocked.saturating_add(stall)
        {
            // It takes nothing, not even a Close.
            self.limited(Limit::Stall);
            self.mark_dead(slot, End::Stalled);
            return;
        }
        if over {
            let flags = self.table.hot(slot).flags;
            if flags.has(Flags::STRANGER) && !flags.has(Flags::TOLD) {
                return self.stranger_is_late(slot);
            }
            self.time_to_go(slot);
        }
        if self.table.hot(slot).phase == Phase::Open {
            self.tend_socket(slot, now);
        }
    }

    fn tend_socket(&mut self, slot: u32, now: u32) {
        if !self.tend_login(slot, now) {
            return;
        }
        self.unthrottle(slot);
        self.renew_rate(slot);
        self.rest(slot);
        let ping = self.ping_period(slot);
        let (hot, cold) = self.table.parts(slot);
        let idle = ticks(self.config.idle_timeout);
        let pong = ticks(self.config.pong_timeout);
        if idle > 0 && now >= cold.opened.saturating_add(idle) {
            self.limited(Limit::Idle);
            self.close(slot, CloseCode::IDLE);
            return;
        }
        // While it is not read, its pongs are not either.
        if hot.flags.any(Flags::PAUSED | Flags::THROTTLED | Flags::PARTING) {
            hot.seen = now;
            if let Some(inbox) = &mut hot.inbox {
                inbox.began = now;
            }
        }
        let stall = ticks(self.config.stall_timeout);
        if let Some(inbox) = hot.inbox.as_ref().filter(|inbox| inbox.partial.is_some())
            && stall > 0
            && now >= inbox.began.saturating_add(progress(stall, inbox.came))
        {
            self.limited(Limit::Stall);
            self.fail(slot, CloseCode::SLOW);
            return;
        }
        if hot.flags.has(Flags::PINGED) && (hot.seen > cold.pinged || pong == 0) {
            hot.flags.clear(Flags::PINGED);
        }
        if hot.flags.has(Flags::PINGED) {
            if now >= cold.pinged.saturating_add(pong) {
                self.limited(Limit::Pong);
                self.close(slot, CloseCode::NO_PONG);
                return;
            }
        } else if ping > 0 && now >= hot.seen.saturating_add(ping) {
            hot.flags.set(Flags::PINGED);
            cold.pinged = now;
            let mut bytes = Vec::new();
            frame::encode(&mut bytes, Opcode::Ping, false, &[]);
            self.say(slot, &bytes);
        }
        let (hot, cold) = self.table.parts(slot);
        if now >= cold.update {
            cold.update = now + ticks(self.config.update_interval).max(1);
            if !hot.flags.has(Flags::BLOCKED) {
                let connections = self.config.public_counts.then(|| self.stats.connections());
                let wall_ms = self.now.wall_ms;
                self.say_text(slot, |out| answer::update(out, connections, wall_ms));
            }
        }
    }

    fn deadline_passed(&mut self, slot: u32) {
        self.table.cold_mut(slot).deadline = NEVER;
        let hot = self.table.hot(slot);
        let begun = hot.flags.has(Flags::BEGUN);
        match hot.phase {
            Phase::Head if begun || hot.flags.has(Flags::HANDSHAKE) => self.time_out(slot),
            Phase::Body => self.time_out(slot),
            Phase::Exchange => self.give_up(slot),
            // A kept connection without a request just ends.
            Phase::Head => self.linger(slot),
            // Its last words are read too slowly.
            Phase::Lingering if !hot.flags.has(Flags::SHUT) => {
                self.limited(Limit::Stall);
                self.mark_dead(slot, End::Stalled);
            }
            _ => {
                self.limited(Limit::Close);
                self.mark_dead(slot, End::TimedOut);
            }
        }
    }

    fn time_out(&mut self, slot: u32) {
        self.limited(Limit::Handshake);
        let refusal = Refusal::closing(408, "timeout", "the request did not arrive in time");
        self.refuse(slot, &refusal, false);
    }
}

/// How many ticks something under way may take of which so many bytes have come; 0 is no limit.
fn progress(ticks: u32, came: usize) -> u32 {
    if ticks == 0 {
        return 0;
    }
    ticks.saturating_add(earned(came))
}

/// How many ticks so many bytes may take.
fn earned(bytes: usize) -> u32 {
    let ticks = bytes as u64 * (1000 / TICK_MS) / LEAST_BYTES_PER_SECOND as u64;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// A time in ticks, rounded up; 0 stays 0.
pub(super) fn ticks(time: Duration) -> u32 {
    (time.as_millis() as u64).div_ceil(TICK_MS) as u32
}
