//! What a worker holds, counted the slow and obvious way, for the simulation: the fast counts are
//! checked against these after every turn.

use std::collections::HashSet;
use std::sync::Arc;

use super::Worker;
use super::hooks::Parked;
use super::net::Net;
use crate::conn::entry::{Flags, Hot, Phase};
use crate::conn::inbox::Inbox;
use crate::feed::subscription::Marks;
use crate::http::body::BodyReader;
use crate::hub::presence::{self, Attendance, COMPANION, Who};
use crate::hub::{Audience, Position};
use crate::policy::Policy;

/// A worker's holdings.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Connections.
    pub connections: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Feeds.
    pub feeds: usize,
    /// Feeds with a pace, each of which may hold one page.
    pub paced: usize,
    /// Bytes in the windows of feeds.
    pub window_bytes: usize,
    /// Bytes of unfinished input and private output.
    pub buffered_bytes: usize,
    /// Messages about which the backend is asked.
    pub parked: usize,
    /// What the subscriptions here come to.
    pub joined: Vec<(String, Audience, usize)>,
    /// What the channels owned here think that others have.
    pub counted: Vec<(String, Audience, usize)>,
    /// Who is present in which channel, as the connections here have said.
    pub present: Vec<(String, Who)>,
    /// In the channels owned here: how many are there, and who of them has a name.
    pub told: Vec<(String, u64, Vec<Who>)>,
    /// The heads of the channels owned here.
    pub heads: Vec<(String, Position)>,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Not everything has been looked at under it.
    pub reviews: bool,
    /// What is wrong.
    pub faults: Vec<String>,
}

impl<N: Net> Worker<N> {
    /// Counts everything.
    pub fn audit(&self) -> Audit {
        let mut audit = Audit {
            connections: self.table.len(),
            parked: self.parked.len(),
            policy: Arc::clone(&self.policy),
            reviews: self.review.is_some(),
            ..Audit::default()
        };
        self.audit_buffers(&mut audit);
        self.audit_parked(&mut audit);
        for (slot, hot, _) in self.table.iter() {
            audit.subscriptions += self.subscriptions_of(slot);
            let waits = hot.flags.any(Flags::BLOCKED | Flags::DIRTY | Flags::DEAD);
            if hot.outbox.is_some() && !waits {
                audit.faults.push(format!("connection {slot} has output that nobody will send"));
            }
            for reference in hot.references() {
                let feed = self.feeds.get(reference.feed as usize);
                let there = feed.and_then(|feed| feed.subscriptions().get(reference.at as usize));
                if there.is_none_or(|there| there.slot != slot) {
                    audit.faults.push(format!("connection {slot} refers to nothing"));
                }
            }
        }
        self.audit_feeds(&mut audit);
        for channel in self.shard.channels() {
            audit.heads.push((channel.name.to_string(), channel.position()));
            for interest in &channel.interests {
                let name = channel.name.to_string();
                audit.counted.push((name, interest.audience, interest.count as usize));
            }
        }
        for Attendance { channel, count, members, listeners } in self.presences.rosters() {
            let companion = presence::companion(channel).to_string();
            let heard = |(audience, count)| (companion.clone(), audience, count);
            audit.counted.extend(listeners.into_iter().map(heard));
            audit.told.push((channel.to_owned(), count, members));
        }
        audit.joined.sort();
        audit.counted.sort();
        audit
    }

    fn audit_buffers(&self, audit: &mut Audit) {
        let mut places = HashSet::new();
        for (_, hot, cold) in self.table.iter() {
            let inbox = hot.inbox.as_ref();
            audit.buffered_bytes += inbox.map_or(0, |inbox| size_of::<Inbox>() + inbox.bytes());
            if let Some((own, shared)) = hot.outbox.as_ref().map(|outbox| outbox.recount()) {
                audit.buffered_bytes += own;
                let news = shared.into_iter().filter(|frames| places.insert(frames.as_ptr()));
                audit.buffered_bytes += news.map(|frames| frames.len()).sum::<usize>();
            }
            let call = cold.session.as_ref().and_then(|session| session.call.as_ref());
            let body = call.and_then(|call| call.body.as_ref());
            audit.buffered_bytes += body.map_or(0, BodyReader::memory);
        }
        let (held, counted) = (audit.buffered_bytes, self.ledger.bytes());
        if held != counted {
            audit.faults.push(format!("connections hold {held} bytes, {counted} counted"));
        }
    }

    /// Whoever is not read because of a question has one, and only one message that asks.
    fn audit_parked(&self, audit: &mut Audit) {
        let living = |hot: &Hot<N::Socket>| matches!(hot.phase, Phase::Opening | Phase::Open);
        for (slot, hot, _) in self.table.iter().filter(|(_, hot, _)| living(hot)) {
            let own = |at: &&Parked| at.belongs_to(self.key(slot));
            let count = self.parked.iter().map(|(_, parked)| parked).filter(own).count();
            if count != usize::from(hot.flags.has(Flags::PARKED)) {
                audit.faults.push(format!("connection {slot} has {count} messages that wait"));
            }
        }
    }

    fn audit_feeds(&self, audit: &mut Audit) {
        let mut subscriptions = 0;
        for (index, feed) in &self.feeds {
            audit.feeds += 1;
            audit.paced += usize::from(feed.pace.is_some());
            audit.window_bytes += feed.window_bytes();
            let name = feed.channel.to_string();
            if !name.starts_with(COMPANION) {
                subscriptions += feed.subscriptions().len();
            }
            audit.joined.push((name, self.audience(index as u32), feed.subscriptions().len()));
            let present = feed.subscriptions().iter().filter(|s| s.marks.any(Marks::PRESENT));
            let present = present.map(|s| (feed.channel.to_string(), self.who(s.slot).0));
            audit.present.extend(present);
            let lagging = feed.subscriptions().iter().filter(|s| feed.lags(s)).count();
            let end = feed.position().map(|position| position.index);
            if end.is_some() && lagging != feed.lagging() {
                let counted = feed.lagging();
                let fault = format!("{}: {lagging} lag, {counted} counted", feed.channel);
                audit.faults.push(fault);
            }
            if lagging == 0 && feed.window_bytes() > 0 {
                audit.faults.push(format!("{}: a window that nobody reads", feed.channel));
            }
            if feed.window_bytes() > 0 && !self.windows.contains(&(index as u32)) {
                audit.faults.push(format!("{}: a window that is never dropped", feed.channel));
            }
        }
        if self.windows.iter().any(|&index| !self.feeds.contains(index as usize)) {
            audit.faults.push("a window of a feed that is gone".into());
        }
        let workers = usize::from(self.config.workers.max(1));
        if audit.window_bytes > self.config.max_window_bytes / workers {
            audit.faults.push(format!("{} bytes in windows", audit.window_bytes));
        }
        if subscriptions != audit.subscriptions || subscriptions != self.subscriptions {
            audit.faults.push(format!(
                "{subscriptions} subscriptions in feeds, {} in connections, {} counted",
                audit.subscriptions, self.subscriptions
            ));
        }
        if audit.window_bytes != self.spare.bytes() {
            let (held, counted) = (audit.window_bytes, self.spare.bytes());
            audit.faults.push(format!("{held} bytes in windows, {counted} counted"));
        }
    }
}
