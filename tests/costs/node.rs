//! A node over the world in memory: opens connections, lets their peers speak, and says what that
//! came to. And what clients and backends say, in bytes.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanwire::config::Config;
use fanwire::metrics::Stats;
use fanwire::policy::Policy;
use fanwire::policy::rule::{Presence, Rule};
use fanwire::worker::net::WorkerId;
use fanwire::worker::{Setup, Worker};

use crate::ALLOCATOR;
use crate::world::{Calls, Office, World};

pub struct Node {
    workers: Vec<Worker<World>>,
    office: Rc<RefCell<Office>>,
}

/// What something came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub allocations: usize,
    /// Of all workers.
    pub calls: Calls,
    /// Bytes that were sent.
    pub bytes: usize,
}

impl Cost {
    pub fn sends(&self) -> usize {
        self.calls.sends
    }
}

/// A node on which nothing happens by itself, and nobody is told who is there.
pub fn quiet() -> Config {
    let presence = Presence::None;
    let fallback = Arc::new(Rule { history_count: 4, presence, ..Rule::default() });
    Config {
        listen: Vec::new(),
        ping_interval: Duration::ZERO,
        update_interval: Duration::ZERO,
        messages_per_second: 0,
        policy: Arc::new(Policy { fallback, ..Policy::default() }),
        ..Config::default()
    }
}

impl Node {
    /// A quiet node of one worker.
    pub fn new() -> Self {
        Self::with(quiet())
    }

    pub fn with(config: Config) -> Self {
        let office = Office::new(config.workers);
        let config = Arc::new(config);
        let stats = Arc::new(Stats::new(config.workers.into()));
        let node = Arc::new(fanwire::node::Node::new(7));
        let worker = |id: WorkerId| {
            let (config, stats) = (Arc::clone(&config), Arc::clone(&stats));
            let setup = Setup { id, config, stats, node: Arc::clone(&node), seed: 7 };
            Worker::new(setup, World::new(id, &office))
        };
        let workers = (0..config.workers).map(worker).collect();
        let mut node = Self { workers, office };
        node.settle();
        node
    }

    pub fn office(&self) -> RefMut<'_, Office> {
        self.office.borrow_mut()
    }

    /// Turns until nothing is left to do.
    pub fn settle(&mut self) {
        loop {
            self.workers.iter_mut().for_each(Worker::turn);
            if self.office().is_idle() {
                return;
            }
        }
    }

    /// Opens so many connections, which say this first; returns the number of the first.
    pub fn open(&mut self, count: u32, said: &'static [u8]) -> usize {
        let first = self.office().lines.len();
        // A few at a time, as they come in life.
        let mut left = count;
        while left > 0 {
            let now = left.min(50);
            self.office().knock(now, &[]);
            self.settle();
            let from = self.office().lines.len() - now as usize;
            for line in from..from + now as usize {
                self.say(line, said);
            }
            self.settle();
            left -= now;
        }
        first
    }

    /// Lets the peer of a line say something.
    pub fn say(&mut self, line: usize, said: &'static [u8]) {
        if !said.is_empty() {
            self.office().say(line, Some(said));
        }
    }

    /// What it costs when the peer of a line says something.
    pub fn cost(&mut self, line: usize, said: &'static [u8]) -> Cost {
        self.cost_of(|node| node.say(line, said))
    }

    /// What it costs when something happens: the fewest allocations of several times, for the test
    /// harness allocates too, now and then. The calls are the same each time, but for polls: where
    /// a flush ends hangs on the bytes, and so on the length of positions.
    pub fn cost_of(&mut self, mut happens: impl FnMut(&mut Self)) -> Cost {
        let costs: Vec<Cost> = (0..8).map(|_| self.cost_once(&mut happens)).collect();
        let fewest = *costs.iter().min_by_key(|cost| cost.allocations).expect("several times");
        for Cost { calls, .. } in costs {
            assert_eq!(Calls { polls: fewest.calls.polls, ..calls }, fewest.calls, "each time");
        }
        fewest
    }

    pub fn cost_once(&mut self, happens: impl FnOnce(&mut Self)) -> Cost {
        let sent = |node: &Self| {
            let office = node.office();
            (office.all_calls(), office.bytes)
        };
        let (before, (calls, bytes)) = (ALLOCATOR.stats(), sent(self));
        happens(self);
        self.settle();
        let (after, (all_calls, all_bytes)) = (ALLOCATOR.stats(), sent(self));
        let allocations = after.allocations - before.allocations;
        let reallocations = after.reallocations - before.reallocations;
        Cost {
            allocations: allocations + reallocations,
            calls: all_calls.since(calls),
            bytes: all_bytes - bytes,
        }
    }
}

/// Bytes that live as long as the test program.
pub fn leaked(bytes: Vec<u8>) -> &'static [u8] {
    bytes.leak()
}

pub fn upgrade(path: &str) -> Vec<u8> {
    const HEADERS: &str = "HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    format!("GET {path} {HEADERS}").into_bytes()
}

/// A client's text message, masked with zeros.
pub fn text(content: &str) -> Vec<u8> {
    framed(0x81, 0x80, &[0; 4], content.as_bytes())
}

/// A server's message.
pub fn told(first: u8, content: &[u8]) -> Vec<u8> {
    framed(first, 0, &[], content)
}

fn framed(first: u8, mask_bit: u8, mask: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![first];
    if length < 126 {
        bytes.push(mask_bit | length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        bytes.push(mask_bit | 0x7e);
        bytes.extend(length.to_be_bytes());
    } else {
        bytes.push(mask_bit | 0x7f);
        bytes.extend((length as u64).to_be_bytes());
    }
    bytes.extend(mask);
    bytes.extend(content);
    bytes
}

pub fn post(path: &str, body: &str) -> &'static [u8] {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    leaked(format!("{head}\r\n{body}").into_bytes())
}

pub fn subscribe(channel: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#))
}
