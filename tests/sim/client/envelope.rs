//! A client of `/ws`: it subscribes, publishes, reads history, loses its connection, and resumes.
//! `requests` decides what it asks; here is what it makes of what it hears.

mod presence;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fanwire::hub::{Kind, Position};
use fanwire::policy::hook::Event;
use serde_json::value::RawValue;

use self::presence::Heard;
use super::codec::{Item, handshake, opcode};
use super::follower::{Follower, Told};
use super::http::check_history;
use super::line::Line;
use super::wire::{Answer, Envelope};
use super::{Client, Scene, payload};
use crate::oracle::{Oracle, position};

const ALL: &str = "$all";

/// A model of such a client.
#[derive(Debug, Default)]
pub struct EnvelopeClient {
    line: Line,
    open: bool,
    welcomed: bool,
    /// It was told to go.
    told: bool,
    /// Requests without an answer, in order.
    pending: VecDeque<Pending>,
    /// What it will follow when all pending requests are answered.
    wants: BTreeSet<String>,
    follows: BTreeMap<String, Follower>,
    /// Where it hears who is there.
    hears: BTreeMap<String, Heard>,
    /// What the server calls this connection.
    name: String,
    /// Where it stood, by channel: this outlives connections.
    memory: BTreeMap<String, Position>,
    /// What `$all` is resumed from on this connection.
    since_all: Option<Position>,
    /// Publications whose answer was lost: repeated with the same key.
    doubtful: Vec<usize>,
    next_id: u64,
    rest_until: u64,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Pending {
    id: Option<String>,
    channel: Option<String>,
    asked: Asked,
}

/// What was asked.
#[derive(Debug)]
enum Asked {
    Subscribe(Resume),
    /// Of a channel that it follows already.
    SubscribeAgain,
    Unsubscribe,
    /// The publication's number; whether it may be repeated.
    Publish(usize, bool),
    History,
    /// A list of who is there.
    Presence,
    Echo(String),
    Ping,
}

/// From where a subscription is asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Resume {
    since: Option<Position>,
    last: Option<u64>,
    /// The newest of every key; at most so many rounds a second.
    newest: bool,
    max_rate: Option<f64>,
    /// It wants to hear who is there.
    presence: bool,
}

impl EnvelopeClient {
    fn connect(&mut self, scene: &mut Scene) {
        self.since_all = self.memory.get(ALL).copied().filter(|_| scene.world.random.chance(500));
        let path = match self.since_all {
            Some(position) => format!("/ws?since={position}"),
            None => "/ws".to_owned(),
        };
        let offers = [
            None,
            None,
            Some("permessage-deflate; client_max_window_bits"),
            Some("permessage-deflate"),
            Some("permessage-deflate; server_max_window_bits=10"),
        ];
        let offer = *scene.world.random.pick(&offers);
        if self.line.open(scene, handshake(&path, offer).as_bytes()) {
            (self.open, self.welcomed, self.told) = (false, false, false);
            self.wants.insert(ALL.to_owned());
        }
    }

    fn hear(&mut self, scene: &mut Scene, item: Item) {
        match item {
            Item::Opened => self.open = true,
            Item::Response(status, _) => {
                assert!(matches!(status, 408 | 503), "a handshake got {status}");
                scene.oracle.tally.count("handshakes refused");
            }
            Item::Message(code, text) => {
                assert_eq!(code, opcode::TEXT, "only text comes on /ws");
                let envelope = Envelope::read(&text);
                if !self.welcomed && envelope.kind == "error" {
                    return turned_away(scene, &envelope.answer());
                }
                assert_eq!(self.welcomed, envelope.kind != "connection", "{envelope:?}");
                self.take(scene, &envelope);
            }
        }
    }

    fn take(&mut self, scene: &mut Scene, envelope: &Envelope) {
        match &*envelope.kind {
            "connection" => self.welcome(scene, envelope),
            "message" => {
                let channel = envelope.channel.as_deref().expect("a message has a channel");
                self.publication(scene, channel, envelope);
            }
            "broadcast" => self.publication(scene, ALL, envelope),
            "gap" => self.gap(scene, envelope),
            "presence" => self.presence(scene, envelope),
            "unsubscribed" => self.ended(scene, envelope),
            "ack" | "error" | "echo" | "pong" => self.answer(scene, envelope),
            "goaway" => {
                self.told = true;
                scene.oracle.tally.count("goaways");
            }
            "update" => scene.oracle.tally.count("updates"),
            other => panic!("type {other}"),
        }
    }

