//! Who waits, and for how much: between the moment at which a connection has something to say and
//! the moment at which the server reads it, there is never more than one flush budget of sends to
//! others. Answers in the same breath as what they answer are no flush, each of them follows a
//! read.

use fanwire::limits::{FLUSH_BYTES, FLUSH_SENDS};

use super::{LinkId, World};

/// What one worker has sent on its own account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flushed {
    sends: usize,
    bytes: usize,
    /// Bytes of the longest send: a budget of bytes may end in the midst of one, in each half.
    longest: usize,
}

/// One worker's account.
#[derive(Debug, Default)]
pub struct Account {
    flushed: Flushed,
    /// The connection that was read last, and may be answered at once.
    serving: Option<LinkId>,
    /// The most sends that anybody has waited for.
    pub most: usize,
    /// Polls so far.
    polls: u64,
}

impl World {
    /// Something has arrived for the server; whoever reads this link has to be quick from now on.
    pub(super) fn begins_to_wait(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        let Some((worker, _)) = link.registered else { return };
        if link.waits_since.is_none() && link.edge.readable {
            link.waits_since = Some(self.stations[usize::from(worker)].account.flushed);
        }
    }

    /// A poll has told of some links, or not yet: then they wait for the world, not for the worker.
    /// Of what it had been told before and did not read it had a reason not to, as pending answers.
    pub(super) fn polled(&mut self, worker: usize, told: &[LinkId]) {
        let account = &mut self.stations[worker].account;
        account.serving = None;
        account.polls += 1;
        let now = account.flushed;
        for &id in &self.open {
            let link = &mut self.links[id as usize];
            if link.registered.is_none_or(|(owner, _)| usize::from(owner) != worker) {
                continue;
            }
            if !told.contains(&id) {
                link.waits_since = link.edge.readable.then_some(now);
            }
        }
    }

    /// A worker reads: nobody twice in a turn, however much it sends, for others wait.
    pub(super) fn heard(&mut self, worker: usize, id: LinkId) {
        let account = &mut self.stations[worker].account;
        account.serving = Some(id);
        let link = &mut self.links[id as usize];
        assert_ne!(link.read_in, account.polls, "#{id} is read twice in one turn");
        link.read_in = account.polls;
        let Some(since) = link.waits_since.take() else { return };
        let now = account.flushed;
        let (sends, bytes) = (now.sends - since.sends, now.bytes - since.bytes);
        account.most = account.most.max(sends);
        assert!(sends <= FLUSH_SENDS, "#{id} has waited for {sends} sends to others");
        let most = FLUSH_BYTES + 2 * now.longest;
        assert!(bytes <= most, "#{id} has waited for {bytes} bytes to others");
    }

    /// A worker sends. Whoever could not take it all has output that waits, and need not be read
    /// before it takes that: it waits for itself.
    pub(super) fn flushes(&mut self, worker: usize, id: LinkId, bytes: usize, short: bool) {
        let account = &mut self.stations[worker].account;
        if short {
            let link = &mut self.links[id as usize];
            link.waits_since = link.waits_since.map(|_| account.flushed);
        }
        if account.serving == Some(id) {
            return;
        }
        account.serving = None;
        account.flushed.sends += 1;
        account.flushed.bytes += bytes;
        account.flushed.longest = account.flushed.longest.max(bytes);
    }

    /// While a worker sends, the network does not stand still: bytes arrive at some connection.
    pub(super) fn meanwhile(&mut self) {
        let meanwhile = self.faults.meanwhile;
        if !self.random.chance(meanwhile) || self.open.is_empty() {
            return;
        }
        let id = *self.random.pick(&self.open);
        let lazy = self.faults.lazy_edges;
        self.links[id as usize].carry(usize::MAX, 0, 0, lazy);
        self.begins_to_wait(id);
    }
}
