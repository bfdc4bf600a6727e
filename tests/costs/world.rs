//! A world in memory for one or more workers: sockets whose peers take everything at once and say
//! what they are told to, mailboxes, and a clock that moves only when told. Counts every call that
//! a kernel would see, and allocates nothing while it is counted. Faults are the business of
//! `tests/sim`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use fanwire::worker::mail::Mail;
use fanwire::worker::mailbox::Mailbox;
use fanwire::worker::net::{Accept, Event, Net, Now, Peer, Token, WorkerId};

/// What a worker asked of the world. But for posts and collections, each is one system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Polls that brought something, or that only looked; not the sleep after the last one.
    pub polls: usize,
    /// Sleeps that ended because a time had come; they are among the polls.
    pub wakeups: usize,
    pub accepts: usize,
    /// Sockets that poll was told of, or told more of.
    pub registers: usize,
    pub receives: usize,
    pub sends: usize,
    pub shutdowns: usize,
    pub closes: usize,
    /// Batches of letters to other workers, and how many of them had to wake one.
    pub posts: usize,
    pub wakes: usize,
    /// Mailboxes that were not empty when they were looked at.
    pub collects: usize,
}

impl Calls {
    fn combined(self, other: Self, with: fn(usize, usize) -> usize) -> Self {
        Self {
            polls: with(self.polls, other.polls),
            wakeups: with(self.wakeups, other.wakeups),
            accepts: with(self.accepts, other.accepts),
            registers: with(self.registers, other.registers),
            receives: with(self.receives, other.receives),
            sends: with(self.sends, other.sends),
            shutdowns: with(self.shutdowns, other.shutdowns),
            closes: with(self.closes, other.closes),
            posts: with(self.posts, other.posts),
            wakes: with(self.wakes, other.wakes),
            collects: with(self.collects, other.collects),
        }
    }

    pub fn since(self, before: Self) -> Self {
        self.combined(before, |now, then| now - then)
    }
}

/// A socket whose peer takes everything at once, and says what it is told to say.
#[derive(Clone, Copy, Default)]
pub struct Line {
    /// The worker that has it, and its slot there.
    home: Option<(WorkerId, u32)>,
    /// What the peer has said and nobody has received; `None` for the end of its stream.
    said: Option<&'static [u8]>,
    /// Whether the server has closed it.
    pub closed: bool,
}

/// What every worker has of the world.
struct Desk {
    /// Lines about which something has changed; `None` for the listener. Whether a line can be read
    /// is known when poll tells of it, as with epoll.
    stirs: VecDeque<Option<usize>>,
    placed: Vec<(NonZeroU32, Peer)>,
    mail: Mailbox<Mail>,
    weight: usize,
    calls: Calls,
    idle: bool,
}

/// What the workers share.
pub struct Office {
    pub lines: Vec<Line>,
    /// Connections to be accepted, and what each says first.
    knocking: (u32, &'static [u8]),
    desks: Vec<Desk>,
    now_ms: u64,
    /// Nobody sleeps beyond this.
    until_ms: u64,
    /// Pings are answered.
    polite: bool,
    /// The last bytes that were sent, whoever got them.
    pub last: Vec<u8>,
    /// Bytes that were sent.
    pub bytes: usize,
}

const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0];

impl Office {
    pub fn new(workers: WorkerId) -> Rc<RefCell<Self>> {
        let desk = |_| Desk {
            stirs: VecDeque::with_capacity(16_384),
            placed: Vec::with_capacity(64),
            mail: Mailbox::new(),
            weight: 0,
            calls: Calls::default(),
            idle: false,
        };
        Rc::new(RefCell::new(Self {
            lines: Vec::with_capacity(16_384),
            knocking: (0, &[]),
            desks: (0..workers).map(desk).collect(),
            now_ms: 1000,
            until_ms: 0,
            polite: false,
            last: Vec::with_capacity(256 << 10),
            bytes: 0,
        }))
    }

    /// So many connections come, and say this first.
    pub fn knock(&mut self, count: u32, said: &'static [u8]) {
        self.knocking = (count, said);
        self.desks[0].stirs.push_back(None);
    }

    /// The peer of a line says something, or `None`, for good.
    pub fn say(&mut self, line: usize, said: Option<&'static [u8]>) {
        let before = std::mem::replace(&mut self.lines[line].said, said);
        assert_eq!(before, Some(&[][..]), "everything before it was read");
        self.stir(line);
    }

    /// Lets the clock run so long while workers sleep. Their peers answer pings meanwhile.
    pub fn let_pass(&mut self, time: Duration) {
        self.until_ms = self.now_ms + time.as_millis() as u64;
        self.polite = true;
    }

    pub fn is_idle(&self) -> bool {
        self.desks.iter().all(|desk| desk.idle && desk.weight == 0 && desk.placed.is_empty())
    }

    /// What all workers together have asked for.
    pub fn all_calls(&self) -> Calls {
        let none = Calls::default();
        self.desks.iter().fold(none, |sum, desk| sum.combined(desk.calls, |a, b| a + b))
    }

    /// Something about a line has changed.
    fn stir(&mut self, line: usize) {
        if let Some((worker, _)) = self.lines[line].home {
            self.desks[usize::from(worker)].stirs.push_back(Some(line));
        }
    }
}

const SOMETHING: Event =
    Event { token: Token::Listener(0), readable: true, writable: false, hang_up: false };

/// The world of one worker.
pub struct World {
    id: WorkerId,
    office: Rc<RefCell<Office>>,
}

