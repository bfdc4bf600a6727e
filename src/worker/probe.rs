//! The probe behind `/ready`: a publication that makes the whole trip. A worker that is asked lets
//! a reader without a socket follow a channel of its own, publishes to it through its owner, and is
//! ready when the flush reaches that reader. Then the reader leaves and the channel is forgotten:
//! nothing is kept between two questions, and who asks meanwhile waits for the same trip.

use std::sync::Arc;

use super::Worker;
use super::mail::{Answer, Birth, Content, Mail, Publish, Requester, Ticket};
use super::net::{Net, WorkerId};
use crate::client::code::{Code, Fault};
use crate::client::command::RequestId;
use crate::conn::entry::{Endpoint, Phase};
use crate::feed::window::Run;
use crate::hub::Kind;
use crate::hub::channel::Draft;
use crate::hub::shard::{PROBE, Since};

/// The trip that is under way.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// The slot of the reader without a socket.
    reader: Option<u32>,
    /// Who waits for it.
    tickets: Vec<Ticket>,
    /// How it ended; the reader leaves at the end of the turn.
    outcome: Option<Result<(), Code>>,
}

impl Probe {
    /// Whether this slot has the reader.
    pub(super) fn is_reader(&self, slot: u32) -> bool {
        self.reader == Some(slot)
    }
}

impl<N: Net> Worker<N> {
    /// Somebody asks whether a message makes the trip here.
    pub(super) fn begin_probe(&mut self, ticket: Ticket) {
        self.probe.tickets.push(ticket);
        if self.probe.reader.is_some() {
            return;
        }
        let slot = self.table.insert();
        let hot = self.table.hot_mut(slot);
        hot.open(Endpoint::Raw, 0);
        hot.phase = Phase::Opening;
        self.probe.reader = Some(slot);
        let channel = probe_channel(self.id);
        self.join(slot, channel, None, Since::default(), RequestId::None);
    }

    /// The reader follows its channel: now something must come.
    pub(super) fn publish_probe(&mut self, slot: u32) {
        let channel = probe_channel(self.id);
        let payload = Arc::from(&b"probe"[..]);
        let draft = Draft { kind: Kind::Text, payload, from: None, key: None, skip: None };
        let ticket = Ticket { connection: self.key(slot), request: Requester::Probe };
        let owner = self.owner(&channel);
        let birth = Birth::Free;
        let charge = 0;
        let letter = Publish { channel, draft, idempotency: None, ticket, birth, charge };
        self.letter(owner, Mail::Publish(Box::new(letter)));
    }

    /// The flush has come to a reader without a socket: the trip is made.
    pub(super) fn take_probe(&mut self, slot: u32, feed: u32, at: usize) {
        debug_assert!(self.probe.is_reader(slot), "every other connection has a socket");
        let feed = &mut self.feeds[feed as usize];
        match feed.run(at) {
            Run::Frames(bytes) => {
                let count = bytes.len();
                feed.advance(at, count, &mut self.spare);
            }
            Run::Large(frames) => {
                let count = frames.len();
                feed.advance(at, count, &mut self.spare);
            }
            // It came, and had to make room in the windows before the flush came to it.
            Run::Fallen => {}
            Run::CaughtUp | Run::Waiting => return,
        }
        self.probe_ended(Ok(()));
    }

    /// The trip is over; whoever waits is told at the end of the turn.
    pub(super) fn probe_ended(&mut self, outcome: Result<(), Code>) {
        self.probe.outcome.get_or_insert(outcome);
    }

    /// Tells those who wait how the trip ended, and removes what it needed.
    pub(super) fn end_probe(&mut self) {
        let Some(outcome) = self.probe.outcome.take() else { return };
        if let Some(slot) = self.probe.reader.take() {
            self.leave_all(slot);
            self.table.remove(slot);
        }
        for ticket in std::mem::take(&mut self.probe.tickets) {
            let content = match outcome {
                Ok(()) => Content::Probed,
                Err(code) => Content::Refused(Fault::new(code, "a probe was refused"), None),
            };
            let to = ticket.connection.worker;
            self.letter(to, Mail::Answer(Box::new(Answer { ticket, channel: None, content })));
        }
    }
}

/// The channel that the probes of a worker go through.
fn probe_channel(worker: WorkerId) -> Arc<str> {
    format!("{PROBE}{worker}").into()
}
