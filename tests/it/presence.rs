//! Who is in a channel: what listeners are told, lists of members, users with several connections,
//! large channels, rules that tell less, and who reads too slowly. What exactly is told when is
//! tested beside `hub::presence`; what happens when everything happens at once, in `tests/sim`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::auth;
use crate::peer::Peer;
use crate::permissions::BEARER;
use crate::protocol::with_workers;
use crate::server::{Server, folder};
use crate::token::token;
use crate::wire::{Response, Wire, text};

/// Changes are told soon.
const SOON: [&str; 2] = ["--presence-interval", "20ms"];

fn listen(peer: &mut Peer, channel: &str) {
    let data = json!({"presence": true});
    peer.ask(&json!({"type": "subscribe", "id": 1, "channel": channel, "data": data}));
}

fn guest(peer: &Peer) -> String {
    json!({"connection": peer.name()}).to_string()
}

fn user(name: &str) -> String {
    json!({"user": name}).to_string()
}

/// Who a member is, whatever it shows.
fn key(member: &Value) -> String {
    let mut who = member.clone();
    who.as_object_mut().expect("an object").remove("info");
    who.to_string()
}

/// What a client knows of who is in a channel.
#[derive(Debug, Default)]
struct View {
    /// By who it is, with what they show.
    members: BTreeMap<String, String>,
    messages: usize,
    snapshots: usize,
}

impl View {
    fn take(&mut self, message: &Value) {
        assert_eq!(message["type"], "presence", "{message}");
        assert!(message.get("id").is_none() && message["timestamp"].is_u64(), "{message}");
        let data = &message["data"];
        let all = |field: &str| {
            let list = data[field].as_array().unwrap_or_else(|| panic!("{field}: {message}"));
            list.iter().map(|member| (key(member), member.to_string())).collect::<Vec<_>>()
        };
        if data["snapshot"] == true {
            self.members = all("members").into_iter().collect();
            self.snapshots += 1;
        } else {
            for (who, _) in all("left") {
                assert!(self.members.remove(&who).is_some(), "{message}");
            }
            self.members.extend(all("joined"));
        }
        assert_eq!(data["count"], self.members.len(), "{message}");
        self.messages += 1;
    }

    /// Hears until exactly these are there.
    fn hears(&mut self, peer: &mut Peer, wanted: &[&str]) {
        let wanted: BTreeSet<_> = wanted.iter().map(|who| (*who).to_owned()).collect();
        while self.messages == 0
            || self.members.values().cloned().collect::<BTreeSet<_>>() != wanted
        {
            self.take(&peer.receive());
        }
    }
}

#[test]
fn who_comes_and_goes_is_told() {
    with_workers(&SOON, |server| {
        for channel in ["a", "room.7", "x:y@z"] {
            let mut ann = Peer::open(server.port, "/ws");
            let mut view = View::default();
            listen(&mut ann, channel);
            let ann_is = guest(&ann);
            view.hears(&mut ann, &[&ann_is]);
            let mut bob = Peer::open(server.port, "/ws");
            bob.subscribe(channel);
            let bob_is = guest(&bob);
            view.hears(&mut ann, &[&ann_is, &bob_is]);
            // Who speaks no words is there too.
            let raw = Wire::open(server.port, &format!("/channels/{channel}"));
            while view.members.len() < 3 {
                view.take(&ann.receive());
            }
            drop(raw);
            view.hears(&mut ann, &[&ann_is, &bob_is]);
            bob.ask(&json!({"type": "unsubscribe", "id": 1, "channel": channel}));
            view.hears(&mut ann, &[&ann_is]);
            assert_eq!(view.snapshots, 1, "the others were differences");
            ann.ask(&json!({"type": "unsubscribe", "id": 1, "channel": channel}));
            bob.subscribe(channel);
            bob.ping();
            ann.ping();
            let list = server.read_json(&format!("/channels/{channel}/presence"));
            let bob_alone = json!([{"connection": bob.name()}]);
            assert_eq!(list, json!({"count": 1, "members": bob_alone, "next": null}));
        }
    });
}

