//! Feeds: where publications wait for readers. A feed is one channel in one encoding on one worker;
//! every subscription is a cursor into it, and a publication is appended once, whoever reads. Pure:
//! no sockets, clock or threads; the worker sends what `run` gives out and tells what was taken.
//!
//! `window` holds the bytes, `subscription` is a cursor, this file keeps them together.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::chunks::Chunks;
use crate::hub::{Delivery, Encoding, Epoch, Position, WorkerId};

pub mod flight;
pub mod subscription;
#[cfg(test)]
mod tests;
pub mod window;

use flight::Flight;
use subscription::{State, Subscription};
use window::{NOWHERE, Run, Spare, Window};

/// One channel in one encoding on one worker.
#[derive(Debug)]
pub struct Feed {
    /// Its channel.
    pub channel: Arc<str>,
    /// The worker that owns the channel.
    pub owner: WorkerId,
    /// What its subscribers read.
    pub encoding: Encoding,
    /// Which use of its place in the slab this is.
    pub generation: u32,
    /// Whether it waits in the worker's round of hot feeds.
    pub hot: bool,
    /// The publication whose time is being taken.
    pub flight: Flight,
    epoch: Epoch,
    /// Index of the latest publication; `None` until the first page, and after a reset.
    end: Option<u64>,
    window: Window,
    subscriptions: Chunks<Subscription>,
    /// Subscriptions that have no place yet.
    joining: usize,
    /// Subscriptions with a place before `end`.
    lagging: usize,
    /// Where the pass over the subscriptions stands, and how many it has yet to visit.
    next: usize,
    left: usize,
    /// In the order of their indices; none before the window, for what comes by a page comes whole.
    skips: VecDeque<Skip>,
}

/// A publication that one connection shall not get live, and has not reached yet.
#[derive(Clone, Copy, Debug)]
struct Skip {
    slot: u32,
    index: u64,
}

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// There is something to send.
    Hot,
    /// The delivery did not follow on what was there: the feed begins anew, its members must pull.
    Reset,
    /// Nobody has a place yet: whoever joins will get it by a page.
    Early,
}

impl Feed {
    /// A feed without subscriptions.
    pub fn new(channel: Arc<str>, owner: WorkerId, encoding: Encoding, generation: u32) -> Self {
        Self {
            channel,
            owner,
            encoding,
            generation,
            hot: false,
            flight: Flight::default(),
            epoch: Epoch(0),
            end: None,
            window: Window::default(),
            subscriptions: Chunks::default(),
            joining: 0,
            lagging: 0,
            next: 0,
            left: 0,
            skips: VecDeque::new(),
        }
    }

    /// The subscriptions, by index.
    pub fn subscriptions(&self) -> &Chunks<Subscription> {
        &self.subscriptions
    }

    /// Its latest position; `None` while it has no end.
    pub fn position(&self) -> Option<Position> {
        self.end.map(|index| Position { epoch: self.epoch, index })
    }

    /// Bytes in its window.
    pub fn window_bytes(&self) -> usize {
        self.window.bytes()
    }

    /// Subscriptions that have a place before the end.
    pub fn lagging(&self) -> usize {
        self.lagging
    }

    /// Appends a publication. The window keeps at most `window_bytes`, and nothing when nobody has
    /// a place. `skip`: the subscription that shall not get it.
    pub fn append(
        &mut self,
        delivery: &Delivery,
        skip: Option<usize>,
        window_bytes: usize,
        spare: &mut Spare,
    ) -> Appended {
        let Position { epoch, index } = delivery.position;
        match self.end {
            None => return Appended::Early,
            Some(end) if epoch == self.epoch && index == end + 1 => {}
            Some(_) => {
                self.reset(epoch, spare);
                return Appended::Reset;
            }
        }
        self.end = Some(index);
        self.lagging = self.subscriptions.len() - self.joining;
        if self.lagging == 0 {
            return Appended::Early;
        }
        self.window.push(index, &delivery.frames, window_bytes, spare);
        if let Some(at) = skip {
            self.skip(at, index, spare);
        }
        self.left = self.subscriptions.len();
        self.flight.begin(delivery.accepted_us, self.left);
        Appended::Hot
    }

