//! What the model remembers of channels and keys, and what it forgets by which bound.

use std::sync::Arc;

use super::{Channel, Pair, Place, Start, cost};
use crate::hub::history::Bounds;
use crate::hub::idempotency::ENTRY_OVERHEAD;
use crate::hub::shard::Refused;
use crate::hub::{Epoch, Position, Publication};

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

    pub(super) fn is_refused(&self, name: &str, Refused::TooManyChannels: Refused) {
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
        let channel = Channel { epoch, head: 0, held: Vec::new(), touched: self.now.mono_ms };
        self.channels.insert(name.into(), channel);
    }

    /// Forgets what is too old; the newest stays.
    pub(super) fn expire(&mut self, name: &str) {
        let (now, age) = (self.now.mono_ms, self.limits.history.age_ms);
        let Some(channel) = self.channels.get_mut(name) else { return };
        while channel.held.len() > 1 && now - channel.held[0].0 > age {
            channel.held.remove(0);
        }
    }

    pub(super) fn bound_history(&mut self, name: &str) {
        let Bounds { count, bytes, .. } = self.limits.history;
        let held = &mut self.channels.get_mut(name).expect("it is there").held;
        let sum = |held: &[(u64, Arc<Publication>)]| -> usize {
            held.iter().map(|(_, publication)| cost(publication)).sum()
        };
        while held.len() > 1 && (held.len() > count || sum(held) > bytes) {
            held.remove(0);
        }
        self.expire(name);
    }

    /// The total: idle channels first, the oldest first; then the one that has grown.
    pub(super) fn shed(&mut self, grown: &str) {
        while self.bytes() > self.limits.max_history_bytes {
            let other = self.oldest_idle(|name, c| name != grown && !c.held.is_empty());
            let name = other.as_deref().unwrap_or(grown);
            let held = &mut self.channels.get_mut(name).expect("it is there").held;
            let gone = if other.is_some() { held.len() } else { held.len().min(1) };
            held.drain(..gone);
            if gone == 0 {
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
        let held = self.channels.values().flat_map(|channel| &channel.held);
        held.map(|(_, publication)| cost(publication)).sum::<usize>() + self.key_bytes()
    }
}
