//! `slow`: under traffic, a share of the subscribers stops reading for a while; then they read
//! everything. `readers` keeps account of who has what; here is what happens when, and what it
//! costs the server and the kernel.

use std::time::Duration;

use super::account;
use super::books::Books;
use super::clock::now_ns;
use super::crowd::{Crowd, Wait};
use super::flags::{Plan, Slow as Flags};
use super::publisher::Publisher;
use super::report::progress::Progress;
use super::report::{Latency, Server, Slice, Stalled, histogram};
use super::scrape;
use super::script::Script;
use super::tally::Meter;
use super::traffic::{Traffic, USUAL_RATE, drain, pick, turn_until};
use super::work::{Work, arrive};
use readers::Readers;

mod readers;

/// Memory is looked at so often, the server's and the kernel's.
const LOOK_NS: [u64; 2] = [1_000_000_000, 100_000_000];

/// The counter of Fanwire that rises when somebody comes back from behind.
const PULLS: &str = "fanwire_pulls_total";

/// The scenario, with everybody there.
pub struct Slowing {
    plan: Plan,
    flags: Flags,
    crowd: Crowd,
    readers: Readers,
    traffic: Traffic,
    meter: Meter,
    progress: Progress,
}

/// What was seen while they stood still.
#[derive(Debug, Default)]
struct Seen {
    rss_before: Option<u64>,
    rss_peak: Option<u64>,
    sockets_before: u64,
    sockets_peak: u64,
    /// What the kernel held when three quarters of the time were over, and what was published then.
    late: Option<(u64, u64)>,
    sockets_last: u64,
}

impl Slowing {
    /// Connects everybody.
    ///
    /// # Errors
    /// When they cannot.
    pub fn new(plan: &Plan, flags: &Flags) -> Result<Self, String> {
        let script = Script::of(plan)?;
        let publisher = Publisher::new(&script, 1, plan.common.size)?;
        let connections = plan.common.connections as usize;
        let mut readers = Readers::new(Books::new(publisher.channels(), false)?, connections)?;
        let traffic = Traffic::new(publisher, flags.publishing.rate.unwrap_or(USUAL_RATE));
        let mut crowd = Crowd::new(script, connections).map_err(|error| error.to_string())?;
        let meter = Meter::of(plan)?;
        arrive(&mut crowd, &plan.common, true, &mut readers)?;
        let (plan, flags, progress) = (plan.clone(), flags.clone(), Progress::new());
        Ok(Self { plan, flags, crowd, readers, traffic, meter, progress })
    }

    fn stall(&mut self) {
        for at in pick(self.crowd.talker(), self.flags.stalled_share) {
            if self.crowd.lines[at].is_open() {
                self.crowd.stall(at);
                self.readers.stall(at);
            }
        }
    }

    /// Traffic until this moment. Looks at memory meanwhile, if it is told to.
    fn publish_until(
        &mut self,
        begin_ns: u64,
        end_ns: u64,
        mut seen: Option<&mut Seen>,
    ) -> Result<(), String> {
        self.traffic.begin(begin_ns);
        let mut next_ns = [begin_ns; 2];
        let late_ns = end_ns - (end_ns - begin_ns) / 4;
        loop {
            let now_ns = now_ns();
            if now_ns >= end_ns {
                return Ok(());
            }
            self.progress.now_and_then(now_ns, || {
                let left = (end_ns - now_ns).div_ceil(1_000_000_000);
                format!("{} published, {left} s to go", self.readers.books.tally.published)
            });
            self.traffic.publish(&mut self.crowd, &mut self.readers.books, now_ns)?;
            let mut until_ns = self.traffic.due_ns().min(end_ns);
            if let Some(seen) = &mut seen {
                if now_ns >= next_ns[0] {
                    next_ns[0] = now_ns + LOOK_NS[0];
                    seen.rss_peak = seen.rss_peak.max(rss(&mut self.meter)?);
                }
                if now_ns >= next_ns[1] {
                    next_ns[1] = now_ns + LOOK_NS[1];
                    let published = self.readers.books.tally.published;
                    seen.look(published, now_ns >= late_ns)?;
                }
                until_ns = until_ns.min(next_ns[0]).min(next_ns[1]);
            }
            turn_until(&mut self.crowd, &mut self.readers, now_ns, until_ns)?;
        }
    }

