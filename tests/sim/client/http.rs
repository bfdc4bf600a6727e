//! A backend: it publishes and asks by HTTP, on a connection that stays.

use std::collections::VecDeque;
use std::fmt::Write as _;

use fanwire::hub::Kind;

use super::codec::{Item, request};
use super::line::Line;
use super::wire::{Answer, Envelope, Messages};
use super::{Client, Scene, payload, wire};
use crate::oracle::{Oracle, position};

/// A model of a backend.
#[derive(Debug, Default)]
pub struct Http {
    line: Line,
    pending: VecDeque<Asked>,
    /// Publications whose answer was lost: repeated with the same key.
    doubtful: Vec<usize>,
    rest_until: u64,
    /// A connection that was listed and is to be closed.
    victim: Option<String>,
}

/// What an answer is awaited to.
#[derive(Debug)]
enum Asked {
    /// A publication; whether it has a key and so may be repeated.
    Publish(usize, bool),
    /// A batch of them.
    Batch(Vec<usize>),
    /// A channel's history.
    History(String),
    /// Anything that must be 200.
    Get(&'static str),
    /// Who is connected, at most so many.
    Connections(usize),
    /// To close a connection.
    Disconnect,
    /// To take back the tokens of a user.
    Revoke(usize),
}

impl Http {
    fn hear(&mut self, scene: &mut Scene, item: Item) {
        let Item::Response(status, body) = item else { panic!("{item:?} to a backend") };
        if status == 503 && word(&body).as_deref() == Some("draining") {
            let asked = self.pending.pop_front();
            assert!(matches!(asked, Some(Asked::Get("/ready?scope=node"))), "not {asked:?}");
            return;
        }
        if status == 408 || (status == 503 && self.is_refused(&body)) {
            return self.refused(scene);
        }
        let asked = self.pending.pop_front();
        let asked = asked.unwrap_or_else(|| panic!("{status} without a request"));
        match asked {
            Asked::Publish(number, _) => published(scene, number, &read(&body)),
            Asked::Batch(numbers) => {
                assert_eq!(status, 200, "a batch");
                let results: Results = serde_json::from_slice(&body).expect("results");
                assert_eq!(results.results.len(), numbers.len());
                for (number, result) in numbers.into_iter().zip(&results.results) {
                    published(scene, number, result);
                }
            }
            Asked::History(_) if status == 503 => {
                scene.oracle.tally.count("histories refused");
            }
            Asked::History(channel) => {
                assert_eq!(status, 200, "a history");
                check_history(scene, &channel, std::str::from_utf8(&body).expect("UTF-8"));
            }
            Asked::Get(path) => assert_eq!(status, 200, "GET {path}"),
            Asked::Connections(limit) => {
                assert_eq!(status, 200, "connections");
                self.take_connections(scene, limit, &body);
            }
            Asked::Disconnect => {
                assert_eq!(status, 200, "a disconnect");
                let count = serde_json::from_slice::<Disconnected>(&body).expect("a count");
                assert!(count.disconnected <= 1);
                scene.oracle.tally.count("disconnects answered");
            }
            Asked::Revoke(number) => {
                assert_eq!(status, 200, "a revocation");
                scene.oracle.rights.revoked(number);
                scene.oracle.tally.count("revocations");
            }
        }
    }

    /// Nobody is listed twice, nor more than a page; one of them is marked.
    fn take_connections(&mut self, scene: &mut Scene, limit: usize, body: &[u8]) {
        let page: Connections = serde_json::from_slice(body).expect("a list");
        let mut names: Vec<_> = page.connections.into_iter().map(|one| one.connection).collect();
        assert!(names.len() <= limit && (page.next.is_none() || names.len() == limit));
        scene.oracle.tally.count("connections listed");
        if !names.is_empty() && scene.world.random.chance(400) {
            let at = scene.world.random.below(names.len());
            self.victim = Some(names[at].clone());
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "nobody is listed twice");
    }

    fn list_connections(&mut self, scene: &mut Scene) {
        let limit = scene.world.random.between(1, 8);
        let sort = *scene.world.random.pick(&["id", "queued"]);
        let path = format!("/connections?sort={sort}&limit={limit}");
        self.line.say(&request("GET", &path, "", b""));
        self.pending.push_back(Asked::Connections(limit));
    }

