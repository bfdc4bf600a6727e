//! The clock: the only file that reads the time. A worker reads it once per turn and hands the
//! result on; everything else gets `Now` as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::worker::net::Now;

/// One clock for all workers of a node, so that their readings can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose `mono_ms` starts at 0 now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Reads both times. `mono_ms` never falls; `wall_ms` follows the system's clock, and is 0
    /// while that stands before 1970.
    pub fn now(&self) -> Now {
        now(self.mono_us(), wall_us())
    }

    fn mono_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }
}

/// A clock for who reads it all the time: the system's time of day is looked up ten times a second
/// and counted on in between. A step of that is followed so much later.
#[derive(Clone, Copy, Debug)]
pub struct TurnClock {
    clock: Clock,
    /// The last reading.
    read_us: u64,
    /// When the time of day was looked up, and what it was.
    looked_up: Option<(u64, u64)>,
}

impl TurnClock {
    const LOOK_UP_EVERY_US: u64 = 100_000;

    /// Reads both times, as `Clock::now` does.
    pub fn now(&mut self) -> Now {
        self.read_us = self.clock.mono_us();
        now(self.read_us, self.wall_us_at(self.read_us, wall_us))
    }

    fn wall_us_at(&mut self, mono_us: u64, look_up: impl FnOnce() -> u64) -> u64 {
        let recent = |known: &(u64, u64)| mono_us - known.0 < Self::LOOK_UP_EVERY_US;
        let known = self.looked_up.filter(recent);
        let (then_us, wall_us) = known.unwrap_or_else(|| (mono_us, look_up()));
        self.looked_up = Some((then_us, wall_us));
        wall_us + (mono_us - then_us)
    }

    /// What was read last, in microseconds since the start.
    pub fn read_us(&self) -> u64 {
        self.read_us
    }
}

impl From<Clock> for TurnClock {
    fn from(clock: Clock) -> Self {
        Self { clock, read_us: 0, looked_up: None }
    }
}

fn now(mono_us: u64, wall_us: u64) -> Now {
    Now { mono_ms: mono_us / 1000, mono_us, wall_ms: wall_us / 1000 }
}

fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_its_start_and_from_1970() {
        let clock = Clock::start();
        let mut turns = TurnClock::from(clock);
        let (first, second) = (clock.now(), turns.now());
        assert!(first.mono_ms < 60_000, "counts from the start: {first:?}");
        assert!(first.mono_ms <= second.mono_ms);
        // 2025 to 2100: milliseconds, not seconds or microseconds.
        assert!((1_735_000_000_000..4_102_000_000_000).contains(&first.wall_ms), "{first:?}");
        assert!(second.wall_ms.abs_diff(first.wall_ms) < 60_000, "the same time of day");
        assert_eq!(turns.read_us(), second.mono_us);
    }

    #[test]
    fn the_time_of_day_is_counted_on_for_a_tenth_of_a_second() {
        let mut turns = TurnClock::from(Clock::start());
        assert_eq!(turns.wall_us_at(7, || 5_000_000), 5_000_000);
        assert_eq!(turns.wall_us_at(100_006, || unreachable!("it is known")), 5_099_999);
        assert_eq!(turns.wall_us_at(100_007, || 4_000_000), 4_000_000, "and followed back, too");
        assert_eq!(turns.wall_us_at(100_008, || unreachable!("it is known")), 4_000_001);
    }
}
