//! A request head: what it says about the request, its connection and its body (RFC 9112,
//! sections 3, 5, 6, 9). Borrows everything from the buffer and allocates nothing. Never decides
//! who may speak (`guard`) or what is asked for (`routes`).

use std::mem::MaybeUninit;

use super::Refusal;
use super::target::Target;

mod host;
mod scanner;

pub use host::Host;
pub use scanner::{MAX_EMPTY_LINES, Scanner};

#[cfg(test)]
mod tests;

/// Header lines of one request; then 431. Browsers behind three proxies send about 40.
pub const MAX_FIELDS: usize = 100;

/// The methods that some route knows. They are case-sensitive (RFC 9110, section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    /// Any other token.
    Other,
}

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no upgrade, no chunks, one request per connection.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the body of a request is delimited (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// So many bytes, more than 0. A number beyond `u64` is `u64::MAX`: too large either way.
    Length(u64),
    /// Chunks (RFC 9112, section 7.1).
    Chunked,
}

/// One request head.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// What to do.
    pub method: Method,
    /// With what.
    pub target: Target<'a>,
    /// In which version.
    pub version: Version,
    fields: &'a [httparse::Header<'a>],
    wants_upgrade: bool,
}

/// Room for the header lines of a head, on the stack of whoever reads it: 3 KB that are neither
/// filled beforehand nor moved.
pub struct Room<'b>([MaybeUninit<httparse::Header<'b>>; MAX_FIELDS]);

impl Room<'_> {
    /// Empty.
    pub const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_FIELDS])
    }
}

