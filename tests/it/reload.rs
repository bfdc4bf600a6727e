//! SIGHUP: keys and rules are read again. Who is still allowed notices nothing, what is forbidden
//! now ends and says so, and what is wrong changes nothing. No secret reaches the log.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::permissions::{BEARER, KEY, counter};
use crate::server::{Server, folder};
use crate::wire::{PATIENCE, Wire};

const DONE: &str = r#"fanwire_reloads_total{outcome="ok"}"#;
const FAILED: &str = r#"fanwire_reloads_total{outcome="failed"}"#;

/// A server with a file of settings that changes.
struct Reloading {
    server: Server,
    file: PathBuf,
}

impl Reloading {
    fn start(name: &str, settings: &str, flags: &[&str]) -> Self {
        let file = folder(name).join("fanwire.toml");
        // A run that failed may have left a pipe there, which nobody reads.
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, settings).expect("written");
        let config = ["--config", &file.to_string_lossy()];
        let server = Server::start(&[&config[..], flags].concat());
        Self { server, file }
    }

    /// Changes the file and waits until the server has read it; says which of both counts rose.
    fn reload(&self, settings: &str) -> &'static str {
        std::fs::write(&self.file, settings).expect("written");
        let counts = || (counter(&self.server, DONE), counter(&self.server, FAILED));
        let before = counts();
        self.server.signal(Signal::HUP);
        let start = Instant::now();
        loop {
            match counts() {
                after if after == (before.0 + 1, before.1) => return DONE,
                after if after == (before.0, before.1 + 1) => return FAILED,
                after => assert_eq!(after, before, "once is once"),
            }
            assert!(start.elapsed() < PATIENCE, "it does not read its settings again");
        }
    }
}

fn settings(rules: &[(&str, &str)]) -> String {
    let rule = |(pattern, who): &(&str, &str)| {
        format!("[[rule]]\npattern = \"{pattern}\"\nsubscribe = \"{who}\"\n")
    };
    let rules: String = rules.iter().map(rule).collect();
    format!("api_keys = [\"{KEY}\"]\n{rules}")
}

fn publish(server: &Server, channel: &str, data: &str) -> Value {
    let response = server.post(&format!("/channels/{channel}"), BEARER, data);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].clone()
}

#[test]
fn what_is_forbidden_now_ends_and_the_rest_goes_on() {
    for workers in ["1", "3"] {
        let both = settings(&[("keep.>", "anyone"), ("hear.>", "anyone")]);
        let reloading = Reloading::start("reload-ends", &both, &["--workers", workers]);
        let server = &reloading.server;
        let mut kept = Peer::open(server.port, "/ws");
        kept.subscribe("keep.a");
        let mut kept_raw = Peer::open(server.port, "/channels/keep.b");
        // More than are looked at in one turn.
        let mut hearing: Vec<_> = (0..8).map(|_| Peer::open(server.port, "/ws")).collect();
        for (number, peer) in hearing.iter_mut().enumerate() {
            let names = (0..100).map(|n| json!({"channel": format!("hear.{number}.{n}")}));
            let names: Vec<_> = names.collect();
            peer.send(&json!({"type": "subscribe", "id": 1, "data": {"channels": names}}));
            for _ in 0..100 {
                assert_eq!(peer.receive()["type"], "ack");
            }
            peer.subscribe("keep.c");
        }
        let mut raw = Peer::open(server.port, "/channels/hear.raw");
        let position = publish(server, "hear.5.7", "1");
        assert_eq!(hearing[5].receive()["id"], position);

        assert_eq!(reloading.reload(&settings(&[("keep.>", "anyone")])), DONE);
        for (number, peer) in hearing.iter_mut().enumerate() {
            let mut ended = BTreeSet::new();
            for _ in 0..100 {
                let message = peer.receive();
                assert_eq!(message["type"], "unsubscribed", "{message}");
                assert_eq!(message["data"]["reason"], "forbidden");
                let channel = message["channel"].as_str().expect("a channel").to_string();
                if channel == "hear.5.7" {
                    assert_eq!(message["data"]["position"], position);
                }
                assert!(message["data"]["position"].is_string(), "{message}");
                assert!(channel.starts_with(&format!("hear.{number}.")) && ended.insert(channel));
            }
            peer.ping();
            let again = json!({"type": "subscribe", "id": 1, "channel": "hear.5.7"});
            assert_eq!(peer.refused(&again), "forbidden");
        }
        assert_eq!(raw.closed(), (4403, "forbidden".into()));
        assert_eq!(counter(server, "fanwire_subscriptions_ended_total"), 801);
        // Nobody is counted any more where nobody is.
        let path = "/channels/hear.5.7";
        let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{BEARER}\r\n");
        assert_eq!(Wire::connect(server.port).ask(&ask).json()["subscribers"], 0);

        // These have heard nothing of all this.
        kept.ping();
        let id = publish(server, "keep.a", "2");
        assert_eq!(kept.receive()["id"], id);
        publish(server, "keep.b", "3");
        assert_eq!(kept_raw.message().into_text().expect("text").as_str(), "3");
        for peer in &mut hearing {
            peer.ping();
        }

        // What is allowed again goes on from where it ended.
        publish(server, "hear.5.7", "4");
        assert_eq!(reloading.reload(&both), DONE);
        server.await_workers(BEARER);
        let since = json!({"since": position});
        let again = json!({"type": "subscribe", "id": 1, "channel": "hear.5.7", "data": since});
        assert_eq!(hearing[5].ask(&again)["recovered"], true);
        assert_eq!(hearing[5].receive()["data"], 4);
    }
}

