//! The list of connections, and closing one of them. A list is one letter that goes from worker to
//! worker and looks at a bounded number of slots a turn; it carries what it has found, never more
//! than a page and one look. Who may ask is `worker::keys`; the routes are `http::routes`.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::mail::{Answer, Content, Disconnect, Mail, Ticket};
use super::net::Net;
use super::{Worker, identity};
use crate::conn::entry::{Endpoint, Phase};
use crate::conn::wanted::{Rank, Wanted};
use crate::hub::ConnectionKey;
use crate::hub::encode::shown;
use crate::limits::{LIST_VISITS, TICK_MS};
use crate::ws::close::CloseCode;

/// A list in the making.
#[derive(Debug)]
pub struct Census {
    /// What is wanted.
    pub wanted: Wanted,
    /// The slot that is looked at next.
    pub next: u32,
    /// What has been found, in order.
    pub found: Vec<(Rank, Sight)>,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// A connection as it was seen.
#[derive(Debug)]
pub struct Sight {
    user: Option<Arc<str>>,
    address: Option<IpAddr>,
    endpoint: Endpoint,
    /// The channel of a raw connection.
    channel: Option<Arc<str>>,
    /// Its age; unknown where `idle_timeout` makes the entry remember the last message instead.
    age_ms: Option<u64>,
    since_ms: Option<u64>,
    subscriptions: usize,
    queued_bytes: u64,
    behind: u64,
}

/// A place as the cursor of a list says it.
fn cursor(seed: u64, rank: &Rank) -> String {
    let Reverse((bytes, behind)) = rank.weight;
    format!("{bytes}.{behind}.{}", identity::name(seed, rank.key()))
}

/// Reads a cursor; `None` when it is not one of this node's.
pub(super) fn parse_cursor(seed: u64, text: &str) -> Option<Rank> {
    let mut parts = text.splitn(3, '.');
    let weight = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Rank::new(identity::parse(seed, parts.next()?)?, weight))
}

impl<N: Net> Worker<N> {
    /// Begins a list: with the worker at which the part before it ended.
    pub(super) fn first_visit(&self, wanted: Wanted, ticket: Ticket) -> (u16, Mail) {
        let after = wanted.after.filter(|_| !wanted.queued);
        let (worker, next) = after.map_or((0, 0), |rank| (rank.key().worker, rank.key().slot));
        let census = Census { wanted, next, found: Vec::new(), ticket };
        (worker.min(self.config.workers.max(1) - 1), Mail::Census(Box::new(census)))
    }

    /// One look of a list: then it goes on later, to the next worker, or home.
    pub(super) fn visit(&mut self, mut census: Box<Census>) {
        let slots = self.table.slots() as u32;
        let end = census.next.saturating_add(LIST_VISITS as u32).min(slots);
        for slot in census.next..end {
            if let Some(seen) = self.sight(slot, &census.wanted) {
                census.found.push(seen);
            }
        }
        let Census { wanted, next, found, ticket } = &mut *census;
        *next = end;
        if wanted.queued {
            found.sort_unstable_by_key(|(rank, _)| *rank);
        }
        let full = found.len() > wanted.limit;
        found.truncate(wanted.limit + 1);
        if full && !wanted.queued {
            return self.end_census(*census);
        }
        if *next < slots {
            self.later.push_back(Mail::Census(census));
            return;
        }
        let (to, home) = (self.id + 1, ticket.connection.worker);
        debug_assert!(home < self.config.workers.max(1), "a ticket is of this node");
        if to >= self.config.workers.max(1) {
            return self.end_census(*census);
        }
        *next = 0;
        self.letter(to, Mail::Census(census));
    }

    fn end_census(&mut self, census: Census) {
        let Census { wanted, mut found, ticket, .. } = census;
        let more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        let next = found.last().filter(|_| more).map(|(rank, _)| cursor(self.seed, rank));
        let connections: Vec<_> =
            found.iter().map(|(rank, sight)| self.describe_connection(rank, sight)).collect();
        let json = json!({ "connections": connections, "next": next }).to_string().into_bytes();
        let to = ticket.connection.worker;
        let content = Content::Connections(json);
        self.letter(to, Mail::Answer(Box::new(Answer { ticket, channel: None, content })));
    }

