//! What a verified token says: who somebody is, and what that one may. How a token is verified, and
//! with which keys, stands in the files below.

use std::sync::Arc;

use super::pattern::Pattern;

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