    fn welcome(&mut self, scene: &mut Scene, envelope: &Envelope) {
        self.welcomed = true;
        let data = envelope.data.expect("a welcome says much").get();
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
        data["connection"].as_str().expect("a name").clone_into(&mut self.name);
        let link = self.line.link().expect("something was received");
        let told = envelope.answer().position.expect("a welcome says where it begins");
        let start = self.since_all.unwrap_or_else(|| position(&told));
        self.follows.insert(ALL.to_owned(), Follower::at(ALL, link, start));
        scene.oracle.tally.count("welcomes");
    }

    fn publication(&mut self, scene: &mut Scene, channel: &str, envelope: &Envelope) {
        let at = position(envelope.id.as_deref().expect("a publication has a position"));
        let follower = self.follows.get_mut(channel);
        let follower = follower.unwrap_or_else(|| panic!("{at} of {channel}: not subscribed"));
        let publication = follower.message(scene.oracle, at);
        envelope.check(publication);
        self.memory.insert(channel.to_owned(), at);
        scene.oracle.tally.count("deliveries");
    }

    fn gap(&mut self, scene: &mut Scene, envelope: &Envelope) {
        let channel = envelope.channel.as_deref().expect("a gap has a channel");
        let answer = envelope.answer();
        let follower = self.follows.get_mut(channel);
        let follower = follower.unwrap_or_else(|| panic!("a gap of {channel}: not subscribed"));
        let after = answer.after.as_deref().map(position);
        let to = position(answer.to.as_deref().expect("a gap has an end"));
        let reason = answer.reason.expect("a gap has a reason");
        scene.oracle.tally.count(match &*reason {
            "slow" => "gaps: slow",
            "evicted" => "gaps: evicted",
            "epoch" => "gaps: epoch",
            other => panic!("gap because of {other}"),
        });
        follower.gap(scene.oracle, after, to, &Told { reason, missed: answer.missed });
        self.memory.insert(channel.to_owned(), to);
    }

    /// A new rule has ended a subscription.
    fn ended(&mut self, scene: &mut Scene, envelope: &Envelope) {
        let channel = envelope.channel.as_deref().expect("it has a channel");
        let answer = envelope.answer();
        assert_eq!(answer.reason.as_deref(), Some("forbidden"));
        self.hears.remove(channel);
        match (self.follows.remove(channel), answer.position) {
            (Some(follower), Some(at)) => follower.check_left(scene.oracle, position(&at)),
            // It had not begun: its owner may have refused it meanwhile, too.
            (_, None) => scene.oracle.tally.count("subscriptions ended before they began"),
            (None, Some(at)) => panic!("{channel} ends at {at}: not subscribed"),
        }
        self.forget_wish(scene, channel);
    }

    /// A channel is not followed, against its wish. Where it has asked for more of it, what it will
    /// follow is not worth working out: it begins anew.
    fn forget_wish(&mut self, scene: &mut Scene, channel: &str) {
        self.wants.remove(channel);
        let asks =
            |asked: &Asked| !matches!(asked, Asked::Publish(..) | Asked::History | Asked::Presence);
        let of_it = |p: &Pending| p.channel.as_deref() == Some(channel) && asks(&p.asked);
        if self.pending.iter().any(of_it) {
            self.line.say_message(scene, opcode::CLOSE, &[3, 232]);
        }
    }

    fn answer(&mut self, scene: &mut Scene, envelope: &Envelope) {
        let pending = self.match_answer(envelope);
        let error = envelope.kind == "error";
        let kind = &*envelope.kind;
        match pending.asked {
            asked if error => {
                let channel = pending.channel.as_deref().unwrap_or_default();
                self.refused(scene, channel, &asked, &envelope.answer());
            }
            Asked::Echo(text) => {
                assert_eq!(kind, "echo");
                assert_eq!(envelope.data.map(RawValue::get), Some(&*text));
            }
            Asked::Ping => assert_eq!(kind, "pong"),
            asked => {
                assert_eq!(kind, "ack", "to {asked:?}");
                let channel = pending.channel.as_deref().unwrap_or_default();
                self.granted(scene, channel, &asked, envelope);
            }
        }
    }

    /// Which request this answers. Answers for one channel keep its order.
    fn match_answer(&mut self, envelope: &Envelope) -> Pending {
        let (id, channel) = (envelope.id.as_deref(), envelope.channel.as_deref());
        let same = |p: &Pending| p.id.as_deref() == id && p.channel.as_deref() == channel;
        let at = self.pending.iter().position(same);
        let at = at.unwrap_or_else(|| panic!("{envelope:?} answers none of {:?}", self.pending));
        if channel.is_some() {
            let first = self.pending.iter().position(|p| p.channel.as_deref() == channel);
            assert_eq!(first, Some(at), "{envelope:?} overtakes {:?}", self.pending);
        }
        self.pending.remove(at).expect("found just now")
    }

