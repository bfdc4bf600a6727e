//! The words for what went wrong, the same on WebSocket and HTTP. Close codes are `ws::close`.

use std::borrow::Cow;

/// The table of error codes. A word never changes its meaning; new ones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not JSON, or nested too deeply.
    BadJson,
    /// JSON, but a field has a wrong type or value; the message names it.
    BadRequest,
    /// Not a name of a channel.
    BadChannel,
    /// A `type` that this server does not know.
    UnknownType,
    /// The connection follows this channel already.
    AlreadySubscribed,
    /// A binary message where JSON is spoken, or a content type that means nothing here.
    UnsupportedData,
    /// No credentials, where some are needed, or unknown ones.
    Unauthorized,
    /// The token's time is over.
    TokenExpired,
    /// The token was taken back.
    TokenRevoked,
    /// A rule, a token or a scope forbids it.
    Forbidden,
    /// In open mode, a request that came through a proxy or names another host.
    OpenModeBehindProxy,
    /// This server does not do that, or it is switched off.
    NotEnabled,
    /// No such address (HTTP).
    NotFound,
    /// The address exists, but not for this method (HTTP).
    MethodNotAllowed,
    /// The request did not arrive in time (HTTP).
    Timeout,
    /// Longer, or more, than a limit allows.
    TooLarge,
    /// The connection has all the subscriptions that it may have.
    TooManySubscriptions,
    /// Over the rate; it was not processed.
    RateLimited,
    /// A total of the node is reached.
    Overloaded,
    /// The node knows as many channels as it may, and all have subscribers.
    TooManyChannels,
    /// The broker cannot be reached.
    EngineUnavailable,
    /// The backend, which decides here, did not say.
    BackendUnavailable,
    /// The node is about to stop.
    Draining,
    /// Nobody knows whether it happened.
    OutcomeUnknown,
    /// A bug of the server.
    Internal,
}

impl Code {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 25] = [
        Self::BadJson,
        Self::BadRequest,
        Self::BadChannel,
        Self::UnknownType,
        Self::AlreadySubscribed,
        Self::UnsupportedData,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::Forbidden,
        Self::OpenModeBehindProxy,
        Self::NotEnabled,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::TooLarge,
        Self::TooManySubscriptions,
        Self::RateLimited,
        Self::Overloaded,
        Self::TooManyChannels,
        Self::EngineUnavailable,
        Self::BackendUnavailable,
        Self::Draining,
        Self::OutcomeUnknown,
        Self::Internal,
    ];

    /// The code with this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadRequest => "bad_request",
            Self::BadChannel => "bad_channel",
            Self::UnknownType => "unknown_type",
            Self::AlreadySubscribed => "already_subscribed",
            Self::UnsupportedData => "unsupported_data",
            Self::Unauthorized => "unauthorized",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::Forbidden => "forbidden",
            Self::OpenModeBehindProxy => "open_mode_behind_proxy",
            Self::NotEnabled => "not_enabled",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::TooManySubscriptions => "too_many_subscriptions",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::TooManyChannels => "too_many_channels",
            Self::EngineUnavailable => "engine_unavailable",
            Self::BackendUnavailable => "backend_unavailable",
            Self::Draining => "draining",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status. `too_many_subscriptions` is never told over HTTP; it stands with the
    /// other limits.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadJson
            | Self::BadRequest
            | Self::BadChannel
            | Self::UnknownType
            | Self::AlreadySubscribed => 400,
            Self::Unauthorized | Self::TokenExpired | Self::TokenRevoked => 401,
            Self::Forbidden | Self::OpenModeBehindProxy | Self::NotEnabled => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::TooLarge | Self::TooManySubscriptions => 413,
            Self::UnsupportedData => 415,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Overloaded
            | Self::TooManyChannels
            | Self::EngineUnavailable
            | Self::BackendUnavailable
            | Self::Draining => 503,
            Self::OutcomeUnknown => 504,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn temporary(self) -> bool {
        matches!(self.status(), 408 | 429 | 500..)
    }
}

/// What is wrong with a request: the word for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The word.
    pub code: Code,
    /// The sentence; names the field, where it is one.
    pub message: Cow<'static, str>,
}

impl Fault {
    /// A fault with these words.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let rows: Vec<_> =
            Code::ALL.iter().map(|c| (c.as_str(), c.status(), c.temporary())).collect();
        let expected = [
            ("bad_json", 400, false),
            ("bad_request", 400, false),
            ("bad_channel", 400, false),
            ("unknown_type", 400, false),
            ("already_subscribed", 400, false),
            ("unsupported_data", 415, false),
            ("unauthorized", 401, false),
            ("token_expired", 401, false),
            ("token_revoked", 401, false),
            ("forbidden", 403, false),
            ("open_mode_behind_proxy", 403, false),
            ("not_enabled", 403, false),
            ("not_found", 404, false),
            ("method_not_allowed", 405, false),
            ("timeout", 408, true),
            ("too_large", 413, false),
            ("too_many_subscriptions", 413, false),
            ("rate_limited", 429, true),
            ("overloaded", 503, true),
            ("too_many_channels", 503, true),
            ("engine_unavailable", 503, true),
            ("backend_unavailable", 503, true),
            ("draining", 503, true),
            ("outcome_unknown", 504, true),
            ("internal", 500, true),
        ];
        assert_eq!(rows, expected);
    }
}
