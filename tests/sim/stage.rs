//! The play: real workers, model clients and the world between them, one step at a time, in an
//! order that the seed decides. At the end the faults stop, everybody reads, and nothing may be
//! missing; then everybody leaves, and nothing may be left.

pub mod drain;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fanwire::limits::PAGE_BYTES;
use fanwire::metrics::{Counter, End, Limit, Stats};
use fanwire::node::Node;
use fanwire::policy::Policy;
use fanwire::policy::pattern::Pattern;
use fanwire::policy::permissions::Hearers;
use fanwire::policy::rule::{Presence, Rule, Who};
use fanwire::worker::mail::Mail;
use fanwire::worker::net::WorkerId;
use fanwire::worker::{Setup, Worker};

use crate::client::envelope::EnvelopeClient;
use crate::client::http::Http;
use crate::client::member::Member;
use crate::client::raw::Raw;
use crate::client::{Client, Scene};
use crate::oracle::Oracle;
use crate::plan::{self, Plan};
use crate::rights::{Rights, Stamp};
use crate::tokens::USERS;
use crate::world::net::FakeNet;
use crate::world::tally::Tally;
use crate::world::{Faults, World};

/// Turns without time passing after which a worker does not rest.
const RESTLESS: u64 = 100_000;

/// Bytes of the longest frame that a client's payload becomes.
const LONGEST_FRAME: usize = 16_000;

/// What one run came to.
#[derive(Debug)]
pub struct Outcome {
    /// How often things happened.
    pub tally: Tally,
    /// Equal for equal runs.
    pub digest: u64,
}

/// Plays one plan. A violation is a panic.
pub fn play(plan: &Plan, tracing: bool) -> Outcome {
    let mut stage = Stage::new(plan, tracing);
    stage.perform(plan);
    stage.settle(3_000);
    stage.last_words();
    stage.settle(3_000);
    stage.check_settled();
    stage.leave();
    stage.settle(120_000);
    stage.check_empty();
    stage.outcome()
}

/// Where it all happens.
pub struct Stage {
    pub world: Rc<RefCell<World>>,
    workers: Vec<Worker<FakeNet>>,
    clients: Vec<Box<dyn Client>>,
    pub oracle: Oracle,
    pub channels: Vec<String>,
    stats: Arc<Stats>,
    node: Arc<Node>,
    /// The rules that every worker has, or will have.
    pub policy: Arc<Policy>,
    /// When each worker has last turned.
    turned_ms: Vec<u64>,
    members: usize,
    /// A user who has gone is there for a while.
    lingers: bool,
    window_bytes: usize,
    fat: bool,
    step: u64,
}

impl Stage {
    /// The stage of a plan, before the first step.
    pub fn new(plan: &Plan, tracing: bool) -> Self {
        let count = plan.config.workers;
        let mut world = World::new(usize::from(count), plan.seed, tracing);
        (world.faults, world.sabotage) = (plan.faults, plan.sabotage);
        let world = Rc::new(RefCell::new(world));
        let stats = Arc::new(Stats::new(usize::from(count)));
        let node = Arc::new(Node::new(plan.seed));
        let shared = Arc::clone(&node);
        let workers = (0..count).map(|id| {
            let (config, stats) = (Arc::clone(&plan.config), Arc::clone(&stats));
            let node = Arc::clone(&shared);
            let setup = Setup { id, config, stats, node, seed: plan.seed };
            Worker::new(setup, FakeNet::new(&world, id))
        });
        let workers = workers.collect();
        let mut oracle = Oracle::new(plan.exact_history(), plan.forgets_keys());
        oracle.policy = Arc::clone(&plan.config.policy);
        oracle.rights = Rights::new(usize::from(count), &plan.config.policy);
        let mut clients: Vec<Box<dyn Client>> = Vec::new();
        for _ in 0..plan.envelopes {
            clients.push(Box::new(EnvelopeClient::default()));
        }
        for number in 0..plan.raws {
            let channel = plan.channels[number % plan.channels.len()].clone();
            clients.push(Box::new(Raw::new(channel, number % 2 == 0, number % 3 == 1)));
        }
        for number in 0..plan.members {
            let grace_ms = plan.config.token_grace.as_millis() as u64;
            clients.push(Box::new(Member::new(format!("u{}", number % USERS), grace_ms)));
        }
        for _ in 0..plan.backends {
            clients.push(Box::new(Http::default()));
        }
        let channels = plan.channels.clone();
        let (window_bytes, fat) = (plan.config.window_bytes, plan.fat);
        let policy = Arc::clone(&plan.config.policy);
        Self {
            world,
            workers,
            clients,
            oracle,
            channels,
            stats,
            node,
            policy,
            turned_ms: vec![0; usize::from(count)],
            members: plan.members,
            lingers: plan.members > 0 && !plan.config.presence_leave_delay.is_zero(),
            window_bytes,
            fat,
            step: 0,
        }
    }

