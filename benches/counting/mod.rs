//! The network of benches that want the real worker without a kernel: it takes everything at once
//! and only counts. Shared by `fanout` and `presence`, which say what is done over it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;

use fanwire::hub::{Now, WorkerId};
use fanwire::worker::Worker;
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Accept, Event, Net, Peer, Token};
use fanwire::ws::frame::{self, Opcode};

/// Sockets are numbers; what is sent to them is counted, what they say is held ready.
#[derive(Default)]
pub struct Counting {
    /// The clock.
    pub now: Now,
    /// Connections to be accepted.
    waiting: usize,
    /// What each socket has yet to say; `None` for the end of its stream.
    said: Vec<Option<Vec<u8>>>,
    /// The slot of each socket.
    slots: Vec<u32>,
    /// Sockets that nobody has.
    pub free: Vec<u32>,
    events: VecDeque<Event>,
    /// Whether the worker would have slept in its last turn.
    asleep: bool,
    /// Sends so far.
    pub sends: u64,
    /// And their bytes.
    pub bytes: u64,
}

impl Counting {
    /// So many clients come.
    pub fn connect(&mut self, count: usize) {
        self.waiting += count;
        self.events.push_back(readable(Token::Listener(0)));
    }

    /// Something comes from a socket: bytes, or its end.
    pub fn say(&mut self, socket: usize, what: Option<&[u8]>) {
        self.said[socket] = what.map(Into::into);
        self.events.push_back(readable(Token::Connection(self.slots[socket])));
    }
}

fn readable(token: Token) -> Event {
    Event { token, readable: true, writable: false, hang_up: false }
}

impl Net for Counting {
    type Socket = u32;

    fn now(&mut self) -> Now {
        self.now
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let count = self.events.len().min(256);
        self.asleep = count == 0 && timeout != Some(Duration::ZERO);
        events.extend(self.events.drain(..count));
    }

    fn accept(&mut self, _: usize) -> Accept<u32> {
        if self.waiting == 0 {
            return Accept::Empty;
        }
        self.waiting -= 1;
        let socket = self.free.pop().unwrap_or_else(|| {
            self.said.push(Some(Vec::new()));
            self.slots.push(0);
            self.said.len() as u32 - 1
        });
        self.said[socket as usize] = Some(UPGRADE.into());
        Accept::Connection(socket, Peer::default())
    }

    fn stop_listening(&mut self) {}

    fn register(&mut self, socket: &u32, slot: u32) -> io::Result<()> {
        self.slots[*socket as usize] = slot;
        Ok(())
    }

    fn await_room(&mut self, _: &u32, _: u32) -> io::Result<()> {
        unreachable!("no socket is ever full")
    }

    fn recv(&mut self, socket: &u32, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(said) = &mut self.said[*socket as usize] else { return Ok(0) };
        let count = said.len();
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(said);
        said.clear();
        Ok(count)
    }

    fn send(&mut self, _: &u32, bytes: &[u8]) -> io::Result<usize> {
        self.sends += 1;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn shutdown(&mut self, _: &u32) {}

    fn close(&mut self, socket: u32) {
        self.free.push(socket);
    }

    fn place(&mut self, _: WorkerId, _: u32, _: Peer) {}

    fn take_placed(&mut self, _: &mut Vec<(u32, Peer)>) {}

    fn post(&mut self, _: WorkerId, batch: &mut Vec<Mail>) {
        batch.clear();
    }

    fn backlog(&self, _: WorkerId) -> usize {
        0
    }
    fn collect(&mut self, _: &mut Vec<Mail>) {}
}

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client's message under a mask of zeros.
pub fn message(text: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    frame::encode(&mut framed, Opcode::Text, false, text.as_bytes());
    let header = framed.len() - text.len();
    framed[1] |= 0x80;
    framed.splice(header..header, [0; 4]);
    framed
}

/// Turns until there is nothing to do.
pub fn run(worker: &mut Worker<Counting>) {
    loop {
        worker.turn();
        if worker.net().asleep {
            return;
        }
    }
}