impl World {
    pub fn new(id: WorkerId, office: &Rc<RefCell<Office>>) -> Self {
        Self { id, office: Rc::clone(office) }
    }

    fn count<T>(&self, what: impl FnOnce(&mut Desk) -> T) -> T {
        what(&mut self.office.borrow_mut().desks[usize::from(self.id)])
    }
}

fn at(socket: NonZeroU32) -> usize {
    socket.get() as usize - 1
}

impl Net for World {
    type Socket = NonZeroU32;

    fn now(&mut self) -> Now {
        let mono_ms = self.office.borrow().now_ms;
        Now { mono_ms, mono_us: mono_ms * 1000, wall_ms: 1_790_000_000_000 + mono_ms }
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let office = &mut *self.office.borrow_mut();
        let desk = &mut office.desks[usize::from(self.id)];
        let looks = timeout == Some(Duration::ZERO);
        let has_mail = desk.weight > 0 || !desk.placed.is_empty();
        desk.idle = desk.stirs.is_empty() && !looks && !has_mail;
        if desk.idle {
            let due = timeout.map(|timeout| office.now_ms + timeout.as_millis() as u64);
            let Some(due) = due.filter(|due| *due <= office.until_ms) else { return };
            office.now_ms = due;
            desk.idle = false;
            desk.calls.wakeups += 1;
        }
        desk.calls.polls += 1;
        let count = desk.stirs.len().min(256);
        for stir in desk.stirs.drain(..count) {
            let Some(line) = stir else {
                events.push(Event { token: Token::Listener(0), ..SOMETHING });
                continue;
            };
            let Line { home: Some((_, slot)), said, closed: false } = office.lines[line] else {
                continue;
            };
            if said == Some(&[]) {
                continue; // read since it was said
            }
            let token = Token::Connection(slot);
            events.push(Event { token, hang_up: said.is_none(), ..SOMETHING });
        }
    }

    fn accept(&mut self, _: usize) -> Accept<NonZeroU32> {
        self.count(|desk| desk.calls.accepts += 1);
        let office = &mut *self.office.borrow_mut();
        if office.knocking.0 == 0 {
            return Accept::Empty;
        }
        office.knocking.0 -= 1;
        let said = Some(office.knocking.1);
        office.lines.push(Line { said, ..Line::default() });
        let Some(socket) = NonZeroU32::new(office.lines.len() as u32) else { return Accept::Empty };
        Accept::Connection(socket, Peer::default())
    }

    fn stop_listening(&mut self) {}

    fn register(&mut self, socket: &NonZeroU32, slot: u32) -> io::Result<()> {
        self.count(|desk| desk.calls.registers += 1);
        let office = &mut *self.office.borrow_mut();
        office.lines[at(*socket)].home = Some((self.id, slot));
        office.stir(at(*socket));
        Ok(())
    }

    fn await_room(&mut self, _: &NonZeroU32, _: u32) -> io::Result<()> {
        unreachable!("no socket is ever full")
    }

    fn recv(&mut self, socket: &NonZeroU32, buffer: &mut [u8]) -> io::Result<usize> {
        self.count(|desk| desk.calls.receives += 1);
        let line = &mut self.office.borrow_mut().lines[at(*socket)];
        let Some(said) = &mut line.said else { return Ok(0) };
        if said.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = said.len().min(buffer.len());
        buffer[..count].copy_from_slice(&said[..count]);
        *said = &said[count..];
        Ok(count)
    }

    fn send(&mut self, socket: &NonZeroU32, bytes: &[u8]) -> io::Result<usize> {
        self.count(|desk| desk.calls.sends += 1);
        let office = &mut *self.office.borrow_mut();
        office.bytes += bytes.len();
        office.last.clear();
        let room = office.last.capacity();
        office.last.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if office.polite && bytes == [0x89, 0] {
            office.say(at(*socket), Some(PONG));
        }
        Ok(bytes.len())
    }

    fn shutdown(&mut self, _: &NonZeroU32) {
        self.count(|desk| desk.calls.shutdowns += 1);
    }

    fn close(&mut self, socket: NonZeroU32) {
        self.count(|desk| desk.calls.closes += 1);
        self.office.borrow_mut().lines[at(socket)].closed = true;
    }

    fn place(&mut self, to: WorkerId, socket: NonZeroU32, peer: Peer) {
        self.office.borrow_mut().desks[usize::from(to)].placed.push((socket, peer));
    }

    fn take_placed(&mut self, into: &mut Vec<(NonZeroU32, Peer)>) {
        self.count(|desk| into.append(&mut desk.placed));
    }

    fn post(&mut self, to: WorkerId, batch: &mut Vec<Mail>) {
        let office = &mut *self.office.borrow_mut();
        let desk = &mut office.desks[usize::from(to)];
        desk.weight += batch.iter().map(Mail::weight).sum::<usize>();
        let wakes = desk.mail.post(batch);
        let calls = &mut office.desks[usize::from(self.id)].calls;
        calls.posts += 1;
        calls.wakes += usize::from(wakes);
    }

    fn backlog(&self, of: WorkerId) -> usize {
        self.office.borrow().desks[usize::from(of)].weight
    }

    fn collect(&mut self, into: &mut Vec<Mail>) {
        self.count(|desk| {
            desk.mail.collect(into);
            desk.weight -= into.iter().map(Mail::weight).sum::<usize>();
            desk.calls.collects += usize::from(!into.is_empty());
        });
    }
}
