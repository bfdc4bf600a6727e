//! Users (design 2 and 3): how many connections each may have, `$user`, and what the backend does
//! to the connections of one: publish to them, close them, subscribe and unsubscribe them, take
//! their tokens back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::auth::{counter, server};
use crate::peer::Peer;
use crate::permissions::BEARER;
use crate::server::{Server, folder};
use crate::token::{now_ms, token};
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
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{BEARER}Content-Length: {length}\r\n\r\n{body}"
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

/// Waits until as many WebSockets are open, which takes a moment when one has gone.
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
            let bytes = name.bytes();
            let path: String = bytes.map(|byte| format!("%{byte:02X}")).collect();
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
fn the_backend_disconnects_a_user() {
    with_users(&[], |server| {
        let mut anns: Vec<Peer> = (0..5).map(|_| open(server, "ann")).collect();
        let mut raw = Peer::open_as(server.port, "/channels/a", &token("ann", &hears("a")));
        let mut bob = open(server, "bob");
        let path = "/users/ann/connections";
        assert_eq!(done(server, "DELETE", path, ""), json!({"disconnected": 6}));
        for peer in anns.iter_mut().chain([&mut raw]) {
            assert_eq!(peer.closed(), (4410, "disconnected".into()));
        }
        assert_eq!(done(server, "DELETE", path, ""), json!({"disconnected": 0}));
        let mut ann = open(server, "ann");
        let again = format!("{path}?reconnect=true");
        assert_eq!(done(server, "DELETE", &again, ""), json!({"disconnected": 1}));
        assert_eq!(ann.closed(), (4007, "moved".into()));
        bob.ping();
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

/// `PUT` and `DELETE /users/{user}/subscriptions/{channel}`: the user's open connections are told,
/// whatever their tokens say.
#[test]
fn the_backend_subscribes_a_user() {
    with_users(&[], |server| {
        let mut anns: Vec<Peer> = (0..3).map(|_| open(server, "ann")).collect();
        let mut own = Peer::open_as(server.port, "/ws", &token("ann", &hears("room.*")));
        own.subscribe("room.7");
        let mut bob = open(server, "bob");
        let path = "/users/ann/subscriptions/room.7";
        let subscribe = json!({"type": "subscribe", "id": 1, "channel": "room.7"});
        assert_eq!(anns[0].refused(&subscribe), "forbidden");
        for _ in 0..2 {
            // Whoever has the answer may count on it.
            assert_eq!(done(server, "PUT", path, ""), json!({"subscribed": 4}));
            assert_eq!(done(server, "POST", "/channels/room.7", "1")["receivers"], 4);
        }
        for peer in &mut anns {
            let told = peer.receive();
            assert_eq!((&told["type"], &told["channel"]), (&json!("subscribed"), &json!("room.7")));
            assert!(told["data"]["position"].is_string(), "{told}");
            assert_eq!(peer.receive()["data"], 1);
            assert_eq!(peer.receive()["data"], 1);
        }
        assert_eq!(
            (own.receive()["data"].clone(), own.receive()["data"].clone()),
            (json!(1), json!(1))
        );
        bob.ping();
        let history = json!({"type": "history", "id": 1, "channel": "room.7"});
        assert_eq!(anns[0].ask(&history)["messages"].as_array().map(Vec::len), Some(2));
        // A new token does not end what the backend gave, nor does it outlast the subscription.
        anns[0].ask(&json!({"type": "auth", "id": 2, "data": {"token": of("ann")}}));
        anns[0].ask(&json!({"type": "unsubscribe", "id": 3, "channel": "room.7"}));
        assert_eq!(anns[0].refused(&subscribe), "forbidden");
        assert_eq!(done(server, "DELETE", path, ""), json!({"unsubscribed": 3}));
        for peer in anns[1..].iter_mut().chain([&mut own]) {
            let told = peer.receive();
            assert_eq!(told["type"], "unsubscribed", "{told}");
            assert_eq!(
                (&told["channel"], &told["data"]["reason"]),
                (&json!("room.7"), &json!("backend"))
            );
            assert!(told["data"]["position"].is_string(), "{told}");
            peer.ping();
        }
        own.subscribe("room.7");
        assert_eq!(anns[1].refused(&subscribe), "forbidden", "it is not given any more");
        assert_eq!(done(server, "PUT", "/users/eve/subscriptions/a", ""), json!({"subscribed": 0}));
    });
}

/// Connections without words, and those with as many subscriptions as they may have, are left out.
#[test]
fn who_cannot_be_subscribed() {
    with_users(&["--max-subscriptions", "2"], |server| {
        let mut full = Peer::open_as(server.port, "/ws", &token("ann", &hears("a.*")));
        full.subscribe("a.1");
        full.subscribe("a.2");
        let raw = Peer::open_as(server.port, "/channels/a.1", &token("ann", &hears("a.*")));
        let put = |channel: &str| {
            done(server, "PUT", &format!("/users/ann/subscriptions/{channel}"), "")["subscribed"]
                .clone()
        };
        assert_eq!((put("b"), put("a.2")), (json!(0), json!(1)));
        assert_eq!(counter(server, "fanwire_limits_total{limit=\"max_subscriptions\"}"), 1);
        full.ping();
        drop(raw);
    });
}

/// A channel that may not be is refused before anybody is subscribed.
#[test]
fn a_channel_too_many_for_the_backend_too() {
    let server = server(&["--workers", "2", "--max-channels", "2"]);
    let mut ann = open(&server, "ann");
    let path = |number: u32| format!("/users/ann/subscriptions/c{number}");
    let mut count = 0;
    let response = loop {
        let response = ask(&server, "PUT", &path(count), "");
        if response.status != 200 {
            break response;
        }
        assert_eq!(ann.receive()["type"], "subscribed");
        count += 1;
        assert!(count < 5, "each worker has its share");
    };
    assert_eq!((response.status, response.code()), (503, "too_many_channels".into()));
    assert!(response.field("retry-after").is_some());
    assert_eq!(counter(&server, "fanwire_limits_total{limit=\"max_channels\"}"), 1);
    ann.ping();
}

/// `POST /revocations` by user: who is here goes, who comes with an old token is refused, and a
/// later token is good again.
#[test]
fn a_users_tokens_are_taken_back() {
    with_users(&["--jwt-leeway", "10s"], |server| {
        let issued = |ago_s: i64| {
            let now = (now_ms() / 1000).cast_signed();
            token("ann", &json!({"iat": now - ago_s, "subscribe": ["a"]}))
        };
        let old = issued(60);
        let mut anns: Vec<Peer> = (0..3).map(|_| Peer::open_as(server.port, "/ws", &old)).collect();
        let mut raw = Peer::open_as(server.port, "/channels/a", &old);
        let mut bob = open(server, "bob");
        let revoked = done(server, "POST", "/revocations", r#"{"user":"ann"}"#);
        assert_eq!(revoked, json!({"disconnected": 4}));
        for peer in anns.iter_mut().chain([&mut raw]) {
            assert_eq!(peer.closed(), (4103, "revoked".into()));
        }
        bob.ping();
        for token in [&old, &of("ann")] {
            // The second does not say when it was issued.
            assert_eq!(refused(server, "/ws", token), (Some("token_revoked".into()), 4103));
        }
        assert_eq!(refused(server, "/channels/a", &old), (None, 4103));
        let mut late = Peer::open_as(server.port, "/ws", &issued(-3));
        let auth = json!({"type": "auth", "id": 1, "data": {"token": old}});
        assert_eq!(late.refused(&auth), "token_revoked");
        late.ping();
        let again = done(server, "POST", "/revocations", r#"{"user":"ann"}"#);
        assert_eq!(again, json!({"disconnected": 0}), "it is issued later");
        late.ping();
    });
}

/// `POST /revocations` by id, for a time.
#[test]
fn a_token_is_taken_back_by_its_id() {
    with_users(&[], |server| {
        let with_id = |user: &str, id: &str| token(user, &json!({"jti": id}));
        let (one, other) = (with_id("ann", "t1"), with_id("ann", "t2"));
        let mut first = Peer::open_as(server.port, "/ws", &one);
        let mut second = Peer::open_as(server.port, "/ws", &other);
        let mut peers: Vec<Peer> = (0..20).map(|_| open(server, "bob")).collect();
        let body = json!({"token_id": "t1", "until": now_ms() + 3_600_000}).to_string();
        assert_eq!(done(server, "POST", "/revocations", &body), json!({"disconnected": 1}));
        assert_eq!(first.closed(), (4103, "revoked".into()));
        assert_eq!(refused(server, "/ws", &one), (Some("token_revoked".into()), 4103));
        Peer::open_as(server.port, "/ws", &other).ping();
        second.ping();
        peers.iter_mut().for_each(Peer::ping);
    });
}

#[test]
fn bad_questions_about_users() {
    let server = server(&[]);
    let long = "x".repeat(129);
    for (method, path, body, status, code) in [
        ("POST", "/users/ann", "{", 400, "bad_json"),
        ("POST", "/users/a%00", "1", 400, "bad_request"),
        ("POST", &format!("/users/{long}"), "1", 400, "bad_request"),
        ("DELETE", "/users/a%0A/connections", "", 400, "bad_request"),
        ("DELETE", "/users/ann/connections?reconnect=1", "", 400, "bad_request"),
        ("PUT", "/users/ann/subscriptions/a..b", "", 400, "bad_channel"),
        ("PUT", "/users/ann/subscriptions/a.*", "", 400, "bad_channel"),
        ("PUT", "/users/ann/subscriptions/$all", "", 403, "forbidden"),
        ("PUT", "/users/ann/subscriptions/$user", "", 403, "forbidden"),
        ("DELETE", "/users/ann/subscriptions/$user.ann", "", 403, "forbidden"),
        ("POST", "/revocations", "", 400, "bad_json"),
        ("POST", "/revocations", "{}", 400, "bad_request"),
        ("POST", "/revocations", r#"{"user":"a","token_id":"b"}"#, 400, "bad_request"),
        ("POST", "/revocations", r#"{"user":"a","until":1790000000}"#, 400, "bad_request"),
        ("GET", "/users/ann", "", 405, "method_not_allowed"),
        ("GET", "/channels/$user.ann", "", 400, "bad_channel"),
        ("POST", "/channels/$user.ann", "1", 403, "forbidden"),
    ] {
        let response = ask(&server, method, path, body);
        assert_eq!((response.status, &*response.code()), (status, code), "{method} {path} {body}");
    }
    assert_eq!(counter(&server, "fanwire_revocations_total"), 0);
}

/// Who may: keys with the scope, and where a channel is named, those for it.
#[test]
fn which_keys_may() {
    let keys = [
        "--api-keys",
        "pub:secret-of-the-pub--:publish:$user",
        "--api-keys",
        "held:secret-of-the-held-:admin:room.>",
        "--api-keys",
        "say:secret-of-the-say--:publish",
    ];
    let server = server(&keys);
    let ask = |key: &str, method: &str, path: &str, body: &str| {
        let length = body.len();
        let response = Wire::connect(server.port).ask(&format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer secret-of-the-{key}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        response.status
    };
    for (key, method, path, body, status) in [
        ("pub--", "POST", "/users/ann", "1", 200),
        ("say--", "POST", "/users/ann", "1", 200),
        ("held-", "POST", "/users/ann", "1", 403),
        ("pub--", "DELETE", "/users/ann/connections", "", 403),
        ("held-", "DELETE", "/users/ann/connections", "", 403),
        ("held-", "PUT", "/users/ann/subscriptions/room.7", "", 200),
        ("held-", "DELETE", "/users/ann/subscriptions/room.7", "", 200),
        ("held-", "PUT", "/users/ann/subscriptions/hall", "", 403),
        ("say--", "PUT", "/users/ann/subscriptions/room.7", "", 403),
        ("held-", "POST", "/revocations", r#"{"user":"ann"}"#, 403),
        ("say--", "POST", "/revocations", r#"{"user":"ann"}"#, 403),
        ("none-", "POST", "/revocations", r#"{"user":"ann"}"#, 401),
    ] {
        assert_eq!(ask(key, method, path, body), status, "{key} {method} {path}");
    }
}

/// Without keys for tokens there is nobody to speak of.
#[test]
fn without_tokens_there_are_no_users() {
    let server = Server::start(&[]);
    for (method, path) in [
        ("POST", "/users/ann"),
        ("DELETE", "/users/ann/connections"),
        ("PUT", "/users/ann/subscriptions/a"),
        ("DELETE", "/users/ann/subscriptions/a"),
        ("POST", "/revocations"),
    ] {
        let mut wire = Wire::connect(server.port);
        let response = wire.request(method, path, "");
        assert_eq!((response.status, response.code()), (403, "not_enabled".into()), "{path}");
        let message = response.json()["error"]["message"].to_string();
        assert!(message.contains("jwt_keys"), "{message}");
    }
    let mut peer = Peer::open(server.port, "/ws");
    for kind in ["subscribe", "history"] {
        let request = json!({"type": kind, "id": 1, "channel": "$user"});
        assert_eq!(peer.refused(&request), "not_enabled", "{kind}");
    }
    peer.ping();
}
