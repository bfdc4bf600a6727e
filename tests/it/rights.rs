//! What a token and a rule let a client do: every role, every action, every word of a rule, against
//! the program (docs/permissions.md has the table). What clients without tokens may, where nobody
//! has one, is `permissions`.

use serde_json::{Value, json};

use crate::auth::{counter, server};
use crate::peer::Peer;
use crate::permissions::BEARER;
use crate::server::{Server, folder};
use crate::token::token;

/// A channel for each word, to hear and to publish, and users' own.
const RULES: &str = r#"
anonymous = true
[[rule]]
pattern = "anyone.*"
subscribe = "anyone"
publish = "anyone"
[[rule]]
pattern = "user.*"
subscribe = "user"
publish = "user"
[[rule]]
pattern = "token.*"
subscribe = "token"
publish = "token"
[[rule]]
pattern = "backend.*"
subscribe = "backend"
publish = "backend"
[[rule]]
pattern = "own.{user}.*"
subscribe = "user"
publish = "user"
"#;

fn with_rules(name: &str, rules: &str, test: impl Fn(&Server)) {
    let file = folder(name).join("fanwire.toml");
    std::fs::write(&file, rules).expect("written");
    for workers in ["1", "4"] {
        test(&server(&["--workers", workers, "--config", &file.to_string_lossy()]));
    }
}

fn request(kind: &str, channel: &str) -> Value {
    json!({"type": kind, "id": 1, "channel": channel, "data": {}})
}

/// Whether an answer allows.
fn allows(peer: &mut Peer, kind: &str, channel: &str) -> bool {
    peer.send(&request(kind, channel));
    loop {
        let answer = peer.receive();
        if answer["id"] != 1 {
            continue;
        }
        let code = &answer["data"]["code"];
        match answer["type"].as_str() {
            Some("ack") => return true,
            Some("error") if code == "forbidden" => return false,
            // Nothing forbids it.
            Some("error") if code == "not_enabled" => return true,
            _ => panic!("{kind} {channel}: {answer}"),
        }
    }
}

/// The channels, and for each role whether they are for it: nobody in particular, a user, one whose
/// token names all of the channels, one whose token names others.
const CELLS: [(&str, [bool; 4]); 6] = [
    ("anyone.1", [true, true, true, true]),
    ("user.1", [false, true, true, true]),
    ("token.1", [false, false, true, false]),
    ("backend.1", [false, false, false, false]),
    ("own.ann.1", [false, true, true, true]),
    ("own.bob.1", [false, false, false, false]),
];

fn roles() -> [Option<String>; 4] {
    let named = json!({"subscribe": [">"], "publish": [">"]});
    let other = json!({"subscribe": ["other.>"], "publish": ["token.2"]});
    [None, Some(token("ann", &json!({}))), Some(token("ann", &named)), Some(token("ann", &other))]
}

fn open(server: &Server, path: &str, role: Option<&String>) -> Peer {
    match role {
        None => Peer::open(server.port, path),
        Some(token) => Peer::open_as(server.port, path, token),
    }
}

#[test]
fn every_role_and_every_action() {
    with_rules("rights-table", RULES, |server| {
        let mut forbidden = 0;
        for (role, token) in roles().iter().enumerate() {
            for (channel, allowed) in CELLS {
                let mut peer = open(server, "/ws", token.as_ref());
                for action in ["history", "presence", "publish", "subscribe"] {
                    let outcome = allows(&mut peer, action, channel);
                    assert_eq!(outcome, allowed[role], "{role}: {action} {channel}");
                    forbidden += u64::from(!outcome);
                }
            }
        }
        let refused = r#"fanwire_refusals_total{code="forbidden",over="ws"}"#;
        assert_eq!(counter(server, refused), forbidden);
    });
}

