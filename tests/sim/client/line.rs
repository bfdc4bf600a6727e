//! A client's end of one connection: bytes in, bytes out, at a pace of its own. What is said is the
//! business of `envelope`, `raw` and `http`.

use std::collections::VecDeque;

use super::Scene;
use super::codec::{self, Item, Reader, opcode};
use crate::world::LinkId;
use crate::world::link::Read;

/// A connection, or none.
#[derive(Debug, Default)]
pub struct Line {
    link: Option<LinkId>,
    reader: Reader,
    out: VecDeque<u8>,
    /// Until when nothing is read.
    stalled_until: u64,
    /// Our Close is sent, or theirs has come.
    close_sent: bool,
    close_seen: bool,
    /// The code of theirs.
    close_code: Option<u16>,
    /// It broke the protocol, and will be told.
    rude: bool,
}

impl Line {
    /// The link, while there is one. It is never used again, so it names this life.
    pub fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// Connects and sends `first`. False when nobody listens.
    pub fn open(&mut self, scene: &mut Scene, first: &[u8]) -> bool {
        let Some(link) = scene.world.connect() else { return false };
        *self = Self { link: Some(link), ..Self::default() };
        self.out.extend(first);
        true
    }

    /// Queues bytes.
    pub fn say(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// Queues a WebSocket message. After a Close nothing is said.
    pub fn say_message(&mut self, scene: &mut Scene, code: u8, payload: &[u8]) {
        if !self.close_sent {
            self.tell(scene, "says", u16::from(code), payload);
            let deflate = self.reader.deflates();
            self.say(&codec::message(&mut scene.world.random, code, payload, deflate));
            self.close_sent = code == opcode::CLOSE;
        }
    }

    /// Breaks the protocol: a frame without a mask, a reserved opcode, text that is none.
    pub fn be_rude(&mut self, scene: &mut Scene) {
        let frames: [&[u8]; 3] = [b"\x81\x01x", b"\x83\x80\0\0\0\0", b"\x81\x81\0\0\0\0\xff"];
        let frame = *scene.world.random.pick(&frames);
        self.tell(scene, "blurts", 0, frame);
        self.say(frame);
        (self.close_sent, self.rude) = (true, true);
    }

    /// Bytes that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Whether a Close was sent or seen: nothing new is begun.
    pub fn closing(&self) -> bool {
        self.close_sent || self.close_seen
    }

    /// Whether it was closed for being slow.
    pub fn was_slow(&self) -> bool {
        self.close_code == Some(4001)
    }

    /// The code of their Close, when it has come.
    pub fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// Stops reading until that step.
    pub fn stall(&mut self, until: u64) {
        self.stalled_until = until;
    }

    /// Writes and reads what is possible. False when the connection is over.
    pub fn pump(&mut self, scene: &mut Scene) -> bool {
        let Some(link) = self.link else { return false };
        let chunk = if scene.calm { usize::MAX } else { scene.world.random.between(1, 3000) };
        let count = chunk.min(self.out.len());
        let ready = &self.out.make_contiguous()[..count];
        match scene.world.client_write(link, ready) {
            Some(count) => drop(self.out.drain(..count)),
            // The other side has gone; what it said before may still be there to read.
            None => self.out.clear(),
        }
        if scene.step < self.stalled_until && !scene.calm {
            return true;
        }
        let mut buffer = [0; 4096];
        let chunk = if scene.calm { buffer.len() } else { scene.world.random.between(1, 4096) };
        match scene.world.client_read(link, &mut buffer[..chunk]) {
            Read::Bytes(count) => {
                self.reader.feed(&buffer[..count]);
                scene.moved = true;
                true
            }
            Read::Nothing => true,
            Read::End | Read::Reset => false,
        }
    }

    /// The next whole thing that the server said. Pings and Close are answered here.
    pub fn hear(&mut self, scene: &mut Scene) -> Option<Item> {
        loop {
            let item = self.reader.next()?;
            match &item {
                Item::Opened => self.tell(scene, "hears", 101, b"opened"),
                Item::Response(status, body) => self.tell(scene, "hears", *status, body),
                Item::Message(code, payload) => {
                    self.tell(scene, "hears", u16::from(*code), payload);
                }
            }
            match &item {
                Item::Message(opcode::PING, payload) => {
                    self.say_message(scene, opcode::PONG, payload);
                }
                Item::Message(opcode::PONG, _) => {}
                Item::Message(opcode::CLOSE, payload) => {
                    self.close_seen = true;
                    if let Some(code) = payload.first_chunk() {
                        let code = u16::from_be_bytes(*code);
                        self.close_code = Some(code);
                        let word = close_code(code, self.rude);
                        scene.oracle.tally.count(word);
                    }
                    self.say_message(scene, opcode::CLOSE, payload);
                }
                Item::Message(code, _) => {
                    assert!(!self.close_seen, "opcode {code} after a Close");
                    return Some(item);
                }
                Item::Opened | Item::Response(..) => return Some(item),
            }
        }
    }

    fn tell(&self, scene: &mut Scene, verb: &str, code: u16, payload: &[u8]) {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(300)]);
        let link = self.link.unwrap_or_default();
        scene.world.tell(format_args!("         #{link} {verb} {code} {shown:?}"));
    }

    /// Closes the socket, if there is one.
    pub fn close(&mut self, scene: &mut Scene) {
        if let Some(link) = self.link.take() {
            scene.world.client_close(link);
        }
    }

    /// Cuts the connection, if there is one.
    pub fn reset(&mut self, scene: &mut Scene) {
        if let Some(link) = self.link.take() {
            scene.world.client_reset(link);
        }
    }

    /// Shuts down the sending side.
    pub fn finish(&mut self, scene: &mut Scene) {
        if let Some(link) = self.link {
            self.out.clear();
            self.close_sent = true;
            scene.world.client_finish(link);
        }
    }
}

/// The name under which a Close is counted. Those that would be a bug of the server are violations.
fn close_code(code: u16, rude: bool) -> &'static str {
    match code {
        1002 if rude => "closed: protocol",
        1007 if rude => "closed: bad data",
        1000 => "closed: 1000",
        1012 => "closed: restart",
        1013 => "closed: overloaded",
        4001 => "closed with 4001",
        4002 => "closed: no pong",
        4003 => "closed: too late",
        4004 => "closed: flood",
        4006 => "closed: lost (raw)",
        4007 => "closed: moved",
        4101 => "closed: expired",
        4102 => "closed: bad token",
        4103 => "closed: revoked",
        4401 => "closed: token needed",
        4403 => "closed: forbidden",
        4410 => "closed: disconnected",
        code => panic!("closed with {code}"),
    }
}
