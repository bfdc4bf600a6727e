//! What things cost, exactly: heap bytes of a connection, allocations and sends of a delivery and
//! of an answer, counted with the real worker over a world in memory, by an allocator that counts.
//! How fast that is, is measured elsewhere (benches); that it is right, in `it` and `sim`.

use std::alloc::System;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanwire::addresses::Addresses;
use fanwire::config::Config;
use fanwire::metrics::Stats;
use fanwire::policy::Policy;
use fanwire::policy::rule::Rule;
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Accept, Event, Net, Now, Peer, Token, WorkerId};
use fanwire::worker::{Setup, Worker};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time, for the allocator counts for all threads.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const HANDSHAKE: &str = "HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A socket whose peer takes everything at once, and says what it is told to say.
#[derive(Clone, Copy, Default)]
struct Line {
    /// The slot under which it is registered.
    slot: Option<u32>,
    /// What the peer has said, and how much of it was received.
    said: &'static [u8],
    received: usize,
}

/// A world in memory that allocates nothing while it is counted.
struct World {
    lines: Vec<Line>,
    /// Connections to be accepted.
    knocking: u32,
    events: VecDeque<Event>,
    /// Whether the worker has nothing left to do.
    idle: bool,
    sends: usize,
    /// The last bytes that were sent, whoever got them.
    last: Vec<u8>,
}

impl Net for World {
    type Socket = NonZeroU32;

    fn now(&mut self) -> Now {
        Now { mono_ms: 1000, mono_us: 1_000_000, wall_ms: 1_790_000_000_000 }
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        self.idle = self.events.is_empty() && timeout != Some(Duration::ZERO);
        let count = self.events.len().min(256);
        events.extend(self.events.drain(..count));
    }

    fn accept(&mut self, _: usize) -> Accept<NonZeroU32> {
        if self.knocking == 0 {
            return Accept::Empty;
        }
        self.knocking -= 1;
        self.lines.push(Line::default());
        let Some(socket) = NonZeroU32::new(self.lines.len() as u32) else { return Accept::Empty };
        Accept::Connection(socket, Peer::default())
    }

    fn stop_listening(&mut self) {}

    fn register(&mut self, socket: &NonZeroU32, slot: u32) -> io::Result<()> {
        self.lines[socket.get() as usize - 1].slot = Some(slot);
        Ok(())
    }

    fn recv(&mut self, socket: &NonZeroU32, buffer: &mut [u8]) -> io::Result<usize> {
        let line = &mut self.lines[socket.get() as usize - 1];
        let rest = &line.said[line.received..];
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        line.received += count;
        Ok(count)
    }

    fn send(&mut self, _: &NonZeroU32, bytes: &[u8]) -> io::Result<usize> {
        self.sends += 1;
        self.last.clear();
        let room = self.last.capacity();
        self.last.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn shutdown(&mut self, _: &NonZeroU32) {}
    fn close(&mut self, _: NonZeroU32) {}
    fn place(&mut self, _: WorkerId, _: NonZeroU32, _: Peer) {}
    fn take_placed(&mut self, _: &mut Vec<(NonZeroU32, Peer)>) {}
    fn post(&mut self, _: WorkerId, _: &mut Vec<Mail>) {}
    fn backlog(&self, _: WorkerId) -> usize {
        0
    }
    fn collect(&mut self, _: &mut Vec<Mail>) {}
}

/// A node of one worker.
struct Node {
    worker: Worker<World>,
}

/// What something came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    allocations: usize,
    sends: usize,
}

impl Node {
    fn new() -> Self {
        let world = World {
            lines: Vec::with_capacity(8192),
            knocking: 0,
            events: VecDeque::with_capacity(8192),
            idle: false,
            sends: 0,
            last: Vec::with_capacity(256 << 10),
        };
        let fallback = Arc::new(Rule { history_count: 4, ..Rule::default() });
        let config = Config {
            listen: Vec::new(),
            ping_interval: Duration::ZERO,
            update_interval: Duration::ZERO,
            messages_per_second: 0,
            policy: Arc::new(Policy { fallback, ..Policy::default() }),
            ..Config::default()
        };
        let config = Arc::new(config);
        let stats = Arc::new(Stats::new(1));
        let addresses = Arc::new(Addresses::new(7));
        let setup = Setup { id: 0, config, stats, addresses, seed: 7 };
        let mut node = Self { worker: Worker::new(setup, world) };
        node.settle();
        node
    }

    /// Turns until nothing is left to do.
    fn settle(&mut self) {
        loop {
            self.worker.turn();
            if self.worker.net().idle {
                return;
            }
        }
    }

    /// Opens so many connections, which say this first; returns the number of the first.
    fn open(&mut self, count: u32, said: &'static [u8]) -> usize {
        let first = self.worker.net().lines.len();
        // A few at a time, as they come in life.
        let mut left = count;
        while left > 0 {
            let now = left.min(50);
            let world = self.worker.net();
            world.knocking = now;
            world.events.push_back(readable(Token::Listener(0)));
            self.settle();
            let from = self.worker.net().lines.len() - now as usize;
            for line in from..from + now as usize {
                self.say(line, said);
            }
            self.settle();
            left -= now;
        }
        first
    }

