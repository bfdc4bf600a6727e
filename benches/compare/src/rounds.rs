//! Runs a work: servers side by side, one turn for each in every round, in an order that is drawn
//! anew. A server or client that fails takes its row out and is named; the others go on.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;

use crate::children::shown;
use crate::launch::Launch;
use crate::machine;
use crate::results::{About, Results, RowAbout, Turn};
use crate::session::{Session, payload_of};
use crate::work::{Client, Row, Work};

/// What is chosen for one run.
#[derive(Debug)]
pub struct Options {
    /// Servers by name; empty: all of the work.
    pub servers: Vec<String>,
    pub rounds: Option<u32>,
    pub slice: Option<Duration>,
    pub seed: u64,
    /// The command that was given.
    pub command: String,
}

/// What every turn does before it counts.
const WARM_UP: Duration = Duration::from_millis(200);

/// Of the memory that is free, what servers and sockets may be expected to take.
const MEMORY_SHARE: f64 = 0.7;

pub fn run(work: &'static Work, launch: &Launch, options: &Options) -> Result<Results> {
    let rows = work.selected(&options.servers);
    ensure!(!rows.is_empty(), "{}: none of the servers asked for takes part", work.name);
    let mut run = Run {
        work,
        launch,
        rounds: options.rounds.unwrap_or(work.rounds),
        slice: options.slice.unwrap_or(Duration::from_millis(work.slice_ms)),
        rng: Rng::with_seed(options.seed),
        frames: HashMap::new(),
        results: Results { about: about(work, launch, options), turns: Vec::new() },
    };
    if work.fresh {
        run.fresh(&rows);
    } else {
        let most = work.clients.iter().map(|client| u64::from(launch.connections_of(client)));
        let memory = (machine::available_kib() as f64 * MEMORY_SHARE) as u64;
        for (at, group) in work.groups(&rows, most.sum(), memory).iter().enumerate() {
            run.side_by_side(group, at as u32 * run.stride());
        }
    }
    let absent = &run.results.about.absent;
    ensure!(absent.len() < rows.len(), "{}: nothing could be measured: {absent:?}", work.name);
    Ok(run.results)
}

fn about(work: &Work, launch: &Launch, options: &Options) -> About {
    let versions = machine::versions(launch);
    About {
        work: work.name.into(),
        date: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        command: options.command.clone(),
        seed: options.seed,
        rounds: options.rounds.unwrap_or(work.rounds),
        sitting: if work.fresh { 1 } else { work.sitting },
        slice_ms: options.slice.map_or(work.slice_ms, |slice| slice.as_millis() as u64),
        machine: machine::machine(),
        rows: work
            .selected(&options.servers)
            .iter()
            .map(|row| about_row(work, row, launch, &versions))
            .collect(),
        absent: Vec::new(),
    }
}

/// A row with its commands, as one would type them in the folder of the repository.
fn about_row(
    work: &Work,
    row: &Row,
    launch: &Launch,
    versions: &BTreeMap<String, String>,
) -> RowAbout {
    let own = format!("BUILT={} ", launch.own.display());
    let root = format!("{}/", launch.root.display());
    let typed = |command| shown(&command).replace(&own, "").replace(&root, "");
    let version = |name: &&str| {
        format!("{name} {}", versions.get(*name).map_or("(no version)", String::as_str))
    };
    let client = |client: &Client| {
        let [port, pid] = if client.elsewhere { ["ELSEWHERE", "ITS-PID"] } else { ["PORT", "PID"] };
        typed(launch.client(client, row, None, port, pid))
    };
    RowAbout {
        row: row.name.into(),
        versions: row.server().versions.iter().map(version).collect(),
        server: typed(launch.server(work, row, "PORT")),
        clients: work.clients.iter().map(client).collect(),
    }
}

struct Run<'a> {
    work: &'static Work,
    launch: &'a Launch,
    rounds: u32,
    slice: Duration,
    rng: Rng,
    /// How long the frames of a row are.
    frames: HashMap<&'static str, u64>,
    results: Results,
}

