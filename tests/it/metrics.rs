//! `GET /metrics` (design 3): the text is well-formed by the letter of the format, docs/metrics.md
//! says what stands in it, and what happens is counted once, under its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{Wire, close, text};

/// One metric as a scraper reads it.
#[derive(Debug, Default)]
struct Metric {
    help: String,
    kind: String,
    /// Values by the text of their labels.
    samples: BTreeMap<String, f64>,
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The names of the labels between the braces, which must be well-formed.
fn label_names(labels: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once("=\"").expect("name=\"value\"");
        assert!(is_name(name), "{labels}");
        names.push(name.into());
        let mut escaped = false;
        let end = quoted.find(|c| {
            let end = c == '"' && !escaped;
            assert!(!escaped || "\\n\"".contains(c), "{labels}");
            escaped = c == '\\' && !escaped;
            end
        });
        rest = &quoted[end.expect("a closing quote") + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    names
}

/// Reads the text format 0.0.4 as strictly as it is written down: HELP, TYPE, then the samples of
/// that metric, each set of labels once.
fn parse(text: &str) -> BTreeMap<String, Metric> {
    assert!(text.ends_with('\n'));
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            let (name, help) = line.split_once(' ').expect("a name and its meaning");
            assert!(is_name(name) && !help.is_empty(), "{line}");
            let metric = Metric { help: help.into(), ..Metric::default() };
            assert!(metrics.insert(name.into(), metric).is_none(), "{name} comes twice");
            current = name.into();
            continue;
        }
        let metric = metrics.get_mut(&current).expect("HELP comes first");
        if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').expect("a name and its type");
            assert_eq!(name, current, "TYPE follows HELP");
            assert!(metric.samples.is_empty() && metric.kind.is_empty(), "{line}");
            metric.kind = kind.into();
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let labels = labels.strip_suffix('}').expect("a closing brace");
        let suffix = name.strip_prefix(current.as_str()).expect("samples stand together");
        match metric.kind.as_str() {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            "counter" => assert!(name.ends_with("_total") && suffix.is_empty(), "{line}"),
            "gauge" => assert!(!name.ends_with("_total") && suffix.is_empty(), "{line}"),
            other => panic!("{other}: {line}"),
        }
        label_names(labels);
        let value: f64 = value.parse().expect("a number");
        let twice = metric.samples.insert(format!("{suffix}{{{labels}}}"), value);
        assert!(twice.is_none(), "{line} comes twice");
    }
    metrics
}

/// Buckets are cumulative, end with `+Inf`, and that is the count.
fn assert_histogram(name: &str, metric: &Metric) {
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for (labels, value) in &metric.samples {
        if let Some(labels) = labels.strip_prefix("_bucket") {
            let (_, bound) = labels.split_once("le=\"").expect("a bound");
            let bound = bound.trim_end_matches("\"}").replace("+Inf", "inf");
            buckets.push((bound.parse().expect("a number"), *value));
        }
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name}: {buckets:?}");
    let (bound, all) = *buckets.last().expect("a bucket");
    assert_eq!((bound, all), (f64::INFINITY, metric.samples["_count{}"]), "{name}");
    assert!(metric.samples["_sum{}"] >= 0.0, "{name}");
}

#[test]
fn the_text_is_well_formed_and_as_documented() {
    let server = Server::start(&["--workers", "2"]);
    let response = server.read("/metrics");
    let content = response.field("content-type");
    assert_eq!(content, Some("text/plain; version=0.0.4; charset=utf-8"));
    let metrics = parse(&response.text());
    assert!(
        metrics.keys().all(|name| name.starts_with("fanwire_") || name.starts_with("process_"))
    );
    for (name, metric) in metrics.iter().filter(|(_, metric)| metric.kind == "histogram") {
        assert_histogram(name, metric);
    }
    let mut rows = BTreeSet::new();
    for (name, Metric { help, kind, samples }) in &metrics {
        let labels = samples.keys().next().expect("a sample");
        let (_, labels) = labels.split_once('{').expect("labels");
        let names = label_names(labels.trim_end_matches('}'));
        let names: Vec<_> =
            names.iter().filter(|name| *name != "le").map(|name| format!("`{name}`")).collect();
        rows.insert(format!("| `{name}` | {kind} | {} | {help} |", names.join(", ")));
    }
    let documented = include_str!("../../docs/metrics.md");
    let documented: BTreeSet<String> = documented
        .lines()
        .filter(|line| line.starts_with("| `fanwire_") || line.starts_with("| `process_"))
        .map(Into::into)
        .collect();
    let missing: Vec<_> = rows.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&rows).collect();
    assert!(missing.is_empty(), "docs/metrics.md lacks {missing:#?}");
    assert!(unknown.is_empty(), "docs/metrics.md speaks of {unknown:#?}");
}