    fn revoke(&mut self, scene: &mut Scene) {
        let user = scene.world.random.pick(&scene.oracle.rights.users).clone();
        let number = scene.oracle.rights.revoke(&user, scene.world.now_ms());
        let body = format!("{{\"user\":\"{user}\"}}");
        self.line.say(&request("POST", "/revocations", "", body.as_bytes()));
        self.pending.push_back(Asked::Revoke(number));
    }

    fn disconnect(&mut self, victim: &str) {
        self.line.say(&request("DELETE", &format!("/connections/{victim}"), "", b""));
        self.pending.push_back(Asked::Disconnect);
    }

    /// Whether this 503 concerns the connection, and not what was asked.
    fn is_refused(&self, body: &[u8]) -> bool {
        let publish = matches!(self.pending.front(), Some(Asked::Publish(..)));
        let error = serde_json::from_slice::<Answer>(body).ok().and_then(|answer| answer.error);
        let error = error.expect("a 503 has an error");
        let word = error.code.as_deref();
        let mail = error.message.as_deref().is_some_and(|message| message.contains("mail"));
        if mail || publish && word == Some("too_many_channels") {
            return false;
        }
        assert_eq!(word, Some("overloaded"), "503");
        true
    }

    /// The connection ends, and nothing that was asked has happened or will.
    fn refused(&mut self, scene: &mut Scene) {
        scene.oracle.tally.count("backends refused");
        while let Some(asked) = self.pending.pop_front() {
            match asked {
                Asked::Publish(number, _) => scene.oracle.refuse(number),
                Asked::Batch(numbers) => numbers.into_iter().for_each(|n| scene.oracle.refuse(n)),
                Asked::History(_)
                | Asked::Get(_)
                | Asked::Connections(_)
                | Asked::Disconnect
                | Asked::Revoke(_) => {}
            }
        }
    }

    fn over(&mut self, scene: &mut Scene) {
        self.line.close(scene);
        for asked in self.pending.drain(..) {
            if let Asked::Publish(number, true) = asked {
                self.doubtful.push(number);
            }
        }
        self.rest_until = scene.step + scene.world.random.below(300) as u64;
    }

    /// Publishes to this channel, on a new connection if need be.
    pub fn tell(&mut self, scene: &mut Scene, channel: &str) {
        if self.line.link().is_none() {
            self.line.open(scene, b"");
        }
        self.publish(scene, channel);
    }

    fn publish(&mut self, scene: &mut Scene, channel: &str) {
        let number = payload::invent(scene, channel, &[Kind::Json, Kind::Binary], None);
        let keyed = scene.world.random.chance(400);
        self.post(scene, number, keyed);
    }

    fn post(&mut self, scene: &mut Scene, number: usize, keyed: bool) {
        let intent = scene.oracle.intent(number);
        let mut fields = match intent.kind {
            Kind::Json => "Content-Type: application/json\r\n".to_owned(),
            _ => "Content-Type: application/octet-stream\r\n".to_owned(),
        };
        if keyed {
            let _ = write!(fields, "Idempotency-Key: k{number}\r\n");
        }
        if let Some(key) = payload::key(number).filter(|_| intent.channel != "$all") {
            let _ = write!(fields, "Fanwire-Key: {key}\r\n");
        }
        let path = match intent.channel.as_str() {
            "$all" => "/broadcast".to_owned(),
            channel => format!("/channels/{channel}"),
        };
        let bytes = request("POST", &path, &fields, &intent.payload);
        self.pending.push_back(Asked::Publish(number, keyed));
        self.line.say(&bytes);
        scene.moved = true;
    }

    fn batch(&mut self, scene: &mut Scene) {
        let mut numbers = Vec::new();
        let mut items = Vec::new();
        for _ in 0..scene.world.random.between(1, 6) {
            let channel = scene.channel();
            let kinds = [Kind::Json, Kind::Text, Kind::Binary];
            let number = payload::invent(scene, &channel, &kinds, None);
            let data = wire::data_fields(scene.oracle.intent(number));
            items.push(format!("{{\"channel\":\"{channel}\",{data}}}"));
            numbers.push(number);
        }
        let body = format!("[{}]", items.join(","));
        self.line.say(&request("POST", "/publish", "", body.as_bytes()));
        self.pending.push_back(Asked::Batch(numbers));
    }

