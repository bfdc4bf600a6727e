//! Closing (RFC 6455, sections 5.5.1 and 7.4): the codes, what a received close frame may say, and
//! the ones that the server sends. Who closes when is the business of `worker/bury.rs`.

use std::fmt::Write;

use super::frame::{self, Opcode};

/// The longest reason: a control frame's 125 bytes less the code.
pub const MAX_REASON: usize = 123;

/// A status code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

/// The codes that the server sends, each with the word that stands in its reason.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $word:literal;)*) => {
        impl CloseCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// Every code that the server sends by itself.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The reason in one word, for clients; empty for 1000 and for codes that the server
            /// does not send.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                    _ => "",
                }
            }
        }
    };
}

codes! {
    /// Done; the client stops.
    NORMAL = 1000 "";
    /// The client broke RFC 6455.
    PROTOCOL = 1002 "protocol";
    /// A type of message that is not served here.
    UNSUPPORTED = 1003 "unsupported";
    /// Bad UTF-8, or a bad deflate stream.
    BAD_DATA = 1007 "bad_data";
    /// Against a rule that has no code of its own.
    POLICY = 1008 "policy";
    /// A message over its limit.
    TOO_LARGE = 1009 "too_large";
    /// A bug of ours.
    INTERNAL = 1011 "internal";
    /// The server restarts; reconnect at the pace given.
    RESTART = 1012 "restart";
    /// The server is out of a resource; reconnect at the pace given.
    OVERLOADED = 1013 "overloaded";
    /// The client does not read.
    SLOW = 4001 "slow";
    /// A ping was not answered.
    NO_PONG = 4002 "no_pong";
    /// No login in time.
    TOO_LATE = 4003 "too_late";
    /// Far over the rate.
    FLOOD = 4004 "flood";
    /// No message for too long.
    IDLE = 4005 "idle";
    /// Raw channels: publications are missing, and there are no words to say which.
    LOST = 4006 "lost";
    /// Connect again, to be placed anew.
    MOVED = 4007 "moved";
    /// The token ended.
    EXPIRED = 4101 "expired";
    /// The token is no good.
    BAD_TOKEN = 4102 "bad_token";
    /// The token was withdrawn.
    REVOKED = 4103 "revoked";
    /// A token is needed, and there was none.
    TOKEN_NEEDED = 4401 "token_needed";
    /// The token is good, but not for this.
    FORBIDDEN = 4403 "forbidden";
    /// A newer connection of the same user took its place.
    REPLACED = 4409 "replaced";
    /// The backend closed it.
    DISCONNECTED = 4410 "disconnected";
    /// Too many connections of this user.
    TOO_MANY = 4429 "too_many";
}

impl CloseCode {
    /// Whether a close frame may carry this code (RFC 6455, section 7.4; the IANA registry for
    /// 1012 to 1014). 1004, 1005, 1006 and 1015 never stand in one; unassigned ones are refused.
    pub const fn is_allowed_in_frame(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// Why the connection must be failed (RFC 6455, section 7.1.7): send a close with `code`, read no
/// further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code to close with: 1002, 1007 or 1009.
    pub code: CloseCode,
    /// What was wrong, for logs. (Clients get the code's word.)
    pub reason: &'static str,
}

impl Failure {
    /// 1002.
    #[cold]
    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self { code: CloseCode::PROTOCOL, reason }
    }

    /// 1007.
    #[cold]
    pub(super) const fn bad_data(reason: &'static str) -> Self {
        Self { code: CloseCode::BAD_DATA, reason }
    }

    /// 1009.
    #[cold]
    pub(super) const fn too_large(reason: &'static str) -> Self {
        Self { code: CloseCode::TOO_LARGE, reason }
    }
}

/// What a received close frame says, where it says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The peer's code, one that is allowed in a frame.
    pub code: CloseCode,
    /// The peer's reason, at most 123 bytes.
    pub reason: &'a str,
}

/// Reads the payload of a close frame: `None` when it is empty. A single byte or a code that must
/// not be sent is 1002, a reason that is not UTF-8 1007.
pub fn parse(payload: &[u8]) -> Result<Option<CloseFrame<'_>>, Failure> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(None),
            _ => Err(Failure::protocol("close frame with half a code")),
        };
    };
    let code = CloseCode(u16::from_be_bytes(*code));
    if !code.is_allowed_in_frame() {
        return Err(Failure::protocol("close code that must not be sent"));
    }
    let Ok(reason) = std::str::from_utf8(reason) else {
        return Err(Failure::bad_data("close reason is not UTF-8"));
    };
    Ok(Some(CloseFrame { code, reason }))
}

/// Appends a close frame. `reason` is cut at 123 bytes, on a character boundary.
pub fn encode(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&frame::header(Opcode::Close, false, 2 + end));
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(&reason.as_bytes()[..end]);
}

/// When a client should come back: after a random time in this range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Not before this.
    pub min_ms: u32,
    /// Not after this.
    pub max_ms: u32,
}

/// Appends a close frame whose reason is the code's word, and the pace where there is one:
/// `restart;retry=500-5000`.
pub fn encode_word(out: &mut Vec<u8>, code: CloseCode, pace: Option<Pace>) {
    let Some(Pace { min_ms, max_ms }) = pace else { return encode(out, code, code.word()) };
    let mut reason = String::with_capacity(MAX_REASON);
    // Writing to a string cannot fail.
    let _ = write!(reason, "{};retry={min_ms}-{max_ms}", code.word());
    encode(out, code, &reason);
}

/// Appends the answer to a received close: the same code, or no body where it had none.
pub fn encode_echo(out: &mut Vec<u8>, received: Option<CloseFrame<'_>>) {
    match received {
        Some(CloseFrame { code, .. }) => encode(out, code, ""),
        None => frame::encode(out, Opcode::Close, false, &[]),
    }
}

#[cfg(test)]
mod tests;