/// What serves presence is nobody's channel and nobody's subscription.
#[test]
fn companions_are_hidden() {
    let server = Server::start(&["--max-subscriptions", "2"]);
    let mut peer = Peer::open(server.port, "/ws");
    for channel in ["a", "b"] {
        listen(&mut peer, channel);
        assert_eq!(peer.receive()["type"], "presence");
    }
    let request = json!({"type": "subscribe", "id": 1, "channel": "c"});
    assert_eq!(peer.refused(&request), "too_many_subscriptions");
    for kind in ["subscribe", "publish", "history", "presence", "unsubscribe"] {
        let request = json!({"type": kind, "id": 1, "channel": "$presence.a", "data": {}});
        let code = peer.refused(&request);
        assert!(["bad_channel", "forbidden"].contains(&&*code), "{kind}: {code}");
    }
    let channels = server.read_json("/channels");
    assert_eq!(channels["channels"].as_array().map(Vec::len), Some(2), "{channels}");
    assert_eq!(server.read("/channels/$presence.a").code(), "bad_channel");
    assert_eq!(server.counter("fanwire_channels"), 3, "both, and that of everybody");
    assert_eq!(server.counter("fanwire_subscriptions"), 3);
    assert_eq!(server.read_json("/connections")["connections"][0]["subscriptions"], 3);
    let presence = json!({"type": "subscribe", "id": 1, "channel": "$all"});
    peer.ask(&json!({"type": "unsubscribe", "id": 1, "channel": "$all"}));
    let mut wish = presence.clone();
    wish["data"] = json!({"presence": true});
    assert_eq!(peer.refused(&wish), "not_enabled");
    peer.ask(&presence);
}

fn read(server: &Server, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{BEARER}\r\n");
    Wire::connect(server.port).ask(&request)
}

fn with_rules(name: &str, rules: &str, flags: &[&str], test: impl Fn(&Server)) {
    let file = folder(name).join("fanwire.toml");
    std::fs::write(&file, rules).expect("written");
    let file = file.to_string_lossy();
    for workers in ["1", "4"] {
        let config = ["--config", &file, "--workers", workers, "--token-in-query", "--anonymous"];
        test(&auth::server(&[&config[..], flags].concat()));
    }
}

const ALL_TOLD: &str = "[[rule]]\npattern = \">\"\nsubscribe = \"anyone\"\npresence = \"full\"\n";

fn log_in(server: &Server, name: &str, claims: &Value) -> Peer {
    Peer::open(server.port, &format!("/ws?token={}", token(name, claims)))
}

#[test]
fn a_user_is_one_member_however_often_connected() {
    let flags = [&SOON[..], &["--presence-leave-delay", "0"]].concat();
    with_rules("presence-tabs", ALL_TOLD, &flags, |server| {
        let mut peer = Peer::open(server.port, "/ws");
        let (mut view, me) = (View::default(), guest(&peer));
        listen(&mut peer, "r");
        let mut tabs: Vec<_> = (0..3).map(|_| log_in(server, "ann", &json!({}))).collect();
        for tab in &mut tabs {
            drop(tab.subscribe("r"));
        }
        let bob = json!({"info": {"name": "Bob", "n": 1}});
        let mut bob = log_in(server, "bob", &bob);
        bob.subscribe("r");
        let shown = json!({"user": "bob", "info": {"name": "Bob", "n": 1}}).to_string();
        view.hears(&mut peer, &[&me, &user("ann"), &shown]);
        let list = read(server, "/channels/r/presence?limit=1").json();
        let next = json!({"count": 3, "members": [{"user": "ann"}], "next": "u:ann"});
        assert_eq!(list, next);
        let list = read(server, "/channels/r/presence?limit=2&cursor=u:ann").json();
        assert_eq!(list["members"][0].to_string(), shown);
        assert_eq!(list["members"][1].to_string(), me);
        assert_eq!((&list["count"], &list["next"]), (&json!(3), &Value::Null));
        tabs.truncate(1);
        drop(bob);
        view.hears(&mut peer, &[&me, &user("ann")]);
        assert_eq!(read(server, "/channels/r/presence").json()["count"], 2);
        drop(tabs);
        view.hears(&mut peer, &[&me]);
    });
}

#[test]
fn a_reconnect_is_not_seen_and_a_login_is() {
    with_rules("presence-logins", ALL_TOLD, &SOON, |server| {
        let mut peer = Peer::open(server.port, "/ws");
        let (mut view, me) = (View::default(), guest(&peer));
        listen(&mut peer, "r");
        let mut ann = Peer::open(server.port, "/ws");
        ann.subscribe("r");
        view.hears(&mut peer, &[&me, &guest(&ann)]);
        let login = |claims: Value| {
            let token = token("ann", &claims);
            json!({"type": "auth", "id": 1, "data": {"token": token}})
        };
        ann.ask(&login(json!({})));
        view.hears(&mut peer, &[&me, &user("ann")]);
        let shown = json!({"user": "ann", "info": 7});
        ann.send(&login(json!({"info": 7})));
        assert_eq!(ann.receive()["type"], "ack");
        let told = peer.receive();
        let difference = json!({"count": 2, "joined": [shown], "left": []});
        assert_eq!(told["data"], difference, "what she shows now");
        drop(ann);
        let mut ann = log_in(server, "ann", &json!({"info": 7}));
        ann.subscribe("r");
        ann.ping();
        let bob = Peer::open(server.port, "/channels/r");
        let told = peer.receive();
        assert_eq!((&told["data"]["count"], &told["data"]["left"]), (&json!(3), &json!([])));
        assert!(told["data"]["joined"][0]["connection"].is_string(), "nobody but him: {told}");
        drop(bob);
    });
}

