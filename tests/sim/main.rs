//! A deterministic simulation of the whole server: real workers over a fake world, model clients
//! with a codec of their own, and an oracle that hears of publications from their owners alone.
//!
//! `cargo test --profile checked --test sim` plays some hundred seeds, `FANWIRE_SEEDS=n` so many. A
//! failure names its seed: `FANWIRE_SEED=n` with `-- whatever --nocapture` plays that one and tells
//! its story.
//!
//! `world` is sockets, clock, mail and faults; `client` the clients; `oracle` what must be true;
//! `plan` what a seed decides; `stage` the play; `tokens` another, of who may hear what and when
//! (`rights`); `fair` one with a crowd.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs)]

mod client;
mod fair;
mod last;
mod lists;
mod oracle;
mod plan;
mod ready;
mod rights;
mod stage;
mod tokens;
mod users;
mod world;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread};

use fanwire::worker::net::Fault;
use plan::Plan;
use stage::{Outcome, drain, play};
use world::Sabotage;
use world::tally::Tally;

/// Seeds that a plain test run plays: some five seconds.
const SEEDS: u64 = 400;

/// Things that must have happened, or the simulation proves little.
const INTERESTING: &[&str] = &[
    "accepts without descriptors",
    "channels with a second life",
    "channels occupied",
    "channels vacated",
    "closed: forbidden",
    "disconnects told",
    "publishes not decided",
    "questions allowed",
    "questions denied",
    "questions without an answer",
    "turned away",
    "closed: lost (raw)",
    "closed: moved",
    "closed: no pong",
    "closed: overloaded",
    "closed: protocol",
    "closed: slow",
    "deliveries",
    "duplicates acknowledged",
    "gaps: epoch",
    "gaps: evicted",
    "gaps: slow",
    "histories read",
    "not recovered",
    "paused reads",
    "presence: counts",
    "presence: differences",
    "presence: first snapshots",
    "presence: lists",
    "presence: new snapshots",
    "publishes",
    "publishes refused",
    "publishes repeated",
    "pulls",
    "raw deliveries",
    "recovered",
    "reloads",
    "requests forbidden",
    "resets",
    "rounds",
    "short reads",
    "short writes",
    "spurious events",
    "subscribed in mode latest",
    "subscribed twice",
    "superseded on the way",
    "subscriptions ended",
    "unsubscribed",
    "updates",
    "wall clock jumps",
    "connections listed",
    "disconnects answered",
    "closed: disconnected",
];

/// The same of tokens.
const IDENTIFYING: &[&str] = &[
    "anonymous",
    "closed: bad token",
    "closed: expired",
    "closed: revoked",
    "closed: token needed",
    "closed: too late",
    "deliveries",
    "expiring",
    "logins",
    "logins refused",
    "reloads",
    "requests forbidden",
    "revocations",
    "subscribed",
    "subscriptions ended",
];

/// The same of nodes that stop.
const DRAINING: &[&str] = &[
    "closed: restart",
    "connections cut off",
    "goaways",
    "nodes drained",
    "presence: differences",
    "presence: first snapshots",
    "short writes",
];

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// The plan of a seed: its number of workers follows from it.
fn plan(seed: u64) -> Plan {
    Plan::new(seed, 1 + (seed % 4) as u16)
}

/// Plays one plan, and tells its story or not.
type Play = fn(&Plan, bool) -> Outcome;

/// Plays one seed and names it when it fails.
fn checked(play: Play, seed: u64) -> Outcome {
    panic::catch_unwind(AssertUnwindSafe(|| play(&plan(seed), false))).unwrap_or_else(|cause| {
        eprintln!("seed {seed} failed; FANWIRE_SEED={seed} tells its story");
        panic::resume_unwind(cause)
    })
}

/// Plays seeds on all cores: each thread takes the next one.
fn play_seeds(play: Play, count: u64) -> Tally {
    let next = AtomicU64::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return tally;
            }
            tally.merge(&checked(play, seed).tally);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut tally = Tally::default();
        for thread in threads {
            let part = thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
            tally.merge(&part);
        }
        tally
    })
}