    fn get(&mut self, path: &'static str) {
        self.line.say(&request("GET", path, "", b""));
        self.pending.push_back(Asked::Get(path));
    }

    fn begin(&mut self, scene: &mut Scene) {
        if self.line.closing() || self.pending.len() > 3 {
            return;
        }
        if let Some(number) = self.doubtful.pop() {
            if let Some(link) = self.line.link() {
                scene.oracle.repeat(number, link);
            }
            return self.post(scene, number, true);
        }
        if let Some(victim) = self.victim.take() {
            return self.disconnect(&victim);
        }
        match scene.world.random.below(200) {
            0 => {
                self.line.reset(scene);
                self.over(scene);
            }
            1 => self.line.stall(scene.step + scene.world.random.below(500) as u64),
            2 => self.get("/status"),
            3 => self.get("/metrics"),
            4 => self.get("/ready?scope=node"),
            5 => self.get("/channels"),
            6..10 => {
                let channel = scene.channel();
                let limit = scene.world.random.between(1, 60);
                let path = format!("/channels/{channel}/history?limit={limit}");
                self.line.say(&request("GET", &path, "", b""));
                self.pending.push_back(Asked::History(channel));
            }
            10..14 => self.batch(scene),
            14..24 => self.publish(scene, "$all"),
            24..100 => {
                let channel = scene.channel();
                self.publish(scene, &channel);
            }
            100..102 => self.list_connections(scene),
            102..104 if !scene.oracle.rights.users.is_empty() => self.revoke(scene),
            _ => {}
        }
    }
}

#[derive(Debug, serde::Deserialize)]
struct Connections {
    connections: Vec<Listed>,
    next: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Listed {
    connection: String,
}

#[derive(Debug, serde::Deserialize)]
struct Disconnected {
    disconnected: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Results {
    results: Vec<Answer>,
}

/// The word of an error.
fn word(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Answer>(body).ok()?.error?.code
}

fn read(body: &[u8]) -> Answer {
    serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(body)))
}

/// One publication was answered.
fn published(scene: &mut Scene, number: usize, answer: &Answer) {
    match (&answer.id, &answer.error) {
        (Some(id), None) => scene.oracle.acknowledge(number, position(id), answer.duplicate),
        (None, Some(error)) => {
            let code = error.code.as_deref();
            let known = ["too_many_channels", "overloaded"];
            assert!(code.is_some_and(|code| known.contains(&code)), "{number}: {error:?}");
            assert_eq!(error.temporary, Some(true));
            scene.oracle.refuse(number);
            scene.oracle.tally.count("publishes refused");
        }
        both => panic!("publication {number}: {both:?}"),
    }
}

/// A part of the history: dense, in order, and what was admitted.
pub fn check_history(scene: &mut Scene, channel: &str, text: &str) {
    let history: Messages = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"));
    let mut before = None;
    for message in &history.messages {
        let envelope = Envelope::read(message.get().as_bytes());
        let at = position(envelope.id.as_deref().expect("a publication has a position"));
        if let Some(before) = before.replace(at.index) {
            assert_eq!(at.index, before + 1, "history of {channel} is dense");
        }
        envelope.check(scene.oracle.publication(channel, at));
    }
    if let (Some(last), Some(head)) = (before, &history.position) {
        assert!(last <= position(head).index, "history of {channel} beyond its head");
    }
    scene.oracle.tally.count("histories read");
}

impl Client for Http {
    fn act(&mut self, scene: &mut Scene) {
        if self.line.link().is_none() {
            if !scene.calm && scene.step >= self.rest_until {
                self.line.open(scene, b"");
            }
            return;
        }
        let going_on = self.line.pump(scene);
        while let Some(item) = self.line.hear(scene) {
            self.hear(scene, item);
        }
        if !going_on {
            self.over(scene);
        } else if !scene.calm {
            self.begin(scene);
        }
    }

    fn check_settled(&self, _oracle: &Oracle) {
        assert!(self.pending.is_empty(), "without an answer: {:?}", self.pending);
    }

    fn leave(&mut self, scene: &mut Scene) {
        match scene.world.random.below(3) {
            0 => self.line.reset(scene),
            1 => self.line.finish(scene),
            _ => self.line.close(scene),
        }
    }

    fn connected(&self) -> bool {
        self.line.link().is_some()
    }
}
