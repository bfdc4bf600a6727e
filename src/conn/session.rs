//! What only some connections need: an HTTP request that is under way or waits for its answer, and
//! a WebSocket whose first words wait for the owner's. A WebSocket at rest has no session.

use std::sync::Arc;

use crate::client::code::Fault;
use crate::hub::shard::{Description, Published};
use crate::hub::{ConnectionKey, Position};
use crate::http::body::BodyReader;
use crate::http::head::Scanner;

/// The part of a connection that comes and goes.
#[derive(Debug, Default)]
pub struct Session {
    /// How far an incomplete head has been looked through.
    pub scanner: Scanner,
    /// The HTTP request under way.
    pub call: Option<Call>,
}

/// An HTTP request after its head: its body is awaited, or its answer.
#[derive(Debug)]
pub struct Call {
    /// What it asks for.
    pub ask: Ask,
    /// Its body so far.
    pub body: Option<BodyReader>,
    /// The request was HEAD.
    pub head_only: bool,
    /// The connection ends after the answer.
    pub close: bool,
    /// Answers that are still to come.
    pub awaited: usize,
    /// Answers that have come.
    pub gathered: Gathered,
}

/// Requests whose answer takes a body, or other workers.
#[derive(Debug)]
pub enum Ask {
    /// Publish the body to a channel.
    Publish(Box<PublishAsk>),
    /// Publish the items of the body.
    Batch,
    /// A body that means nothing is read, and then this is answered.
    Ignore(Simple),
    /// Wait for `gathered`.
    Await,
}

/// What a publishing request says besides its body.
#[derive(Debug)]
pub struct PublishAsk {
    /// The channel.
    pub channel: Arc<str>,
    /// The body is bytes, not JSON.
    pub binary: bool,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<Box<str>>,
    /// `Fanwire-Key`.
    pub key: Option<Box<str>>,
    /// `Fanwire-Skip`.
    pub skip: Option<ConnectionKey>,
}

/// Requests that need no body.
#[derive(Clone, Debug)]
pub enum Simple {
    /// Describe a channel.
    Describe(Arc<str>),
    /// Read a channel's history.
    History(Arc<str>, crate::hub::shard::Span),
    /// List channels.
    Channels {
        /// What their names begin with.
        prefix: Box<str>,
        /// After which they stand.
        after: Option<Box<str>>,
        /// At most so many.
        limit: usize,
    },
    /// How are you?
    Status,
    /// The counters.
    Metrics,
    /// Does every worker turn?
    Live,
    /// Does a letter make the trip?
    Ready,
    /// A page or script.
    Asset(&'static crate::conn::session::Asset),
    /// Nothing but a refusal.
    Refuse(crate::http::Refusal),
}

/// A file that is part of the program.
#[derive(Debug)]
pub struct Asset {
    /// Path below `/`.
    pub path: &'static str,
    /// What it is.
    pub content: crate::http::reply::Content,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// Answers that an HTTP request gathers.
#[derive(Debug)]
pub enum Gathered {
    /// None yet, or one that is answered at once.
    Nothing,
    /// One publication.
    One,
    /// A batch: one result per item and channel.
    Results(Vec<Option<Result<Published, Fault>>>),
    /// Channels from every worker.
    Channels {
        /// What has come.
        found: Vec<Description>,
        /// At most so many.
        limit: usize,
    },
    /// Probes that came back.
    Probes,
}

/// The place at which a WebSocket begins to hear `$all`.
#[derive(Clone, Copy, Debug)]
pub struct Beginning(pub Position);
