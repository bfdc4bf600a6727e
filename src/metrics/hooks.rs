//! What became of calls to the backend. Several threads write, so these are atomic sums; a call
//! takes so much longer than that.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::histogram::{BOUNDS, Totals};
use super::names::{HOOK_CALLS, HOOK_EVENTS, HOOK_QUEUES, HOOK_TIMES, HookOutcome};
use super::text::Text;
use crate::policy::hook::Event;

/// What is asked one by one.
const QUESTIONS: [Event; 3] = [Event::Connect, Event::Subscribe, Event::Publish];
/// What is told, many at once.
const EVENTS: [Event; 3] = [Event::Disconnect, Event::Occupied, Event::Vacated];
/// The value of the label `call` where events are told.
const TELLING: &str = "events";

/// The counters of all threads.
#[derive(Debug, Default)]
pub struct HookStats {
    /// By question, the last for calls that tell; and by outcome.
    calls: [[AtomicU64; HookOutcome::ALL.len()]; QUESTIONS.len() + 1],
    /// Events that were told, and lost ones.
    events: [[AtomicU64; 2]; EVENTS.len()],
    /// Bytes that wait: of questions, of events.
    waiting: [AtomicUsize; 2],
    times: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl HookStats {
    /// A question has its answer, so long after it was put; at once where it was not even asked.
    pub fn asked(&self, event: Event, outcome: HookOutcome, took_us: Option<u64>) {
        if let Some(at) = QUESTIONS.iter().position(|question| *question == event) {
            self.calls[at][outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(took_us) = took_us {
            self.took(took_us);
        }
    }

    /// A call that tells has been made, well or not.
    pub fn tried(&self, outcome: HookOutcome, took_us: u64) {
        self.calls[QUESTIONS.len()][outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.took(took_us);
    }

    /// An event was told, or never will be.
    pub fn told(&self, event: Event, well: bool) {
        if let Some(at) = EVENTS.iter().position(|told| *told == event) {
            self.events[at][usize::from(!well)].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many bytes wait.
    pub fn waits(&self, questions: usize, events: usize) {
        self.waiting[0].store(questions, Ordering::Relaxed);
        self.waiting[1].store(events, Ordering::Relaxed);
    }

    fn took(&self, us: u64) {
        let bucket = BOUNDS.partition_point(|&(bound, _)| bound < us);
        self.times[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Shows everything.
    pub(super) fn show(&self, text: &mut Text) {
        let mut samples = text.family(&HOOK_CALLS);
        let words = QUESTIONS.iter().map(|question| question.word()).chain([TELLING]);
        for (word, outcomes) in words.zip(&self.calls) {
            for (outcome, count) in HookOutcome::ALL.iter().zip(outcomes) {
                samples.sample(&[word, outcome.word()], count.load(Ordering::Relaxed));
            }
        }
        let mut samples = text.family(&HOOK_EVENTS);
        for (event, outcomes) in EVENTS.iter().zip(&self.events) {
            for (outcome, count) in ["told", "lost"].iter().zip(outcomes) {
                samples.sample(&[event.word(), outcome], count.load(Ordering::Relaxed));
            }
        }
        let mut samples = text.family(&HOOK_QUEUES);
        for (queue, bytes) in ["questions", "events"].iter().zip(&self.waiting) {
            samples.sample(&[queue], bytes.load(Ordering::Relaxed));
        }
        let mut totals =
            Totals { sum_us: self.sum_us.load(Ordering::Relaxed), ..Totals::default() };
        for (total, count) in totals.counts.iter_mut().zip(&self.times) {
            *total = count.load(Ordering::Relaxed);
        }
        text.family(&HOOK_TIMES).histogram(&[], &totals);
    }
}
