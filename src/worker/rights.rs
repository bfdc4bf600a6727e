//! What a client may: its token, where it has one, and the rules. The decision itself is
//! `policy::permissions`.

use std::sync::Arc;

use super::Worker;
use super::net::Net;
use crate::conn::session::Login;
use crate::policy::permissions::Hearers;
use crate::policy::token::Token;

/// Whom idempotency keys of clients without a user belong to. No user is called so: their names
/// have no control characters.
const ANONYMOUS: &str = "\0\0anonymous";

impl<N: Net> Worker<N> {
    /// Who a client is, where it has said so.
    pub(super) fn login(&self, slot: u32) -> Option<&Login> {
        self.table.cold(slot).session.as_ref()?.login.as_ref()
    }

    /// What a client has logged in with.
    pub(super) fn token(&self, slot: u32) -> Option<&Arc<Token>> {
        Some(&self.login(slot)?.token)
    }

    /// Whether it may subscribe to a channel, and read its history.
    pub(super) fn may_hear(&self, slot: u32, channel: &str) -> bool {
        self.policy.may_hear(self.token(slot).map(|token| &**token), channel)
            || self.is_given(slot, channel)
    }

    /// Whether it may publish to a channel.
    pub(super) fn may_publish(&self, slot: u32, channel: &str) -> bool {
        self.policy.may_publish(self.token(slot).map(|token| &**token), channel)
    }

    /// Whether it may go on following a channel, one of the server's own included.
    pub(super) fn may_follow(&self, slot: u32, channel: &str) -> bool {
        match self.policy.hearers(channel) {
            Hearers::Everybody => true,
            Hearers::Some => self.may_hear(slot, channel),
            Hearers::Nobody => self.is_given(slot, channel),
        }
    }

    /// Whose name its publications on a channel carry.
    pub(super) fn publishes_as(&self, slot: u32, channel: &str) -> Option<Box<str>> {
        let token = self.token(slot)?;
        self.policy.rule(channel).from.then(|| (&*token.user).into())
    }

    /// Whom the idempotency keys of its publications belong to.
    pub(super) fn publisher(&self, slot: u32) -> Box<str> {
        self.token(slot).map_or(ANONYMOUS, |token| &*token.user).into()
    }
}
