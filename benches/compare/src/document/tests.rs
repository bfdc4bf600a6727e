//! The document of made-up results: numbers are there, aims are judged, nothing is said of what was
//! not measured.

use super::*;
use crate::results::{ClientTurn, RowAbout, Turn};
use crate::slice::{Server, Slice};
use crate::works::work;

fn turn(round: u32, row: &str, cpu_ns: u64) -> Turn {
    let server = Some(Server { cpu_ns, ..Server::default() });
    let slice = Slice { operations: 1_000, server, ..Slice::default() };
    let clients = vec![ClientTurn { client: "fanout".into(), ready: None, slice }];
    Turn { round, row: row.into(), phase: "load".into(), clients, ..Turn::default() }
}

fn results() -> (&'static Work, Results) {
    let costs =
        [("floor", 1_000), ("fanwire-raw", 1_030), ("fanwire-envelope", 1_200), ("bun", 1_100)];
    let rows = costs.iter().chain(&[("floor-envelope", 1_000)]);
    let about = About {
        work: "fanout-1k".into(),
        date: "2026-01-02T03:04:05Z".into(),
        rounds: 3,
        rows: vec![RowAbout {
            row: "bun".into(),
            versions: vec!["bun 1.2".into()],
            ..<_>::default()
        }],
        absent: vec!["nchan: ended at its start".into()],
        ..About::default()
    };
    let turns = (0..3).flat_map(|round| rows.clone().map(move |(row, cpu)| turn(round, row, *cpu)));
    (work("fanout-1k").expect("it is in the table"), Results { about, turns: turns.collect() })
}

#[test]
fn aims_stand_beside_what_was_reached() {
    let text = document(&[results()], "");
    let line = |name: &str| {
        let begin = format!("| [Fan-out to 1,000](#fan-out-to-1000) | {name}, CPU to the floor |");
        text.lines().find(|line| line.starts_with(&begin)).expect(name).to_owned()
    };
    assert!(line("fanwire-raw").ends_with("| ≤ 1.040 | 1.030 [1.030, 1.030] | yes | bun 1.100 |"));
    let missed = "| ≤ 1.040 | 1.200 [1.200, 1.200] | **no** | bun 1.100 |";
    assert!(line("fanwire-envelope").ends_with(missed));
}

#[test]
fn a_section_has_all_its_parts() {
    let text = document(&[results()], "");
    for part in [
        "## Fan-out to 1,000",
        "![Fan-out to 1,000](../benches/compare/results/fanout-1k.svg)",
        "| floor | 1.000 [1.000, 1.000] |",
        "Not measured: nchan: ended at its start.",
        "2026-01-02T03:04:05Z",
        "* **bun**: bun 1.2",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("Handshakes"), "of a work without results");
}

#[test]
fn a_row_that_was_not_measured_is_said_to_be_so() {
    let (work, mut results) = results();
    results.turns.retain(|turn| turn.row != "fanwire-envelope");
    let text = document(&[(work, results)], "Medians.\n");
    assert!(text.contains("fanwire-envelope, CPU to the floor | ≤ 1.040 | not measured | | |"));
    assert!(text.ends_with("\n## The codec, path by path\n\nMedians.\n"));
}

#[test]
fn what_a_file_opens_with() {
    let paragraphs = |text| opening_comment(text);
    let rust = "//! The peer\n//! axum.\n//!\n//! Unfair: much.\n\nuse std::io;\n// Not this.\n";
    assert_eq!(paragraphs(rust), ["The peer axum.", "Unfair: much."]);
    assert_eq!(paragraphs("#!/bin/sh\n# One.\n#\n# Two.\nset -e\n"), ["One.", "Two."]);
    assert_eq!(paragraphs("// One.\nimport x;\n"), ["One."]);
    for server in SERVERS.iter().filter(|server| server.serve.is_some() && server.name != "floor") {
        let said = opening_comment(server.head.expect(server.name)).join("\n");
        assert!(said.contains("Made fast by") && said.contains("\nUnfair"), "{}", server.name);
    }
}
