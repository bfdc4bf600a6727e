//! What waits to be sent to one connection alone: answers, its one page, the rest of a frame that
//! was cut. In order, small things copied together, large ones shared. It never holds live
//! publications: those wait in feeds.

use std::collections::VecDeque;

use crate::hub::Frames;

/// Small pieces are gathered up to this size.
const GATHERED: usize = 16 << 10;

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Shared(Frames),
}

/// Bytes to be sent, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    pieces: VecDeque<Piece>,
    /// What of the first piece is sent.
    sent: usize,
    bytes: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a copy of these bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some(Piece::Own(last)) = self.pieces.back_mut()
            && last.len() + bytes.len() <= GATHERED
        {
            last.extend_from_slice(bytes);
            return;
        }
        self.pieces.push_back(Piece::Own(bytes.to_vec()));
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
        self.pieces.push_back(Piece::Shared(frames));
    }

    /// The next contiguous bytes to send; empty when nothing waits.
    pub fn front(&self) -> &[u8] {
        match self.pieces.front() {
            None => &[],
            Some(Piece::Own(bytes)) => &bytes[self.sent..],
            Some(Piece::Shared(frames)) => &frames[self.sent..],
        }
    }

    /// Notes that so many bytes of the front were taken.
    pub fn taken(&mut self, count: usize) {
        debug_assert!(count <= self.front().len(), "only the front is taken");
        self.bytes -= count;
        self.sent += count;
        if self.front().is_empty() {
            self.pieces.pop_front();
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
            let (mut outbox, mut oracle) = (Outbox::default(), Vec::new());
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
            let mut out = Vec::new();
            while outbox.bytes() > 0 {
                let count = outbox.front().len().min(step);
                out.extend_from_slice(&outbox.front()[..count]);
                outbox.taken(count);
            }
            assert!(out == oracle);
            assert!(outbox.front().is_empty());
        }
    }
}