/// Where there are no words, what is not allowed closes.
#[test]
fn every_role_on_raw_channels() {
    with_rules("rights-raw", RULES, |server| {
        for (role, token) in roles().iter().enumerate() {
            for (channel, allowed) in CELLS {
                let mut peer = open(server, &format!("/channels/{channel}"), token.as_ref());
                if allowed[role] {
                    peer.send_text("1");
                    assert_eq!(peer.message().into_text().expect("text").as_str(), "1");
                } else {
                    assert_eq!(peer.closed(), (4403, "forbidden".into()), "{role}: {channel}");
                }
            }
        }
    });
}

/// The backend may everything that its scopes allow, whatever rules say of clients.
#[test]
fn the_backend_and_reserved_channels() {
    with_rules("rights-backend", RULES, |server| {
        for (channel, _) in CELLS {
            assert_eq!(server.post(&format!("/channels/{channel}"), BEARER, "1").status, 200);
        }
        for (role, token) in roles().iter().enumerate() {
            let mut peer = open(server, "/ws", token.as_ref());
            assert!(!allows(&mut peer, "publish", "$all"), "{role}");
            assert!(!allows(&mut peer, "publish", "$user"), "{role}");
            assert!(allows(&mut peer, "history", "$all"), "{role}");
            assert_eq!(server.post("/broadcast", BEARER, "1").status, 200);
            assert_eq!(peer.receive()["type"], "broadcast", "{role}");
        }
    });
}

/// With keys for tokens everything that no rule gives is for tokens that name it, and for the
/// backend to publish.
#[test]
fn what_holds_without_rules() {
    let server = server(&["--anonymous"]);
    let named = token("ann", &json!({"subscribe": ["room.*"], "publish": ["room.*"]}));
    for (role, channel, hears) in [
        (None, "room.1", false),
        (Some(&named), "room.1", true),
        (Some(&named), "room.1.a", false),
        (Some(&named), "other", false),
    ] {
        let mut peer = open(&server, "/ws", role);
        assert_eq!(allows(&mut peer, "subscribe", channel), hears, "{channel}");
        assert!(!allows(&mut peer, "publish", channel), "{channel}");
    }
}

/// A user's name in a channel is one segment, whatever it is made of.
#[test]
fn names_do_not_leave_their_segment() {
    with_rules("rights-names", RULES, |server| {
        for (user, own, others) in [
            ("a.b", "own.a~2Eb.1", &["own.a.b.1", "own.a.b"][..]),
            ("*", "own.~2A.1", &["own.ann.1"]),
            (">", "own.~3E.1", &["own.ann.1"]),
            ("{user}", "own.~7Buser~7D.1", &["own.ann.1"]),
            ("Zoë", "own.Zo~C3~AB.1", &["own.Zo~c3~ab.1", "own.Zo.1"]),
            ("ann", "own.ann.1", &["own.Ann.1", "own.an.1", "own.anna.1", "own.~61nn.1"]),
        ] {
            let mut peer = Peer::open_as(server.port, "/ws", &token(user, &json!({})));
            assert_eq!(peer.welcome["data"]["user"], user);
            assert!(allows(&mut peer, "subscribe", own), "{user} {own}");
            for other in others {
                assert!(!allows(&mut peer, "subscribe", other), "{user} {other}");
                assert!(!allows(&mut peer, "publish", other), "{user} {other}");
            }
            // Nor is a pattern a name.
            for pattern in ["own.*.1", "own.>", "own.{user}.1"] {
                assert_eq!(peer.refused(&request("subscribe", pattern)), "bad_channel");
            }
        }
    });
}

