//! Feeds: where publications wait for readers. A feed is one channel in one encoding on one worker;
//! every subscription is a cursor into it, and a publication is appended once, whoever reads. Pure:
//! no sockets, clock or threads; the worker sends what `run` gives out and tells what was taken.
//!
//! `window` holds the bytes, `subscription` is a cursor, this file keeps them together. Members
//! with a `max_rate` have a feed of their own, whose window is filled in rounds (`paced`).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::chunks::Chunks;
use crate::hub::page::Page;
use crate::hub::{Audience, Delivery, Encoding, Epoch, Format, Mode, Pace, Position, WorkerId};
use crate::limits::LATEST_LAG;

pub mod flight;
pub mod paced;
pub mod pass;
pub mod subscription;
#[cfg(test)]
mod tests;
pub mod window;

use flight::Flight;
use paced::Paced;
use subscription::{Marks, State, Subscription};
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
    /// How often, where they have a pace.
    pub pace: Option<Pace>,
    /// Which use of its place in the slab this is.
    pub generation: u32,
    /// Whether it waits in the worker's round of hot feeds.
    pub hot: bool,
    /// Whether it stands among those whose windows are dropped to hold the total.
    listed: bool,
    /// The publication whose time is being taken.
    pub flight: Flight,
    epoch: Epoch,
    /// Index of the latest publication; `None` until the first page, and after a reset.
    end: Option<u64>,
    window: Window,
    /// What stands in for the window where members have a pace.
    pub paced: Option<Box<Paced>>,
    /// What left the window up to and with this one did so for no reader's slowness.
    forgiven: u64,
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
    pub fn new(channel: Arc<str>, owner: WorkerId, audience: Audience, generation: u32) -> Self {
        let Audience { encoding, pace, .. } = audience;
        Self {
            channel,
            owner,
            encoding,
            pace,
            generation,
            hot: false,
            listed: false,
            flight: Flight::default(),
            epoch: Epoch(0),
            end: None,
            window: Window::default(),
            paced: pace.map(|pace| Box::new(Paced::new(pace))),
            forgiven: 0,
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
        self.window.bytes() + self.paced.as_ref().map_or(0, |paced| paced.bytes())
    }

    /// Whether a subscription has a place, and there is something behind it. In a paced feed it may
    /// stand ahead of the last round, when it joined after that.
    pub fn lags(&self, subscription: &Subscription) -> bool {
        let Subscription { sent, state, .. } = *subscription;
        let ahead = |end| self.paced.is_some() && sent > end && sent != NOWHERE;
        let behind = |end| sent != end && !ahead(end);
        state != State::Joining && self.end.is_some_and(behind)
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

    /// What this subscription is to be sent next.
    pub fn run(&self, at: usize) -> Run<'_> {
        let subscription = &self.subscriptions[at];
        if subscription.state != State::Following {
            return Run::Waiting;
        }
        match self.end {
            None => Run::Fallen,
            Some(end) if subscription.sent == end => Run::CaughtUp,
            Some(_) if subscription.marks.is_none() => self.window.run(subscription.sent, None),
            Some(end) => self.unusual_run(subscription, end),
        }
    }

    fn unusual_run(&self, subscription: &Subscription, end: u64) -> Run<'_> {
        let Subscription { sent, marks, .. } = *subscription;
        if let Some(paced) = &self.paced {
            return if self.lags(subscription) { paced.run(sent) } else { Run::CaughtUp };
        }
        if marks.any(Marks::LATEST) && sent != NOWHERE && end - sent > LATEST_LAG {
            // One page of what is newest instead of all this.
            return Run::Fallen;
        }
        let skips = marks.any(Marks::SKIPS);
        let first = if skips { self.first_skip(subscription) } else { None };
        self.window.run(sent, first.map(|skip| skip - 1))
    }

    /// Whether a subscription that has fallen out of the window did so by its own slowness: it was
    /// in it, and what it missed went for want of room.
    pub fn is_slow(&self, at: usize) -> bool {
        let Subscription { sent, marks, .. } = self.subscriptions[at];
        let fell = self.window.first().is_some_and(|first| first.saturating_sub(1) > sent);
        let spared = marks.any(Marks::BEHIND) || marks.any(Marks::LATEST);
        !spared && fell && sent >= self.forgiven
    }

    /// Notes that `bytes` of a run that began after the subscription's place were taken, and
    /// returns the rest of the frame that was cut, which is now the caller's to send.
    pub fn advance(&mut self, at: usize, bytes: usize, spare: &mut Spare) -> window::Rest {
        let sent = self.subscriptions[at].sent;
        let (sent, rest) = match &self.paced {
            None => self.window.settle(sent, bytes),
            Some(paced) => paced.settle(sent, bytes),
        };
        self.place(at, sent, spare);
        rest
    }

    /// Sets a subscription's place after it was given everything up to and with `sent`.
    fn place(&mut self, at: usize, sent: u64, spare: &mut Spare) {
        let subscription = &mut self.subscriptions[at];
        debug_assert!(sent >= subscription.sent, "`sent` never falls");
        subscription.sent = sent;
        if subscription.marks.any(Marks::SKIPS) {
            self.pass_skips(at);
        }
        let caught_up = self.end == Some(self.subscriptions[at].sent);
        if caught_up && self.lagging > 0 {
            self.lagging -= 1;
            self.empty_when_read(spare);
        }
    }

    /// Adds a subscription without a place, and says where it stands.
    pub fn join(&mut self, slot: u32, serial: u16, mode: Mode) -> usize {
        self.joining += 1;
        self.add(Subscription::joining(slot, serial, mode))
    }

    /// Adds a subscription that follows from the end on, which is known.
    pub fn join_live(&mut self, slot: u32, mode: Mode) -> usize {
        debug_assert!(self.end.is_some(), "only a feed with an end is live");
        let mut subscription = Subscription::joining(slot, 0, mode);
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
        // A paced feed stands where its last round ended, whatever came since.
        let elsewhere =
            if self.paced.is_some() { self.end.is_none() } else { self.end != Some(head) };
        let anew = elsewhere || self.epoch != epoch;
        if anew {
            self.begin(epoch, head, spare);
        }
        let lagged = self.lags(&self.subscriptions[at]);
        let subscription = &mut self.subscriptions[at];
        if subscription.state == State::Joining {
            self.joining -= 1;
        }
        subscription.state = State::Following;
        subscription.sent = last;
        if subscription.marks.any(Marks::SKIPS) {
            self.pass_skips(at);
        }
        let lags = self.lags(&self.subscriptions[at]);
        let behind = lags && matches!(self.run(at), Run::Fallen);
        self.subscriptions[at].marks.set(Marks::BEHIND, behind);
        if !behind {
            self.subscriptions[at].marks.set(Marks::CONFLATED, false);
        }
        self.lagging = self.lagging + usize::from(lags) - usize::from(lagged);
        self.empty_when_read(spare);
        anew && self.lagging > usize::from(lags)
    }

    /// Sets or clears marks that are nothing to this feed; returns all that it had.
    pub fn mark(&mut self, at: usize, marks: Marks, on: bool) -> Marks {
        let own = &mut self.subscriptions[at].marks;
        let before = *own;
        own.set(marks, on);
        before
    }

    /// Takes a subscription out. The last one takes its place: returns that one's slot.
    pub fn leave(&mut self, at: usize, spare: &mut Spare) -> (Subscription, Option<u32>) {
        let gone = self.subscriptions.swap_remove(at);
        self.joining -= usize::from(gone.state == State::Joining);
        self.lagging -= usize::from(self.lags(&gone));
        if gone.marks.any(Marks::SKIPS) {
            self.skips.retain(|skip| skip.slot != gone.slot);
        }
        if self.left > 0 {
            // One that the pass has not visited may have moved to where it has been.
            self.left = self.subscriptions.len();
        }
        self.empty_when_read(spare);
        (gone, self.subscriptions.get(at).map(|moved| moved.slot))
    }

    /// Whether it has a window and is to be listed now among those that have.
    pub fn lists_window(&mut self) -> bool {
        let lists = !self.listed && self.window_bytes() > 0;
        self.listed |= lists;
        lists
    }

    /// Drops the window's content: whoever lags will pull. The feed is not listed any more.
    pub fn drop_window(&mut self, spare: &mut Spare) {
        self.listed = false;
        self.forgiven = self.end.unwrap_or(0);
        self.clear_window(spare);
    }

    fn clear_window(&mut self, spare: &mut Spare) {
        self.window.clear(spare);
        if let Some(paced) = &mut self.paced {
            paced.clear(spare);
        }
    }

    /// How a subscription that has fallen behind pulls: how much, and up to where. `conflates`:
    /// slow readers of this channel get the newest of every key.
    pub fn pulls(&mut self, at: usize, conflates: bool) -> (Mode, Option<u64>) {
        let slow = conflates && self.is_slow(at);
        let marks = &mut self.subscriptions[at].marks;
        if slow {
            marks.set(Marks::CONFLATED, true);
        }
        if marks.any(Marks::LATEST) || marks.any(Marks::CONFLATED) {
            (Mode::Latest, self.end.filter(|_| self.paced.is_some()))
        } else {
            (Mode::All, None)
        }
    }

    /// Sets when the next round of a paced feed begins, if there is reason for one.
    pub fn schedule_round(&mut self, now_ms: u64) -> Option<u64> {
        self.end?;
        self.paced.as_mut()?.schedule(now_ms)
    }

    /// A round is due, but cannot begin yet.
    pub fn put_off_round(&mut self) {
        if let Some(paced) = &mut self.paced {
            paced.begin();
        }
    }

    /// A round is due: the place to ask from.
    pub fn begin_round(&mut self, now_ms: u64, spare: &mut Spare) -> Option<Position> {
        let position = self.position();
        let paced = self.paced.as_mut()?;
        paced.begin();
        paced.ask(position?.index, now_ms, spare);
        position
    }

    /// A page of a round has come. Returns whether there is something to send, or members have to
    /// pull for themselves.
    pub fn turn_round(&mut self, page: Page, window_bytes: usize, spare: &mut Spare) -> bool {
        let Page { epoch, gap, last, head, frames } = page;
        let Some(paced) = &mut self.paced else { return false };
        let asked = paced.answered(last < head);
        let Some(end) = self.end.filter(|&end| asked == Some(end)) else {
            paced.again();
            return false;
        };
        if epoch != self.epoch || gap.is_some() && self.encoding.format == Format::Raw {
            // Each member hears of it by a page of its own.
            paced.again();
            self.begin(epoch, last, spare);
            return true;
        }
        let Some(frames) = frames else { return false };
        paced.push(end, last, frames, window_bytes, spare);
        self.end = Some(last);
        self.lagging = self.subscriptions.iter().filter(|s| self.lags(s)).count();
        self.empty_when_read(spare);
        self.left = self.subscriptions.len();
        self.lagging > 0
    }

    /// Begins a new numbering, or the same at another place: members have to pull.
    fn reset(&mut self, epoch: Epoch, spare: &mut Spare) {
        if epoch != self.epoch {
            for subscription in self.subscriptions.iter_mut() {
                subscription.sent = NOWHERE;
                subscription.marks.set(Marks::SKIPS, false);
            }
            self.skips.clear();
        }
        self.end = None;
        self.lagging = 0;
        self.clear_window(spare);
        self.left = self.subscriptions.len();
    }

    fn begin(&mut self, epoch: Epoch, head: u64, spare: &mut Spare) {
        self.reset(epoch, spare);
        (self.epoch, self.end, self.forgiven) = (epoch, Some(head), head);
        self.lagging = self.subscriptions.iter().filter(|s| self.lags(s)).count();
    }

    fn empty_when_read(&mut self, spare: &mut Spare) {
        if self.lagging == 0 {
            self.clear_window(spare);
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
                subscription.marks.set(Marks::SKIPS, true);
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
        self.subscriptions[at].marks.set(Marks::SKIPS, more);
    }
}
