//! The log (design 4, `log_level` and `log_format`): one line per event, JSON where that is wanted,
//! and an attack does not fill the disk.

use std::time::Instant;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{Wire, handshake};

/// The lines of a JSON log with this message.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let parsed = log.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        line
    });
    parsed.filter(|line| line["fields"]["message"] == message).collect()
}

#[test]
fn a_life_in_json_lines() {
    let server = Server::start(&["--log-format", "json", "--log-level", "debug", "--workers", "1"]);
    let mut peer = Peer::open(server.port, "/ws");
    assert_eq!(peer.refused(&json!({"type": "nonsense", "id": "\u{1b}[2J\n{}"})), "unknown_type");
    assert_eq!(server.read("/no\u{1b}[2Jthing").status, 400);
    let mut rude = Wire::open(server.port, "/echo");
    rude.send([0x83, 0x80, 0, 0, 0, 0]);
    assert_eq!(rude.close(), Some((1002, "protocol".into())));
    rude.end();
    drop((rude, peer));
    server.await_counter(r#"fanwire_ends_total{how="lost"}"#, |count| count == 1);
    let log = server.into_log();
    assert!(!log.contains('\u{1b}'), "{log}");
    let started = lines(&log, "started");
    assert_eq!((started.len(), &started[0]["level"]), (1, &json!("INFO")));
    assert_eq!(lines(&log, "listening").len(), 1);
    let closing = lines(&log, "closing");
    assert_eq!((closing.len(), &closing[0]["fields"]["word"]), (1, &json!("protocol")));
    let ended = lines(&log, "connection ended");
    assert_eq!(ended.iter().filter(|line| line["fields"]["how"] == "lost").count(), 1);
    assert!(ended.iter().all(|line| line["fields"]["connection"].is_string()), "{ended:?}");
    let refused = lines(&log, "refused");
    let unknown = refused.iter().find(|line| line["fields"]["code"] == "unknown_type");
    assert_eq!(unknown.expect("it is told")["level"], "DEBUG");
}

/// Checklist 4: what strangers cause again and again is one line a second, with a count.
#[test]
fn an_attack_does_not_fill_the_log() {
    let server = Server::start(&["--log-format", "json", "--max-connections", "1"]);
    let start = Instant::now();
    let _only = Peer::open(server.port, "/ws");
    for _ in 0..200 {
        let mut wire = Wire::connect(server.port);
        assert_eq!(wire.ask(&handshake("/ws", "")).status, 503);
    }
    let seconds = start.elapsed().as_secs();
    let log = server.into_log();
    let told = lines(&log, "limit reached");
    assert!(told.iter().all(|line| line["fields"]["limit"] == "max_connections"), "{told:?}");
    assert_eq!(told[0]["level"], "WARN");
    assert!(told.len() as u64 <= seconds + 1, "{} lines in {seconds} s", told.len());

    let key = "a:0123456789abcdef:read";
    let flags = ["--log-format", "json", "--log-level", "info", "--workers", "1"];
    let server = Server::start(&[&flags[..], &["--api-keys", key]].concat());
    let start = Instant::now();
    for number in 0..50 {
        let guess = format!("Authorization: Bearer guess-number-{number:08}\r\n");
        let refused = Wire::connect(server.port).request("GET", "/channels", &guess);
        assert!(matches!(refused.status, 401 | 429), "{refused:?}");
    }
    let seconds = start.elapsed().as_secs();
    let told = lines(&server.into_log(), "an API key that does not exist");
    assert_eq!((&told[0]["level"], &told[0]["fields"]["times"]), (&json!("INFO"), &json!(1)));
    assert!(told.len() as u64 <= seconds + 1, "{} lines in {seconds} s", told.len());
}
