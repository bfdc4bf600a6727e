//! Users (design 3), while letters take any time and split anywhere: logins, ends, replacements,
//! and what the backend does to the connections of a user. When all is quiet, nobody has more
//! connections than allowed, who is told that it follows a channel does, and nobody is there whose
//! token was taken back.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use fanwire::config::{Config, PerUser};
use fanwire::limits::{ERRAND_VISITS, LIST_VISITS, MAX_REVOCATIONS};
use fanwire::metrics::{Counter, Limit, Stats};
use fanwire::node::Node;
use fanwire::policy::Policy;
use fanwire::policy::key::{ApiKey, Scope};
use fanwire::policy::rule::{Rule, Who};
use fanwire::policy::token::key::{Algorithm, Key};
use fanwire::policy::token::{KeySet, Terms};
use fanwire::revocations::Revoked;
use fanwire::worker::net::WorkerId;
use fanwire::worker::{Setup, Worker};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::codec::{Item, Reader, message, opcode, request};
use crate::world::link::Read;
use crate::world::net::FakeNet;
use crate::world::{LinkId, World};

const SECRET: &[u8] = b"what tokens here are signed with";
const BEARER: &str = "Authorization: Bearer of-the-backend\r\n";
const USERS: [&str; 3] = ["ann", "bob", "eve"];
const CHANNELS: [&str; 3] = ["a", "b", "c"];
/// Connections that each of them may have.
const MOST: usize = 3;
/// When the node starts, in seconds since the Unix epoch.
const START_S: u64 = 1_790_000_000;

/// A connection of a user.
struct Guest {
    link: LinkId,
    user: &'static str,
    issued_s: u64,
    reader: Reader,
    /// It has had its welcome.
    welcome: bool,
    /// What it was told that it follows.
    follows: BTreeSet<String>,
    /// What it heard, by channel.
    heard: BTreeMap<String, Vec<Value>>,
    /// With which code it was closed; 0: it has left by itself.
    closed: Option<u16>,
}

/// A request of the backend.
struct Call {
    link: LinkId,
    reader: Reader,
}

struct House {
    world: Rc<RefCell<World>>,
    workers: Vec<Worker<FakeNet>>,
    node: Arc<Node>,
    stats: Arc<Stats>,
    guests: Vec<Guest>,
    calls: Vec<Call>,
}

/// Who may do nothing but what a token or the backend says.
fn config(workers: u16, per_user_policy: PerUser) -> Config {
    let secret = Key::secret(Algorithm::HS256, SECRET).expect("long enough");
    let digest = Sha256::digest("of-the-backend").into();
    let key = ApiKey { name: "test".into(), digest, scopes: vec![Scope::Admin], channels: vec![] };
    let fallback = Rule { subscribe: Who::Token, publish: Who::Backend, ..Rule::default() };
    let policy = Policy {
        fallback: Arc::new(fallback),
        keys: vec![key],
        token_keys: Arc::new(KeySet::new(vec![secret], Terms::default())),
        ..Policy::default()
    };
    let max_connections_per_user = MOST;
    let policy = Arc::new(policy);
    Config { workers, policy, max_connections_per_user, per_user_policy, ..Config::default() }
}

fn token(user: &str, issued_s: u64) -> String {
    let claims = json!({"sub": user, "iat": issued_s, "exp": issued_s + 100_000});
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("signed")
}

impl House {
    fn new(config: Config, seed: u64) -> Self {
        let count = config.workers;
        let world = Rc::new(RefCell::new(World::new(usize::from(count), seed, false)));
        let stats = Arc::new(Stats::new(usize::from(count)));
        let (config, node) = (Arc::new(config), Arc::new(Node::new(seed)));
        let workers = (0..count).map(|id| {
            let (config, stats) = (Arc::clone(&config), Arc::clone(&stats));
            let setup = Setup { id, config, stats, node: Arc::clone(&node), seed };
            Worker::new(setup, FakeNet::new(&world, id))
        });
        let workers = workers.collect();
        Self { world, workers, node, stats, guests: Vec::new(), calls: Vec::new() }
    }

    fn now_s(&self) -> u64 {
        START_S + self.world.borrow().now_ms() / 1000
    }

    fn open(&mut self, bytes: &[u8]) -> LinkId {
        let mut world = self.world.borrow_mut();
        let link = world.connect().expect("it listens");
        world.widen(link);
        assert_eq!(world.client_write(link, bytes), Some(bytes.len()));
        link
    }

