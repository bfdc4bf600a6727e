//! Presence on both sides: what a connection's worker says when somebody comes to a channel or
//! leaves it, and what a channel's owner makes of that. Who is there, and what is told of it, is
//! decided by `hub::presence`; whether anything is told, by the channel's rule.

use std::sync::Arc;

use super::mail::{
    Answer, Attend, Content, Entry, Join, JoinAnswer, Leave, Mail, PageLetter, Pull, Roll, Ticket,
};
use super::net::{Fault as Planted, Net};
use super::{Worker, identity};
use crate::client::code::{Code, Fault};
use crate::client::command::RequestId;
use crate::config::Config;
use crate::feed::subscription::{Marks, State, Subscription};
use crate::hub::presence::{self, PresenceLimits, Presences, Span, Who};
use crate::hub::shard::Since;
use crate::limits::{
    HISTORY_ANSWER_BYTES, LEAVES_PER_TURN, OVERLOAD_PACE_MS, PRESENCES_PER_TURN, REVIEWS_PER_TURN,
};
use crate::metrics::{Counter, Limit};
use crate::policy::Policy;
use crate::policy::rule::Presence;

/// Reads the cursor of a list of members; `None` when it is not one of this node's.
pub(super) fn parse_cursor(seed: u64, text: &str) -> Option<Who> {
    match text.split_at_checked(2)? {
        ("u:", user) => Some(Who::User(user.into())),
        ("c:", name) => identity::parse(seed, name).map(Who::Guest),
        _ => None,
    }
}

/// The presence of the channels that one worker owns; `own` is a seed of its own.
pub(super) fn presences(config: &Config, seed: u64, own: u64) -> Presences {
    let limits = PresenceLimits {
        members: config.presence_members,
        interval_ms: config.presence_interval.as_millis() as u64,
        leave_delay_ms: config.presence_leave_delay.as_millis() as u64,
        max_bytes: config.max_presence_bytes / usize::from(config.workers.max(1)),
    };
    Presences::new(limits, (identity::name, seed), own)
}

/// What is answered where nothing is told of who is there.
pub(super) const NO_PRESENCE: &str = "channel: nothing is told here of who is there";

/// Asks a channel's owner for a part of the list of its members.
pub(super) fn roll(channel: &str, after: Option<Who>, limit: u32, ticket: Ticket) -> Mail {
    let span = Span { after, limit: limit as usize, bytes: HISTORY_ANSWER_BYTES };
    Mail::Roll(Box::new(Roll { channel: channel.into(), span, ticket }))
}

/// The subscriptions that have yet to be looked at, for the rules have changed.
#[derive(Debug)]
pub(super) struct Review {
    /// The rules until then; where that is not known, all are looked at.
    old: Option<Arc<Policy>>,
    feed: usize,
    /// How many of this feed, where that has begun.
    left: Option<usize>,
}

// The side of the connection.
impl<N: Net> Worker<N> {
    /// What is told of who is in a channel. Nothing of reserved ones.
    pub(super) fn presence_of(&self, channel: &str) -> Presence {
        if channel.starts_with('$') { Presence::None } else { self.policy.rule(channel).presence }
    }

    /// As whom a connection is present, and what it shows of itself.
    pub(super) fn who(&self, slot: u32) -> (Who, Option<Arc<str>>) {
        let Some(token) = self.token(slot) else { return (Who::Guest(self.key(slot)), None) };
        (Who::User(Arc::clone(&token.user)), token.info.clone())
    }

    /// A connection has begun to follow a channel: its owner is told who is there now. What it
    /// asked to hear it hears also where a new rule tells nothing any more, or not yet.
    pub(super) fn appear(&mut self, slot: u32, index: u32, at: usize) {
        let channel = &self.feeds[index as usize].channel;
        if channel.starts_with('$') {
            return;
        }
        let channel = Arc::clone(channel);
        let is_told = self.presence_of(&channel) != Presence::None;
        let marks = self.feeds[index as usize].mark(at, Marks::PRESENT, is_told);
        if is_told {
            self.enters(slot, &channel);
        }
        if marks.any(Marks::HEARS) {
            self.hear_presence(slot, &channel);
        }
    }

    /// The subscription to a channel shall hear who is there, as soon as it has begun.
    pub(super) fn wants_presence(&mut self, slot: u32, channel: &Arc<str>) {
        let Some((index, at)) = self.subscription(slot, channel) else { return };
        let feed = &mut self.feeds[index as usize];
        feed.mark(at, Marks::HEARS, true);
        if feed.subscriptions()[at].state != State::Joining {
            self.hear_presence(slot, channel);
        }
    }

    fn hear_presence(&mut self, slot: u32, channel: &str) {
        let companion = presence::companion(channel);
        self.join(slot, companion, None, Since::default(), RequestId::None);
    }