const SOME_TOLD: &str = r#"
[[rule]]
pattern = "quiet.*"
subscribe = "anyone"
presence = "none"

[[rule]]
pattern = "counted.*"
subscribe = "anyone"
presence = "count"

[[rule]]
pattern = "secret.*"
subscribe = "backend"
presence = "full"
"#;

#[test]
fn the_rule_says_what_is_told() {
    with_rules("presence-rules", SOME_TOLD, &SOON, |server| {
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("quiet.a");
        let wish = ask("subscribe", "quiet.b", &json!({"presence": true}));
        assert_eq!(peer.refused(&wish), "not_enabled");
        assert_eq!(peer.refused(&ask("presence", "quiet.a", &json!({}))), "not_enabled");
        assert_eq!(read(server, "/channels/quiet.a/presence").code(), "not_enabled");
        assert_eq!(peer.refused(&ask("presence", "secret.a", &json!({}))), "forbidden");
        let nobody = json!({"count": 0, "members": [], "next": null});
        assert_eq!(read(server, "/channels/secret.a/presence").json(), nobody);
        listen(&mut peer, "counted.a");
        let first = peer.receive();
        assert_eq!(first["data"], json!({"snapshot": true, "count": 1}));
        let tabs: Vec<_> = (0..2)
            .map(|_| {
                let mut tab = log_in(server, "ann", &json!({}));
                tab.subscribe("counted.a");
                tab
            })
            .collect();
        assert_eq!(peer.receive()["data"], json!({"count": 2}));
        let counted = json!({"count": 2, "members": null, "next": null});
        assert_eq!(peer.ask(&ask("presence", "counted.a", &json!({}))), counted);
        assert_eq!(read(server, "/channels/counted.a/presence").json(), counted);
        drop(tabs);
    });
}

#[test]
fn lists_are_asked_for_in_parts() {
    with_workers(&[], |server| {
        let mut peers: Vec<_> = (0..5).map(|_| Peer::open(server.port, "/ws")).collect();
        for peer in &mut peers {
            peer.subscribe("r");
            peer.ping();
        }
        let mut wanted: BTreeSet<_> = peers.iter().map(guest).collect();
        let mut cursor = None;
        for _ in 0..3 {
            let mut data = json!({"limit": 2});
            data["cursor"] = cursor.take().unwrap_or(Value::Null);
            if data["cursor"].is_null() {
                data = json!({"limit": 2});
            }
            let request = json!({"type": "presence", "id": 1, "channel": "r", "data": data});
            let list = peers[0].ask(&request);
            assert_eq!(list["count"], 5);
            for member in list["members"].as_array().expect("a list") {
                assert!(wanted.remove(&member.to_string()), "{member} is listed twice");
            }
            cursor = Some(list["next"].clone());
        }
        assert_eq!((wanted.len(), cursor), (0, Some(Value::Null)));
        for bad in ["", "x", "c:", "c:1-2-3-4", "u"] {
            let data = json!({"cursor": bad});
            let request = json!({"type": "presence", "id": 1, "channel": "r", "data": data});
            assert_eq!(peers[0].refused(&request), "bad_request", "{bad}");
            let response = server.read(&format!("/channels/r/presence?cursor={bad}"));
            assert_eq!(response.code(), "bad_request", "{bad}");
        }
    });
}

/// Each limit does what is documented, and is counted.
#[test]
fn large_channels_turn_to_counts() {
    let server = Server::start(&[&SOON[..], &["--presence-members", "3"]].concat());
    let mut peer = Peer::open(server.port, "/ws");
    let (mut view, me) = (View::default(), guest(&peer));
    listen(&mut peer, "r");
    let mut others: Vec<_> = (0..2).map(|_| Peer::open(server.port, "/ws")).collect();
    for other in &mut others {
        drop(other.subscribe("r"));
    }
    view.hears(&mut peer, &[&me, &guest(&others[0]), &guest(&others[1])]);
    let mut fourth = Peer::open(server.port, "/ws");
    fourth.subscribe("r");
    assert_eq!(peer.receive()["data"], json!({"count": 4}));
    let crowded = r#"fanwire_limits_total{limit="presence_members"}"#;
    server.await_counter(crowded, |count| count == 1);
    let list = server.read_json("/channels/r/presence");
    assert_eq!(list["members"].as_array().map(Vec::len), Some(4), "a list names them all");
    assert_eq!(server.counter("fanwire_presence_members"), 4);
    drop(fourth);
    let told = peer.receive();
    view.take(&told);
    assert_eq!(view.members.len(), 3, "{told}");
    assert_eq!(view.snapshots, 2, "they are named again");
}

