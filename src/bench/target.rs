//! Whom to speak to: addresses written as URLs, and local addresses to speak from. Never speaks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

/// Connections that one local address makes at most, unless told otherwise: there are 28,000 ports.
const PER_SOURCE: u32 = 5000;

/// Source addresses that there are for each server: the last byte is 2 to 251.
const MAX_SOURCES: u32 = 250;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port, as they stand in the URL.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// What the host means.
    pub address: SocketAddr,
}

impl Target {
    /// Reads a URL and looks its host up.
    pub fn of(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        if !matches!(scheme, "ws" | "http") {
            return Err(format!("{url}: must begin with ws:// or http://; there is no TLS here"));
        }
        let (host, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let path = if path.starts_with('?') { format!("/{path}") } else { path.into() };
        let with_port = match host.parse::<SocketAddr>() {
            Ok(_) => host.to_string(),
            Err(_)
                if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) =>
            {
                host.to_string()
            }
            Err(_) => format!("{host}:80"),
        };
        let addresses = with_port.to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("{url}: {host}: {error}"))?;
        // IPv4 first: `localhost` is both, and servers that listen on it often listen on this one.
        let address = addresses.min_by_key(SocketAddr::is_ipv6);
        let address = address.ok_or_else(|| format!("{url}: no address for {host}"))?;
        Ok(Self { host: host.into(), path, address })
    }

    /// The same server, elsewhere on it.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.into(), ..self.clone() }
    }
}

/// The addresses to connect from in turn; `None` leaves it to the system.
pub fn sources(
    to: SocketAddr,
    first: u32,
    asked: Option<u32>,
    connections: u32,
) -> Vec<Option<SocketAddr>> {
    if !(to.ip().is_loopback() && to.is_ipv4()) {
        return vec![None];
    }
    let first = first.min(MAX_SOURCES - 1);
    let count = asked.unwrap_or(connections.div_ceil(PER_SOURCE)).clamp(1, MAX_SOURCES - first);
    // Each server's port has addresses of its own: what many servers are sent from side by side, or
    // one after the other within a minute, would else be more than an address has ports.
    let [high, low] = to.port().to_be_bytes();
    let source = |index: u32| {
        let ip = Ipv4Addr::new(127, high, low, 2 + (first + index) as u8);
        Some(SocketAddr::new(IpAddr::V4(ip), 0))
    };
    (0..count).map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, host, path) in [
            ("ws://127.0.0.1:3003/ws", "127.0.0.1:3003", "/ws"),
            ("ws://127.0.0.1:3003", "127.0.0.1:3003", "/"),
            ("ws://127.0.0.1:3003?a=b", "127.0.0.1:3003", "/?a=b"),
            ("http://[::1]:80/x?y", "[::1]:80", "/x?y"),
        ] {
            let target = Target::of(url).expect(url);
            assert_eq!((target.host.as_str(), target.path.as_str()), (host, path));
        }
        assert_eq!(Target::of("ws://127.0.0.1/").expect("a URL").address.port(), 80);
        for url in ["wss://127.0.0.1/", "127.0.0.1:3003", "ws://", "ws://127.0.0.1:99999/"] {
            Target::of(url).expect_err(url);
        }
    }

    #[test]
    fn loopback_is_spread() {
        let loopback = "127.0.0.1:1".parse().expect("an address");
        assert_eq!(sources(loopback, 0, None, 5000).len(), 1);
        assert_eq!(sources(loopback, 0, None, 5001).len(), 2);
        assert_eq!(sources(loopback, 0, Some(7), 1).len(), 7);
        let last = sources(loopback, 249, Some(7), 1);
        assert_eq!(last, ["127.0.1.251:0".parse().ok()]);
        assert_eq!(sources("[::1]:1".parse().expect("an address"), 0, Some(7), 1), [None]);
    }
}
