//! Reading: at most 64 KiB per connection and turn into the worker's one buffer, parsed in place;
//! only the unfinished gets memory of its own. All answers to one read leave in one send.

use super::Worker;
use super::net::Net;
use crate::conn::entry::{Endpoint, Flags, Phase};
use crate::limits::{ANSWER_BYTES, MAX_LOGIN, OUTPUT_BYTES, READ_BYTES};
use crate::metrics::{Counter, End, Limit};
use crate::ws::Partial;
use crate::ws::close::{self, CloseCode, CloseFrame};
use crate::ws::frame::{self, Opcode};
use crate::ws::message::{Event, Limits, MessageKind, Reader};

impl<N: Net> Worker<N> {
    /// Serves the connections that may have sent something. Those that have more wait for the next
    /// turn, behind the others.
    pub(super) fn serve(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        for slot in ready.drain(..) {
            let Some(hot) = self.table.occupied(slot) else { continue };
            // A slot that was given to somebody new may stand here twice; nobody is read twice.
            if !hot.flags.has(Flags::READY) {
                continue;
            }
            hot.flags.clear(Flags::READY);
            self.serving = Some(slot);
            self.serve_one(slot);
            self.settle_input(slot);
            self.serving = None;
            self.send_answers(slot);
        }
        // What became ready meanwhile stands in the new list; the drained one keeps its memory.
        ready.append(&mut self.ready);
        self.ready = ready;
    }

