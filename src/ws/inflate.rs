//! Inflating compressed messages (RFC 7692, section 7.2.2). The client never keeps its window from
//! message to message (the answer to its offer says so), so between messages a connection holds
//! nothing: a worker has a few inflaters for all its connections, and a message that is cut by the
//! end of a read takes one along.

use std::fmt;
use std::mem;

use flate2::{Decompress, FlushDecompress, Status};

use super::close::Failure;
use super::content::Content;
use super::message::MessageKind;

/// What an inflater costs: window, tables and state.
pub(super) const INFLATER_BYTES: usize = 48 << 10;

/// Inflaters kept for the next messages. One serves all messages that come whole; more are of use
/// only when several connections are in the middle of one.
const POOL: usize = 4;

/// The scratch is given back to the allocator when a message made it larger than this.
const SCRATCH_KEPT: usize = 1 << 20;

/// What the client has cut off the end of its message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// A last, empty block. After the tail an inflater takes exactly this for the end of the stream,
/// unless it is in the middle of something.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xFF, 0xFF];

/// The farthest that deflate can look back.
const WINDOW: usize = 32 << 10;

/// Streams that a message may consist of beyond one for each `BYTES_PER_STREAM` of its content.
/// Each start copies the window, which must not become a way to keep a worker busy.
const FREE_STREAMS: usize = 64;
const BYTES_PER_STREAM: usize = 512;

/// A worker's inflaters, and the memory into which whole messages are inflated.
#[derive(Default)]
pub struct Inflate {
    pool: Vec<Inflater>,
    scratch: Vec<u8>,
}

impl Inflate {
    /// None yet; they are made when needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inflates a whole message of at most `limit` bytes; `last` then has it.
    pub(super) fn message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        limit: usize,
    ) -> Result<(), Failure> {
        let mut memory = mem::take(&mut self.scratch);
        memory.clear();
        memory.shrink_to(SCRATCH_KEPT);
        let mut content = Content::new(kind, memory);
        let mut inflater = self.take();
        let outcome = inflater
            .push(payload, &mut content, limit)
            .and_then(|()| inflater.finish(&mut content, limit))
            .and_then(|()| content.finish());
        self.give_back(inflater);
        self.scratch = content.bytes;
        outcome
    }

    /// The message that was inflated last.
    pub(super) fn last(&mut self) -> &mut [u8] {
        &mut self.scratch
    }

    /// An inflater at the start of a message.
    pub(super) fn take(&mut self) -> Inflater {
        self.pool.pop().unwrap_or_else(Inflater::new)
    }

    /// Takes an inflater back, in whatever state it is.
    pub(super) fn give_back(&mut self, mut inflater: Inflater) {
        if self.pool.len() < POOL {
            inflater.raw.reset(false);
            inflater.streams = 0;
            self.pool.push(inflater);
        }
    }
}

/// Inflates one message, in any number of pieces.
pub(super) struct Inflater {
    raw: Decompress,
    /// Streams that have ended: blocks with BFINAL set.
    streams: usize,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl Inflater {
    fn new() -> Self {
        Self { raw: Decompress::new(false), streams: 0 }
    }

    /// Inflates the next piece into `content`, and checks what comes out as it comes: 1007 for a
    /// bad stream or bad text, 1009 at the first byte beyond `limit`.
    pub fn push(
        &mut self,
        mut piece: &[u8],
        content: &mut Content,
        limit: usize,
    ) -> Result<(), Failure> {
        loop {
            content.make_room(limit);
            let before = self.raw.total_in();
            let step = self.raw.decompress_vec(piece, &mut content.bytes, FlushDecompress::None);
            // What came out counts first, whatever came after it.
            content.check(limit)?;
            let status = step.map_err(|_| BAD_STREAM)?;
            piece = &piece[(self.raw.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                self.restart(&content.bytes)?;
            } else if content.bytes.len() < content.bytes.capacity() {
                // There was room for more, so there was no more.
                return if piece.is_empty() { Ok(()) } else { Err(BAD_STREAM) };
            }
        }
    }

    /// After the last piece: puts back what the client has cut off, and checks that the stream
    /// ends right there, and not in the middle of a block.
    pub fn finish(&mut self, content: &mut Content, limit: usize) -> Result<(), Failure> {
        self.push(&TAIL, content, limit)?;
        let used = self.raw.total_in();
        let status = self.raw.decompress(&END, &mut [0], FlushDecompress::None);
        let whole = self.raw.total_in() - used == END.len() as u64;
        if matches!(status, Ok(Status::StreamEnd)) && whole { Ok(()) } else { Err(BAD_STREAM) }
    }

    /// A block with BFINAL set ended a stream in the middle of a message (RFC 7692, section
    /// 7.2.3.4): the next begins with the window as it is.
    fn restart(&mut self, content: &[u8]) -> Result<(), Failure> {
        self.streams += 1;
        if self.streams > FREE_STREAMS + content.len() / BYTES_PER_STREAM {
            return Err(Failure::bad_data("too many deflate streams in a message"));
        }
        self.raw.reset(false);
        let window = &content[content.len().saturating_sub(WINDOW)..];
        if !window.is_empty() {
            self.raw.set_dictionary(window).map_err(|_| BAD_STREAM)?;
        }
        Ok(())
    }
}

const BAD_STREAM: Failure = Failure::bad_data("bad deflate stream");

#[cfg(test)]
mod tests;
