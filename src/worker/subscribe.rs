//! Subscriptions on the side of the connection: joining and leaving feeds, and the pages that come
//! for them. Each Join that the owner counts has exactly one Leave, also when the connection has
//! died meanwhile.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::Equivalent;

use super::Worker;
use super::mail::{Birth, Join, JoinAnswer, Leave, Mail, PageLetter, Pull, Reader, Requester};
use super::net::{self, Net};
use crate::client::answer;
use crate::client::code::{Code, Fault};
use crate::conn::entry::{Endpoint, Flags, Phase};
use crate::feed::Feed;
use crate::feed::subscription::{Marks, State};
use crate::hub::encode::ALL;
use crate::hub::page::{Page, Want};
use crate::hub::presence::COMPANION;
use crate::hub::shard::Since;
use crate::hub::{Audience, Encoding, FeedKey, Format, Mode, Pace, Position};
use crate::limits::OVERLOAD_PACE_MS;
use crate::metrics::Counter;
use crate::policy::rule::OnSlow;
use crate::ws::close::CloseCode;

/// A feed's name among those of its worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FeedName(Arc<str>, Encoding, Option<Pace>);

impl Hash for FeedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&*self.0, self.1, self.2).hash(state);
    }
}

#[derive(Hash)]
struct FeedNameRef<'a>(&'a str, Encoding, Option<Pace>);

impl Equivalent<FeedName> for FeedNameRef<'_> {
    fn equivalent(&self, key: &FeedName) -> bool {
        *self.0 == *key.0 && self.1 == key.1 && self.2 == key.2
    }
}

impl<N: Net> Worker<N> {
    /// Whether a connection follows a channel.
    pub(super) fn follows(&self, slot: u32, channel: &str) -> bool {
        self.subscription(slot, channel).is_some()
    }

    /// A connection's subscription to a channel: its feed, and its place there.
    pub(super) fn subscription(&self, slot: u32, channel: &str) -> Option<(u32, usize)> {
        let encoding = self.encoding(slot);
        let hot = self.table.hot(slot);
        let of = |pace| {
            let &feed = self.feed_names.get(&FeedNameRef(channel, encoding, pace))?;
            Some((feed, hot.reference(feed)?))
        };
        let paces = Pace::all().filter(|_| self.paced_feeds > 0);
        of(None).or_else(|| paces.map(Some).find_map(of))
    }

    /// How many subscriptions a connection has. Hearing who is in a channel is none of its own.
    pub(super) fn subscriptions_of(&self, slot: u32) -> usize {
        let own = |feed: u32| !self.feeds[feed as usize].channel.starts_with(COMPANION);
        self.table.hot(slot).references().filter(|reference| own(reference.feed)).count()
    }

    /// Whether a connection has as many subscriptions as it may, besides `$all`.
    pub(super) fn has_all_subscriptions(&self, slot: u32) -> bool {
        let most = self.config.max_subscriptions;
        self.table.hot(slot).subscriptions() >= most
            && self.subscriptions_of(slot) - usize::from(self.follows(slot, ALL)) >= most
    }

    /// The pace of a subscription: what its client asked for and what the rule allows; in mode
    /// `latest` only.
    pub(super) fn pace_of(&self, channel: &str, mode: Mode, asked: Option<f64>) -> Option<Pace> {
        let allowed = self.policy.rule(channel).max_rate;
        let rate = asked.into_iter().chain(allowed).reduce(f64::min);
        rate.filter(|_| mode == Mode::Latest).map(Pace::at_most)
    }

    /// Asks the owner to let a connection follow a channel; a page will come.
    pub(super) fn join(
        &mut self,
        slot: u32,
        channel: Arc<str>,
        pace: Option<Pace>,
        since: Since,
        request: impl Into<Requester>,
    ) {
        let feed = self.find_or_create_feed(&channel, self.encoding(slot), pace);
        let serial = self.serial();
        let at = self.feeds[feed as usize].join(slot, serial, since.mode);
        self.table.hot_mut(slot).refer(feed, at);
        self.subscriptions += usize::from(!channel.starts_with(COMPANION));
        let reader = Some(Reader { connection: self.key(slot), serial });
        let letter = Join {
            audience: self.audience(feed),
            feed: self.feed_key(feed),
            reader,
            since,
            request: request.into(),
            birth: self.birth(slot, &channel),
            channel,
        };
        self.letter(self.feeds[feed as usize].owner, Mail::Join(Box::new(letter)));
    }

