//! `fanout`: one publishes, all receive. In closed loop a round is published when everybody has the
//! one before; in open loop each message is published at its time, whatever happens.

use std::time::Duration;

use super::books::Books;
use super::clock::now_ns;
use super::crowd::{Crowd, Wait};
use super::flags::{Fanout, Plan};
use super::publisher::Publisher;
use super::report::{Server, Slice};
use super::script::Script;
use super::stamp::Stamp;
use super::tally::Meter;
use super::work::{Silence, Work, arrive};

/// The scenario, with everybody there.
pub struct Fan {
    plan: Plan,
    crowd: Crowd,
    books: Books,
    publisher: Publisher,
    meter: Meter,
    in_flight: Option<u64>,
    delays_acks: bool,
    rate: Option<f64>,
    /// Messages published in open loop: which channel is next.
    turns: usize,
}

impl Fan {
    /// Connects everybody.
    pub fn new(plan: &Plan, flags: &Fanout) -> Result<Self, String> {
        let rate = flags.publishing.rate;
        let in_flight = rate.is_none().then_some(flags.in_flight);
        let script = Script::of(plan)?;
        let each = in_flight.unwrap_or(1) as usize;
        let publisher = Publisher::new(&script, each, plan.common.size)?;
        let mut books = Books::new(publisher.channels(), rate.is_some())?;
        let connections = plan.common.connections as usize;
        let mut crowd = Crowd::new(script, connections).map_err(|error| error.to_string())?;
        let meter = Meter::of(plan)?;
        arrive(&mut crowd, &plan.common, !plan.common.listens_only, &mut books)?;
        Ok(Self {
            plan: plan.clone(),
            crowd,
            books,
            publisher,
            meter,
            in_flight: in_flight.map(u64::from),
            delays_acks: flags.delay_acks,
            rate,
            turns: 0,
        })
    }

    /// Rounds until the time is over; the last one is finished.
    fn closed_loop(&mut self, end_ns: u64) -> Result<(), String> {
        let Self { crowd, books, publisher, .. } = self;
        let channels = publisher.channels();
        loop {
            let at_ns = now_ns();
            if at_ns >= end_ns {
                return Ok(());
            }
            publisher.publish(crowd, 0..publisher.round(), |index| Stamp {
                sequence: books.publish(index % channels),
                at_ns,
            })?;
            wait(crowd, books, self.plan.common.patience)?;
        }
    }

    /// Messages at their times, and then a wait for what is outstanding.
    fn open_loop(&mut self, begin_ns: u64, end_ns: u64, rate: f64) -> Result<(), String> {
        let Self { crowd, books, publisher, turns, .. } = self;
        let due_ns = |number: u64| {
            begin_ns + Duration::from_secs_f64(number as f64 / rate).as_nanos() as u64
        };
        for number in 0.. {
            let at_ns = due_ns(number);
            if at_ns >= end_ns {
                break;
            }
            while now_ns() < at_ns {
                crowd.turn(Wait::Until(at_ns), books)?;
            }
            let channel = *turns % publisher.channels();
            *turns += 1;
            publisher.publish(crowd, channel..channel + 1, |_| Stamp {
                sequence: books.publish(channel),
                at_ns,
            })?;
            // Who is late with publishing is not to be later for it with reading.
            crowd.turn(Wait::No, books)?;
        }
        wait(crowd, books, self.plan.common.patience)
    }
}

impl Fan {
    /// Begins to measure. Says when.
    fn begin(&mut self) -> Result<u64, String> {
        if self.delays_acks {
            self.crowd.delay_acks().map_err(|error| error.to_string())?;
        }
        self.meter.begin(self.crowd.received)
    }

    /// What was counted since the last result.
    fn result(&mut self) -> Result<Slice, String> {
        let tally = &mut self.books.tally;
        let slice = self.meter.end(&self.plan, tally, &self.crowd)?;
        let gaps_told = Some(tally.gaps_told);
        tally.clear();
        Ok(Slice {
            in_flight: self.in_flight,
            rate: self.rate,
            channels: Some(self.publisher.channels() as u64),
            gaps_told,
            ..slice
        })
    }
}

/// Until everybody has everything, or nothing came for too long: then it is lost.
pub fn wait(crowd: &mut Crowd, books: &mut Books, patience: Duration) -> Result<(), String> {
    let mut silence = Silence::of(patience);
    while books.outstanding > 0 {
        if silence.is_over(crowd.turn(silence.wait(), books)?) {
            let talker = crowd.talker();
            books.give_up(&mut crowd.lines[..talker]);
            break; // what is outstanding still, is so for those who do not read
        }
    }
    Ok(())
}

impl Work for Fan {
    fn slice(&mut self, time: Duration) -> Result<Slice, String> {
        let begin_ns = self.begin()?;
        let end_ns = begin_ns + time.as_nanos() as u64;
        match self.rate {
            None => self.closed_loop(end_ns)?,
            Some(rate) => self.open_loop(begin_ns, end_ns, rate)?,
        }
        self.result()
    }

    fn heard_slice(
        &mut self,
        mut published: impl FnMut() -> Result<Option<u64>, String>,
    ) -> Result<Slice, String> {
        self.begin()?;
        let published = loop {
            if let Some(published) = published()? {
                break published;
            }
            self.rest()?;
        };
        for _ in 0..published {
            self.books.publish(self.turns % self.publisher.channels());
            self.turns += 1;
        }
        wait(&mut self.crowd, &mut self.books, self.plan.common.patience)?;
        self.books.tally.published = 0; // by another
        self.result()
    }

    fn rest(&mut self) -> Result<(), String> {
        self.crowd.turn(Wait::AtMost(Duration::from_secs(1)), &mut self.books).map(|_| ())
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }

    fn server_now(&mut self) -> Result<Option<Server>, String> {
        self.meter.server_now()
    }
}
