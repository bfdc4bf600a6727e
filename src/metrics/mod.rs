//! The numbers: each worker writes its own counters (one writer, so a plain load and store),
//! readers add them up. Nothing is counted per delivery. `names` says what each is, `text` shows
//! it.
//!
//! Own text instead of a crate: the numbers lie in arrays, one per worker, that no registry knows
//! how to read, and the well-kept crate for the rest writes `OpenMetrics` only.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod histogram;
mod hooks;
mod names;
mod text;

use histogram::{Histogram, Totals};
pub use hooks::HookStats;
use names::{
    BUILD, BUSY, CLOSES, CONNECTIONS, COUNTERS, DRAINING, ENDS, GAPS, HEAP, HOOK_CALLS,
    HOOK_EVENTS, HOOK_QUEUES, HOOK_TIMES, LATENCY, LIMITS, MAIL, REFUSALS, RELOADS, REPLIES,
    STATUS_CLASSES, TURNS,
};
pub use names::{Counter, End, Family, HookOutcome, Kind, Limit, Over};
use text::Text;

use crate::client::code::Code;
use crate::drain::Drain;
use crate::heap;
use crate::hub::GapReason;
use crate::ws::close::CloseCode;

/// A number that one thread writes and all may read.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl Number {
    fn add(&self, count: u64) {
        self.0.store(self.value().wrapping_add(count), Ordering::Relaxed);
    }

    fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// So many of them. (The standard library has no default for arrays of more than 32.)
#[derive(Debug)]
struct Numbers<const N: usize>([Number; N]);

impl<const N: usize> Default for Numbers<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Number::default()))
    }
}

impl<const N: usize> std::ops::Index<usize> for Numbers<N> {
    type Output = Number;

    fn index(&self, at: usize) -> &Number {
        &self.0[at]
    }
}

/// The counters of one worker, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerStats {
    values: Numbers<{ COUNTERS.len() }>,
    closes: Numbers<{ CloseCode::ALL.len() }>,
    refusals: [Numbers<{ Code::ALL.len() }>; Over::ALL.len()],
    limits: Numbers<{ Limit::ALL.len() }>,
    ends: Numbers<{ End::ALL.len() }>,
    gaps: Numbers<{ GapReason::ALL.len() }>,
    replies: Numbers<{ STATUS_CLASSES.len() }>,
    busy_us: Number,
    turns: Histogram,
    latency: Histogram,
    /// Milliseconds of the worker's clock at which the turn began that is under way.
    turn_began_ms: AtomicU64,
    waiting: AtomicBool,
}

impl WorkerStats {
    /// Adds. Only the worker itself may.
    pub fn add(&self, counter: Counter, count: u64) {
        self.values[counter as usize].add(count);
    }

    /// Sets a gauge. Only the worker itself may.
    pub fn set(&self, counter: Counter, count: u64) {
        self.values[counter as usize].set(count);
    }

    /// Reads.
    pub fn value(&self, counter: Counter) -> u64 {
        self.values[counter as usize].value()
    }

    /// The server closes a connection with this code.
    pub fn closes(&self, code: CloseCode) {
        if let Some(at) = CloseCode::ALL.iter().position(|known| *known == code) {
            self.closes[at].add(1);
        }
    }

    /// An error is answered.
    pub fn refuses(&self, over: Over, code: Code) {
        if let Some(at) = Code::ALL.iter().position(|known| *known == code) {
            self.refusals[over as usize][at].add(1);
        }
    }

    /// A limit acts.
    pub fn limits(&self, limit: Limit) {
        self.limits[limit as usize].add(1);
    }

    /// A connection has ended.
    pub fn ends(&self, how: End) {
        self.ends[how as usize].add(1);
    }

    /// A gap is told.
    pub fn gaps(&self, reason: GapReason) {
        if let Some(at) = GapReason::ALL.iter().position(|known| *known == reason) {
            self.gaps[at].add(1);
        }
    }

    /// An HTTP request is answered.
    pub fn replies(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(2).min(STATUS_CLASSES.len() - 1);
        self.replies[class].add(1);
    }

    /// A turn is over that took so long.
    pub fn turned(&self, us: u64) {
        self.busy_us.add(us);
        self.turns.record(us);
    }

    /// A publication has been to all followers, so long after it was accepted.
    pub fn landed(&self, us: u64) {
        self.latency.record(us);
    }

    /// Times that a limit has acted here.
    pub fn limited(&self, limit: Limit) -> u64 {
        self.limits[limit as usize].value()
    }

    /// Connections here. Reads are not one instant, so this may be off by what moves.
    pub fn connections(&self) -> u64 {
        self.value(Counter::Adopted).saturating_sub(self.value(Counter::Buried))
    }

