//! The play of a node that stops at a random moment: clients are told and then closed, each after
//! everything that was published before; what is asked is answered; in the end every worker knows
//! that it is over, and nothing is left.

use std::sync::Arc;
use std::time::Duration;

use fanwire::config::Config;
use fanwire::drain::Timetable;
use fanwire::worker::net::WorkerId;

use super::{Outcome, RESTLESS, Stage};
use crate::plan::Plan;
use crate::world::random::Random;

/// Publications that nobody reads for a while, per channel.
const UNREAD: usize = 12;

/// How long nobody reads them while connections are closed; with the time before that, less than a
/// closing handshake may take.
const HELD_MS: u64 = 3_000;

/// Plays one plan up to a random step, and then the end of the node.
pub fn play(plan: &Plan, tracing: bool) -> Outcome {
    let mut random = Random::new(plan.seed ^ 0x000d_2a17);
    let config = Config {
        drain_notice: Duration::from_millis(*random.pick(&[0, 0, 700])),
        drain_time: Duration::from_secs(*random.pick(&[4, 20, 40])),
        // Whoever publishes what nobody reads would be a flood.
        messages_per_second: 0,
        // Nobody is cut off in the midst of a frame for want of room.
        max_buffered_bytes: 64 << 20,
        ..Config::clone(&plan.config)
    };
    let (before, after) = (random.between(100, 3_000) as u64, random.between(1, 400) as u64);
    let mut plan = Plan { config: Arc::new(config), steps: before, ..plan.clone() };
    let mut stage = Stage::new(&plan, tracing);
    stage.perform(&plan);
    let timetable = stage.begin_drain(&plan.config);
    plan.steps += after;
    stage.perform(&plan);
    stage.settle(0);
    if stage.world.borrow().now_ms() + HELD_MS < timetable.last_ms {
        stage.hold_breath(timetable);
    }
    stage.settle(90_000);
    stage.check_over();
    stage.outcome()
}

impl Stage {
    fn begin_drain(&mut self, config: &Config) -> Timetable {
        let mut world = self.world.borrow_mut();
        let now_ms = world.now_ms();
        world.tell(format_args!("the node is asked to stop"));
        world.wake_all();
        self.stats.drain().begin(now_ms);
        Timetable::new(now_ms, config.drain_notice, config.drain_time, config.close_timeout)
    }

    /// Much is published, and nobody reads it while the first are to be closed: these must wait.
    fn hold_breath(&mut self, timetable: Timetable) {
        let channels = self.channels.clone();
        let mut publisher = None;
        for channel in channels.iter().cycle().take(UNREAD * channels.len()) {
            self.with_scene(true, |clients, scene| {
                publisher = clients.iter_mut().position(|client| client.tell(scene, channel));
            });
        }
        self.run_without_readers(publisher);
        // What is published is delivered now, or waits for readers: who is closed, has all of it.
        self.oracle.mark();
        let from_ms = self.world.borrow().now_ms();
        let until_ms = (from_ms.max(timetable.first_ms) + HELD_MS).min(timetable.last_ms);
        while self.world.borrow().now_ms() + 200 < until_ms {
            self.world.borrow_mut().pass(200);
            self.run_without_readers(None);
        }
    }

    /// Runs until nothing moves while only one client acts, or none.
    fn run_without_readers(&mut self, actor: Option<usize>) {
        for turns in 0.. {
            assert!(turns < RESTLESS, "something never rests");
            self.step += 1;
            let mut moved = actor.is_some_and(|actor| self.act(actor, true));
            moved |= self.carry_everything();
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
    }

    /// The node has ended: nobody is connected, nothing is left, and every worker knows.
    fn check_over(&mut self) {
        self.check_empty();
        for (at, worker) in self.workers.iter().enumerate() {
            assert!(worker.is_over(), "worker {at} would turn for ever");
        }
        self.world.borrow_mut().tally.count("nodes drained");
    }
}