    /// Lets a connection follow a channel from now on, if a feed here knows where that is. The
    /// owner only has to count.
    pub(super) fn join_live(
        &mut self,
        slot: u32,
        channel: &Arc<str>,
        pace: Option<Pace>,
        mode: Mode,
    ) -> Option<Position> {
        let &index = self.feed_names.get(&FeedNameRef(channel, self.encoding(slot), pace))?;
        let feed = &mut self.feeds[index as usize];
        let position = feed.position()?;
        let at = feed.join_live(slot, mode);
        let (owner, channel) = (feed.owner, Arc::clone(&feed.channel));
        self.table.hot_mut(slot).refer(index, at);
        self.subscriptions += 1;
        let letter = Join {
            audience: self.audience(index),
            channel,
            feed: self.feed_key(index),
            reader: None,
            since: Since::default(),
            request: Requester::Nobody,
            birth: Birth::Free,
        };
        self.letter(owner, Mail::Join(Box::new(letter)));
        self.appear(slot, index, at);
        Some(position)
    }

    /// Ends one subscription. Says whether there was one, and its last position, where it had one.
    pub(super) fn leave_channel(&mut self, slot: u32, channel: &str) -> (bool, Option<Position>) {
        let Some((feed, at)) = self.subscription(slot, channel) else { return (false, None) };
        let position = self.feeds[feed as usize].place_of(at);
        self.leave(slot, feed, at, true);
        (true, position)
    }

    /// Ends all subscriptions of a connection.
    pub(super) fn leave_all(&mut self, slot: u32) {
        while let Some(reference) = { self.table.hot(slot).references().next() } {
            self.leave(slot, reference.feed, reference.at as usize, true);
        }
        self.table.hot_mut(slot).flags.clear(Flags::PULLING);
    }

    /// Takes a subscription out of its feed. `counted`: the owner has counted it.
    fn leave(&mut self, slot: u32, index: u32, at: usize, counted: bool) {
        let feed = &mut self.feeds[index as usize];
        self.subscriptions -= usize::from(!feed.channel.starts_with(COMPANION));
        let (gone, moved) = feed.leave(at, &mut self.spare);
        let (owner, channel) = (feed.owner, Arc::clone(&feed.channel));
        let empty = feed.subscriptions().is_empty();
        let audience = self.audience(index);
        let hot = self.table.hot_mut(slot);
        hot.forget(index);
        if gone.state == State::Pulling {
            hot.flags.clear(Flags::PULLING);
        }
        if let Some(moved) = moved {
            self.table.hot_mut(moved).moved(index, at);
        }
        if gone.marks.any(Marks::PRESENT | Marks::HEARS) {
            self.disappear(slot, &channel, &gone);
        }
        self.forget_given(slot, &channel);
        // Whether the owner has counted one that waits for its first page is known when that comes.
        if counted && gone.state != State::Joining {
            let leave = Leave { audience, channel: Arc::clone(&channel) };
            self.letter(owner, Mail::Leave(Box::new(leave)));
        }
        if empty {
            let Audience { encoding, pace, .. } = audience;
            self.feed_names.remove(&FeedNameRef(&channel, encoding, pace));
            let mut feed = self.feeds.remove(index as usize);
            self.windows.remove(&index);
            self.forget_rounds(index, &mut feed);
            if feed.hot {
                self.hot.retain(|&hot| hot != index);
            }
        }
    }

