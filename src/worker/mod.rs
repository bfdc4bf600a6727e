//! A worker: one thread, one loop, the connections that it owns for life, the channels that it owns
//! for everybody. This file owns the turn, the whole server on one page; each phase is a file:
//! `door` (accept), `serve` (read, with `request`, `upgrade`, `login` and `command`), `paced`
//! (rounds), `deliver` (mail), `review` (new rules), `flush` (send), `sweep` (time, with `drain`),
//! `bury` (end). Nothing here touches the world but through `Net`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use crate::client::answer::Greeting;
use crate::client::code::Code;
use crate::config::Config;
use crate::conn::entry::Flags;
use crate::conn::ledger::Ledger;
use crate::conn::table::Table;
use crate::entropy::Random;
use crate::feed::Feed;
use crate::feed::window::Spare;
use crate::hub::presence::Presences;
use crate::hub::shard::{self, Shard};
use crate::hub::{Delivery, Now};
use crate::limits::{EVENTS, READ_BYTES, TICK_MS};
use crate::log::Pace;
use crate::metrics::{Counter, End, Limit, Over, Stats, WorkerStats};
use crate::node::Node;
use crate::policy::Policy;
use crate::ws::inflate::Inflate;

mod alarm;
mod audit;
mod bounds;
mod bury;
mod codec;
mod command;
pub mod connections;
mod deliver;
mod door;
mod drain;
mod errand;
mod exchange;
mod flush;
mod hooks;
mod identity;
mod keys;
mod login;
pub mod mail;
pub mod mailbox;
pub mod mio;
pub mod net;
mod paced;
mod pages;
mod presence;
mod probe;
mod rate;
mod request;
mod review;
mod rights;
mod sender;
mod serve;
mod subscribe;
mod sweep;
mod terms;
mod upgrade;
mod users;

pub use audit::Audit;
use codec::Codec;
use door::Door;
use drain::Departure;
use hooks::Parked;
use mail::Mail;
use net::{Event, Net, Token, WorkerId};
use probe::Probe;
use rate::Rates;
use review::Review;
use subscribe::FeedName;

/// What a worker is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its number, from 0.
    pub id: WorkerId,
    /// The settings.
    pub config: Arc<Config>,
    /// Everybody's counters.
    pub stats: Arc<Stats>,
    /// What is shared with the other workers.
    pub node: Arc<Node>,
    /// The node's seed, the same for all its workers.
    pub seed: u64,
}

/// The kind of line that tells of keys that do not exist, behind those of limits and codes.
const BAD_KEY_LINES: usize = Limit::ALL.len() + Code::ALL.len();
/// The kind of line that tells of pages of other sites.
const FOREIGN_PAGE_LINES: usize = BAD_KEY_LINES + 1;

/// One worker.
pub struct Worker<N: Net> {
    id: WorkerId,
    config: Arc<Config>,
    /// Rules and keys as they are in force now.
    policy: Arc<Policy>,
    /// Who has yet to come anew to the channels where it is, under this policy.
    presence_review: Option<presence::Review>,
    /// From where on connections and subscriptions have yet to be looked at under this policy.
    review: Option<Review>,
    stats: Arc<Stats>,
    /// Of lines in the log.
    pace: Pace,
    node: Arc<Node>,
    seed: u64,
    net: N,
    now: Now,
    random: Random,

    // Connections.
    table: Table<N::Socket>,
    door: Door,
    departure: Departure,
    /// Connections to read from.
    ready: Vec<u32>,
    /// Connections with output of their own to send.
    dirty: Vec<u32>,
    /// Connections whose time has come.
    due: Vec<u32>,
    /// Connections to bury.
    dead: Vec<u32>,
    /// Tick at which some connection is due, or earlier.
    next_due: u32,
    /// Connections whose socket is full.
    blocked: usize,
    /// Connections whose request head is awaited.
    handshakes: usize,

