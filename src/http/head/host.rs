//! The host that a request is for: the `Host` field and the authority of an absolute target
//! (RFC 9110, section 7.2; RFC 3986, section 3.2.2). Only its form: whether it is ours to answer
//! for is the business of `guard`.

/// A well-formed `uri-host [ ":" port ]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// The name or address as sent; an IPv6 address with its brackets.
    pub name: &'a str,
    /// The port, where one is named.
    pub port: Option<u16>,
}

/// As long as a name can be in the DNS.
const MAX_NAME_BYTES: usize = 255;

impl<'a> Host<'a> {
    /// Reads a host and an optional port; `None` for anything else. Percent-encoded names, which
    /// no client can resolve, and addresses of future IP versions are not accepted.
    pub fn parse(text: &'a str) -> Option<Self> {
        let name_end = if text.starts_with('[') {
            text.find(']')? + 1
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (name, port) = text.split_at_checked(name_end)?;
        if !is_address(name) && !is_name(name) {
            return None;
        }
        let port = match port {
            "" | ":" => None,
            named => Some(parse_port(named.strip_prefix(':')?)?),
        };
        Some(Self { name, port })
    }

    /// Whether this names the machine itself: localhost, 127.0.0.0/8 or `[::1]`, in the forms that
    /// clients send. Anything cleverer is not, which is the safe side.
    pub fn is_loopback(&self) -> bool {
        self.name.eq_ignore_ascii_case("localhost")
            || self.name == "[::1]"
            || is_loopback_v4(self.name)
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

/// `[` hex digits, colons and dots `]`. Which of these are addresses only matters to those who
/// compare, and they compare whole strings.
fn is_address(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        (2..=45).contains(&inner.len())
            && inner.contains(':')
            && inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
    })
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn is_loopback_v4(name: &str) -> bool {
    let octet = |part: &str| {
        part.bytes().all(|b| b.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
            && part.parse::<u8>().is_ok()
    };
    name.starts_with("127.") && name.split('.').count() == 4 && name.split('.').all(octet)
}