    /// Asks the owner for what a subscription lags behind.
    pub(super) fn pull(&mut self, slot: u32, index: u32, at: usize) {
        let end = self.feeds[index as usize].position();
        if let Some(end) = end.filter(|_| self.net.plants(net::Fault::SilentEviction)) {
            let feed = &mut self.feeds[index as usize];
            feed.turn_page(at, end.epoch, end.index, end.index, &mut self.spare);
            return;
        }
        let channel = &self.feeds[index as usize].channel;
        let hears = channel.starts_with(COMPANION);
        let on_slow = if hears { OnSlow::Pull } else { self.policy.rule(channel).on_slow };
        let flags = self.table.hot(slot).flags;
        // In a drain each is closed when it is its turn to go, and reads on until then.
        let stays = !flags.has(Flags::LAGGED) || self.is_leaving() && flags.has(Flags::TOLD);
        if on_slow == OnSlow::Close && !stays && self.feeds[index as usize].is_slow(at) {
            // The pass that found it goes on over its feed: it is closed when that is done.
            self.slow.push(slot);
            return;
        }
        self.count_one(Counter::Pulls);
        let serial = self.serial();
        self.table.hot_mut(slot).flags.set(Flags::PULLING);
        let reader = Reader { connection: self.key(slot), serial };
        let key = self.feed_key(index);
        let feed = &mut self.feeds[index as usize];
        let (mode, until) = feed.pulls(at, on_slow == OnSlow::Latest);
        let since = feed.pull(at, serial);
        let (channel, owner) = (Arc::clone(&feed.channel), feed.owner);
        let want = Want { encoding: feed.encoding, mode, until };
        let letter = Pull { channel, feed: key, reader, since, want };
        self.letter(owner, Mail::Pull(Box::new(letter)));
    }

    /// A page has come. Where its reader is gone, or asked for something else meanwhile, it is
    /// dropped.
    pub(super) fn take_page(&mut self, letter: PageLetter) {
        let slot = letter.reader.connection.slot;
        let Some(at) = self.waits_for(&letter) else { return self.take_late_page(letter) };
        let PageLetter { feed, page, joined, .. } = letter;
        match page {
            Ok(page) => self.turn_page(slot, feed.index, at, page, joined),
            Err(code) => self.join_refused(slot, feed.index, at, code, joined),
        }
    }

    /// The place in its feed of the subscription that waits for this page.
    fn waits_for(&mut self, letter: &PageLetter) -> Option<usize> {
        let PageLetter { feed: key, reader, .. } = letter;
        let feed = self.feeds.get(key.index as usize)?;
        if feed.generation != key.generation {
            return None;
        }
        let connection = reader.connection;
        let hot = self.table.same(connection.slot, connection.generation)?;
        let at = hot.reference(key.index)?;
        let subscription = feed.subscriptions()[at];
        let waits = subscription.state != State::Following;
        (waits && subscription.serial == reader.serial).then_some(at)
    }

    /// The first page of a subscription that has ended meanwhile: if the owner counted it, it has
    /// to count it out; and who still listens gets the answer.
    fn take_late_page(&mut self, letter: PageLetter) {
        let PageLetter { reader, page, joined, .. } = letter;
        let Some(joined) = joined else { return };
        let channel = Arc::clone(&joined.channel);
        if page.is_ok() {
            let leave = Leave { audience: joined.audience, channel: Arc::clone(&channel) };
            let owner = self.owner(&channel);
            self.letter(owner, Mail::Leave(Box::new(leave)));
        }
        let (slot, generation) = (reader.connection.slot, reader.connection.generation);
        let hot = self.table.same(slot, generation);
        if hot.is_none_or(|hot| hot.phase != Phase::Open) {
            return;
        }
        match page {
            Ok(_) => self.say_subscribed(slot, &joined),
            Err(code) => self.say_join_refused(slot, &joined, code),
        }
    }

    fn turn_page(
        &mut self,
        slot: u32,
        index: u32,
        at: usize,
        page: Page,
        joined: Option<JoinAnswer>,
    ) {
        let begins = joined.is_some();
        match joined {
            Some(joined) => self.say_joined(slot, &joined),
            None => self.table.hot_mut(slot).flags.clear(Flags::PULLING),
        }
        let Page { gap, epoch, last, head, frames } = page;
        let last = if self.net.plants(net::Fault::LateAdd) { head } else { last };
        let feed = &mut self.feeds[index as usize];
        if feed.turn_page(at, epoch, last, head, &mut self.spare) && !feed.hot {
            feed.hot = true;
            self.hot.push_back(index);
        }
        self.schedule_round(index);
        if let Some(gap) = gap {
            self.counters().gaps(gap.reason);
            if self.feeds[index as usize].encoding.format == Format::Raw {
                // A raw channel has no words for a gap.
                self.close(slot, CloseCode::LOST);
                return;
            }
        }
        if let Some(frames) = frames {
            self.queue_shared(slot, frames, 0);
        }
        // Also without bytes: it may have to go on with the window, or with another page.
        self.mark_dirty(slot);
        if begins {
            self.appear(slot, index, at);
        }
    }

