//! What wakes a sleeping worker when a time has come: one timer of the kernel, which poll knows
//! like a socket. It is set when what is due changes, where a timeout would be set anew for every
//! sleep. Never reads a clock; what is due, and when, is the worker's business (`sweep`).

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// One timer that rings once each time it is set.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: OwnedFd,
    /// When it rings, by the worker's clock.
    rings_us: Option<u64>,
}

impl Alarm {
    /// Not set. It rings as an event of `token`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer, rings_us: None })
    }

    /// Sees to it that it rings after `rest`, or before: one that was set for something that is no
    /// longer due wakes a worker once for nothing, which is cheaper than to set it back.
    pub(super) fn ring_in(&mut self, rest: Duration, now_us: u64) -> io::Result<()> {
        let due_us = now_us.saturating_add(rest.as_micros() as u64);
        if self.rings_us.is_some_and(|rings_us| rings_us <= due_us) {
            return Ok(());
        }
        // Zero would unset it.
        let rest = rest.max(Duration::from_nanos(1));
        let tv_sec = i64::try_from(rest.as_secs()).unwrap_or(i64::MAX);
        let it_value = Timespec { tv_sec, tv_nsec: rest.subsec_nanos().into() };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.rings_us = Some(due_us);
        Ok(())
    }

    /// Poll has told of it. Nothing is read: to set it again forgets how often it has rung.
    pub(super) fn rang(&mut self) {
        self.rings_us = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::event::Event;
    use mio::{Events, Poll};

    const HOUR: Duration = Duration::from_hours(1);
    const SOON: Duration = Duration::from_millis(1);
    /// An alarm that does not ring fails its test, and does not hang it.
    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn rings_once_each_time_it_is_set() {
        let mut poll = Poll::new().unwrap();
        let mut alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(8);
        for _ in 0..3 {
            alarm.ring_in(SOON, 0).unwrap();
            poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert_eq!(events.iter().map(Event::token).collect::<Vec<_>>(), [Token(7)]);
            alarm.rang();
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert!(events.is_empty(), "it has rung");
        }
    }

    #[test]
    fn the_first_of_all_that_is_due_counts() {
        let poll = Poll::new().unwrap();
        let mut alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        alarm.ring_in(HOUR, 5).unwrap();
        let first = alarm.rings_us;
        assert_eq!(first, Some(3_600_000_005));
        alarm.ring_in(2 * HOUR, 5).unwrap();
        assert_eq!(alarm.rings_us, first, "it rings before that anyway");
        alarm.ring_in(SOON, 5).unwrap();
        assert_eq!(alarm.rings_us, Some(1_005));
    }
}