/// A publication of a user carries the name, but where the rule says no; that of the backend and of
/// anonymous clients carries none.
#[test]
fn who_has_published() {
    let silent = "[[rule]]\npattern = \"user.silent\"\nsubscribe = \"user\"\npublish = \"user\"\n\
                  from = false\n[[rule]]\n";
    let rules = RULES.replacen("[[rule]]\n", silent, 1);
    with_rules("rights-from", &rules, |server| {
        let ann = token("ann", &json!({}));
        let mut hears = Peer::open_as(server.port, "/ws", &ann);
        let mut from = |channel: &str, publish: &dyn Fn()| {
            hears.subscribe(channel);
            publish();
            let message = hears.receive();
            assert_eq!(message["type"], "message", "{message}");
            hears.ask(&request("unsubscribe", channel));
            message["from"].clone()
        };
        let by = |token: Option<&String>, channel: &str| {
            open(server, "/ws", token).publish(channel, &json!(1));
        };
        assert_eq!(from("user.1", &|| by(Some(&ann), "user.1")), "ann");
        assert_eq!(from("user.silent", &|| by(Some(&ann), "user.silent")), Value::Null);
        assert_eq!(from("anyone.1", &|| by(None, "anyone.1")), Value::Null);
        assert_eq!(from("anyone.1", &|| by(Some(&ann), "anyone.1")), "ann");
        assert_eq!(
            from("anyone.1", &|| {
                assert_eq!(server.post("/channels/anyone.1", BEARER, "1").status, 200);
            }),
            Value::Null
        );
        let raw = || Peer::open_as(server.port, "/channels/user.1", &ann).send_text("raw");
        assert_eq!(from("user.1", &raw), "ann");
    });
}

/// Idempotency keys are a user's own: no user meets another's, nor an anonymous client's.
#[test]
fn idempotency_keys_belong_to_users() {
    with_rules("rights-idempotency", RULES, |server| {
        let request = json!({"type": "publish", "id": 1, "channel": "anyone.1", "data": 1,
            "idempotency_key": "k"});
        let named = |user: &str| Some(token(user, &json!({})));
        let mut seen = Vec::new();
        for user in [None, named("ann"), named("bob"), named("anonymous"), named("backend")] {
            let publish = || open(server, "/ws", user.as_ref()).ask(&request);
            let first = publish();
            assert_eq!(first["duplicate"], Value::Null, "{user:?}: {first}");
            assert_eq!(publish(), json!({"id": first["id"], "duplicate": true}), "{user:?}");
            assert!(!seen.contains(&first["id"]), "{user:?}");
            seen.push(first["id"].clone());
        }
    });
}

/// A refresh changes what one may at once: what is no longer allowed ends, behind the answer.
#[test]
fn a_refresh_changes_rights() {
    with_rules("rights-refresh", RULES, |server| {
        let names = |patterns: &[&str]| token("ann", &json!({"subscribe": patterns}));
        let mut peer = Peer::open_as(server.port, "/ws", &names(&["token.1", "token.2"]));
        let before: Vec<_> = ["token.1", "token.2", "user.1", "anyone.1"]
            .iter()
            .map(|channel| peer.subscribe(channel)["position"].clone())
            .collect();
        assert_eq!(peer.refused(&request("subscribe", "token.3")), "forbidden");
        let auth = |token| json!({"type": "auth", "id": 1, "data": {"token": token}});
        assert_eq!(peer.ask(&auth(names(&["token.2", "token.3"])))["user"], "ann");
        let ended = peer.receive();
        assert_eq!(
            (&ended["type"], &ended["channel"]),
            (&json!("unsubscribed"), &json!("token.1"))
        );
        assert_eq!(ended["data"], json!({"reason": "forbidden", "position": before[0]}));
        peer.subscribe("token.3");
        for channel in ["token.1", "token.2", "token.3", "user.1", "anyone.1"] {
            assert_eq!(server.post(&format!("/channels/{channel}"), BEARER, "1").status, 200);
        }
        let mut heard: Vec<_> = (0..4).map(|_| peer.receive()["channel"].clone()).collect();
        heard.sort_by_key(ToString::to_string);
        assert_eq!(heard, ["anyone.1", "token.2", "token.3", "user.1"]);
        assert_eq!(peer.refused(&request("history", "token.1")), "forbidden");
        assert_eq!(counter(server, "fanwire_subscriptions_ended_total"), 1);
    });
}
