//! Who sends: the client's address, which is counted from the moment it is known until the
//! connection is gone, and whether it may speak at all. A direct client is known at once; one
//! behind a trusted proxy by the PROXY header, or by what each request says. Keys, tokens and rules
//! come later and elsewhere.

use std::net::IpAddr;

use super::net::{Net, Peer, Serves};
use super::{FOREIGN_PAGE_LINES, Worker};
use crate::conn::entry::Flags;
use crate::http::Refusal;
use crate::http::forwarded::{self, trusts};
use crate::http::guard::{self, Hosts, Origin};
use crate::http::head::{Body, Head, Host, Method};
use crate::http::proxy_header::{self, Malformed, Source};
use crate::http::reply::{Circumstances, Reply};
use crate::http::routes;
use crate::limits::REFUSALS;
use crate::metrics::{End, Limit};

impl<N: Net> Worker<N> {
    /// The address of the client in this slot, for IPv6 the first of its /64. None for those on
    /// unix sockets, and for those whose proxy has not told yet.
    pub(super) fn client_address(&self, slot: u32) -> Option<IpAddr> {
        self.node.addresses.address(self.table.cold(slot).address?)
    }

    /// Notes where a new connection comes from. False when it is refused.
    pub(super) fn meet(&mut self, slot: u32, peer: Peer) -> bool {
        let flags = &mut self.table.hot_mut(slot).flags;
        match peer.serves {
            Serves::Everything => {}
            Serves::Sockets => _ = flags.set(Flags::NO_API),
            Serves::Api => _ = flags.set(Flags::NO_SOCKETS),
        }
        if !trusts(&self.config.trusted_proxies, peer.address) {
            return self.admit(slot, peer.address);
        }
        let mark = if self.config.proxy_protocol { Flags::PROXY_HEADER } else { Flags::TRUSTED };
        self.table.hot_mut(slot).flags.set(mark);
        true
    }

    /// Notes whose request a trusted proxy hands on. False when it is refused.
    pub(super) fn meet_forwarded(&mut self, slot: u32, head: &Head<'_>) -> bool {
        if !self.table.hot(slot).flags.has(Flags::TRUSTED) {
            return true;
        }
        let (x_forwarded_for, forwarded) =
            (head.values("X-Forwarded-For"), head.values("Forwarded"));
        let trusted = &self.config.trusted_proxies;
        let client = forwarded::client(x_forwarded_for, forwarded, trusted);
        self.admit(slot, client)
    }

    /// A request is answered: the next one from this proxy may be another client's.
    pub(super) fn forget_client(&mut self, slot: u32) {
        if self.table.hot(slot).flags.has(Flags::TRUSTED) {
            self.leave_address(slot);
        }
    }

    /// Takes bytes of a PROXY header. Returns how many belong to it.
    pub(super) fn take_proxy_header(&mut self, slot: u32, bytes: &[u8]) -> usize {
        let hot = self.table.hot_mut(slot);
        let held = hot.inbox.as_mut().map(|inbox| std::mem::take(&mut inbox.held));
        let mut arrived = held.unwrap_or_default();
        let before = arrived.len();
        // No more than a header can have, however much has come.
        let room = (proxy_header::MAX_BYTES - before).min(bytes.len());
        arrived.extend_from_slice(&bytes[..room]);
        match proxy_header::parse(&arrived) {
            Ok(Some((source, length))) => {
                hot.flags.clear(Flags::PROXY_HEADER | Flags::BEGUN);
                self.believe(slot, source);
                length - before
            }
            Ok(None) => {
                hot.flags.set(Flags::BEGUN);
                self.inbox(slot).held = arrived;
                bytes.len()
            }
            Err(Malformed) => {
                self.limited(Limit::ProxyHeader);
                let message = "a trusted proxy must begin with a PROXY header";
                self.refuse(slot, &Refusal::closing(400, "bad_request", message), false);
                bytes.len()
            }
        }
    }

    /// What follows a PROXY header is its source's own words, and believed as far as that is.
    fn believe(&mut self, slot: u32, source: Source) {
        let Source::Address(address) = source else { return };
        if trusts(&self.config.trusted_proxies, Some(address)) {
            self.table.hot_mut(slot).flags.set(Flags::TRUSTED);
        } else {
            self.admit(slot, Some(address));
        }
    }