    /// They read on, until they have everything. How long that took, if it did not take forever.
    fn wake(&mut self) -> Result<Option<u64>, String> {
        self.progress.clear();
        let begin_ns = now_ns();
        for at in self.readers.stalled() {
            self.crowd.wake(at, &mut self.readers)?;
        }
        drain(&mut self.crowd, &mut self.readers, self.plan.common.patience)?;
        let there = self.readers.missing(&self.crowd.lines) == 0;
        Ok(there.then(|| now_ns() - begin_ns))
    }

    fn pulls(&self) -> Result<Option<f64>, String> {
        self.flags.metrics_url.as_ref().map(|url| scrape::counter(url, PULLS)).transpose()
    }

    /// Whether what the kernel holds was full for each of them: they had to pull what they had
    /// missed; or, where that is not to be seen, it took hardly any more in the last quarter of the
    /// time.
    fn filled(&self, seen: &Seen, pulls: [Option<f64>; 2]) -> bool {
        let stalled = self.readers.stalled().len() as u64;
        if let [Some(before), Some(after)] = pulls {
            return after - before >= stalled as f64;
        }
        let Some((sockets, published)) = seen.late else { return false };
        let messages = self.readers.books.tally.published - published;
        let sent =
            messages * self.plan.common.size as u64 * stalled / self.traffic.channels() as u64;
        seen.sockets_last.saturating_sub(sockets) < sent / 10
    }

    fn result(&mut self, stalled: Stalled) -> Result<Slice, String> {
        let Self { plan, crowd, readers, .. } = self;
        let slice = self.meter.end(plan, &readers.books.tally, crowd)?;
        let latency_ns = Latency::of(&readers.healthy);
        Ok(Slice {
            rate: Some(self.traffic.rate()),
            channels: Some(self.traffic.channels() as u64),
            gaps_told: Some(readers.books.tally.gaps_told),
            histogram: latency_ns
                .is_some()
                .then(|| histogram::encode(&readers.healthy))
                .transpose()?,
            latency_ns,
            stalled: Some(stalled),
            ..slice
        })
    }
}

impl Seen {
    fn look(&mut self, published: u64, late: bool) -> Result<(), String> {
        let sockets = sockets()?;
        self.sockets_peak = self.sockets_peak.max(sockets);
        self.sockets_last = sockets;
        if late {
            self.late.get_or_insert((sockets, published));
        }
        Ok(())
    }
}

fn sockets() -> Result<u64, String> {
    account::socket_memory().map_err(|error| error.to_string())
}

fn rss(meter: &mut Meter) -> Result<Option<u64>, String> {
    Ok(meter.server_now()?.map(|server| server.rss_bytes))
}

impl Work for Slowing {
    /// Traffic with everybody reading.
    fn warm_up(&mut self, time: Duration) -> Result<(), String> {
        let begin_ns = now_ns();
        self.publish_until(begin_ns, begin_ns + time.as_nanos() as u64, None)?;
        drain(&mut self.crowd, &mut self.readers, self.plan.common.patience)
    }

    fn slice(&mut self, time: Duration) -> Result<Slice, String> {
        self.readers.begin();
        let pulls = self.pulls()?;
        let mut seen = Seen { rss_before: rss(&mut self.meter)?, ..Seen::default() };
        seen.sockets_before = sockets()?;
        if self.flags.delay_acks {
            self.crowd.delay_acks().map_err(|error| error.to_string())?;
        }
        let begin_ns = self.meter.begin(self.crowd.received)?;
        self.stall();
        self.publish_until(begin_ns, begin_ns + time.as_nanos() as u64, Some(&mut seen))?;
        let caught_up_ns = self.wake()?;
        let filled = self.filled(&seen, [pulls, self.pulls()?]);
        let stalled = Stalled {
            caught_up_ns,
            filled,
            rss_before_bytes: seen.rss_before,
            rss_peak_bytes: seen.rss_peak,
            rss_after_bytes: rss(&mut self.meter)?,
            sockets_before_bytes: seen.sockets_before,
            sockets_peak_bytes: seen.sockets_peak,
            ..self.readers.told(&self.crowd.lines)
        };
        self.result(stalled)
    }

    fn rest(&mut self) -> Result<(), String> {
        self.crowd.turn(Wait::AtMost(Duration::from_secs(1)), &mut self.readers).map(|_| ())
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }

    fn server_now(&mut self) -> Result<Option<Server>, String> {
        self.meter.server_now()
    }
}
