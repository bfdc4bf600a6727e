//! New rules, and new tokens. A policy that is in force is replaced at once, and then what it
//! forbids ends, a bounded number of looks a turn: connections that are nobody's where one has to
//! be somebody, and subscriptions, each by its own client's token where the rule asks for one. A new
//! token is looked at for its one connection, at once. Who is still allowed notices nothing. Where
//! policies come from is the business of `settings` and `server`.

use std::sync::Arc;

use super::Worker;
use super::mail::{Answer, Content, Mail, Requester, Ticket};
use super::net::{Fault, Net};
use crate::client::answer;
use crate::conn::entry::{Endpoint, Flags, Phase};
use crate::feed::subscription::{State, Subscription};
use crate::hub::Position;
use crate::limits::REVIEWS_PER_TURN;
use crate::metrics::Counter;
use crate::policy::Policy;
use crate::policy::permissions::Hearers;
use crate::ws::close::CloseCode;

/// What is looked at next. What begins meanwhile begins under the new policy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Review {
    /// The connection in this slot.
    Connection(u32),
    /// Of this feed the last subscription before this place: whoever goes leaves the place to the
    /// last of the feed, which has been looked at.
    Subscription(usize, usize),
}

impl Review {
    const SUBSCRIPTIONS: Self = Self::of_feed(0);

    const fn of_feed(feed: usize) -> Self {
        Self::Subscription(feed, usize::MAX)
    }
}

impl<N: Net> Worker<N> {
    /// From now on this policy is in force.
    pub(super) fn put_in_force(&mut self, policy: Arc<Policy>) {
        let needed = policy.needs_token();
        let old = std::mem::replace(&mut self.policy, policy);
        self.begin_presence_review(old);
        self.review = Some(if needed { Review::Connection(0) } else { Review::SUBSCRIPTIONS });
    }

    /// Goes on looking.
    pub(super) fn review(&mut self) {
        for _ in 0..REVIEWS_PER_TURN {
            let Some(review) = self.review else { return };
            self.review = match review {
                Review::Connection(slot) => Some(self.review_stranger(slot)),
                Review::Subscription(feed, before) => self.review_subscription(feed, before),
            };
        }
    }

    /// Who came without a token may not stay.
    fn review_stranger(&mut self, slot: u32) -> Review {
        if slot as usize >= self.table.slots() {
            return Review::SUBSCRIPTIONS;
        }
        let hot = self.table.hot(slot);
        let open = matches!(hot.phase, Phase::Opening | Phase::Open) && hot.socket.is_some();
        let anonymous = hot.endpoint() != Endpoint::Echo && self.token(slot).is_none();
        if open && anonymous && !self.table.hot(slot).flags.has(Flags::STRANGER) {
            self.close(slot, CloseCode::TOKEN_NEEDED);
        }
        Review::Connection(slot + 1)
    }

    fn review_subscription(&mut self, at: usize, before: usize) -> Option<Review> {
        if at >= self.feeds.capacity() {
            return None;
        }
        let next = Some(Review::of_feed(at + 1));
        let Some(feed) = self.feeds.get(at) else { return next };
        let subscriptions = feed.subscriptions();
        let Some(last) = before.min(subscriptions.len()).checked_sub(1) else { return next };
        if self.policy.hearers(&feed.channel) == Hearers::Everybody {
            return next;
        }
        if !self.may_follow(subscriptions[last].slot, &feed.channel) {
            self.end_subscription(at, subscriptions[last], "forbidden");
        }
        Some(Review::Subscription(at, last))
    }

    /// Ends what the new token of a connection does not allow.
    pub(super) fn review_connection(&mut self, slot: u32) {
        if self.net.plants(Fault::StaleRights) {
            return;
        }
        let references: Vec<_> = self.table.hot(slot).references().collect();
        for reference in references {
            // Looked up anew, for with one subscription another may have ended.
            let Some(at) = self.table.hot(slot).reference(reference.feed) else { continue };
            let feed = &self.feeds[reference.feed as usize];
            if !self.may_follow(slot, &feed.channel) {
                self.end_subscription(
                    reference.feed as usize,
                    feed.subscriptions()[at],
                    "forbidden",
                );
            }
        }
    }

    /// Ends a subscription, for a reason in one word.
    pub(super) fn end_subscription(
        &mut self,
        feed: usize,
        ended: Subscription,
        reason: &'static str,
    ) {
        let Subscription { slot, state, .. } = ended;
        self.count_one(Counter::SubscriptionsEnded);
        if self.table.hot(slot).endpoint() != Endpoint::Envelope {
            return self.close(slot, CloseCode::FORBIDDEN);
        }
        let channel = Arc::clone(&self.feeds[feed].channel);
        let (_, position) = self.leave_channel(slot, &channel);
        if state != State::Joining {
            return self.say_ended(slot, &channel, reason, position);
        }
        // What begins it is on its way, and comes first; and what is asked of the channel from now
        // on is answered behind it.
        self.table.hot_mut(slot).pending += 1;
        let ticket = Ticket { connection: self.key(slot), request: Requester::Nobody };
        let owner = self.owner(&channel);
        let answer = Answer { ticket, channel: Some(channel), content: Content::Ended(reason) };
        self.letter(owner, Mail::Return(Box::new(answer)));
    }

    /// Tells a client that the server has ended its subscription.
    pub(super) fn say_ended(
        &mut self,
        slot: u32,
        channel: &str,
        reason: &str,
        position: Option<Position>,
    ) {
        let wall_ms = self.now.wall_ms;
        self.say_text(slot, |out| answer::ended(out, channel, reason, position, wall_ms));
    }
}
