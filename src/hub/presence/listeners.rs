//! The companion of one channel: those who hear who is there. It knows what they have been told,
//! gathers what they have not, and cuts the snapshots that joining and lagging ones get.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::members::Members;
use super::{Naming, Who, words};
use crate::hub::channel::{Channel, Draft, Scratch};
use crate::hub::history::Bounds;
use crate::hub::page::Page;
use crate::hub::{
    Audience, Delivery, Encoding, Epoch, FeedKey, Framer, Frames, Kind, Now, Publication, WorkerId,
    encode,
};

/// A lagging listener gets a snapshot: nothing is kept.
const NO_HISTORY: Bounds = Bounds { count: 0, bytes: 0, age_ms: 0 };

/// Those who hear the presence of one channel.
#[derive(Debug)]
pub(super) struct Listeners {
    channel: Channel,
    /// Whether they are told names, and not only how many.
    pub(super) names: bool,
    /// How many they were last told.
    told_count: u64,
    /// Whom they have been told wrong since; empty where they are told no names.
    changes: BTreeSet<Who>,
    /// When they may be told something again.
    pub(super) next_ms: u64,
    /// When they will be, where there is something.
    pub(super) due_ms: Option<u64>,
    /// What they have been told so far, in each encoding that was asked for.
    snapshots: Vec<(Encoding, Frames)>,
}

impl Listeners {
    /// Nobody yet. `names`: the members know that they will have been told.
    pub(super) fn new(name: Arc<str>, epoch: Epoch, names: bool, count: u64, now: Now) -> Self {
        Self {
            channel: Channel::new(name, epoch, now),
            names,
            told_count: count,
            changes: BTreeSet::new(),
            next_ms: now.mono_ms,
            due_ms: None,
            snapshots: Vec::new(),
        }
    }

    /// Counts one more.
    pub(super) fn joined(&mut self, audience: Audience, feed: FeedKey) {
        self.channel.joined(audience, feed);
    }

    /// Counts one less; says whether it was the last.
    pub(super) fn left(&mut self, audience: Audience) -> bool {
        self.channel.left(audience);
        self.channel.interests.is_empty()
    }

    /// The workers that have them.
    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerId> + '_ {
        self.channel.interests.iter().map(|interest| interest.audience.worker)
    }

    /// How many there are of each kind.
    pub(super) fn audiences(&self) -> impl Iterator<Item = (Audience, usize)> + '_ {
        self.channel.interests.iter().map(|i| (i.audience, i.count as usize))
    }

    /// Notes that somebody's presence has changed, or is again as it was told.
    pub(super) fn note(&mut self, who: &Who, members: &Members) {
        let (_, differs) = members.state(who);
        if self.names && differs {
            self.changes.insert(who.clone());
        } else {
            self.changes.remove(who);
        }
    }

    /// What there is to tell now, if anything; it counts as told. `full`: the rule allows names.
    /// A channel that has been too large by names is told so again when a quarter has left, so that
    /// it does not change its mind with everyone who comes and goes.
    pub(super) fn news(
        &mut self,
        members: &mut Members,
        full: bool,
        most: usize,
        naming: Naming,
    ) -> Option<Vec<u8>> {
        let count = members.count();
        let names = full && members.fit(if self.names { most } else { most - most / 4 });
        let mut out = Vec::new();
        match (self.names, names) {
            (true, true) if self.changes.is_empty() && count == self.told_count => return None,
            (false, false) if count == self.told_count => return None,
            (true, true) => {
                words::difference(&mut out, count, &self.changes, members, naming);
                self.changes.iter().for_each(|who| members.tell(who));
            }
            (true, false) => {
                members.untell_all();
                words::count(&mut out, count);
            }
            (false, false) => words::count(&mut out, count),
            (false, true) => {
                members.tell_all();
                words::snapshot(&mut out, count, Some(members), naming);
            }
        }
        self.changes.clear();
        (self.names, self.told_count) = (names, count);
        Some(out)
    }

    /// Publishes what there is to tell, to everybody.
    pub(super) fn publish(
        &mut self,
        news: Vec<u8>,
        now: Now,
        framer: &mut impl Framer,
        scratch: &mut Scratch,
        deliveries: &mut Vec<(WorkerId, Delivery)>,
    ) {
        self.snapshots.clear();
        let payload = news.into();
        let draft = Draft { kind: Kind::Json, payload, from: None, key: None, skip: None };
        self.channel.publish(draft, now, &NO_HISTORY, framer, scratch, deliveries);
    }

    /// The page of one who joins or lags: what all have been told. Others who ask before there are
    /// news get the same bytes.
    pub(super) fn snapshot(
        &mut self,
        members: &Members,
        encoding: Encoding,
        now: Now,
        naming: Naming,
        framer: &mut impl Framer,
    ) -> Page {
        let head = self.channel.head;
        let known = self.snapshots.iter().find(|(known, _)| *known == encoding);
        let frames = if let Some((_, frames)) = known {
            Arc::clone(frames)
        } else {
            let frames = self.encode_snapshot(members, encoding, now, naming, framer);
            self.snapshots.push((encoding, Arc::clone(&frames)));
            frames
        };
        Page { epoch: self.channel.epoch, gap: None, last: head, head, frames: Some(frames) }
    }

    fn encode_snapshot(
        &self,
        members: &Members,
        encoding: Encoding,
        now: Now,
        naming: Naming,
        framer: &mut impl Framer,
    ) -> Frames {
        let mut data = Vec::new();
        words::snapshot(&mut data, self.told_count, self.names.then_some(members), naming);
        let publication = Publication {
            position: self.channel.position(),
            kind: Kind::Json,
            timestamp: now.wall_ms,
            from: None,
            key: None,
            payload: data.into(),
        };
        let (mut frame, mut text) = (Vec::new(), Vec::new());
        let name = &self.channel.name;
        encode::frame(&mut frame, &mut text, encoding, name, &publication, framer);
        frame.into()
    }
}
