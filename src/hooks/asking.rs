//! The loop of the threads that ask. Every question that was taken gets one verdict, and within its
//! time: that runs from the moment in which it was put into the queue, and they are asked in that
//! order, so that none waits behind one that has more time left.

use std::time::Duration;

use super::{Hooks, Ticket, Verdict, Waiting, words};
use crate::metrics::HookOutcome;

impl Hooks {
    /// Asks until the queue is closed. Any number of threads may do so.
    pub fn ask(&self, answer: impl Fn(Ticket, Verdict)) {
        while let Some(waiting) = self.questions.pop() {
            self.note_bytes();
            let Some(ticket) = waiting.call.ticket else { continue };
            answer(ticket, self.verdict(&waiting));
        }
    }

    fn verdict(&self, waiting: &Waiting) -> Verdict {
        let Waiting { call, since_us } = waiting;
        let now = self.clock.now();
        let waited = Duration::from_micros(now.mono_us.saturating_sub(*since_us));
        let answer = match self.backend() {
            Some(backend) => {
                let left = backend.timeout.saturating_sub(waited);
                self.client.post(&backend, &self.client.name(), &call.body, now, left)
            }
            // Hooks were turned off meanwhile; it was asked for when they were not.
            None => Err(HookOutcome::Unreachable),
        };
        let verdict = answer.and_then(|(status, body)| {
            words::verdict(status, &body).ok_or_else(|| {
                tracing::debug!(status, "the backend answers a hook with something else");
                HookOutcome::Garbage
            })
        });
        let took_us = self.clock.now().mono_us.saturating_sub(*since_us);
        let outcome = match &verdict {
            Ok(Verdict::Allowed) => HookOutcome::Allowed,
            Ok(_) => HookOutcome::Denied,
            Err(outcome) => *outcome,
        };
        self.stats.hooks().asked(call.event, outcome, Some(took_us));
        verdict.unwrap_or(Verdict::Silent)
    }
}
