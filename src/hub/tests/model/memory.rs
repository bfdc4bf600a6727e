//! What the model remembers of channels and keys, and what it forgets by which bound.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{Channel, Pair, Place, Start, cost, resume};
use crate::hub::history::Bounds;
use crate::hub::idempotency::ENTRY_OVERHEAD;
use crate::hub::latest::KEY_OVERHEAD;
use crate::hub::shard::Refused;
use crate::hub::{Epoch, Gap, GapReason, Position, Publication};

/// What a page says and gives.
type Given = (Option<Gap>, Vec<Arc<Publication>>);

impl Channel {
    /// The last values, in order.
    pub(super) fn values(&self) -> Vec<Arc<Publication>> {
        let mut values: Vec<_> = self.values.values().cloned().collect();
        values.sort_unstable_by_key(|publication| publication.position.index);
        values
    }

    /// Last values that the history does not hold any more.
    fn outlived(&self) -> Vec<Arc<Publication>> {
        let held = |index| self.held.iter().any(|(_, p)| p.position.index == index);
        self.values().into_iter().filter(|value| !held(value.position.index)).collect()
    }

    fn value_bytes(&self) -> usize {
        let keys = self.values.keys().flatten().map(|key| KEY_OVERHEAD + key.len());
        keys.sum::<usize>() + self.outlived().iter().map(|value| cost(value)).sum::<usize>()
    }

    /// What all of it costs.
    pub(super) fn bytes(&self) -> usize {
        self.held.iter().map(|(_, publication)| cost(publication)).sum::<usize>()
            + self.value_bytes()
    }

    /// Forgets the oldest of the last values that the history does not hold.
    fn forget_value(&mut self) -> bool {
        let Some(oldest) = self.outlived().first().cloned() else { return false };
        self.forgotten = oldest.position.index;
        self.values.retain(|_, value| value.position != oldest.position);
        true
    }

    fn at(&self, index: u64) -> Position {
        Position { epoch: self.epoch, index }
    }

    /// The place before what is given; at the head, where nothing is.
    pub(super) fn begins(&self, place: Place, given: &[Arc<Publication>]) -> u64 {
        match place {
            Place::At(index) => index,
            _ => given.first().map_or(self.head, |first| first.position.index - 1),
        }
    }

    /// What a reader of everything is told and given.
    pub(super) fn all(&self, place: Place, last: Option<u64>, reason: GapReason) -> Given {
        let held: Vec<u64> = self.held.iter().map(|(_, p)| p.position.index).collect();
        let (lost, given) = resume(&held, self.head, place, last);
        let to = self.at(given.first().map_or(self.head, |first| first - 1));
        let gap = match place {
            Place::Head => None,
            Place::At(index) => (!lost.is_empty()).then(|| {
                let missed = Some(lost.len() as u64);
                Gap { after: Some(self.at(index)), to, missed, reason }
            }),
            Place::Elsewhere(after) => {
                Some(Gap { after, to, missed: None, reason: GapReason::Epoch })
            }
        };
        let wanted = |p: &Arc<Publication>| given.contains(&p.position.index);
        (gap, self.held.iter().map(|(_, p)| Arc::clone(p)).filter(wanted).collect())
    }

    /// What a reader of the newest of every key is told and given.
    pub(super) fn latest(&self, place: Place, last: Option<u64>, reason: GapReason) -> Given {
        let values = self.values();
        let newest = |count: u64| {
            let skip = values.len().saturating_sub(count as usize);
            values.get(skip).map_or(self.head, |value| value.position.index - 1)
        };
        let (gap, to) = match place {
            Place::Head => (None, last.map_or(self.head, newest)),
            Place::At(index) if index >= self.forgotten => (None, index),
            Place::At(index) => {
                let to = last.map_or(self.forgotten, newest);
                let after = Some(self.at(index));
                (Some(Gap { after, to: self.at(to), missed: None, reason }), to)
            }
            Place::Elsewhere(after) => {
                let all = if reason == GapReason::Slow { self.forgotten } else { self.head };
                let (to, reason) = (last.map_or(all, newest), GapReason::Epoch);
                (Some(Gap { after, to: self.at(to), missed: None, reason }), to)
            }
        };
        (gap, values.into_iter().filter(|value| value.position.index > to).collect())
    }
}

impl Pair {
    pub(super) fn pick(&self, which: u8) -> Option<usize> {
        usize::from(which).checked_rem(self.subscribers.len())
    }

