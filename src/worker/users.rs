//! Who is connected as whom: the seat that a connection has among those of its user, one's own
//! channel `$user`, and the subscriptions that the backend has given. How somebody logs in is
//! `login`'s business; what the backend does to the connections of a user is `errand`'s.

use std::borrow::Cow;
use std::sync::Arc;

use super::Worker;
use super::mail::{Mail, Requester};
use super::net::Net;
use crate::client::answer;
use crate::client::command::Command;
use crate::config::PerUser;
use crate::conn::entry::{Endpoint, Phase};
use crate::hub::encode::{ALL, USER, own_channel};
use crate::hub::shard::Since;
use crate::hub::{ConnectionKey, Mode};
use crate::limits::UNLIMITED;
use crate::metrics::{Counter, Limit};
use crate::policy::token::Token;
use crate::users::Allowance;
use crate::ws::close::CloseCode;

impl<N: Net> Worker<N> {
    /// Somebody has logged in on this connection: it takes its seat among those of its user, where
    /// it has none yet. Where there is none to be had, says how it is to be closed.
    pub(super) fn enter_user(&mut self, slot: u32) -> Result<(), CloseCode> {
        let key = self.key(slot);
        let Some(token) = self.token(slot).map(Arc::clone) else { return Ok(()) };
        let session = self.table.cold_mut(slot).session.as_mut();
        let Some(session) = session.filter(|session| session.seat.is_none()) else { return Ok(()) };
        let of_token = token.limits.connections.map_or(UNLIMITED, |count| count as usize);
        let allowance = Allowance {
            connections: self.config.max_connections_per_user.min(of_token),
            replace: self.config.per_user_policy == PerUser::Replace,
        };
        let Some(entered) = self.node.users.enter(&token.user, key, allowance) else {
            self.limited(Limit::User);
            return Err(CloseCode::TOO_MANY);
        };
        session.seat = Some(entered.seat);
        self.counters().add(Counter::Users, u64::from(entered.is_first));
        for replaced in entered.replaced {
            self.letter(replaced.worker, Mail::Replaced(replaced));
        }
        Ok(())
    }

    /// A connection is about to go: its seat is free from now on, whatever it still has to say.
    pub(super) fn leave_user(&mut self, slot: u32) {
        let Some(token) = self.token(slot).map(Arc::clone) else { return };
        let session = self.table.cold_mut(slot).session.as_mut();
        let Some(seat) = session.and_then(|session| session.seat.take()) else { return };
        let was_last = self.node.users.leave(&token.user, seat);
        // One less: only the sum over all workers is a number of users.
        self.counters().add(Counter::Users, u64::from(was_last).wrapping_neg());
    }

    /// A newer connection of its user has taken this one's seat.
    pub(super) fn replaced(&mut self, connection: ConnectionKey) {
        if self.table.same(connection.slot, connection.generation).is_some() {
            self.limited(Limit::User);
            self.close(connection.slot, CloseCode::REPLACED);
        }
    }

    /// Whether somebody may log in at all.
    pub(super) fn has_users(&self) -> bool {
        !self.policy.token_keys.is_empty()
    }

    /// Whether a token was taken back.
    pub(super) fn is_revoked(&self, token: &Token) -> bool {
        self.node.users.revocations().check(token, self.now.wall_ms)
    }

    /// The channel that a client calls `$user`, for one that has logged in.
    pub(super) fn own_channel(&self, slot: u32) -> Option<Arc<str>> {
        self.token(slot).map(|token| own_channel(&token.user))
    }

    /// The name among all channels of what this client calls so.
    pub(super) fn full_name<'c>(&self, slot: u32, channel: &'c str) -> Cow<'c, str> {
        match self.own_channel(slot).filter(|_| channel == USER) {
            Some(own) => Cow::Owned(own.to_string()),
            None => Cow::Borrowed(channel),
        }
    }

    /// Puts the full name where a client has said `$user`.
    pub(super) fn name_in_full(&self, slot: u32, command: &mut Command<'_>) {
        let name = |channel: &mut Cow<'_, str>| {
            if let Some(own) = self.own_channel(slot).filter(|_| channel == USER) {
                *channel = Cow::Owned(own.to_string());
            }
        };
        match command {
            Command::Subscribe { wishes, .. } => {
                wishes.iter_mut().flatten().for_each(|wish| name(&mut wish.channel));
            }
            Command::Unsubscribe { channel }
            | Command::History { channel, .. }
            | Command::Presence { channel, .. } => name(channel),
            Command::Auth { .. } | Command::Publish(_) | Command::Echo { .. } | Command::Ping => {}
        }
    }

    /// Whether the backend has subscribed this connection to a channel: whatever rules and tokens
    /// say, it keeps that until it leaves.
    pub(super) fn is_given(&self, slot: u32, channel: &str) -> bool {
        let session = self.table.cold(slot).session.as_ref();
        session.is_some_and(|session| session.given.iter().any(|given| **given == *channel))
    }

    /// Subscribes a connection, because the backend wants it. Says whether it follows the channel
    /// then: one without words, or with all the subscriptions that it may have, does not.
    pub(super) fn give(&mut self, slot: u32, channel: &Arc<str>) -> bool {
        let hot = self.table.hot(slot);
        if hot.phase != Phase::Open || hot.endpoint() != Endpoint::Envelope {
            return false;
        }
        let follows = self.follows(slot, channel);
        let others = hot.subscriptions() - usize::from(self.follows(slot, ALL));
        let has_room = others < self.config.max_subscriptions;
        if !follows && !has_room {
            self.limited(Limit::Subscriptions);
            return false;
        }
        if !self.is_given(slot, channel) {
            let session = self.table.cold_mut(slot).session.get_or_insert_default();
            session.given.push(Arc::clone(channel));
        }
        if follows {
            return true;
        }
        if self.table.hot(slot).pending == 0
            && let Some(position) = self.join_live(slot, channel, None, Mode::All)
        {
            let wall_ms = self.now.wall_ms;
            self.say_text(slot, |out| answer::given(out, channel, position, wall_ms));
            return true;
        }
        // As if it had asked: what is said of this channel before and after keeps its order.
        self.table.hot_mut(slot).pending += 1;
        self.join(slot, Arc::clone(channel), None, Since::default(), Requester::Nobody);
        true
    }

    /// Ends a connection's subscription, because the backend wants it. Says whether there was one.
    pub(super) fn take_away(&mut self, slot: u32, channel: &str) -> bool {
        let hot = self.table.hot(slot);
        let has_words = hot.phase == Phase::Open && hot.endpoint() == Endpoint::Envelope;
        let Some((feed, at)) = self.subscription(slot, channel).filter(|_| has_words) else {
            return false;
        };
        let ended = self.feeds[feed as usize].subscriptions()[at];
        self.end_subscription(feed as usize, ended, "backend");
        true
    }

    /// A subscription has ended: what the backend gave has gone with it.
    pub(super) fn forget_given(&mut self, slot: u32, channel: &str) {
        if let Some(session) = &mut self.table.cold_mut(slot).session {
            session.given.retain(|given| **given != *channel);
        }
    }
}