    /// A subscription has ended: with it ends whatever there was of presence.
    pub(super) fn disappear(&mut self, slot: u32, channel: &str, gone: &Subscription) {
        if gone.marks.any(Marks::HEARS) {
            self.leave_channel(slot, &presence::companion(channel));
        }
        if gone.marks.any(Marks::PRESENT) {
            let (who, _) = self.who(slot);
            self.attend(channel, who, None);
        }
    }

    /// A connection has become somebody else, or shows something else: `before` is as whom it was
    /// present. To be called as soon as its token has changed.
    pub(super) fn reappear(&mut self, slot: u32, before: &(Who, Option<Arc<str>>)) {
        let now = self.who(slot);
        if now == *before {
            return;
        }
        let present = |feed: u32, at: u32| {
            let feed = &self.feeds[feed as usize];
            let present = feed.subscriptions()[at as usize].marks.any(Marks::PRESENT);
            present.then(|| Arc::clone(&feed.channel))
        };
        let references = self.table.hot(slot).references();
        let channels: Vec<_> = references.filter_map(|r| present(r.feed, r.at)).collect();
        for channel in channels {
            // First the new one: so a user who only shows something else never leaves.
            self.enters(slot, &channel);
            self.attend(&channel, before.0.clone(), None);
        }
    }

    /// Other rules are in force: who is in a channel that tells more or less than before comes to
    /// it anew, or leaves.
    pub(super) fn begin_presence_review(&mut self, old: Arc<Policy>) {
        self.presences.reconsider(self.now);
        // Under a review that has not come to its end, nobody knows which rule was the last.
        let old = self.presence_review.is_none().then_some(old);
        self.presence_review = Some(Review { old, feed: 0, left: None });
    }

    /// Goes on with that, a bounded number of subscriptions a turn.
    pub(super) fn review_presence(&mut self) {
        let Some(mut review) = self.presence_review.take() else { return };
        for _ in 0..REVIEWS_PER_TURN {
            if review.feed >= self.feeds.capacity() {
                return;
            }
            let left = review.left.unwrap_or_else(|| self.to_review(&review));
            // The last first: who comes meanwhile comes by the new rule, and when one leaves the
            // last one takes its place.
            let subscriptions = self.feeds.get(review.feed).map_or(0, |f| f.subscriptions().len());
            let left = left.min(subscriptions);
            if left == 0 {
                (review.feed, review.left) = (review.feed + 1, None);
                continue;
            }
            review.left = Some(left - 1);
            self.attend_anew(review.feed as u32, left - 1);
        }
        self.presence_review = Some(review);
    }

    /// How many subscriptions of a feed have to be looked at.
    fn to_review(&self, review: &Review) -> usize {
        let Some(feed) = self.feeds.get(review.feed) else { return 0 };
        let same = |old: &Arc<Policy>| {
            old.rule(&feed.channel).presence == self.policy.rule(&feed.channel).presence
        };
        let same = feed.channel.starts_with('$') || review.old.as_ref().is_some_and(same);
        if same { 0 } else { feed.subscriptions().len() }
    }

    fn attend_anew(&mut self, index: u32, at: usize) {
        let feed = &mut self.feeds[index as usize];
        let Subscription { slot, state, .. } = feed.subscriptions()[at];
        if state == State::Joining {
            return;
        }
        let was = feed.mark(at, Marks::PRESENT, false).any(Marks::PRESENT);
        let channel = Arc::clone(&feed.channel);
        if was {
            let (who, _) = self.who(slot);
            self.attend(&channel, who, None);
        }
        if self.presence_of(&channel) != Presence::None {
            self.feeds[index as usize].mark(at, Marks::PRESENT, true);
            self.enters(slot, &channel);
        }
    }

    fn enters(&mut self, slot: u32, channel: &str) {
        let (who, info) = self.who(slot);
        let full = self.tells_names(channel);
        self.attend(channel, who, Some(Entry { info, full }));
    }

    /// Tells a channel's owner that somebody has come, or has left.
    fn attend(&mut self, channel: &str, who: Who, entered: Option<Entry>) {
        if entered.is_none() && self.net.plants(Planted::LostExit) {
            return;
        }
        let owner = self.owner(channel);
        let letter = Attend { channel: channel.into(), who, entered };
        self.letter(owner, Mail::Attend(Box::new(letter)));
    }
}

// The side of the owner.
impl<N: Net> Worker<N> {
    /// Somebody has come to a channel owned here, or has left it.
    pub(super) fn owner_attend(&mut self, letter: Attend) {
        let Attend { channel, who, entered } = letter;
        match entered {
            Some(Entry { info, full }) => {
                self.presences.enter(&channel, &who, info, full, self.now);
            }
            None => self.presences.exit(&channel, &who, self.now),
        }
        if self.presences.take_overflow() {
            self.limited(Limit::PresenceBytes);
        }
    }

