//! From what criterion has left on the disk to the table in docs/benchmarks.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Who is compared with; the version of each is that in Cargo.lock.
const PEERS: [&str; 7] =
    ["tungstenite", "fastwebsockets", "httparse", "simdutf8", "serde_json", "simd-json", "flate2"];

/// The one that is no peer but the limit.
const MEMCPY: &str = "memcpy";

/// One measurement.
pub struct Measured {
    at: SystemTime,
    path: String,
    who: String,
    input: String,
    ns: f64,
    bytes: Option<u64>,
}

/// Everybody on one input.
#[derive(Serialize)]
pub struct Row {
    path: String,
    input: String,
    fanwire_ns: f64,
    peers: BTreeMap<String, f64>,
    gigabytes_per_second: Option<f64>,
    memcpy_gigabytes_per_second: Option<f64>,
}

/// `benchmark.json` of criterion.
#[derive(Deserialize)]
struct Identity {
    group_id: String,
    function_id: String,
    value_str: String,
    throughput: Option<Value>,
}

/// What was measured since `began`, in that order.
pub fn measured(folder: &Path, began: SystemTime) -> Vec<Measured> {
    let mut found = Vec::new();
    collect(folder, began, &mut found);
    found.sort_by_key(|one| one.at);
    found
}

fn collect(folder: &Path, began: SystemTime, found: &mut Vec<Measured>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let folders = entries.map(|entry| entry.expect("a readable folder").path());
    for path in folders.filter(|path| path.is_dir()) {
        if path.ends_with("new") {
            found.extend(read(&path).filter(|one| one.at >= began));
        } else {
            collect(&path, began, found);
        }
    }
}

/// `None` for what another benchmark has left.
fn read(folder: &Path) -> Option<Measured> {
    let estimates = folder.join("estimates.json");
    let at = fs::metadata(&estimates).and_then(|file| file.modified()).ok()?;
    let json = |path: &Path| fs::read(path).ok();
    let identity: Identity = serde_json::from_slice(&json(&folder.join("benchmark.json"))?).ok()?;
    let estimates: Value = serde_json::from_slice(&json(&estimates)?).ok()?;
    let ns = estimates["median"]["point_estimate"].as_f64()?;
    let bytes = identity.throughput.and_then(|throughput| throughput["Bytes"].as_u64());
    let Identity { group_id: path, function_id: who, value_str: input, .. } = identity;
    Some(Measured { at, path, who, input, ns, bytes })
}

/// One row for each path and input that ours was measured on.
pub fn rows(measured: Vec<Measured>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for Measured { path, who, input, ns, bytes, .. } in measured {
        let row = rows.iter_mut().find(|row| row.path == path && row.input == input);
        // A byte per nanosecond is a gigabyte per second.
        let pace = bytes.map(|bytes| bytes as f64 / ns);
        match (row, who.as_str()) {
            (_, "fanwire") => rows.push(Row {
                path,
                input,
                fanwire_ns: ns,
                peers: BTreeMap::new(),
                gigabytes_per_second: pace,
                memcpy_gigabytes_per_second: None,
            }),
            (Some(row), MEMCPY) => row.memcpy_gigabytes_per_second = pace,
            (Some(row), _) => _ = row.peers.insert(who, ns),
            (None, _) => {}
        }
    }
    rows
}

/// A table for each path, the columns in the order of `PEERS`.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "Medians, by `make bench-codec`: one core, all in its caches. In brackets: how many times \
         the time of Fanwire's. GB/s are bytes of payload (of the head, for requests), and where \
         memory is the limit, the same bytes copied by `memcpy` are beside it. Compared are {}.\n",
        versions()
    );
    for path in rows.chunk_by(|a, b| a.path == b.path) {
        let peers: Vec<&str> = PEERS
            .into_iter()
            .chain(["std"])
            .filter(|peer| path.iter().any(|row| row.peers.contains_key(*peer)))
            .collect();
        let paced = path.iter().any(|row| row.gigabytes_per_second.is_some());
        let limited = path.iter().any(|row| row.memcpy_gigabytes_per_second.is_some());
        let mut columns = vec![path[0].path.as_str(), "Fanwire"];
        columns.extend(&peers);
        columns.extend(paced.then_some("GB/s"));
        columns.extend(limited.then_some("`memcpy` GB/s"));
        let _ = writeln!(text, "\n| {} |", columns.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(columns.len() - 1));
        for row in path {
            let mut cells = vec![row.input.clone(), time(row.fanwire_ns)];
            cells.extend(peers.iter().map(|peer| {
                let ns = row.peers.get(*peer);
                ns.map_or_else(String::new, |ns| {
                    format!("{} ({:.2})", time(*ns), ns / row.fanwire_ns)
                })
            }));
            let paces =
                [(paced, row.gigabytes_per_second), (limited, row.memcpy_gigabytes_per_second)];
            let shown = paces.into_iter().filter(|(shown, _)| *shown);
            cells.extend(shown.map(|(_, pace)| pace.map_or_else(String::new, three_digits)));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    text
}

fn time(ns: f64) -> String {
    if ns < 1000.0 {
        format!("{} ns", three_digits(ns))
    } else {
        format!("{} µs", three_digits(ns / 1000.0))
    }
}

fn three_digits(number: f64) -> String {
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$}")
}

/// Each peer with its version.
fn versions() -> String {
    let lock = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).expect("a lock file");
    let version = |peer: &str| {
        let entry = format!("name = \"{peer}\"\nversion = \"");
        let (_, rest) = lock.split_once(&entry).expect("every peer is in it");
        rest.split('"').next().unwrap_or_default()
    };
    let named: Vec<_> = PEERS.iter().map(|peer| format!("{peer} {}", version(peer))).collect();
    named.join(", ")
}

/// Writes what docs/benchmarks.md is made from.
pub fn write(rows: &[Row], text: &str) {
    let folder = Path::new(ROOT).join("benches/compare/results");
    fs::create_dir_all(&folder).expect("a folder for results");
    let json = serde_json::to_string_pretty(rows).expect("rows are JSON");
    fs::write(folder.join("codec.json"), json + "\n").expect("results can be written");
    fs::write(folder.join("codec.md"), text).expect("results can be written");
}