    /// Lets the peer of a line say something.
    fn say(&mut self, line: usize, said: &'static [u8]) {
        let world = self.worker.net();
        let line = &mut world.lines[line];
        assert_eq!(line.received, line.said.len(), "everything before it was read");
        (line.said, line.received) = (said, 0);
        let slot = line.slot.expect("it is registered");
        world.events.push_back(readable(Token::Connection(slot)));
    }

    /// What it costs when the peer of a line says something: the least of several times, for the
    /// test harness allocates too, now and then.
    fn cost(&mut self, line: usize, said: &'static [u8]) -> Cost {
        let costs = (0..8).map(|_| {
            let (before, sends) = (ALLOCATOR.stats(), self.worker.net().sends);
            self.say(line, said);
            self.settle();
            let after = ALLOCATOR.stats();
            let allocations = after.allocations - before.allocations;
            let reallocations = after.reallocations - before.reallocations;
            let sends = self.worker.net().sends - sends;
            Cost { allocations: allocations + reallocations, sends }
        });
        costs.min().expect("several times")
    }
}

fn readable(token: Token) -> Event {
    Event { token, readable: true, writable: false, hang_up: false }
}

fn live_bytes() -> isize {
    let stats = ALLOCATOR.stats();
    // Reallocations are counted in both as what they change.
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

/// Bytes that live as long as the test program.
fn leaked(bytes: Vec<u8>) -> &'static [u8] {
    bytes.leak()
}

fn upgrade(path: &str) -> Vec<u8> {
    format!("GET {path} {HANDSHAKE}").into_bytes()
}

/// A client's text message, masked with zeros.
fn text(content: &str) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![0x81];
    if length < 126 {
        bytes.push(0x80 | length as u8);
    } else {
        bytes.push(0x80 | 0x7e);
        bytes.extend((length as u16).to_be_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(content.as_bytes());
    bytes
}

fn post(path: &str, body: &str) -> &'static [u8] {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    leaked(format!("{head}\r\n{body}").into_bytes())
}

fn subscribe(channel: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#))
}

/// Heap bytes per connection that says this and then nothing more: the slope, so that what there
/// is only once does not count.
fn bytes_per_connection(said: Vec<u8>) -> f64 {
    let said = leaked(said);
    let mut node = Node::new();
    node.open(1000, said);
    let before = live_bytes();
    node.open(4000, said);
    (live_bytes() - before) as f64 / 4000.0
}

/// Design 5, bytes of a connection: no heap block belongs to an idle one. Its place in the tables
/// is 100 bytes, its place in `$all` 16; the rest is the last chunk, which is not full.
#[test]
fn heap_bytes_of_an_idle_connection() {
    let _alone = alone();
    let idle = bytes_per_connection(upgrade("/ws"));
    assert!((100.0..=140.0).contains(&idle), "{idle} bytes");
    let one = bytes_per_connection([upgrade("/ws"), subscribe("room.7")].concat());
    assert!((idle..=190.0).contains(&one), "{one} bytes with one more subscription");
    let raw = bytes_per_connection(upgrade("/channels/room.7"));
    assert!((100.0..=140.0).contains(&raw), "{raw} bytes on a raw channel");
    let half = upgrade("/ws");
    let deflate = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let compressed = bytes_per_connection([&half[..half.len() - 2], deflate].concat());
    assert!((100.0..=140.0).contains(&compressed), "{compressed} bytes when it is compressed");
}