    // Feeds.
    feeds: Slab<Feed>,
    feed_names: HashMap<FeedName, u32, FixedState>,
    feed_generation: u32,
    /// Feeds that have something to send, round robin.
    hot: VecDeque<u32>,
    spare: Spare,
    /// Connections to close, for they read too slowly.
    slow: Vec<u32>,
    /// When rounds of paced feeds are due, and of which.
    rounds: BTreeSet<(u64, u32)>,
    /// How many feeds have a pace.
    paced_feeds: usize,
    /// The probe that is under way.
    probe: Probe,
    /// Feeds that hold a window, or have held one since it was last looked at.
    windows: BTreeSet<u32>,
    /// From which of them on the next is dropped to hold the total.
    next_window: u32,
    next_serial: u16,
    /// When publications were accepted that in this turn reached the last of their followers.
    landed: Vec<u64>,
    subscriptions: usize,

    // Channels.
    shard: Shard,
    /// Who is in them.
    presences: Presences,
    /// When quiet channels and old keys are looked for.
    next_upkeep_ms: u64,
    codec: Codec,
    deliveries: Vec<(WorkerId, Delivery)>,

    // Mail.
    local: VecDeque<Mail>,
    /// Letters that are being worked on over several turns, one step of one of them a turn.
    later: VecDeque<Mail>,
    /// Readers whose worker has too much mail to be sent their pages now.
    deferred: Vec<mail::Pull>,
    arrived: Vec<Mail>,
    post: Vec<Vec<Mail>>,

    // Bounds.
    rates: Rates,
    /// What all connections here hold.
    ledger: Ledger,
    /// Connections for which something found no room.
    overfull: Vec<u32>,
    /// What waited at each worker when this turn began, and what this turn has added.
    backlogs: Vec<usize>,

    // Buffers.
    events: Vec<Event>,
    /// What is received, one connection at a time.
    input: Vec<u8>,
    /// What the connection that is being served is answered.
    answers: Vec<u8>,
    /// Messages about which the backend is asked.
    parked: Slab<Parked>,
    /// The connection that is being served.
    serving: Option<u32>,
    text: Vec<u8>,
    gather: Vec<u8>,
    /// What all welcomes have in common.
    greeting: Greeting,
    inflate: Option<Box<Inflate>>,
}

impl<N: Net> Worker<N> {
    /// A worker that has not turned yet.
    pub fn new(setup: Setup, net: N) -> Self {
        let Setup { id, config, stats, node, seed } = setup;
        let workers = usize::from(config.workers.max(1));
        let mut random = Random::new(seed ^ (u64::from(id) + 1).wrapping_mul(0x9e37_79b9));
        let shard = Shard::new(bounds::of_shard(&config), random.draw());
        let presences = presence::presences(&config, seed, random.draw());
        Self {
            shard,
            presences,
            next_upkeep_ms: 0,
            feed_names: HashMap::with_hasher(FixedState::with_seed(random.draw())),
            random,
            id,
            stats,
            pace: Pace::new(FOREIGN_PAGE_LINES + 1),
            node,
            seed,
            net,
            now: Now::default(),
            table: Table::default(),
            door: Door::new(workers),
            departure: Departure::default(),
            ready: Vec::new(),
            dirty: Vec::new(),
            due: Vec::new(),
            dead: Vec::new(),
            next_due: u32::MAX,
            handshakes: 0,
            feeds: Slab::new(),
            feed_generation: 0,
            hot: VecDeque::new(),
            spare: Spare::default(),
            slow: Vec::new(),
            rounds: BTreeSet::new(),
            paced_feeds: 0,
            probe: Probe::default(),
            windows: BTreeSet::new(),
            next_window: 0,
            next_serial: 0,
            landed: Vec::new(),
            blocked: 0,
            subscriptions: 0,
            codec: Codec::default(),
            deliveries: Vec::new(),
            local: VecDeque::new(),
            later: VecDeque::new(),
            deferred: Vec::new(),
            arrived: Vec::new(),
            post: (0..workers).map(|_| Vec::new()).collect(),
            rates: Rates::new(&config),
            ledger: Ledger::default(),
            overfull: Vec::new(),
            backlogs: vec![0; workers],
            events: Vec::with_capacity(EVENTS),
            input: vec![0; READ_BYTES],
            answers: Vec::new(),
            parked: Slab::new(),
            serving: None,
            text: Vec::new(),
            gather: Vec::new(),
            inflate: Some(Box::default()),
            greeting: upgrade::greeting(&config, seed),
            policy: Arc::clone(&config.policy),
            review: None,
            presence_review: None,
            config,
        }
    }

