//! A client that is somebody: it logs in, in the handshake or later, well or badly; it brings other
//! tokens, forgets to, and follows what these let it follow. Every publication that it hears must
//! be one that it had a right to.

use std::collections::BTreeMap;

use fanwire::hub::{Kind, Position};
use fanwire::policy::pattern::Pattern;
use fanwire::policy::token::Token;
use serde_json::{Value, json};

use super::codec::{Item, handshake_with, opcode};
use super::line::Line;
use super::wire::{Envelope, data_fields};
use super::{Client, Scene, payload};
use crate::oracle::{Oracle, position};
use crate::rights::{GRAIN_MS, Grant};
use crate::tokens::sign;

const ALL: &str = "$all";

/// A model of such a client.
#[derive(Debug)]
pub struct Member {
    user: String,
    grace_ms: u64,
    line: Line,
    /// The connection's, by its welcome.
    name: String,
    welcomed: bool,
    /// It was told that it may not be who it wants to be.
    refused: bool,
    /// It said something that only those may say who have logged in.
    blurted: bool,
    /// What it has said and gets an answer to.
    asked: BTreeMap<String, Asked>,
    /// The token that came with the handshake.
    brought: Option<Grant>,
    grants: Vec<Grant>,
    follows: BTreeMap<String, Position>,
    next_id: u64,
    rest_until: u64,
}

#[derive(Debug)]
enum Asked {
    Auth(Option<Grant>),
    Subscribe(String),
    Unsubscribe(String),
    Publish(usize),
}

impl Member {
    /// One of this user, where connections stay for so long after their token has ended.
    pub fn new(user: String, grace_ms: u64) -> Self {
        Self {
            user,
            grace_ms,
            line: Line::default(),
            name: String::new(),
            welcomed: false,
            refused: false,
            blurted: false,
            asked: BTreeMap::new(),
            brought: None,
            grants: Vec::new(),
            follows: BTreeMap::new(),
            next_id: 0,
            rest_until: 0,
        }
    }

    fn connect(&mut self, scene: &mut Scene) {
        let (mut lines, mut brought) = (String::new(), None);
        match scene.world.random.below(10) {
            0..6 => {
                let (text, grant) = token(scene, &self.user);
                (lines, brought) = (format!("Authorization: Bearer {text}\r\n"), Some(grant));
            }
            6 => lines = "Sec-WebSocket-Protocol: fanwire.v1, bearer.a.b.c\r\n".into(),
            _ => {}
        }
        if self.line.open(scene, handshake_with("/ws", &lines).as_bytes()) {
            let refused = !lines.is_empty() && brought.is_none();
            (self.welcomed, self.refused, self.blurted) = (false, refused, false);
            self.brought = brought;
        }
    }

    fn hear(&mut self, scene: &mut Scene, item: Item) {
        match item {
            Item::Opened => {}
            Item::Response(status, _) => assert!(matches!(status, 408 | 503), "{status}"),
            Item::Message(code, text) => {
                assert_eq!(code, opcode::TEXT, "only text comes on /ws");
                self.take(scene, &Envelope::read(&text));
            }
        }
    }

    fn take(&mut self, scene: &mut Scene, envelope: &Envelope) {
        let data: Value = envelope
            .data
            .map_or(Value::Null, |data| serde_json::from_str(data.get()).expect("JSON"));
        match &*envelope.kind {
            "connection" => self.welcome(scene, &data),
            "ack" | "error" => self.answer(scene, envelope, &data),
            kind => {
                assert!(self.welcomed, "a stranger hears {kind}");
                match kind {
                    "message" => {
                        let channel = envelope.channel.as_deref().expect("a channel");
                        self.publication(scene, channel, envelope);
                    }
                    "broadcast" => self.publication(scene, ALL, envelope),
                    "unsubscribed" => {
                        assert_eq!(data["reason"], "forbidden");
                        self.follows.remove(envelope.channel.as_deref().expect("a channel"));
                        scene.oracle.tally.count("subscriptions ended");
                    }
                    "expiring" => self.expiring(scene, &data),
                    "update" => {}
                    other => panic!("type {other}"),
                }
            }
        }
    }