/// A new key works, and one that is gone does not.
#[test]
fn keys_change() {
    let one = settings(&[]);
    let reloading = Reloading::start("reload-keys", &one, &["--workers", "2"]);
    let status = || {
        let line = "Authorization: Bearer fedcba9876543210";
        let ask = format!("GET /channels HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n");
        Wire::connect(reloading.server.port).ask(&ask).status
    };
    assert_eq!(status(), 401);
    let two = format!("api_keys = [\"{KEY}\", \"other:fedcba9876543210:read\"]\n");
    assert_eq!(reloading.reload(&two), DONE);
    reloading.server.await_workers(BEARER);
    assert_eq!(status(), 200);
    assert_eq!(reloading.reload(&one), DONE);
    reloading.server.await_workers(BEARER);
    assert_eq!(status(), 401);
    let log = stopped(reloading);
    assert!(!log.contains("ERROR"), "{log}");
}

/// Stops a server and returns what it has logged.
fn stopped(reloading: Reloading) -> String {
    reloading.server.signal(Signal::TERM);
    let (status, log) = reloading.server.ended();
    assert!(status.success(), "{status}: {log}");
    log
}

/// Whatever is wrong: the old settings stay in force, loudly.
#[test]
fn what_is_wrong_changes_nothing() {
    let good = settings(&[("keep.>", "anyone")]);
    let reloading = Reloading::start("reload-wrong", &good, &[]);
    let mut peer = Peer::open(reloading.server.port, "/ws");
    peer.subscribe("keep.a");
    let name = reloading.file.to_string_lossy().into_owned();
    let mut expected = Vec::new();
    for (bad, reason) in [
        ("api_keys = 5", ":1: api_keys: must be an array of strings"),
        ("api_keys = [\n", ":1: not TOML: unclosed array, expected `]`"),
        ("api_keys = [\"a:short:read\"]", ":1: api_keys: a secret must have 16 to 256 bytes"),
        ("workers = 0", ":1: workers: 0 is not in 1..=1024"),
    ] {
        assert_eq!(reloading.reload(bad), FAILED, "{bad}");
        expected.push(format!("{name}{reason}"));
    }
    // It would open the server to everybody.
    let rules = "[[rule]]\npattern = \"other\"\nsubscribe = \"anyone\"\n";
    assert_eq!(reloading.reload(rules), FAILED);
    expected.push("api_keys: there are none any more".into());
    peer.ping();
    publish(&reloading.server, "keep.a", "1");
    assert_eq!(peer.receive()["data"], 1);
    let again = json!({"type": "subscribe", "id": 1, "channel": "other"});
    assert_eq!(peer.refused(&again), "forbidden");
    std::fs::remove_file(&reloading.file).expect("it was there");
    let gone = counter(&reloading.server, FAILED);
    reloading.server.signal(Signal::HUP);
    let start = Instant::now();
    while counter(&reloading.server, FAILED) == gone {
        assert!(start.elapsed() < PATIENCE, "it does not notice");
    }
    expected.push(format!("config: {name}: No such file"));
    // Opened, it would wait for somebody who writes.
    let made = std::process::Command::new("mkfifo").arg(&reloading.file).status();
    assert!(made.expect("Linux has it").success());
    reloading.server.signal(Signal::HUP);
    let start = Instant::now();
    while counter(&reloading.server, FAILED) == gone + 1 {
        assert!(start.elapsed() < PATIENCE, "it waits for a writer");
    }
    std::fs::remove_file(&reloading.file).expect("it was there");
    expected.push(format!("config: {name}: not a file"));
    assert_eq!(peer.refused(&again), "forbidden");
    let log = stopped(reloading);
    for reason in expected {
        assert!(log.contains(&reason), "{reason}: {log}");
    }
    assert_eq!(log.matches("the old ones stay in force").count(), 7, "{log}");
}