    /// One turn of the loop.
    pub fn turn(&mut self) {
        self.wait();
        self.take_events();
        self.drain();
        self.adopt();
        self.accept();
        self.serve();
        self.ask_rounds();
        self.deliver();
        self.tell_presence();
        self.review();
        self.review_presence();
        self.send_post();
        self.flush();
        self.sweep();
        self.end_probe();
        self.bury();
        self.send_post();
        self.report_empty();
        self.count();
    }

    /// The world, for the simulation.
    pub fn net(&mut self) -> &mut N {
        &mut self.net
    }

    /// Polls: not at all while work is left, else until the next due tick, or for ever. Then reads
    /// the clock, the only time in the turn; that reading ends the turn before, but for a worker
    /// that sleeps, which has the time to look once more.
    fn wait(&mut self) {
        let work_left = !self.ready.is_empty()
            || !self.dirty.is_empty()
            || !self.hot.is_empty()
            || self.is_round_due()
            || !self.due.is_empty()
            || !self.local.is_empty()
            || !self.later.is_empty()
            || !self.deferred.is_empty()
            || self.review.is_some()
            || self.presence_review.is_some()
            || self.is_presence_due()
            || self.door.is_accepting()
            || self.is_telling();
        let timeout = if work_left { Some(Duration::ZERO) } else { self.until_due() };
        let sleeps = timeout != Some(Duration::ZERO);
        if sleeps {
            let ended_us = self.net.now().mono_us;
            self.turned(ended_us);
            self.counters().waits();
        }
        self.events.clear();
        self.net.poll(timeout, &mut self.events);
        let now = self.net.now();
        if !sleeps {
            self.turned(now.mono_us);
        }
        self.now = now;
        self.counters().turns(now.mono_ms);
        self.net.collect(&mut self.arrived);
        self.see_backlogs();
    }

    /// The turn that began at `now` has ended: only now is it known how long things took.
    fn turned(&mut self, ended_us: u64) {
        let counters = self.stats.worker(self.id);
        counters.turned(ended_us.saturating_sub(self.now.mono_us));
        for accepted_us in self.landed.drain(..) {
            counters.landed(ended_us.saturating_sub(accepted_us));
        }
    }