#[test]
fn without_room_for_names_members_are_counted() {
    let flags = ["--workers", "1", "--max-presence-bytes", "64"];
    let server = Server::start(&[&SOON[..], &flags].concat());
    let mut peers: Vec<_> = (0..3).map(|_| Peer::open(server.port, "/ws")).collect();
    for peer in &mut peers {
        peer.subscribe("r");
        peer.ping();
    }
    let limit = r#"fanwire_limits_total{limit="max_presence_bytes"}"#;
    server.await_counter(limit, |count| count == 1);
    let counted = json!({"count": 3, "members": null, "next": null});
    assert_eq!(server.read_json("/channels/r/presence"), counted);
    let gauges = ["fanwire_presence_members", "fanwire_presence_bytes"];
    assert_eq!(gauges.map(|gauge| server.counter(gauge)), [2, 64]);
    drop(peers);
    server.await_counter("fanwire_presence_members", |count| count == 0);
    assert_eq!(server.read_json("/channels/r/presence")["count"], 0);
}

/// Whoever comes and goes all the time costs others nothing: it is gathered.
#[test]
fn a_flood_of_presence_is_one_message() {
    let server = Server::start(&["--presence-interval", "1h", "--messages-per-second", "0"]);
    let mut peer = Peer::open(server.port, "/ws");
    listen(&mut peer, "r");
    assert_eq!(peer.receive()["data"]["count"], 1);
    let mut restless = Peer::open(server.port, "/ws");
    for _ in 0..200 {
        restless.subscribe("r");
        restless.ask(&json!({"type": "unsubscribe", "id": 1, "channel": "r"}));
    }
    let mut last = Peer::open(server.port, "/ws");
    last.subscribe("r");
    let told = server.await_counter("fanwire_presence_messages_total", |count| count > 0);
    assert_eq!(told, 1, "the first comes at once, the others within the hour");
    assert_eq!(server.read_json("/channels/r/presence")["count"], 2);
}

/// Whoever does not read is told nothing twice: it gets a snapshot of how it is then.
#[test]
fn who_reads_too_slowly_gets_a_new_snapshot() {
    let flags = ["--window-bytes", "1KiB", "--presence-interval", "0", "--history-count", "1"];
    with_workers(
        &[&flags[..], &["--unsent-bytes", "16KiB", "--stall-timeout", "0"]].concat(),
        |server| {
            let mut slow = Wire::open(server.port, "/ws");
            slow.keep_little();
            let name = slow.json()["data"]["connection"].clone();
            let wish =
                json!({"type": "subscribe", "id": 1, "channel": "r", "data": {"presence": true}});
            slow.send(text(&wish.to_string()));
            assert_eq!(slow.json()["type"], "ack");
            let first = slow.json();
            assert_eq!(
                first["data"],
                json!({"snapshot": true, "count": 1, "members": [{"connection": name}]})
            );
            // Something that fills its socket, until the server has seen that it does not read.
            let large = json!("x".repeat(60_000)).to_string();
            while server.counter("fanwire_blocked_connections") == 0 {
                server.publish("r", &large);
            }
            let mut others: Vec<_> = (0..40).map(|_| Peer::open(server.port, "/ws")).collect();
            for other in &mut others {
                other.subscribe("r");
                other.ping();
            }
            server.await_counter("fanwire_presence_messages_total", |count| count >= 10);
            let pulls = server.counter("fanwire_pulls_total");
            let mut heard = Vec::new();
            let complete = loop {
                let message = slow.json();
                if message["type"] == "presence" {
                    heard.push(message["data"].clone());
                }
                let list = heard.iter().rposition(|data| data["snapshot"] == true);
                let from = list.unwrap_or_default();
                if heard
                    .get(from..)
                    .is_some_and(|all| all.last().is_some_and(|last| last["count"] == 41))
                {
                    break from;
                }
            };
            assert_eq!(heard[complete]["snapshot"], true, "{heard:?}");
            let joined: usize = heard[complete..]
                .iter()
                .map(|data| {
                    let count = |field: &str| data[field].as_array().map_or(0, Vec::len);
                    count("members") + count("joined")
                })
                .sum();
            assert_eq!(joined, 41, "a snapshot, and what came after it");
            assert!(server.counter("fanwire_pulls_total") > pulls);
        },
    );
}

fn ask(kind: &str, channel: &str, data: &Value) -> Value {
    json!({"type": kind, "id": 1, "channel": channel, "data": data})
}
