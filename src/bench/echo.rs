//! `echo`: each connection sends some messages in one write, and when it has all of them back, the
//! next ones; or, in open loop, at its time. That the same bytes come back, in their order, is
//! checked.

use std::time::Duration;

use super::clock::now_ns;
use super::codec::{Header, encode};
use super::crowd::{Crowd, Wait};
use super::flags::{DialectName, Echo, Plan};
use super::hearing::Audience;
use super::line::{Line, Noted};
use super::report::{Server, Slice};
use super::script::Script;
use super::stamp::{STAMP, Stamp};
use super::tally::{Meter, Tally};
use super::work::{Silence, Work, arrive};
use crate::ws::frame::Opcode;

/// So much of a payload is compared at once.
const FILLER: usize = 256 << 10;

/// The scenario, with everybody there.
pub struct Echoing {
    plan: Plan,
    crowd: Crowd,
    echoes: Echoes,
    meter: Meter,
    rate: Option<f64>,
    /// Batches sent in open loop: whose turn is next.
    turns: usize,
}

/// Who waits for echoes. Of a connection, `mark` is when its batch was sent, 0 when it has none
/// under way, and `last` the sequence that came back last.
struct Echoes {
    tally: Tally,
    /// The messages of one write, their stamps to be written, and where each begins.
    batch: Vec<u8>,
    stamps: Vec<usize>,
    size: usize,
    filler: Vec<u8>,
    /// Connections with a batch under way.
    waiting: u64,
    running: bool,
    /// What came back is not what was sent.
    problem: Option<String>,
}

impl Echoing {
    /// Connects everybody.
    pub fn new(plan: &Plan, flags: &Echo) -> Result<Self, String> {
        if plan.dialect() != DialectName::Raw {
            return Err("echo: has the dialect raw".into());
        }
        let connections = plan.common.connections as usize;
        let script = Script::of(plan)?;
        let mut crowd = Crowd::new(script, connections).map_err(|error| error.to_string())?;
        let mut echoes = Echoes::new(flags.depth as usize, plan.common.size)?;
        let meter = Meter::of(plan)?;
        arrive(&mut crowd, &plan.common, false, &mut echoes)?;
        Ok(Self { plan: plan.clone(), crowd, echoes, meter, rate: flags.rate, turns: 0 })
    }

    /// Each connection sends as soon as it has everything back.
    fn closed_loop(&mut self, end_ns: u64) -> Result<(), String> {
        self.echoes.running = true;
        for at in 0..self.crowd.talker() {
            self.echoes.send(at, &mut self.crowd.lines[at], now_ns());
        }
        while now_ns() < end_ns {
            self.turn(Wait::Until(end_ns))?;
        }
        Ok(())
    }

    /// One connection after the other sends when its turn is due. One that waits for what it sent
    /// before is late with it, and its latency counts from when it was due.
    fn open_loop(&mut self, begin_ns: u64, end_ns: u64, rate: f64) -> Result<(), String> {
        for number in 0u64.. {
            let after = Duration::from_secs_f64(number as f64 / rate);
            let due_ns = begin_ns + after.as_nanos() as u64;
            if due_ns >= end_ns {
                break;
            }
            while now_ns() < due_ns {
                self.turn(Wait::Until(due_ns))?;
            }
            let at = self.turns % self.crowd.talker();
            self.turns += 1;
            let mut silence = Silence::of(self.plan.common.patience);
            while self.crowd.lines[at].mark != 0 {
                if silence.is_over(self.turn(silence.wait())?) {
                    self.echoes.give_up(&mut self.crowd.lines[at]);
                }
            }
            self.echoes.send(at, &mut self.crowd.lines[at], due_ns);
        }
        Ok(())
    }

    /// One turn, and what it found out.
    fn turn(&mut self, wait: Wait) -> Result<bool, String> {
        let busy = self.crowd.turn(wait, &mut self.echoes)?;
        self.echoes.problem.take().map_or(Ok(busy), Err)
    }

    /// Until all batches are back; what does not come is lost.
    fn finish(&mut self) -> Result<(), String> {
        self.echoes.running = false;
        let mut silence = Silence::of(self.plan.common.patience);
        while self.echoes.waiting > 0 {
            if silence.is_over(self.turn(silence.wait())?) {
                let talker = self.crowd.talker();
                for line in &mut self.crowd.lines[..talker] {
                    self.echoes.give_up(line);
                }
            }
        }
        Ok(())
    }
}

