//! The node's totals at one worker: what connections hold (`max_buffered_bytes`), and what waits in
//! mailboxes (`max_mail_bytes`). Each worker holds its share of the first by itself, so that the
//! sum is exact without asking anybody. What does not fit is refused with words, or ends with a
//! Close or 503; letters that keep the books, Join, Leave and Deliver, are never refused.

use super::Worker;
use super::net::{Net, WorkerId};
use crate::client::code::{Code, Fault};
use crate::config::Config;
use crate::conn::entry::{Flags, Phase};
use crate::conn::outbox::Outbox;
use crate::http::body::BodyReader;
use crate::http::reply::{self, Circumstances};
use crate::hub::Frames;
use crate::hub::shard::ShardLimits;
use crate::limits::{LAST_WORDS, OVERLOAD_PACE_MS, PAGE_BYTES};
use crate::metrics::{End, Limit};
use crate::ws::close::{self, CloseCode};

/// A worker's share of what bounds the channels of the node.
pub(super) fn of_shard(config: &Config) -> ShardLimits {
    let workers = usize::from(config.workers.max(1));
    ShardLimits {
        max_channels: config.max_channels.div_ceil(workers),
        max_history_bytes: config.max_history_bytes / workers,
        position_age_ms: config.position_age.as_millis() as u64,
        idempotency_age_ms: config.idempotency_age.as_millis() as u64,
        page_bytes: PAGE_BYTES,
    }
}

impl<N: Net> Worker<N> {
    /// Bytes that the connections of this worker may hold.
    fn buffer_share(&self) -> usize {
        self.config.max_buffered_bytes / usize::from(self.config.workers.max(1))
    }

    /// Whether so many bytes more would be too many.
    fn is_full(&self, more: usize) -> bool {
        self.ledger.bytes().saturating_add(more) > self.buffer_share()
    }

    /// What is unfinished of a connection's input after it was served: counted, and too much for
    /// the worker's share, the end of this connection, which is the one that grew.
    pub(super) fn settle_input(&mut self, slot: u32) {
        if self.table.hot(slot).inbox.is_none() {
            return;
        }
        self.rest(slot);
        let Some(inbox) = &mut self.table.hot_mut(slot).inbox else { return };
        inbox.settle();
        if inbox.bytes() > 0 && self.is_full(0) {
            self.overloaded(slot);
        }
    }

    /// A request body has grown. Whether that fits.
    pub(super) fn settle_body(&mut self, slot: u32) -> bool {
        let session = self.table.cold_mut(slot).session.as_mut();
        let Some(call) = session.and_then(|session| session.call.as_mut()) else { return true };
        call.charge.set(call.body.as_ref().map_or(0, BodyReader::memory));
        if call.charge.bytes() == 0 || !self.is_full(0) {
            return true;
        }
        self.overloaded(slot);
        false
    }

    /// This connection would hold more than there is room for.
    fn overloaded(&mut self, slot: u32) {
        match self.table.hot(slot).phase {
            // It waits for its answer, and is not read meanwhile.
            Phase::Exchange => {}
            Phase::Head | Phase::Body => {
                self.limited(Limit::BufferedBytes);
                let message = "the server holds as much unfinished input as it may";
                let (code, pace) = (Code::Overloaded.as_str(), Some(OVERLOAD_PACE_MS));
                let reply = reply::error(code, 503, message, true, pace).closing();
                self.table.cold_mut(slot).session = None;
                self.reply(slot, &reply, Circumstances { close: true, ..Default::default() });
            }
            _ => {
                self.limited(Limit::BufferedBytes);
                self.fail(slot, CloseCode::OVERLOADED);
            }
        }
    }

    /// Puts bytes behind what waits for one connection. `whole`: they begin with a frame, or with
    /// an answer, so that something else may be said instead.
    pub(super) fn queue(&mut self, slot: u32, bytes: &[u8], whole: bool) {
        if self.table.hot(slot).flags.has(Flags::OVERFULL) {
            return;
        }
        let few = bytes.len() + self.table.hot(slot).queued() <= LAST_WORDS;
        if few || !self.is_full(bytes.len()) {
            self.outbox(slot).push(bytes);
            return self.wants_sending(slot);
        }
        self.send_or_give_up(slot, bytes, whole);
    }

