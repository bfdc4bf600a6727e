//! `storm`: under traffic, a share of the subscribers is dropped at once and comes back at once,
//! each from where it was. `returning` keeps account of who has what; here is what happens when.

use std::time::Duration;

use super::books::Books;
use super::clock::now_ns;
use super::crowd::{Crowd, Wait};
use super::flags::{DialectName, Plan, Storm as Flags};
use super::publisher::Publisher;
use super::report::progress::Progress;
use super::report::{Latency, Server, Slice, Storm, histogram};
use super::script::Script;
use super::tally::Meter;
use super::traffic::{Traffic, USUAL_RATE, drain, pick, turn_until};
use super::work::{Work, arrive};
use returning::Returning;

mod returning;

/// The scenario, with everybody there.
pub struct Storming {
    plan: Plan,
    flags: Flags,
    crowd: Crowd,
    crew: Returning,
    traffic: Traffic,
    meter: Meter,
    progress: Progress,
}

impl Storming {
    /// Connects everybody.
    ///
    /// # Errors
    /// When they cannot.
    pub fn new(plan: &Plan, flags: &Flags) -> Result<Self, String> {
        if plan.common.compress && plan.dialect() == DialectName::Fanwire {
            return Err(
                "storm: a position is not read out of what is compressed: no --compress".into()
            );
        }
        let script = Script::of(plan)?;
        let publisher = Publisher::new(&script, 1, plan.common.size)?;
        let connections = plan.common.connections as usize;
        let books = Books::new(publisher.channels(), false)?;
        let mut crew = Returning::new(books, publisher.channels(), connections)?;
        let traffic = Traffic::new(publisher, flags.publishing.rate.unwrap_or(USUAL_RATE));
        let mut crowd = Crowd::new(script, connections).map_err(|error| error.to_string())?;
        let meter = Meter::of(plan)?;
        arrive(&mut crowd, &plan.common, true, &mut crew)?;
        let (plan, flags, progress) = (plan.clone(), flags.clone(), Progress::new());
        Ok(Self { plan, flags, crowd, crew, traffic, meter, progress })
    }

    /// A quarter of the time all is well, then they are dropped. It goes on until the time is over
    /// and everybody is back, or nobody comes back any more.
    fn blow(&mut self, begin_ns: u64, time: Duration) -> Result<(), String> {
        let whole_ns = time.as_nanos() as u64;
        let (drop_ns, end_ns) = (begin_ns + whole_ns / 4, begin_ns + whole_ns);
        let patience_ns = self.plan.common.patience.as_nanos() as u64;
        self.traffic.begin(begin_ns);
        self.crowd.forgiving = true;
        let mut dropped = false;
        loop {
            let now_ns = now_ns();
            if now_ns >= drop_ns && !dropped {
                self.drop_share(now_ns);
                dropped = true;
            }
            let hopeless = now_ns > self.crew.progress_ns() + patience_ns;
            if now_ns >= end_ns && dropped && (self.crew.all_are_back() || hopeless) {
                return Ok(());
            }
            self.progress.now_and_then(now_ns, || self.crew.news());
            self.traffic.publish(&mut self.crowd, &mut self.crew.books, now_ns)?;
            self.come_back(now_ns)?;
            let mut until_ns = self.traffic.due_ns().min(if dropped { end_ns } else { drop_ns });
            if self.crowd.opening < self.plan.common.handshakes_in_flight as usize {
                until_ns = until_ns.min(self.crew.next_return_ns());
            }
            turn_until(&mut self.crowd, &mut self.crew, now_ns, until_ns)?;
        }
    }

    /// Drops them all, one close behind the other.
    fn drop_share(&mut self, now_ns: u64) {
        for at in pick(self.crowd.talker(), self.flags.drop_share) {
            if self.crowd.lines[at].is_open() {
                self.crowd.drop(at, self.flags.reset);
                self.crew.dropped(at, &mut self.crowd.lines[at], now_ns);
            }
        }
        self.crew.begin_to_return(now_ns);
    }

    /// As many as may shake hands at once.
    fn come_back(&mut self, now_ns: u64) -> Result<(), String> {
        while self.crowd.opening < self.plan.common.handshakes_in_flight as usize {
            let Some(at) = self.crew.return_now(now_ns) else { return Ok(()) };
            self.crowd.open(at)?;
        }
        Ok(())
    }

    /// Those who did not come back are closed, and what they missed is lost.
    fn miss(&mut self) {
        for at in self.crew.away() {
            self.crowd.drop(at, false);
            self.crew.lose(at, &mut self.crowd.lines[at]);
        }
    }

    fn result(&mut self) -> Result<Slice, String> {
        let Self { plan, crowd, crew, .. } = self;
        let slice = self.meter.end(plan, &crew.books.tally, crowd)?;
        let latency_ns = Latency::of(&crew.untouched);
        let storm = Storm {
            dropped: crew.dropped_count(),
            retried: crew.retried,
            restored_50_ns: crew.restored(50),
            restored_99_ns: crew.restored(99),
            restored_all_ns: crew.restored(100),
            untouched_p99_ns: latency_ns.as_ref().map(|latency| latency.p99),
            wrong: crew.wrong(&crowd.lines),
        };
        Ok(Slice {
            rate: Some(self.traffic.rate()),
            channels: Some(self.traffic.channels() as u64),
            gaps_told: Some(crew.books.tally.gaps_told),
            histogram: latency_ns
                .is_some()
                .then(|| histogram::encode(&crew.untouched))
                .transpose()?,
            latency_ns,
            storm: Some(storm),
            ..slice
        })
    }
}

impl Work for Storming {
    /// Traffic without a storm.
    fn warm_up(&mut self, time: Duration) -> Result<(), String> {
        let begin_ns = now_ns();
        let end_ns = begin_ns + time.as_nanos() as u64;
        self.traffic.begin(begin_ns);
        let mut at_ns = begin_ns;
        while at_ns < end_ns {
            self.traffic.publish(&mut self.crowd, &mut self.crew.books, at_ns)?;
            let until_ns = self.traffic.due_ns().min(end_ns);
            turn_until(&mut self.crowd, &mut self.crew, at_ns, until_ns)?;
            at_ns = now_ns();
        }
        drain(&mut self.crowd, &mut self.crew, self.plan.common.patience)
    }

    fn slice(&mut self, time: Duration) -> Result<Slice, String> {
        self.crew.begin(&self.crowd.lines);
        let begin_ns = self.meter.begin(self.crowd.received)?;
        self.blow(begin_ns, time)?;
        self.progress.clear();
        self.miss();
        self.crowd.forgiving = false;
        drain(&mut self.crowd, &mut self.crew, self.plan.common.patience)?;
        self.result()
    }

    fn rest(&mut self) -> Result<(), String> {
        self.crowd.turn(Wait::AtMost(Duration::from_secs(1)), &mut self.crew).map(|_| ())
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }

    fn server_now(&mut self) -> Result<Option<Server>, String> {
        self.meter.server_now()
    }
}
