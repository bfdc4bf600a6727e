//! What has come from a connection and is not finished: bytes that have not been looked at (part of
//! a request head, or what came while reading was stopped), the message under way; and the rates of
//! a sender that has not rested lately. A connection that holds none of these has no inbox.

use super::ledger::{Charge, Ledger};
use crate::ws::Partial;

/// Unfinished input.
#[derive(Debug)]
pub struct Inbox {
    /// Bytes that have not been looked at.
    pub held: Vec<u8>,
    /// The frame or message under way.
    pub partial: Option<Box<Partial>>,
    /// Tick at which what is under way began.
    pub began: u32,
    /// Bytes of it that have come.
    pub came: usize,
    /// What a sender does beyond its messages.
    pub pace: Pace,
    charge: Charge,
}

/// Rates that only few connections need, in the units of `worker/rate.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When its allowance of bytes will be whole again.
    pub bytes: Option<u32>,
    /// When its allowance of new channels will be whole again.
    pub channels: Option<u32>,
    /// Messages refused for their rate since it last rested.
    pub refused: u32,
}

impl Inbox {
    /// An empty one, whose bytes count there.
    pub fn new(ledger: &Ledger) -> Self {
        let mut charge = ledger.charge();
        charge.set(size_of::<Self>());
        Self { held: Vec::new(), partial: None, began: 0, came: 0, pace: Pace::default(), charge }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.held.capacity() + self.partial.as_ref().map_or(0, |partial| partial.bytes())
    }

    /// Whether it may go.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.partial.is_none() && self.pace == Pace::default()
    }

    /// Brings the account up to date.
    pub fn settle(&mut self) {
        self.charge.set(size_of::<Self>() + self.bytes());
    }
}