    /// Everything at once, until the steps are over.
    pub fn perform(&mut self, plan: &Plan) {
        while self.step < plan.steps {
            self.step += 1;
            let (choice, leap, reload) = {
                let random = &mut self.world.borrow_mut().random;
                let reload = plan.reloads > 0 && random.chance(plan.reloads);
                (random.below(100), random.chance(plan.leaps), reload)
            };
            match reload {
                true if self.members > 0 => self.reload_rights(),
                true => self.reload(),
                false => {}
            }
            match choice {
                0..35 => self.turn_any(),
                35..65 => self.carry_any(),
                65..78 => drop(self.world.borrow_mut().deliver_mail()),
                78..98 => {
                    let at = self.world.borrow_mut().random.below(self.clients.len());
                    self.act(at, false);
                }
                _ => self.pass_some_time(),
            }
            if leap {
                let mut world = self.world.borrow_mut();
                let ms = world.random.between(100, 6_000) as u64;
                world.pass(ms);
            }
        }
    }

    /// Other rules: each channel may be for hearing, for publishing, for both or for nobody.
    fn reload(&mut self) {
        let mut world = self.world.borrow_mut();
        let random = RefCell::new(&mut world.random);
        let who = |likely| {
            if random.borrow_mut().chance(likely) { Who::Anyone } else { Who::Backend }
        };
        let presence = || plan::presence(&mut random.borrow_mut());
        let rule = |channel: &String| {
            let pattern = Pattern::parse(channel).expect("a channel");
            let (subscribe, publish, presence) = (who(700), who(900), presence());
            let others = Rule::clone(&self.policy.fallback);
            Arc::new(Rule { pattern, subscribe, publish, presence, ..others })
        };
        let rules = self.channels.iter().map(rule).collect();
        self.policy = Arc::new(Policy { rules, ..Policy::clone(&self.policy) });
        world.post_to_all(|| Mail::Policy(Arc::clone(&self.policy)));
        world.tally.count("reloads");
    }

    fn turn_any(&mut self) {
        let (at, anyway) = {
            let random = &mut self.world.borrow_mut().random;
            (random.below(self.workers.len()), random.chance(30))
        };
        if anyway || self.world.borrow().ready(at as WorkerId) {
            self.turn(at);
        }
    }

    fn turn(&mut self, at: usize) {
        let stamp = self.stamp();
        self.workers[at].turn();
        self.turned_ms[at] = self.world.borrow().now_ms();
        let admissions = std::mem::take(&mut self.world.borrow_mut().admissions);
        for admission in admissions {
            self.oracle.admit(admission, stamp);
        }
        let audit = self.workers[at].audit();
        if self.members > 0 && !audit.reviews {
            self.oracle.rights.has_reviewed(at, &audit.policy);
        }
        assert!(audit.faults.is_empty(), "worker {at}: {:?}", audit.faults);
        let bound = audit.feeds * (self.window_bytes + LONGEST_FRAME) + audit.paced * PAGE_BYTES;
        let held = audit.window_bytes;
        assert!(held <= bound, "worker {at}: {held} bytes in {} windows", audit.feeds);
    }

