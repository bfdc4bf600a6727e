//! A world for real workers, all in one thread: sockets, clock and mail, with faults decided by a
//! seed. It knows bytes and letters only: what they mean, clients and oracle know. `net` is the
//! border to the workers; nothing happens between their turns but what the caller asks for.

pub mod backend;
pub mod fairness;
pub mod link;
pub mod net;
pub mod pipe;
pub mod post;
pub mod random;
pub mod tally;

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::mem;
use std::time::Duration;

use fanwire::hub::Publication;
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Event, Fault, Now, Peer, Token, WorkerId};

use self::backend::Backend;
use self::fairness::Account;
use self::link::{Link, Read};
use self::net::FakeSocket;
use self::pipe::Pipe;
use self::post::Post;
use self::random::Random;
use self::tally::Tally;

/// What may go wrong, in permille of its occasions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// `recv` takes less than it could.
    pub short_read: u32,
    /// `send` takes less than it could.
    pub short_write: u32,
    /// A poll tells of what did not happen, to sockets that are there or were.
    pub spurious: u32,
    /// A poll tells of some events only, the others later.
    pub partial: u32,
    /// `accept` finds no descriptors.
    pub exhausted: u32,
    /// The wall clock jumps, when the clock moves.
    pub jump: u32,
    /// Bytes arrive while a worker sends.
    pub meanwhile: u32,
    /// Readable edges come only after the reader was dry (not at each arrival).
    pub lazy_edges: bool,
}

/// A defect planted into the world or the server: the oracle must notice each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// None.
    #[default]
    None,
    /// A letter is lost.
    DropLetter,
    /// Two letters of one pair change places.
    ReorderLetters,
    /// A send swallows bytes.
    SwallowBytes,
    /// What is sent to one reaches another connection too.
    WrongConnection,
    /// A send is done twice.
    RepeatBytes,
    /// A wake is lost: the worker sleeps on although it has mail.
    LostWake,
    /// The server itself errs.
    Server(Fault),
}

/// Number of a link; never used again.
pub type LinkId = u32;

/// A publication as the owner admitted it.
#[derive(Debug)]
pub struct Admission {
    /// Its channel.
    pub channel: String,
    /// Its position, payload and the rest.
    pub publication: Publication,
}

/// One worker as the world sees it.
#[derive(Debug, Default)]
struct Station {
    placed: Vec<(FakeSocket, Peer)>,
    /// The main thread has woken it.
    rung: bool,
    /// Slots whose connection is gone, for stale events.
    stale: Vec<u32>,
    /// Since when it sleeps, and how long it wants to.
    sleep: Sleep,
    /// The clock as it read it last.
    seen_ms: u64,
    /// Clock readings since the last poll.
    readings: u32,
    /// It found nothing to do in the last poll, so it must do nothing before the next.
    idle: bool,
    /// Who waits for what it sends.
    account: Account,
}

/// Whether a worker may be left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleep {
    /// It has not polled since it worked.
    #[default]
    Awake,
    /// It polled with nothing to do.
    Until(Option<u64>),
}

/// Everything outside the workers.
#[derive(Debug)]
pub struct World {
    /// Decides everything.
    pub random: Random,
    /// What goes wrong now.
    pub faults: Faults,
    /// What is wrong with the world itself.
    pub sabotage: Sabotage,
    /// How often something happened.
    pub tally: Tally,
    /// Whom hooks call.
    pub backend: Backend,
    /// What the owners admitted since this was last emptied.
    pub admissions: Vec<Admission>,
    now: Now,
    links: Vec<Link>,
    open: Vec<LinkId>,
    backlog: VecDeque<LinkId>,
    listening: bool,
    listener_edge: bool,
    post: Post,
    stations: Vec<Station>,
    tracing: bool,
    digest: u64,
}

