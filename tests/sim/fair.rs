//! A crowd, so that a publication takes several flushes, and a few that talk all the time: whatever
//! arrives, at whichever send it arrives, is read within one flush budget of sends to others. The
//! world checks that at each read (`world/fairness.rs`); this is the play in which it is hard.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanwire::config::Config;
use fanwire::limits::FLUSH_SENDS;
use fanwire::metrics::Stats;
use fanwire::node::Node;
use fanwire::worker::{Setup, Worker};

use crate::client::codec::{Item, Reader, handshake, message, opcode};
use crate::world::link::Read;
use crate::world::net::FakeNet;
use crate::world::{Faults, LinkId, Sabotage, World};

const LISTENERS: usize = 400;
const TALKERS: usize = 5;
const TURNS: usize = 200;

/// After so many turns the node begins to stop, in the play in which it does.
const STOPS: usize = 70;

/// A client that reads what comes, and counts it.
struct Ear {
    link: LinkId,
    reader: Reader,
    heard: usize,
}

impl Ear {
    fn open(world: &mut World, path: &str) -> Self {
        let link = world.connect().expect("somebody listens");
        world.widen(link);
        let head = handshake(path, None);
        assert_eq!(world.client_write(link, head.as_bytes()), Some(head.len()));
        Self { link, reader: Reader::default(), heard: 0 }
    }

    fn read(&mut self, world: &mut World) {
        let mut buffer = [0; 4096];
        while let Read::Bytes(count) = world.client_read(self.link, &mut buffer) {
            self.reader.feed(&buffer[..count]);
        }
        while let Some(item) = self.reader.next() {
            self.heard += usize::from(matches!(item, Item::Message(opcode::BINARY, _)));
        }
    }

    fn say(&self, world: &mut World, payload: &[u8]) {
        let frame = message(&mut world.random, opcode::BINARY, payload, false);
        let taken = world.client_write(self.link, &frame);
        assert!(taken.is_none_or(|taken| taken == frame.len()), "its link is wide");
    }
}

/// Plays one seed. Returns the most sends for which anybody has waited.
pub fn play(seed: u64, sabotage: Sabotage) -> usize {
    play_until(seed, sabotage, usize::MAX)
}

/// The same with a node that begins to stop after so many turns: then nobody publishes any more,
/// but all still wait for what was published, and are to be closed behind it.
fn play_until(seed: u64, sabotage: Sabotage, stops: usize) -> usize {
    let mut world = World::new(1, seed, false);
    (world.faults, world.sabotage) = (Faults { meanwhile: 300, ..Faults::default() }, sabotage);
    let world = Rc::new(RefCell::new(world));
    let drain_time = Duration::from_secs(4);
    let config = Config { open: true, messages_per_second: 0, drain_time, ..Config::default() };
    let stats = Arc::new(Stats::new(1));
    let setup = Setup {
        id: 0,
        config: Arc::new(config),
        stats: Arc::clone(&stats),
        node: Arc::new(Node::new(seed)),
        seed,
    };
    let mut worker = Worker::new(setup, FakeNet::new(&world, 0));
    let mut ears = Vec::new();
    for number in 0..=LISTENERS + TALKERS {
        let path = if number <= LISTENERS { "/channels/fair?self=0" } else { "/echo" };
        let mut world = world.borrow_mut();
        ears.push(Ear::open(&mut world, path));
    }
    let mut published = 0;
    for turn in 0..TURNS {
        {
            let mut world = world.borrow_mut();
            for ear in &mut ears {
                world.carry(ear.link, true);
                ear.read(&mut world);
            }
            if turn > stops {
                world.pass(100);
            } else if turn == stops {
                stats.drain().begin(world.now_ms());
            } else if turn > 50 && (turn.is_multiple_of(7) || turn + 15 > stops) {
                // Small ones ride together; of large ones each is a send.
                let (count, bytes) = if turn % 2 == 0 { (3, 60) } else { (3, 17_000) };
                (0..count).for_each(|_| ears[0].say(&mut world, &vec![7; bytes]));
                published += count;
            }
            if turn > 50 {
                // They are the last to be told to go.
                ears[LISTENERS + 1..].iter().for_each(|ear| ear.say(&mut world, b"echo"));
            }
        }
        worker.turn();
    }
    assert!(published > 0 && ears[1].heard > 0 && ears[LISTENERS + 1].heard > 0, "all were busy");
    world.borrow().longest_wait()
}

#[test]
fn nobody_waits_for_more_than_one_flush() {
    let most = (0..8).map(|seed| play(seed, Sabotage::None)).max();
    println!("somebody waited for {most:?} sends to others, of {FLUSH_SENDS}");
    assert!(most > Some(FLUSH_SENDS / 2), "nobody ever waited: the play is too easy");
}

#[test]
fn nor_does_anybody_while_the_node_stops() {
    for seed in 0..8 {
        play_until(seed, Sabotage::None, STOPS);
    }
}
