//! Who may ask the HTTP API for what: which route wants which scope, who asks, and how a refusal is
//! worded. The decision itself is `policy::authorize`.

use super::net::Net;
use super::{BAD_KEY_LINES, Worker};
use crate::http::head::Head;
use crate::http::routes::Route;
use crate::http::{Refusal, credentials};
use crate::metrics::Limit;
use crate::policy::authorize::{Caller, Denied};
use crate::policy::key::Scope;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nothing: whatever credentials came are not looked at.
    Nothing,
    /// Nothing, but who has a key is told more.
    Perhaps,
    /// A key with this scope.
    Scope(Scope),
}

/// What this route asks.
pub(super) fn wants(route: &Route<'_>) -> Wants {
    match route {
        Route::Status => Wants::Perhaps,
        Route::Broadcast
        | Route::Publish { .. }
        | Route::PublishBatch
        | Route::PublishToUser { .. } => Wants::Scope(Scope::Publish),
        Route::Channels { .. }
        | Route::Describe { .. }
        | Route::History(_)
        | Route::Presence { .. }
        | Route::Connections(_) => Wants::Scope(Scope::Read),
        Route::Disconnect { .. }
        | Route::DisconnectUser { .. }
        | Route::SubscribeUser { .. }
        | Route::UnsubscribeUser { .. }
        | Route::Revoke => Wants::Scope(Scope::Admin),
        Route::Metrics => Wants::Scope(Scope::Metrics),
        Route::Live
        | Route::Ready { .. }
        | Route::Home
        | Route::Demo { .. }
        | Route::ClientScript
        | Route::ApiDescription
        | Route::Socket { .. }
        | Route::Echo
        | Route::Raw(_) => Wants::Nothing,
    }
}

impl<N: Net> Worker<N> {
    /// Who asks, if that one may ask for this at all. Which channels it may touch is looked at
    /// where channels are. A refusal here closes when a body is to come: it is not read.
    pub(super) fn caller(
        &self,
        slot: u32,
        head: &Head<'_>,
        route: &Route<'_>,
    ) -> Result<Caller, Refusal> {
        let wants = wants(route);
        if wants == Wants::Nothing || self.policy.is_open() {
            return Ok(Caller::stranger(&self.policy));
        }
        let caller = match head.value("Authorization")? {
            None => Caller::stranger(&self.policy),
            Some(value) => self.holder(slot, value)?,
        };
        if let Wants::Scope(scope) = wants {
            caller.check(scope).map_err(|denied| refusal(denied, None))?;
        }
        Ok(caller)
    }

    /// Whose key this `Authorization` has. An address that has brought too many that are nobody's
    /// has to wait.
    fn holder(&self, slot: u32, value: &[u8]) -> Result<Caller, Refusal> {
        let (address, now_ms) = (self.client_address(slot), self.now.mono_ms);
        let attempts = self.node.addresses.attempts();
        attempts.check(address, now_ms).map_err(|wait_ms| self.key_limited(wait_ms))?;
        let caller = credentials::bearer(value)
            .ok_or(Denied::BadKey)
            .and_then(|secret| Caller::with_secret(&self.policy, secret));
        let denied = match caller {
            Ok(caller) => {
                attempts.succeeded(address, now_ms);
                return Ok(caller);
            }
            Err(denied) => denied,
        };
        attempts.failed(address, now_ms).map_err(|wait_ms| self.key_limited(wait_ms))?;
        if let Some(times) = self.pace.due(BAD_KEY_LINES, now_ms) {
            tracing::info!(?address, times, "an API key that does not exist");
        }
        Err(refusal(denied, None))
    }

    fn key_limited(&self, wait_ms: u64) -> Refusal {
        self.limited(Limit::BadKeys);
        let message = "too many API keys from this address do not exist";
        Refusal::keeping(429, "rate_limited", message).after_ms(wait_ms)
    }
}

/// Refuses a channel that the caller's key is not for.
pub(super) fn check_reach(caller: &Caller, channel: &str) -> Result<(), Refusal> {
    if caller.reaches(channel) {
        return Ok(());
    }
    Err(refusal(Denied::Channel, Some(channel)))
}

/// The refusal.
pub(super) fn refusal(denied: Denied, channel: Option<&str>) -> Refusal {
    let (status, code) = match denied {
        Denied::NoKey | Denied::BadKey => (401, "unauthorized"),
        Denied::Scope(_) | Denied::Channel => (403, "forbidden"),
    };
    let refusal = Refusal::keeping(status, code, wording(denied, channel));
    if denied == Denied::BadKey { refusal.challenge("invalid_token") } else { refusal }
}

/// What a refusal says to people.
pub(super) fn wording(denied: Denied, channel: Option<&str>) -> String {
    match (denied, channel) {
        (Denied::NoKey, _) => {
            "this needs an API key: send Authorization: Bearer and its secret".into()
        }
        (Denied::BadKey, _) => "Authorization is not Bearer and the secret of an API key".into(),
        (Denied::Scope(scope), _) => format!("this API key lacks the scope {}", scope.as_str()),
        (Denied::Channel, Some(channel)) => format!("this API key is not for channel {channel}"),
        (Denied::Channel, None) => "this API key is held to some channels".into(),
    }
}
