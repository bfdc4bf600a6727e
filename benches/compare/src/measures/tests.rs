//! Pairing within rounds, and how numbers are written.

use super::*;
use crate::results::{About, ClientTurn};
use crate::slice::{Ready, Slice};
use crate::works::work;

fn turn(round: u32, row: &str, cpu_ns: u64, operations: u64) -> Turn {
    let server = Server { cpu_ns, user_ns: 1, system_ns: 3, ..Server::default() };
    let slice = Slice { operations, elapsed_ns: 500, server: Some(server), ..Slice::default() };
    let client = ClientTurn { client: "fanout".into(), ready: None, slice };
    let phase = "load".into();
    Turn { round, row: row.into(), phase, clients: vec![client], ..Turn::default() }
}

fn results(turns: Vec<Turn>) -> Results {
    let rounds = turns.iter().map(|turn| turn.round + 1).max().unwrap_or(0);
    Results { about: About { rounds, ..About::default() }, turns }
}

fn series(value: Value, row: &str, turns: Vec<Turn>) -> Vec<f64> {
    let work = work("fanout-1k").expect("it is in the table");
    value.series(&results(turns), work, work.row(row).expect("it takes part")).concat()
}

#[test]
fn a_ratio_is_paired_within_its_round() {
    let turns = vec![
        turn(0, "floor", 1_000, 10),
        turn(0, "bun", 1_100, 10),
        turn(1, "bun", 4_800, 20),
        turn(1, "floor", 2_000, 10),
        turn(2, "bun", 9_999, 1),
        turn(3, "floor", 9_999, 1),
    ];
    let ratio = Value::of(Quantity::CpuPerOperation).against(Against::Baseline);
    assert_eq!(series(ratio, "bun", turns.clone()), [1.1, 1.2]);
    assert_eq!(series(ratio, "floor", turns.clone()), [1.0, 1.0, 1.0]);
    let plain = Value::of(Quantity::CpuPerOperation);
    assert_eq!(series(plain, "bun", turns), [110.0, 240.0, 9_999.0]);
}

#[test]
fn a_slice_without_operations_counts_for_nothing() {
    let turns = vec![turn(0, "floor", 0, 10), turn(1, "floor", 10, 0), turn(2, "floor", 10, 5)];
    assert_eq!(series(Value::of(Quantity::CpuPerOperation), "floor", turns), [2.0]);
}

#[test]
fn phases_of_a_turn_are_held_against_each_other() {
    let phased = |phase: &str, rss_bytes| {
        let mut turn = turn(0, "floor", 1, 1);
        turn.phase = phase.into();
        turn.clients[0].slice.server.as_mut().expect("it is there").rss_bytes = rss_bytes;
        turn.clients[0].ready = Some(Ready { connections: 9, elapsed_ns: 1 });
        turn
    };
    let turns = vec![phased("few", 1_000), phased("more", 19_000)];
    let resident = Value::of(Quantity::ResidentBytes).phase("more");
    let read = |against| series(resident.against(against), "floor", turns.clone());
    assert_eq!(read(Against::Slope("few", "fanout")), [2_000.0]);
    assert_eq!(read(Against::MoreThanPhase("few")), [18_000.0]);
    assert_eq!(read(Against::Phase("few")), [19.0]);
    assert_eq!(read(Against::Phase("none")), [0.0; 0]);
}

#[test]
fn several_clients_are_divided_into_the_driver_s_account() {
    let mut both = turn(0, "floor", 1, 10);
    both.clients.push(both.clients[0].clone());
    both.cpu_ns = 400;
    assert_eq!(series(Value::of(Quantity::CpuPerOperation), "floor", vec![both]), [20.0]);
}

#[test]
fn a_client_is_asked_by_its_name() {
    let mut both = turn(0, "floor", 1, 1);
    both.clients.push(ClientTurn { client: "elsewhere".into(), ..both.clients[0].clone() });
    both.clients[1].slice.frame_bytes = Some(9);
    let frames = Value::of(Quantity::FrameBytes);
    let read = |value| series(value, "floor", vec![both.clone()]);
    assert_eq!(read(frames.client("elsewhere")), [9.0]);
    assert_eq!(read(frames), [0.0; 0]);
    assert_eq!(read(frames.client("nobody")), [0.0; 0]);
}

#[test]
fn how_numbers_read() {
    let read = |unit: Unit, values: &[f64]| -> Vec<String> {
        values.iter().map(|value| unit.write(*value)).collect()
    };
    assert_eq!(read(Unit::Ratio, &[1.0456, 15.26, 213.4]), ["1.046", "15.3", "213"]);
    assert_eq!(read(Unit::Time, &[14.26, 812.4, 12_345.0]), ["14.3 ns", "812 ns", "12.3 µs"]);
    assert_eq!(read(Unit::Time, &[-2.5e6, 3e9]), ["-2.50 ms", "3.00 s"]);
    assert_eq!(read(Unit::Bytes, &[141.3, 19_254.0, 2e7]), ["141", "19,254", "19.1 MiB"]);
    assert_eq!(read(Unit::Count, &[0.0, -0.4, -1_234.0]), ["0", "0", "-1,234"]);
    assert_eq!(read(Unit::Share, &[0.731]), ["73 %"]);
    let ticks = [0.0, 500.0, 2e6, 1.5e9].map(|value| Unit::Time.tick(value));
    assert_eq!(ticks, ["0 ns", "500 ns", "2 ms", "1.5 s"]);
    assert_eq!([1.0, 1.050_000_1].map(|value| Unit::Ratio.tick(value)), ["1", "1.05"]);
}

#[test]
fn cells_show_the_spread() {
    let summary = Summary::of(&[vec![1.0], vec![1.1], vec![1.2]]);
    let cell = |show| {
        Column::new("", Value::of(Quantity::FrameBytes), Unit::Ratio, show).cell(summary.as_ref())
    };
    assert_eq!(cell(Show::Median), "1.100");
    assert_eq!(cell(Show::Quartiles), "1.100 (1.050 to 1.150)");
    assert_eq!(cell(Show::Interval), "1.100 [1.000, 1.200]");
    assert_eq!((cell(Show::First), cell(Show::Last)), ("1.000".into(), "1.200".into()));
    let empty =
        Column::new("", Value::of(Quantity::FrameBytes), Unit::Count, Show::Median).cell(None);
    assert_eq!(empty, "–");
}
