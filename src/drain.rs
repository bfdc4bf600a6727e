//! Draining a node: what the main thread and the workers share of it, and its timetable, which is
//! pure. It never touches a connection: what a worker does with its own is in `worker/drain.rs`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::limits::{DRAIN_END_MS, DRAIN_GRACE_MS, TICK_MS};

const NOT_YET: u64 = u64::MAX;

/// How far a node is in draining. Nothing here ever goes back.
#[derive(Debug)]
pub struct Drain {
    workers: usize,
    began_ms: AtomicU64,
    shut: AtomicBool,
    empty: AtomicUsize,
}

impl Drain {
    /// The state of a node with so many workers that serves.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            began_ms: AtomicU64::new(NOT_YET),
            shut: AtomicBool::new(false),
            empty: AtomicUsize::new(0),
        }
    }

    /// Begins, at this time of the workers' clock. The first call counts.
    pub fn begin(&self, mono_ms: u64) {
        // Fails where it has begun before.
        let _ =
            self.began_ms.compare_exchange(NOT_YET, mono_ms, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When it began, if it has.
    pub fn began_ms(&self) -> Option<u64> {
        Some(self.began_ms.load(Ordering::Relaxed)).filter(|&began_ms| began_ms != NOT_YET)
    }

    /// The door is shut, and its last connection is placed.
    pub fn shut_door(&self) {
        self.shut.store(true, Ordering::Release);
    }

    /// Whether no connection will be placed any more. Those that were can be seen by whoever has
    /// seen this.
    pub fn door_is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    /// One worker more has no connection, and will have none. Its letters are posted.
    pub fn worker_is_empty(&self) {
        self.empty.fetch_add(1, Ordering::Release);
    }

    /// Whether no worker has a connection: then nobody needs an owner any more.
    pub fn is_over(&self) -> bool {
        self.empty.load(Ordering::Acquire) >= self.workers
    }
}

/// When what happens in a drain, in milliseconds of the workers' clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// The notice is over: listeners are closed, and clients are told to go.
    pub leave_ms: u64,
    /// The first connections are closed.
    pub first_ms: u64,
    /// The last ones are closed, whether or not they have read everything.
    pub last_ms: u64,
    /// What is still there is cut off.
    pub end_ms: u64,
}

impl Timetable {
    /// The timetable of a drain that takes `time` in all, `notice` of it before anybody must go.
    /// `close`: how long a closing handshake may take, where there is time.
    pub fn new(began_ms: u64, notice: Duration, time: Duration, close: Duration) -> Self {
        let milliseconds = |time: Duration| time.as_millis() as u64;
        let time_ms = milliseconds(time);
        let end_ms = began_ms + time_ms - DRAIN_END_MS.min(time_ms / 8);
        let leave_ms = (began_ms + milliseconds(notice)).min(end_ms);
        let quarter_ms = (end_ms - leave_ms) / 4;
        let first_ms = leave_ms + DRAIN_GRACE_MS.min(quarter_ms);
        let last_ms = end_ms - milliseconds(close).min(quarter_ms);
        Self { leave_ms, first_ms, last_ms, end_ms }
    }

    /// When connection `number` of `count` is to be closed: spread evenly over the time that there
    /// is, but few of them one a tick, for a node with a handful of clients need not take long.
    pub fn closes_ms(&self, number: u64, count: u64) -> u64 {
        let span_ms = self.last_ms - self.first_ms;
        let evenly_ms = span_ms * number.min(count) / count.max(1);
        self.first_ms + evenly_ms.min(number * TICK_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn everything_has_its_time_and_its_order() {
        let usual = Timetable::new(5_000, Duration::ZERO, 20 * SECOND, 5 * SECOND);
        let wanted =
            Timetable { leave_ms: 5_000, first_ms: 6_000, last_ms: 19_850, end_ms: 24_800 };
        assert_eq!(usual, wanted);
        for notice_ms in [0, 1, 500, 10_000, 90_000] {
            for time_ms in [0, 1, 100, 3_000, 60_000] {
                let (notice, time) =
                    (Duration::from_millis(notice_ms), Duration::from_millis(time_ms));
                let Timetable { leave_ms, first_ms, last_ms, end_ms } =
                    Timetable::new(7, notice, time, 5 * SECOND);
                assert!(7 <= leave_ms && leave_ms <= first_ms && first_ms <= last_ms);
                assert!(last_ms <= end_ms && end_ms <= 7 + time_ms, "{notice:?} of {time:?}");
            }
        }
    }

    /// How many of `count` are closed in each tick.
    fn quotas(timetable: Timetable, count: u64) -> Vec<u64> {
        let ticks = (timetable.last_ms - timetable.first_ms) / TICK_MS + 1;
        let mut quotas = vec![0; ticks as usize];
        for number in 0..count {
            let at_ms = timetable.closes_ms(number, count);
            assert!((timetable.first_ms..=timetable.last_ms).contains(&at_ms));
            quotas[((at_ms - timetable.first_ms) / TICK_MS) as usize] += 1;
        }
        quotas
    }

    #[test]
    fn closes_are_spread_evenly() {
        let timetable = Timetable::new(0, 3 * SECOND, 20 * SECOND, 5 * SECOND);
        let ticks = (timetable.last_ms - timetable.first_ms) / TICK_MS;
        for count in [1_000, 5_000, 99_999] {
            let quotas = quotas(timetable, count);
            let even = count / ticks;
            for (tick, &quota) in quotas[..ticks as usize - 1].iter().enumerate() {
                assert!(quota.abs_diff(even) <= 2, "{quota} of {count} in tick {tick}");
            }
            assert_eq!(quotas.iter().sum::<u64>(), count);
        }
    }

    #[test]
    fn a_few_go_one_a_tick() {
        let timetable = Timetable::new(0, Duration::ZERO, 20 * SECOND, 5 * SECOND);
        let quotas = quotas(timetable, 7);
        assert_eq!(quotas[..8], [1, 1, 1, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn who_came_uncounted_goes_last() {
        let timetable = Timetable::new(0, Duration::ZERO, 4 * SECOND, SECOND);
        assert_eq!(timetable.closes_ms(900, 3), timetable.last_ms);
        assert_eq!(timetable.closes_ms(u64::from(u32::MAX), 0), timetable.first_ms);
    }

    #[test]
    fn it_is_over_when_every_worker_is_empty() {
        let drain = Drain::new(2);
        assert_eq!((drain.began_ms(), drain.is_over()), (None, false));
        drain.begin(5);
        drain.begin(9);
        assert_eq!(drain.began_ms(), Some(5));
        drain.worker_is_empty();
        assert!(!drain.is_over() && !drain.door_is_shut());
        drain.shut_door();
        drain.worker_is_empty();
        assert!(drain.is_over() && drain.door_is_shut());
    }
}
