//! The works: what is asked of the real worker, first until everything that is made once is there,
//! then, `measured`, as often as its name says. Counting is up to `callgrind`.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use fanwire::config::Config;
use fanwire::metrics::Stats;
use fanwire::node::Node;
use fanwire::worker::{Setup, Worker};

use crate::border::{self, Border};
use crate::world::World;

/// The function in which callgrind counts.
pub const MEASURED: &str = "*instructions::*::measured*";

/// What a publication carries, as it stands on the wire.
const PAYLOAD: usize = 128;
/// What is echoed.
const ECHOED: usize = 125;
/// Connections that echo, and that shake hands, at once.
const ECHOERS: usize = 100;
const SHAKING: usize = 64;
/// Rounds that are not counted, and those that are.
const WARM_UP: usize = 3;
const ROUNDS: usize = 4;
/// More publications than a history holds.
const HISTORY: usize = 120;

/// What turns a worker until there is nothing to do.
type Turn = fn(&mut Worker<World>);

/// How publications come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Bare payloads.
    Raw,
    /// JSON.
    Envelope,
}

/// One work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// Publications to so many subscribers, so many in one read.
    Fanout(Dialect, usize, usize),
    /// Messages to `/echo`, so many in one read.
    Echo(usize),
    /// From accept to the welcome.
    Welcome,
    /// From accept to the welcome, and on to burial.
    Visit,
    /// From accept to the 101 of `/echo`.
    Upgrade,
    /// What the real network adds.
    Border(Border),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fanout(Dialect::Raw, in_flight, count) => write!(f, "raw-{in_flight}-{count}"),
            Self::Fanout(Dialect::Envelope, in_flight, count) => {
                write!(f, "envelope-{in_flight}-{count}")
            }
            Self::Echo(depth) => write!(f, "echo-{depth}"),
            Self::Welcome => f.write_str("welcome"),
            Self::Visit => f.write_str("visit"),
            Self::Upgrade => f.write_str("upgrade"),
            Self::Border(border) => write!(f, "{border:?}"),
        }
    }
}

impl Work {
    /// What is counted in all rounds together: publications, echoes or connections.
    pub fn operations(self) -> usize {
        match self {
            Self::Fanout(_, in_flight, _) => ROUNDS * in_flight,
            Self::Echo(depth) => ROUNDS * depth * ECHOERS,
            Self::Welcome | Self::Visit | Self::Upgrade => ROUNDS * SHAKING,
            Self::Border(_) => border::SOCKETS,
        }
    }

    /// Does it, and returns how often the worker sent while it was measured.
    pub fn run(self) -> u64 {
        match self {
            Self::Fanout(dialect, in_flight, subscribers) => {
                fan_out(dialect, in_flight, subscribers)
            }
            Self::Echo(depth) => echo(depth),
            Self::Welcome => shake_hands("/ws", false),
            Self::Visit => shake_hands("/ws", true),
            Self::Upgrade => shake_hands("/echo", false),
            Self::Border(border) => {
                border.run();
                0
            }
        }
    }
}

fn fan_out(dialect: Dialect, in_flight: usize, subscribers: usize) -> u64 {
    let mut worker = worker();
    let (publisher, subscriber, publish) = match dialect {
        Dialect::Raw => {
            let publish = framed(&"x".repeat(PAYLOAD));
            (upgrade("/channels/room.7?self=0"), upgrade("/channels/room.7"), publish)
        }
        Dialect::Envelope => {
            let data = "x".repeat(PAYLOAD - 2);
            let publish = format!(r#"{{"type":"publish","channel":"room.7","data":"{data}"}}"#);
            let subscribe = framed(r#"{"type":"subscribe","channel":"room.7"}"#);
            let subscriber = [upgrade("/ws"), subscribe].concat();
            (upgrade("/ws"), subscriber, framed(&publish))
        }
    };
    connect(&mut worker, 1, publisher);
    let publish = publish.repeat(in_flight).leak();
    for _ in 0..=HISTORY / in_flight {
        worker.net().say(0, Some(publish));
        settle(&mut worker);
    }
    connect(&mut worker, subscribers, subscriber);
    assert_eq!(worker.net().connected(), subscribers + 1);
    repeat(&mut worker, |worker, turn| {
        let before = worker.net().bytes;
        worker.net().say(0, Some(publish));
        turn(worker);
        let least = subscribers * in_flight * PAYLOAD;
        assert!(worker.net().bytes - before > least as u64, "everybody got everything");
    })
}

fn echo(depth: usize) -> u64 {
    let mut worker = worker();
    connect(&mut worker, ECHOERS, upgrade("/echo"));
    let said = framed(&"x".repeat(ECHOED)).repeat(depth).leak();
    repeat(&mut worker, |worker, turn| {
        let before = worker.net().bytes;
        (0..ECHOERS).for_each(|line| worker.net().say(line, Some(said)));
        turn(worker);
        let answered = worker.net().bytes - before;
        assert_eq!(answered, (ECHOERS * depth * (ECHOED + 2)) as u64);
    })
}

/// One connection stays, so that what all share does.
fn shake_hands(path: &str, to_the_end: bool) -> u64 {
    let mut worker = worker();
    connect(&mut worker, 1, upgrade(path));
    let greeting = upgrade(path).leak();
    repeat(&mut worker, |worker, turn| {
        worker.net().connect(SHAKING, greeting);
        turn(worker);
        assert_eq!(worker.net().connected(), SHAKING + 1);
        (1..=SHAKING).for_each(|line| worker.net().say(line, None));
        (if to_the_end { turn } else { settle })(worker);
        assert_eq!(worker.net().connected(), 1);
    })
}

/// Rounds that are not counted come first, then those that are.
fn repeat(worker: &mut Worker<World>, round: impl Fn(&mut Worker<World>, Turn)) -> u64 {
    (0..WARM_UP).for_each(|_| round(worker, settle));
    let before = worker.net().sends;
    (0..ROUNDS).for_each(|_| round(worker, measured));
    worker.net().sends - before
}

/// A worker as the comparisons set it up: no limit on the rate of messages, and `/echo`.
fn worker() -> Worker<World> {
    let config =
        Config { max_handshakes: usize::MAX >> 1, messages_per_second: 0, ..Config::default() };
    let stats = Arc::new(Stats::new(1));
    let node = Arc::new(Node::new(7));
    let setup = Setup { id: 0, config: Arc::new(config), stats, node, seed: 7 };
    Worker::new(setup, World::default())
}

/// So many connect, say this, and are answered.
fn connect(worker: &mut Worker<World>, count: usize, said: Vec<u8>) {
    worker.net().connect(count, said.leak());
    settle(worker);
}

/// Turns until there is nothing to do.
#[inline(never)]
fn settle(worker: &mut Worker<World>) {
    loop {
        worker.turn();
        if worker.net().idle {
            return;
        }
    }
}

/// The same, counted. What follows keeps it from being the same function.
#[inline(never)]
fn measured(worker: &mut Worker<World>) {
    settle(worker);
    black_box(worker.net().idle);
}

fn upgrade(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A client's text message, masked.
fn framed(content: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x17, 0xc3, 0x81];
    let mut bytes = vec![0x81];
    if content.len() < 0x7e {
        bytes.push(0x80 | content.len() as u8);
    } else {
        bytes.push(0x80 | 0x7e);
        bytes.extend((content.len() as u16).to_be_bytes());
    }
    bytes.extend(MASK);
    bytes.extend(content.bytes().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}
