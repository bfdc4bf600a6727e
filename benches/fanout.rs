//! The real worker over a network that only counts: what a publication costs for 10,000 connections
//! beside the kernel's part, and what a handshake costs. A fake socket takes everything at once.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use fanwire::config::Config;
use fanwire::hub::{Now, WorkerId};
use fanwire::metrics::Stats;
use fanwire::node::Node;
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Accept, Event, Net, Peer, Token};
use fanwire::worker::{Setup, Worker};
use fanwire::ws::frame::{self, Opcode};

const CONNECTIONS: usize = 10_000;

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

/// A worker with so many clients, welcomed.
fn worker(connections: usize) -> Worker<Counting> {
    let config = Config {
        max_handshakes: connections,
        messages_per_second: 0,
        // Nothing is due: time stands still.
        ping_interval: Duration::ZERO,
        update_interval: Duration::ZERO,
        ..Config::default()
    };
    let stats = Arc::new(Stats::new(1));
    let node = Arc::new(Node::new(7));
    let setup = Setup { id: 0, config: Arc::new(config), stats, node, seed: 7 };
    let mut worker = Worker::new(setup, Counting::default());
    worker.net().connect(connections);
    run(&mut worker);
    worker
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

/// One client publishes; each of the others is sent once what came together.
fn fanout(c: &mut Criterion) {
    let mut group = c.benchmark_group("a publication to 10,000 connections");
    group.sample_size(20).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    let mut worker = worker(CONNECTIONS + 1);
    let subscribe = message(r#"{"type":"subscribe","channel":"room.7"}"#);
    for socket in 0..CONNECTIONS {
        worker.net().say(socket, Some(&subscribe));
    }
    run(&mut worker);
    let publisher = CONNECTIONS;
    for count in [1, 16] {
        let publish =
            format!(r#"{{"type":"publish","channel":"room.7","data":"{}"}}"#, "x".repeat(100));
        let burst = message(&publish).repeat(count);
        let before = worker.net().sends;
        worker.net().say(publisher, Some(&burst));
        run(&mut worker);
        let sends = worker.net().sends - before;
        let expected = CONNECTIONS as u64..=(CONNECTIONS + count) as u64;
        assert!(expected.contains(&sends), "{sends} sends");
        group.throughput(Throughput::Elements((CONNECTIONS * count) as u64));
        group.bench_function(BenchmarkId::new("in flight", count), |b| {
            b.iter(|| {
                worker.net().say(publisher, Some(&burst));
                run(&mut worker);
            });
        });
    }
    group.finish();
}

/// From accept to the welcome, and the end of the connection.
fn handshake(c: &mut Criterion) {
    let mut group = c.benchmark_group("a connection from accept to burial");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    // One stays, so that the feed of `$all` does.
    let mut worker = worker(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("through the worker", |b| {
        b.iter(|| {
            worker.net().connect(1);
            run(&mut worker);
            worker.net().say(1, None);
            run(&mut worker);
            assert_eq!(worker.net().free, [1]);
        });
    });
    group.finish();
}

criterion_group!(benches, fanout, handshake);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
