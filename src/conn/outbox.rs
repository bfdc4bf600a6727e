//! What waits to be sent to one connection alone: answers, its one page, the rest of a frame that
//! was cut. In order, small things copied together, large ones shared. It never holds live
//! publications: those wait in feeds.

use std::collections::VecDeque;

use super::ledger::{Charge, Ledger, Shared};
use crate::hub::Frames;

/// Small pieces are gathered up to this size.
const GATHERED: usize = 16 << 10;

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Shared(Shared),
}

impl Piece {
    /// What it takes of memory of its own.
    fn memory(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.capacity(),
            Self::Shared(_) => 0,
        }
    }
}

/// Bytes to be sent, in order.
#[derive(Debug)]
pub struct Outbox {
    pieces: VecDeque<Piece>,
    /// What of the first piece is sent.
    sent: usize,
    bytes: usize,
    ledger: Ledger,
    charge: Charge,
}

impl Outbox {
    /// An empty one, whose bytes count there.
    pub fn new(ledger: &Ledger) -> Self {
        let mut charge = ledger.charge();
        charge.set(size_of::<Self>());
        Self { pieces: VecDeque::new(), sent: 0, bytes: 0, ledger: ledger.clone(), charge }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it takes, counted the slow way: its own, and the shared frames that it waits for.
    pub fn recount(&self) -> (usize, Vec<&Frames>) {
        let own = self.pieces.iter().map(Piece::memory).sum::<usize>();
        let shared = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Own(_) => None,
            Piece::Shared(shared) => Some(shared.frames()),
        });
        (size_of::<Self>() + own, shared.collect())
    }

    /// Adds a copy of these bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some(Piece::Own(last)) = self.pieces.back_mut()
            && last.len() + bytes.len() <= GATHERED
        {
            let before = last.capacity();
            last.extend_from_slice(bytes);
            let grown = last.capacity() - before;
            self.charge.set(self.charge.bytes() + grown);
            return;
        }
        self.add(Piece::Own(bytes.to_vec()));
    }

    fn add(&mut self, piece: Piece) {
        self.charge.set(self.charge.bytes() + piece.memory());
        self.pieces.push_back(piece);
    }

    /// Adds shared bytes, from `from` on.
    pub fn share(&mut self, frames: Frames, from: usize) {
        if from >= frames.len() {
            return;
        }
        if frames.len() - from <= 1024 || from > 0 && !self.pieces.is_empty() {
            self.push(&frames[from..]);
            return;
        }
        self.bytes += frames.len() - from;
        if from > 0 {
            self.sent = from;
        }
        let shared = self.ledger.share(frames);
        self.add(Piece::Shared(shared));
    }

    /// The next contiguous bytes to send; empty when nothing waits.
    pub fn front(&self) -> &[u8] {
        match self.pieces.front() {
            None => &[],
            Some(Piece::Own(bytes)) => &bytes[self.sent..],
            Some(Piece::Shared(shared)) => &shared.frames()[self.sent..],
        }
    }

    /// Notes that so many bytes of the front were taken.
    pub fn taken(&mut self, count: usize) {
        debug_assert!(count <= self.front().len(), "only the front is taken");
        self.bytes -= count;
        self.sent += count;
        if self.front().is_empty() {
            let gone = self.pieces.pop_front().map_or(0, |piece| piece.memory());
            self.charge.set(self.charge.bytes() - gone);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_whatever_the_sizes_and_cuts() {
        for step in [1, 3, 1000, 70_000] {
            let ledger = Ledger::default();
            let (mut outbox, mut oracle) = (Outbox::new(&ledger), Vec::new());
            let large: Frames = vec![7; 40_000].into();
            outbox.share(large.clone(), 39_990);
            oracle.extend_from_slice(&large[39_990..]);
            for (length, byte) in [(10, 1u8), (20_000, 2), (5, 3), (1, 4)] {
                outbox.push(&vec![byte; length]);
                oracle.extend(vec![byte; length]);
                outbox.share(large.clone(), usize::from(byte));
                oracle.extend_from_slice(&large[usize::from(byte)..]);
                outbox.share(large.clone(), 0);
                oracle.extend_from_slice(&large);
            }
            assert_eq!(outbox.bytes(), oracle.len());
            let (own, shared) = outbox.recount();
            assert!(shared.len() > 1, "the large frames wait more than once");
            assert_eq!(ledger.bytes(), own + large.len(), "and count once");
            let mut out = Vec::new();
            while outbox.bytes() > 0 {
                let count = outbox.front().len().min(step);
                out.extend_from_slice(&outbox.front()[..count]);
                outbox.taken(count);
            }
            assert!(out == oracle);
            assert!(outbox.front().is_empty());
            assert_eq!(ledger.bytes(), size_of::<Outbox>(), "what is sent is not held");
            drop(outbox);
            assert_eq!(ledger.bytes(), 0);
        }
    }
}