    /// Somebody comes.
    fn come(&mut self, user: &'static str, issued_s: u64) {
        let authorization = format!("Authorization: Bearer {}", token(user, issued_s));
        let head = crate::client::codec::handshake("/ws", None);
        let head = head.replace("\r\n\r\n", &format!("\r\n{authorization}\r\n\r\n"));
        let link = self.open(head.as_bytes());
        self.guests.push(Guest {
            link,
            user,
            issued_s,
            reader: Reader::default(),
            welcome: false,
            follows: BTreeSet::new(),
            heard: BTreeMap::new(),
            closed: None,
        });
    }

    fn go(&mut self, at: usize) {
        let guest = &mut self.guests[at];
        if guest.closed.is_none() {
            self.world.borrow_mut().client_close(guest.link);
            guest.closed = Some(0);
        }
    }

    /// The guest wants to hear what is for itself, or not any more.
    fn says(&mut self, at: usize, kind: &str, channel: &str) {
        let guest = &self.guests[at];
        if guest.welcome && guest.closed.is_none() {
            let text = json!({"type": kind, "id": channel, "channel": channel}).to_string();
            let mut world = self.world.borrow_mut();
            let bytes = message(&mut world.random, opcode::TEXT, text.as_bytes(), false);
            world.client_write(guest.link, &bytes);
        }
    }

    fn call(&mut self, method: &str, path: &str, body: &str) {
        let link = self.open(&request(method, path, BEARER, body.as_bytes()));
        self.calls.push(Call { link, reader: Reader::default() });
    }

    /// Everybody reads what has come.
    fn read(&mut self) {
        for guest in &mut self.guests {
            guest.read(&mut self.world.borrow_mut());
        }
        self.calls.retain_mut(|call| {
            let mut world = self.world.borrow_mut();
            let mut buffer = [0; 4096];
            while let Read::Bytes(count) = world.client_read(call.link, &mut buffer) {
                call.reader.feed(&buffer[..count]);
            }
            let Some(item) = call.reader.next() else { return true };
            assert!(matches!(item, Item::Response(200, _)), "{item:?}");
            world.client_close(call.link);
            false
        });
    }

    /// One thing happens, whatever it is.
    fn step(&mut self) {
        let (choice, which, who, user, channel) = {
            let random = &mut self.world.borrow_mut().random;
            let user = *random.pick(&USERS);
            let channel = *random.pick(&CHANNELS);
            let who = random.below(self.guests.len().max(1));
            (random.below(100), random.below(8), who, user, channel)
        };
        match choice {
            0..40 => {
                let at = which % self.workers.len();
                if self.world.borrow().ready(at as WorkerId) {
                    self.workers[at].turn();
                }
            }
            40..65 => drop(self.world.borrow_mut().deliver_mail()),
            65..80 => {
                let mut world = self.world.borrow_mut();
                for id in world.open_links().to_vec() {
                    world.carry(id, false);
                }
            }
            80..84 => self.come(user, self.now_s()),
            84..87 if !self.guests.is_empty() => self.go(who),
            87..90 if !self.guests.is_empty() => {
                let (kind, channel) = match which {
                    0..3 => ("subscribe", "$user"),
                    3..5 => ("unsubscribe", "$user"),
                    _ => ("unsubscribe", channel),
                };
                self.says(who, kind, channel);
            }
            90..96 => self.ask_something(which, user, channel),
            96..98 => self.world.borrow_mut().pass(300),
            _ => self.read(),
        }
    }