    /// The present: a worker that has nothing to do has seen all that is over.
    fn stamp(&mut self) -> Stamp {
        let world = self.world.borrow();
        let seen = |(at, &turned_ms): (usize, &u64)| {
            if world.ready(at as WorkerId) { turned_ms } else { world.now_ms() }
        };
        let swept_ms = self.turned_ms.iter().enumerate().map(seen).min().unwrap_or(0);
        self.oracle.rights.stamp(swept_ms)
    }

    fn carry_any(&mut self) {
        let mut world = self.world.borrow_mut();
        let open = world.open_links().to_vec();
        if !open.is_empty() {
            let id = *world.random.pick(&open);
            world.carry(id, false);
        }
    }

    fn pass_some_time(&mut self) {
        let mut world = self.world.borrow_mut();
        let ms = world.random.between(0, 5) as u64;
        world.pass(ms);
    }

    /// Lets one client act; says whether it received or began something.
    fn act(&mut self, at: usize, calm: bool) -> bool {
        self.with_scene(calm, |clients, scene| clients[at].act(scene))
    }

    fn with_scene(
        &mut self,
        calm: bool,
        action: impl FnOnce(&mut Vec<Box<dyn Client>>, &mut Scene),
    ) -> bool {
        let mut world = self.world.borrow_mut();
        let mut scene = Scene {
            world: &mut world,
            oracle: &mut self.oracle,
            channels: &self.channels,
            step: self.step,
            fat: self.fat,
            calm,
            moved: false,
        };
        action(&mut self.clients, &mut scene);
        scene.moved
    }

    /// No faults and nothing new: runs until everything has arrived everywhere, and for so long.
    pub fn settle(&mut self, ms: u64) {
        let lazy_edges = self.world.borrow().faults.lazy_edges;
        self.world.borrow_mut().faults = Faults { lazy_edges, ..Faults::default() };
        self.world.borrow_mut().backend.calm_down();
        let end = self.world.borrow().now_ms() + ms;
        loop {
            self.run_until_idle();
            let mut world = self.world.borrow_mut();
            let next = world.next_deadline().filter(|at| *at <= end);
            let Some(next) = next else { break };
            let ms = next.saturating_sub(world.now_ms()).max(1);
            world.pass(ms);
        }
    }

    fn run_until_idle(&mut self) {
        for turns in 0.. {
            assert!(turns < RESTLESS, "something never rests");
            self.step += 1;
            let mut moved = self.carry_everything();
            for at in 0..self.workers.len() {
                if self.world.borrow().ready(at as WorkerId) {
                    self.turn(at);
                    moved = true;
                }
            }
            for at in 0..self.clients.len() {
                moved |= self.act(at, true);
            }
            if !moved && !self.world.borrow().moving() {
                return;
            }
        }
    }

    fn carry_everything(&mut self) -> bool {
        let mut world = self.world.borrow_mut();
        let mut moved = false;
        for id in world.open_links().to_vec() {
            moved |= world.carry(id, true);
        }
        while world.deliver_mail() {
            moved = true;
        }
        moved
    }

    /// One more publication on every channel: what follows then must reach everybody.
    pub fn last_words(&mut self) {
        let mut teller = Http::default();
        self.with_scene(true, |_, scene| {
            for channel in scene.channels {
                teller.tell(scene, channel);
            }
            teller.tell(scene, "$all");
        });
        self.clients.push(Box::new(teller));
    }

    /// Everybody has what it is due, and the owners know who listens.
    pub fn check_settled(&mut self) {
        self.check_presence();
        self.clients.iter().for_each(|client| client.check_settled(&self.oracle));
        self.check_counts();
    }

    /// What the owners believe is what the workers have.
    fn check_counts(&self) {
        let (mut joined, mut counted) = (Vec::new(), Vec::new());
        for worker in &self.workers {
            let audit = worker.audit();
            for (channel, _, _) in &audit.joined {
                assert!(
                    channel.starts_with('$') || self.policy.hearers(channel) != Hearers::Nobody,
                    "{channel} is heard although forbidden"
                );
            }
            joined.extend(audit.joined);
            counted.extend(audit.counted);
        }
        joined.sort();
        counted.sort();
        assert_eq!(joined, counted, "subscribers by channel and audience");
    }

