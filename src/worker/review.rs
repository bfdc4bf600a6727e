//! New rules: the policy that is in force is replaced at once, and then the subscriptions that it
//! forbids end, a bounded number a turn. Who is still allowed notices nothing. Where policies come
//! from is the business of `settings` and `server`.

use std::sync::Arc;

use super::Worker;
use super::mail::{Answer, Content, Mail, Requester, Ticket};
use super::net::Net;
use crate::client::answer;
use crate::conn::entry::Endpoint;
use crate::feed::Feed;
use crate::feed::subscription::{State, Subscription};
use crate::hub::Position;
use crate::hub::presence::COMPANION;
use crate::hub::shard::PROBE;
use crate::limits::REVIEWS_PER_TURN;
use crate::metrics::Counter;
use crate::policy::Policy;
use crate::ws::close::CloseCode;

impl<N: Net> Worker<N> {
    /// From now on this policy is in force.
    pub(super) fn put_in_force(&mut self, policy: Arc<Policy>) {
        let old = std::mem::replace(&mut self.policy, policy);
        self.begin_presence_review(old);
        self.review = Some(0);
    }

    /// Goes on looking at the feeds. What begins meanwhile begins under the new policy.
    pub(super) fn review(&mut self) {
        let Some(mut at) = self.review else { return };
        for _ in 0..REVIEWS_PER_TURN {
            if at >= self.feeds.capacity() {
                self.review = None;
                return;
            }
            // What only serves another channel ends with that.
            let serves = |name: &str| name.starts_with(PROBE) || name.starts_with(COMPANION);
            let forbidden = self.feeds.get(at).filter(|feed| {
                !self.policy.may_hear(None, &feed.channel) && !serves(&feed.channel)
            });
            // The last, for it leaves nobody else in another place. The feed goes with the first.
            let last = forbidden.map(Feed::subscriptions);
            match last.and_then(|all| all.get(all.len().checked_sub(1)?)).copied() {
                Some(last) => self.end_subscription(at, last),
                None => at += 1,
            }
        }
        self.review = Some(at);
    }

    /// Ends a subscription that is forbidden now.
    fn end_subscription(&mut self, feed: usize, ended: Subscription) {
        let Subscription { slot, state, .. } = ended;
        self.count_one(Counter::SubscriptionsEnded);
        if self.table.hot(slot).endpoint() != Endpoint::Envelope {
            return self.close(slot, CloseCode::FORBIDDEN);
        }
        let channel = Arc::clone(&self.feeds[feed].channel);
        let (_, position) = self.leave_channel(slot, &channel);
        if state != State::Joining {
            return self.say_ended(slot, &channel, position);
        }
        // The answer to its request is on its way, and comes first.
        let ticket = Ticket { connection: self.key(slot), request: Requester::Nobody };
        let owner = self.owner(&channel);
        let answer = Answer { ticket, channel: Some(channel), content: Content::Ended };
        self.letter(owner, Mail::Return(Box::new(answer)));
    }

    /// Tells a client that a rule has ended its subscription.
    pub(super) fn say_ended(&mut self, slot: u32, channel: &str, position: Option<Position>) {
        let wall_ms = self.now.wall_ms;
        self.say_text(slot, |out| answer::ended(out, channel, "forbidden", position, wall_ms));
    }
}