    fn ask_something(&mut self, which: usize, user: &str, channel: &str) {
        let subscription = format!("/users/{user}/subscriptions/{channel}");
        match which {
            0..3 => self.call("PUT", &subscription, ""),
            3..5 => self.call("DELETE", &subscription, ""),
            5 => self.call("POST", &format!("/users/{user}"), r#""early""#),
            6 => self.call("DELETE", &format!("/users/{user}/connections"), ""),
            _ => self.call("POST", "/revocations", &json!({ "user": user }).to_string()),
        }
    }

    /// Until nothing moves any more.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            let mut world = self.world.borrow_mut();
            while world.deliver_mail() {
                moved = true;
            }
            for id in world.open_links().to_vec() {
                moved |= world.carry(id, true);
            }
            drop(world);
            for at in 0..self.workers.len() {
                if self.world.borrow().ready(at as WorkerId) {
                    self.workers[at].turn();
                    moved = true;
                }
            }
            self.read();
            if !moved {
                return;
            }
        }
        panic!("something never rests");
    }

    fn check(&self) {
        let mut present: BTreeMap<&str, usize> = BTreeMap::new();
        for guest in self.guests.iter().filter(|guest| guest.closed.is_none()) {
            assert!(guest.welcome, "who is here has been welcomed");
            *present.entry(guest.user).or_default() += 1;
        }
        assert!(present.values().all(|&count| count <= MOST), "{present:?}");
        assert_eq!(self.node.users.len(), present.len());
        assert_eq!(self.stats.sum(Counter::Users), present.len() as u64);
        for (user, &count) in &present {
            let workers = 0..self.workers.len() as WorkerId;
            let seats = workers.map(|worker| self.node.users.connections(user, worker).len());
            assert_eq!(seats.sum::<usize>(), count, "{user}");
        }
        let (mut joined, mut counted) = (Vec::new(), Vec::new());
        for worker in &self.workers {
            let audit = worker.audit();
            assert!(audit.faults.is_empty(), "{:?}", audit.faults);
            joined.extend(audit.joined);
            counted.extend(audit.counted);
        }
        joined.sort();
        counted.sort();
        assert_eq!(joined, counted, "subscribers by channel and audience");
    }

    /// What is published now reaches those who were told that they follow, and nobody else.
    fn last_words(&mut self) {
        for channel in CHANNELS {
            self.call("POST", &format!("/channels/{channel}"), &json!(channel).to_string());
        }
        for user in USERS {
            self.call("POST", &format!("/users/{user}"), &json!(user).to_string());
        }
        self.settle();
        for guest in self.guests.iter().filter(|guest| guest.closed.is_none()) {
            for channel in CHANNELS.into_iter().chain(["$user"]) {
                let wanted = if channel == "$user" { guest.user } else { channel };
                let last = guest.heard.get(channel).and_then(|heard| heard.last());
                let hears = last.is_some_and(|last| *last == wanted);
                let follows = guest.follows.contains(channel);
                assert_eq!(hears, follows, "{} on {channel}: {last:?}", guest.user);
            }
        }
    }

    fn closed(&self, code: u16) -> u64 {
        self.guests.iter().filter(|guest| guest.closed == Some(code)).count() as u64
    }
}

impl Guest {
    fn read(&mut self, world: &mut World) {
        if self.closed.is_some() {
            return;
        }
        let mut buffer = [0; 4096];
        while let Read::Bytes(count) = world.client_read(self.link, &mut buffer) {
            self.reader.feed(&buffer[..count]);
        }
        while let Some(item) = self.reader.next() {
            match item {
                Item::Opened => {}
                Item::Message(opcode::TEXT, text) => {
                    self.hear(&serde_json::from_slice(&text).expect("JSON"));
                }
                Item::Message(opcode::CLOSE, payload) => {
                    self.closed = Some(u16::from_be_bytes([payload[0], payload[1]]));
                    world.client_close(self.link);
                    return;
                }
                Item::Message(..) => {}
                Item::Response(..) => panic!("{item:?}"),
            }
        }
    }

    fn hear(&mut self, said: &Value) {
        let channel = said["channel"].as_str().unwrap_or_default().to_owned();
        let kind = said["type"].as_str().expect("a type");
        assert!(self.welcome || matches!(kind, "connection" | "error"), "first: {said}");
        match kind {
            "connection" => self.welcome = true,
            "subscribed" => assert!(self.follows.insert(channel), "twice: {said}"),
            "unsubscribed" => assert!(self.follows.remove(&channel), "it did not: {said}"),
            "ack" if said["data"].get("recovered").is_some() => {
                assert!(self.follows.insert(channel), "twice: {said}");
            }
            "ack" => assert!(self.follows.remove(&channel), "it did not: {said}"),
            "message" => {
                assert!(self.follows.contains(&channel), "not followed: {said}");
                let data = &said["data"];
                let own = channel != "$user" || *data == self.user || data == "early";
                assert!(own, "somebody else's: {said}");
                self.heard.entry(channel).or_default().push(said["data"].clone());
            }
            "update" | "error" => {}
            _ => panic!("{said}"),
        }
    }
}

#[test]
fn users_come_and_go_while_the_backend_acts() {
    let mut tally: BTreeMap<u16, u64> = BTreeMap::new();
    let mut subscribed = 0;
    for seed in 0..120 {
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
    for seed in 0..100 {
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

impl House {
    fn check_crowd(&self, count: usize) {
        let open = self.guests.iter().filter(|guest| guest.closed.is_none()).count();
        assert_eq!((open, self.node.users.len()), (count + 1, 2));
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
