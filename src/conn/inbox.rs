//! What has come from a connection and is not finished: bytes that have not been looked at (part of
//! a request head, or what came while reading was stopped), and the message under way.

use crate::ws::Partial;

/// Unfinished input.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Bytes that have not been looked at.
    pub held: Vec<u8>,
    /// The frame or message under way.
    pub partial: Option<Box<Partial>>,
}

impl Inbox {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.held.capacity() + self.partial.as_ref().map_or(0, |partial| partial.bytes())
    }
}
