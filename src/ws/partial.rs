//! What a connection keeps of the unfinished: a frame cut by the end of a read, a message whose
//! fragments are still coming. At rest a connection keeps nothing at all.
//!
//! Memory follows the bytes that came, never a length that was declared, and never the number of
//! fragments. `message` drives this; nobody else does.

use super::close::Failure;
use super::content::Content;
use super::frame::{ClientHeader, MAX_CLIENT_HEADER, Opcode};
use super::inflate::{INFLATER_BYTES, Inflate, Inflater};
use super::mask;

/// The unfinished input of one connection. Kept as `Option<Box<Partial>>`, `None` at rest.
#[derive(Debug, Default)]
pub struct Partial {
    /// The bytes of a header that is not complete, `head_len` of them.
    head: [u8; MAX_CLIENT_HEADER],
    head_len: u8,
    /// The frame whose header is complete and whose payload is not.
    pub(super) frame: Option<OpenFrame>,
    /// What came of the payload of an unfinished control frame.
    pub(super) control: Vec<u8>,
    /// The message that has begun and not ended.
    pub(super) message: Option<OpenMessage>,
}

/// A frame of which some payload is still to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFrame {
    pub opcode: Opcode,
    pub fin: bool,
    /// Bytes to come.
    pub left: usize,
    /// The masking key, turned so that its first byte belongs to the next one to come.
    pub key: [u8; 4],
}

/// A message of which some frame, or part of one, is still to come.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub content: Content,
    /// Present in a compressed message.
    pub inflater: Option<Inflater>,
}

impl Partial {
    /// The memory it takes, in bytes, for the node's accounting.
    pub fn bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| {
            let inflater = if message.inflater.is_some() { INFLATER_BYTES } else { 0 };
            message.content.bytes.capacity() + inflater
        });
        size_of::<Self>() + self.control.capacity() + message
    }

    /// Whether nothing is unfinished, so that it may be dropped.
    pub(super) fn is_empty(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// The bytes so far of an incomplete header.
    pub(super) fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    /// Adds bytes to an incomplete header. It has room for the longest one, and a header that is
    /// complete is taken out at once, so nothing is ever left over.
    pub(super) fn extend_head(&mut self, bytes: &[u8]) {
        for (slot, byte) in self.head.iter_mut().skip(usize::from(self.head_len)).zip(bytes) {
            *slot = *byte;
            self.head_len += 1;
        }
    }

    /// The header is complete: its payload, of `len` bytes, begins.
    pub(super) fn open(&mut self, header: &ClientHeader, len: usize) {
        self.head_len = 0;
        let ClientHeader { opcode, fin, key, .. } = *header;
        self.frame = Some(OpenFrame { opcode, fin, left: len, key });
    }
}

impl OpenFrame {
    /// Unmasks the next bytes of this frame, at most `left`.
    pub fn unmask(&mut self, bytes: &mut [u8]) {
        mask::unmask(bytes, self.key, 0);
        self.key = mask::rotated(self.key, bytes.len());
        self.left -= bytes.len();
    }
}

impl OpenMessage {
    /// Adds an unmasked piece, of which an uncompressed one is known to be within `limit`.
    pub fn push(&mut self, piece: &[u8], limit: usize) -> Result<(), Failure> {
        if let Some(inflater) = &mut self.inflater {
            return inflater.push(piece, &mut self.content, limit);
        }
        self.content.bytes.extend_from_slice(piece);
        self.content.check(limit)
    }

    /// The message is complete: its content, with the inflater back in the pool.
    pub fn finish(mut self, limit: usize, inflate: &mut Inflate) -> Result<Content, Failure> {
        if let Some(mut inflater) = self.inflater.take() {
            let outcome = inflater.finish(&mut self.content, limit);
            inflate.give_back(inflater);
            outcome?;
        }
        self.content.finish()?;
        Ok(self.content)
    }
}