    /// What was held comes first, then one read.
    fn serve_one(&mut self, slot: u32) {
        if self.is_stopped(slot) {
            return;
        }
        let hot = self.table.hot_mut(slot);
        // The part of a head that has been looked through waits for more.
        let scanned = hot.phase == Phase::Head && hot.flags.has(Flags::BEGUN);
        if let Some(inbox) = hot.inbox.as_mut().filter(|_| !scanned) {
            let mut held = std::mem::take(&mut inbox.held);
            self.consume(slot, &mut held);
            if self.is_stopped(slot) {
                return;
            }
        }
        let hot = self.table.hot_mut(slot);
        if hot.phase == Phase::Open && hot.flags.has(Flags::PARTING) {
            // What had come by then is answered; what comes now is too late.
            hot.flags.set(Flags::PAUSED);
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        self.read(slot, &mut input);
        self.input = input;
    }

    fn table_phase(&self, slot: u32) -> Phase {
        self.table.hot(slot).phase
    }

    /// One read from the socket.
    fn read(&mut self, slot: u32, input: &mut [u8]) {
        let tick = self.tick();
        let hot = self.table.hot_mut(slot);
        let Some(socket) = &hot.socket else { return };
        match self.net.recv(socket, input) {
            Ok(0) => {
                hot.flags.set(Flags::ENDED);
                self.peer_ended(slot);
            }
            Ok(count) => {
                hot.seen = tick;
                let more = count == READ_BYTES || hot.flags.has(Flags::HANG_UP);
                self.counters().add(Counter::BytesIn, count as u64);
                self.take_bytes(slot, count);
                if let Some(bytes) = input.get_mut(..count) {
                    self.consume(slot, bytes);
                }
                // A short read emptied the socket; what comes later is a new edge. But data and
                // FIN may come as one edge, so after a hang-up the end has to be read.
                if more {
                    self.mark_ready(slot);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.mark_ready(slot),
            Err(_) => self.mark_dead(slot, End::Reset),
        }
    }

    /// Whether nothing may be read from this connection now. Whoever ends that makes it ready.
    #[inline]
    pub(super) fn is_stopped(&mut self, slot: u32) -> bool {
        const STOPS: u32 = Flags::HISTORY | Flags::THROTTLED | Flags::PARKED | Flags::DEAD;
        let hot = self.table.hot(slot);
        let free = hot.phase == Phase::Open && hot.pending == 0 && hot.outbox.is_none();
        (!free || hot.flags.any(STOPS)) && self.stops(slot)
    }

    /// The same, looked at more closely, and noted. Apart, so that the first look is a short one.
    #[inline(never)]
    fn stops(&mut self, slot: u32) -> bool {
        let max_pending = self.config.max_pending;
        let hot = self.table.hot_mut(slot);
        let mut reason = None;
        let stopped = match hot.phase {
            Phase::Free | Phase::Exchange | Phase::Opening => true,
            Phase::Open => {
                reason = match () {
                    () if hot.flags.has(Flags::HISTORY) => Some(Limit::History),
                    () if hot.pending >= max_pending => Some(Limit::Pending),
                    () if hot.queued() > OUTPUT_BYTES => Some(Limit::Output),
                    () => None,
                };
                reason.is_some() || hot.flags.any(Flags::THROTTLED | Flags::PARKED)
            }
            Phase::Head | Phase::Body => hot.queued() > OUTPUT_BYTES,
            Phase::Closing | Phase::Lingering => false,
        };
        let stopped = stopped || hot.flags.has(Flags::DEAD);
        // The rate is counted where it throttles.
        if stopped
            && hot.flags.set(Flags::PAUSED)
            && let Some(limit) = reason
        {
            self.limited(limit);
        }
        stopped
    }

    /// Reads again from a connection that was stopped, if nothing stops it any more.
    pub(super) fn resume(&mut self, slot: u32) {
        if self.table.hot(slot).flags.has(Flags::PAUSED) && !self.is_stopped(slot) {
            self.table.hot_mut(slot).flags.clear(Flags::PAUSED);
            self.mark_ready(slot);
        }
    }

    /// Takes bytes in, through however many phases they lead. What cannot be looked at now is held.
    pub(super) fn consume(&mut self, slot: u32, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.answers.len() > ANSWER_BYTES {
                self.send_answers(slot);
            }
            if self.is_stopped(slot) {
                self.hold(slot, rest);
                return;
            }
            let used = match self.table_phase(slot) {
                Phase::Head => self.take_head(slot, rest),
                Phase::Body => self.take_body(slot, rest),
                Phase::Open | Phase::Closing => self.take_frames(slot, rest),
                Phase::Lingering => rest.len(),
                Phase::Free | Phase::Exchange | Phase::Opening => return,
            };
            rest = &mut rest[used..];
        }
    }

    /// Keeps bytes for later, before those of any later read.
    pub(super) fn hold(&mut self, slot: u32, bytes: &[u8]) {
        let inbox = self.inbox(slot);
        debug_assert!(inbox.held.is_empty(), "what is held is consumed before more is read");
        inbox.held.extend_from_slice(bytes);
    }

    /// Reads frames. Returns how many bytes were looked at: all, unless reading was stopped.
    fn take_frames(&mut self, slot: u32, bytes: &mut [u8]) -> usize {
        let length = bytes.len();
        let unmetered = !self.rates.meters_messages() && self.config.idle_timeout.is_zero();
        let hot = self.table.hot_mut(slot);
        let window_bits = hot.window_bits();
        let echoes = hot.endpoint() == Endpoint::Echo && hot.phase == Phase::Open && unmetered;
        let deflate = window_bits != 0;
        let max = self.config.max_message_bytes;
        let stranger = hot.flags.has(Flags::STRANGER);
        let max_message_bytes = if stranger { max.min(MAX_LOGIN) } else { max };
        let limits = Limits { max_message_bytes, deflate };
        let mut partial = hot.inbox.as_mut().and_then(|inbox| inbox.partial.take());
        let fresh = partial.is_none();
        let mut inflate = self.inflate.take().unwrap_or_default();
        let mut reader = Reader::new(bytes, &mut partial, limits, &mut inflate);
        let mut messages = 0;
        let left = loop {
            // What may come in great numbers, and needs no event.
            if echoes && !deflate {
                messages += reader.echo(&mut self.answers, ANSWER_BYTES);
            }
            match reader.next() {
                // Nothing to look at between one and the next.
                Ok(Some(Event::Message { kind, payload })) if echoes => {
                    messages += 1;
                    self.codec.message(&mut self.answers, kind.opcode(), window_bits, payload);
                    if self.answers.len() <= ANSWER_BYTES {
                        continue;
                    }
                }
                Ok(Some(event)) => {
                    messages += u64::from(matches!(event, Event::Message { .. }));
                    self.take_event(slot, event);
                }
                Ok(None) => break 0,
                Err(failure) => {
                    if failure.code == CloseCode::TOO_LARGE {
                        self.limited(Limit::MessageBytes);
                    }
                    tracing::debug!(reason = failure.reason, "connection failed");
                    self.fail(slot, failure.code);
                    break 0;
                }
            }
            if self.table_phase(slot) == Phase::Lingering {
                break 0;
            }
            if self.answers.len() > ANSWER_BYTES {
                self.send_answers(slot);
            }
            // Who has logged in meanwhile may say more at once.
            let known = stranger && !self.table.hot(slot).flags.has(Flags::STRANGER);
            if known || self.is_stopped(slot) {
                break reader.rest().len();
            }
        };
        self.inflate = Some(inflate);
        self.counters().add(Counter::MessagesIn, messages);
        if self.table.hot(slot).phase == Phase::Lingering {
            self.table.hot_mut(slot).inbox = None;
        } else if partial.is_some() {
            self.keep_partial(slot, partial, fresh || messages > 0, length);
        }
        length - left
    }

    /// Keeps what is unfinished: `fresh` when it began in this read, else longer by `length`.
    fn keep_partial(
        &mut self,
        slot: u32,
        partial: Option<Box<Partial>>,
        fresh: bool,
        length: usize,
    ) {
        let tick = self.tick();
        let inbox = self.inbox(slot);
        inbox.partial = partial;
        if fresh {
            (inbox.began, inbox.came) = (tick, 0);
            self.schedule(slot);
        } else {
            inbox.came += length;
        }
    }

    #[inline]
    fn take_event(&mut self, slot: u32, event: Event<'_>) {
        let open = self.table_phase(slot) == Phase::Open;
        match event {
            // After our Close, data is read and dropped until theirs.
            Event::Message { kind, payload } if open => self.take_message(slot, kind, payload),
            Event::Ping(payload) if open => {
                frame::encode(&mut self.answers, Opcode::Pong, false, payload);
            }
            Event::Pong(_) => self.table.hot_mut(slot).flags.clear(Flags::PINGED),
            Event::Close(received) => self.peer_closed(slot, received),
            Event::Message { .. } | Event::Ping(_) => {}
        }
    }

    #[inline]
    fn take_message(&mut self, slot: u32, kind: MessageKind, payload: &mut [u8]) {
        if !self.config.idle_timeout.is_zero() {
            self.table.cold_mut(slot).opened = self.tick();
        }
        let hot = self.table.hot(slot);
        match hot.endpoint() {
            Endpoint::Echo => {
                let window_bits = hot.window_bits();
                self.codec.message(&mut self.answers, kind.opcode(), window_bits, payload);
                self.throttle(slot);
            }
            Endpoint::Envelope => self.take_command(slot, kind, payload),
            Endpoint::Raw => self.take_raw(slot, kind, payload),
        }
    }

    /// The peer's Close: echoed, unless ours is out already; then the server closes first.
    fn peer_closed(&mut self, slot: u32, received: Option<CloseFrame<'_>>) {
        if self.table_phase(slot) == Phase::Open {
            self.count_one(Counter::ClosesReceived);
            close::encode_echo(&mut self.answers, received);
        }
        self.linger(slot);
    }

    /// Sends what the connection that was served is answered; what the kernel does not take waits.
    pub(super) fn send_answers(&mut self, slot: u32) {
        if self.answers.is_empty() {
            return;
        }
        let mut answers = std::mem::take(&mut self.answers);
        self.send_private(slot, &answers);
        answers.clear();
        answers.shrink_to(2 * ANSWER_BYTES);
        // What was said meanwhile, because these did not fit.
        answers.append(&mut self.answers);
        self.answers = answers;
    }
}
