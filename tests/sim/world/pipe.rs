//! One direction of a connection, as two kernels hold it: bytes that wait to be sent, then bytes
//! that wait to be read, both bounded. It moves only when carried.

use std::collections::VecDeque;

/// Bytes on their way from one end to the other.
#[derive(Debug)]
pub struct Pipe {
    sending: VecDeque<u8>,
    arrived: VecDeque<u8>,
    send_room: usize,
    receive_room: usize,
    end: End,
}

/// How far the end of the stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Sent,
    Arrived,
}

/// What one carrying did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes that became readable.
    pub bytes: usize,
    /// The end of the stream became readable.
    pub end: bool,
}

impl Pipe {
    /// A pipe whose two buffers hold so many bytes (at least one each).
    pub fn new(send_room: usize, receive_room: usize) -> Self {
        Self {
            sending: VecDeque::new(),
            arrived: VecDeque::new(),
            send_room: send_room.max(1),
            receive_room: receive_room.max(1),
            end: End::Open,
        }
    }

    /// Takes as much of `bytes` as there is room for.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        debug_assert_eq!(self.end, End::Open, "a write after the end");
        let count = bytes.len().min(self.room());
        self.sending.extend(&bytes[..count]);
        count
    }

    /// Bytes that `write` would take.
    pub fn room(&self) -> usize {
        self.send_room - self.sending.len().min(self.send_room)
    }

    /// Whether the room is enough that a kernel would tell of it: a third of the buffer.
    pub fn roomy(&self) -> bool {
        self.sending.is_empty() || self.room() * 3 >= self.send_room
    }

    /// Moves at most `limit` bytes to the reader, and behind the last one the end.
    pub fn carry(&mut self, limit: usize) -> Carried {
        let space = self.receive_room - self.arrived.len().min(self.receive_room);
        let bytes = self.sending.len().min(space).min(limit);
        self.arrived.extend(self.sending.drain(..bytes));
        let end = self.end == End::Sent && self.sending.is_empty();
        if end {
            self.end = End::Arrived;
        }
        Carried { bytes, end }
    }

    /// Whether `carry` would do something.
    pub fn can_move(&self) -> bool {
        let bytes = !self.sending.is_empty() && self.arrived.len() < self.receive_room;
        bytes || (self.end == End::Sent && self.sending.is_empty())
    }

    /// Takes arrived bytes into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.arrived.len());
        let (front, back) = self.arrived.as_slices();
        let first = count.min(front.len());
        buffer[..first].copy_from_slice(&front[..first]);
        buffer[first..count].copy_from_slice(&back[..count - first]);
        self.arrived.drain(..count);
        count
    }

    /// Bytes that `read` could take.
    pub fn readable(&self) -> usize {
        self.arrived.len()
    }

    /// Bytes anywhere in the pipe.
    pub fn held(&self) -> usize {
        self.sending.len() + self.arrived.len()
    }

    /// The writer has nothing more to say.
    pub fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Sent;
        }
    }

    /// Whether the writer has said so.
    pub fn finished(&self) -> bool {
        self.end != End::Open
    }

    /// Whether everything has been read, the end included.
    pub fn at_end(&self) -> bool {
        self.end == End::Arrived && self.arrived.is_empty()
    }

    /// The reader is gone: what had arrived is of no use to anybody.
    pub fn forget_arrived(&mut self) {
        self.arrived.clear();
    }

    /// A reset: what was not read yet is lost, but for the first `keep` bytes that had arrived.
    pub fn lose(&mut self, keep: usize) {
        self.sending.clear();
        self.arrived.truncate(keep);
        self.end = End::Sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_through_any_bottleneck() {
        let sent: Vec<u8> = (0..=255).collect();
        for (send_room, receive_room, limit) in [(1, 1, 1), (3, 7, 2), (7, 3, 9), (1000, 1000, 50)]
        {
            let mut pipe = Pipe::new(send_room, receive_room);
            let (mut from, mut got) = (0, Vec::new());
            while !pipe.at_end() {
                if from < sent.len() {
                    from += pipe.write(&sent[from..]);
                } else {
                    pipe.finish();
                }
                assert!(pipe.held() <= send_room + receive_room);
                pipe.carry(limit);
                let mut buffer = [0; 5];
                let count = pipe.read(&mut buffer);
                got.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(got, sent);
        }
    }

    #[test]
    fn the_end_follows_the_last_byte() {
        let mut pipe = Pipe::new(10, 10);
        pipe.write(b"abc");
        pipe.finish();
        assert_eq!(pipe.carry(2), Carried { bytes: 2, end: false });
        assert_eq!(pipe.carry(9), Carried { bytes: 1, end: true });
        assert!(!pipe.at_end() && !pipe.can_move());
        assert_eq!(pipe.read(&mut [0; 9]), 3);
        assert!(pipe.at_end());
    }

    #[test]
    fn a_full_pipe_takes_nothing_until_somebody_reads() {
        let mut pipe = Pipe::new(2, 2);
        assert_eq!(pipe.write(b"abcde"), 2);
        pipe.carry(9);
        assert_eq!(pipe.write(b"cde"), 2);
        assert_eq!((pipe.write(b"e"), pipe.can_move(), pipe.roomy()), (0, false, false));
        pipe.read(&mut [0; 1]);
        pipe.carry(9);
        assert!(pipe.roomy());
    }
}