    pub(super) fn say(&self, channel: &str, start: Start) -> String {
        let here = self.channels.get(channel);
        let epoch = here.map_or(Epoch(7), |channel| channel.epoch);
        let head = here.map_or(0, |channel| channel.head);
        let index = match start {
            Start::Back(by) => head.saturating_sub(by.into()),
            Start::Ahead(by) => head + 1 + u64::from(by),
            Start::Past(which) => {
                let which = usize::from(which).checked_rem(self.past.len());
                return which.map_or_else(String::new, |which| self.past[which].to_string());
            }
            Start::Nonsense => return "nonsense".into(),
        };
        Position { epoch, index }.to_string()
    }

    pub(super) fn place(&self, channel: &str, position: Option<Position>) -> Place {
        let channel = &self.channels[channel];
        match position {
            Some(at) if at.epoch == channel.epoch && at.index <= channel.head => {
                Place::At(at.index)
            }
            _ => Place::Elsewhere(position),
        }
    }

    pub(super) fn is_idle(&self, name: &str) -> bool {
        self.subscribers.iter().all(|subscriber| subscriber.channel != name)
    }

    pub(super) fn oldest_idle(&self, wanted: impl Fn(&str, &Channel) -> bool) -> Option<String> {
        let idle = self.channels.iter().filter(|(name, _)| self.is_idle(name));
        let wanted = idle.filter(|(name, channel)| wanted(name, channel));
        wanted.min_by_key(|(_, channel)| channel.touched).map(|(name, _)| name.clone())
    }

    pub(super) fn is_refused(&self, name: &str, refused: Refused) {
        assert_eq!(refused, Refused::TooManyChannels);
        assert!(!self.channels.contains_key(name));
        assert_eq!(self.channels.len(), self.limits.max_channels);
        assert!(self.channels.keys().all(|name| !self.is_idle(name)));
    }

    pub(super) fn create(&mut self, name: &str, epoch: Epoch) {
        if let Some(channel) = self.channels.get(name) {
            assert_eq!(channel.epoch, epoch);
            return;
        }
        assert!(self.epochs.insert(epoch), "epochs are distinct");
        if self.channels.len() == self.limits.max_channels {
            let oldest = self.oldest_idle(|_, _| true).expect("else it is refused");
            self.channels.remove(&oldest);
        }
        let channel = Channel {
            epoch,
            head: 0,
            held: Vec::new(),
            values: BTreeMap::new(),
            forgotten: 0,
            touched: self.now.mono_ms,
            waits: HashSet::new(),
        };
        self.channels.insert(name.into(), channel);
    }

    /// Holds the bounds of a channel: the oldest go. The newest stays, where any are kept.
    pub(super) fn hold(&mut self, name: &str) {
        let Bounds { count, bytes, age_ms } = self.terms.history;
        let now = self.now.mono_ms;
        let Some(channel) = self.channels.get_mut(name) else { return };
        loop {
            let held = &channel.held;
            let sum: usize = held.iter().map(|(_, publication)| cost(publication)).sum();
            let old = held.first().is_some_and(|(at, _)| age_ms > 0 && now - at > age_ms);
            if held.len() <= count.min(1) || held.len() <= count && sum <= bytes && !old {
                break;
            }
            channel.held.remove(0);
        }
        while channel.value_bytes() > bytes && channel.held.len() + channel.outlived().len() > 1 {
            if !channel.forget_value() {
                channel.held.remove(0);
            }
        }
    }

    /// The total: idle channels first, the oldest first; then the one that has grown.
    pub(super) fn shed(&mut self, grown: &str) {
        while self.bytes() > self.limits.max_history_bytes {
            let other = self.oldest_idle(|name, c| name != grown && !c.values.is_empty());
            let name = other.as_deref().unwrap_or(grown);
            let channel = self.channels.get_mut(name).expect("it is there");
            if other.is_some() {
                channel.held.clear();
                while channel.forget_value() {}
            } else if !channel.held.is_empty() {
                channel.held.remove(0);
            } else if !channel.forget_value() {
                if self.keys.is_empty() {
                    return;
                }
                self.keys.remove(0);
            }
        }
    }

    pub(super) fn expire_keys(&mut self) {
        let (now, age) = (self.now.mono_ms, self.limits.idempotency_age_ms);
        self.keys.retain(|key| now - key.at <= age);
    }

    pub(super) fn key_bytes(&self) -> usize {
        let name = |(a, b, c): &(String, String, String)| a.len() + b.len() + c.len() + 9;
        self.keys.iter().map(|key| ENTRY_OVERHEAD + name(&key.name)).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.channels.values().map(Channel::bytes).sum::<usize>() + self.key_bytes()
    }
}
