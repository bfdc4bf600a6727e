//! The connections of a floor: eight bytes each, in one table, and beside it, for the few that
//! need it, what the kernel would not take and what came in part. Sending is one system call; what
//! a full socket refuses is kept whole and in order until epoll says that there is room. `main.rs`
//! has the loop.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::{Errno, Result};
use rustix::net::{SendFlags, send};

/// How far a connection is, and what it is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Stage {
    /// Its request is awaited.
    Head,
    /// Hears what others send.
    Audience,
    /// Gets back what it sends.
    Echo,
    /// Just held.
    Held,
}

struct Connection {
    fd: Option<OwnedFd>,
    stage: Stage,
    /// Has an entry in `backlogs`.
    blocked: bool,
}

/// What a full socket has yet to take.
struct Backlog {
    pieces: VecDeque<Rc<[u8]>>,
    /// Bytes of the first piece that went out.
    sent: usize,
}

/// All connections, by slot.
#[derive(Default)]
pub struct Connections {
    table: Vec<Connection>,
    free: Vec<u32>,
    backlogs: HashMap<u32, Backlog>,
    /// Starts of frames and heads whose rest has not come yet.
    pub cut: HashMap<u32, Vec<u8>>,
}

impl Connections {
    /// The slot that the next connection gets; `insert` fills it.
    pub fn vacant(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.table.len() as u32)
    }

    pub fn insert(&mut self, fd: OwnedFd) {
        let connection = Connection { fd: Some(fd), stage: Stage::Head, blocked: false };
        match self.free.pop() {
            Some(slot) => self.table[slot as usize] = connection,
            None => self.table.push(connection),
        }
    }

    /// Closes the socket; epoll forgets it by that.
    pub fn close(&mut self, slot: u32) {
        if self.table[slot as usize].fd.take().is_some() {
            self.backlogs.remove(&slot);
            self.cut.remove(&slot);
            self.free.push(slot);
        }
    }

    pub fn fd(&self, slot: u32) -> Option<&OwnedFd> {
        self.table[slot as usize].fd.as_ref()
    }

    pub fn stage(&self, slot: u32) -> Stage {
        self.table[slot as usize].stage
    }

    pub fn enter(&mut self, slot: u32, stage: Stage) {
        self.table[slot as usize].stage = stage;
    }

    pub fn blocked(&self, slot: u32) -> bool {
        self.table[slot as usize].blocked
    }

    /// One send to one connection.
    pub fn send(&mut self, slot: u32, bytes: &[u8]) {
        let failed = self.table[slot as usize].send(bytes, slot, &mut self.backlogs, &mut None);
        if failed.is_err() {
            self.close(slot);
        }
    }

    /// One send to each of the audience but `sender`.
    pub fn send_to_others(&mut self, sender: u32, bytes: &[u8]) {
        let mut kept = None;
        let mut failed = Vec::new();
        for (slot, connection) in (0_u32..).zip(&mut self.table) {
            if connection.stage == Stage::Audience
                && slot != sender
                && connection.send(bytes, slot, &mut self.backlogs, &mut kept).is_err()
            {
                failed.push(slot);
            }
        }
        for slot in failed {
            self.close(slot);
        }
    }

    /// Goes on with what a full socket has yet to take: no longer `blocked` when that was all.
    pub fn resume(&mut self, slot: u32) {
        let connection = &mut self.table[slot as usize];
        let Some(backlog) = self.backlogs.get_mut(&slot) else { return };
        let Some(fd) = &connection.fd else { return };
        while let Some(piece) = backlog.pieces.front() {
            match send(fd, &piece[backlog.sent..], SendFlags::NOSIGNAL) {
                Ok(sent) if sent == piece.len() - backlog.sent => {
                    backlog.pieces.pop_front();
                    backlog.sent = 0;
                }
                Ok(sent) => {
                    backlog.sent += sent; // full again, and epoll will say when it is not
                    return;
                }
                Err(Errno::AGAIN) => return,
                Err(_) => return self.close(slot),
            }
        }
        self.backlogs.remove(&slot);
        connection.blocked = false;
    }
}

impl Connection {
    /// `kept` is the one copy of `bytes` that all blocked connections share.
    fn send(
        &mut self,
        bytes: &[u8],
        slot: u32,
        backlogs: &mut HashMap<u32, Backlog>,
        kept: &mut Option<Rc<[u8]>>,
    ) -> Result<()> {
        let Some(fd) = &self.fd else { return Ok(()) };
        let sent = if self.blocked {
            0
        } else {
            match send(fd, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) if sent == bytes.len() => return Ok(()),
                Ok(sent) => sent,
                Err(Errno::AGAIN) => 0,
                Err(failed) => return Err(failed),
            }
        };
        let piece = Rc::clone(kept.get_or_insert_with(|| Rc::from(bytes)));
        let empty = Backlog { pieces: VecDeque::new(), sent };
        backlogs.entry(slot).or_insert(empty).pieces.push_back(piece);
        self.blocked = true;
        Ok(())
    }
}
