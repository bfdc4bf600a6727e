//! One connection: two pipes, and what each end knows of the other. The server's end is edge
//! triggered, as epoll's is; a reset loses what was not read; closing with unread input resets.

use std::io::{self, ErrorKind};

use fanwire::worker::net::{Peer, WorkerId};

use super::fairness::Flushed;
use super::pipe::Pipe;
use super::random::Random;

/// What happened at the server's end since it was last polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Bytes, an end or a failure arrived.
    pub readable: bool,
    /// Room arose.
    pub writable: bool,
    /// The peer's end of stream or a failure arrived.
    pub hang_up: bool,
}

impl Edge {
    /// Whether there is anything to tell.
    pub fn any(self) -> bool {
        self.readable || self.writable || self.hang_up
    }
}

/// A connection between a client and the server.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each end knows its own part of the truth")]
pub struct Link {
    /// Client to server.
    pub up: Pipe,
    /// Server to client.
    pub down: Pipe,
    /// The client's address.
    pub peer: Peer,
    /// Where the server's end is registered: the worker and its slot.
    pub registered: Option<(WorkerId, u32)>,
    /// What the next poll has to tell.
    pub edge: Edge,
    /// Since when the server could read: what its worker had sent by then.
    pub waits_since: Option<Flushed>,
    /// The poll of its worker after which it was read last.
    pub read_in: u64,
    /// The last `recv` left nothing (as far as the server knows): the next byte is an edge.
    dry: bool,
    /// The last `send` fell short: the next room is an edge.
    wants_room: bool,
    /// The server wants to be told of room.
    awaits_room: bool,
    /// The server's end fails.
    failed: bool,
    /// The client's end fails.
    client_failed: bool,
    /// The server has closed its descriptor.
    pub server_gone: bool,
    /// The client has closed its descriptor.
    pub client_gone: bool,
}

/// What a client's read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The server has shut down its sending side.
    End,
    /// The connection was reset.
    Reset,
}

impl Link {
    /// A connection with buffers of random size, some tiny.
    pub fn new(peer: Peer, random: &mut Random) -> Self {
        let mut size = || match random.below(10) {
            0 => random.between(16, 128),
            1..5 => random.between(200, 2000),
            _ => random.between(4_000, 64_000),
        };
        Self {
            up: Pipe::new(size(), size()),
            down: Pipe::new(size(), size()),
            peer,
            registered: None,
            edge: Edge::default(),
            waits_since: None,
            read_in: 0,
            dry: true,
            wants_room: false,
            awaits_room: false,
            failed: false,
            client_failed: false,
            server_gone: false,
            client_gone: false,
        }
    }

    /// Registering tells at once of what is there already.
    pub fn register(&mut self, worker: WorkerId, slot: u32) {
        self.registered = Some((worker, slot));
        self.edge = self.state();
        self.dry = true;
    }

    /// Tells of room from now on, and at once of what holds already.
    pub fn await_room(&mut self) {
        self.awaits_room = true;
        self.edge = self.state();
    }

    /// Everything that the server asked for and that holds now, edge or not.
    pub fn state(&self) -> Edge {
        let ended = self.up.at_end() || self.failed;
        Edge {
            readable: self.up.readable() > 0 || ended,
            writable: self.awaits_room && (self.down.roomy() || self.failed),
            hang_up: ended || (self.up.finished() && !self.up.can_move()),
        }
    }