    fn welcome(&mut self, scene: &mut Scene, data: &Value) {
        assert!(!self.welcomed, "one is welcomed once");
        self.welcomed = true;
        data["connection"].as_str().expect("a name").clone_into(&mut self.name);
        if let Some(grant) = self.brought.take() {
            self.is_now(scene, Some(grant), data);
        } else if data["user"].is_null() {
            assert!(self.grants.is_empty(), "somebody is welcomed as nobody");
            let sent_ms = scene.world.now_ms();
            self.grants.push(Grant { token: None, sent_ms, over_ms: None, until: None });
            scene.oracle.tally.count("anonymous");
        } else {
            assert_eq!(data["user"], *self.user);
        }
        let start = position(data["position"].as_str().expect("a position"));
        self.follows.insert(ALL.to_owned(), start);
    }

    /// A token was taken in: what it was before, it is no more.
    fn is_now(&mut self, scene: &mut Scene, grant: Option<Grant>, data: &Value) {
        let mut grant = grant.expect("only a good token is taken in");
        assert_eq!(data["user"], *self.user, "somebody else");
        let left_ms = data["expires_in_ms"].as_u64().expect("it ends") + self.grace_ms;
        let latest_ms = scene.world.now_ms() + left_ms + GRAIN_MS;
        grant.over_ms = Some((grant.sent_ms + left_ms, latest_ms));
        let moment = scene.oracle.rights.moment();
        for old in &mut self.grants {
            old.until = old.until.or(Some(moment));
        }
        self.grants.push(grant);
        scene.oracle.tally.count("logins");
    }

    fn publication(&mut self, scene: &mut Scene, channel: &str, envelope: &Envelope) {
        let at = position(envelope.id.as_deref().expect("a position"));
        let last = self.follows.get_mut(channel);
        let last = last.unwrap_or_else(|| panic!("{at} of {channel}: not subscribed"));
        let next = Position { index: last.index + 1, ..*last };
        // A first publication begins a life, where there was none.
        assert!(at == next || at.index == 1, "{at} of {channel} after {last}");
        *last = at;
        envelope.check(scene.oracle.publication(channel, at));
        scene.oracle.rights.check(channel, at, &self.grants);
        scene.oracle.tally.count("deliveries");
    }

    /// Most bring the next token in time, and some forget to.
    fn expiring(&mut self, scene: &mut Scene, data: &Value) {
        assert!(data["expires_in_ms"].is_u64());
        let grant = self.grants.last().expect("somebody");
        assert!(grant.token.is_some(), "nobody's token ends");
        scene.oracle.tally.count("expiring");
        if scene.world.random.chance(700) {
            self.log_in(scene);
        }
    }

    fn log_in(&mut self, scene: &mut Scene) {
        // A stranger could become somebody else.
        let known = self.grants.last().is_some_and(|grant| grant.token.is_some());
        let (text, grant) = match scene.world.random.below(20) {
            0 => ("a.b.c".to_owned(), None),
            1 if known => (token(scene, "somebody else").0, None),
            _ => {
                let (text, grant) = token(scene, &self.user);
                (text, Some(grant))
            }
        };
        let fields = format!(",\"data\":{{\"token\":\"{text}\"}}");
        self.ask(scene, "auth", None, &fields, Asked::Auth(grant));
    }

