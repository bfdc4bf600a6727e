//! HTTP/1.1 as a server speaks it (RFC 9110, RFC 9112). Pure: bytes in, requests out; replies to
//! bytes. No sockets, clock, threads or randomness, and no knowledge of channels or frames.
//!
//! The way of a request: `head` finds where a head ends and reads it, `guard` decides whether its
//! sender may speak at all, `routes` says what it asks for, `body` collects what follows it, and
//! `reply` writes the answer. What follows a 101 is the business of `ws`.

use std::borrow::Cow;

pub mod body;
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
}

impl Refusal {
    /// 400: what stands there cannot be trusted to end where it seems to (RFC 9112, section 2.2).
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::closing(400, "bad_request", message)
    }

    /// An answer after which the connection is closed.
    pub fn closing(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), close: true }
    }

    /// An answer after which the next request may follow. Whoever gives it has read the body, or
    /// knows that there is none.
    pub fn keeping(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), close: false }
    }
}
