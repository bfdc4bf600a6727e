//! What only some connections need: an HTTP request whose head, body or answer is awaited, or the
//! token that a client has logged in with. The WebSocket of an anonymous client has no session, and
//! a request that is answered at once has none either.

use std::sync::Arc;

use super::ledger::Charge;
use super::wanted::Wanted;
use crate::client::code::Fault;
use crate::http::Refusal;
use crate::http::body::BodyReader;
use crate::http::head::Scanner;
use crate::http::reply::Content;
use crate::hub::ConnectionKey;
use crate::hub::presence::Who;
use crate::hub::shard::{Description, Published, Span};
use crate::policy::authorize::Caller;
use crate::policy::token::Token;
use crate::users::Seat;

/// The part of a connection that comes and goes.
#[derive(Debug, Default)]
pub struct Session {
    /// How far an incomplete head has been looked through.
    pub scanner: Scanner,
    /// The request under way.
    pub call: Option<Call>,
    /// Which of `cors_origins` the request comes from.
    pub cors: Option<u16>,
    /// Who the client is, where it has said so.
    pub login: Option<Login>,
    /// The position in `$all` from which on a client wants to hear that has to log in first.
    pub resumes: Option<Box<str>>,
    /// Its place among the connections of its user.
    pub seat: Option<Seat>,
    /// Channels that the backend has subscribed it to: it follows them all.
    pub given: Vec<Arc<str>>,
}

/// Who a client is, and for how long that is known.
#[derive(Debug)]
pub struct Login {
    /// What it has logged in with.
    pub token: Arc<Token>,
    /// When the token ends, in milliseconds of the monotonic clock: a wall clock that is set
    /// anew ends nobody's.
    pub ends_ms: u64,
    /// Tick at which its client is told so; never again, when it has been.
    pub notice: u32,
    /// Tick at which the connection ends, if no other token has come.
    pub over: u32,
}

/// An HTTP request after its head.
#[derive(Debug)]
pub struct Call {
    /// What it asks for.
    pub ask: Ask,
    /// Who asks.
    pub caller: Caller,
    /// Its body so far.
    pub body: Option<BodyReader>,
    /// What the body takes.
    pub charge: Charge,
    /// Tick at which the body began to come.
    pub began: u32,
    /// The request was HEAD.
    pub head_only: bool,
    /// The connection ends after the answer.
    pub close: bool,
    /// Answers of other workers that are still to come.
    pub awaited: usize,
    /// Those that have come.
    pub gathered: Gathered,
}

/// What a request asks for, owned.
#[derive(Debug)]
pub enum Ask {
    /// Publish the body to a channel.
    Publish(Box<PublishAsk>),
    /// Publish the items of the body.
    Batch,
    /// Describe a channel.
    Describe(Arc<str>),
    /// Read a channel's history.
    History(Arc<str>, Span),
    /// List who is in a channel.
    Presence {
        /// The channel.
        channel: Arc<str>,
        /// Behind this member.
        after: Option<Who>,
        /// At most so many.
        limit: u32,
    },
    /// List channels.
    Channels {
        /// What their names begin with.
        prefix: Box<str>,
        /// After which they stand.
        after: Option<Arc<str>>,
        /// At most so many.
        limit: usize,
    },
    /// List connections.
    Connections(Box<Wanted>),
    /// Close this connection; the flag: so that it comes back.
    Disconnect(Option<ConnectionKey>, bool),
    /// Do something for users.
    User(UserAsk),
    /// How is the node?
    Status,
    /// The counters.
    Metrics,
    /// Does every worker turn?
    Live,
    /// Does a letter make the trip?
    Ready,
    /// A file that is part of the program.
    Asset(&'static Asset),
    /// Something that is refused, whatever the body.
    Refuse(Refusal),
}

/// What a request asks for users.
#[derive(Debug)]
pub enum UserAsk {
    /// Close all connections of this one; the flag: so that they come back.
    Disconnect(Arc<str>, bool),
    /// Subscribe all connections of this one to a channel.
    Subscribe(Arc<str>, Arc<str>),
    /// End their subscriptions.
    Unsubscribe(Arc<str>, Arc<str>),
    /// Take tokens back, as the body says.
    Revoke,
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

/// A file that is part of the program.
#[derive(Debug)]
pub struct Asset {
    /// Its path below `/`.
    pub path: &'static str,
    /// With which status it is given.
    pub status: u16,
    /// What it is.
    pub content: Content,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// What became of a publication; a refusal with its pace in milliseconds, where there is one.
pub type Outcome = Result<Published, (Fault, Option<u64>)>;

/// Answers that a request gathers.
#[derive(Debug)]
pub enum Gathered {
    /// One, which is the answer.
    One,
    /// One per item and channel of a batch.
    Results(Vec<Option<Outcome>>),
    /// Channels from every worker.
    Channels {
        /// What has come.
        found: Vec<Description>,
        /// At most so many.
        limit: usize,
    },
    /// To how many connections something has been done, from every worker.
    Done {
        /// What that is called in the answer.
        word: &'static str,
        /// How many so far.
        count: u64,
    },
    /// A sign of life from every worker.
    Probes,
}
