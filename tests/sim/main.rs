//! A deterministic simulation of the whole server: real workers over a fake world, model clients
//! with a codec of their own, and an oracle that hears of publications from their owners alone.
//!
//! `cargo test --test sim` plays some hundred seeds. `FANWIRE_SEED=n` plays one and tells its
//! story; `FANWIRE_SEEDS=n` plays so many. A failure names its seed.
//!
//! `world` is sockets, clock, mail and faults; `client` the clients; `oracle` what must be true;
//! `plan` what a seed decides; `stage` the play.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs)]

mod client;
mod oracle;
mod plan;
mod stage;
mod world;

use std::env;
use std::panic::{self, AssertUnwindSafe};

use plan::Plan;
use stage::{Outcome, play};
use world::Sabotage;
use world::tally::Tally;

/// Seeds that a plain test run plays, over all numbers of workers.
const SEEDS: u64 = 240;

/// Things that must have happened, or the simulation proves little.
const INTERESTING: &[&str] = &[
    "accepts without descriptors",
    "channels with a second life",
    "deliveries",
    "duplicates acknowledged",
    "gaps: epoch",
    "gaps: evicted",
    "gaps: slow",
    "histories read",
    "not recovered",
    "paused reads",
    "publishes",
    "publishes refused",
    "publishes repeated",
    "pulls",
    "raw deliveries",
    "recovered",
    "resets",
    "short reads",
    "short writes",
    "spurious events",
    "subscribed twice",
    "unsubscribed",
];

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Plays seeds of one number of workers. Two threads of tests share two cores.
fn seeds(workers: u16) -> Tally {
    let mut tally = Tally::default();
    if let Some(seed) = number("FANWIRE_SEED") {
        if seed % 4 == u64::from(workers - 1) {
            play(&Plan::new(seed, workers), true);
        }
        return tally;
    }
    let count = number("FANWIRE_SEEDS").unwrap_or(SEEDS);
    for seed in (0..count).filter(|seed| seed % 4 == u64::from(workers - 1)) {
        tally.merge(&checked(seed, workers).tally);
    }
    println!("{tally}");
    for what in INTERESTING {
        assert!(tally.of(what) > 0, "with {workers} workers it never happened: {what}");
    }
    tally
}

/// Plays one seed and names it when it fails.
fn checked(seed: u64, workers: u16) -> Outcome {
    let plan = Plan::new(seed, workers);
    panic::catch_unwind(AssertUnwindSafe(|| play(&plan, false))).unwrap_or_else(|cause| {
        eprintln!("seed {seed} failed: FANWIRE_SEED={seed} cargo test --test sim tells its story");
        panic::resume_unwind(cause)
    })
}

#[test]
fn seeds_with_one_worker() {
    seeds(1);
}

#[test]
fn seeds_with_two_workers() {
    seeds(2);
}

#[test]
fn seeds_with_three_workers() {
    seeds(3);
}

#[test]
fn seeds_with_four_workers() {
    seeds(4);
}

#[test]
fn a_seed_plays_the_same_twice() {
    let plan = Plan::new(4_003, 4);
    assert_eq!(play(&plan, false).digest, play(&plan, false).digest);
}

/// Plants a fault into the world, which the oracle must notice within some seeds.
fn is_noticed(sabotage: Sabotage) {
    let noticed = (0..20).any(|seed| {
        let plan = Plan { sabotage, ..Plan::new(seed, 3) };
        panic::catch_unwind(AssertUnwindSafe(|| play(&plan, false))).is_err()
    });
    assert!(noticed, "nobody noticed {sabotage:?}");
}

#[test]
fn the_oracle_sees_a_lost_letter() {
    is_noticed(Sabotage::DropLetter);
}

#[test]
fn the_oracle_sees_letters_out_of_order() {
    is_noticed(Sabotage::ReorderLetters);
}

#[test]
fn the_oracle_sees_swallowed_bytes() {
    is_noticed(Sabotage::SwallowBytes);
}

#[test]
fn the_oracle_sees_bytes_sent_twice() {
    is_noticed(Sabotage::RepeatBytes);
}

#[test]
fn the_oracle_sees_bytes_for_somebody_else() {
    is_noticed(Sabotage::WrongConnection);
}

#[test]
fn the_oracle_sees_a_lost_wake() {
    is_noticed(Sabotage::LostWake);
}
