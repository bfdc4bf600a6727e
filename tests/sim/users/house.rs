//! A house with guests: connections of users over some workers, and a backend that acts on them.
//! Nobody knows more than it was told; `check` compares that with what the workers hold.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use fanwire::config::{Config, PerUser};
use fanwire::metrics::{Counter, Stats};
use fanwire::node::Node;
use fanwire::policy::Policy;
use fanwire::policy::key::{ApiKey, Scope};
use fanwire::policy::rule::{Rule, Who};
use fanwire::policy::token::key::{Algorithm, Key};
use fanwire::policy::token::{KeySet, Terms};
use fanwire::worker::net::WorkerId;
use fanwire::worker::{Setup, Worker};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::codec::{Item, Reader, handshake, message, opcode, request};
use crate::world::link::Read;
use crate::world::net::FakeNet;
use crate::world::{LinkId, World};

const SECRET: &[u8] = b"what tokens here are signed with";
pub const BEARER: &str = "Authorization: Bearer of-the-backend\r\n";
const USERS: [&str; 3] = ["ann", "bob", "eve"];
const CHANNELS: [&str; 3] = ["a", "b", "c"];
/// Connections that each of them may have.
const MOST: usize = 3;
/// When the node starts, in seconds since the Unix epoch.
pub const START_S: u64 = 1_790_000_000;

/// A connection of a user.
pub struct Guest {
    link: LinkId,
    pub user: &'static str,
    pub issued_s: u64,
    reader: Reader,
    /// It has had its welcome.
    welcome: bool,
    /// What it was told that it follows.
    pub follows: BTreeSet<String>,
    /// What it heard, by channel.
    pub heard: BTreeMap<String, Vec<Value>>,
    /// With which code it was closed; 0: it has left by itself.
    pub closed: Option<u16>,
}

/// A request of the backend.
pub struct Call {
    link: LinkId,
    reader: Reader,
}

pub struct House {
    pub world: Rc<RefCell<World>>,
    workers: Vec<Worker<FakeNet>>,
    pub node: Arc<Node>,
    pub stats: Arc<Stats>,
    pub guests: Vec<Guest>,
    pub calls: Vec<Call>,
    /// Connections of the backend that have their answers.
    kept: Vec<LinkId>,
    /// What the backend was answered.
    pub answers: Vec<Value>,
}

/// Who may do nothing but what a token or the backend says.
pub fn config(workers: u16, per_user_policy: PerUser) -> Config {
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
    pub fn new(config: Config, seed: u64) -> Self {
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
        Self {
            world,
            workers,
            node,
            stats,
            guests: Vec::new(),
            calls: Vec::new(),
            kept: Vec::new(),
            answers: Vec::new(),
        }
    }

    pub fn now_s(&self) -> u64 {
        START_S + self.world.borrow().now_ms() / 1000
    }

    pub fn open(&mut self, bytes: &[u8]) -> LinkId {
        let mut world = self.world.borrow_mut();
        let link = world.connect().expect("it listens");
        world.widen(link);
        assert_eq!(world.client_write(link, bytes), Some(bytes.len()));
        link
    }

    /// Somebody comes.
    pub fn come(&mut self, user: &'static str, issued_s: u64) {
        let authorization = format!("Authorization: Bearer {}", token(user, issued_s));
        let head = handshake("/ws", None);
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

    pub fn go(&mut self, at: usize) {
        let guest = &mut self.guests[at];
        if guest.closed.is_none() {
            self.world.borrow_mut().client_close(guest.link);
            guest.closed = Some(0);
        }
    }

    /// The guest wants to hear what is for itself, or not any more.
    pub fn says(&mut self, at: usize, kind: &str, channel: &str) {
        let guest = &self.guests[at];
        if guest.welcome && guest.closed.is_none() {
            let text = json!({"type": kind, "id": channel, "channel": channel}).to_string();
            let mut world = self.world.borrow_mut();
            let bytes = message(&mut world.random, opcode::TEXT, text.as_bytes(), false);
            world.client_write(guest.link, &bytes);
        }
    }

    pub fn call(&mut self, method: &str, path: &str, body: &str) {
        let request = request(method, path, BEARER, body.as_bytes());
        let link = match self.kept.pop() {
            Some(link) => {
                let sent = self.world.borrow_mut().client_write(link, &request);
                assert_eq!(sent, Some(request.len()));
                link
            }
            None => self.open(&request),
        };
        self.calls.push(Call { link, reader: Reader::default() });
    }

    /// Everybody reads what has come.
    pub fn read(&mut self) {
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
            let Item::Response(200, body) = item else { panic!("{item:?}") };
            self.answers.push(serde_json::from_slice(&body).expect("JSON"));
            self.kept.push(call.link);
            false
        });
    }

    /// One thing happens, whatever it is.
    pub fn step(&mut self) {
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

    /// Until the backend has its answers: no letter is hurried.
    pub fn wait(&mut self) {
        while !self.calls.is_empty() {
            let mut world = self.world.borrow_mut();
            let (at, letters) = (world.random.below(self.workers.len()), world.random.chance(500));
            if letters {
                world.deliver_mail();
            }
            for id in world.open_links().to_vec() {
                world.carry(id, true);
            }
            drop(world);
            if self.world.borrow().ready(at as WorkerId) {
                self.workers[at].turn();
            }
            self.read();
        }
    }

    pub fn ask_something(&mut self, which: usize, user: &str, channel: &str) {
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
    pub fn settle(&mut self) {
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

    pub fn check(&self) {
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
    pub fn last_words(&mut self) {
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

    pub fn closed(&self, code: u16) -> u64 {
        self.guests.iter().filter(|guest| guest.closed == Some(code)).count() as u64
    }
}

impl Guest {
    pub fn read(&mut self, world: &mut World) {
        if self.closed.is_some() {
            return;
        }
        let mut buffer = [0; 4096];
        while let Read::Bytes(count) = world.client_read(self.link, &mut buffer) {
            self.reader.feed(&buffer[..count]);
        }
        while let Some(item) = self.reader.next() {
            match item {
                Item::Message(opcode::TEXT, text) => {
                    self.hear(&serde_json::from_slice(&text).expect("JSON"));
                }
                Item::Message(opcode::CLOSE, payload) => {
                    self.closed = Some(u16::from_be_bytes([payload[0], payload[1]]));
                    world.client_close(self.link);
                    return;
                }
                Item::Opened | Item::Message(..) => {}
                Item::Response(..) => panic!("{item:?}"),
            }
        }
    }

    pub fn hear(&mut self, said: &Value) {
        let channel = said["channel"].as_str().unwrap_or_default().to_owned();
        let kind = said["type"].as_str().expect("a type");
        assert!(self.welcome || matches!(kind, "connection" | "error"), "first: {said}");
        match kind {
            "connection" => self.welcome = true,
            "subscribed" => assert!(self.follows.insert(channel), "twice: {said}"),
            "ack" if said["data"].get("recovered").is_some() => {
                assert!(self.follows.insert(channel), "twice: {said}");
            }
            "ack" | "unsubscribed" => assert!(self.follows.remove(&channel), "it did not: {said}"),
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

impl House {
    pub fn check_crowd(&self, count: usize) {
        let open = self.guests.iter().filter(|guest| guest.closed.is_none()).count();
        assert_eq!((open, self.node.users.len()), (count + 1, 2));
    }
}
