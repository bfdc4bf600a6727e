//! What a verified token says: who somebody is, and what that one may. Tokens are JWTs (RFC 7519);
//! where they come from on the wire is the business of `worker`, where keys come from that of
//! `settings`, and which tokens have been seen already that of `tokens`.
//!
//! `key` is one key and the one algorithm that it is for, `set` all of them with what they ask of a
//! token, `verify` the way from a text to a `Token`, `members` and `claims` what is read on that
//! way, `invalid` why there is none.

use std::sync::Arc;

use super::pattern::Pattern;

mod claims;
mod invalid;
pub mod key;
mod members;
mod set;
mod verify;

pub use self::invalid::Invalid;
pub use self::set::{KeySet, Terms};

/// A token that has been verified. Immutable; connections that came with the same one share it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Token {
    /// The user (`sub`).
    pub user: Arc<str>,
    /// `jti`.
    pub id: Option<Box<str>>,
    /// `iat`, in milliseconds since the Unix epoch.
    pub issued_ms: Option<u64>,
    /// `exp`, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// Channels that the token names for hearing.
    pub subscribe: Vec<Pattern>,
    /// Channels that the token names for publishing.
    pub publish: Vec<Pattern>,
    /// `limits`.
    pub limits: TokenLimits,
    /// `info`: one JSON value, as it stands in the token; shown in presence.
    pub info: Option<Arc<str>>,
}

/// Limits that a token sets; they can only be narrower than the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenLimits {
    /// Connections of this user.
    pub connections: Option<u32>,
    /// Messages a second.
    pub messages_per_second: Option<u32>,
}

#[cfg(test)]
mod tests;
