//! Rules of style and architecture that a machine can check. `rules` has the rules, `source` reads
//! a file the way they need it, `falsify` shows of each rule that it can fail. What rustfmt and
//! clippy check is not repeated here.

mod falsify;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// Places that may break a rule: file, rule, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

#[test]
fn sources_keep_the_rules() {
    let sources = all_sources();
    assert!(sources.len() > 10, "found only {} files: is this the root?", sources.len());
    let mut findings: Vec<String> = Vec::new();
    for source in &sources {
        for finding in rules::check(source) {
            let excused = |(file, rule, _): &(&str, &str, &str)| {
                *file == source.path && *rule == finding.rule
            };
            if !EXCEPTIONS.iter().any(excused) {
                findings.push(format!("{}:{finding}", source.path));
            }
        }
    }
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn architecture_names_only_proofs_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map is there");
    let named = rules::proofs_named_in(&text);
    assert!(!named.is_empty(), "ARCHITECTURE.md names no proof at all");
    let sources = all_sources();
    let on_disk = |path: &str| root().join(path).exists();
    let exists = |proof: &&String| rules::proof_exists(proof, &sources, on_disk);
    let missing: Vec<_> = named.iter().filter(|proof| !exists(proof)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what does not exist: {missing:?}");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the project, in the order of their paths.
fn all_sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a source file is readable UTF-8");
        let name = path.strip_prefix(root()).expect("under the root").to_string_lossy();
        Source::new(&name, &text)
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            if !path.ends_with("node_modules") && !path.ends_with("target") {
                collect(&path, into);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}
