//! A network in memory for the real worker: sockets are numbers, what they say is held ready, what
//! they are sent is counted and taken at once. Each of its functions stands by itself, so that
//! callgrind books it apart and `callgrind` can leave it out. What is said is up to `work`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use fanwire::hub::{Now, WorkerId};
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Accept, Event, Net, Peer, Serves, Token};

/// How callgrind names the functions of this network.
pub const OWN: &str = "<instructions::world::World as ";

/// One socket's other end.
#[derive(Clone, Copy, Default)]
struct Line {
    slot: u32,
    /// What it has yet to say; `None` for the end of its stream.
    said: Option<&'static [u8]>,
}

/// See above.
#[derive(Default)]
pub struct World {
    lines: Vec<Line>,
    /// Sockets that nobody has.
    free: Vec<NonZeroU32>,
    /// Connections to be accepted.
    knocking: usize,
    /// What each says first.
    greeting: &'static [u8],
    /// What poll tells of next: a line, or the listener.
    stirs: VecDeque<Option<usize>>,
    /// Whether the worker would have slept in its last turn.
    pub idle: bool,
    /// Sends, ever.
    pub sends: u64,
    /// Bytes that were sent, ever.
    pub bytes: u64,
}

impl World {
    /// So many connect, and say this first.
    pub fn connect(&mut self, count: usize, greeting: &'static [u8]) {
        (self.knocking, self.greeting) = (count, greeting);
        self.stirs.push_back(None);
    }

    /// Something comes from the n-th socket: bytes, or its end.
    pub fn say(&mut self, line: usize, what: Option<&'static [u8]>) {
        self.lines[line].said = what;
        self.stirs.push_back(Some(line));
    }

    /// Sockets that are connected.
    pub fn connected(&self) -> usize {
        self.lines.len() - self.free.len()
    }
}

fn at(socket: NonZeroU32) -> usize {
    socket.get() as usize - 1
}

impl Net for World {
    type Socket = NonZeroU32;

    #[inline(never)]
    fn now(&mut self) -> Now {
        Now { mono_ms: 1000, mono_us: 1_000_000, wall_ms: 1_790_000_000_000 }
    }

    #[inline(never)]
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let count = self.stirs.len().min(256);
        self.idle = count == 0 && timeout != Some(Duration::ZERO);
        for stir in self.stirs.drain(..count) {
            let line = stir.map_or(Line::default(), |line| self.lines[line]);
            if stir.is_some() && line.said == Some(&[]) {
                continue; // read since it was said: as with epoll, that is known now
            }
            events.push(Event {
                token: stir.map_or(Token::Listener(0), |_| Token::Connection(line.slot)),
                readable: true,
                writable: false,
                hang_up: stir.is_some() && line.said.is_none(),
            });
        }
    }

    #[inline(never)]
    fn accept(&mut self, _: usize) -> Accept<NonZeroU32> {
        if self.knocking == 0 {
            return Accept::Empty;
        }
        self.knocking -= 1;
        let socket = self.free.pop().or_else(|| {
            self.lines.push(Line::default());
            NonZeroU32::new(self.lines.len() as u32)
        });
        let Some(socket) = socket else { return Accept::Empty };
        self.lines[at(socket)].said = Some(self.greeting);
        let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Accept::Connection(socket, Peer { address, serves: Serves::Everything })
    }

    #[inline(never)]
    fn stop_listening(&mut self) {}

    #[inline(never)]
    fn register(&mut self, socket: &NonZeroU32, slot: u32) -> io::Result<()> {
        self.lines[at(*socket)].slot = slot;
        // The request is there already.
        self.stirs.push_back(Some(at(*socket)));
        Ok(())
    }

    #[inline(never)]
    fn await_room(&mut self, _: &NonZeroU32, _: u32) -> io::Result<()> {
        unreachable!("no socket is ever full")
    }

    #[inline(never)]
    fn recv(&mut self, socket: &NonZeroU32, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(said) = &mut self.lines[at(*socket)].said else { return Ok(0) };
        if said.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = said.len().min(buffer.len());
        buffer[..count].copy_from_slice(&said[..count]);
        *said = &said[count..];
        Ok(count)
    }

    #[inline(never)]
    fn send(&mut self, _: &NonZeroU32, bytes: &[u8]) -> io::Result<usize> {
        self.sends += 1;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    #[inline(never)]
    fn shutdown(&mut self, _: &NonZeroU32) {}

    #[inline(never)]
    fn close(&mut self, socket: NonZeroU32) {
        self.free.push(socket);
    }

    #[inline(never)]
    fn place(&mut self, _: WorkerId, _: NonZeroU32, _: Peer) {}

    #[inline(never)]
    fn take_placed(&mut self, _: &mut Vec<(NonZeroU32, Peer)>) {}

    #[inline(never)]
    fn post(&mut self, _: WorkerId, batch: &mut Vec<Mail>) {
        batch.clear();
    }

    #[inline(never)]
    fn backlog(&self, _: WorkerId) -> usize {
        0
    }

    #[inline(never)]
    fn collect(&mut self, _: &mut Vec<Mail>) {}
}
