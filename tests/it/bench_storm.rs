//! `fanwire bench`: storms, readers that stand still, and several processes, against the real
//! server. What is counted is exact; how long it takes is nobody's business here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::server::Server;
use crate::slow::{LONG, TIGHT};

/// A server that one publisher may publish to as fast as it can.
fn server(flags: &[&str]) -> Server {
    Server::start(&[&["--messages-per-second", "0", "--workers", "2"], flags].concat())
}

fn command(server: &Server, path: &str, words: &str) -> Command {
    let url = format!("ws://127.0.0.1:{}{path}", server.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanwire"));
    command.arg("bench").args(words.split_whitespace()).args(["--url", &url]).env_clear();
    command
}

fn run(server: &Server, path: &str, words: &str) -> Output {
    command(server, path, words).output().expect("it starts")
}

/// The result of a run.
fn measured(server: &Server, path: &str, words: &str) -> Value {
    let output = run(server, path, &format!("{words} --json"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn number(slice: &Value, pointer: &str) -> u64 {
    slice.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} of {slice}"))
}

/// Nothing was lost in silence, doubled or out of order.
fn assert_whole(slice: &Value) {
    for count in ["/lost", "/duplicated", "/reordered"] {
        assert_eq!(number(slice, count), 0, "{count} of {slice}");
    }
}

const STORM: &str = "storm --connections 200 --rate 500 --time 800ms --warm-up 100ms";

#[test]
fn everybody_comes_back_and_has_everything() {
    let server = server(&LONG);
    for (more, dropped) in
        [("", 200), ("--drop-share 0.5 --reset --channels 3", 100), ("--drop-share 0.01", 2)]
    {
        let slice = measured(&server, "/ws", &format!("{STORM} {more}"));
        assert_whole(&slice);
        assert_eq!(number(&slice, "/storm/dropped"), dropped, "{slice}");
        assert_eq!((number(&slice, "/storm/wrong"), number(&slice, "/closed")), (0, 0), "{slice}");
        let restored = ["restored_50_ns", "restored_99_ns", "restored_all_ns"];
        let restored = restored.map(|name| number(&slice, &format!("/storm/{name}")));
        assert!(restored[0] > 0 && restored.is_sorted(), "{slice}");
        assert_eq!((number(&slice, "/connections"), number(&slice, "/gaps_told")), (200, 0));
        assert!(number(&slice, "/published") > 0);
        assert_eq!(number(&slice, "/operations"), number(&slice, "/expected"), "{slice}");
    }
}

/// Nothing of what was missed can be had: it is told.
#[test]
fn a_storm_without_history_is_told_of_gaps() {
    let server = server(&["--history-count", "0"]);
    let slice = measured(&server, "/ws", STORM);
    assert_whole(&slice);
    assert_eq!(number(&slice, "/storm/wrong"), 0, "{slice}");
    let missed = number(&slice, "/expected") - number(&slice, "/operations");
    assert_eq!(missed > 0, number(&slice, "/gaps_told") > 0, "{slice}");
    assert_eq!(server.counter("fanwire_gaps_total"), number(&slice, "/gaps_told"));
}

const SLOW: &str = "slow --connections 100 --rate 200 --size 8KiB --time 1s --warm-up 0s";

#[test]
fn who_stood_still_reads_everything() {
    let server = server(&[&TIGHT[..], &LONG].concat());
    let metrics = format!("--metrics-url http://127.0.0.1:{}/metrics", server.port);
    let slice = measured(&server, "/ws", &format!("{SLOW} {metrics} --pid {}", server.pid()));
    assert_whole(&slice);
    let stalled = &slice["stalled"];
    assert_eq!((number(stalled, "/count"), number(stalled, "/missing")), (10, 0), "{slice}");
    assert_eq!(number(stalled, "/received"), 10 * number(&slice, "/published"), "{slice}");
    assert_eq!((number(stalled, "/told_in_gaps"), number(stalled, "/closed")), (0, 0), "{slice}");
    assert_eq!(stalled["filled"], true, "{slice}");
    assert!(number(stalled, "/rss_peak_bytes") > 0 && number(stalled, "/caught_up_ns") > 0);
    assert_eq!(number(&slice, "/latency_ns/count"), 90 * number(&slice, "/published"), "{slice}");
    assert!(number(&slice, "/server/cpu_ns") > 0, "the server has worked: {slice}");
}

const SHORT: [&str; 4] = ["--history-count", "30", "--history-bytes", "256KiB"];

#[test]
fn who_stood_still_too_long_is_told_exactly() {
    let server = server(&[&TIGHT[..], &SHORT].concat());
    let slice = measured(&server, "/ws", SLOW);
    assert_whole(&slice);
    let stalled = &slice["stalled"];
    assert_eq!((number(stalled, "/count"), number(stalled, "/missing")), (10, 0), "{slice}");
    let told = number(stalled, "/told_in_gaps");
    assert!(told > 0, "{slice}");
    assert_eq!(number(stalled, "/received") + told, 10 * number(&slice, "/published"), "{slice}");
}

/// A raw channel has no words for a gap.
#[test]
fn raw_readers_that_stood_still_too_long_are_closed() {
    let server = server(&[&TIGHT[..], &SHORT].concat());
    let slice = measured(&server, "/channels/bench", &format!("{SLOW} --dialect raw"));
    let stalled = &slice["stalled"];
    assert_eq!((number(stalled, "/closed"), number(stalled, "/missing")), (10, 0), "{slice}");
    assert_eq!(number(&slice, "/closed"), 10, "{slice}");
    let missed = number(&slice, "/expected") - number(&slice, "/operations");
    assert_eq!(number(&slice, "/lost"), missed, "what they missed is lost: {slice}");
}

#[test]
fn several_processes_are_joined_exactly() {
    let server = server(&[]);
    let words = "fanout --rate 300 --connections 51 --processes 3 --time 500ms --warm-up 100ms";
    for (path, dialect, publish) in
        [("/ws", "fanwire", "ws"), ("/ws", "fanwire", "http"), ("/channels/{channel}", "raw", "ws")]
    {
        let more = format!("--dialect {dialect} --publish {publish} --pid {}", server.pid());
        let slice = measured(&server, path, &format!("{words} {more}"));
        assert_whole(&slice);
        assert_eq!((number(&slice, "/processes"), number(&slice, "/connections")), (3, 51));
        let published = number(&slice, "/published");
        assert!(published > 0, "{slice}");
        assert_eq!(number(&slice, "/operations"), 51 * published, "{slice}");
        assert_eq!(number(&slice, "/expected"), 51 * published, "{slice}");
        assert_eq!(number(&slice, "/latency_ns/count"), 51 * published, "{slice}");
        assert!(number(&slice, "/server/cpu_ns") > 0, "{slice}");
    }
}

#[test]
fn several_processes_connect_and_echo() {
    let server = server(&[]);
    for (path, words, operations) in [
        ("/ws", "connect --connections 50 --processes 2 --time 50ms", Some(50)),
        ("/ws", "connect --connections 50 --processes 2 --time 200ms --churn 100", None),
        ("/echo", "echo --connections 20 --processes 2 --time 100ms --warm-up 50ms", None),
    ] {
        let slice = measured(&server, path, &format!("{words} --pid {}", server.pid()));
        assert_whole(&slice);
        assert_eq!(slice["operations"], slice["expected"], "{words}: {slice}");
        assert!(operations.is_none_or(|all| all == number(&slice, "/operations")), "{slice}");
        assert!(number(&slice, "/server/cpu_ns") > 0, "{words}: {slice}");
    }
}

#[test]
fn several_processes_are_told_when() {
    let server = server(&[]);
    let words = "fanout --rate 300 --connections 20 --processes 2 --steps";
    let mut child = command(&server, "/ws", words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("readable");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["ready"]["connections"], json!(20));
    for _ in 0..3 {
        stdin.write_all(b"go 200\n").expect("it listens");
        let slice = next();
        assert_whole(&slice);
        assert_eq!(number(&slice, "/operations"), 20 * number(&slice, "/published"), "{slice}");
    }
    stdin.write_all(b"end\n").expect("it listens");
    assert!(child.wait().expect("a status").success());
    server.await_counter("fanwire_subscriptions", |count| count == 0);
}

#[test]
fn what_goes_wrong_is_said_in_a_line() {
    let server = server(&["--max-connections", "10"]);
    let mut reasons = Vec::new();
    for words in [
        "fanout --processes 2",
        "storm --processes 2",
        "fanout --rate 5 --processes 2 --connections 40",
        "fanout --rate 5 --connections 2 --pid 4294967295",
        "slow --connections 2 --time 10ms --metrics-url http://127.0.0.1:1/metrics",
        "storm --compress",
    ] {
        let output = run(&server, "/ws", words);
        assert!(!output.status.success() && output.stdout.is_empty(), "{words}");
        let said = String::from_utf8(output.stderr).expect("text");
        let reason = said.strip_prefix("fanwire bench: ").unwrap_or_else(|| panic!("{said}"));
        assert_eq!(reason.lines().count(), 1, "{reason}");
        reasons.push(reason.to_string());
    }
    for (reason, words) in reasons.iter().zip([
        "--processes: only one of them publishes",
        "--processes: storm runs in one",
        "process ",
        "--pid: process 4294967295 is not there",
        "http://127.0.0.1:1/metrics: Connection refused",
        "storm: a position is not read",
    ]) {
        assert!(reason.starts_with(words), "{words}: {reason}");
    }
    assert!(reasons[2].contains("refused with 503"), "{}", reasons[2]);
}