    fn describe_connection(&self, rank: &Rank, sight: &Sight) -> Value {
        let endpoint = match (sight.endpoint, &sight.channel) {
            (Endpoint::Envelope, _) => "/ws".into(),
            (Endpoint::Echo, _) => "/echo".into(),
            (Endpoint::Raw, Some(channel)) => format!("/channels/{}", shown(channel)),
            (Endpoint::Raw, None) => "/channels".into(),
        };
        json!({
            "connection": identity::name(self.seed, rank.key()),
            "user": sight.user.as_deref(),
            "address": sight.address.map(|address| address.to_string()),
            "node": self.config.node_name,
            "endpoint": endpoint,
            "since_ms": sight.since_ms,
            "age_ms": sight.age_ms,
            "subscriptions": sight.subscriptions,
            "queued_bytes": sight.queued_bytes,
            "behind": sight.behind,
        })
    }

    /// What is in this slot, if it is a WebSocket that is wanted.
    fn sight(&self, slot: u32, wanted: &Wanted) -> Option<(Rank, Sight)> {
        let (hot, cold) = (self.table.hot(slot), self.table.cold(slot));
        let key = self.key(slot);
        let passed = |rank: Rank| wanted.after.is_some_and(|after| rank <= after);
        let elsewhere = |channel| !self.follows(slot, &self.full_name(slot, channel));
        let user = self.token(slot).map(|token| &token.user);
        // What has no socket is a probe.
        if !matches!(hot.phase, Phase::Opening | Phase::Open)
            || hot.socket.is_none()
            || wanted.user.as_ref().is_some_and(|wanted| user.is_none_or(|user| **user != **wanted))
            || !wanted.queued && passed(Rank::new(key, (0, 0)))
            || wanted.channel.as_deref().is_some_and(elsewhere)
        {
            return None;
        }
        let (queued_bytes, mut behind, mut channel) = (hot.queued() as u64, 0, None);
        for reference in hot.references() {
            let Some(feed) = self.feeds.get(reference.feed as usize) else { continue };
            let place = feed.place_of(reference.at as usize);
            if let (Some(end), Some(place)) = (feed.position(), place) {
                behind += end.index.saturating_sub(place.index);
            }
            if hot.endpoint() == Endpoint::Raw {
                channel = Some(Arc::clone(&feed.channel));
            }
        }
        let weight = if wanted.queued { (queued_bytes, behind) } else { (0, 0) };
        let rank = Rank::new(key, weight);
        if passed(rank) {
            return None;
        }
        let age_ms = self.now.mono_ms.saturating_sub(u64::from(cold.opened) * TICK_MS);
        let age_ms = self.config.idle_timeout.is_zero().then_some(age_ms);
        let sight = Sight {
            user: user.map(Arc::clone),
            address: self.client_address(slot),
            endpoint: hot.endpoint(),
            channel,
            since_ms: age_ms.map(|age_ms| self.now.wall_ms.saturating_sub(age_ms)),
            age_ms,
            subscriptions: self.subscriptions_of(slot),
            queued_bytes,
            behind,
        };
        Some((rank, sight))
    }

    /// Closes a WebSocket of this worker, because the backend wants it.
    pub(super) fn disconnect(&mut self, letter: Disconnect) {
        let Disconnect { connection, reconnect, ticket } = letter;
        let ConnectionKey { slot, generation, .. } = connection;
        let is_socket = |phase| matches!(phase, Phase::Opening | Phase::Open);
        let found = self.table.same(slot, generation);
        let found = found.is_some_and(|hot| is_socket(hot.phase) && hot.socket.is_some());
        if found {
            self.close(slot, if reconnect { CloseCode::MOVED } else { CloseCode::DISCONNECTED });
        }
        let to = ticket.connection.worker;
        let content = Content::Disconnected(u64::from(found));
        self.letter(to, Mail::Answer(Box::new(Answer { ticket, channel: None, content })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back() {
        let key = ConnectionKey { worker: 3, slot: 70_000, generation: 9 };
        for weight in [(0, 0), (7, u64::MAX)] {
            let rank = Rank::new(key, weight);
            let text = cursor(42, &rank);
            assert_eq!(parse_cursor(42, &text), Some(rank));
            assert_eq!(parse_cursor(43, &text), None, "another node's");
        }
        for bad in ["", ".", "..", "1.2", "1.2.x", "x.2.a-0-0-0", "-1.0.a-0-0-0"] {
            assert_eq!(parse_cursor(42, bad), None, "{bad}");
        }
    }
}