    /// Puts a page, or the rest of a large frame, behind what waits for one connection.
    pub(super) fn queue_shared(&mut self, slot: u32, frames: Frames, from: usize) {
        if self.table.hot(slot).flags.has(Flags::OVERFULL) {
            return;
        }
        if self.ledger.is_news(&frames) && self.is_full(frames.len()) {
            return self.send_or_give_up(slot, frames.get(from..).unwrap_or_default(), from == 0);
        }
        self.outbox(slot).share(frames, from);
        self.wants_sending(slot);
    }

    /// There is no room for these bytes; but what the socket takes at once needs none.
    fn send_or_give_up(&mut self, slot: u32, bytes: &[u8], whole: bool) {
        let hot = self.table.hot(slot);
        let waits = !whole
            || hot.outbox.is_some()
            || hot.flags.any(Flags::BLOCKED | Flags::DEAD)
            || hot.phase == Phase::Opening;
        let Some(socket) = hot.socket.as_ref().filter(|_| !waits) else {
            return self.has_no_room(slot, whole);
        };
        let outcome = self.net.send(socket, bytes);
        let taken = self.sent(slot, bytes.len(), &outcome);
        self.mark_dirty(slot);
        let rest = &bytes[taken..];
        if rest.len() > LAST_WORDS {
            self.has_no_room(slot, taken == 0);
        } else if !rest.is_empty() {
            self.outbox(slot).push(rest);
        }
    }

    /// What was to be queued is not. Where something else may be said instead it will be, as soon
    /// as nobody is in the midst of this connection's affairs; else its end says it.
    fn has_no_room(&mut self, slot: u32, whole: bool) {
        self.limited(Limit::BufferedBytes);
        let hot = self.table.hot_mut(slot);
        if whole && hot.flags.has(Flags::SOCKET) && !hot.flags.has(Flags::SHUT) {
            hot.flags.set(Flags::OVERFULL);
            self.overfull.push(slot);
        } else {
            self.mark_dead(slot, End::Overfull);
        }
    }

    /// Fails the connections for which there was no room.
    pub(super) fn fail_overfull(&mut self) {
        while let Some(slot) = self.overfull.pop() {
            let Some(hot) = self.table.occupied(slot) else { continue };
            hot.flags.clear(Flags::OVERFULL);
            match hot.phase {
                Phase::Open | Phase::Opening => self.fail(slot, CloseCode::OVERLOADED),
                // The Close that it was to get is among what found no room.
                Phase::Closing | Phase::Lingering if !hot.flags.has(Flags::SHUT) => {
                    let mut frame = Vec::new();
                    close::encode_word(&mut frame, CloseCode::OVERLOADED, None);
                    self.queue_close(slot, &frame);
                }
                _ => {}
            }
        }
    }

    /// Queues a Close, for which there is always room.
    pub(super) fn queue_close(&mut self, slot: u32, frame: &[u8]) {
        self.outbox(slot).push(frame);
        self.wants_sending(slot);
    }

    fn wants_sending(&mut self, slot: u32) {
        if !self.table.hot(slot).flags.has(Flags::BLOCKED) {
            self.mark_dirty(slot);
        }
    }

    fn outbox(&mut self, slot: u32) -> &mut Outbox {
        let ledger = &self.ledger;
        let outbox = &mut self.table.hot_mut(slot).outbox;
        outbox.get_or_insert_with(|| Box::new(Outbox::new(ledger)))
    }

    /// Looks, once a turn, at what waits for each worker. Letters of this turn are added as they
    /// are written.
    pub(super) fn see_backlogs(&mut self) {
        for (worker, backlog) in self.backlogs.iter_mut().enumerate() {
            *backlog = self.net.backlog(worker as WorkerId);
        }
    }

    /// Whether a worker has so much mail that no requests shall be added.
    pub(super) fn is_crowded(&self, worker: WorkerId) -> bool {
        self.backlogs[usize::from(worker)] > self.config.max_mail_bytes
    }

    /// Whether any worker is, so that a publication might add to its burden.
    pub(super) fn is_any_crowded(&self) -> bool {
        let max = self.config.max_mail_bytes;
        self.backlogs.iter().any(|&backlog| backlog > max)
    }

    /// The words for a request that was not added.
    pub(super) fn crowded(&self) -> Fault {
        self.limited(Limit::MailBytes);
        Fault::new(Code::Overloaded, "the node is behind with its mail; nothing was done")
    }
}
