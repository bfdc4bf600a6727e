//! Sequences of operations on real workers over the simulation's world: connections that send any
//! bytes, valid requests among them, in any pieces, stall, end or are cut, while time passes and
//! letters travel. No panic, and a clean audit after every turn; nothing is left when all is over.
//! With `FANWIRE_TRACE` set it tells the story.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/sim/world/mod.rs"]
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use fanwire::config::Config;
use fanwire::metrics::Stats;
use fanwire::node::Node;
use fanwire::policy::Policy;
use fanwire::policy::rule::{OnSlow, Rule};
use fanwire::worker::net::WorkerId;
use fanwire::worker::{Setup, Worker};
use libfuzzer_sys::fuzz_target;
use world::net::FakeNet;
use world::{Faults, LinkId, World};

/// Connections of one run.
const MAX_LINKS: usize = 8;

/// What the world does next. Connections are counted from the oldest that is still open.
#[derive(Arbitrary, Debug)]
enum Operation<'a> {
    Connect(Greeting),
    /// Bytes as they are.
    Send(u8, &'a [u8]),
    /// A masked frame of this opcode, with `fin` and `rsv1` from the high bits.
    Frame(u8, u8, &'a [u8]),
    /// A request of `fanwire.v1`.
    Request(u8, Request),
    Read(u8, u16),
    Finish(u8),
    Close(u8),
    Reset(u8),
    Carry(u8),
    Mail,
    Turn(u8),
    Pass(u16),
}

/// How a connection begins.
#[derive(Arbitrary, Debug)]
enum Greeting {
    Nothing,
    Socket,
    DeflatedSocket,
    Raw,
    Echo,
    Publish(u16),
}

/// A request that is understood.
#[derive(Arbitrary, Debug)]
enum Request {
    Subscribe { channel: u8, since: Option<u8>, last: Option<u8>, latest: bool, rate: u8 },
    Unsubscribe { channel: u8 },
    Publish { channel: u8, bytes: u16, skip_self: bool, keyed: bool, key: u8 },
    History { channel: u8, limit: u8 },
    Ping,
}

struct Stage {
    world: Rc<RefCell<World>>,
    /// What clients have said, but not sent yet.
    unsent: BTreeMap<LinkId, Vec<u8>>,
    workers: Vec<Worker<FakeNet>>,
}

fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(mut stage) = Stage::new(&mut input) else { return };
    let Ok(operations) = input.arbitrary_iter() else { return };
    for operation in operations.map_while(Result::ok) {
        stage.carry_out(operation);
    }
    stage.end();
});

impl Stage {
    fn new(input: &mut Unstructured) -> arbitrary::Result<Self> {
        let workers = input.int_in_range(1..=2)?;
        let seed = input.arbitrary()?;
        let small = input.arbitrary::<[u8; 4]>()?.map(usize::from);
        let tracing = std::env::var_os("FANWIRE_TRACE").is_some();
        let mut world = World::new(usize::from(workers), seed, tracing);
        let permille = u32::from(input.arbitrary::<u8>()?);
        world.faults = Faults {
            short_read: permille,
            short_write: permille,
            spurious: permille,
            partial: permille,
            exhausted: permille,
            jump: permille,
            meanwhile: permille,
            lazy_edges: input.arbitrary()?,
        };
        let on_slow = *input.choose(&[OnSlow::Pull, OnSlow::Latest, OnSlow::Close])?;
        let max_rate = input.arbitrary::<bool>()?.then_some(5.0);
        let (history_count, rule) = (small[0], Rule::default());
        let fallback = Arc::new(Rule { history_count, on_slow, max_rate, ..rule });
        let config = Config {
            workers,
            open: true,
            policy: Arc::new(Policy { fallback, ..Policy::default() }),
            window_bytes: 64 + 8 * small[1],
            max_pending: 1 + small[2] as u16,
            max_channels: 1 + small[3],
            messages_per_second: 0,
            ..Config::default()
        };
        let (config, stats) = (Arc::new(config), Arc::new(Stats::new(usize::from(workers))));
        let node = Arc::new(Node::new(seed));
        let world = Rc::new(RefCell::new(world));
        let worker = |id| {
            let (config, stats) = (Arc::clone(&config), Arc::clone(&stats));
            let node = Arc::clone(&node);
            let setup = Setup { id, config, stats, node, seed };
            Worker::new(setup, FakeNet::new(&world, id))
        };
        let workers = (0..workers).map(worker).collect();
        Ok(Self { world, unsent: BTreeMap::new(), workers })
    }

    fn carry_out(&mut self, operation: Operation) {
        self.world.borrow_mut().tell(format_args!("{operation:?}"));
        match operation {
            Operation::Connect(greeting) => self.connect(&greeting),
            Operation::Send(at, bytes) => self.send(at, bytes),
            Operation::Frame(at, head, payload) => self.send(at, &frame(head, payload)),
            Operation::Request(at, request) => {
                self.send(at, &frame(0x81, request.text().as_bytes()));
            }
            Operation::Read(at, count) => {
                let mut buffer = vec![0; usize::from(count)];
                self.with_link(at, |world, id, _| {
                    let _ = world.client_read(id, &mut buffer);
                });
            }
            Operation::Finish(at) => self.with_link(at, |world, id, _| world.client_finish(id)),
            Operation::Close(at) => self.with_link(at, |world, id, _| world.client_close(id)),
            Operation::Reset(at) => self.with_link(at, |world, id, _| world.client_reset(id)),
            Operation::Carry(at) => self.with_link(at, |world, id, unsent| {
                write(world, id, unsent);
                world.carry(id, false);
            }),
            Operation::Mail => drop(self.world.borrow_mut().deliver_mail()),
            Operation::Turn(at) => self.turn(usize::from(at) % self.workers.len()),
            Operation::Pass(ms) => self.world.borrow_mut().pass(u64::from(ms)),
        }
    }