    /// The server receives at most `limit` bytes. With fewer than could have been had, the rest
    /// counts as having arrived just afterwards.
    pub fn recv(&mut self, buffer: &mut [u8], limit: usize) -> io::Result<usize> {
        let wanted = buffer.len();
        let limit = wanted.min(limit);
        let count = self.up.read(&mut buffer[..limit]);
        if count < wanted {
            self.dry = true;
            self.edge.readable |= self.up.readable() > 0;
        }
        if count > 0 || wanted == 0 {
            return Ok(count);
        }
        match (self.failed, self.up.at_end()) {
            (true, _) => Err(ErrorKind::ConnectionReset.into()),
            (false, true) => Ok(0),
            (false, false) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// The server sends at most `limit` bytes. After fewer than there was room for, the room that
    /// is left counts as having arisen just afterwards.
    pub fn send(&mut self, bytes: &[u8], limit: usize) -> io::Result<usize> {
        if self.failed {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.down.finished() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = self.down.write(&bytes[..bytes.len().min(limit)]);
        if count < bytes.len() {
            self.wants_room = true;
            self.edge.writable |= self.awaits_room && self.down.roomy();
        }
        match count {
            0 if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(count),
        }
    }

    /// The server closes its descriptor. Unread input makes it a reset, and of what the client has
    /// not read yet only the first `keep` bytes remain.
    pub fn close_server(&mut self, keep: usize) {
        self.server_gone = true;
        self.registered = None;
        if self.up.readable() > 0 {
            self.fail_client(keep);
        } else {
            self.down.finish();
        }
    }

    /// The network moves up to so many bytes each way. Returns whether something moved.
    pub fn carry(&mut self, up: usize, down: usize, keep: usize, lazy: bool) -> bool {
        let mut moved = false;
        if !self.failed && self.up.can_move() {
            let carried = self.up.carry(up);
            moved |= carried.bytes > 0 || carried.end;
            self.edge.readable |= (carried.bytes > 0 && (self.dry || !lazy)) || carried.end;
            self.edge.hang_up |= carried.end;
            if carried.bytes > 0 {
                self.dry = false;
            }
            if self.server_gone && carried.bytes > 0 {
                self.fail_client(keep);
            }
        }
        if self.down.can_move() && !self.client_failed {
            let carried = self.down.carry(down);
            moved |= carried.bytes > 0 || carried.end;
            if self.client_gone && carried.bytes > 0 {
                self.down.forget_arrived();
                self.fail_server(0);
            }
        }
        if self.wants_room && self.down.roomy() {
            self.wants_room = false;
            self.edge.writable = self.awaits_room;
        }
        moved
    }

    /// Whether `carry` would do something.
    pub fn can_move(&self) -> bool {
        (!self.failed && self.up.can_move()) || (!self.client_failed && self.down.can_move())
    }

    /// Whether nobody can do anything with it any more.
    pub fn dead(&self) -> bool {
        self.server_gone && self.client_gone
    }

    /// The client writes; `None` when that fails.
    pub fn client_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let open = !self.client_failed && !self.up.finished();
        open.then(|| self.up.write(bytes))
    }

    /// The client reads.
    pub fn client_read(&mut self, buffer: &mut [u8]) -> Read {
        match self.down.read(buffer) {
            0 if self.client_failed => Read::Reset,
            0 if self.down.at_end() => Read::End,
            0 => Read::Nothing,
            count => Read::Bytes(count),
        }
    }

    /// The client shuts down its sending side.
    pub fn client_finish(&mut self) {
        self.up.finish();
    }

    /// The client closes its descriptor; with unread input the server's end fails.
    pub fn client_close(&mut self, keep: usize) {
        if self.client_gone {
            return;
        }
        self.client_gone = true;
        self.up.finish();
        if self.down.readable() > 0 {
            self.fail_server(keep);
        }
        self.down.forget_arrived();
    }

    /// The client or the network cuts the connection; the server can still read `keep` bytes.
    pub fn client_reset(&mut self, keep: usize) {
        if self.client_gone {
            return;
        }
        self.client_gone = true;
        self.fail_server(keep);
        self.down.forget_arrived();
    }

    /// Whether the server's end still works.
    pub fn alive(&self) -> bool {
        !self.failed && !self.server_gone
    }

    fn fail_server(&mut self, keep: usize) {
        if !self.failed && !self.server_gone {
            self.up.lose(keep);
            self.failed = true;
            self.edge = Edge { readable: true, writable: self.awaits_room, hang_up: true };
        }
        self.failed = true;
    }

    fn fail_client(&mut self, keep: usize) {
        if !self.client_failed {
            self.down.lose(keep);
            self.client_failed = true;
            self.up.lose(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        let mut link = Link::new(Peer::default(), &mut Random::new(1));
        (link.up, link.down) = (Pipe::new(8, 8), Pipe::new(8, 8));
        link
    }

    fn take(link: &mut Link) -> Edge {
        std::mem::take(&mut link.edge)
    }

    #[test]
    fn an_edge_comes_once_and_again_only_after_the_reader_was_dry() {
        let mut link = link();
        link.register(0, 0);
        assert!(!take(&mut link).any(), "room was not asked for");
        link.await_room();
        assert!(take(&mut link).writable, "what holds already is told when it is asked for");
        link.client_write(b"ab");
        link.carry(9, 9, 0, true);
        assert!(take(&mut link).readable);
        link.client_write(b"cd");
        link.carry(9, 9, 0, true);
        assert!(!take(&mut link).any(), "nobody has read yet");
        assert_eq!(link.recv(&mut [0; 4], 9).unwrap(), 4);
        link.client_write(b"ef");
        link.carry(9, 9, 0, true);
        assert!(!take(&mut link).any(), "a full count is no dry reader");
        assert_eq!(link.recv(&mut [0; 4], 9).unwrap(), 2);
        link.client_write(b"gh");
        link.carry(9, 9, 0, true);
        assert!(take(&mut link).readable);
    }

    #[test]
    fn a_short_read_leaves_an_edge_for_the_rest() {
        let mut link = link();
        link.client_write(b"abcd");
        link.carry(9, 9, 0, true);
        take(&mut link);
        assert_eq!(link.recv(&mut [0; 9], 1).unwrap(), 1);
        assert!(take(&mut link).readable);
    }

    #[test]
    fn data_and_end_are_one_edge_with_hang_up() {
        let mut link = link();
        link.client_write(b"ab");
        link.client_finish();
        link.carry(9, 9, 0, true);
        assert_eq!(take(&mut link), Edge { readable: true, writable: false, hang_up: true });
        assert_eq!(link.recv(&mut [0; 9], 9).unwrap(), 2);
        assert!(!take(&mut link).any(), "no second edge");
        assert_eq!(link.recv(&mut [0; 9], 9).unwrap(), 0);
        assert_eq!(link.send(b"still open this way", 9).unwrap(), 8);
    }

    #[test]
    fn room_is_told_only_after_a_send_fell_short() {
        let mut link = link();
        assert_eq!(link.send(b"1234", 9).unwrap(), 4);
        link.await_room();
        assert!(take(&mut link).writable);
        link.carry(9, 9, 0, true);
        assert!(!take(&mut link).any());
        assert_eq!(link.send(b"123456789", 99).unwrap(), 8);
        assert_eq!(link.send(b"9", 9).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!take(&mut link).any());
        link.carry(9, 9, 0, true);
        assert!(take(&mut link).writable);
    }

    #[test]
    fn closing_with_unread_input_loses_the_last_words() {
        let mut link = link();
        link.client_write(b"late");
        link.carry(9, 9, 0, true);
        link.send(b"goodbye", 9).unwrap();
        link.carry(0, 9, 0, true);
        link.close_server(2);
        let mut buffer = [0; 9];
        assert_eq!(link.client_read(&mut buffer), Read::Bytes(2));
        assert_eq!(link.client_read(&mut buffer), Read::Reset);
        assert_eq!(link.client_write(b"x"), None);
    }

    #[test]
    fn a_lingering_close_keeps_them() {
        let mut link = link();
        link.send(b"goodbye", 9).unwrap();
        link.close_server(0);
        link.carry(9, 9, 0, true);
        let mut buffer = [0; 9];
        assert_eq!(link.client_read(&mut buffer), Read::Bytes(7));
        assert_eq!(link.client_read(&mut buffer), Read::End);
        link.client_write(b"x");
        link.carry(9, 9, 0, true);
        assert_eq!(link.client_read(&mut buffer), Read::Reset, "nobody is there to hear it");
    }

    #[test]
    fn what_is_sent_to_a_closed_client_comes_back_as_a_reset() {
        let mut link = link();
        link.register(0, 0);
        link.client_close(0);
        assert_eq!(link.send(b"ab", 9).unwrap(), 2, "nobody knows yet");
        link.carry(9, 9, 0, true);
        assert_eq!(link.send(b"cd", 9).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(take(&mut link).hang_up);
    }

    #[test]
    fn a_reset_fails_both_ways_after_what_was_kept() {
        let mut link = link();
        link.register(0, 0);
        link.client_write(b"abcdef");
        link.carry(4, 9, 0, true);
        link.send(b"lost", 9).unwrap();
        take(&mut link);
        link.client_reset(3);
        assert!(take(&mut link).hang_up);
        assert_eq!(link.recv(&mut [0; 9], 9).unwrap(), 3);
        assert_eq!(link.recv(&mut [0; 9], 9).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(link.send(b"x", 9).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
