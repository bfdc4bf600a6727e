//! Users (design 3), while letters take any time and split anywhere: logins, ends, replacements,
//! and what the backend does to the connections of a user. When all is quiet, nobody has more
//! connections than allowed, who is told that it follows a channel does, and nobody is there whose
//! token was taken back.

mod house; // connections of users, and a backend

use std::collections::BTreeMap;

use fanwire::config::{Config, PerUser};
use fanwire::limits::{ERRAND_VISITS, LIST_VISITS, MAX_REVOCATIONS};
use fanwire::metrics::Limit;
use fanwire::revocations::Revoked;
use serde_json::{Value, json};

use self::house::{BEARER, Guest, House, START_S, config};
use crate::client::codec::{Item, Reader, request};
use crate::world::link::Read;

#[test]
fn users_come_and_go_while_the_backend_acts() {
    let mut tally: BTreeMap<u16, u64> = BTreeMap::new();
    let mut subscribed = 0;
    for seed in 0..60 {
        let policy = if seed % 2 == 0 { PerUser::Refuse } else { PerUser::Replace };
        let mut house = House::new(config([1, 2, 4][seed as usize % 3], policy), seed);
        for _ in 0..1_500 {
            house.step();
        }
        house.settle();
        house.check();
        for guest in &house.guests {
            *tally.entry(guest.closed.unwrap_or_default()).or_default() += 1;
            subscribed += guest.follows.len();
        }
        // Who has left in time, or was told so, has not waited for the other.
        let limited = house.closed(4409) + house.closed(4429);
        assert!(limited <= house.stats.limited(Limit::User), "seed {seed}");
        house.last_words();
        (0..house.guests.len()).for_each(|at| house.go(at));
        house.settle();
        house.check();
        assert!(house.node.users.is_empty(), "seed {seed}");
    }
    for code in [0, 4103, 4409, 4410, 4429] {
        assert!(tally.get(&code).is_some_and(|&count| count > 20), "{code} in {tally:?}");
    }
    assert!(subscribed > 100, "{subscribed}");
}

/// Whoever is not gone when the answer comes was issued a token later.
#[test]
fn a_revocation_is_complete_when_it_is_answered() {
    for seed in 0..50 {
        let mut house = House::new(config(3, PerUser::Replace), seed);
        house.world.borrow_mut().pass(5_000);
        let issued_s = house.now_s();
        for round in 0..12 {
            house.come("ann", issued_s);
            (0..round * 7 % 30).for_each(|_| house.step());
        }
        house.world.borrow_mut().pass(100);
        house.call("POST", "/revocations", r#"{"user":"ann"}"#);
        while !house.calls.is_empty() {
            house.step();
            house.read();
        }
        house.settle();
        let old = |guest: &&Guest| guest.user == "ann" && guest.issued_s <= issued_s;
        let open = house.guests.iter().filter(old).filter(|guest| guest.closed.is_none()).count();
        assert_eq!(open, 0, "seed {seed}");
        house.check();
    }
}

/// Whoever has the answer to a subscription may count on it: what is published then is heard.
#[test]
fn a_subscription_is_there_when_it_is_answered() {
    for seed in 0..60 {
        let mut house = House::new(config(4, PerUser::Refuse), seed);
        for user in ["ann", "ann", "ann", "bob"] {
            house.come(user, START_S);
        }
        house.settle();
        let paths = ["/users/ann/subscriptions/a", "/channels/a", "/users/ann/subscriptions/a"];
        for (method, path) in ["PUT", "POST", "DELETE"].into_iter().zip(paths) {
            house.call(method, path, if method == "POST" { "1" } else { "" });
            house.wait();
            if method == "POST" {
                // What is under way when a subscription ends is not for it any more.
                house.settle();
            }
        }
        house.call("POST", "/channels/a", "2");
        house.wait();
        let told = |at: usize, what: &str| house.answers[at][what].clone();
        assert_eq!((told(0, "subscribed"), told(1, "receivers")), (json!(3), json!(3)));
        assert_eq!((told(2, "unsubscribed"), told(3, "receivers")), (json!(3), json!(0)));
        house.settle();
        let heard = |guest: &Guest| guest.heard.get("a").cloned().unwrap_or_default();
        let heard: Vec<_> = house.guests.iter().map(heard).collect();
        assert_eq!(heard, [vec![json!(1)], vec![json!(1)], vec![json!(1)], vec![]], "seed {seed}");
        house.check();
    }
}

/// More connections than are looked at in one turn.
#[test]
fn a_crowd_of_one_user() {
    let count = LIST_VISITS.max(ERRAND_VISITS) * 2 + 100;
    let most = Config { max_connections_per_user: count, ..config(2, PerUser::Refuse) };
    let most = Config { max_handshakes: count, ..most };
    for (method, path, body, code) in [
        ("DELETE", "/users/ann/connections", "", 4410),
        ("POST", "/revocations", r#"{"user":"ann"}"#, 4103),
    ] {
        let mut house = House::new(most.clone(), 7);
        for _ in 0..count {
            house.come("ann", START_S);
        }
        house.come("bob", START_S);
        house.settle();
        house.check_crowd(count);
        house.call("PUT", "/users/ann/subscriptions/a", "");
        house.settle();
        let following = house.guests.iter().filter(|guest| guest.follows.contains("a")).count();
        assert_eq!(following, count);
        house.call(method, path, body);
        house.settle();
        assert_eq!(house.closed(code), count as u64, "{path}");
        house.check();
    }
}

/// A node remembers so many revocations; one more is refused, with a pace, and counted.
#[test]
fn revocations_are_bounded() {
    let mut house = House::new(config(2, PerUser::Refuse), 7);
    for number in 0..MAX_REVOCATIONS {
        let id = Revoked::Token(number.to_string().into());
        assert!(house.node.users.revocations().revoke(&id, START_S * 1000, None));
    }
    let link = house.open(&request("POST", "/revocations", BEARER, br#"{"user":"ann"}"#));
    house.settle();
    let (mut reader, mut buffer) = (Reader::default(), [0; 4096]);
    let Read::Bytes(count) = house.world.borrow_mut().client_read(link, &mut buffer) else {
        panic!("no answer")
    };
    reader.feed(&buffer[..count]);
    let Some(Item::Response(503, body)) = reader.next() else { panic!("not refused") };
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["error"]["code"], "overloaded");
    assert_eq!(body["error"]["retry_after_ms"], 1000);
    assert_eq!(house.stats.limited(Limit::Revocations), 1);
}
