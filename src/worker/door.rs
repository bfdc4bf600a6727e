//! The door: worker 0 accepts, and places each connection on the emptiest worker; every worker
//! adopts what was placed on it. A node that is full says so and closes. When descriptors run out
//! the door rests for a tenth of a second instead of spinning.

use super::Worker;
use super::net::{Accept, Net, Peer, WorkerId};
use crate::conn::entry::Flags;
use crate::http::reply;
use crate::limits::{ACCEPT_PAUSE_MS, ACCEPTS, REFUSALS};
use crate::metrics::{Counter, End, Limit};

/// The state of the door.
#[derive(Debug)]
pub(super) struct Door {
    /// Listeners at which somebody may wait.
    open: Vec<usize>,
    /// When to try again after descriptors ran out.
    retry_ms: Option<u64>,
    /// How many connections each worker has been given.
    placed: Vec<u64>,
}

impl Door {
    pub(super) fn new(workers: usize) -> Self {
        Self { open: Vec::new(), retry_ms: None, placed: vec![0; workers] }
    }

    /// Somebody waits at this listener.
    pub(super) fn opened(&mut self, listener: usize) {
        if !self.open.contains(&listener) {
            self.open.push(listener);
        }
    }

    pub(super) fn is_accepting(&self) -> bool {
        !self.open.is_empty() && self.retry_ms.is_none()
    }

    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }
}

impl<N: Net> Worker<N> {
    /// Accepts a bounded number of connections.
    pub(super) fn accept(&mut self) {
        if self.door.retry_ms.is_some_and(|retry_ms| self.now.mono_ms < retry_ms) {
            return;
        }
        self.door.retry_ms = None;
        let mut left = ACCEPTS;
        while left > 0 {
            let Some(&listener) = self.door.open.first() else { return };
            match self.net.accept(listener) {
                Accept::Connection(socket, peer) => {
                    left -= 1;
                    // In turn: a flood at one listener does not keep the others waiting.
                    self.door.open.rotate_left(1);
                    self.count_one(Counter::Accepted);
                    self.place(socket, peer);
                }
                Accept::Empty => {
                    self.door.open.remove(0);
                }
                Accept::Exhausted => {
                    self.limited(Limit::OpenFiles);
                    self.door.retry_ms = Some(self.now.mono_ms + ACCEPT_PAUSE_MS);
                    return;
                }
            }
        }
    }

    fn place(&mut self, socket: N::Socket, peer: Peer) {
        let (stats, placed) = (&self.stats, &mut self.door.placed);
        let load = |(id, &placed): (usize, &u64)| {
            placed.saturating_sub(stats.worker(id as WorkerId).value(Counter::Buried))
        };
        let total: u64 = placed.iter().enumerate().map(load).sum();
        let max = self.config.max_connections as u64;
        if total >= max {
            self.limited(Limit::Connections);
            if total >= max + REFUSALS {
                self.net.close(socket);
                return;
            }
            self.door.placed[usize::from(self.id)] += 1;
            if let Some(slot) = self.take_over(socket) {
                self.refuse_connection(slot, "the server is full");
            }
            return;
        }
        let emptiest = placed.iter().enumerate().min_by_key(|&worker| load(worker));
        let to = emptiest.map_or(self.id, |(id, _)| id as WorkerId);
        placed[usize::from(to)] += 1;
        if to == self.id {
            self.welcome(socket, peer);
        } else {
            self.net.place(to, socket, peer);
        }
    }

    /// Takes over the connections that the door has placed here.
    pub(super) fn adopt(&mut self) {
        let mut placed = Vec::new();
        self.net.take_placed(&mut placed);
        for (socket, peer) in placed {
            self.welcome(socket, peer);
        }
    }

    fn welcome(&mut self, socket: N::Socket, peer: Peer) {
        let Some(slot) = self.take_over(socket) else { return };
        if !self.meet(slot, peer) {
            return;
        }
        if self.handshakes > self.config.max_handshakes {
            self.limited(Limit::Handshakes);
            self.refuse_connection(slot, "too many handshakes are under way");
        } else {
            // With TCP_DEFER_ACCEPT, or a client in a hurry, the request may be here already.
            self.mark_ready(slot);
        }
    }

    fn take_over(&mut self, socket: N::Socket) -> Option<u32> {
        self.count_one(Counter::Adopted);
        let slot = self.table.insert();
        if self.net.register(&socket, slot).is_err() {
            self.net.close(socket);
            self.table.remove(slot);
            self.counters().ends(End::Refused);
            self.count_one(Counter::Buried);
            return None;
        }
        let tick = self.tick();
        let (hot, cold) = self.table.parts(slot);
        hot.socket = Some(socket);
        hot.seen = tick;
        hot.flags.set(Flags::HANDSHAKE);
        cold.opened = tick;
        self.handshakes += 1;
        self.set_deadline(slot, self.config.handshake_timeout);
        Some(slot)
    }

    /// Answers 503 without reading, and lingers so that the answer arrives.
    pub(super) fn refuse_connection(&mut self, slot: u32, message: &str) {
        let pace_ms = 1000 + self.random.below(4000);
        let reply = reply::error("overloaded", 503, message, true, Some(pace_ms)).closing();
        self.reply(slot, &reply, reply::Circumstances { close: true, ..Default::default() });
    }
}