/// ARCHITECTURE, memory: what a channel costs besides its name and its history. The slope, so that
/// tables that double count as they are on the average.
#[test]
fn heap_bytes_of_a_channel() {
    let _alone = alone();
    let mut node = Node::new();
    let line = node.open(1, leaked(upgrade("/ws")));
    let mut create = |from: u32, to: u32| {
        let before = live_bytes();
        let publish = |n: u32| text(&format!(r#"{{"type":"publish","channel":"c{n}","data":1}}"#));
        let said: Vec<_> = (from..to).map(|number| leaked(publish(number))).collect();
        let spoken = live_bytes() - before;
        for said in said {
            node.say(line, said);
            node.settle();
        }
        (live_bytes() - before - spoken) as f64 / f64::from(to - from)
    };
    create(0, 4_000);
    let bytes = create(4_000, 12_000);
    println!("{bytes} bytes for a channel and one small publication");
    assert!((400.0..=560.0).contains(&bytes), "{bytes} bytes");
}

/// After a storm of answers and pages an idle connection is as small as before.
#[test]
fn what_a_connection_needed_is_given_back() {
    let _alone = alone();
    let echo = text(r#"{"type":"echo","data":"x"}"#).repeat(20);
    let history = text(r#"{"type":"history","channel":"room.7"}"#);
    let resumed = text(r#"{"type":"subscribe","channel":"room.7","data":{"last":4}}"#);
    let fragments = [0x01, 0x81, 0, 0, 0, 0, b'{', 0x80, 0x81, 0, 0, 0, 0, b'}'];
    let said = [upgrade("/ws"), echo, history, resumed, fragments.to_vec()].concat();
    let bytes = bytes_per_connection(said);
    assert!((100.0..=190.0).contains(&bytes), "{bytes} bytes");
}

/// A publication to `few` and one to many subscribers; each has one channel beside `$all`.
fn delivery(body: &str, path: &str) -> [Cost; 2] {
    [10, 1000].map(|subscribers| {
        let mut node = Node::new();
        node.open(subscribers, leaked([upgrade("/ws"), subscribe("room.7")].concat()));
        let backend = node.open(1, leaked(Vec::new()));
        let request = post(path, body);
        // What is made once, and kept, is made now.
        node.cost(backend, request);
        let cost = node.cost(backend, request);
        Cost { sends: cost.sends - 1, ..cost }
    })
}

/// Design 5: nothing per delivery is counted, cloned or allocated, and each is one send.
#[test]
fn a_delivery_is_one_send_and_no_allocation() {
    let _alone = alone();
    for (body, path) in [
        (r#"{"n":1}"#.to_owned(), "/channels/room.7"),
        (r#"{"n":1}"#.to_owned(), "/broadcast"),
        (format!("\"{}\"", "x".repeat(20_000)), "/channels/room.7"),
    ] {
        let [few, many] = delivery(&body, path);
        assert_eq!(few.sends, 10, "{path}");
        assert_eq!(many.sends, 1000, "{path}");
        assert_eq!(few.allocations, many.allocations, "{path}: a delivery allocates nothing");
        assert!(few.allocations <= 40, "{path}: {} allocations per publication", few.allocations);
    }
}

/// Design 5: a burst is one contiguous send per subscriber, also when it went to two channels.
#[test]
fn a_burst_is_one_send_to_each_subscriber() {
    let _alone = alone();
    let item = r#"{"channel":"room.7","data":1}"#;
    for count in [2, 10, 100] {
        let items = vec![item; count].join(",");
        let [few, many] = delivery(&format!("[{items}]"), "/publish");
        assert_eq!((few.sends, many.sends), (10, 1000), "{count} publications each");
        assert_eq!(few.allocations, many.allocations, "{count} publications each");
    }
}

/// A connection with several hot channels is gathered and written once.
#[test]
fn several_channels_are_gathered() {
    let _alone = alone();
    let mut node = Node::new();
    let said = [upgrade("/ws"), subscribe("a"), subscribe("b"), subscribe("c")].concat();
    node.open(100, leaked(said));
    let backend = node.open(1, leaked(Vec::new()));
    let all = r#"[{"channels":["a","b","c","a"],"data":1}]"#;
    let cost = node.cost(backend, post("/publish", all));
    assert_eq!(cost.sends, 101, "one send to each, and the answer");
}

/// An echo of a message that came whole costs no allocation; neither do pings.
#[test]
fn answers_cost_no_allocation() {
    let _alone = alone();
    let ping = [0x89, 0x82, 0, 0, 0, 0, 1, 2];
    let binary = [&[0x82, 0xfe, 0x20, 0, 0, 0, 0, 0][..], &[7; 8192]].concat();
    for (path, said) in [
        ("/echo", text("hello")),
        ("/echo", binary),
        ("/echo", ping.to_vec()),
        ("/ws", ping.to_vec()),
        ("/ws", text(r#"{"type":"ping","id":7}"#)),
        ("/ws", text(r#"{"type":"echo","data":[1,{"a":null}]}"#)),
        ("/ws", text(r#"{"no":"type"}"#)),
    ] {
        let mut node = Node::new();
        let line = node.open(1, leaked(upgrade(path)));
        let said = leaked(said);
        node.cost(line, said);
        let cost = node.cost(line, said);
        assert_eq!(cost, Cost { allocations: 0, sends: 1 }, "{path} {}", said.escape_ascii());
    }
}

/// All answers to one read leave in one send.
#[test]
fn answers_to_one_read_are_one_send() {
    let _alone = alone();
    let ping = text(r#"{"type":"ping"}"#);
    for (path, said) in [
        ("/echo", text("hello").repeat(100)),
        ("/ws", ping.repeat(100)),
        ("/ws", [text(r#"{"type":"nonsense"}"#), ping, text("{")].concat()),
    ] {
        let mut node = Node::new();
        let line = node.open(1, leaked(upgrade(path)));
        let cost = node.cost(line, leaked(said));
        assert_eq!(cost.sends, 1, "{path}");
    }
    let mut node = Node::new();
    let line = node.open(1, leaked(Vec::new()));
    let request = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let cost = node.cost(line, request);
    assert_eq!(cost.sends, 1, "an answer is one send");
    let welcomed = node.open(1, leaked(upgrade("/ws")));
    let before = node.worker.net().sends;
    let second = node.open(1, leaked(upgrade("/ws")));
    assert_ne!(welcomed, second);
    assert_eq!(node.worker.net().sends - before, 1, "the 101 and the welcome are one send");
}
