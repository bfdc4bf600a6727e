//! What is counted, what we aim at, and what was counted last: the table that this bench holds the
//! server to. How it is counted is `work` and `callgrind`.

use std::collections::HashMap;

use crate::border::Border;
use crate::work::Dialect::{self, Envelope, Raw};
use crate::work::Work;

/// Subscribers of the two works whose difference is what a delivery costs.
const FEW: usize = 100;
const MANY: usize = 2_000;

/// How much more than was recorded passes: another compiler, another libc.
pub const HEAD_ROOM: f64 = 1.03;

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is counted.
    pub what: &'static str,
    /// Instructions to reach, where there is an aim.
    pub aim: Option<f64>,
    /// Instructions that were counted when this was written. To be lowered with every gain; to be
    /// raised only with a reason in the same commit.
    pub recorded: f64,
    counted: Counted,
}

/// How instructions are counted.
#[derive(Clone, Copy, Debug)]
enum Counted {
    /// Those of a work, for each of its operations.
    Each(Work),
    /// What each frame to one more subscriber adds, with so many publications in one read.
    PerFrame(Dialect, usize),
    /// What a publication costs besides its deliveries.
    PerPublication(Dialect, usize),
}

use Counted::{Each, PerFrame, PerPublication};

/// The table.
pub const ROWS: [Row; 17] = [
    row("a delivery on a raw channel, 1 in flight", 108.5, PerFrame(Raw, 1)).aims(300.0),
    row("a delivery in envelopes, 1 in flight", 111.8, PerFrame(Envelope, 1)).aims(300.0),
    row("a frame on a raw channel, 16 in flight", 7.1, PerFrame(Raw, 16)).aims(30.0),
    row("a frame in envelopes, 16 in flight", 7.0, PerFrame(Envelope, 16)).aims(30.0),
    row("a publication on a raw channel, besides", 12_333.6, PerPublication(Raw, 1)),
    row("a publication in envelopes, besides", 11_647.3, PerPublication(Envelope, 1)),
    row("the same on a raw channel, 1 of 16", 3692.6, PerPublication(Raw, 16)),
    row("the same in envelopes, 1 of 16", 9224.7, PerPublication(Envelope, 16)),
    row("an echo of 125 bytes, 1 in a read", 830.9, Each(Work::Echo(1))),
    row("an echo of 125 bytes, 1 of 16 in a read", 171.9, Each(Work::Echo(16))),
    row("a handshake on /ws, accept to welcome", 15_871.2, Each(Work::Welcome)),
    row("the same, to the burial", 17_525.9, Each(Work::Visit)),
    row("a handshake on /echo, accept to 101", 11_688.0, Each(Work::Upgrade)),
    row("over real sockets, besides: a send", 73.7, Each(Work::Border(Border::Send))),
    row("the same: a receive", 73.7, Each(Work::Border(Border::Receive))),
    row("the same: an event", 42.0, Each(Work::Border(Border::Event))),
    row("the same: a turn", 310.6, Each(Work::Border(Border::Turn))),
];

const fn row(what: &'static str, recorded: f64, counted: Counted) -> Row {
    Row { what, aim: None, recorded, counted }
}

impl Row {
    const fn aims(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// Whether it grew.
    pub fn is_over(&self, count: f64) -> bool {
        count > self.recorded * HEAD_ROOM
    }

    /// Whether what was recorded is out of date.
    pub fn is_under(&self, count: f64) -> bool {
        count < self.recorded / HEAD_ROOM
    }

    /// The works whose instructions have to be counted for this.
    pub fn works(&self) -> Vec<Work> {
        match self.counted {
            Each(work) => vec![work],
            PerFrame(dialect, in_flight) | PerPublication(dialect, in_flight) => {
                [FEW, MANY].map(|count| Work::Fanout(dialect, in_flight, count)).to_vec()
            }
        }
    }

    /// What it comes to, by the instructions of those works.
    pub fn count(&self, counts: &HashMap<Work, u64>) -> f64 {
        let each = |work: Work| counts[&work] as f64 / work.operations() as f64;
        let (dialect, in_flight) = match self.counted {
            Each(work) => return each(work),
            PerFrame(dialect, in_flight) | PerPublication(dialect, in_flight) => {
                (dialect, in_flight)
            }
        };
        let [few, many] = [FEW, MANY].map(|count| each(Work::Fanout(dialect, in_flight, count)));
        let frame = (many - few) / (MANY - FEW) as f64;
        match self.counted {
            PerPublication(..) => few - frame * FEW as f64,
            _ => frame,
        }
    }
}

/// All works, each once.
pub fn works() -> Vec<Work> {
    let mut works = Vec::new();
    for work in ROWS.iter().flat_map(Row::works) {
        if !works.contains(&work) {
            works.push(work);
        }
    }
    works
}