    /// The next subscription that the pass has to visit; `None` when the pass is over.
    pub fn visit(&mut self) -> Option<usize> {
        if self.left == 0 || self.lagging == 0 && self.end.is_some() {
            self.left = 0;
            return None;
        }
        self.left -= 1;
        let at = if self.next < self.subscriptions.len() { self.next } else { 0 };
        self.next = at + 1;
        Some(at)
    }

    /// What this subscription is to be sent next.
    pub fn run(&self, at: usize) -> Run<'_> {
        let subscription = &self.subscriptions[at];
        if subscription.state != State::Following {
            return Run::Waiting;
        }
        match self.end {
            None => Run::Fallen,
            Some(end) if subscription.sent == end => Run::CaughtUp,
            Some(_) if subscription.skips => {
                let limit = self.first_skip(subscription).map(|skip| skip - 1);
                self.window.run(subscription.sent, limit)
            }
            Some(_) => self.window.run(subscription.sent, None),
        }
    }

    /// Notes that `bytes` of a run that began after the subscription's place were taken, and
    /// returns the rest of the frame that was cut, which is now the caller's to send.
    pub fn advance(&mut self, at: usize, bytes: usize, spare: &mut Spare) -> window::Rest {
        let (sent, rest) = self.window.settle(self.subscriptions[at].sent, bytes);
        self.place(at, sent, spare);
        rest
    }

    /// Sets a subscription's place after it was given everything up to and with `sent`.
    fn place(&mut self, at: usize, sent: u64, spare: &mut Spare) {
        let subscription = &mut self.subscriptions[at];
        debug_assert!(sent >= subscription.sent, "`sent` never falls");
        subscription.sent = sent;
        if subscription.skips {
            self.pass_skips(at);
        }
        let caught_up = self.end == Some(self.subscriptions[at].sent);
        if caught_up && self.lagging > 0 {
            self.lagging -= 1;
            self.empty_when_read(spare);
        }
    }

    /// Adds a subscription without a place, and says where it stands.
    pub fn join(&mut self, slot: u32, serial: u16) -> usize {
        self.joining += 1;
        self.add(Subscription::joining(slot, serial))
    }

    /// Adds a subscription that follows from the end on, which is known.
    pub fn join_live(&mut self, slot: u32) -> usize {
        debug_assert!(self.end.is_some(), "only a feed with an end is live");
        let mut subscription = Subscription::joining(slot, 0);
        subscription.state = State::Following;
        subscription.sent = self.end.unwrap_or(NOWHERE);
        self.add(subscription)
    }

    fn add(&mut self, subscription: Subscription) -> usize {
        // It may stand before one that the pass has yet to visit.
        self.left += usize::from(self.left > 0);
        self.subscriptions.push(subscription)
    }

    /// The last position that a subscription was given, where that can be said.
    pub fn place_of(&self, at: usize) -> Option<Position> {
        let Subscription { sent: index, state, .. } = self.subscriptions[at];
        let placed = state != State::Joining && index != NOWHERE;
        placed.then_some(Position { epoch: self.epoch, index })
    }

    /// Marks a subscription as waiting for a page; returns the place to pull from, `None` where its
    /// numbering has ended.
    pub fn pull(&mut self, at: usize, serial: u16) -> Option<Position> {
        let epoch = self.epoch;
        let subscription = &mut self.subscriptions[at];
        debug_assert_eq!(subscription.state, State::Following, "one pull at a time");
        subscription.state = State::Pulling;
        subscription.serial = serial;
        let index = subscription.sent;
        (index != NOWHERE).then_some(Position { epoch, index })
    }

    /// A page has come for this subscription: it now stands at `last`, and the channel's head was
    /// `head` when the page was cut. Returns whether the feed begins anew with it, so that others
    /// have to be visited.
    pub fn turn_page(
        &mut self,
        at: usize,
        epoch: Epoch,
        last: u64,
        head: u64,
        spare: &mut Spare,
    ) -> bool {
        let anew = self.end != Some(head) || self.epoch != epoch;
        if anew {
            self.begin(epoch, head, spare);
        }
        let end = self.end;
        let subscription = &mut self.subscriptions[at];
        let lagged = match subscription.state {
            State::Joining => {
                self.joining -= 1;
                false
            }
            _ => Some(subscription.sent) != end,
        };
        subscription.state = State::Following;
        subscription.sent = last;
        if subscription.skips {
            self.pass_skips(at);
        }
        let lags = Some(self.subscriptions[at].sent) != end;
        self.lagging = self.lagging + usize::from(lags) - usize::from(lagged);
        self.empty_when_read(spare);
        anew && self.lagging > usize::from(lags)
    }

    /// Takes a subscription out. The last one takes its place: returns that one's slot.
    pub fn leave(&mut self, at: usize, spare: &mut Spare) -> (Subscription, Option<u32>) {
        let gone = self.subscriptions.swap_remove(at);
        if gone.state == State::Joining {
            self.joining -= 1;
        } else if self.end.is_some() && Some(gone.sent) != self.end {
            self.lagging -= 1;
        }
        if gone.skips {
            self.skips.retain(|skip| skip.slot != gone.slot);
        }
        if self.left > 0 {
            // One that the pass has not visited may have moved to where it has been.
            self.left = self.subscriptions.len();
        }
        self.empty_when_read(spare);
        (gone, self.subscriptions.get(at).map(|moved| moved.slot))
    }

    /// Drops the window's content: whoever lags will pull.
    pub fn drop_window(&mut self, spare: &mut Spare) {
        self.window.clear(spare);
    }

    /// Begins a new numbering, or the same at another place: members have to pull.
    fn reset(&mut self, epoch: Epoch, spare: &mut Spare) {
        if epoch != self.epoch {
            for subscription in self.subscriptions.iter_mut() {
                (subscription.sent, subscription.skips) = (NOWHERE, false);
            }
            self.skips.clear();
        }
        self.end = None;
        self.lagging = 0;
        self.window.clear(spare);
        self.left = self.subscriptions.len();
    }

    fn begin(&mut self, epoch: Epoch, head: u64, spare: &mut Spare) {
        self.reset(epoch, spare);
        (self.epoch, self.end) = (epoch, Some(head));
        self.lagging = self
            .subscriptions
            .iter()
            .filter(|s| s.state != State::Joining && s.sent != head)
            .count();
    }

    fn empty_when_read(&mut self, spare: &mut Spare) {
        if self.lagging == 0 {
            self.window.clear(spare);
        }
    }

    /// The subscription at `at` shall not get `index`, the publication appended last.
    fn skip(&mut self, at: usize, index: u64, spare: &mut Spare) {
        let subscription = &mut self.subscriptions[at];
        match subscription.state {
            State::Following if subscription.sent == index - 1 => {
                self.place(at, index, spare);
            }
            State::Following if subscription.sent != NOWHERE => {
                subscription.skips = true;
                let slot = subscription.slot;
                let first = self.window.first().unwrap_or(index);
                while self.skips.front().is_some_and(|skip| skip.index < first) {
                    self.skips.pop_front();
                }
                self.skips.push_back(Skip { slot, index });
            }
            // What comes by a page comes whole.
            _ => {}
        }
    }

    fn first_skip(&self, subscription: &Subscription) -> Option<u64> {
        let own = self.skips.iter().filter(|skip| skip.slot == subscription.slot);
        own.map(|skip| skip.index).find(|&index| index > subscription.sent)
    }

    /// Passes over what the subscription shall not get and has now reached.
    fn pass_skips(&mut self, at: usize) {
        let (slot, mut sent) = (self.subscriptions[at].slot, self.subscriptions[at].sent);
        let mut more = false;
        self.skips.retain(|skip| {
            if skip.slot != slot {
                return true;
            }
            if skip.index == sent + 1 {
                sent += 1;
            }
            more |= skip.index > sent;
            skip.index > sent
        });
        self.subscriptions[at].sent = sent;
        self.subscriptions[at].skips = more;
    }
}
