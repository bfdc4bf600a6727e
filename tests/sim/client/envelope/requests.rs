//! What a client of `/ws` asks for, decided by chance.

use std::fmt::Write as _;

use fanwire::hub::{Epoch, Kind, Position};

use super::{ALL, Asked, EnvelopeClient, Pending, Resume, Scene};
use crate::client::codec::opcode;
use crate::client::{payload, wire};

impl EnvelopeClient {
    /// Begins something new, or nothing.
    pub(super) fn begin(&mut self, scene: &mut Scene) {
        if !self.welcomed || self.line.closing() || self.line.unsent() > 4_000 {
            return;
        }
        if self.pending.len() > 24 {
            return;
        }
        if let Some(number) = self.doubtful.pop() {
            return self.repeat(scene, number);
        }
        match scene.world.random.below(400) {
            0 => {
                self.line.reset(scene);
                self.over(scene);
            }
            1 if scene.world.random.chance(300) => self.line.be_rude(scene),
            1 => self.line.say_message(scene, opcode::CLOSE, &[3, 232]),
            2 => self.line.finish(scene),
            3..7 => self.line.stall(scene.step + scene.world.random.below(1500) as u64),
            7..30 => self.subscribe(scene),
            30..36 => self.subscribe_many(scene),
            36..46 => self.unsubscribe(scene),
            46..51 => self.history(scene),
            51 => self.list(scene),
            52..56 => self.echo(scene),
            56..58 => self.ask(scene, Asked::Ping, "ping", None, ""),
            58..60 => self.line.say_message(scene, opcode::PING, b"?"),
            60..62 => self.flood(scene),
            62..120 => self.publish(scene),
            _ => {}
        }
    }

    fn subscribe(&mut self, scene: &mut Scene) {
        let channel = if scene.world.random.chance(50) { ALL.into() } else { scene.channel() };
        if self.wants.contains(&channel) {
            if scene.world.random.chance(100) {
                self.ask(scene, Asked::SubscribeAgain, "subscribe", Some(&channel), "");
            }
            return;
        }
        let resume = self.resume(scene, &channel);
        let data = format!(",\"data\":{{{}}}", resume.fields().join(","));
        self.wants.insert(channel.clone());
        self.ask(scene, Asked::Subscribe(resume), "subscribe", Some(&channel), &data);
    }

    fn subscribe_many(&mut self, scene: &mut Scene) {
        let id = self.id(scene);
        let mut items = Vec::new();
        for _ in 0..scene.world.random.between(1, 4) {
            let channel = scene.channel();
            if !self.wants.insert(channel.clone()) {
                continue;
            }
            let resume = self.resume(scene, &channel);
            let mut fields = resume.fields();
            fields.push(format!("\"channel\":\"{channel}\""));
            items.push(format!("{{{}}}", fields.join(",")));
            let channel = Some(channel);
            let asked = Asked::Subscribe(resume);
            self.pending.push_back(Pending { id: Some(id.clone()), channel, asked });
        }
        if !items.is_empty() {
            let list = items.join(",");
            let text = format!(
                "{{\"type\":\"subscribe\",\"id\":\"{id}\",\"data\":{{\"channels\":[{list}]}}}}"
            );
            self.line.say_message(scene, opcode::TEXT, text.as_bytes());
        }
    }

    fn unsubscribe(&mut self, scene: &mut Scene) {
        let followed: Vec<_> = self.wants.iter().cloned().collect();
        if followed.is_empty() {
            return;
        }
        let channel = scene.world.random.pick(&followed).clone();
        self.wants.remove(&channel);
        self.ask(scene, Asked::Unsubscribe, "unsubscribe", Some(&channel), "");
    }

    fn history(&mut self, scene: &mut Scene) {
        let channel = scene.channel();
        let limit = scene.world.random.between(1, 60);
        let data = match self.memory.get(&channel) {
            Some(at) if scene.world.random.chance(400) => {
                format!(",\"data\":{{\"since\":\"{at}\",\"limit\":{limit}}}")
            }
            Some(at) if scene.world.random.chance(400) => {
                format!(",\"data\":{{\"before\":\"{at}\",\"limit\":{limit}}}")
            }
            _ => format!(",\"data\":{{\"limit\":{limit}}}"),
        };
        self.ask(scene, Asked::History, "history", Some(&channel), &data);
    }