impl<'a> Run<'a> {
    /// From the first round of a group to that of the next: no sitting belongs to two groups.
    fn stride(&self) -> u32 {
        self.rounds.next_multiple_of(self.work.sitting.max(1))
    }

    /// All rounds, in sittings.
    fn side_by_side(&mut self, rows: &[&'static Row], first_round: u32) {
        let (plain, alike): (Vec<&Row>, Vec<&Row>) =
            rows.iter().copied().partition(|row| row.as_long_as.is_none());
        let mut rows = [plain, alike].concat();
        let end = first_round + self.rounds;
        let sitting = match self.work.sitting {
            0 => self.rounds,
            some => some,
        };
        for first in (first_round..end).step_by(sitting as usize) {
            self.sitting(&mut rows, first..end.min(first + sitting));
            // Nobody is always the first in memory, or the last; now all lengths are known.
            self.rng.shuffle(&mut rows);
        }
    }

    /// Some rounds through which all servers live; each waits while another has its turn. Rows that
    /// fail are gone for good.
    fn sitting(&mut self, rows: &mut Vec<&'static Row>, rounds: Range<u32>) {
        let mut sessions = Vec::new();
        for row in rows.iter().copied() {
            let started = self.start(row).and_then(|mut session| {
                self.warm_up(&mut session)?;
                Ok(session)
            });
            sessions.extend(self.or_absent(row, started));
        }
        for round in rounds {
            self.rng.shuffle(&mut sessions);
            for mut session in std::mem::take(&mut sessions) {
                let turns = session.turns(round, self.slice);
                if let Some(turns) = self.or_absent(session.row, turns) {
                    self.results.turns.extend(turns);
                    sessions.push(session);
                }
            }
            self.say_round(round);
        }
        rows.retain(|row| sessions.iter().any(|session| session.row.name == row.name));
    }

    /// Every turn has a server of its own: each round is a sitting.
    fn fresh(&mut self, rows: &[&'static Row]) {
        let mut rows = rows.to_vec();
        for round in 0..self.rounds {
            self.rng.shuffle(&mut rows);
            for row in rows.clone() {
                let turns =
                    self.start(row).and_then(|mut session| session.turns(round, self.slice));
                match self.or_absent(row, turns) {
                    Some(turns) => self.results.turns.extend(turns),
                    None => rows.retain(|other| other.name != row.name),
                }
            }
            self.say_round(round);
        }
    }

    fn start(&self, row: &'static Row) -> Result<Session<'a>> {
        let size = match row.as_long_as {
            None => None,
            Some(other) => {
                let frame = self.frames.get(other);
                Some(payload_of(*frame.with_context(|| format!("{other} has no frames"))?))
            }
        };
        let session = Session::start(self.work, row, self.launch, size)?;
        eprintln!("{}: {} is connected", self.work.name, row.name);
        Ok(session)
    }

    /// A turn that does not count, and shows how long frames are.
    fn warm_up(&mut self, session: &mut Session<'_>) -> Result<()> {
        let turns: Vec<Turn> = session.turns(0, WARM_UP)?;
        let clients = turns.iter().flat_map(|turn| &turn.clients);
        if let Some(bytes) = clients.filter_map(|client| client.slice.frame_bytes).next_back() {
            self.frames.insert(session.row.name, bytes);
        }
        Ok(())
    }

    fn or_absent<T>(&mut self, row: &Row, outcome: Result<T>) -> Option<T> {
        let error = outcome.map_err(|error| format!("{}: {error:#}", row.name));
        error
            .map_err(|words| {
                eprintln!("{}: {words}", self.work.name);
                self.results.about.absent.push(words);
            })
            .ok()
    }

    fn say_round(&self, round: u32) {
        eprintln!("{}: round {} of {}", self.work.name, round % self.stride() + 1, self.rounds);
    }
}
