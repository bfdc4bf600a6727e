//! What a shard lets go: quiet channels by age and number, history by its bounds and by the total.
//! It gives nothing out and takes nothing in; that is `shard`.

use super::{PROBE, Shard};
use crate::hub::Now;
use crate::hub::channel::Terms;

impl Shard {
    /// Forgets quiet channels, old keys and kept pages. To be called now and then; does a bounded
    /// piece of work.
    pub fn sweep(&mut self, now: Now) {
        self.keys.expire(now.mono_ms);
        self.pages.clear();
        let age = self.limits.position_age_ms;
        for _ in 0..256 {
            let Some(&(touched, at)) = self.idle.first() else { return };
            if age == 0 || now.mono_ms.saturating_sub(touched) <= age {
                return;
            }
            self.forget(at);
        }
    }

    /// Forgets the channel of a probe that is over.
    pub fn forget_probe(&mut self, name: &str) {
        debug_assert!(name.starts_with(PROBE));
        let at = self.names.get(name).copied();
        if let Some(at) = at.filter(|&at| self.channels[at].interests.is_empty()) {
            self.forget(at);
        }
    }

    pub(super) fn touch(&mut self, at: usize, now: Now) {
        self.busy(at);
        let channel = &mut self.channels[at];
        channel.touched_ms = now.mono_ms;
        if channel.interests.is_empty() {
            self.idle.insert((now.mono_ms, at));
            if !channel.history.is_empty() {
                self.stocked.insert((now.mono_ms, at));
            }
        }
    }

    pub(super) fn busy(&mut self, at: usize) {
        let entry = (self.channels[at].touched_ms, at);
        self.idle.remove(&entry);
        self.stocked.remove(&entry);
    }

    pub(super) fn forget(&mut self, at: usize) {
        self.busy(at);
        let channel = self.channels.remove(at);
        debug_assert!(channel.interests.is_empty(), "only idle channels are forgotten");
        self.names.remove(&channel.name);
        self.order.remove(&channel.name);
        self.probes -= usize::from(channel.name.starts_with(PROBE));
        self.history_bytes -= channel.history.bytes();
    }

    pub(super) fn expire(&mut self, at: usize, terms: &Terms, now: Now) {
        let history = &mut self.channels[at].history;
        let (before, forgotten) = (history.bytes(), history.forgotten());
        history.hold(now.mono_ms, &terms.history);
        self.overflows += u64::from(history.forgotten() > forgotten);
        self.history_bytes = self.history_bytes - before + history.bytes();
    }

    /// Holds the shard's total: idle channels lose their history first, oldest first, then the
    /// channel that has just grown loses its own, its newest last, then the oldest keys go.
    pub(super) fn shed_history(&mut self, grown: usize) {
        while self.history_bytes() > self.limits.max_history_bytes {
            let oldest = self.stocked.iter().find(|&&(_, at)| at != grown).copied();
            let at = oldest.map_or(grown, |(_, at)| at);
            let history = &mut self.channels[at].history;
            let before = history.bytes();
            match oldest {
                Some(entry) => {
                    self.stocked.remove(&entry);
                    history.clear();
                }
                None if !history.shed() && !self.keys.forget_oldest() => return,
                None => {}
            }
            self.history_bytes = self.history_bytes - before + history.bytes();
        }
    }
}
