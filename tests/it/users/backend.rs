//! What the backend does to the connections of a user (design 3): closing, subscribing and
//! unsubscribing them, taking their tokens back; who may, and what is no question.

use serde_json::json;

use super::{ask, done, hears, of, open, refused, with_users};
use crate::auth::{counter, server};
use crate::peer::Peer;
use crate::server::Server;
use crate::token::{now_ms, token};
use crate::wire::Wire;

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
        ("GET", "/channels/$user", "", 400, "bad_channel"),
        ("GET", "/channels/$user/history", "", 400, "bad_channel"),
        ("GET", "/channels/$user/presence", "", 400, "bad_channel"),
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
