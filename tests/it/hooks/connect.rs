//! Who may connect: the backend is asked when it is known who that is, and before the welcome.

use serde_json::{Value, json};

use super::{knock, outcome, publish, start, subscribe};
use crate::backend::Backend;
use crate::server::folder;
use crate::token::{JWT_KEY, token};
use crate::wire::{Wire, text};

#[test]
fn who_may_connect() {
    for workers in ["1", "3"] {
        let backend = Backend::start();
        let server = start(&backend, "connect,disconnect", &["--workers", workers]);
        let mut wire = knock(&server, "/ws");
        let asked = backend.asked("connect");
        assert_eq!(asked.body["address"], "127.0.0.1");
        let name = asked.body["connection"].clone();
        assert!(asked.body["node"].is_string() && asked.body["timestamp"].is_u64());
        assert_eq!(asked.body["user"], Value::Null);
        asked.allow();
        let welcome = wire.json();
        assert_eq!(
            (&welcome["type"], &welcome["data"]["connection"]),
            (&json!("connection"), &name)
        );
        drop(wire);
        let told = backend.told();
        assert_eq!((&told[0]["event"], &told[0]["connection"]), (&json!("disconnect"), &name));

        let mut wire = knock(&server, "/ws");
        backend.asked("connect").deny("the house is full");
        let error = wire.json();
        assert_eq!(error["type"], "error");
        assert_eq!(error["data"]["code"], "forbidden");
        assert_eq!(error["data"]["message"], "the house is full");
        assert_eq!(wire.close(), Some((4403, "forbidden".into())));
        drop(wire);
        // Nobody is told of the end of who was never let in: the next that comes is the next.
        let wire = knock(&server, "/channels/raw");
        let asked = backend.asked("connect");
        let name = asked.body["connection"].clone();
        asked.allow();
        drop(wire);
        assert_eq!(backend.told()[0]["connection"], name);
        assert_eq!(server.counter(&outcome("connect", "allowed")), 2);
        assert_eq!(server.counter(&outcome("connect", "denied")), 1);
        assert_eq!(
            server.counter(r#"fanwire_hook_events_total{event="disconnect",outcome="told"}"#),
            2
        );
    }
}

/// With tokens: the backend is asked when it is known who that is, and before the welcome.
#[test]
fn who_has_logged_in() {
    let backend = Backend::start();
    let rules = "[[rule]]\npattern = \">\"\nsubscribe = \"user\"\npublish = \"user\"\n";
    let file = folder("hooks-logins").join("fanwire.toml");
    std::fs::write(&file, rules).expect("written");
    let file = file.to_string_lossy();
    let hooks = "connect,subscribe,publish,disconnect";
    let server = start(&backend, hooks, &["--jwt-keys", JWT_KEY, "--config", &file]);
    let ann = token("ann", &json!({"info": {"name": "Ann"}}));

    let line = format!("Authorization: Bearer {ann}\r\n");
    let (mut wire, _) = Wire::open_with(server.port, "/ws", &line);
    let asked = backend.asked("connect");
    assert_eq!(
        (&asked.body["user"], &asked.body["info"]),
        (&json!("ann"), &json!({"name": "Ann"}))
    );
    asked.allow();
    assert_eq!(wire.json()["data"]["user"], "ann");
    wire.send(text(&subscribe(1, "room").to_string()));
    let asked = backend.asked("subscribe");
    assert_eq!((&asked.body["user"], &asked.body["info"]), (&json!("ann"), &Value::Null));
    asked.allow();
    assert_eq!(wire.json()["type"], "ack");
    // One's own channel belongs to who connects.
    wire.send(text(&subscribe(2, "$user").to_string()));
    assert_eq!(wire.json()["type"], "ack");
    wire.send(text(&publish(3, "room", &json!(1)).to_string()));
    let asked = backend.asked("publish");
    assert_eq!(asked.body["user"], "ann");
    asked.deny("not today");
    assert_eq!(wire.json()["data"]["message"], "not today");
    drop(wire);
    let told = backend.told();
    assert_eq!((&told[0]["event"], &told[0]["user"]), (&json!("disconnect"), &json!("ann")));

    // Who logs in by message: asked then, and not for a stranger.
    let mut wire = knock(&server, "/ws");
    wire.send(text(&json!({"type": "ping"}).to_string()));
    assert_eq!(wire.json()["type"], "pong");
    assert!(backend.is_quiet());
    wire.send(text(&json!({"type": "auth", "id": 1, "data": {"token": ann}}).to_string()));
    let asked = backend.asked("connect");
    assert_eq!(asked.body["user"], "ann");
    assert_eq!(wire.json()["type"], "ack");
    asked.allow();
    assert_eq!(wire.json()["type"], "connection");
    // A refresh is no new connection.
    wire.send(text(&json!({"type": "auth", "id": 2, "data": {"token": ann}}).to_string()));
    assert_eq!(wire.json()["id"], 2);
    assert!(backend.is_quiet());
    drop(wire);
    assert_eq!(backend.told()[0]["user"], "ann");

    // A bad token is refused without asking.
    let bad = "Authorization: Bearer x\r\n";
    let (mut wire, _) = Wire::open_with(server.port, "/ws", bad);
    assert_eq!(wire.json()["type"], "error");
    assert_eq!(wire.close().map(|(code, _)| code), Some(4102));
    drop(wire);
    assert!(backend.is_quiet());
}
