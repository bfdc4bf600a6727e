//! From slices to the numbers of a table: which quantity, of which phase, held against what, always
//! within one round. Of several clients the first one counts unless one is named, but for what is
//! summed. Statistics over rounds are in `statistics`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::results::{Results, Turn};
use crate::slice::Server;
use crate::statistics::Summary;
use crate::work::{Row, Work};

/// What is read from one turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// The server's CPU time, all its threads, kernel and user, for each operation.
    CpuPerOperation,
    /// The kernel's part of it.
    KernelShare,
    OperationsPerSecond,
    /// One delivery as it was received, header included.
    FrameBytes,
    LatencyP50,
    LatencyP99,
    ResidentBytes,
    ProportionalBytes,
    /// All of the kernel's own memory.
    KernelBytes,
    /// From the first connect until everybody was connected and subscribed.
    ReadyTime,
    Storm(&'static str),
    Stalled(Stalled),
}

/// What became of stalled readers, by the names of the fields that tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stalled {
    Field(&'static str),
    /// From one to the other.
    Grown(&'static str, &'static str),
    /// The same for each reader that stalled.
    GrownEach(&'static str, &'static str),
}

/// What a quantity is held against, in the same round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Against {
    Nothing,
    /// Divided by the same of the baseline row.
    Baseline,
    /// Less the same of the baseline row.
    MoreThanBaseline,
    /// Divided by the same of another phase.
    Phase(&'static str),
    /// Less the same of another phase.
    MoreThanPhase(&'static str),
    /// Less the same of another phase, for each connection that this client has added.
    Slope(&'static str, &'static str),
    /// Divided by the same of the first round.
    FirstRound,
}

/// A number of each round.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    pub quantity: Quantity,
    /// When; the last phase where it is not named.
    pub phase: Option<&'static str>,
    /// Who has seen it; the first client where it is not named.
    pub client: Option<&'static str>,
    pub against: Against,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    Ratio,
    Share,
    Time,
    Bytes,
    Count,
}

/// What is written of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Show {
    Median,
    /// Median, first and third quartile.
    Quartiles,
    /// Median and its 95 % interval.
    Interval,
    First,
    Last,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub value: Value,
    pub unit: Unit,
    pub show: Show,
}

impl Value {
    pub const fn of(quantity: Quantity) -> Self {
        Self { quantity, phase: None, client: None, against: Against::Nothing }
    }

    pub const fn against(self, against: Against) -> Self {
        Self { against, ..self }
    }

    pub const fn phase(self, phase: &'static str) -> Self {
        Self { phase: Some(phase), ..self }
    }

    pub const fn client(self, client: &'static str) -> Self {
        Self { client: Some(client), ..self }
    }

    /// One number for each round that has all that it needs, in the order of rounds; a list for
    /// each sitting that has such rounds.
    pub fn series(&self, results: &Results, work: &Work, row: &Row) -> Vec<Vec<f64>> {
        let sitting = results.about.sitting.max(1);
        let rounds = results.turns.iter().map(|turn| turn.round + 1).max().unwrap_or(0);
        let mut sittings: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for round in 0..rounds {
            if let Some(value) = self.in_round(&results.turns, work, row, round) {
                sittings.entry(round / sitting).or_default().push(value);
            }
        }
        sittings.into_values().collect()
    }

    fn in_round(&self, turns: &[Turn], work: &Work, row: &Row, round: u32) -> Option<f64> {
        let phase = self.phase.or(work.phases.last().copied())?;
        let find = |round: u32, row: &str, phase: &str| {
            let same = |turn: &&Turn| turn.round == round && turn.row == row && turn.phase == phase;
            turns.iter().find(same)
        };
        let read_in = |round: u32, row: &str, phase: &str| {
            self.quantity.read(find(round, row, phase)?, self.client)
        };
        let read = |row: &str, phase: &str| read_in(round, row, phase);
        let own = read(row.name, phase)?;
        Some(match self.against {
            Against::Nothing => own,
            Against::Baseline => own / read(row.baseline, phase)?,
            Against::MoreThanBaseline => own - read(row.baseline, phase)?,
            Against::Phase(other) => own / read(row.name, other)?,
            Against::MoreThanPhase(other) => own - read(row.name, other)?,
            Against::Slope(other, client) => {
                let added = find(round, row.name, phase)?.client(client)?.ready.as_ref()?;
                (own - read(row.name, other)?) / added.connections as f64
            }
            Against::FirstRound => own / read_in(0, row.name, phase)?,
        })
        .filter(|value| value.is_finite())
    }
}

