//! The driver as a program, with the real floor and a load generator that makes its numbers up
//! (`fake-fanwire`): processes are started and ended, rounds run, results, figure and table
//! written.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Run {
    folder: PathBuf,
    command: Command,
}

impl Run {
    /// A short run that writes into a folder of its own.
    fn new(name: &str) -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        command.env("FLOOR", env!("CARGO_BIN_EXE_floor"));
        command.arg("--no-build").arg("--fanwire").arg(here.join("tests/fake-fanwire"));
        command.arg("--results").arg(&folder).args(["--slice", "10ms", "--rounds", "4"]);
        Self { folder, command }
    }

    fn output(&mut self, args: &[&str]) -> Output {
        self.command.args(args).output().expect("it starts")
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).expect(file)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_work_is_measured_written_and_drawn() {
    let mut run = Run::new("measured");
    let output = run.output(&["fanout-1k", "--servers", "floor,fanwire", "--strict"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results: serde_json::Value =
        serde_json::from_str(&run.read("fanout-1k.json")).expect("it is JSON");
    let turns = results["turns"].as_array().expect("a list");
    for row in ["floor", "floor-envelope", "fanwire-raw", "fanwire-envelope"] {
        assert_eq!(turns.iter().filter(|turn| turn["row"] == row).count(), 4, "{row}");
    }
    let order: Vec<&str> = turns.iter().filter_map(|turn| turn["row"].as_str()).collect();
    assert!(order.chunks(4).any(|round| round != &order[..4]), "the order is always {order:?}");
    let figure = run.read("fanout-1k.svg");
    assert!(figure.contains("fanwire-envelope") && figure.contains("1.100 [1.100, 1.100]"));
    let table = text(&output.stdout);
    let line =
        table.lines().find(|line| line.starts_with("fanwire-envelope")).expect("it is there");
    assert!(line.contains("1.100 [1.100, 1.100]") && line.contains("1100 ns"), "{line}");
}

/// The floor has the frames of the envelope: its size was learned from the first ones seen.
#[test]
fn the_floor_is_given_the_length_of_the_envelope() {
    let mut run = Run::new("lengths");
    let output = run.output(&["fanout-1k", "--servers", "fanwire-envelope"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = run.read("fanout-1k.json");
    let lines = |row: &str| {
        let named = format!("\"row\":\"{row}\"");
        results.lines().filter(move |line| line.contains(&named)).map(String::from)
    };
    assert!(lines("floor-envelope").all(|line| line.contains("\"frame_bytes\":192")));
    assert!(lines("floor").all(|line| line.contains("\"frame_bytes\":132")));
}

#[test]
fn a_server_that_does_not_start_is_named_and_the_others_go_on() {
    let mut run = Run::new("absent");
    run.command.env("BROKEN", "1");
    let output = run.output(&["fanout-1k", "--servers", "floor,fanwire-raw"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = run.read("fanout-1k.json");
    assert!(results.contains("fanwire-raw: ended at its start with exit status: 3: no luck today"));
    assert!(results.contains("\"row\":\"floor\"") && !results.contains("\"row\":\"fanwire-raw\","));
}

#[test]
fn strict_fails_when_a_row_is_missing() {
    let mut run = Run::new("strict");
    run.command.env("BROKEN", "1");
    let output = run.output(&["fanout-1k", "--servers", "floor,fanwire-raw", "--strict"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("no luck today"), "{}", text(&output.stderr));
}