    fn say_joined(&mut self, slot: u32, joined: &JoinAnswer) {
        match joined.position.filter(|_| self.table.hot(slot).phase == Phase::Opening) {
            Some(position) => self.opened(slot, position),
            None => self.say_subscribed(slot, joined),
        }
    }

    fn say_subscribed(&mut self, slot: u32, joined: &JoinAnswer) {
        let Some(position) = joined.position else { return };
        self.answered(slot);
        let channel = &joined.channel;
        let (recovered, missed) = (joined.recovered, joined.missed);
        let data = |out: &mut Vec<u8>| answer::subscribed(out, position, recovered, missed);
        let wall_ms = self.now.wall_ms;
        self.say_text(slot, |out| match &joined.request {
            Requester::Client(id) => answer::ack(out, id, Some(channel), data, wall_ms),
            _ => answer::given(out, channel, position, wall_ms),
        });
    }

    fn join_refused(
        &mut self,
        slot: u32,
        index: u32,
        at: usize,
        code: Code,
        joined: Option<JoinAnswer>,
    ) {
        self.leave(slot, index, at, false);
        if self.probe.is_reader(slot) {
            return self.probe_ended(Err(code));
        }
        let opening = self.table.hot(slot).phase == Phase::Opening;
        if opening || self.table.hot(slot).endpoint() != Endpoint::Envelope {
            return self.close(slot, CloseCode::OVERLOADED);
        }
        if let Some(joined) = joined {
            self.say_join_refused(slot, &joined, code);
        }
    }

    fn say_join_refused(&mut self, slot: u32, joined: &JoinAnswer, code: Code) {
        self.answered(slot);
        // A client that has not asked is told nothing.
        let Requester::Client(id) = &joined.request else { return };
        let (message, pace_ms) = match code {
            Code::RateLimited => {
                let message = "this connection has brought too many channels into being";
                (message, Some(self.new_channel_pace_ms()))
            }
            _ => ("the node has as many channels as it may", Some(OVERLOAD_PACE_MS)),
        };
        let fault = Fault::new(code, message);
        self.say_error(slot, id, Some(&joined.channel), &fault, pace_ms);
    }

    /// One request less waits for its answer.
    pub(super) fn answered(&mut self, slot: u32) {
        let hot = self.table.hot_mut(slot);
        debug_assert!(hot.pending > 0, "an answer has a request");
        hot.pending = hot.pending.saturating_sub(1);
        self.resume(slot);
    }

    fn find_or_create_feed(
        &mut self,
        channel: &Arc<str>,
        encoding: Encoding,
        pace: Option<Pace>,
    ) -> u32 {
        if let Some(&feed) = self.feed_names.get(&FeedNameRef(channel, encoding, pace)) {
            return feed;
        }
        self.feed_generation = self.feed_generation.wrapping_add(1);
        let owner = self.owner(channel);
        let audience = Audience { worker: self.id, encoding, pace };
        let feed = Feed::new(Arc::clone(channel), owner, audience, self.feed_generation);
        let index = self.feeds.insert(feed) as u32;
        self.feed_names.insert(FeedName(Arc::clone(channel), encoding, pace), index);
        self.paced_feeds += usize::from(pace.is_some());
        index
    }

    /// Among whom the owner counts the members of a feed.
    pub(super) fn audience(&self, index: u32) -> Audience {
        let feed = &self.feeds[index as usize];
        Audience { worker: self.id, encoding: feed.encoding, pace: feed.pace }
    }

    pub(super) fn feed_key(&self, index: u32) -> FeedKey {
        FeedKey { index, generation: self.feeds[index as usize].generation }
    }

    fn serial(&mut self) -> u16 {
        self.next_serial = self.next_serial.wrapping_add(1);
        self.next_serial
    }
}