    fn connect(&mut self, greeting: &Greeting) {
        let mut world = self.world.borrow_mut();
        if world.open_links().len() < MAX_LINKS {
            if let Some(id) = world.connect() {
                self.unsent.insert(id, greeting.bytes());
            }
        }
    }

    fn send(&mut self, at: u8, bytes: &[u8]) {
        self.with_link(at, |world, id, unsent| {
            unsent.extend_from_slice(bytes);
            write(world, id, unsent);
        });
    }

    /// What is done to a link whose client has gone does nothing.
    fn with_link(&mut self, at: u8, action: impl FnOnce(&mut World, LinkId, &mut Vec<u8>)) {
        let mut world = self.world.borrow_mut();
        let open = world.open_links();
        if let Some(&id) = open.get(usize::from(at) % open.len().max(1)) {
            action(&mut world, id, self.unsent.entry(id).or_default());
        }
    }

    /// Runs until nothing moves and everybody sleeps.
    fn run_until_quiet(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            while self.world.borrow_mut().deliver_mail() {
                moved = true;
            }
            self.with_all(|world, id| moved |= world.carry(id, true));
            for at in 0..self.workers.len() {
                if self.world.borrow().ready(at as WorkerId) {
                    self.turn(at);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        panic!("something never rests");
    }

    fn with_all(&mut self, mut action: impl FnMut(&mut World, LinkId)) {
        let mut world = self.world.borrow_mut();
        for id in world.open_links().to_vec() {
            action(&mut world, id);
        }
    }

    fn turn(&mut self, at: usize) {
        self.workers[at].turn();
        self.world.borrow_mut().admissions.clear();
        let audit = self.workers[at].audit();
        assert!(audit.faults.is_empty(), "{:?}", audit.faults);
    }

    /// Cuts all connections; nothing may be left.
    fn end(&mut self) {
        self.world.borrow_mut().faults = Faults::default();
        self.with_all(World::client_reset);
        for _ in 0..130 {
            self.run_until_quiet();
            self.world.borrow_mut().pass(1000);
        }
        for worker in &self.workers {
            let audit = worker.audit();
            assert_eq!((audit.connections, audit.subscriptions, audit.feeds), (0, 0, 0));
            assert_eq!((audit.window_bytes, audit.buffered_bytes), (0, 0));
            assert_eq!(audit.counted, []);
        }
    }
}

/// Sends what there is room for.
fn write(world: &mut World, id: LinkId, unsent: &mut Vec<u8>) {
    match world.client_write(id, unsent) {
        Some(count) => drop(unsent.drain(..count)),
        None => unsent.clear(),
    }
}

impl Greeting {
    fn bytes(&self) -> Vec<u8> {
        let socket = |path: &str, extra: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Version: 13\r\n{extra}\r\n"
            )
        };
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let text = match self {
            Self::Nothing => String::new(),
            Self::Socket => socket("/ws", ""),
            Self::DeflatedSocket => socket("/ws", offer),
            Self::Raw => socket("/channels/a", ""),
            Self::Echo => socket("/echo", offer),
            Self::Publish(length) => {
                let body = format!("\"{}\"", "x".repeat(usize::from(*length)));
                let length = body.len();
                format!(
                    "POST /channels/a HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Length: {length}\r\n\r\n{body}"
                )
            }
        };
        text.into_bytes()
    }
}

impl Request {
    fn text(&self) -> String {
        let name = |channel: &u8| char::from(b'a' + channel % 4);
        match self {
            Self::Subscribe { channel, since, last, latest, rate } => {
                let since = since.map(|index| format!("\"since\":\"1:{index}\""));
                let last = last.map(|count| format!("\"last\":{count}"));
                let mode = latest.then(|| r#""mode":"latest""#.to_owned());
                let rate = (*latest && *rate > 0).then(|| format!("\"max_rate\":{rate}"));
                let data = [since, last, mode, rate].into_iter().flatten().collect::<Vec<_>>();
                let (channel, data) = (name(channel), data.join(","));
                format!(r#"{{"type":"subscribe","channel":"{channel}","data":{{{data}}}}}"#)
            }
            Self::Unsubscribe { channel } => {
                format!(r#"{{"type":"unsubscribe","channel":"{}"}}"#, name(channel))
            }
            Self::Publish { channel, bytes, skip_self, keyed, key } => {
                let (channel, pad) = (name(channel), "y".repeat(usize::from(*bytes)));
                let once = if *keyed { r#","idempotency_key":"k""# } else { "" };
                let key = match key % 4 {
                    0 => String::new(),
                    key => format!(r#","key":"{key}""#),
                };
                let fields = format!(r#""skip_self":{skip_self}{once}{key},"data":"{pad}""#);
                format!(r#"{{"type":"publish","channel":"{channel}",{fields}}}"#)
            }
            Self::History { channel, limit } => {
                let (channel, limit) = (name(channel), 1 + u16::from(*limit));
                let data = format!(r#"{{"limit":{limit}}}"#);
                format!(r#"{{"type":"history","channel":"{channel}","data":{data}}}"#)
            }
            Self::Ping => r#"{"type":"ping"}"#.to_owned(),
        }
    }
}

/// One frame, masked with zeros.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![head];
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}