impl Work for Echoing {
    fn slice(&mut self, time: Duration) -> Result<Slice, String> {
        let begin_ns = self.meter.begin(self.crowd.received)?;
        let end_ns = begin_ns + time.as_nanos() as u64;
        match self.rate {
            None => self.closed_loop(end_ns)?,
            Some(rate) => self.open_loop(begin_ns, end_ns, rate)?,
        }
        self.finish()?;
        let slice = self.meter.end(&self.plan, &self.echoes.tally, &self.crowd)?;
        self.echoes.tally.clear();
        Ok(Slice { depth: Some(self.echoes.depth()), rate: self.rate, ..slice })
    }

    fn rest(&mut self) -> Result<(), String> {
        self.turn(Wait::AtMost(Duration::from_secs(1))).map(|_| ())
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }

    fn server_now(&mut self) -> Result<Option<Server>, String> {
        self.meter.server_now()
    }
}

impl Echoes {
    fn new(depth: usize, size: usize) -> Result<Self, String> {
        let (mut batch, mut stamps) = (Vec::new(), Vec::new());
        let payload = vec![b'x'; size];
        if depth.saturating_mul(size) > FILLER << 8 {
            return Err(format!("a batch has more than {} bytes", FILLER << 8));
        }
        for _ in 0..depth {
            encode(&mut batch, Opcode::Text, &payload);
            stamps.push(batch.len() - size);
        }
        let filler = vec![b'x'; size.min(FILLER)];
        let (tally, waiting, running, problem) = (Tally::new()?, 0, false, None);
        Ok(Self { tally, batch, stamps, size, filler, waiting, running, problem })
    }

    fn depth(&self) -> u64 {
        self.stamps.len() as u64
    }

    /// Sends a batch that was due then, on a connection that is open.
    fn send(&mut self, at: usize, line: &mut Line, at_ns: u64) {
        if !line.is_open() {
            return;
        }
        for (sequence, stamp) in (line.last + 1..).zip(&self.stamps) {
            Stamp { sequence, at_ns }.write(&mut self.batch[*stamp..*stamp + STAMP]);
        }
        line.mark = at_ns;
        self.waiting += 1;
        self.tally.published += self.depth();
        self.tally.expected += self.depth();
        if let Err(error) = line.send(&self.batch) {
            self.problem.get_or_insert_with(|| format!("connection {at}: {error}"));
        }
    }

    /// What is under way on this connection is lost.
    fn give_up(&mut self, line: &mut Line) {
        if line.is_open() && line.mark != 0 {
            let batches = line.last / self.depth() + 1;
            self.tally.lost += line.skip_to(batches * self.depth());
            line.mark = 0;
            self.waiting -= 1;
        }
    }

    #[cold]
    fn wrong(&mut self, what: &str) {
        self.problem.get_or_insert_with(|| format!("an echo is not what was sent: {what}"));
    }

    #[inline]
    fn compare(&mut self, bytes: &[u8]) {
        for bytes in bytes.chunks(self.filler.len()) {
            if bytes != &self.filler[..bytes.len()] {
                self.wrong("other bytes");
            }
        }
    }
}

impl Audience for Echoes {
    fn joined(&mut self, _: usize, line: &mut Line, _: u64) {
        line.start_at(0);
        line.mark = 0;
    }

    #[inline]
    fn begun(&mut self, _: usize, header: Header, payload: &[u8]) {
        if header.len as usize != self.size || header.opcode != Opcode::Text {
            self.wrong("another length, or binary");
        }
        self.compare(payload.get(STAMP..).unwrap_or_default());
    }

    fn rest(&mut self, payload: &[u8]) {
        self.compare(payload);
    }

    #[inline]
    fn heard(&mut self, _: usize, line: &mut Line, stamp: Stamp, now_ns: u64) {
        match line.note(stamp.sequence) {
            Noted::New { missing } => self.tally.lost += missing,
            Noted::Late => {
                self.tally.reordered += 1;
                self.tally.lost = self.tally.lost.saturating_sub(1);
                self.tally.operations += 1;
                return;
            }
            Noted::Again => {
                self.tally.duplicated += 1;
                return;
            }
        }
        if stamp.at_ns != line.mark {
            self.wrong("another time");
        }
        self.tally.operations += 1;
        if line.last.is_multiple_of(self.depth()) {
            self.tally.took(now_ns.saturating_sub(line.mark));
            line.mark = 0;
            self.waiting -= 1;
        }
    }

    #[inline]
    fn paused(&mut self, at: usize, line: &mut Line, _: u64) {
        if self.running && line.mark == 0 {
            self.send(at, line, now_ns());
        }
    }

    fn ended(&mut self, _: usize, line: &mut Line) {
        if line.is_open() {
            self.tally.closed += 1;
            self.give_up(line);
        }
    }
}