    /// Sorts events into lists. An event of a slot that was reused is one look too many.
    fn take_events(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            let slot = match event.token {
                Token::Listener(listener) => {
                    self.door.opened(listener);
                    continue;
                }
                Token::Connection(slot) => slot,
            };
            let Some(hot) = self.table.occupied(slot) else { continue };
            if event.hang_up {
                hot.flags.set(Flags::HANG_UP);
            }
            if event.writable && hot.flags.has(Flags::BLOCKED) {
                hot.flags.clear(Flags::BLOCKED);
                self.blocked -= 1;
                self.mark_dirty(slot);
            }
            if event.readable || event.hang_up {
                self.mark_ready(slot);
            }
        }
        self.events = events;
    }

    /// Hands the letters of this turn to the other workers.
    fn send_post(&mut self) {
        for (to, batch) in self.post.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.stats.worker(self.id).add(Counter::Posted, batch.len() as u64);
                self.net.post(to as WorkerId, batch);
            }
        }
    }

    /// Posts a letter; one to oneself waits for the next `deliver`.
    fn letter(&mut self, to: WorkerId, mail: Mail) {
        self.backlogs[usize::from(to)] += mail.weight();
        if to == self.id {
            self.local.push_back(mail);
        } else {
            self.post[usize::from(to)].push(mail);
        }
    }

    /// The worker that owns a channel.
    fn owner(&self, channel: &str) -> WorkerId {
        shard::owner(channel, self.seed, self.config.workers.max(1))
    }

    /// The current tick.
    fn tick(&self) -> u32 {
        (self.now.mono_ms / TICK_MS) as u32
    }

    fn until_due(&self) -> Option<Duration> {
        let due = u64::from(self.next_due) * TICK_MS;
        let due = if self.next_due == u32::MAX { None } else { Some(due) };
        let upkeep = (!self.shard.is_empty()).then_some(self.next_upkeep_ms);
        let due = due
            .into_iter()
            .chain(self.door.retry_ms())
            .chain(upkeep)
            .chain(self.drain_due_ms())
            .chain(self.rounds.first().map(|&(due_ms, _)| due_ms))
            .chain(Some(self.presences.next_ms()).filter(|&due_ms| due_ms != u64::MAX))
            .min()?;
        Some(Duration::from_millis(due.saturating_sub(self.now.mono_ms).max(1)))
    }

    fn counters(&self) -> &WorkerStats {
        self.stats.worker(self.id)
    }

    fn count_one(&self, counter: Counter) {
        self.counters().add(counter, 1);
    }

    /// A limit acts.
    fn limited(&self, limit: Limit) {
        self.counters().limits(limit);
        if let Some(times) = self.pace.due(limit as usize, self.now.mono_ms) {
            let limit_name = limit.word();
            if limit.is_of_node() {
                tracing::warn!(limit = limit_name, times, "limit reached");
            } else {
                tracing::debug!(limit = limit_name, times, "limit reached");
            }
        }
    }

    /// An error is answered.
    fn refused(&self, over: Over, code: Code) {
        self.counters().refuses(over, code);
        // Behind the limits, so that each has its own pace.
        let kind = Limit::ALL.len() + code as usize;
        if let Some(times) = self.pace.due(kind, self.now.mono_ms) {
            let (code_word, over) = (code.as_str(), over.word());
            if code == Code::Internal {
                tracing::error!(code = code_word, over, times, "refused");
            } else {
                tracing::debug!(code = code_word, over, times, "refused");
            }
        }
    }

    /// Notes what a turn came to.
    fn count(&self) {
        let counters = self.counters();
        counters.add(Counter::Turns, 1);
        counters.set(Counter::Subscriptions, self.subscriptions as u64);
        counters.set(Counter::Channels, self.shard.len() as u64);
        counters.set(Counter::HistoryBytes, self.shard.history_bytes() as u64);
        counters.set(Counter::PresenceMembers, self.presences.named() as u64);
        counters.set(Counter::PresenceBytes, self.presences.bytes() as u64);
        counters.set(Counter::WindowBytes, self.spare.bytes() as u64);
        counters.set(Counter::BufferedBytes, self.ledger.bytes() as u64);
        counters.set(Counter::MailBytes, self.backlogs[usize::from(self.id)] as u64);
        counters.set(Counter::Feeds, self.feeds.len() as u64);
        counters.set(Counter::HotFeeds, self.hot.len() as u64);
        counters.set(Counter::Blocked, self.blocked as u64);
        counters.set(Counter::Handshakes, self.handshakes as u64);
    }

    fn mark_ready(&mut self, slot: u32) {
        if self.table.hot_mut(slot).flags.set(Flags::READY) {
            self.ready.push(slot);
        }
    }

    fn mark_dirty(&mut self, slot: u32) {
        if self.table.hot_mut(slot).flags.set(Flags::DIRTY) {
            self.dirty.push(slot);
        }
    }

    /// The connection has ended, and is buried in this turn.
    fn mark_dead(&mut self, slot: u32, how: End) {
        if self.table.hot_mut(slot).flags.set(Flags::DEAD) {
            self.counters().ends(how);
            let connection = || identity::name(self.seed, self.key(slot));
            tracing::debug!(connection = connection(), how = how.word(), "connection ended");
            self.dead.push(slot);
        }
    }
}
