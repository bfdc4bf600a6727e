//! Time for measuring: nanoseconds of `CLOCK_MONOTONIC`, the same in all processes of a machine,
//! and a timer that poll wakes up for without rounding to milliseconds.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

const SECOND: u64 = 1_000_000_000;

/// Now.
#[inline]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * SECOND + now.tv_nsec.cast_unsigned()
}

/// Becomes readable at the moment that it is set to.
#[derive(Debug)]
pub struct Timer(pub OwnedFd);

impl Timer {
    /// Set to nothing.
    pub fn new() -> io::Result<Self> {
        Ok(Self(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?))
    }

    /// Sets it to a moment, instead of the one before.
    pub fn set(&self, at_ns: u64) -> io::Result<()> {
        let at_ns = at_ns.max(1); // 0 would turn it off
        let it_value = Timespec {
            tv_sec: (at_ns / SECOND).cast_signed(),
            tv_nsec: (at_ns % SECOND).cast_signed(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(self.0.as_fd(), TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }
}