/// Plays seeds, or the one that is asked for, in which all of this must have happened.
fn play_all(play: Play, count: u64, interesting: &[&str]) {
    if let Some(seed) = number("FANWIRE_SEED") {
        println!("{}", play(&plan(seed), true).tally);
        return;
    }
    let tally = play_seeds(play, count);
    println!("{tally}");
    for what in interesting {
        assert!(tally.of(what) > 0, "it never happened: {what}");
    }
}

#[test]
fn whatever_happens_nothing_is_lost_in_silence() {
    play_all(play, number("FANWIRE_SEEDS").unwrap_or(SEEDS), INTERESTING);
}

#[test]
fn a_node_that_stops_keeps_its_promises() {
    let count = number("FANWIRE_SEEDS").unwrap_or(SEEDS).div_ceil(2);
    play_all(drain::play, count, DRAINING);
}

#[test]
fn nothing_is_heard_without_a_right() {
    let count = number("FANWIRE_SEEDS").unwrap_or(SEEDS).div_ceil(2);
    play_all(tokens::play, count, IDENTIFYING);
}

#[test]
fn the_oracle_sees_rights_that_outlive_a_token() {
    is_noticed_in(tokens::play, Sabotage::Server(Fault::EndlessToken));
}

#[test]
fn the_oracle_sees_rights_that_outlive_a_refresh() {
    is_noticed_in(tokens::play, Sabotage::Server(Fault::StaleRights));
}

#[test]
fn a_seed_plays_the_same_twice() {
    let plan = plan(4_003);
    assert_eq!(play(&plan, false).digest, play(&plan, false).digest);
}

/// Plants a fault into the world, which the oracle must notice within some seeds; without it, they
/// pass.
fn is_noticed(sabotage: Sabotage) {
    is_noticed_in(play, sabotage);
}

fn is_noticed_in(play: Play, sabotage: Sabotage) {
    let noticed = (0..40).any(|seed| {
        let (sound, broken) = (plan(seed), Plan { sabotage, ..plan(seed) });
        let fails = |plan| panic::catch_unwind(AssertUnwindSafe(|| play(plan, false))).is_err();
        fails(&broken) && !fails(&sound)
    });
    assert!(noticed, "nobody noticed {sabotage:?}");
}

#[test]
fn the_oracle_sees_faults_of_the_world() {
    is_noticed(Sabotage::DropLetter);
    is_noticed(Sabotage::ReorderLetters);
    is_noticed(Sabotage::SwallowBytes);
    is_noticed(Sabotage::RepeatBytes);
    is_noticed(Sabotage::WrongConnection);
    is_noticed(Sabotage::LostWake);
}

#[test]
fn the_oracle_sees_a_reader_that_is_added_too_late() {
    is_noticed(Sabotage::Server(Fault::LateAdd));
}

#[test]
fn the_oracle_sees_an_eviction_without_a_gap() {
    is_noticed(Sabotage::Server(Fault::SilentEviction));
}

#[test]
fn the_oracle_sees_a_cursor_past_a_short_write() {
    is_noticed(Sabotage::Server(Fault::CursorPastShortWrite));
}

#[test]
fn the_oracle_sees_a_flush_without_an_end() {
    let greedy = Sabotage::Server(Fault::GreedyFlush);
    let fails = |sabotage| panic::catch_unwind(|| fair::play(1, sabotage)).is_err();
    assert!(fails(greedy), "nobody noticed {greedy:?}");
    assert!(!fails(Sabotage::None));
}

#[test]
fn the_oracle_sees_a_close_before_everything_is_delivered() {
    is_noticed_in(drain::play, Sabotage::Server(Fault::CloseUnserved));
}

#[test]
fn the_oracle_sees_somebody_whose_leaving_is_not_told() {
    is_noticed(Sabotage::Server(Fault::LostExit));
}

#[test]
fn the_backend_sees_that_it_is_not_heeded_or_not_told() {
    is_noticed(Sabotage::Server(Fault::IgnoredVerdict));
    is_noticed(Sabotage::Server(Fault::SilentEnd));
}

#[test]
fn the_oracle_sees_a_round_that_is_lost() {
    is_noticed(Sabotage::Server(Fault::StaleRound));
}
