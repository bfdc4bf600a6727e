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
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mono_us = self.started.elapsed().as_micros() as u64;
        Now { mono_ms: mono_us / 1000, mono_us, wall_ms: wall.as_millis() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_its_start_and_from_1970() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.mono_ms < 60_000, "counts from the start: {first:?}");
        assert!(first.mono_ms <= second.mono_ms);
        // 2025 to 2100: milliseconds, not seconds or microseconds.
        assert!((1_735_000_000_000..4_102_000_000_000).contains(&first.wall_ms), "{first:?}");
    }
}
