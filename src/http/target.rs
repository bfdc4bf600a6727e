//! The request target: its form, its path segments and its query (RFC 9112, section 3.2). Decodes
//! only what is asked for. What a path means is the business of `routes`.

use std::borrow::Cow;

use super::head::Host;

#[cfg(test)]
mod tests;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path as sent, from its first slash; still percent-encoded, never normalised.
    pub path: &'a str,
    /// What follows the question mark; empty without one.
    pub query: Query<'a>,
    /// The host of an absolute target, which overrules the `Host` field (RFC 9112, section 3.2.2).
    pub authority: Option<Host<'a>>,
}

impl<'a> Target<'a> {
    /// Reads origin-form and, with `http` or `https`, absolute-form. `None` for the other forms,
    /// for user information, fragments, and bytes that no URI has.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
            return None;
        }
        if text.starts_with('/') {
            return Some(Self::split(text, None));
        }
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        Some(Self::split(rest, Some(Host::parse(authority)?)))
    }

    fn split(text: &'a str, authority: Option<Host<'a>>) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = if path.is_empty() { "/" } else { path };
        Self { path, query: Query(query), authority }
    }
}

/// A query as sent, without its question mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<'a>(pub &'a str);

/// What is wrong with a query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It stands there more than once.
    Repeated,
    /// Its value is not percent-encoded UTF-8.
    Encoding,
}

impl<'a> Query<'a> {
    /// The pairs in their order, decoded as forms are (`+` is a space). A pair whose name or value
    /// does not decode is `None` in that place. `a` is the same as `a=`.
    pub fn pairs(self) -> impl Iterator<Item = (Option<Cow<'a, str>>, Option<Cow<'a, str>>)> {
        self.0.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(name), decode_form(value))
        })
    }

    /// The value of the one parameter of this name; `None` where there is none.
    pub fn single(self, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        let mut values = self.pairs().filter(|pair| pair.0.as_deref() == Some(name));
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Fault::Repeated);
        }
        value.map(Some).ok_or(Fault::Encoding)
    }
}

/// Decodes percent-encoding; `None` when an escape is broken or the result is not UTF-8. Borrows
/// when there is nothing to decode.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    decode_bytes(text, false)
}

fn decode_form(text: &str) -> Option<Cow<'_, str>> {
    decode_bytes(text, true)
}

fn decode_bytes(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