impl World {
    /// A world for so many workers, without faults.
    pub fn new(workers: usize, seed: u64, tracing: bool) -> Self {
        Self {
            random: Random::new(seed),
            faults: Faults::default(),
            sabotage: Sabotage::None,
            tally: Tally::default(),
            backend: Backend::default(),
            admissions: Vec::new(),
            now: Now { wall_ms: 1_790_000_000_000, ..Now::default() },
            links: Vec::new(),
            open: Vec::new(),
            backlog: VecDeque::new(),
            listening: true,
            listener_edge: false,
            post: Post::new(workers),
            stations: (0..workers).map(|_| Station::default()).collect(),
            tracing,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Writes a line of the story, when somebody wants to read it.
    pub fn tell(&mut self, line: Arguments) {
        if self.tracing {
            let line = line.to_string();
            println!("{:>7} {:.400}", self.now.mono_ms, line);
        }
    }

    /// What the story so far comes to: equal seeds, equal digests.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Folds a fact into the digest.
    fn fold(&mut self, fact: u64) {
        self.digest = (self.digest ^ fact).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        self.now.mono_ms
    }

    /// What the wall clock says.
    pub fn wall_ms(&self) -> u64 {
        self.now.wall_ms
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.mono_us = self.now.mono_ms * 1000;
        self.now.wall_ms += ms;
        if self.random.chance(self.faults.jump) {
            self.tally.count("wall clock jumps");
            self.now.wall_ms = self.now.wall_ms - 5_000 + self.random.bits() % 10_000;
        }
    }

    /// When the first of the workers wants to wake, if all sleep.
    pub fn next_deadline(&self) -> Option<u64> {
        let until = |station: &Station| match station.sleep {
            Sleep::Awake => Some(self.now.mono_ms),
            Sleep::Until(deadline) => deadline,
        };
        self.stations.iter().filter_map(until).chain(self.backend.due_ms()).min()
    }

    /// Wakes all workers, as the main thread can.
    pub fn wake_all(&mut self) {
        for station in &mut self.stations {
            station.rung = true;
        }
    }

    /// Whether a real poll would let this worker run now.
    pub fn ready(&self, worker: WorkerId) -> bool {
        let station = &self.stations[usize::from(worker)];
        let due = match station.sleep {
            Sleep::Awake => true,
            Sleep::Until(deadline) => deadline.is_some_and(|at| at <= self.now.mono_ms),
        };
        due || station.rung
            || !station.placed.is_empty()
            || (self.post.arrived(worker) && self.sabotage != Sabotage::LostWake)
            || (worker == 0 && self.listener_edge)
            || self.links_of(worker).any(|id| self.link(id).edge.any())
    }

    /// Moves one letter or more of one pair, or a placed connection. False when none is under way.
    pub fn deliver_mail(&mut self) -> bool {
        for (ticket, verdict) in self.backend.answers(self.now.mono_ms, &mut self.tally) {
            let letter = Mail::Verdict(ticket, Box::new(verdict));
            self.post.send_from_outside(ticket.worker, letter);
        }
        let moved = self.post.carry(&mut self.random);
        for (to, socket, peer) in self.post.placed.drain(..) {
            self.stations[usize::from(to)].placed.push((socket, peer));
        }
        moved
    }

    /// Posts a letter to every worker, from outside of them.
    pub fn post_to_all(&mut self, letter: impl Fn() -> Mail) {
        for worker in 0..self.stations.len() {
            self.post.send_from_outside(worker as WorkerId, letter());
        }
    }

    /// A letter that no worker has written.
    pub fn post(&mut self, from: WorkerId, to: WorkerId, mail: Mail) {
        self.post.send(from, to, [mail].into_iter());
    }

    /// Moves bytes of one connection, each way. False when nothing can move.
    pub fn carry(&mut self, id: LinkId, all: bool) -> bool {
        let mut limit = || match self.random.below(4) {
            _ if all => usize::MAX,
            0 => self.random.between(1, 20),
            1 => self.random.between(20, 2_000),
            _ => usize::MAX,
        };
        let (up, down) = (limit(), limit());
        let keep = self.random.below(200);
        let lazy = self.faults.lazy_edges;
        let moved = self.links[id as usize].carry(up, down, keep, lazy);
        self.begins_to_wait(id);
        moved
    }

    /// The most sends to others for which anybody has waited until the server heard it.
    pub fn longest_wait(&self) -> usize {
        self.stations.iter().map(|station| station.account.most).max().unwrap_or(0)
    }

    /// Connections of which at least one end is open.
    pub fn open_links(&self) -> &[LinkId] {
        &self.open
    }

    /// Connections whose server end is open: 0 when the server has let go of everything.
    pub fn server_ends(&self) -> usize {
        let open = self.open.iter().filter(|id| !self.link(**id).server_gone);
        open.count()
    }

    /// Whether a letter, a byte or a connection is under way somewhere.
    pub fn moving(&self) -> bool {
        self.post.under_way() || self.open.iter().any(|id| self.link(*id).can_move())
    }

    /// A client connects. `None` when nobody listens.
    pub fn connect(&mut self) -> Option<LinkId> {
        if !self.listening {
            return None;
        }
        let id = self.links.len() as LinkId;
        let address = [127, 0, (id >> 8) as u8, id as u8].into();
        let peer = Peer { address: Some(address), ..Peer::default() };
        self.links.push(Link::new(peer, &mut self.random));
        self.open.push(id);
        self.backlog.push_back(id);
        self.listener_edge = true;
        Some(id)
    }

    /// Gives a new connection the roomy buffers of a usual kernel.
    pub fn widen(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        (link.up, link.down) = (Pipe::new(64_000, 64_000), Pipe::new(64_000, 64_000));
    }

    /// Gives a new connection tiny buffers towards the client.
    pub fn narrow(&mut self, id: LinkId, bytes: usize) {
        self.links[id as usize].down = Pipe::new(bytes, bytes);
    }

    /// The client writes; `None` when the connection has failed.
    pub fn client_write(&mut self, id: LinkId, bytes: &[u8]) -> Option<usize> {
        self.links[id as usize].client_write(bytes)
    }

    /// The client reads.
    pub fn client_read(&mut self, id: LinkId, buffer: &mut [u8]) -> Read {
        self.links[id as usize].client_read(buffer)
    }

    /// The client shuts down its sending side.
    pub fn client_finish(&mut self, id: LinkId) {
        self.links[id as usize].client_finish();
    }

    /// The client closes its socket.
    pub fn client_close(&mut self, id: LinkId) {
        let keep = self.random.below(200);
        self.links[id as usize].client_close(keep);
        self.forget_dead(id);
    }

    /// The connection is cut.
    pub fn client_reset(&mut self, id: LinkId) {
        self.tally.count("resets");
        let keep = self.random.below(200);
        self.links[id as usize].client_reset(keep);
        self.forget_dead(id);
    }

    fn forget_dead(&mut self, id: LinkId) {
        if self.link(id).dead() {
            self.open.retain(|open| *open != id);
        }
    }

    fn link(&self, id: LinkId) -> &Link {
        &self.links[id as usize]
    }

    fn links_of(&self, worker: WorkerId) -> impl Iterator<Item = LinkId> {
        let here =
            move |id: &LinkId| self.link(*id).registered.is_some_and(|(owner, _)| owner == worker);
        self.open.iter().copied().filter(here)
    }

    /// One poll of one worker: what is ready, in any order, perhaps not all of it, perhaps more.
    fn poll(&mut self, worker: WorkerId, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let before = events.len();
        let partial = self.random.chance(self.faults.partial);
        self.poll_sockets(worker, partial, events);
        if worker == 0 && self.listener_edge {
            self.listener_edge = false;
            let token = Token::Listener(0);
            events.push(Event { token, readable: true, writable: false, hang_up: false });
        }
        let told = events.len() > before;
        self.invent_events(worker, events);
        for at in (before + 1..events.len()).rev() {
            events.swap(at, before + self.random.below(at - before + 1));
        }
        let timeout = timeout.map(|time| time.as_nanos().div_ceil(1_000_000) as u64);
        let arrived =
            self.post.arrived(worker) || !self.stations[usize::from(worker)].placed.is_empty();
        let now = self.now.mono_ms;
        let station = &mut self.stations[usize::from(worker)];
        let arrived = mem::take(&mut station.rung) || arrived;
        station.readings = 0;
        let deadline = timeout.map(|ms| station.seen_ms.saturating_add(ms));
        let timed_out = deadline.is_some_and(|at| at <= now);
        let sleeps = !told && !arrived && !timed_out;
        station.sleep = if sleeps { Sleep::Until(deadline) } else { Sleep::Awake };
        // Who has nothing to do has nothing to do either when it polls again at the same time.
        station.idle = sleeps && station.seen_ms == now && events.len() == before;
    }

    fn poll_sockets(&mut self, worker: WorkerId, partial: bool, events: &mut Vec<Event>) {
        let ready: Vec<_> =
            self.links_of(worker).filter(|id| self.link(*id).edge.any()).take(200).collect();
        let mut told = Vec::new();
        for (count, id) in ready.into_iter().enumerate() {
            if partial && count > 0 && self.random.chance(500) {
                continue;
            }
            let whole = self.random.chance(300);
            let link = &mut self.links[id as usize];
            let Some((_, slot)) = link.registered else { continue };
            let mut edge = mem::take(&mut link.edge);
            let state = link.state();
            if whole {
                edge = state;
            }
            edge.hang_up |= edge.readable && state.hang_up;
            let token = Token::Connection(slot);
            let (readable, writable) = (edge.readable, edge.writable);
            if readable {
                told.push(id);
            }
            events.push(Event { token, readable, writable, hang_up: edge.hang_up });
        }
        self.polled(usize::from(worker), &told);
    }

    fn invent_events(&mut self, worker: WorkerId, events: &mut Vec<Event>) {
        if !self.random.chance(self.faults.spurious) {
            return;
        }
        self.tally.count("spurious events");
        let slots: Vec<u32> = self
            .links_of(worker)
            .map(|id| self.link(id).registered.unwrap().1)
            .chain(self.stations[usize::from(worker)].stale.iter().copied())
            .chain([0, 1, 100_000])
            .collect();
        for _ in 0..self.random.between(1, 4) {
            let slot = *self.random.pick(&slots);
            let bits = self.random.bits();
            events.push(Event {
                token: Token::Connection(slot),
                readable: bits & 1 != 0,
                writable: bits & 2 != 0,
                hang_up: bits & 0xc == 0xc,
            });
        }
    }
}