    fn granted(&mut self, scene: &mut Scene, channel: &str, asked: &Asked, envelope: &Envelope) {
        match asked {
            Asked::Subscribe(resume) => {
                self.subscribed(scene, channel, *resume, &envelope.answer());
            }
            // Right only where the first one was refused meanwhile.
            Asked::SubscribeAgain => {
                self.subscribed(scene, channel, Resume::default(), &envelope.answer());
            }
            Asked::Unsubscribe => {
                self.hears.remove(channel);
                let follower = self.follows.remove(channel);
                let left = envelope.answer().position;
                if let (Some(follower), Some(left)) = (follower, left) {
                    follower.check_left(scene.oracle, position(&left));
                }
                scene.oracle.tally.count("unsubscribed");
            }
            Asked::Publish(number, _) => {
                let answer = envelope.answer();
                let id = answer.id.expect("an ack of a publish has a position");
                let asks = scene.oracle.policy.hook(Event::Publish, Some(channel)).is_some();
                assert!(!asks || scene.world.backend.has_allowed(*number), "{number}: not asked");
                scene.oracle.acknowledge(*number, position(&id), answer.duplicate);
            }
            Asked::History => {
                check_history(scene, channel, envelope.data.expect("a history").get());
            }
            Asked::Presence => Self::listed(scene, envelope),
            Asked::Echo(_) | Asked::Ping => unreachable!("answered by other types"),
        }
    }

    fn subscribed(&mut self, scene: &mut Scene, channel: &str, resume: Resume, answer: &Answer) {
        let link = self.line.link().expect("something was received");
        let head = position(answer.position.as_deref().expect("the ack says where the head is"));
        let recovered = answer.recovered.expect("the ack says whether all comes");
        let follower = match resume {
            Resume { since: Some(since), last, .. } => {
                scene.oracle.tally.count(if recovered { "recovered" } else { "not recovered" });
                Follower::at(channel, link, since).promise(recovered, last)
            }
            Resume { since: None, last: Some(last), .. } => {
                scene.oracle.tally.count("subscribed to the latest");
                Follower::latest(channel, link, head, last)
            }
            Resume { since: None, last: None, .. } => Follower::at(channel, link, head),
        };
        let follower = follower.conflated(resume.newest || scene.oracle.conflates(channel));
        if resume.newest {
            scene.oracle.tally.count("subscribed in mode latest");
        }
        if resume.since.is_none() {
            assert!(recovered, "nothing was asked for that could not be had");
            self.memory.insert(channel.to_owned(), head);
        }
        let before = self.follows.insert(channel.to_owned(), follower);
        assert!(before.is_none(), "{channel} is followed twice");
        if resume.presence {
            self.hears.insert(channel.to_owned(), Heard::default());
        }
        scene.oracle.tally.count("subscribed");
    }

    fn refused(&mut self, scene: &mut Scene, channel: &str, asked: &Asked, answer: &Answer) {
        let code = answer.code.as_deref().expect("an error has a code");
        let temporary = answer.temporary.expect("an error says whether it is temporary");
        match (asked, code) {
            // The rule tells nothing of who is there.
            (Asked::Subscribe(Resume { presence: true, .. }), "not_enabled") => {
                self.forget_wish(scene, channel);
            }
            (Asked::Presence, "not_enabled" | "rate_limited" | "overloaded") => {}
            (asked, "forbidden") => {
                assert!(!temporary);
                self.forbidden(scene, channel, asked);
            }
            (Asked::Publish(number, _), "backend_unavailable") => {
                assert!(temporary);
                scene.oracle.refuse(*number);
                scene.oracle.tally.count("publishes not decided");
            }
            (Asked::Publish(number, _), "too_many_channels" | "rate_limited" | "overloaded") => {
                assert!(temporary);
                scene.oracle.refuse(*number);
                scene.oracle.tally.count("publishes refused");
            }
            (Asked::SubscribeAgain, "already_subscribed") => {
                scene.oracle.tally.count("subscribed twice");
            }
            (Asked::History, "backend_unavailable" | "overloaded")
            | (Asked::Echo(_) | Asked::Ping | Asked::History, "rate_limited") => {
                scene.oracle.tally.count("requests refused");
            }
            (
                _,
                "rate_limited"
                | "too_many_channels"
                | "too_many_subscriptions"
                | "overloaded"
                | "backend_unavailable",
            ) => {
                scene.oracle.tally.count("requests refused");
                // What it follows now is not worth working out: it begins anew.
                self.line.say_message(scene, opcode::CLOSE, &[3, 232]);
            }
            // An unsubscribe before it was refused.
            (Asked::Subscribe(_), "already_subscribed") if self.line.closing() => {}
            (Asked::Unsubscribe, _) if !self.follows.contains_key(channel) => {}
            (asked, code) => panic!("{code} to {asked:?} of {channel}"),
        }
    }