impl Default for Room<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Head<'a> {
    /// Reads a whole head, which is `bytes[..n]` of a `Scanner` that said `Some(n)`.
    ///
    /// Refusals: 505 for a version that is not 1.0 or 1.1, 400 for everything else that is wrong
    /// in the request line or a header line. All of them close.
    pub fn parse<'b: 'a>(bytes: &'b [u8], room: &'a mut Room<'b>) -> Result<Self, Refusal> {
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut room.0) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::malformed("the request head has no end")),
            Err(error) => return Err(refuse(error, bytes)),
        }
        let httparse::Request { method, path: target, version, headers: fields } = request;
        let Some(target) = target.and_then(Target::parse) else {
            return Err(Refusal::malformed("the request target is not a path or an http URL"));
        };
        let mut head = Self {
            method: Method::parse(method.unwrap_or_default()),
            target,
            version: if version == Some(0) { Version::Http10 } else { Version::Http11 },
            fields,
            wants_upgrade: false,
        };
        head.wants_upgrade = head.version == Version::Http11
            && head.lists("Upgrade", "websocket")
            && head.lists("Connection", "upgrade");
        Ok(head)
    }

    /// All header lines in their order; values without surrounding whitespace.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = (&'a str, &'a [u8])> + '_ {
        self.fields.iter().map(|field| (field.name, trim(field.value)))
    }

    /// The values of all lines of this name, in their order. Names have no case.
    pub fn values<'s>(&'s self, name: &'s str) -> impl DoubleEndedIterator<Item = &'a [u8]> + 's {
        let named = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| trim(field.value))
    }

    /// The value of a field that may stand once; 400 when it stands twice.
    pub fn value(&self, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Refusal::malformed(format!("{name} stands more than once")));
        }
        Ok(first)
    }

    /// Like `value`, for fields that are visible ASCII; 400 for anything else.
    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match str::from_utf8(value) {
            Ok(text) if text.is_ascii() => Ok(Some(text)),
            _ => Err(Refusal::malformed(format!("{name} is not ASCII"))),
        }
    }

    /// The elements of a field that is a list, over all its lines; empty elements are ignored
    /// (RFC 9110, section 5.6.1.2). Not for lists whose elements may be quoted.
    pub fn elements<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.values(name).flat_map(elements)
    }

    /// The host that the request is for: that of an absolute target, else the `Host` field, which
    /// must be there once and well-formed in any case (RFC 9112, sections 3.2 and 3.2.2). `None`
    /// only for HTTP/1.0, which may leave it out.
    pub fn host(&self) -> Result<Option<Host<'a>>, Refusal> {
        let host = match self.text("Host")? {
            Some(text) => Host::parse(text),
            None if self.version == Version::Http10 => return Ok(self.target.authority),
            None => return Err(Refusal::malformed("Host is missing")),
        };
        let host = host.ok_or_else(|| Refusal::malformed("Host is not a host and a port"))?;
        Ok(Some(self.target.authority.unwrap_or(host)))
    }

    /// Where the page comes from that sends this; 400 when it stands twice.
    pub fn origin(&self) -> Result<Option<&'a str>, Refusal> {
        self.text("Origin")
    }

    /// Whether another request may follow on this connection (RFC 9112, section 9.3). HTTP/1.0
    /// connections are not kept: that would need an answer of its own, and nobody asks for it.
    pub fn keep_alive(&self) -> bool {
        self.version == Version::Http11 && !self.lists("Connection", "close")
    }

    /// Whether this asks to become a WebSocket: `Upgrade` has an element `websocket` and
    /// `Connection` one `upgrade`, whatever their case (RFC 6455, section 4.2.1). In HTTP/1.0 an
    /// upgrade is to be ignored (RFC 9110, section 7.8). Method, key and body are not looked at.
    pub fn wants_upgrade(&self) -> bool {
        self.wants_upgrade
    }

    /// Whether the client waits for a `100 Continue` before it sends the body (RFC 9110, section
    /// 10.1.1); 417 for any other expectation.
    pub fn expects_continue(&self) -> Result<bool, Refusal> {
        if self.version == Version::Http10 {
            return Ok(false);
        }
        let mut expects = false;
        for element in self.elements("Expect") {
            if !element.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::closing(417, "bad_request", "Expect is not 100-continue"));
            }
            expects = true;
        }
        Ok(expects)
    }

    /// How the body is delimited. Whatever two parsers could read differently is refused with 400:
    /// both fields at once, repeated ones, anything but digits, codings after `chunked`. Codings
    /// that we do not know before it are 501. (RFC 9112, sections 6.1 and 6.3.)
    pub fn body(&self) -> Result<Body, Refusal> {
        let length = self.value("Content-Length")?;
        if self.values("Transfer-Encoding").next().is_none() {
            return length.map_or(Ok(Body::None), parse_length);
        }
        if length.is_some() {
            return Err(Refusal::malformed("both Content-Length and Transfer-Encoding"));
        }
        if self.version == Version::Http10 {
            return Err(Refusal::malformed("Transfer-Encoding in HTTP/1.0"));
        }
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let mut unknown = false;
        let mut chunked = false;
        for coding in self.elements("Transfer-Encoding") {
            if chunked {
                return Err(Refusal::malformed("chunked is not the last Transfer-Encoding"));
            }
            chunked = is_chunked(coding);
            unknown |= !chunked;
        }
        match (chunked, unknown) {
            (false, _) => Err(Refusal::malformed("the last Transfer-Encoding is not chunked")),
            (true, true) => Err(Refusal::closing(501, "bad_request", "unknown Transfer-Encoding")),
            (true, false) => Ok(Body::Chunked),
        }
    }

    fn lists(&self, name: &str, element: &str) -> bool {
        let is_it = |found: &[u8]| found.eq_ignore_ascii_case(element.as_bytes());
        self.values(name).any(|value| is_it(value) || elements(value).any(is_it))
    }
}

impl Method {
    fn parse(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// `1*DIGIT` and nothing else: no sign, no list, no space, no hex.
fn parse_length(digits: &[u8]) -> Result<Body, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::malformed("Content-Length is not a number"));
    }
    let append =
        |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add((digit - b'0').into());
    match digits.iter().fold(0, append) {
        0 => Ok(Body::None),
        length => Ok(Body::Length(length)),
    }
}

fn refuse(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::Version if names_other_version(bytes) => {
            Refusal::closing(505, "bad_request", "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        httparse::Error::TooManyHeaders => {
            Refusal::closing(431, "too_large", "too many header lines")
        }
        httparse::Error::HeaderName => Refusal::malformed("malformed header name"),
        httparse::Error::HeaderValue => Refusal::malformed("malformed header value"),
        _ => Refusal::malformed("malformed request line"),
    }
}

/// Whether the request line is well-formed but for naming a version such as HTTP/2.0.
fn names_other_version(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let Some(line) = lines.find(|line| !line.is_empty()) else { return false };
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    match (words.next(), words.next()) {
        (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None) => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}

/// The elements of one line of a list.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let all = value.split(|&byte| byte == b',').map(trim);
    all.filter(|element| !element.is_empty())
}

/// Without optional whitespace at both ends (RFC 9110, section 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