    /// The worker is about to wait for events.
    pub fn waits(&self) {
        self.waiting.store(true, Ordering::Relaxed);
    }

    /// The worker has begun a turn.
    pub fn turns(&self, mono_ms: u64) {
        self.turn_began_ms.store(mono_ms, Ordering::Relaxed);
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Whether the worker has ever come to its loop.
    pub fn has_begun(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) || self.value(Counter::Turns) > 0
    }

    /// Whether the worker waits, or began its turn at most `limit_ms` ago.
    pub fn is_live(&self, mono_ms: u64, limit_ms: u64) -> bool {
        self.waiting.load(Ordering::Relaxed)
            || mono_ms.saturating_sub(self.turn_began_ms.load(Ordering::Relaxed)) <= limit_ms
    }
}

/// The counters of all workers.
#[derive(Debug)]
pub struct Stats {
    workers: Box<[WorkerStats]>,
    /// Times that keys and rules were read again, and that this failed.
    reloads: [AtomicU64; 2],
    drain: Drain,
    hooks: HookStats,
}

impl Stats {
    /// Counters for so many workers.
    pub fn new(workers: usize) -> Self {
        let per_worker = (0..workers).map(|_| WorkerStats::default()).collect();
        let (reloads, hooks) = Default::default();
        Self { workers: per_worker, reloads, drain: Drain::new(workers), hooks }
    }

    /// One worker's.
    pub fn worker(&self, id: u16) -> &WorkerStats {
        &self.workers[usize::from(id)]
    }

    /// All workers'.
    pub fn workers(&self) -> &[WorkerStats] {
        &self.workers
    }

    /// The sum over all workers.
    pub fn sum(&self, counter: Counter) -> u64 {
        self.total(|worker| &worker.values[counter as usize])
    }

    /// How far the node is in draining.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// What became of calls to the backend.
    pub fn hooks(&self) -> &HookStats {
        &self.hooks
    }

    /// Keys and rules were read again, or could not be. Any thread may say so.
    pub fn reloaded(&self, well: bool) {
        self.reloads[usize::from(!well)].fetch_add(1, Ordering::Relaxed);
    }

    /// Connections of the node. Reads are not one instant, so this may be off by what moves.
    pub fn connections(&self) -> u64 {
        self.workers.iter().map(WorkerStats::connections).sum()
    }

    /// The sum over all workers.
    pub fn limited(&self, limit: Limit) -> u64 {
        self.total(|worker| &worker.limits[limit as usize])
    }

    /// The sum over all workers.
    pub fn ended(&self, how: End) -> u64 {
        self.total(|worker| &worker.ends[how as usize])
    }

    /// Closes sent with this code, over all workers.
    pub fn closed(&self, code: CloseCode) -> u64 {
        let at = CloseCode::ALL.iter().position(|known| *known == code);
        at.map_or(0, |at| self.total(|worker| &worker.closes[at]))
    }

    fn total(&self, number: impl Fn(&WorkerStats) -> &Number) -> u64 {
        self.workers.iter().map(|worker| number(worker).value()).fold(0, u64::wrapping_add)
    }

    /// Everything as Prometheus text.
    pub fn prometheus(&self) -> String {
        let mut text = Text::default();
        text.family(&BUILD).sample(&[env!("CARGO_PKG_VERSION")], 1);
        for (at, family) in COUNTERS.iter().enumerate() {
            let number = |worker: &WorkerStats| worker.values[at].value();
            self.one_or_each(&mut text, family, number);
        }
        self.one_or_each(&mut text, &CONNECTIONS, WorkerStats::connections);
        let mail = self.sum(Counter::Posted).saturating_sub(self.sum(Counter::Letters));
        text.family(&MAIL).sample(&[], mail);
        let draining = u64::from(self.drain.began_ms().is_some());
        text.family(&DRAINING).sample(&[], draining);
        let mut samples = text.family(&RELOADS);
        for (outcome, count) in ["ok", "failed"].iter().zip(&self.reloads) {
            samples.sample(&[outcome], count.load(Ordering::Relaxed));
        }
        text.family(&HEAP).sample(&[], heap::in_use());
        self.load(&mut text);
        self.reasons(&mut text);
        self.hooks.show(&mut text);
        text.finish()
    }

    fn one_or_each(&self, text: &mut Text, family: &Family, number: impl Fn(&WorkerStats) -> u64) {
        let mut samples = text.family(family);
        if family.labels.is_empty() {
            let sum = self.workers.iter().map(number).fold(0, u64::wrapping_add);
            return samples.sample(&[], sum);
        }
        for (id, worker) in self.workers.iter().enumerate() {
            samples.sample(&[&id.to_string()], number(worker));
        }
    }