    fn list(&mut self, scene: &mut Scene) {
        let channel = scene.channel();
        let limit = scene.world.random.between(1, 20);
        let data = format!(",\"data\":{{\"limit\":{limit}}}");
        self.ask(scene, Asked::Presence, "presence", Some(&channel), &data);
    }

    fn echo(&mut self, scene: &mut Scene) {
        let data = format!("[{}, \"x\" ]", scene.world.random.below(1000));
        let fields = format!(",\"data\":{data}");
        self.ask(scene, Asked::Echo(data), "echo", None, &fields);
    }

    /// More at once than may be pending.
    fn flood(&mut self, scene: &mut Scene) {
        for _ in 0..scene.world.random.between(5, 40) {
            self.publish(scene);
        }
    }

    fn publish(&mut self, scene: &mut Scene) {
        let channel = scene.channel();
        let skip = self.line.link().filter(|_| scene.world.random.chance(150));
        let kinds = [Kind::Json, Kind::Json, Kind::Text, Kind::Binary];
        let number = payload::invent(scene, &channel, &kinds, skip);
        let keyed = scene.world.random.chance(200);
        self.send_publication(scene, number, keyed);
    }

    /// The answer was lost with an earlier connection: says it again, with the same key.
    fn repeat(&mut self, scene: &mut Scene, number: usize) {
        if let Some(link) = self.line.link() {
            scene.oracle.repeat(number, link);
        }
        self.send_publication(scene, number, true);
    }

    pub(super) fn send_publication(&mut self, scene: &mut Scene, number: usize, keyed: bool) {
        let intent = scene.oracle.intent(number);
        let channel = intent.channel.clone();
        let mut fields = format!(",{}", wire::data_fields(intent));
        if !intent.skip.is_empty() {
            fields.push_str(",\"skip_self\":true");
        }
        if let Some(key) = payload::key(number) {
            let _ = write!(fields, ",\"key\":\"{key}\"");
        }
        if keyed {
            let _ = write!(fields, ",\"idempotency_key\":\"k{number}\"");
        }
        let asked = Asked::Publish(number, keyed);
        self.ask(scene, asked, "publish", Some(&channel), &fields);
    }

    /// Sends a request and notes that its answer is awaited.
    fn ask(
        &mut self,
        scene: &mut Scene,
        asked: Asked,
        kind: &str,
        channel: Option<&str>,
        fields: &str,
    ) {
        let id = scene.world.random.chance(900).then(|| self.id(scene));
        let mut text = format!("{{\"type\":\"{kind}\"");
        if let Some(id) = &id {
            let _ = write!(text, ",\"id\":\"{id}\"");
        }
        if let Some(channel) = channel {
            let _ = write!(text, ",\"channel\":\"{channel}\"");
        }
        text.push_str(fields);
        text.push('}');
        self.line.say_message(scene, opcode::TEXT, text.as_bytes());
        self.pending.push_back(Pending { id, channel: channel.map(str::to_owned), asked });
        scene.moved = true;
    }

    fn id(&mut self, _scene: &mut Scene) -> String {
        self.next_id += 1;
        format!("r{}", self.next_id)
    }

    /// From where to subscribe: from where it stood, from somewhere impossible, the latest, or now.
    fn resume(&mut self, scene: &mut Scene, channel: &str) -> Resume {
        let random = &mut scene.world.random;
        let last = random.chance(300).then(|| random.below(60) as u64);
        let since = match self.memory.get(channel) {
            _ if random.chance(30) => Some(Position { epoch: Epoch(7), index: 3 }),
            Some(at) if random.chance(30) => Some(Position { index: 1 << 40, ..*at }),
            Some(at) if random.chance(650) => Some(*at),
            _ => None,
        };
        let newest = channel != ALL && random.chance(350);
        let max_rate =
            (newest && random.chance(500)).then(|| *random.pick(&[0.5, 2.0, 11.0, 50.0]));
        let presence = channel != ALL && random.chance(400);
        Resume { since, last, newest, max_rate, presence }
    }
}

impl Resume {
    fn fields(self) -> Vec<String> {
        let since = self.since.map(|since| format!("\"since\":\"{since}\""));
        let last = self.last.map(|last| format!("\"last\":{last}"));
        let mode = self.newest.then(|| "\"mode\":\"latest\"".to_owned());
        let rate = self.max_rate.map(|rate| format!("\"max_rate\":{rate}"));
        let presence = self.presence.then(|| "\"presence\":true".to_owned());
        since.into_iter().chain(last).chain(mode).chain(rate).chain(presence).collect()
    }
}