    /// A rule forbids it.
    fn forbidden(&mut self, scene: &mut Scene, channel: &str, asked: &Asked) {
        scene.oracle.tally.count("requests forbidden");
        match asked {
            Asked::Publish(number, _) => scene.oracle.refuse(*number),
            Asked::History | Asked::Presence => {}
            Asked::Subscribe(_) | Asked::SubscribeAgain => {
                assert!(!self.follows.contains_key(channel), "{channel} is followed");
                self.forget_wish(scene, channel);
            }
            asked => panic!("forbidden: {asked:?} of {channel}"),
        }
    }

    /// The server has closed it, or ended it without a word. In the end of a node, that is after
    /// everything was answered and delivered.
    fn check_parted(&self, scene: &Scene) {
        let Some(code) = self.line.close_code() else {
            let own = self.line.closing() || !self.welcomed;
            assert!(own || !scene.oracle.is_marked(), "an end without a Close");
            return;
        };
        assert!(self.told || !matches!(code, 1012 | 4007), "{code} without a goaway");
        if scene.oracle.is_marked() && code == 1012 {
            for pending in &self.pending {
                // What came too late has not happened either, unless an earlier link had said it.
                let Asked::Publish(number, _) = pending.asked else { continue };
                let done = scene.oracle.admitted(number).is_some();
                let once = !scene.oracle.is_repeated(number);
                assert!(!(done && once), "closed without an ack: {pending:?}");
            }
            // Who is closed for being slow was not waited for.
            let waited = self.follows.values().filter(|_| !self.line.was_slow());
            waited.for_each(|follower| follower.check_marked(scene.oracle));
        }
    }

    fn over(&mut self, scene: &mut Scene) {
        if self.line.was_slow() {
            let reads = self.follows.values().any(|follower| follower.is_slow(scene.oracle));
            scene.oracle.was_slow(reads);
        }
        self.line.close(scene);
        for pending in self.pending.drain(..) {
            if let Asked::Publish(number, true) = pending.asked {
                self.doubtful.push(number);
            }
        }
        self.wants.clear();
        self.follows.clear();
        self.hears.clear();
        (self.open, self.welcomed) = (false, false);
        self.rest_until = scene.step + scene.world.random.below(400) as u64;
    }
}

/// The backend does not let it in; a Close follows.
fn turned_away(scene: &mut Scene, answer: &Answer) {
    let code = answer.code.as_deref().expect("an error has a code");
    assert!(matches!(code, "forbidden" | "backend_unavailable" | "overloaded"), "{code}");
    scene.oracle.tally.count("turned away");
}

impl Client for EnvelopeClient {
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
        assert!(self.pending.is_empty(), "without an answer: {:?}", self.pending);
        let follows: Vec<_> = self.follows.keys().collect();
        assert_eq!(follows, self.wants.iter().collect::<Vec<_>>(), "what is followed");
        self.follows.values().for_each(|follower| follower.check_complete(oracle));
        self.hears.iter().for_each(|(channel, heard)| heard.check(oracle, channel));
    }

    fn present(&self) -> Vec<(String, Option<String>)> {
        let here = self.follows.keys().filter(|_| self.welcomed && !self.line.closing());
        let name = serde_json::json!({ "connection": self.name }).to_string();
        here.map(|channel| (channel.clone(), Some(name.clone()))).collect()
    }

    fn tell(&mut self, scene: &mut Scene, channel: &str) -> bool {
        let can = self.welcomed && !self.line.closing();
        if can {
            let kinds = [Kind::Json, Kind::Text, Kind::Binary];
            let number = payload::invent(scene, channel, &kinds, None);
            self.send_publication(scene, number, false);
        }
        can
    }

    fn leave(&mut self, scene: &mut Scene) {
        match scene.world.random.below(4) {
            0 => self.line.reset(scene),
            1 => self.line.finish(scene),
            2 => self.line.close(scene),
            _ => self.line.say_message(scene, opcode::CLOSE, &[3, 232]),
        }
    }

    fn connected(&self) -> bool {
        self.line.link().is_some()
    }
}