    /// How busy the workers are.
    fn load(&self, text: &mut Text) {
        let mut samples = text.family(&BUSY);
        for (id, worker) in self.workers.iter().enumerate() {
            samples.sample(&[&id.to_string()], text::seconds(worker.busy_us.value()));
        }
        let sum = |histogram: fn(&WorkerStats) -> &Histogram| {
            let mut totals = Totals::default();
            self.workers.iter().for_each(|worker| histogram(worker).add_to(&mut totals));
            totals
        };
        text.family(&TURNS).histogram(&[], &sum(|worker| &worker.turns));
        text.family(&LATENCY).histogram(&[], &sum(|worker| &worker.latency));
    }

    /// What is counted by reason.
    fn reasons(&self, text: &mut Text) {
        let mut samples = text.family(&CLOSES);
        for (at, code) in CloseCode::ALL.iter().enumerate() {
            let labels = [&*code.0.to_string(), code.word()];
            samples.sample(&labels, self.total(|worker| &worker.closes[at]));
        }
        let mut samples = text.family(&ENDS);
        for &how in End::ALL {
            samples.sample(&[how.word()], self.ended(how));
        }
        let mut samples = text.family(&REFUSALS);
        for over in Over::ALL {
            for (at, code) in Code::ALL.iter().enumerate() {
                let count = self.total(|worker| &worker.refusals[over as usize][at]);
                samples.sample(&[code.as_str(), over.word()], count);
            }
        }
        let mut samples = text.family(&LIMITS);
        for &limit in Limit::ALL {
            samples.sample(&[limit.word()], self.limited(limit));
        }
        let mut samples = text.family(&GAPS);
        for (at, reason) in GapReason::ALL.iter().enumerate() {
            samples.sample(&[reason.as_str()], self.total(|worker| &worker.gaps[at]));
        }
        let mut samples = text.family(&REPLIES);
        for (at, class) in STATUS_CLASSES.iter().enumerate() {
            samples.sample(&[class], self.total(|worker| &worker.replies[at]));
        }
    }
}

/// Every metric that [`Stats::prometheus`] shows, but for `fanwire_heap_bytes` of builds that count
/// the heap.
pub fn families() -> Vec<Family> {
    let state = [BUILD, CONNECTIONS, MAIL, DRAINING, RELOADS, BUSY, TURNS, LATENCY];
    let reasons = [CLOSES, ENDS, REFUSALS, LIMITS, GAPS, REPLIES];
    let hooks = [HOOK_CALLS, HOOK_EVENTS, HOOK_QUEUES, HOOK_TIMES];
    COUNTERS.iter().copied().chain(state).chain(reasons).chain(hooks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_workers() {
        let stats = Stats::new(2);
        stats.worker(0).add(Counter::Accepted, 3);
        stats.worker(1).add(Counter::Accepted, 4);
        stats.worker(1).set(Counter::Channels, 9);
        stats.worker(1).limits(Limit::OpenFiles);
        stats.worker(0).refuses(Over::WebSocket, Code::RateLimited);
        stats.worker(1).closes(CloseCode::SLOW);
        stats.worker(1).ends(End::Reset);
        stats.worker(0).gaps(GapReason::Evicted);
        stats.worker(0).replies(204);
        stats.worker(0).replies(503);
        assert_eq!(stats.sum(Counter::Accepted), 7);
        let text = stats.prometheus();
        assert!(text.contains("\nfanwire_connections_accepted_total 7\n"), "{text}");
        assert!(text.contains("# TYPE fanwire_channels gauge\nfanwire_channels 9\n"), "{text}");
        assert!(text.contains("# HELP fanwire_channels Channels.\n"), "{text}");
        for sample in [
            r#"fanwire_limits_total{limit="open_files"} 1"#,
            r#"fanwire_refusals_total{code="rate_limited",over="ws"} 1"#,
            r#"fanwire_refusals_total{code="rate_limited",over="http"} 0"#,
            r#"fanwire_closes_total{code="4001",word="slow"} 1"#,
            r#"fanwire_ends_total{how="reset"} 1"#,
            r#"fanwire_gaps_total{reason="evicted"} 1"#,
            r#"fanwire_http_responses_total{status="2xx"} 1"#,
            r#"fanwire_http_responses_total{status="5xx"} 1"#,
            r#"fanwire_connections{worker="1"} 0"#,
        ] {
            assert!(text.contains(&format!("\n{sample}\n")), "{sample}: {text}");
        }
    }

    #[test]
    fn a_waiting_worker_is_live_and_a_stuck_one_is_not() {
        let stats = WorkerStats::default();
        stats.turns(1_000);
        assert!(stats.is_live(31_000, 30_000));
        assert!(!stats.is_live(31_001, 30_000));
        stats.waits();
        assert!(stats.is_live(1_000_000, 30_000));
    }
}
