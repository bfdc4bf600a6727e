//! Presence: who is in the channels that one worker owns, and what those who want to know are told
//! of it. Changes of a channel are gathered, and told as one difference at most once per interval;
//! where there are too many members, only their number is told. It never sends: it returns
//! deliveries and pages, as `shard` does.
//!
//! Presence of a channel is heard through a *companion*: a channel of its own, at the same owner,
//! that no client can name. Its publications are the differences, and whoever joins it or lags
//! behind it gets a snapshot as its page; so joining, lagging and windows are as everywhere.
//!
//! `members` is who is there, `listeners` the companion, `words` the JSON.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use super::channel::Scratch;
use super::page::Page;
use super::{Audience, ConnectionKey, Delivery, Encoding, Epoch, FeedKey, Framer, Now, WorkerId};

mod listeners;
mod members;
#[cfg(test)]
mod tests;
mod words;

use listeners::Listeners;
use members::{Entered, Members};

/// What the name of a companion begins with; then comes the name of its channel.
pub const COMPANION: &str = "$presence.";

/// The name of a channel's companion.
pub fn companion(channel: &str) -> Arc<str> {
    [COMPANION, channel].concat().into()
}

/// The channel of which this is the companion.
pub fn heard(companion: &str) -> Option<&str> {
    companion.strip_prefix(COMPANION)
}

/// A member of a channel. Users come first, each in order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Somebody who has logged in, with however many connections.
    User(Arc<str>),
    /// A connection of nobody in particular.
    Guest(ConnectionKey),
}

/// The bounds of presence at one owner.
#[derive(Clone, Copy, Debug)]
pub struct PresenceLimits {
    /// Members of a channel that are told by name.
    pub members: usize,
    /// Time between two differences, in milliseconds.
    pub interval_ms: u64,
    /// How long a user without connections is still there, in milliseconds.
    pub leave_delay_ms: u64,
    /// Bytes of all members that are known by name.
    pub max_bytes: usize,
}

/// How connections are named: the function, and the seed that it takes.
pub type Naming = (fn(u64, ConnectionKey) -> String, u64);

/// A part of the list of a channel's members, as JSON, is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Behind this member.
    pub after: Option<Who>,
    /// At most so many.
    pub limit: usize,
    /// At most so many bytes, but one member.
    pub bytes: usize,
}

/// Who is in a channel, for audits.
#[derive(Debug)]
pub struct Attendance<'a> {
    /// Its name.
    pub channel: &'a str,
    /// How many are there.
    pub count: u64,
    /// Those who are known by name.
    pub members: Vec<Who>,
    /// How many listen, of each kind.
    pub listeners: Vec<(Audience, usize)>,
}

/// One channel.
#[derive(Debug)]
struct Roster {
    name: Arc<str>,
    members: Members,
    listeners: Option<Box<Listeners>>,
}

/// All channels of one owner in which somebody is, or whose presence somebody hears.
#[derive(Debug)]
pub struct Presences {
    limits: PresenceLimits,
    naming: Naming,
    names: HashMap<Arc<str>, usize, FixedState>,
    rosters: Slab<Roster>,
    /// Which of them have something to tell, and when.
    due: BTreeSet<(u64, usize)>,
    /// Users without connections, by the time at which they leave.
    leaving: BTreeSet<(u64, usize, Arc<str>)>,
    /// The earliest of both, or earlier.
    next_ms: u64,
    scratch: Scratch,
    next_epoch: u64,
    /// Members that are known by name, and their bytes.
    named: usize,
    bytes: usize,
    /// Somebody found no room for a name; a channel was too large to tell names.
    overflow: bool,
    crowd: bool,
}

impl Presences {
    /// Nobody anywhere. `seed` makes the epochs of companions differ from those of other lives.
    pub fn new(limits: PresenceLimits, naming: Naming, seed: u64) -> Self {
        Self {
            limits,
            naming,
            names: HashMap::with_hasher(FixedState::with_seed(seed)),
            rosters: Slab::new(),
            due: BTreeSet::new(),
            leaving: BTreeSet::new(),
            next_ms: u64::MAX,
            scratch: Scratch::default(),
            next_epoch: seed >> 20,
            named: 0,
            bytes: 0,
            overflow: false,
            crowd: false,
        }
    }

    /// A connection has come to a channel. `full`: names are told there, else only how many.
    pub fn enter(
        &mut self,
        channel: &str,
        who: &Who,
        info: Option<Arc<str>>,
        full: bool,
        now: Now,
    ) {
        let at = self.find_or_create(channel);
        let room = self.bytes + members::cost(who, info.as_deref()) <= self.limits.max_bytes;
        // Users are known by name anyhow, for each counts once.
        let nameable = room && (full || matches!(who, Who::User(_)));
        let entered = self.with_members(at, |members| members.enter(who, info, nameable));
        match entered {
            Entered::Back(leave_ms) => {
                if let (Who::User(user), Some(leave_ms)) = (who, leave_ms) {
                    self.leaving.remove(&(leave_ms, at, Arc::clone(user)));
                }
            }
            Entered::Unnamed if !room => self.overflow = true,
            Entered::Named | Entered::Unnamed => {}
        }
        self.changed(at, who, now);
    }

