//! Users (design 2 and 3): how many connections each may have, `$user`, and what the backend does
//! to the connections of one.

mod backend; // closing, subscribing, unsubscribing, taking back tokens

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::auth::{counter, server};
use crate::peer::Peer;
use crate::permissions::BEARER;
use crate::server::{Server, folder};
use crate::token::token;
use crate::wire::{Response, Wire, text};

/// Runs a test on servers of several sizes, where everybody has to log in.
fn with_users(flags: &[&str], test: impl Fn(&Server)) {
    for workers in ["1", "2", "4"] {
        test(&server(&[&["--workers", workers], flags].concat()));
    }
}

fn of(user: &str) -> String {
    token(user, &json!({}))
}

fn open(server: &Server, user: &str) -> Peer {
    Peer::open_as(server.port, "/ws", &of(user))
}

/// Asks the API.
fn ask(server: &Server, method: &str, path: &str, body: &str) -> Response {
    let length = body.len();
    Wire::connect(server.port).ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{BEARER}\
         Content-Length: {length}\r\n\r\n{body}"
    ))
}

/// The same; it must succeed.
fn done(server: &Server, method: &str, path: &str, body: &str) -> Value {
    let response = ask(server, method, path, body);
    assert_eq!(response.status, 200, "{method} {path}: {response:?}");
    response.json()
}