    /// In the end the members are exactly who is there, by what the clients say of themselves.
    fn check_presence(&mut self) {
        let present = &mut self.oracle.present;
        present.clear();
        for (channel, name) in self.clients.iter().flat_map(|client| client.present()) {
            if channel == "$all" || self.policy.rule(&channel).presence == Presence::None {
                continue;
            }
            // A user with several connections is one member.
            let (count, names) = present.entry(channel).or_default();
            *count += u64::from(name.is_none_or(|name| names.insert(name)));
        }
        let mut told = BTreeMap::new();
        let (mut marked, mut named) = (Vec::new(), Vec::new());
        for audit in self.workers.iter().map(Worker::audit) {
            marked.extend(audit.present);
            for (channel, count, members) in audit.told.into_iter().filter(|told| told.1 > 0) {
                named.extend(members.into_iter().map(|who| (channel.clone(), who)));
                told.insert(channel, count);
            }
        }
        let counts = present.iter().map(|(channel, (count, _))| (channel.clone(), *count));
        if self.lingers {
            for (channel, count) in counts {
                let told = told.get(&channel).copied().unwrap_or_default();
                assert!(told >= count, "{channel}: {told} of {count}");
            }
            return;
        }
        assert_eq!(told, counts.collect(), "how many are where");
        for (channel, who) in named {
            let entry = (channel, who);
            assert!(marked.contains(&entry), "{entry:?} is not there");
        }
    }

    /// Everybody goes.
    pub fn leave(&mut self) {
        self.with_scene(true, |clients, scene| {
            for client in clients.iter_mut().filter(|client| client.connected()) {
                client.leave(scene);
            }
        });
    }

    /// Nothing is left.
    pub fn check_empty(&mut self) {
        let connected = self.clients.iter().filter(|client| client.connected()).count();
        assert_eq!(connected, 0, "clients that were not let go");
        assert_eq!(self.world.borrow().server_ends(), 0, "sockets left open");
        let ended: u64 = End::ALL.iter().map(|&how| self.stats.ended(how)).sum();
        assert_eq!(ended, self.stats.sum(Counter::Buried), "each end has one reason");
        assert!(self.node.addresses.is_empty(), "nobody is there, and nobody's address");
        self.world.borrow().backend.check_empty();
        for (at, worker) in self.workers.iter().enumerate() {
            let audit = worker.audit();
            assert_eq!(audit.parked, 0, "messages that wait at worker {at}");
            let held = (audit.connections, audit.subscriptions, audit.feeds);
            assert_eq!(held, (0, 0, 0), "worker {at}: connections, subscriptions, feeds");
            let bytes = (audit.window_bytes, audit.buffered_bytes);
            assert_eq!(bytes, (0, 0), "worker {at}: bytes in windows and buffers");
            assert_eq!(audit.counted, [], "subscribers that worker {at} believes in");
            assert_eq!(audit.told, [], "members that worker {at} believes in");
        }
    }

    /// What it came to.
    pub fn outcome(&mut self) -> Outcome {
        let mut world = self.world.borrow_mut();
        let mut tally = std::mem::take(&mut world.tally);
        tally.merge(&self.oracle.tally);
        let senders = self.oracle.tally.of("closed: slow sender");
        assert!(senders <= self.stats.limited(Limit::Stall), "{senders} closed for no reason");
        tally.add("superseded on the way", self.oracle.superseded.get());
        for (name, counter) in [
            ("pulls", Counter::Pulls),
            ("rounds", Counter::Rounds),
            ("turns", Counter::Turns),
            ("letters", Counter::Letters),
            ("subscriptions ended", Counter::SubscriptionsEnded),
        ] {
            tally.add(name, self.stats.sum(counter));
        }
        for (name, limit) in [
            ("buffers full", Limit::BufferedBytes),
            ("refused for mail", Limit::MailBytes),
            ("new channels refused", Limit::NewChannels),
            ("paused reads", Limit::Pending),
            ("paused reads", Limit::Output),
            ("stalled connections closed", Limit::Stall),
        ] {
            tally.add(name, self.stats.limited(limit));
        }
        tally.add("connections cut off", self.stats.ended(End::CutOff));
        Outcome { tally, digest: world.digest() }
    }
}
