//! Letters between workers: they arrive after any time and split anywhere, but in order per pair.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Peer, WorkerId};

use super::net::FakeSocket;
use super::random::Random;

/// What is under way and what has arrived.
#[derive(Debug)]
pub struct Post {
    under_way: BTreeMap<(WorkerId, WorkerId), VecDeque<Mail>>,
    boxes: Vec<Vec<Mail>>,
    placing: VecDeque<(WorkerId, FakeSocket, Peer)>,
    /// Connections that arrive with this carrying.
    pub placed: Vec<(WorkerId, FakeSocket, Peer)>,
}

impl Post {
    /// A post for so many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            under_way: BTreeMap::new(),
            boxes: (0..workers).map(|_| Vec::new()).collect(),
            placing: VecDeque::new(),
            placed: Vec::new(),
        }
    }

    /// Takes a batch.
    pub fn send(&mut self, from: WorkerId, to: WorkerId, batch: impl Iterator<Item = Mail>) {
        assert_ne!(from, to, "worker {from} writes to itself");
        self.under_way.entry((from, to)).or_default().extend(batch);
    }

    /// Takes a letter from outside of all workers.
    pub fn send_from_outside(&mut self, to: WorkerId, mail: Mail) {
        self.under_way.entry((WorkerId::MAX, to)).or_default().push_back(mail);
    }

    /// Takes a connection.
    pub fn place(&mut self, to: WorkerId, socket: FakeSocket, peer: Peer) {
        self.placing.push_back((to, socket, peer));
    }

    /// Lets the first letters of one pair arrive, or a connection. False when none is under way.
    pub fn carry(&mut self, random: &mut Random) -> bool {
        let busy: Vec<_> =
            self.under_way.iter().filter(|(_, q)| !q.is_empty()).map(|(k, _)| *k).collect();
        let choices = busy.len() + usize::from(!self.placing.is_empty());
        if choices == 0 {
            return false;
        }
        match busy.get(random.below(choices)) {
            Some(pair) => {
                let queue = self.under_way.get_mut(pair).expect("chosen from its keys");
                let count =
                    if random.chance(500) { queue.len() } else { random.between(1, queue.len()) };
                self.boxes[usize::from(pair.1)].extend(queue.drain(..count));
            }
            None => self.placed.extend(self.placing.pop_front()),
        }
        true
    }

    /// Whether anything is under way.
    pub fn under_way(&self) -> bool {
        !self.placing.is_empty() || self.under_way.values().any(|queue| !queue.is_empty())
    }

    /// Whether letters wait in this worker's box.
    pub fn arrived(&self, worker: WorkerId) -> bool {
        !self.boxes[usize::from(worker)].is_empty()
    }

    /// Bytes of what is on its way to this worker or waits in its box.
    pub fn backlog(&self, worker: WorkerId) -> usize {
        let coming = self.under_way.iter().filter(|((_, to), _)| *to == worker);
        let coming = coming.flat_map(|(_, queue)| queue).map(Mail::weight);
        let waiting = self.boxes[usize::from(worker)].iter().map(Mail::weight);
        coming.chain(waiting).sum()
    }

    /// Empties this worker's box.
    pub fn collect(&mut self, worker: WorkerId) -> Vec<Mail> {
        mem::take(&mut self.boxes[usize::from(worker)])
    }
}
