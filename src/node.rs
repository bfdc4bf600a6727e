//! What the workers of a node share beside mail: tables under locks, each touched when a connection
//! comes, logs in or goes, never by a message. What is in them stands in their own files.

use crate::addresses::Addresses;
use crate::tokens::Tokens;
use crate::users::Users;

/// The tables of a node.
#[derive(Debug)]
pub struct Node {
    /// The clients' addresses.
    pub addresses: Addresses,
    /// Tokens that have been verified.
    pub tokens: Tokens,
    /// Who is connected as whom, and whose tokens were taken back.
    pub users: Users,
}

impl Node {
    /// Nobody is there. The seed is secret: strangers choose what stands in the tables.
    pub fn new(seed: u64) -> Self {
        let (addresses, tokens) = (Addresses::new(seed), Tokens::new(seed));
        Self { addresses, tokens, users: Users::new(seed) }
    }
}