impl Quantity {
    fn read(self, turn: &Turn, client: Option<&str>) -> Option<f64> {
        let seen = client.map_or(turn.clients.first(), |name| turn.client(name))?;
        let slice = &seen.slice;
        let server = slice.server.as_ref();
        let number = match self {
            Self::CpuPerOperation => return cpu_per_operation(turn),
            Self::KernelShare => return server.and_then(kernel_share),
            Self::OperationsPerSecond => return Some(per_second(turn)),
            Self::KernelBytes => turn.slab_bytes,
            Self::FrameBytes => slice.frame_bytes?,
            Self::LatencyP50 => slice.latency_ns.as_ref()?.p50,
            Self::LatencyP99 => slice.latency_ns.as_ref()?.p99,
            Self::ResidentBytes => server?.rss_bytes,
            Self::ProportionalBytes => server?.pss_bytes?,
            Self::ReadyTime => seen.ready.as_ref()?.elapsed_ns,
            Self::Storm(field) => return number_of(slice.storm.as_ref()?, field),
            Self::Stalled(what) => return what.read(slice.stalled.as_ref()?),
        };
        Some(number as f64)
    }
}

impl Stalled {
    fn read(self, fields: &Map<String, Json>) -> Option<f64> {
        let read = |field| number_of(fields, field);
        match self {
            Self::Field(field) => read(field),
            Self::Grown(from, to) => Some(read(to)? - read(from)?),
            Self::GrownEach(from, to) => Some((read(to)? - read(from)?) / read("count")?),
        }
    }
}

/// A number; of what is true or false, 1 or 0.
fn number_of(fields: &Map<String, Json>, field: &str) -> Option<f64> {
    let value = fields.get(field)?;
    value.as_f64().or_else(|| value.as_bool().map(|yes| f64::from(u8::from(yes))))
}

/// By the client's own account of exactly its slice; where several clients load a server, by the
/// driver's account of the whole turn.
fn cpu_per_operation(turn: &Turn) -> Option<f64> {
    let operations: u64 = turn.clients.iter().map(|client| client.slice.operations).sum();
    let cpu_ns = match turn.clients.as_slice() {
        [client] => client.slice.server.as_ref()?.cpu_ns,
        _ => turn.cpu_ns,
    };
    (operations > 0 && cpu_ns > 0).then(|| cpu_ns as f64 / operations as f64)
}

fn kernel_share(server: &Server) -> Option<f64> {
    let both = server.user_ns + server.system_ns;
    (both > 0).then(|| server.system_ns as f64 / both as f64)
}

fn per_second(turn: &Turn) -> f64 {
    let slices = turn.clients.iter().map(|client| &client.slice);
    let paces = slices.map(|slice| slice.operations as f64 * 1e9 / slice.elapsed_ns as f64);
    paces.sum()
}

impl Column {
    pub const fn new(title: &'static str, value: Value, unit: Unit, show: Show) -> Self {
        Self { title, value, unit, show }
    }

    pub fn summary(&self, results: &Results, work: &Work, row: &Row) -> Option<Summary> {
        Summary::of(&self.value.series(results, work, row))
    }

    /// The number that stands for the sample.
    pub fn number(&self, summary: &Summary) -> f64 {
        match self.show {
            Show::First => summary.first,
            Show::Last => summary.last,
            _ => summary.median(),
        }
    }

    /// How a cell reads.
    pub fn cell(&self, summary: Option<&Summary>) -> String {
        let Some(summary) = summary else { return "–".into() };
        let number = self.unit.write(self.number(summary));
        let write = |value| self.unit.write(value);
        match self.show {
            Show::Quartiles => {
                let [low, _, high] = summary.quartiles;
                format!("{number} ({} to {})", write(low), write(high))
            }
            Show::Interval => {
                let [low, high] = summary.interval;
                format!("{number} [{}, {}]", write(low), write(high))
            }
            _ => number,
        }
    }
}

impl Unit {
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Ratio if value >= 100.0 => format!("{value:.0}"),
            Self::Ratio if value >= 10.0 => format!("{value:.1}"),
            Self::Ratio => format!("{value:.3}"),
            Self::Share => format!("{:.0} %", value * 100.0),
            Self::Time => time(value),
            Self::Bytes => bytes(value),
            Self::Count => thousands(value),
        }
    }

    /// How a place on an axis is called: without the digits that a measured number has.
    pub fn tick(self, value: f64) -> String {
        let short = |value: f64| (value * 1_000.0).round() / 1_000.0;
        match self {
            Self::Ratio => short(value).to_string(),
            Self::Time => match value.abs() {
                below if below < 1e3 => format!("{} ns", short(value)),
                below if below < 1e6 => format!("{} µs", short(value / 1e3)),
                below if below < 1e9 => format!("{} ms", short(value / 1e6)),
                _ => format!("{} s", short(value / 1e9)),
            },
            other => other.write(value),
        }
    }
}

fn time(ns: f64) -> String {
    match ns.abs() {
        below if below < 100.0 => format!("{ns:.1} ns"),
        below if below < 10_000.0 => format!("{ns:.0} ns"),
        below if below < 1e6 => format!("{:.1} µs", ns / 1e3),
        below if below < 1e9 => format!("{:.2} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

fn bytes(count: f64) -> String {
    match count.abs() {
        below if below < 1e6 => thousands(count),
        below if below < 10_485_760.0 => format!("{:.0} KiB", count / 1024.0),
        _ => format!("{:.1} MiB", count / 1_048_576.0),
    }
}

/// A whole number with a comma at every thousand.
fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests;