    fn answer(&mut self, scene: &mut Scene, envelope: &Envelope, data: &Value) {
        let granted = envelope.kind == "ack";
        let Some(id) = envelope.id.as_deref() else {
            // The token of the handshake.
            assert!(!granted && !self.welcomed, "{data}");
            self.refused = true;
            self.brought = None;
            return scene.oracle.tally.count("logins refused");
        };
        let asked = self.asked.remove(id).unwrap_or_else(|| panic!("nobody asked {id}"));
        let code = data["code"].as_str().unwrap_or_default();
        match asked {
            Asked::Auth(grant) if granted => self.is_now(scene, grant, data),
            Asked::Auth(_) => {
                let known = ["unauthorized", "token_expired", "token_revoked", "forbidden"];
                assert!(known.contains(&code), "{data}");
                self.refused |= self.grants.last().is_none_or(|grant| grant.token.is_none());
                scene.oracle.tally.count("logins refused");
            }
            Asked::Subscribe(channel) if granted => {
                let at = position(data["position"].as_str().expect("a position"));
                let before = self.follows.insert(channel, at);
                assert_eq!(before, None, "followed twice");
                scene.oracle.tally.count("subscribed");
            }
            Asked::Unsubscribe(channel) if granted => drop(self.follows.remove(&channel)),
            Asked::Publish(number) if granted => {
                let id = data["id"].as_str().expect("a position");
                scene.oracle.acknowledge(number, position(id), false);
            }
            Asked::Publish(number) => {
                assert!(["forbidden", "unauthorized"].contains(&code), "{data}");
                scene.oracle.refuse(number);
            }
            Asked::Subscribe(_) | Asked::Unsubscribe(_) => match code {
                "forbidden" => scene.oracle.tally.count("requests forbidden"),
                "unauthorized" => assert!(!self.welcomed && self.blurted),
                // Asked for twice, or ended meanwhile.
                "already_subscribed" | "bad_request" => {}
                _ => panic!("{data}"),
            },
        }
    }

    fn ask(
        &mut self,
        scene: &mut Scene,
        kind: &str,
        channel: Option<&str>,
        fields: &str,
        asked: Asked,
    ) {
        self.next_id += 1;
        let id = format!("m{}", self.next_id);
        let channel = channel.map(|name| format!(",\"channel\":\"{name}\"")).unwrap_or_default();
        let text = format!("{{\"type\":\"{kind}\",\"id\":\"{id}\"{channel}{fields}}}");
        self.line.say_message(scene, opcode::TEXT, text.as_bytes());
        self.asked.insert(id, asked);
        scene.moved = true;
    }

    fn begin(&mut self, scene: &mut Scene) {
        if self.line.closing() || self.line.unsent() > 4_000 || self.asked.len() > 8 {
            return;
        }
        let choice = scene.world.random.below(300);
        if !self.welcomed {
            // Whoever brought no token logs in, is late, or asks for what it may not have.
            let silent = self.brought.is_none() && !self.refused && self.asked.is_empty();
            match choice {
                0..20 if silent => self.log_in(scene),
                20 if silent => {
                    self.blurted = true;
                    self.subscribe(scene);
                }
                _ => {}
            }
            return;
        }
        match choice {
            0 => {
                self.line.reset(scene);
                self.over(scene);
            }
            1 => self.line.say_message(scene, opcode::CLOSE, &[3, 232]),
            2..10 => self.log_in(scene),
            10..40 => self.subscribe(scene),
            40..46 => {
                let followed: Vec<_> = self.follows.keys().cloned().collect();
                if !followed.is_empty() {
                    let channel = scene.world.random.pick(&followed).clone();
                    let asked = Asked::Unsubscribe(channel.clone());
                    self.ask(scene, "unsubscribe", Some(&channel), "", asked);
                }
            }
            46..70 => self.publish(scene),
            _ => {}
        }
    }

    fn subscribe(&mut self, scene: &mut Scene) {
        let channel = scene.channel();
        let asked = Asked::Subscribe(channel.clone());
        self.ask(scene, "subscribe", Some(&channel), "", asked);
    }

    fn publish(&mut self, scene: &mut Scene) {
        let channel = scene.channel();
        let number = payload::invent(scene, &channel, &[Kind::Json, Kind::Text], None);
        let fields = format!(",{}", data_fields(scene.oracle.intent(number)));
        let key = payload::key(number).map(|key| format!(",\"key\":\"{key}\"")).unwrap_or_default();
        self.ask(scene, "publish", Some(&channel), &(fields + &key), Asked::Publish(number));
    }