    /// Counts a connection as one of its client's address, and refuses it when that has too many.
    /// Those that are told so count too, else one address could fill the node with them; when they
    /// are many, the next is just closed. What comes through a proxy is the proxy's to bound. False
    /// when it is refused.
    fn admit(&mut self, slot: u32, address: Option<IpAddr>) -> bool {
        let limit = self.config.max_connections_per_address;
        if self.enter_address(slot, address, limit) {
            return true;
        }
        self.limited(Limit::Address);
        let proxied = self.table.hot(slot).flags.has(Flags::TRUSTED);
        if proxied || self.enter_address(slot, address, limit + REFUSALS as usize) {
            self.refuse_connection(slot, "this address has too many connections");
        } else {
            self.mark_dead(slot, End::Refused);
        }
        false
    }

    /// Counts this connection as one of that address and no other. False when that has `limit`.
    fn enter_address(&mut self, slot: u32, address: Option<IpAddr>, limit: usize) -> bool {
        self.leave_address(slot);
        let Some(address) = address else { return true };
        let id = self.node.addresses.enter(address, limit);
        self.table.cold_mut(slot).address = id;
        id.is_some()
    }

    /// This connection is no longer one of its address.
    pub(super) fn leave_address(&mut self, slot: u32) {
        if let Some(id) = self.table.cold_mut(slot).address.take() {
            self.node.addresses.leave(id);
        }
    }

    /// Checks that hold for every request: well-formed fields, and a sender that may speak.
    pub(super) fn check_sender(&mut self, slot: u32, head: &Head<'_>) -> Result<(), Refusal> {
        head.body()?;
        let (host, origin) = (head.host()?, head.origin()?);
        let trusted = self.table.hot(slot).flags.has(Flags::TRUSTED);
        let hosts = Hosts { host, forwarded: forwarded_host(head).filter(|_| trusted) };
        let config = &self.config;
        // Pages that may use the API from elsewhere may not for that open WebSockets.
        let elsewhere = if head.wants_upgrade() { &[] } else { config.cors_origins.as_slice() };
        let allowed = config.origins.iter().chain(elsewhere);
        if let Err(refusal) = guard::check_origin(origin, hosts, allowed) {
            self.complain(&refusal);
            return Err(refusal);
        }
        if self.policy.is_open() && !self.config.open {
            guard::check_open_mode(head)?;
        }
        let cors = origin
            .and_then(Origin::parse)
            .and_then(|origin| elsewhere.iter().position(|allowed| allowed.is(origin)));
        if let Some(cors) = cors {
            self.table.cold_mut(slot).session.get_or_insert_default().cors = Some(cors as u16);
        }
        Ok(())
    }

    /// Says in the log whose page was refused; once a second, for strangers decide how often.
    fn complain(&self, refusal: &Refusal) {
        self.limited(Limit::Origin);
        if let Some(times) = self.pace.due(FOREIGN_PAGE_LINES, self.now.mono_ms) {
            tracing::info!(why = %refusal.message, times, "foreign page");
        }
    }

    /// Whether the listener serves this at all. Asked before anything else: of what it does not
    /// serve it says nothing, and nobody tries keys at it.
    pub(super) fn check_listener(&self, slot: u32, head: &Head<'_>) -> Result<(), Refusal> {
        let upgrade = head.wants_upgrade();
        let (mark, message) = if routes::is_of_sockets(head.method, head.target.path, upgrade) {
            (Flags::NO_SOCKETS, "WebSockets are not served on this address, the API is")
        } else {
            (Flags::NO_API, "the API is not served on this address, WebSockets are")
        };
        if self.table.hot(slot).flags.has(mark) {
            return Err(Refusal::closing(404, "not_found", message));
        }
        Ok(())
    }

    /// Answers a browser that asks whether a page may ask. False when this is none.
    pub(super) fn answer_preflight(&mut self, slot: u32, head: &Head<'_>) -> bool {
        if head.method != Method::Options {
            return false;
        }
        let session = self.table.cold(slot).session.as_ref();
        let allowed = session.is_some_and(|session| session.cors.is_some());
        let no_api = self.table.hot(slot).flags.has(Flags::NO_API);
        let asked = head.values("Access-Control-Request-Method").next().is_some();
        let no_body = matches!(head.body(), Ok(Body::None));
        if !(allowed && asked && no_body) || no_api {
            return false;
        }
        let close = !head.keep_alive();
        self.reply(slot, &Reply::preflight(), Circumstances { close, ..Default::default() });
        true
    }
}

/// What a proxy was asked for. A list is no host: who wrote which part of it nobody knows.
fn forwarded_host<'a>(head: &Head<'a>) -> Option<Host<'a>> {
    let mut values = head.values("X-Forwarded-Host");
    let only = values.next().filter(|_| values.next().is_none());
    Host::parse(str::from_utf8(only?).ok()?)
}
