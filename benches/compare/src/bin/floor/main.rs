//! The floors: what the work costs when a server does nothing but the system calls. One thread,
//! raw system calls, edge-triggered epoll, each socket registered once, nothing parsed but lengths
//! (`frames`), eight bytes per connection (`connections`).
//!
//! `MODE` says which floor:
//! * `fanout`: each message goes to all other connections, one send per delivery.
//! * `burst`: all whole messages of one read are put together, and out by one send per connection.
//! * `echo`: all whole messages of one read are answered by one send. The path `/echo` gets that
//!   from `fanout` and `burst` as well.
//! * `handshake`, `idle`: a fixed 101, and the connection is held.
//!
//! It must know its client: keys are always the one of RFC 6455, section 1.3, frames are masked
//! with zeros, pings get no answer, a Close is answered by the end of the connection.

mod connections;
mod frames;

use std::env;
use std::io;
use std::os::fd::OwnedFd;

use compare_serving::{listener, ready};
use connections::{Connections, Stage};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, recv};

/// The answer to the key `dGhlIHNhbXBsZSBub25jZQ==`, whatever was sent.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const LISTENER: u64 = u64::MAX;
const READ: usize = 256 * 1024;
const EVENTS: usize = 1024;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Fanout,
    Burst,
    Echo,
    Handshake,
}

struct Floor {
    mode: Mode,
    epoll: OwnedFd,
    listener: OwnedFd,
    connections: Connections,
    input: Vec<u8>,
    output: Vec<u8>,
}

fn main() -> io::Result<()> {
    let mode = match env::var("MODE").as_deref() {
        Ok("fanout") => Mode::Fanout,
        Ok("burst") => Mode::Burst,
        Ok("echo") => Mode::Echo,
        Ok("handshake" | "idle") => Mode::Handshake,
        _ => return Err(io::Error::other("MODE: fanout, burst, echo, handshake or idle")),
    };
    let (epoll, listener) = (epoll::create(CreateFlags::CLOEXEC)?, listener()?);
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), flags)?;
    ready();
    let connections = Connections::default();
    let (input, output) = (vec![0; READ], Vec::new());
    Floor { mode, epoll, listener, connections, input, output }.run()
}

impl Floor {
    fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(failed) => return Err(failed.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    slot => self.turn(slot as u32, event.flags),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let mut flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        if self.mode != Mode::Handshake {
            flags |= EventFlags::OUT; // a 101 always fits
        }
        loop {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(fd) => {
                    let slot = EventData::new_u64(self.connections.vacant().into());
                    epoll::add(&self.epoll, &fd, slot, flags)?;
                    self.connections.insert(fd);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    /// What one event asks for.
    fn turn(&mut self, slot: u32, flags: EventFlags) {
        if self.connections.blocked(slot) {
            self.connections.resume(slot);
            if self.connections.blocked(slot) {
                return; // the edge for reading is made good below, when there is room again
            }
        } else if !flags.intersects(!EventFlags::OUT) {
            return; // room, which is no news
        }
        while let Some(fd) = self.connections.fd(slot) {
            let received = match recv(fd, &mut self.input[..], RecvFlags::empty()) {
                Ok((_, 0)) => return self.connections.close(slot),
                Ok((_, received)) => received,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(_) => return self.connections.close(slot),
            };
            self.take(slot, received);
            if self.connections.blocked(slot) {
                return;
            }
            if received < self.input.len() {
                // A short read has emptied the socket; all that can be left is its end.
                if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
                    self.connections.close(slot);
                }
                return;
            }
        }
    }

    /// What was received, after what was left over from before.
    fn take(&mut self, slot: u32, received: usize) {
        let Some(mut whole) = self.connections.cut.remove(&slot) else {
            let input = std::mem::take(&mut self.input);
            let taken = self.answer(slot, &input[..received]);
            if taken < received && self.connections.fd(slot).is_some() {
                self.connections.cut.insert(slot, input[taken..received].to_vec());
            }
            self.input = input;
            return;
        };
        whole.extend_from_slice(&self.input[..received]);
        let taken = self.answer(slot, &whole);
        if taken < whole.len() && self.connections.fd(slot).is_some() {
            whole.drain(..taken);
            self.connections.cut.insert(slot, whole);
        }
    }

    /// Does what `bytes` ask for and says how many of them that took.
    fn answer(&mut self, slot: u32, bytes: &[u8]) -> usize {
        let stage = self.connections.stage(slot);
        if stage == Stage::Head {
            return self.open(slot, bytes);
        }
        self.output.clear();
        let one_by_one = self.mode == Mode::Fanout && stage == Stage::Audience;
        let taken = frames::take(bytes, |header, payload| {
            self.output.extend_from_slice(header);
            self.output.extend_from_slice(payload);
            if one_by_one {
                self.connections.send_to_others(slot, &self.output);
                self.output.clear();
            }
        });
        if !self.output.is_empty() {
            match stage {
                Stage::Audience => self.connections.send_to_others(slot, &self.output),
                Stage::Echo => self.connections.send(slot, &self.output),
                Stage::Head | Stage::Held => {}
            }
        }
        if taken.closed {
            self.connections.close(slot);
        }
        taken.bytes
    }

    fn open(&mut self, slot: u32, head: &[u8]) -> usize {
        if !head.ends_with(b"\r\n\r\n") {
            return 0;
        }
        let stage = match self.mode {
            Mode::Handshake => Stage::Held,
            Mode::Echo => Stage::Echo,
            Mode::Fanout | Mode::Burst if head.starts_with(b"GET /echo ") => Stage::Echo,
            Mode::Fanout | Mode::Burst => Stage::Audience,
        };
        self.connections.enter(slot, stage);
        self.connections.send(slot, SWITCHING);
        head.len()
    }
}
