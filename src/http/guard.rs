//! Who may speak at all: the check of `Origin` against pages of other sites (RFC 6455, section
//! 10.2), and the guard of open mode against being reachable from elsewhere. Pure decisions about
//! a head; keys, tokens and rules come later and elsewhere.
//!
//! Every refusal here closes: the body of a foreign page's request is still to come, unread, and
//! must never be taken for a next request, which would have no `Origin` to be refused for.

use std::fmt::{self, Write as _};

use super::Refusal;
use super::head::{Head, Host, Method};

#[cfg(test)]
mod tests;

/// Bytes of a quoted value in a message.
const MAX_SHOWN_BYTES: usize = 100;

/// `scheme://host[:port]`, as in the `Origin` field (RFC 6454, section 6.2) and in the setting
/// `origins`. Scheme and host have no case; a default port is the same as none.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    scheme: &'a str,
    host: Host<'a>,
}

impl<'a> Origin<'a> {
    /// Reads one origin. `None` for `null`, for a path or a trailing slash, for lists, and for
    /// patterns, which whoever writes `*` into the settings hopes for.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let mut bytes = scheme.bytes();
        let well_formed = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !well_formed || host.contains('*') {
            return None;
        }
        Some(Self { scheme, host: Host::parse(host)? })
    }

    /// Whether a page of this origin was loaded from `host`. Whether by http or https is not
    /// compared: behind a proxy that ends TLS nobody here knows.
    fn is_of(&self, host: Host<'_>) -> bool {
        let default_port = default_port(self.scheme);
        default_port.is_some()
            && self.host.name.eq_ignore_ascii_case(host.name)
            && self.port() == host.port.or(default_port)
    }

    fn port(&self) -> Option<u16> {
        self.host.port.or(default_port(self.scheme))
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.name.eq_ignore_ascii_case(other.host.name)
            && self.port() == other.port()
    }
}

impl Eq for Origin<'_> {}

/// An origin of the settings `origins` and `cors_origins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: Box<str>,
    host: Box<str>,
    port: Option<u16>,
    text: Box<str>,
}

impl AllowedOrigin {
    /// Reads one origin, as `https://example.org`.
    pub fn parse(text: &str) -> Option<Self> {
        let Origin { scheme, host } = Origin::parse(text)?;
        let (scheme, name) = (scheme.to_ascii_lowercase(), host.name.to_ascii_lowercase());
        let port = host.port.filter(|&port| Some(port) != default_port(&scheme));
        let text = match port {
            Some(port) => format!("{scheme}://{name}:{port}"),
            None => format!("{scheme}://{name}"),
        };
        Some(Self { scheme: scheme.into(), host: name.into(), port, text: text.into() })
    }

    /// As browsers write it (RFC 6454, section 6.2): they compare what they are told byte by byte.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is the origin that a request names.
    pub fn is(&self, origin: Origin<'_>) -> bool {
        let host = Host { name: &self.host, port: self.port };
        Origin { scheme: &self.scheme, host } == origin
    }
}

/// The names by which a request knows this server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hosts<'a> {
    /// The request's own.
    pub host: Option<Host<'a>>,
    /// What a trusted proxy was asked for: the one `X-Forwarded-Host`.
    pub forwarded: Option<Host<'a>>,
}

/// Refuses pages of other sites: an `Origin` that is neither that of our own host nor one of
/// `allowed` gets 403. None at all is a program, not a page, and may speak; where a cookie is the
/// credential the caller has to insist on one. `null` is nobody's.
pub fn check_origin<'a>(
    origin: Option<&str>,
    hosts: Hosts<'_>,
    allowed: impl IntoIterator<Item = &'a AllowedOrigin>,
) -> Result<(), Refusal> {
    let Some(text) = origin else { return Ok(()) };
    let ours = Origin::parse(text).is_some_and(|origin| {
        hosts.host.is_some_and(|host| origin.is_of(host))
            || hosts.forwarded.is_some_and(|host| origin.is_of(host))
            || allowed.into_iter().any(|other| other.is(origin))
    });
    if ours {
        return Ok(());
    }
    let mut message = format!(
        "Origin {} is not allowed: it is not that of Host {}",
        Shown(text.as_bytes()),
        ShownHost(hosts.host),
    );
    if hosts.forwarded.is_some() {
        let _ = write!(message, " or X-Forwarded-Host {}", ShownHost(hosts.forwarded));
    }
    message.push_str(" and not among the origins set");
    Err(Refusal::closing(403, "forbidden", message))
}

/// The guard of open mode, in which everybody who reaches the port may do everything: refuses what
/// came through a proxy, and what was sent to a name that is not this machine (a page whose name
/// was made to point here). On upgrades the name counts only where an `Origin` says that a page
/// is asking. Not to be asked with `--open`.
pub fn check_open_mode(head: &Head<'_>) -> Result<(), Refusal> {
    let origin = head.origin()?;
    let host = head.host()?;
    let proxied = head.fields().any(|(name, _)| names_proxy(name));
    let local = host.is_some_and(|host| host.is_loopback());
    let upgrade = head.method == Method::Get && head.wants_upgrade();
    let host_counts = !upgrade || origin.is_some();
    if !proxied && (local || !host_counts) {
        return Ok(());
    }
    let why = if proxied { "it came through a proxy" } else { "Host is not this machine" };
    let message = format!(
        "open mode answers this machine only, and {why} (Host {}, Origin {}): \
         configure keys, or set --open",
        ShownHost(host),
        Shown(origin.unwrap_or("(none)").as_bytes()),
    );
    Err(Refusal::closing(403, "open_mode_behind_proxy", message))
}

/// The fields that proxies add (RFC 7239; RFC 9110, section 7.6.3; and custom).
fn names_proxy(name: &str) -> bool {
    let starts = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    ["Forwarded", "Via", "X-Real-IP"].iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
        || starts("X-Forwarded-")
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        None
    }
}

/// A value from a stranger, fit for a message: escaped and cut.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..MAX_SHOWN_BYTES) {
            Some(start) if start.len() < self.0.len() => write!(f, "{}...", start.escape_ascii()),
            _ => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

struct ShownHost<'a>(Option<Host<'a>>);

impl fmt::Display for ShownHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(host) = self.0 else { return f.write_str("(none)") };
        write!(f, "{}", Shown(host.name.as_bytes()))?;
        match host.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