    /// A connection has left a channel that it had come to. A user without any is still there for
    /// a while, so that a reconnect is not seen; a guest comes back as another one.
    pub fn exit(&mut self, channel: &str, who: &Who, now: Now) {
        let Some(&at) = self.names.get(channel) else {
            debug_assert!(false, "a channel is known as long as somebody is there");
            return;
        };
        let delay_ms = self.limits.leave_delay_ms;
        let leave_ms = (delay_ms > 0).then(|| now.mono_ms + delay_ms);
        let leaves = self.with_members(at, |members| members.exit(who, leave_ms));
        if let (Who::User(user), Some(leave_ms)) = (who, leaves) {
            self.leaving.insert((leave_ms, at, Arc::clone(user)));
            self.next_ms = self.next_ms.min(leave_ms);
        }
        self.changed(at, who, now);
    }

    /// Counts a new listener, and gives it its snapshot.
    pub fn hear(
        &mut self,
        channel: &str,
        audience: Audience,
        feed: FeedKey,
        full: bool,
        now: Now,
        framer: &mut impl Framer,
    ) -> Page {
        let at = self.find_or_create(channel);
        let roster = &mut self.rosters[at];
        let (members, next_epoch) = (&mut roster.members, &mut self.next_epoch);
        let listeners = roster.listeners.get_or_insert_with(|| {
            *next_epoch += 1;
            // What nobody has been told yet can be told at once.
            let names = full && members.fit(self.limits.members);
            if names {
                members.tell_all();
            }
            let (name, epoch) = (companion(channel), Epoch(*next_epoch));
            Box::new(Listeners::new(name, epoch, names, members.count(), now))
        });
        listeners.joined(audience, feed);
        listeners.snapshot(&roster.members, audience.encoding, now, self.naming, framer)
    }

    /// Counts one listener less.
    pub fn unhear(&mut self, channel: &str, audience: Audience) {
        let Some(&at) = self.names.get(channel) else {
            debug_assert!(false, "a channel is known as long as somebody listens");
            return;
        };
        let roster = &mut self.rosters[at];
        let Some(listeners) = &mut roster.listeners else {
            debug_assert!(false, "one leave per join");
            return;
        };
        if !listeners.left(audience) {
            return;
        }
        let due_ms = listeners.due_ms;
        roster.listeners = None;
        if let Some(due_ms) = due_ms {
            self.due.remove(&(due_ms, at));
        }
        self.with_members(at, Members::untell_all);
        self.forget_if_empty(at);
    }

    /// What a listener that lags gets: a new snapshot. It listens, so the channel is there.
    pub fn pull(
        &mut self,
        channel: &str,
        encoding: Encoding,
        now: Now,
        framer: &mut impl Framer,
    ) -> Option<Page> {
        let &at = self.names.get(channel)?;
        let Roster { members, listeners, .. } = &mut self.rosters[at];
        let page = listeners.as_mut()?.snapshot(members, encoding, now, self.naming, framer);
        Some(page)
    }

    /// When there will be something to do, or a little earlier; `u64::MAX` for never.
    pub fn next_ms(&self) -> u64 {
        self.next_ms
    }

    /// Lets users go who have been away for too long, at most so many.
    pub fn let_go(&mut self, most: usize, now: Now) {
        for _ in 0..most {
            let Some((leave_ms, ..)) = self.leaving.first() else { break };
            if *leave_ms > now.mono_ms {
                break;
            }
            let Some((_, at, user)) = self.leaving.pop_first() else { break };
            let who = Who::User(user);
            self.with_members(at, |members| members.let_go(&who));
            self.changed(at, &who, now);
        }
        self.look_ahead();
    }

    /// A channel that has something to tell now. It is told, or put off, before the next is asked
    /// for.
    pub fn first_due(&self, now: Now) -> Option<Arc<str>> {
        let &(due_ms, at) = self.due.first()?;
        (due_ms <= now.mono_ms).then(|| Arc::clone(&self.rosters[at].name))
    }

