//! The loop of the thread that tells: events in their order, many in one call. A call that fails is
//! tried again with back-off, until it is too old; then its events are lost, and the next call says
//! how many. Nobody waits for this.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Hooks, Waiting, words};
use crate::entropy::Random;
use crate::limits::{HOOK_BATCH, HOOK_BATCH_BYTES, HOOK_PAUSE_MS};
use crate::metrics::HookOutcome;
use crate::policy::hook::Backend;

impl Hooks {
    /// Tells until the queue is closed and empty, or there is no more time. For one thread.
    pub fn tell(&self, mut random: Random) {
        loop {
            let batch = self.events.pop_some(HOOK_BATCH, HOOK_BATCH_BYTES);
            if batch.is_empty() {
                return;
            }
            self.note_bytes();
            self.tell_batch(&batch, &mut random);
        }
    }

    /// Tells one batch, as often as it takes.
    fn tell_batch(&self, batch: &[Waiting], random: &mut Random) {
        let stories: Vec<_> = batch.iter().map(|waiting| &*waiting.call.body).collect();
        let (name, lost) = (self.client.name(), self.lost.load(Ordering::Relaxed));
        let body = words::batch(&stories, lost);
        let began_us = self.clock.now().mono_us;
        let (least_ms, most_ms) = HOOK_PAUSE_MS;
        let mut pause_ms = least_ms;
        // Without a backend there is nobody to be told.
        while let Some(backend) = self.backend() {
            if self.try_batch(&backend, &name, &body) {
                self.lost.fetch_sub(lost, Ordering::Relaxed);
                return self.count(batch, true);
            }
            let tried = Duration::from_micros(self.clock.now().mono_us.saturating_sub(began_us));
            if tried >= backend.retry || self.ends_ms.load(Ordering::Relaxed) != u64::MAX {
                tracing::warn!(events = batch.len(), "the backend was not told, events are lost");
                self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
                return self.count(batch, false);
            }
            // Nodes that have lost the same backend shall not come back all at once.
            self.events.rest(Duration::from_millis(pause_ms / 2 + random.below(pause_ms)));
            pause_ms = (2 * pause_ms).min(most_ms);
        }
    }

    /// Makes one call. Whether the backend has taken it.
    fn try_batch(&self, backend: &Backend, name: &str, body: &[u8]) -> bool {
        let now = self.clock.now();
        let ends_ms = self.ends_ms.load(Ordering::Relaxed);
        let left = Duration::from_millis(ends_ms.saturating_sub(now.mono_ms));
        let answer = self.client.post(backend, name, body, now, backend.timeout.min(left));
        let outcome = match answer {
            Ok((200..=299, _)) => HookOutcome::Told,
            Ok(_) => HookOutcome::Garbage,
            Err(outcome) => outcome,
        };
        let took_us = self.clock.now().mono_us.saturating_sub(now.mono_us);
        self.stats.hooks().tried(outcome, took_us);
        outcome == HookOutcome::Told
    }

    fn count(&self, batch: &[Waiting], well: bool) {
        for waiting in batch {
            self.stats.hooks().told(waiting.call.event, well);
        }
    }
}
