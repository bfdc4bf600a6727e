//! A client of a raw channel: bare payloads, no words. Where it stands it knows only from what the
//! payloads are.

use std::fmt::Write as _;

use fanwire::hub::{Kind, Position};

use super::codec::{Item, handshake, opcode};
use super::follower::Follower;
use super::line::Line;
use super::{Client, Scene, payload};
use crate::oracle::Oracle;
use crate::world::backend::number_in;

/// A model of such a client.
#[derive(Debug)]
pub struct Raw {
    channel: String,
    own: bool,
    newest: bool,
    line: Line,
    follower: Option<Follower>,
    /// Where to go on from after a lost connection.
    resume: Option<Position>,
    open: bool,
    rest_until: u64,
}

impl Raw {
    /// A client of this channel; `own`: it wants its own publications back.
    /// `newest`: of everything that comes, it wants the newest of every key.
    pub fn new(channel: String, own: bool, newest: bool) -> Self {
        let line = Line::default();
        Self {
            channel,
            own,
            newest,
            line,
            follower: None,
            resume: None,
            open: false,
            rest_until: 0,
        }
    }

    fn connect(&mut self, scene: &mut Scene) {
        let mut path = format!("/channels/{}", self.channel);
        let mut mark = '?';
        let resume = self.resume.filter(|_| scene.world.random.chance(700));
        if let Some(position) = resume {
            let _ = write!(path, "?since={position}");
            mark = '&';
        }
        if !self.own {
            let _ = write!(path, "{mark}self=0");
            mark = '&';
        }
        if self.newest {
            let _ = write!(path, "{mark}mode=latest");
        }
        let offer = scene.world.random.chance(300).then_some("permessage-deflate");
        if !self.line.open(scene, handshake(&path, offer).as_bytes()) {
            return;
        }
        let Some(link) = self.line.link() else { return };
        let nowhere = Position { epoch: fanwire::hub::Epoch(0), index: 0 };
        let follower = match resume {
            Some(position) => Follower::at(&self.channel, link, position),
            None => Follower::anywhere(&self.channel, link, nowhere),
        };
        let conflates = self.newest || scene.oracle.conflates(&self.channel);
        self.follower = Some(follower.conflated(conflates));
        self.open = false;
    }

    fn hear(&mut self, scene: &mut Scene, item: Item) {
        match item {
            Item::Opened => {
                self.open = true;
                if let Some(follower) = &mut self.follower {
                    follower.opened(scene.oracle);
                }
            }
            Item::Response(status, _) => {
                assert!(matches!(status, 408 | 503), "a raw handshake got {status}");
                scene.oracle.tally.count("handshakes refused");
            }
            Item::Message(code, bytes) => {
                let number = number_in(&bytes).expect("a payload of ours");
                let intent = scene.oracle.intent(number);
                assert_eq!(intent.channel, self.channel, "{number} came by another channel");
                assert_eq!(intent.payload, bytes, "{number} came changed");
                let wanted =
                    if intent.kind == Kind::Binary { opcode::BINARY } else { opcode::TEXT };
                assert_eq!(code, wanted, "opcode of {number}");
                let position = scene.oracle.admitted(number);
                let position = position.unwrap_or_else(|| panic!("{number} was never admitted"));
                let follower = self.follower.as_mut().expect("a raw connection follows");
                follower.message(scene.oracle, position);
                self.resume = Some(position);
                scene.oracle.tally.count("raw deliveries");
            }
        }
    }

    /// The server has closed it. In the end of a node, that is after everything was delivered.
    fn check_parted(&self, scene: &Scene) {
        let closed = self.line.close_code();
        assert!(closed.is_some() || self.line.closing() || !self.open || !scene.oracle.is_marked());
        if let Some(follower) = self.follower.as_ref().filter(|_| scene.oracle.is_marked())
            && closed == Some(1012)
        {
            follower.check_marked(scene.oracle);
        }
    }

    fn over(&mut self, scene: &mut Scene) {
        if self.line.was_slow() {
            let reads = self.follower.as_ref().is_some_and(|f| f.is_slow(scene.oracle));
            scene.oracle.was_slow(reads);
        }
        self.line.close(scene);
        self.open = false;
        self.follower = None;
        self.rest_until = scene.step + scene.world.random.below(300) as u64;
    }

    fn publish(&mut self, scene: &mut Scene) {
        let skip = self.line.link().filter(|_| !self.own);
        let kinds = [Kind::Text, Kind::Binary];
        let channel = self.channel.clone();
        let number = payload::invent(scene, &channel, &kinds, skip);
        let intent = scene.oracle.intent(number);
        let code = if intent.kind == Kind::Binary { opcode::BINARY } else { opcode::TEXT };
        let bytes = intent.payload.clone();
        self.line.say_message(scene, code, &bytes);
    }

    fn begin(&mut self, scene: &mut Scene) {
        if !self.open || self.line.closing() || self.line.unsent() > 4_000 {
            return;
        }
        match scene.world.random.below(200) {
            0 => self.line.stall(scene.step + scene.world.random.below(1500) as u64),
            1 if scene.world.random.chance(300) => self.line.be_rude(scene),
            1 => self.line.say_message(scene, opcode::CLOSE, &[3, 232]),
            2 => {
                self.line.reset(scene);
                self.over(scene);
            }
            3..30 => self.publish(scene),
            30 => self.line.say_message(scene, opcode::PING, b"?"),
            _ => {}
        }
    }
}

impl Client for Raw {
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
        if let Some(follower) = self.follower.as_ref().filter(|_| self.open && !self.line.closing())
        {
            follower.check_complete(oracle);
        }
    }

    fn present(&self) -> Vec<(String, Option<String>)> {
        let here = self.open && self.line.link().is_some() && !self.line.closing();
        here.then(|| (self.channel.clone(), None)).into_iter().collect()
    }

    fn leave(&mut self, scene: &mut Scene) {
        match scene.world.random.below(3) {
            0 => self.line.reset(scene),
            1 => self.line.finish(scene),
            _ => self.line.say_message(scene, opcode::CLOSE, &[]),
        }
    }

    fn connected(&self) -> bool {
        self.line.link().is_some()
    }
}