    /// Every end by the server has its reason.
    fn check_parted(&self, scene: &Scene) {
        let anonymous = self.grants.last().is_none_or(|grant| grant.token.is_none());
        match self.line.close_code() {
            Some(4101) if !anonymous => {
                let over_ms = self.grants.last().and_then(|grant| grant.over_ms);
                let now_ms = scene.world.now_ms();
                assert!(over_ms.is_some_and(|(over_ms, _)| now_ms >= over_ms), "{over_ms:?}");
            }
            Some(4101 | 4102) => assert!(self.refused, "nothing was wrong with its token"),
            Some(4103) => {
                assert!(scene.oracle.rights.may_be_revoked(&self.user), "nobody took it back");
            }
            Some(4003) => assert!(!self.welcomed, "it is no stranger"),
            Some(4401) => assert!(anonymous, "it has a token"),
            _ => {}
        }
    }

    fn over(&mut self, scene: &mut Scene) {
        self.line.close(scene);
        self.asked.clear();
        self.grants.clear();
        self.follows.clear();
        (self.brought, self.welcomed) = (None, false);
        self.rest_until = scene.step + scene.world.random.below(200) as u64;
    }
}

/// Makes up a token: of this user, for some of the channels, good for a while.
fn token(scene: &mut Scene, user: &str) -> (String, Grant) {
    let life_ms = *scene.world.random.pick(&[300, 1_500, 5_000, 60_000]);
    let mut some = || -> Vec<String> {
        let random = &mut scene.world.random;
        let whole = random.chance(200).then(|| "c.>".to_owned());
        let named = scene.channels.iter().filter(|_| random.chance(500)).cloned();
        whole.into_iter().chain(named.collect::<Vec<_>>()).collect()
    };
    let (hears, publishes) = (some(), some());
    let expires_ms = scene.world.wall_ms() + life_ms;
    let claims = json!({"sub": user, "exp": expires_ms as f64 / 1000.0,
        "iat": scene.world.wall_ms() as f64 / 1000.0,
        "info": *scene.world.random.pick(&[None, Some(1), Some(2)]),
        "subscribe": hears, "publish": publishes});
    let patterns = |texts: &[String]| {
        texts.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect()
    };
    let (subscribe, publish) = (patterns(&hears), patterns(&publishes));
    let token = Token { user: user.into(), subscribe, publish, ..Token::default() };
    let sent_ms = scene.world.now_ms();
    let grant = Grant { token: Some(token), sent_ms, over_ms: None, until: None };
    (sign(&claims), grant)
}

impl Client for Member {
    fn act(&mut self, scene: &mut Scene) {
        if self.line.link().is_none() {
            if !scene.calm && scene.step >= self.rest_until {
                self.connect(scene);
            }
            return;
        }
        let going_on = self.line.pump(scene);
        while let Some(item) = self.line.hear(scene) {
            self.hear(scene, item);
        }
        if !going_on {
            self.check_parted(scene);
            self.over(scene);
        } else if !scene.calm {
            self.begin(scene);
        }
    }

    fn check_settled(&self, oracle: &Oracle) {
        if !self.welcomed || self.line.closing() {
            return;
        }
        assert!(self.asked.is_empty(), "without an answer: {:?}", self.asked);
        for (channel, at) in &self.follows {
            assert!(oracle.head(channel).is_none_or(|head| head == *at), "{channel} ends at {at}");
        }
    }

    fn present(&self) -> Vec<(String, Option<String>)> {
        let here = self.follows.keys().filter(|_| self.welcomed && !self.line.closing());
        let known = self.grants.last().is_some_and(|grant| grant.token.is_some());
        let name =
            if known { json!({ "user": self.user }) } else { json!({ "connection": self.name }) };
        here.map(|channel| (channel.clone(), Some(name.to_string()))).collect()
    }

    fn leave(&mut self, scene: &mut Scene) {
        match scene.world.random.below(3) {
            0 => self.line.reset(scene),
            1 => self.line.finish(scene),
            _ => self.line.say_message(scene, opcode::CLOSE, &[3, 232]),
        }
    }

    fn connected(&self) -> bool {
        self.line.link().is_some()
    }
}
