//! HTTP/1.1 as a server speaks it (RFC 9110, RFC 9112). Pure: bytes in, requests out; replies to
//! bytes. No sockets, clock, threads or randomness, and no knowledge of channels or frames.
//!
//! The way of a request: `head` finds where a head ends and reads it, `guard` decides whether its
//! sender may speak at all, `credentials` finds the token that it brings, `routes` says what it
//! asks for, `body` collects what follows it, and `reply` writes the answer. What follows a 101 is
//! the business of `ws`.

use std::borrow::Cow;

pub mod body;
pub mod credentials;
pub mod date;
pub mod forwarded;
pub mod guard;
pub mod head;
pub mod proxy_header;
pub mod reply;
pub mod routes;
pub mod target;

/// Why a request gets an error as its only answer. `reply::Reply::refusal` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status, 4xx or 5xx.
    pub status: u16,
    /// The word for programs.
    pub code: &'static str,
    /// The sentence for people. May quote input: escape it where it is shown.
    pub message: Cow<'static, str>,
    /// Whether the connection ends with the answer: always when it is not certain where the next
    /// request would begin, or when nobody is going to read the body before it.
    pub close: bool,
    /// When it may be tried again, in milliseconds, where there is a pace.
    pub retry_after_ms: Option<u64>,
    /// What is wrong with the credentials that came, as `WWW-Authenticate` says it.
    pub challenge: Option<&'static str>,
}

impl Refusal {
    /// 400: what stands there cannot be trusted to end where it seems to (RFC 9112, section 2.2).
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::closing(400, "bad_request", message)
    }

    /// An answer after which the connection is closed.
    pub fn closing(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { close: true, ..Self::keeping(status, code, message) }
    }

    /// An answer after which the next request may follow. Whoever gives it has read the body, or
    /// knows that there is none.
    pub fn keeping(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { status, code, message, close: false, retry_after_ms: None, challenge: None }
    }

    /// The same, with a pace.
    #[must_use]
    pub fn after_ms(mut self, pace_ms: u64) -> Self {
        self.retry_after_ms = Some(pace_ms);
        self
    }

    /// The same, with a word on the credentials that came.
    #[must_use]
    pub fn challenge(mut self, word: &'static str) -> Self {
        self.challenge = Some(word);
        self
    }

    /// Whether the same request may succeed later: of the 5xx, only not what the server will never
    /// do.
    pub fn temporary(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502..=504)
    }
}