/// Every value that a label may have by itself is in the document.
#[test]
fn the_words_of_the_labels_are_documented() {
    let server = Server::start(&["--workers", "1"]);
    let documented = include_str!("../../docs/metrics.md");
    let metrics = parse(&server.read("/metrics").text());
    for name in ["fanwire_limits_total", "fanwire_ends_total", "fanwire_gaps_total"] {
        for labels in metrics[name].samples.keys() {
            let word = labels.split('"').nth(1).expect("a word");
            assert!(documented.contains(&format!("| `{word}` |")), "{name}: {word}");
        }
    }
}

/// Each refusal, close and end is counted once, where it is said, whatever led to it.
#[test]
fn what_happens_is_counted_under_its_reason() {
    let server = Server::start(&["--max-subscriptions", "1", "--max-message-bytes", "1KiB"]);
    let assert_counts = |metric: &str, count| assert_eq!(server.counter(metric), count, "{metric}");
    let mut peer = Peer::open(server.port, "/ws");
    peer.subscribe("a");
    let second = json!({"type": "subscribe", "id": 1, "channel": "b"});
    assert_eq!(peer.refused(&second), "too_many_subscriptions");
    assert_counts(r#"fanwire_refusals_total{code="too_many_subscriptions",over="ws"}"#, 1);
    assert_counts(r#"fanwire_limits_total{limit="max_subscriptions"}"#, 1);
    peer.send(&json!("x".repeat(2000)));
    assert_eq!(peer.closed().0, 1009);
    assert_counts(r#"fanwire_closes_total{code="1009",word="too_large"}"#, 1);
    assert_counts(r#"fanwire_limits_total{limit="max_message_bytes"}"#, 1);
    assert_eq!(server.read("/nothing").status, 404);
    assert_counts(r#"fanwire_refusals_total{code="not_found",over="http"}"#, 1);
    let batch = r#"[{"channel":"..","data":1},{"channel":"a","data":1}]"#;
    assert_eq!(server.post("/publish", "", batch).status, 200);
    assert_counts(r#"fanwire_refusals_total{code="bad_channel",over="http"}"#, 1);
    let mut wire = Wire::open(server.port, "/echo");
    wire.send(text("x"));
    assert_eq!(wire.text(), "x");
    wire.send(close(1000, ""));
    wire.close();
    drop((wire, peer));
    assert_counts("fanwire_closes_received_total", 1);
    drop(Wire::open(server.port, "/echo"));
    server.await_counter(r#"fanwire_ends_total{how="lost"}"#, |count| count == 1);
}

/// Design 3: from acceptance to the kernel, and how busy the workers are.
#[test]
fn publications_and_turns_are_timed() {
    let server = Server::start(&["--workers", "2"]);
    let mut peers: Vec<_> = (0..3).map(|_| Peer::open(server.port, "/ws")).collect();
    for peer in &mut peers {
        peer.subscribe("timed");
    }
    for number in 0..5 {
        server.publish("timed", number.to_string());
        for peer in &mut peers {
            assert_eq!(peer.receive()["data"], number);
        }
    }
    // One feed on each worker, or one where all three are on the same.
    server.await_counter("fanwire_publication_seconds_count", |count| count >= 5);
    let metrics = parse(&server.read("/metrics").text());
    let sample = |name: &str, labels: &str| metrics[name].samples[labels];
    let timed = sample("fanwire_publication_seconds", "_sum{}");
    assert!(timed > 0.0, "{timed} s for five publications");
    let mut busy = 0.0;
    for worker in ["{worker=\"0\"}", "{worker=\"1\"}"] {
        assert!(sample("fanwire_worker_turns_total", worker) > 0.0);
        busy += sample("fanwire_worker_busy_seconds_total", worker);
    }
    let turns = sample("fanwire_turn_seconds", "_sum{}");
    assert!(busy > 0.0 && turns > 0.0, "{busy} s busy, {turns} s in turns");
}