    /// Somebody wants to hear who is in a channel owned here.
    pub(super) fn owner_hear(&mut self, join: Join) {
        let Join { audience, channel: companion, feed, reader, request, .. } = join;
        let Some(channel) = presence::heard(&companion) else { return };
        // What it is told first includes, if it can, itself.
        self.tell_changes(channel);
        let (full, now) = (self.tells_names(channel), self.now);
        let page = self.presences.hear(channel, audience, feed, full, now, &mut self.codec);
        let Some(reader) = reader else {
            debug_assert!(false, "who hears presence waits for a snapshot");
            return;
        };
        let charge = PageLetter::charge(&page);
        let (position, recovered, missed) = (None, true, None);
        let channel = companion;
        let joined = JoinAnswer { request, position, recovered, missed, channel, audience };
        let letter = PageLetter { feed, reader, page: Ok(page), joined: Some(joined), charge };
        self.letter(audience.worker, Mail::Page(Box::new(letter)));
    }

    pub(super) fn owner_unhear(&mut self, leave: &Leave) {
        let Some(channel) = presence::heard(&leave.channel) else { return };
        self.presences.unhear(channel, leave.audience);
    }

    /// Somebody who listens lags. It gets a snapshot, whatever it has missed.
    pub(super) fn owner_pull_presence(&mut self, pull: &Pull) {
        let Pull { channel, feed, reader, want, .. } = pull;
        let Some(channel) = presence::heard(channel) else { return };
        let page = self.presences.pull(channel, want.encoding, self.now, &mut self.codec);
        // Without listeners this one has left too: its Leave came before this.
        let Some(page) = page else { return };
        let charge = PageLetter::charge(&page);
        let (feed, reader) = (*feed, *reader);
        let letter = PageLetter { feed, reader, page: Ok(page), joined: None, charge };
        self.letter(reader.connection.worker, Mail::Page(Box::new(letter)));
    }

    pub(super) fn owner_roll(&mut self, roll: Roll) {
        let Roll { channel, span, ticket } = roll;
        let to = ticket.connection.worker;
        let content = if self.is_crowded(to) {
            Content::NoHistory(self.crowded(), Some(OVERLOAD_PACE_MS))
        } else if self.presence_of(&channel) == Presence::None {
            Content::NoHistory(Fault::new(Code::NotEnabled, NO_PRESENCE), None)
        } else {
            let mut json = Vec::new();
            self.presences.list(&mut json, &channel, self.tells_names(&channel), &span);
            Content::Members(json)
        };
        let answer = Answer { ticket, channel: Some(channel), content };
        self.letter(to, Mail::Answer(Box::new(answer)));
    }

    /// Lets users go whose time has come, and tells what has changed where it is time, a bounded
    /// number a turn.
    pub(super) fn tell_presence(&mut self) {
        if self.presences.next_ms() > self.now.mono_ms {
            return;
        }
        self.presences.let_go(LEAVES_PER_TURN, self.now);
        for _ in 0..PRESENCES_PER_TURN {
            let Some(channel) = self.presences.first_due(self.now) else { break };
            // Deliveries are never dropped; but these may as well be gathered a little longer.
            let mut workers = self.presences.interested(&channel);
            if self.is_any_crowded() && workers.any(|worker| self.is_crowded(worker)) {
                drop(workers);
                self.presences.put_off(&channel, OVERLOAD_PACE_MS, self.now);
                continue;
            }
            drop(workers);
            self.tell_changes(&channel);
        }
    }

    /// Whether there is something to do for presence.
    pub(super) fn is_presence_due(&self) -> bool {
        self.presences.next_ms() <= self.now.mono_ms
    }

    /// Tells what has changed in a channel, if it is time.
    fn tell_changes(&mut self, channel: &str) {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        let (full, now) = (self.tells_names(channel), self.now);
        if self.presences.tell(channel, full, now, &mut self.codec, &mut deliveries) {
            self.count_one(Counter::PresenceMessages);
        }
        if self.presences.take_crowd() {
            self.limited(Limit::PresenceMembers);
        }
        for (worker, delivery) in deliveries.drain(..) {
            self.letter(worker, Mail::Deliver(Box::new(delivery)));
        }
        self.deliveries = deliveries;
    }

    fn tells_names(&self, channel: &str) -> bool {
        self.presence_of(channel) == Presence::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::ConnectionKey;

    #[test]
    fn cursors_are_read_back() {
        let key = ConnectionKey { worker: 1, slot: 9, generation: 3 };
        let name = identity::name(42, key);
        assert_eq!(parse_cursor(42, &format!("c:{name}")), Some(Who::Guest(key)));
        assert_eq!(parse_cursor(43, &format!("c:{name}")), None, "another node's");
        assert_eq!(parse_cursor(42, "u:a:b"), Some(Who::User("a:b".into())));
        for bad in ["", "u", "x:a", "c:", "c:1", "ä:"] {
            assert_eq!(parse_cursor(42, bad), None, "{bad}");
        }
    }
}
