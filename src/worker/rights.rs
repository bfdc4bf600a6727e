//! What a client may: its token, where it has one, and the rules. The decision itself is
//! `policy::permissions`.

use std::sync::Arc;

use super::Worker;
use super::net::Net;
use crate::policy::token::Token;

impl<N: Net> Worker<N> {
    /// What a client has logged in with.
    pub(super) fn token(&self, slot: u32) -> Option<&Arc<Token>> {
        self.table.cold(slot).session.as_ref()?.token.as_ref()
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
}