/// What a handshake with this token comes to: the close code and the error before it, where there
/// is one.
fn refused(server: &Server, path: &str, token: &str) -> (Option<String>, u16) {
    let line = format!("Authorization: Bearer {token}\r\n");
    let (mut wire, _) = Wire::open_with(server.port, path, &line);
    let frame = wire.frame();
    if frame.first & 15 == crate::wire::CLOSE {
        return (None, u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
    }
    let error: Value = serde_json::from_slice(&frame.payload).expect("JSON");
    assert_eq!(error["type"], "error", "{error}");
    let code = error["data"]["code"].as_str().expect("a code").to_owned();
    (Some(code), wire.close().expect("a Close").0)
}

const PER_USER: &str = "fanwire_limits_total{limit=\"max_connections_per_user\"}";

/// Waits until as many `WebSockets` are open, which takes a moment when one has gone.
fn await_open(server: &Server, wanted: u64) {
    await_counter(server, "fanwire_websockets", wanted);
}

fn await_counter(server: &Server, name: &str, wanted: u64) {
    let start = std::time::Instant::now();
    while counter(server, name) != wanted {
        assert!(start.elapsed() < crate::wire::PATIENCE, "{name} is not {wanted}");
    }
}

/// Design 4, `max_connections_per_user`: 4429, whatever the endpoint, and only that user.
#[test]
fn one_connection_too_many_is_refused() {
    with_users(&["--max-connections-per-user", "2"], |server| {
        let mut first = open(server, "ann");
        let second = Peer::open_as(server.port, "/channels/a", &token("ann", &hears("a")));
        assert_eq!(refused(server, "/ws", &of("ann")), (None, 4429));
        let hearing = token("ann", &hears("a"));
        assert_eq!(refused(server, "/channels/a", &hearing), (None, 4429));
        let mut other = open(server, "bob");
        first.ping();
        other.ping();
        assert_eq!(counter(server, PER_USER), 2);
        assert_eq!(counter(server, "fanwire_closes_total{code=\"4429\",word=\"too_many\"}"), 2);
        assert_eq!(counter(server, "fanwire_users"), 2);
        drop(second);
        await_open(server, 2);
        open(server, "ann").ping();
    });
}

/// The seat of one that is closed is free at once, however long its peer takes to go.
#[test]
fn a_closing_connection_is_not_counted() {
    with_users(&["--max-connections-per-user", "1"], |server| {
        for _ in 0..3 {
            let line = format!("Authorization: Bearer {}\r\n", of("ann"));
            let (mut silent, _) = Wire::open_with(server.port, "/ws", &line);
            silent.json();
            let gone = done(server, "DELETE", "/users/ann/connections", "");
            assert_eq!(gone["disconnected"], 1);
            open(server, "ann").ping();
            await_counter(server, "fanwire_users", 0);
            drop(silent);
        }
    });
}

/// The claims of a token that may hear a channel.
fn hears(channel: &str) -> Value {
    json!({"subscribe": [channel]})
}

/// Design 4, `per_user_policy`: the oldest is closed with 4409, and the new one comes in.
#[test]
fn the_oldest_is_replaced() {
    let flags = ["--max-connections-per-user", "2", "--per-user-policy", "replace"];
    with_users(&flags, |server| {
        let mut peers: Vec<Peer> = (0..2).map(|_| open(server, "ann")).collect();
        let mut other = open(server, "bob");
        for _ in 0..5 {
            peers.push(open(server, "ann"));
            assert_eq!(peers.remove(0).closed(), (4409, "replaced".into()));
        }
        peers.iter_mut().for_each(Peer::ping);
        other.ping();
        await_open(server, 3);
        assert_eq!(counter(server, PER_USER), 5);
        assert_eq!(counter(server, "fanwire_closes_total{code=\"4409\",word=\"replaced\"}"), 5);
        assert_eq!(counter(server, "fanwire_users"), 2);
        drop(peers);
        await_counter(server, "fanwire_users", 1);
    });
}

/// A token may say less than the setting, not more.
#[test]
fn a_token_has_a_limit_of_its_own() {
    with_users(&["--max-connections-per-user", "3"], |server| {
        let limited = |count: u32| token("ann", &json!({"limits": {"connections": count}}));
        let mut peers = vec![Peer::open_as(server.port, "/ws", &limited(1))];
        assert_eq!(refused(server, "/ws", &limited(1)), (None, 4429));
        peers.push(Peer::open_as(server.port, "/ws", &limited(9)));
        peers.push(open(server, "ann"));
        assert_eq!(refused(server, "/ws", &limited(9)), (None, 4429));
        peers.iter_mut().for_each(Peer::ping);
    });
}

/// Who logs in by `auth` is counted then; who refreshes is not counted again.
#[test]
fn a_login_by_message_counts() {
    with_users(&["--max-connections-per-user", "1"], |server| {
        let auth = json!({"type": "auth", "id": 1, "data": {"token": of("ann")}}).to_string();
        let mut ann = Wire::open(server.port, "/ws");
        ann.send(text(&auth));
        assert_eq!(ann.json()["data"]["user"], "ann");
        assert_eq!(ann.json()["type"], "connection");
        for _ in 0..3 {
            ann.send(text(&auth));
            assert_eq!(ann.json()["type"], "ack");
        }
        let mut late = Wire::open(server.port, "/ws");
        late.send(text(&auth));
        assert_eq!(late.close(), Some((4429, "too_many".into())));
        ann.send(text(r#"{"type":"ping"}"#));
        assert_eq!(ann.json()["type"], "pong");
    });
}

/// `$user` is each user's own: subscribed to, resumed, read and left like any channel.
#[test]
fn a_message_to_a_user() {
    with_users(&[], |server| {
        let mut anns = [open(server, "ann"), open(server, "ann")];
        let mut bob = open(server, "bob");
        let idle = open(server, "ann");
        for peer in anns.iter_mut().chain([&mut bob]) {
            peer.subscribe("$user");
        }
        let sent = done(server, "POST", "/users/ann", r#"{"n":1}"#);
        assert_eq!(sent["receivers"], 2);
        for peer in &mut anns {
            let message = peer.receive();
            let said = (&message["type"], &message["channel"], &message["data"], &message["id"]);
            let expected = (&json!("message"), &json!("$user"), &json!({"n": 1}), &sent["id"]);
            assert_eq!(said, expected, "{message}");
            assert_eq!(message.get("from"), None);
        }
        bob.ping();
        assert_eq!(done(server, "POST", "/users/nobody", "1")["receivers"], 0);
        let again = json!({"type": "subscribe", "id": 1, "channel": "$user"});
        assert_eq!(anns[0].refused(&again), "already_subscribed");
        let publish = json!({"type": "publish", "id": 1, "channel": "$user", "data": 1});
        assert_eq!(anns[0].refused(&publish), "forbidden");
        for other in ["$user.bob", "$user.ann"] {
            let subscribe = json!({"type": "subscribe", "id": 1, "channel": other});
            assert_eq!(anns[0].refused(&subscribe), "bad_channel");
        }
        let leave = json!({"type": "unsubscribe", "id": 2, "channel": "$user"});
        assert_eq!(anns[0].ask(&leave)["position"], sent["id"]);
        let key = "Idempotency-Key: k1\r\nFanwire-Key: k\r\n";
        let keyed = |body: &[u8]| {
            Wire::connect(server.port).post("/users/ann", &format!("{BEARER}{key}"), body).json()
        };
        let (second, repeat) = (keyed(b"2"), keyed(b"2"));
        assert_eq!((&second["id"], &repeat["duplicate"]), (&repeat["id"], &json!(true)));
        assert_eq!(anns[1].receive()["key"], "k");
        anns[0].ping();
        // Who was away has what the history holds.
        let resume = json!({"type": "subscribe", "id": 3, "channel": "$user",
            "data": {"since": sent["id"]}});
        let joined = anns[0].ask(&resume);
        assert_eq!((&joined["recovered"], &joined["position"]), (&json!(true), &second["id"]));
        assert_eq!(anns[0].receive()["data"], 2);
        let history = json!({"type": "history", "id": 4, "channel": "$user"});
        let messages = anns[1].ask(&history)["messages"].clone();
        let data: Vec<_> =
            messages.as_array().expect("a list").iter().map(|m| &m["data"]).collect();
        assert_eq!(data, [&json!({"n": 1}), &json!(2)], "{messages}");
        assert_eq!(bob.ask(&history)["messages"], json!([]));
        drop(idle);
        // Nobody sees these channels, but what they count.
        let listed = done(server, "GET", "/channels", "");
        assert_eq!(listed, json!({"channels": [], "next": null}));
    });
}

/// The bare payloads of one's own channel, for who speaks no envelopes.
#[test]
fn ones_own_channel_is_a_raw_channel_too() {
    with_users(&[], |server| {
        let path = "/channels/$user?last=1";
        done(server, "POST", "/users/ann", "1");
        let mut ann = Peer::open_as(server.port, path, &of("ann"));
        assert_eq!(ann.message(), tungstenite::Message::text("1"));
        let listed = done(server, "GET", "/connections?channel=$user", "");
        assert_eq!(listed["connections"][0]["endpoint"], "/channels/$user", "{listed}");
        done(server, "POST", "/users/bob", "2");
        done(server, "POST", "/users/ann", "3");
        assert_eq!(ann.message(), tungstenite::Message::text("3"));
        ann.send_text("it is for hearing only");
        assert_eq!(ann.closed(), (4403, "forbidden".into()));
    });
}

/// A gap of one's own channel says its name too.
#[test]
fn what_is_lost_of_ones_own_channel_is_told() {
    let file = folder("users-gap").join("fanwire.toml");
    let rule = "[[rule]]\npattern = \"$user\"\nhistory_count = 2\n";
    std::fs::write(&file, rule).expect("written");
    with_users(&["--config", &file.to_string_lossy()], |server| {
        let first = done(server, "POST", "/users/ann", "1")["id"].clone();
        for data in ["2", "3", "4"] {
            done(server, "POST", "/users/ann", data);
        }
        let mut ann = open(server, "ann");
        let joined = ann.ask(&json!({"type": "subscribe", "id": 1, "channel": "$user",
            "data": {"since": first}}));
        assert_eq!(joined["missed"], 1);
        let gap = ann.receive();
        assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!("$user")), "{gap}");
        assert_eq!(ann.receive()["data"], 3, "by the rule for $user");
    });
}

/// Whatever a user is called: the name in the path is percent-encoded, and never read as anything
/// else.
#[test]
fn users_with_odd_names() {
    with_users(&[], |server| {
        let names = ["a.b", "*", ">", "$all", "Zoë @ home/1?", "x".repeat(128).leak()];
        let mut peers: Vec<Peer> = names
            .iter()
            .map(|name| {
                let mut peer = open(server, name);
                peer.subscribe("$user");
                peer
            })
            .collect();
        for (name, peer) in names.iter().zip(&mut peers) {
            let path = name.bytes().fold(String::new(), |path, byte| format!("{path}%{byte:02X}"));
            let sent = done(server, "POST", &format!("/users/{path}"), &json!(name).to_string());
            assert_eq!(sent["receivers"], 1, "{name}");
            assert_eq!(peer.receive()["data"], *name);
            let listed = done(server, "GET", &format!("/connections?user={path}"), "");
            assert_eq!(listed["connections"][0]["user"], *name);
            let gone = done(server, "DELETE", &format!("/users/{path}/connections"), "");
            assert_eq!(gone["disconnected"], 1, "{name}");
            assert_eq!(peer.closed(), (4410, "disconnected".into()));
        }
    });
}

#[test]
fn who_is_connected_as_whom() {
    with_users(&[], |server| {
        let anns = [open(server, "ann"), open(server, "ann")];
        let mut bob = open(server, "bob");
        bob.subscribe("$user");
        let of_user = |query: &str| {
            let listed = done(server, "GET", &format!("/connections?{query}"), "");
            let all = listed["connections"].as_array().expect("a list").clone();
            let name = |one: &Value| one["connection"].as_str().expect("a name").to_owned();
            all.iter().map(name).collect::<BTreeSet<_>>()
        };
        let names = |peers: &[Peer]| {
            peers.iter().map(|peer| peer.name().to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(of_user("user=ann"), names(&anns));
        assert_eq!(of_user("user=ann&sort=queued"), names(&anns));
        assert_eq!(of_user("channel=$user"), BTreeSet::from([bob.name().into()]));
        assert!(of_user("user=bob&channel=a").is_empty() && of_user("user=eve").is_empty());
        assert_eq!(of_user("").len(), 3);
    });
}
