//! Replies: what an answer says, turned to bytes (RFC 9110, section 15; RFC 9112, section 4). No
//! value can add a line to a head, whatever is in it. Never decides what to answer. The 101 is
//! written by `ws`, which knows what was agreed on.

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;

use super::Refusal;
use super::date::HttpDate;

#[cfg(test)]
mod tests;

/// The interim answer that lets the client send its body (RFC 9110, section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a page may load and talk to: its own server, nothing else, and nothing inline.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What a body consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A JSON text.
    Json,
    /// UTF-8 text for people.
    Text,
    /// Prometheus text format 0.0.4.
    Metrics,
    /// An HTML page; goes out with the `CONTENT_SECURITY_POLICY`.
    Page,
    /// A script.
    Script,
    /// A style sheet.
    Style,
}

/// What differs from answer to answer though the reply is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances<'a> {
    /// The request was HEAD: same head, no body (RFC 9110, section 9.3.2).
    pub head_only: bool,
    /// The connection ends after this answer, whatever the reply itself says.
    pub close: bool,
    /// Milliseconds since the Unix epoch for `Date`, which is left out where nobody knows the time.
    pub wall_ms: Option<u64>,
    /// The origin, not our own, whose pages may read this answer (Fetch standard, section 3.2).
    pub cors: Option<&'a str>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// Whether the connection ends after it.
    pub close: bool,
    /// The word for programs, where it is an error.
    pub code: Option<&'static str>,
    content: Content,
    body: Cow<'a, [u8]>,
    fields: Vec<(&'static str, Cow<'a, str>)>,
    upgrade: bool,
}

impl<'a> Reply<'a> {
    /// An answer with a body.
    pub fn new(status: u16, content: Content, body: impl Into<Cow<'a, [u8]>>) -> Self {
        let body = body.into();
        Self { status, close: false, code: None, content, body, fields: Vec::new(), upgrade: false }
    }

    /// A JSON answer from its text.
    pub fn json(status: u16, text: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::new(status, Content::Json, text)
    }

    /// Closes the connection after the answer.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The methods that the path has; due with 405 (RFC 9110, section 15.5.6).
    #[must_use]
    pub fn allow(self, methods: &'static str) -> Self {
        self.field("Allow", methods)
    }

    /// When to come back, in seconds, rounded up (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after_ms(self, pace_ms: u64) -> Self {
        self.field("Retry-After", pace_ms.div_ceil(1000).to_string())
    }

    /// What credentials to bring; due with 401 (RFC 9110, section 15.5.2). The word is one of RFC
    /// 6750, section 3.1, such as `invalid_token`; none where no credentials came.
    #[must_use]
    pub fn challenge(self, word: Option<&'static str>) -> Self {
        let mut value = String::from("Bearer realm=\"fanwire\"");
        if let Some(word) = word {
            value.push_str(", error=\"");
            value.push_str(word);
            value.push('"');
        }
        self.field("WWW-Authenticate", value)
    }

    /// Says that the path is for `websocket` of version 13; due with 426 (RFC 6455, section 4.4;
    /// RFC 9110, section 15.5.22).
    #[must_use]
    pub fn upgrade_to_websocket(mut self) -> Self {
        self.upgrade = true;
        self.field("Upgrade", "websocket").field("Sec-WebSocket-Version", "13")
    }

    /// The answer to a preflight of an allowed origin: every method and field of the API, which a
    /// browser may remember for two hours (Fetch standard, section 3.2.3).
    pub fn preflight() -> Self {
        Self::new(204, Content::Text, Vec::new())
            .field("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
            .field(
                "Access-Control-Allow-Headers",
                "Authorization, Content-Type, Idempotency-Key, Fanwire-Key, Fanwire-Skip",
            )
            .field("Access-Control-Max-Age", "7200")
    }

    /// Any other field, in place of an earlier one of this name. What may not stand in a value
    /// becomes `?`.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.fields.retain(|field| field.0 != name);
        self.fields.push((name, value.into()));
        self
    }

    /// Appends the answer as it goes out. True when the connection ends after it.
    pub fn write(&self, circumstances: Circumstances<'_>, out: &mut Vec<u8>) -> bool {
        let close = self.close || circumstances.close;
        let mut digits = itoa::Buffer::new();
        // RFC 9110, sections 8.6, 15.3.5 and 15.4.5: these answers have no body and no length.
        let bodiless = matches!(self.status, 204 | 304);
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(digits.format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(wall_ms) = circumstances.wall_ms {
            // Writing to a Vec does not fail.
            let _ = write!(out, "Date: {}\r\n", HttpDate(wall_ms));
        }
        match (self.upgrade, close) {
            (true, true) => push_field(out, "Connection", "Upgrade, close"),
            (true, false) => push_field(out, "Connection", "Upgrade"),
            (false, true) => push_field(out, "Connection", "close"),
            (false, false) => {}
        }
        if !bodiless {
            push_field(out, "Content-Type", self.content.media_type());
            push_field(out, "Content-Length", digits.format(self.body.len()));
        }
        push_field(out, "Cache-Control", self.content.cache_control());
        push_field(out, "X-Content-Type-Options", "nosniff");
        if self.content == Content::Page {
            push_field(out, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
        }
        if let Some(origin) = circumstances.cors {
            push_field(out, "Access-Control-Allow-Origin", origin);
            push_field(out, "Access-Control-Expose-Headers", "Retry-After");
            push_field(out, "Vary", "Origin");
        }
        for (name, value) in &self.fields {
            push_field(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        if !bodiless && !circumstances.head_only {
            out.extend_from_slice(&self.body);
        }
        close
    }
}

impl Reply<'static> {
    /// The answer to a request that is refused.
    pub fn refusal(refusal: &Refusal) -> Self {
        let Refusal { status, code, message, close, retry_after_ms, challenge } = refusal;
        let mut reply = error(code, *status, message, refusal.temporary(), *retry_after_ms);
        reply.close = *close;
        if challenge.is_some() { reply.challenge(*challenge) } else { reply }
    }
}

/// An error as the contract has it: `{"error": {code, message, temporary, retry_after_ms?}}`, with
/// `Retry-After` where there is a pace and `WWW-Authenticate` on 401.
pub fn error(
    code: &'static str,
    status: u16,
    message: &str,
    temporary: bool,
    retry_after_ms: Option<u64>,
) -> Reply<'static> {
    let error = ErrorBody { error: ErrorDetail { code, message, temporary, retry_after_ms } };
    // Strings, a flag and a number always serialize.
    let mut reply = Reply::json(status, serde_json::to_vec(&error).unwrap_or_default());
    reply.code = Some(code);
    let reply = match retry_after_ms {
        Some(pace_ms) => reply.retry_after_ms(pace_ms),
        None => reply,
    };
    if status == 401 { reply.challenge(None) } else { reply }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorDetail<'a>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    code: &'a str,
    message: &'a str,
    temporary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Content {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
            Self::Page => "text/html; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
        }
    }

    /// Answers are of the moment; pages and their parts may be kept, but are to be asked about.
    fn cache_control(self) -> &'static str {
        match self {
            Self::Json | Self::Text | Self::Metrics => "no-store",
            Self::Page | Self::Script | Self::Style => "no-cache",
        }
    }
}

fn push_field(out: &mut Vec<u8>, name: &'static str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let visible = |byte: u8| if byte == b' ' || byte.is_ascii_graphic() { byte } else { b'?' };
    out.extend(value.bytes().map(visible));
    out.extend_from_slice(b"\r\n");
}

/// The reason phrase, which nobody needs but people who read with `curl -v`.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