/// What cannot change is named, once, and the rest is done.
#[test]
fn what_needs_a_new_start_is_named() {
    let reloading = Reloading::start("reload-waits", &settings(&[]), &["--log-level", "info"]);
    let changed = format!("max_batch = 7\nburst = 300\n{}", settings(&[("a", "anyone")]));
    assert_eq!(reloading.reload(&changed), DONE);
    Peer::open(reloading.server.port, "/ws").subscribe("a");
    let log = stopped(reloading);
    let lines: Vec<_> = log.lines().filter(|line| line.contains("need a new start")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("burst, max_batch"), "{log}");
    let done: Vec<_> = log.lines().filter(|line| line.contains("reloaded")).collect();
    assert_eq!(done.len(), 1, "{log}");
    assert!(done[0].contains("keys=1") && done[0].contains("rules=1"), "{log}");
}

/// A secret from each place where one may stand, right and wrong ones, at the most talkative level.
#[test]
fn no_secret_reaches_the_log() {
    let file = folder("reload-secrets").join("secret");
    std::fs::write(&file, "in-a-file-0123456789\n").expect("written");
    let key = format!("file:@{}:read", file.display());
    let good = format!(
        "api_keys = [\"{KEY}\", \"{key}\", \"inline:in-the-settings-0123456789:publish\"]\n"
    );
    let reloading = Reloading::start("reload-secrets", &good, &["--log-level", "trace"]);
    let server = &reloading.server;
    let mut peer = Peer::open(server.port, "/ws");
    peer.ping();
    for secret in ["in-a-file-0123456789", "in-the-settings-0123456789", "wrong-0123456789"] {
        let line = format!("Authorization: Bearer {secret}\r\n");
        server.post("/broadcast", &line, "1");
        server.post("/publish", &line, "nonsense");
    }
    for bad in [
        "api_keys = [\"bad:bad-secret-0123456789\"]",
        "api_keys = [\"bad-secret-0123456789:bad:read\"]",
        "api_keys = [\"bad:bad-secret-0123456789:all\"]",
        "api_keys = \"bad:bad-secret-0123456789:read\"",
        "api_key = [\"bad:bad-secret-0123456789:read\"]",
        "api_keys = [\"bad:bad-secret-0123456789:read\"",
        "api_keys = [bad:bad-secret-0123456789:read]",
        "api_keys = [\"a:bad-secret-0123456789:read\", \"b:bad-secret-0123456789:read\"]",
        "log_level = \"bad-secret-0123456789\"",
        "idle_timeout = \"bad-secret-0123456789\"",
        "listen = [\"bad-secret-0123456789\"]",
        "api_listen = [\"unix:bad-secret-0123456789\"]",
        "origins = [\"bad:bad-secret-0123456789:read\"]",
        "cors_origins = [\"bad-secret-0123456789\"]",
        "trusted_proxies = [\"bad-secret-0123456789\"]",
        "jwt_keys = [\"hs256:bad-secret-0123456789\"]",
        "jwt_keys = [\"/nowhere\", \"bad-secret-0123456789\"]",
        "hook_url = \"http://bad-secret-0123456789\"",
        "hook_secret = \"bad-secret-0123456789\"\nhook_url = \"https://bad-0123456789\"",
    ] {
        assert_eq!(reloading.reload(bad), FAILED, "{bad}");
    }
    assert_eq!(reloading.reload(&good), DONE);
    let log = stopped(reloading);
    assert!(log.contains("reloaded") && log.contains("stay in force"), "{log}");
    assert!(!log.contains("0123456789"), "{log}");
}
