//! `connect`: all connections are made at their rate and held; with `--churn` some are replaced all
//! the time. What is counted are handshakes, from the first packet to the 101.

use std::time::Duration;

use super::clock::now_ns;
use super::crowd::{Crowd, Wait};
use super::flags::{Connect, Plan};
use super::hearing::Audience;
use super::line::Line;
use super::report::{Server, Slice};
use super::script::Script;
use super::stamp::Stamp;
use super::tally::{Meter, Tally};
use super::work::{Work, arrive, settle};

/// The scenario, with everybody there.
pub struct Connecting {
    plan: Plan,
    crowd: Crowd,
    arrivals: Arrivals,
    meter: Meter,
    churn: u32,
    /// Whose turn it is to be replaced.
    next: usize,
    /// How everybody arrived, until it is told.
    arrived: Option<Slice>,
}

/// Counts who arrives.
struct Arrivals {
    tally: Tally,
}

impl Connecting {
    /// Connects everybody.
    pub fn new(plan: &Plan, flags: &Connect) -> Result<Self, String> {
        let connections = plan.common.connections as usize;
        let script = Script::of(plan)?;
        let mut crowd = Crowd::new(script, connections).map_err(|error| error.to_string())?;
        let mut arrivals = Arrivals { tally: Tally::new()? };
        let mut meter = Meter::of(plan)?;
        meter.begin(0)?;
        arrive(&mut crowd, &plan.common, false, &mut arrivals)?;
        arrivals.tally.expected = connections as u64;
        let arrived = meter.end(plan, &arrivals.tally, &crowd)?;
        arrivals.tally.clear();
        let (plan, churn, arrived) = (plan.clone(), flags.churn, Some(arrived));
        Ok(Self { plan, crowd, arrivals, meter, churn, next: 0, arrived })
    }

    /// How everybody arrived, and what they take after having been held.
    pub fn held(mut self) -> Result<Slice, String> {
        self.hold(now_ns() + self.plan.common.time.as_nanos() as u64)?;
        let now = self.meter.server_now()?;
        let mut arrived = self.arrived.take().unwrap_or_default();
        if let (Some(then), Some(now)) = (&mut arrived.server, now) {
            let more = now.rss_bytes.cast_signed() - then.rss_bytes.cast_signed();
            then.rss_growth_bytes += more;
            (then.rss_bytes, then.pss_bytes) = (now.rss_bytes, now.pss_bytes);
        }
        arrived.closed = self.arrivals.tally.closed;
        Ok(arrived)
    }

    fn hold(&mut self, end_ns: u64) -> Result<(), String> {
        while now_ns() < end_ns {
            self.crowd.turn(Wait::Until(end_ns), &mut self.arrivals)?;
        }
        Ok(())
    }

    /// Replaces one connection after the other. They are reset: a port that was closed in order
    /// could not be used again for a minute.
    fn replace(&mut self, begin_ns: u64, end_ns: u64) -> Result<(), String> {
        let in_flight = self.plan.common.handshakes_in_flight as usize;
        let (crowd, arrivals) = (&mut self.crowd, &mut self.arrivals);
        let places = crowd.talker();
        let in_flight = in_flight.min(places);
        let mut opened = 0u64;
        loop {
            let now_ns = now_ns();
            let due_ns = begin_ns + opened * 1_000_000_000 / u64::from(self.churn);
            if now_ns.max(due_ns) >= end_ns {
                break;
            }
            if crowd.opening >= in_flight || !crowd.lines[self.next].is_settled() {
                crowd.turn(Wait::Until(end_ns), arrivals)?;
            } else if due_ns > now_ns {
                crowd.turn(Wait::Until(due_ns), arrivals)?;
            } else {
                crowd.drop(self.next, true);
                crowd.open(self.next)?;
                self.next = (self.next + 1) % places;
                opened += 1;
            }
        }
        arrivals.tally.expected += opened;
        settle(crowd, arrivals)
    }
}

impl Work for Connecting {
    fn slice(&mut self, time: Duration) -> Result<Slice, String> {
        let begin_ns = self.meter.begin(self.crowd.received)?;
        let end_ns = begin_ns + time.as_nanos() as u64;
        if self.churn == 0 {
            self.hold(end_ns)?;
            // Of several processes each says first how its own arrived: that is what is joined.
            let arrived = self.arrived.take_if(|_| self.plan.common.share.is_some());
            if let Some(arrived) = arrived {
                let closed = self.arrivals.tally.closed;
                self.arrivals.tally.clear();
                return Ok(Slice { closed, ..arrived });
            }
        } else {
            self.replace(begin_ns, end_ns)?;
        }
        let slice = self.meter.end(&self.plan, &self.arrivals.tally, &self.crowd)?;
        self.arrivals.tally.clear();
        Ok(slice)
    }

    fn rest(&mut self) -> Result<(), String> {
        let second = Wait::AtMost(Duration::from_secs(1));
        self.crowd.turn(second, &mut self.arrivals).map(|_| ())
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }

    fn server_now(&mut self) -> Result<Option<Server>, String> {
        self.meter.server_now()
    }
}

impl Audience for Arrivals {
    fn upgraded(&mut self, _: usize, line: &mut Line, now_ns: u64) {
        self.tally.operations += 1;
        self.tally.took(now_ns.saturating_sub(line.mark));
    }

    fn heard(&mut self, _: usize, _: &mut Line, _: Stamp, _: u64) {}

    fn ended(&mut self, _: usize, line: &mut Line) {
        self.tally.closed += u64::from(line.is_open());
    }
}
