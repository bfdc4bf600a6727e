//! Ends: failing, closing, lingering, burying. Whoever is refused or failed gets the last words:
//! they are sent, our side is shut down, and what still comes is discarded until the peer ends too,
//! for closing with unread input resets the connection and loses them. Slots are freed last.

use std::time::Duration;

use super::net::Net;
use super::{Worker, identity};
use crate::conn::entry::{Flags, Phase};
use crate::metrics::{Counter, End};
use crate::ws::close::{self, CloseCode, Pace};

impl<N: Net> Worker<N> {
    /// Fails a WebSocket (RFC 6455, section 7.1.7): a Close with this code, and nothing more is
    /// looked at.
    pub(super) fn fail(&mut self, slot: u32, code: CloseCode) {
        if matches!(self.table.hot(slot).phase, Phase::Opening | Phase::Open) {
            self.say_close(slot, code, None);
        }
        self.linger(slot);
    }

    /// Closes a WebSocket from our side: a Close with this code, then the peer's is awaited.
    pub(super) fn close(&mut self, slot: u32, code: CloseCode) {
        self.close_paced(slot, code, None);
    }

    /// The same, with a pace at which to come back.
    pub(super) fn close_paced(&mut self, slot: u32, code: CloseCode, pace: Option<Pace>) {
        if !matches!(self.table.hot(slot).phase, Phase::Opening | Phase::Open) {
            return;
        }
        self.say_close(slot, code, pace);
        self.leave_all(slot);
        self.leave_user(slot);
        self.enter(slot, Phase::Closing, self.config.close_timeout);
        // What it has sent is read again, whatever stopped that: their Close stands behind it.
        self.resume(slot);
    }

    fn say_close(&mut self, slot: u32, code: CloseCode, pace: Option<Pace>) {
        self.counters().closes(code);
        let connection = || identity::name(self.seed, self.key(slot));
        tracing::debug!(connection = connection(), code = code.0, word = code.word(), "closing");
        let mut frame = Vec::new();
        close::encode_word(&mut frame, code, pace);
        if self.serving == Some(slot) {
            self.answers.extend_from_slice(&frame);
        } else {
            self.queue_close(slot, &frame);
        }
    }

    /// All is said: send what waits, shut down, discard what comes.
    pub(super) fn linger(&mut self, slot: u32) {
        if matches!(self.table.hot(slot).phase, Phase::Lingering | Phase::Free) {
            return;
        }
        self.leave_all(slot);
        self.end_handshake(slot);
        self.enter(slot, Phase::Lingering, Duration::ZERO);
        // As long as something waits to be sent; then the peer's end has its time.
        self.set_last_deadline(slot);
        self.leave_user(slot);
        let (hot, cold) = self.table.parts(slot);
        hot.inbox = None;
        cold.session = None;
        self.mark_dirty(slot);
        self.mark_ready(slot);
    }

    /// The output of a connection is empty: if all is said, our side ends here.
    pub(super) fn all_sent(&mut self, slot: u32) {
        let hot = self.table.hot_mut(slot);
        if hot.phase != Phase::Lingering || !hot.flags.set(Flags::SHUT) {
            return;
        }
        if let Some(socket) = &hot.socket {
            self.net.shutdown(socket);
        }
        if hot.flags.has(Flags::ENDED) {
            self.mark_dead(slot, End::Closed);
        }
        self.set_deadline(slot, self.config.close_timeout);
    }

    /// The end of what the peer sends has been read.
    pub(super) fn peer_ended(&mut self, slot: u32) {
        let hot = self.table.hot(slot);
        let waits = hot.outbox.is_some() || !self.answers.is_empty();
        match hot.phase {
            // Its last words are ours: it may still read.
            Phase::Lingering if !hot.flags.has(Flags::SHUT) => {}
            // Half-closed clients of HTTP get what they have asked for.
            Phase::Head | Phase::Body if waits => self.linger(slot),
            Phase::Lingering | Phase::Closing => self.mark_dead(slot, End::Closed),
            // A kept connection without a request just ends.
            Phase::Head if !hot.flags.has(Flags::BEGUN) => self.mark_dead(slot, End::Closed),
            _ => self.mark_dead(slot, End::Lost),
        }
    }

    /// Moves a connection to another phase, which must be over in time.
    pub(super) fn enter(&mut self, slot: u32, phase: Phase, time: Duration) {
        let hot = self.table.hot_mut(slot);
        let is_socket = |phase| matches!(phase, Phase::Opening | Phase::Open | Phase::Closing);
        if is_socket(hot.phase) && !is_socket(phase) {
            self.inform_of_end(slot);
            let counters = self.counters();
            counters.set(Counter::Open, counters.value(Counter::Open).saturating_sub(1));
        }
        self.table.hot_mut(slot).phase = phase;
        self.set_deadline(slot, time);
    }

    /// Frees the connections that are dead. What they had is dropped here and nowhere else.
    pub(super) fn bury(&mut self) {
        self.fail_overfull();
        let mut dead = std::mem::take(&mut self.dead);
        for slot in dead.drain(..) {
            if self.table.occupied(slot).is_none() {
                continue;
            }
            self.leave_all(slot);
            self.leave_user(slot);
            self.end_handshake(slot);
            self.enter(slot, Phase::Lingering, Duration::ZERO);
            self.leave_address(slot);
            self.blocked -= usize::from(self.table.hot(slot).flags.has(Flags::BLOCKED));
            if let Some(socket) = self.table.remove(slot) {
                self.net.close(socket);
            }
            self.count_one(Counter::Buried);
        }
        self.dead = dead;
    }

    /// The request head is there, or will never be.
    pub(super) fn end_handshake(&mut self, slot: u32) {
        let hot = self.table.hot_mut(slot);
        if hot.flags.has(Flags::HANDSHAKE) {
            hot.flags.clear(Flags::HANDSHAKE);
            self.handshakes -= 1;
        }
    }
}
