//! Where a client hands over its token with the handshake, and which of several counts: the first
//! that is there, in a fixed order, be it good or bad. Pure; whether the token is any good is the
//! business of `policy::token`, and what follows from that, of `worker::login`.

use std::borrow::Cow;

use super::Refusal;
use super::head::Head;
use super::target::Fault;

#[cfg(test)]
mod tests;

/// The query parameter.
const PARAMETER: &str = "token";

/// Where tokens are looked for besides `Authorization` and the subprotocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places<'s> {
    /// The name of a cookie.
    pub cookie: Option<&'s str>,
    /// `?token=`.
    pub query: bool,
}

/// What a client has handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// A token, which nobody has looked at yet.
    Token(Cow<'a, str>),
    /// Something stands where a token belongs, but it is none; what is wrong, for a person.
    None(&'static str),
}

/// Finds the token of a handshake. `subprotocol` is what was offered as `bearer.<token>`.
///
/// # Errors
/// 400 where `Authorization` stands twice; 403 for a cookie that comes without `Origin`: browsers
/// send cookies whoever asks them to, and a page is known by its `Origin` alone. (A foreign one has
/// been refused before.)
pub fn find<'a>(
    head: &Head<'a>,
    subprotocol: Option<&'a str>,
    places: Places<'_>,
) -> Result<Option<Credential<'a>>, Refusal> {
    if let Some(value) = head.value("Authorization")?
        && let Some(found) = authorization(value)
    {
        return Ok(Some(found));
    }
    if let Some(token) = subprotocol {
        return Ok(Some(Credential::Token(token.into())));
    }
    if let Some(name) = places.cookie
        && let Some(found) = cookie(head, name)
    {
        if head.origin()?.is_none() {
            let message = "a token in a cookie needs an Origin: it is for pages only";
            return Err(Refusal::closing(403, "forbidden", message));
        }
        return Ok(Some(found));
    }
    Ok(query(head).filter(|_| places.query))
}

/// The secret in the value of an `Authorization` field: `Bearer`, in any case, then one word (RFC
/// 6750, section 2.1; RFC 9110, section 11.1). `None` for another scheme.
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    let secret = after_scheme(value)?.trim_ascii();
    let one_word = !secret.is_empty() && secret.iter().all(u8::is_ascii_graphic);
    one_word.then_some(secret)
}

/// Other schemes are none of ours: a proxy in front may have asked for them.
fn authorization(value: &[u8]) -> Option<Credential<'_>> {
    after_scheme(value)?;
    let token = bearer(value).and_then(|token| str::from_utf8(token).ok());
    let none = Credential::None("Authorization is not Bearer and one token");
    Some(token.map_or(none, |token| Credential::Token(token.into())))
}

fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let ends = rest.is_empty() || rest.starts_with(b" ");
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then_some(rest)
}

/// The cookie of this name (RFC 6265, section 4.2). Of two with one name nobody knows which a
/// neighbouring site has planted.
fn cookie<'a>(head: &Head<'a>, name: &str) -> Option<Credential<'a>> {
    let pairs = head.values("Cookie").flat_map(|line| line.split(|&byte| byte == b';'));
    let mut named = pairs.filter_map(|pair| {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        let (key, value) = pair.split_at_checked(at)?;
        (key.trim_ascii() == name.as_bytes()).then(|| value[1..].trim_ascii())
    });
    let value = named.next()?;
    if named.next().is_some() {
        return Some(Credential::None("the cookie stands more than once"));
    }
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let text = str::from_utf8(quoted.unwrap_or(value));
    let none = |_| Credential::None("the cookie is not UTF-8");
    Some(text.map_or_else(none, |token| Credential::Token(token.into())))
}

fn query<'a>(head: &Head<'a>) -> Option<Credential<'a>> {
    match head.target.query.single(PARAMETER) {
        Ok(token) => token.map(Credential::Token),
        Err(Fault::Repeated) => Some(Credential::None("token stands more than once")),
        Err(Fault::Encoding) => Some(Credential::None("token is not percent-encoded UTF-8")),
    }
}
