//! What a message consists of so far: its bytes after unmasking and inflation, in one growing
//! piece, of which text has been checked as far as it goes. The declared length is never believed.

use super::close::Failure;
use super::message::MessageKind;
use super::text;

/// The first memory that an inflated message gets.
const FIRST: usize = 1 << 10;

/// The bytes of an unfinished message.
#[derive(Debug)]
pub(super) struct Content {
    /// Text or binary.
    pub kind: MessageKind,
    /// All bytes so far.
    pub bytes: Vec<u8>,
    /// The first of `bytes` that are known to be whole characters; 0 for binary. At most 3 bytes
    /// fewer than all: those may be the beginning of a character.
    checked: usize,
}

impl Content {
    /// Nothing yet. `bytes` is empty memory to use.
    pub fn new(kind: MessageKind, bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.is_empty());
        Self { kind, bytes, checked: 0 }
    }

    /// Checks what was added to `bytes`: 1007 at the first byte that cannot be UTF-8, 1009 at the
    /// first beyond `limit`, whichever comes first.
    pub fn check(&mut self, limit: usize) -> Result<(), Failure> {
        let within = self.bytes.len().min(limit);
        if self.kind == MessageKind::Text {
            self.checked += text::whole_characters(&self.bytes[self.checked..within])?;
        }
        if self.bytes.len() > limit {
            return Err(Failure::too_large("message is too long"));
        }
        Ok(())
    }

    /// Checks that the end is not in the middle of a character.
    pub fn finish(&self) -> Result<(), Failure> {
        if self.kind == MessageKind::Text && self.checked < self.bytes.len() {
            return Err(Failure::bad_data("text ends inside a character"));
        }
        Ok(())
    }

    /// Makes room for at least one more byte: twice what is there, but never for more than one
    /// byte beyond `limit`.
    pub fn make_room(&mut self, limit: usize) {
        let len = self.bytes.len();
        if len == self.bytes.capacity() {
            let most = limit.saturating_add(1).saturating_sub(len).max(1);
            self.bytes.reserve_exact(len.max(FIRST).min(most));
        }
    }
}