    /// The workers that have listeners of a channel.
    pub fn interested(&self, channel: &str) -> impl Iterator<Item = WorkerId> + '_ {
        let roster = self.names.get(channel).map(|&at| &self.rosters[at]);
        let listeners = roster.and_then(|roster| roster.listeners.as_ref());
        listeners.into_iter().flat_map(|listeners| listeners.workers())
    }

    /// Puts off what a channel has to tell, for there is too much mail for those who listen. What
    /// comes meanwhile is gathered too.
    pub fn put_off(&mut self, channel: &str, ms: u64, now: Now) {
        let Some(&at) = self.names.get(channel) else { return };
        self.take_due(at);
        if let Some(listeners) = &mut self.rosters[at].listeners {
            listeners.due_ms = Some(now.mono_ms + ms);
            self.due.insert((now.mono_ms + ms, at));
        }
        self.look_ahead();
    }

    /// Tells what has changed in a channel, if it is time; appends the deliveries, and says whether
    /// there was something.
    pub fn tell(
        &mut self,
        channel: &str,
        full: bool,
        now: Now,
        framer: &mut impl Framer,
        deliveries: &mut Vec<(WorkerId, Delivery)>,
    ) -> bool {
        let Some(&at) = self.names.get(channel) else { return false };
        let due = |listeners: &Listeners| listeners.due_ms.is_some_and(|ms| ms <= now.mono_ms);
        if !self.rosters[at].listeners.as_deref().is_some_and(due) {
            return false;
        }
        self.take_due(at);
        self.look_ahead();
        let Roster { members, listeners, .. } = &mut self.rosters[at];
        let Some(listeners) = listeners else { return false };
        let (named, bytes) = (members.named(), members.bytes());
        let (most, naming) = (self.limits.members, self.naming);
        let crowded = listeners.names && full && members.count() > most as u64;
        let news = listeners.news(members, full, most, naming);
        self.named = self.named - named + members.named();
        self.bytes = self.bytes - bytes + members.bytes();
        let Some(news) = news else { return false };
        self.crowd |= crowded;
        listeners.next_ms = now.mono_ms + self.limits.interval_ms;
        listeners.publish(news, now, framer, &mut self.scratch, deliveries);
        self.scratch.rest();
        true
    }

    /// Appends a part of the list of a channel's members: how many there are, who, and behind whom
    /// to go on. Who they are is left out unless it may be told, and is known, of all.
    pub fn list(&self, out: &mut Vec<u8>, channel: &str, full: bool, span: &Span) {
        let members = self.names.get(channel).map(|&at| &self.rosters[at].members);
        words::list(out, members, full, span, self.naming);
    }

    /// New rules are in force: what may be told has changed perhaps.
    pub fn reconsider(&mut self, now: Now) {
        for (at, roster) in &mut self.rosters {
            let Some(listeners) = &mut roster.listeners else { continue };
            if listeners.due_ms.is_none() {
                let due_ms = listeners.next_ms.max(now.mono_ms);
                listeners.due_ms = Some(due_ms);
                self.due.insert((due_ms, at));
            }
        }
        self.look_ahead();
    }

    /// Members that are known by name.
    pub fn named(&self) -> usize {
        self.named
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether somebody found no room for a name, since the last call.
    pub fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflow)
    }

    /// Whether a channel had too many members to go on telling their names, since the last call.
    pub fn take_crowd(&mut self) -> bool {
        std::mem::take(&mut self.crowd)
    }

    /// Every channel, for audits.
    pub fn rosters(&self) -> impl Iterator<Item = Attendance<'_>> {
        self.rosters.iter().map(|(_, roster)| {
            let listeners = roster.listeners.iter().flat_map(|listeners| listeners.audiences());
            let members = roster.members.all(None).map(|(who, _)| who).collect();
            let (channel, count) = (&*roster.name, roster.members.count());
            Attendance { channel, count, members, listeners: listeners.collect() }
        })
    }

    fn find_or_create(&mut self, channel: &str) -> usize {
        if let Some(&at) = self.names.get(channel) {
            return at;
        }
        let name: Arc<str> = channel.into();
        let members = Members::default();
        let roster = Roster { name: Arc::clone(&name), members, listeners: None };
        let at = self.rosters.insert(roster);
        self.names.insert(name, at);
        at
    }

    /// Does something to the members of a channel, and keeps the totals.
    fn with_members<T>(&mut self, at: usize, change: impl FnOnce(&mut Members) -> T) -> T {
        let members = &mut self.rosters[at].members;
        let (named, bytes) = (members.named(), members.bytes());
        let outcome = change(members);
        self.named = self.named - named + members.named();
        self.bytes = self.bytes - bytes + members.bytes();
        outcome
    }

    /// Somebody's presence has changed: it will be told, where somebody listens.
    fn changed(&mut self, at: usize, who: &Who, now: Now) {
        let Roster { members, listeners, .. } = &mut self.rosters[at];
        let Some(listeners) = listeners else {
            return self.forget_if_empty(at);
        };
        listeners.note(who, members);
        if listeners.due_ms.is_none() {
            let due_ms = listeners.next_ms.max(now.mono_ms);
            listeners.due_ms = Some(due_ms);
            self.due.insert((due_ms, at));
            self.next_ms = self.next_ms.min(due_ms);
        }
    }

    fn take_due(&mut self, at: usize) {
        let listeners = self.rosters[at].listeners.as_mut();
        if let Some(due_ms) = listeners.and_then(|listeners| listeners.due_ms.take()) {
            self.due.remove(&(due_ms, at));
        }
    }

    fn look_ahead(&mut self) {
        let due = self.due.first().map(|&(due_ms, _)| due_ms);
        let leaving = self.leaving.first().map(|&(leave_ms, ..)| leave_ms);
        self.next_ms = due.into_iter().chain(leaving).min().unwrap_or(u64::MAX);
    }

    fn forget_if_empty(&mut self, at: usize) {
        let Roster { name, members, listeners } = &self.rosters[at];
        if members.is_empty() && listeners.is_none() {
            self.names.remove(name);
            self.rosters.remove(at);
        }
    }
}
