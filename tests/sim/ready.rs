//! `/ready` (design 3): green when a publication makes the whole trip through every worker, red
//! with the reason in one word when one of them does not turn, or does not deliver what it gets.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use fanwire::config::Config;
use fanwire::metrics::{Limit, Stats};
use fanwire::policy::Policy;
use fanwire::policy::rule::{Rule, Who};
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Fault, WorkerId};
use fanwire::worker::{Setup, Worker};

use crate::client::codec::{Item, Reader, request};
use crate::world::link::Read;
use crate::world::net::FakeNet;
use crate::world::{Sabotage, World};

/// Some workers over a fake world.
pub struct Node {
    pub world: Rc<RefCell<World>>,
    workers: Vec<Worker<FakeNet>>,
    pub stats: Arc<Stats>,
}

impl Node {
    pub fn new(count: u16) -> Self {
        Self::with(Config { workers: count, open: true, ..Config::default() })
    }

    pub fn with(config: Config) -> Self {
        let count = config.workers;
        let world = Rc::new(RefCell::new(World::new(usize::from(count), 7, false)));
        let stats = Arc::new(Stats::new(usize::from(count)));
        let config = Arc::new(config);
        let node = Arc::new(fanwire::node::Node::new(7));
        let workers = (0..count).map(|id| {
            let (config, stats) = (Arc::clone(&config), Arc::clone(&stats));
            let node = Arc::clone(&node);
            Worker::new(Setup { id, config, stats, node, seed: 7 }, FakeNet::new(&world, id))
        });
        let workers = workers.collect();
        Self { world, workers, stats }
    }

    /// Everything moves until nothing does, but for the stuck worker.
    pub fn run(&mut self, stuck: Option<usize>) {
        let mut moved = true;
        while moved {
            let mut world = self.world.borrow_mut();
            moved = world.deliver_mail();
            for id in world.open_links().to_vec() {
                moved |= world.carry(id, true);
            }
            drop(world);
            for (at, worker) in self.workers.iter_mut().enumerate() {
                if stuck != Some(at) && self.world.borrow().ready(at as WorkerId) {
                    worker.turn();
                    moved = true;
                }
            }
        }
    }

    /// Asks, with so many seconds of patience.
    fn ask(&mut self, path: &str, stuck: Option<usize>) -> (u16, String) {
        let link = self.world.borrow_mut().connect().expect("it listens");
        let mut request = request("GET", path, "", b"");
        let mut reader = Reader::default();
        for _ in 0..1000 {
            let sent = self.world.borrow_mut().client_write(link, &request);
            request.drain(..sent.expect("connected"));
            self.run(stuck);
            let mut buffer = [0; 4096];
            if let Read::Bytes(count) = self.world.borrow_mut().client_read(link, &mut buffer) {
                reader.feed(&buffer[..count]);
            }
            if let Some(Item::Response(status, body)) = reader.next() {
                self.world.borrow_mut().client_close(link);
                self.run(stuck);
                return (status, String::from_utf8(body).expect("text"));
            }
            self.world.borrow_mut().pass(10);
        }
        panic!("no answer to {path}");
    }

    fn assert_ready(&mut self, path: &str) {
        let (status, body) = self.ask(path, None);
        assert_eq!((status, &*body), (200, r#"{"status":"ok"}"#));
        for (at, worker) in self.workers.iter().enumerate() {
            let audit = worker.audit();
            assert_eq!(audit.faults, [""; 0], "worker {at}");
            let left = (audit.connections, audit.subscriptions, audit.feeds);
            assert_eq!(left, (0, 0, 0), "worker {at} after the probe");
            assert_eq!((audit.heads, audit.counted), (vec![], vec![]), "worker {at}: channels");
        }
    }

    fn assert_red(&mut self, word: &str, stuck: Option<usize>) {
        let (status, body) = self.ask("/ready", stuck);
        assert_eq!(status, 503, "{body}");
        assert!(body.contains(&format!(r#""status":"{word}""#)), "{body}");
        assert!(body.contains(r#""retry_after_ms":1000"#), "{body}");
    }

    fn assert_stuck(&mut self, stuck: Option<usize>) {
        let before = self.stats.limited(Limit::Answer);
        self.assert_red("stuck", stuck);
        assert_eq!(self.stats.limited(Limit::Answer), before + 1);
    }
}

#[test]
fn a_probe_comes_through_every_worker_and_leaves_nothing() {
    for count in [1, 2, 4] {
        let mut node = Node::new(count);
        for path in ["/ready", "/ready?scope=node", "/ready"] {
            node.assert_ready(path);
        }
    }
}

#[test]
fn a_worker_that_has_never_turned_is_starting() {
    let mut node = Node::new(2);
    node.assert_red("starting", Some(1));
    node.run(None);
    node.assert_ready("/ready");
}

#[test]
fn a_stuck_worker_is_red_until_it_turns_again() {
    let mut node = Node::new(3);
    node.assert_ready("/ready");
    for stuck in [1, 2] {
        node.assert_stuck(Some(stuck));
        node.run(None);
        node.assert_ready("/ready");
    }
}

/// It turns and answers its mail, but what is published does not reach its readers.
#[test]
fn a_worker_that_does_not_deliver_is_red() {
    let mut node = Node::new(2);
    node.assert_ready("/ready");
    node.world.borrow_mut().sabotage = Sabotage::Server(Fault::LostDelivery);
    node.assert_stuck(None);
    // The probes are still under way; they are no connections.
    let (status, body) = node.ask("/connections", None);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""connections":[]"#), "{body}");
    // Nor are they subscriptions that new rules could end.
    let nobody = Rule { subscribe: Who::Token, ..Rule::default() };
    let policy = Arc::new(Policy { fallback: Arc::new(nobody), ..Policy::default() });
    for worker in 0..2 {
        node.world.borrow_mut().post(1 - worker, worker, Mail::Policy(Arc::clone(&policy)));
    }
    node.run(None);
    let text = node.stats.prometheus();
    assert!(text.contains("{code=\"4403\",word=\"forbidden\"} 0\n"), "{text}");
}
