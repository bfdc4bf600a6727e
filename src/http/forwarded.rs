//! Who the client is when proxies stand in front: `X-Forwarded-For`, and `Forwarded` (RFC 7239)
//! where that is absent. Both are read from the right, for what a trusted proxy wrote stands
//! there, and whatever is further left was sent by somebody: the client is the right-most hop that
//! is not trusted itself. Pure; whether the peer may be believed at all is asked by the caller.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

#[cfg(test)]
mod tests;

/// Bytes of the longest node that is an address: `"[` IPv6 `]:65535"`.
const MAX_NODE_BYTES: usize = 64;

/// Bits of IPv6 before an IPv4 address that it carries.
const MAPPED_PREFIX: u8 = 96;

/// A proxy that is believed, as in the setting `trusted_proxies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Whoever connects over a unix socket.
    Unix,
    /// Whoever connects from this network.
    Network(IpNet),
}

impl TrustedProxy {
    /// Reads `unix`, an address, or a network as `10.0.0.0/8`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "unix" {
            return Some(Self::Unix);
        }
        let address = text.parse().ok().map(|address: IpAddr| address.to_canonical().into());
        address.or_else(|| text.parse().ok().and_then(canonical)).map(Self::Network)
    }
}

/// The network that peers are compared with: they come as IPv4 where IPv6 carries that (RFC 4291,
/// section 2.5.5.2). `None` when such a network is wider than all of IPv4.
fn canonical(network: IpNet) -> Option<IpNet> {
    let mapped = match network.addr() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    let Some(address) = mapped else { return Some(network) };
    let prefix = network.prefix_len().checked_sub(MAPPED_PREFIX)?;
    IpNet::new(address.into(), prefix).ok()
}

/// Whether a peer is believed; one without an address is on a unix socket.
pub fn trusts(trusted: &[TrustedProxy], peer: Option<IpAddr>) -> bool {
    let peer = peer.map(|address| address.to_canonical());
    trusted.iter().any(|proxy| match (proxy, peer) {
        (TrustedProxy::Unix, None) => true,
        (TrustedProxy::Network(network), Some(address)) => network.contains(&address),
        _ => false,
    })
}

/// The client behind a trusted peer. The values are those of all lines of each field, in their
/// order. Where a hop is malformed, `unknown` or obfuscated, nothing further left can be believed:
/// the last good hop is the client. `None` when there is no good hop: the proxy does not say.
pub fn client<'a>(
    x_forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[TrustedProxy],
) -> Option<IpAddr> {
    // What our proxy does not set it passes on as the client sent it. Those that set `Forwarded`
    // alone are few and must drop the other; those that set `X-Forwarded-For` seldom know of this.
    let mut lines = x_forwarded_for.rev().peekable();
    if lines.peek().is_some() {
        last_good(lines.flat_map(|line| line.rsplit(|&byte| byte == b',')), node, trusted)
    } else {
        last_good(forwarded.rev().flat_map(Elements), element, trusted)
    }
}

fn last_good<'a>(
    hops: impl Iterator<Item = &'a [u8]>,
    read: impl Fn(&[u8]) -> Option<IpAddr>,
    trusted: &[TrustedProxy],
) -> Option<IpAddr> {
    let mut client = None;
    for hop in hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty()) {
        let Some(address) = read(hop) else { break };
        client = Some(address);
        if !trusts(trusted, client) {
            break;
        }
    }
    client
}

/// The elements of one `Forwarded` line from the right. Quotes are paired from the right too: one
/// that a client left open ends before what the proxy wrote after it.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let mut quoted = false;
        for (at, &byte) in self.0.iter().enumerate().rev() {
            if byte == b'"' && !(quoted && is_escaped(self.0, at)) {
                quoted = !quoted;
            } else if byte == b',' && !quoted {
                let (rest, element) = (self.0.get(..at)?, self.0.get(at + 1..)?);
                self.0 = rest;
                return Some(element);
            }
        }
        Some(std::mem::take(&mut self.0))
    }
}

/// Whether an odd number of backslashes stands before this byte.
fn is_escaped(line: &[u8], at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The address that one element of `Forwarded` is for: its one parameter `for` (RFC 7239, section
/// 5.2).
fn element(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii) {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else { continue };
        let (name, value) = pair.split_at_checked(equals)?;
        if !name.eq_ignore_ascii_case(b"for") {
            continue;
        }
        let value = value.get(1..)?;
        if found.is_some() {
            return None;
        }
        found = Some(match value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
            Some(inner) => unquote(inner)?,
            None => node(value)?,
        });
    }
    found
}

/// A node between quotes, where a backslash may stand before any byte (RFC 9110, section 5.6.4).
fn unquote(inner: &[u8]) -> Option<IpAddr> {
    let mut plain = [0; MAX_NODE_BYTES];
    let mut length = 0;
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == b'\\' { *bytes.next()? } else { byte };
        *plain.get_mut(length)? = byte;
        length += 1;
    }
    node(plain.get(..length)?)
}

/// An address, with or without a port, an IPv6 one in brackets or, as `X-Forwarded-For` has it,
/// without. `None` for `unknown`, obfuscated names, and everything else.
fn node(node: &[u8]) -> Option<IpAddr> {
    if node.len() > MAX_NODE_BYTES {
        return None;
    }
    let text = str::from_utf8(node).ok()?;
    let bracketed = || -> Option<IpAddr> {
        let inner: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
        Some(inner.into())
    };
    let address = text.parse().ok().or_else(bracketed);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    address.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}
