//! What presence costs where many come: members join a channel one after the other, within ten
//! seconds of the worker's clock, and all of them listen. The real worker over a network that only
//! counts. Told one by one, N of them would cost N²/2 messages; gathered they cost each listener
//! one an interval, and what a change costs does not depend on how many are there. Told by name it
//! does, in bytes, for who joins is told of all: hence `presence_members`.
//!
//! `cargo bench --bench presence`

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanwire::config::Config;
use fanwire::hub::{Now, WorkerId};
use fanwire::metrics::{Counter, Stats};
use fanwire::node::Node;
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Accept, Event, Net, Peer, Token};
use fanwire::worker::{Setup, Worker};
use fanwire::ws::frame::{self, Opcode};

/// The time in which all of them come, in milliseconds: so many intervals.
const WITHIN_MS: usize = 10_000;

/// Sockets are numbers; what is sent to them is counted, what they say is held ready.
#[derive(Default)]
struct Counting {
    now: Now,
    /// Connections to be accepted.
    waiting: usize,
    /// What each socket has yet to say; `None` for the end of its stream.
    said: Vec<Option<Vec<u8>>>,
    /// The slot of each socket.
    slots: Vec<u32>,
    /// Sockets that nobody has.
    free: Vec<u32>,
    events: VecDeque<Event>,
    /// Whether the worker would have slept in its last turn.
    asleep: bool,
    sends: u64,
    bytes: u64,
}

impl Counting {
    fn connect(&mut self, count: usize) {
        self.waiting += count;
        self.events.push_back(readable(Token::Listener(0)));
    }

    /// Something comes from a socket: bytes, or its end.
    fn say(&mut self, socket: usize, what: Option<&[u8]>) {
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
fn message(text: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    frame::encode(&mut framed, Opcode::Text, false, text.as_bytes());
    let header = framed.len() - text.len();
    framed[1] |= 0x80;
    framed.splice(header..header, [0; 4]);
    framed
}

/// What so many joins came to.
struct Cost {
    seconds: f64,
    sends: u64,
    bytes: u64,
    messages: u64,
}

/// A worker with so many clients, welcomed, who then join one after the other.
fn join(members: usize, names: usize) -> Cost {
    let config = Config {
        max_handshakes: members,
        messages_per_second: 0,
        ping_interval: Duration::ZERO,
        update_interval: Duration::ZERO,
        presence_members: names,
        ..Config::default()
    };
    let stats = Arc::new(Stats::new(1));
    let (config, node) = (Arc::new(config), Arc::new(Node::new(7)));
    let setup = Setup { id: 0, config, stats: Arc::clone(&stats), node, seed: 7 };
    let mut worker = Worker::new(setup, Counting::default());
    worker.net().connect(members);
    run(&mut worker);
    let wish = r#"{"type":"subscribe","channel":"room.7","data":{"presence":true}}"#;
    let wish = message(wish);
    let (sends, bytes) = (worker.net().sends, worker.net().bytes);
    let began = Instant::now();
    for socket in 0..members {
        worker.net().say(socket, Some(&wish));
        worker.net().now.mono_ms = (socket * WITHIN_MS / members) as u64;
        run(&mut worker);
    }
    // What was gathered last.
    worker.net().now.mono_ms += 1000;
    run(&mut worker);
    let seconds = began.elapsed().as_secs_f64();
    let net = worker.net();
    let (sends, bytes) = (net.sends - sends, net.bytes - bytes);
    let messages = stats.sum(Counter::PresenceMessages);
    assert!(messages <= 2 + WITHIN_MS as u64 / 1000, "at most one an interval");
    Cost { seconds, sends, bytes, messages }
}

/// Turns until there is nothing to do.
fn run(worker: &mut Worker<Counting>) {
    loop {
        worker.turn();
        if worker.net().asleep {
            return;
        }
    }
}

fn main() {
    println!("members who join and listen, all within 10 s: what each of them has cost");
    println!(
        "{:<28}{:>10}{:>12}{:>10}{:>12}{:>22}",
        "", "messages", "us", "sends", "bytes", "sends, told one by one"
    );
    for (what, names) in [("names up to 200, then counts", 200), ("all by name", usize::MAX >> 1)] {
        println!("{what}");
        for members in [1_000, 2_000, 5_000, 10_000] {
            let Cost { seconds, sends, bytes, messages } = join(members, names);
            let each = |sum: f64| sum / members as f64;
            println!(
                "{members:>28}{messages:>10}{:>12.1}{:>10.1}{:>12.0}{:>22.0}",
                each(seconds * 1e6),
                each(sends as f64),
                each(bytes as f64),
                each((members * members / 2) as f64),
            );
        }
    }
}
