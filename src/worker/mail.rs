//! The letters between workers: what a connection's worker asks of a channel's owner, and what the
//! owner answers. Ordered per pair of workers; the transport is `Net::post`.

use std::sync::Arc;

use super::connections::Census;
use super::errand::Errand;
use crate::client::code::{Code, Fault};
use crate::client::command::RequestId;
use crate::hooks::{self, Verdict};
use crate::hub::channel::Draft;
use crate::hub::page::{Page, Want};
use crate::hub::presence::{self, Who};
use crate::hub::shard::{Description, Published, Since, Span};
use crate::hub::{Audience, ConnectionKey, Delivery, FeedKey, Frames, Position};
use crate::policy::Policy;
use crate::policy::authorize::Caller;

/// One letter.
#[derive(Debug)]
pub enum Mail {
    /// To the owner: count a subscriber, and say where it begins.
    Join(Box<Join>),
    /// To the owner: count one less.
    Leave(Box<Leave>),
    /// To the owner: a reader lags.
    Pull(Box<Pull>),
    /// To the owner: a paced group's round is due.
    Round(Box<Round>),
    /// To the owner: publish.
    Publish(Box<Publish>),
    /// To the owner: read history.
    History(Box<History>),
    /// To the owner: somebody has come, or has left.
    Attend(Box<Attend>),
    /// To the owner: list who is there.
    Roll(Box<Roll>),
    /// To the owner: describe a channel.
    Describe(Arc<str>, Ticket),
    /// To every owner: list channels.
    List(Box<List>),
    /// To one worker after the other: list connections.
    Census(Box<Census>),
    /// To the worker of a connection: close it.
    Disconnect(Box<Disconnect>),
    /// To the worker of a connection: a newer one of its user has taken its seat.
    Replaced(ConnectionKey),
    /// To a worker: do something to connections of a user.
    Errand(Box<Errand>),
    /// To the owner: see that there is a channel, then send this errand to every worker.
    Enlist(Box<Errand>),
    /// To every worker: answer when a publication has made the whole trip to you.
    Probe(Ticket),
    /// To the owner, who sends it back: so an answer that needs nothing of the owner keeps its
    /// place among those that do.
    Return(Box<Answer>),
    /// From the owner: this connection's request has brought a channel into being.
    Created(ConnectionKey),
    /// From the owner: the page that was asked for.
    Page(Box<PageLetter>),
    /// From the owner: a page of a round.
    RoundPage(Box<RoundPage>),
    /// From the owner: a publication.
    Deliver(Box<Delivery>),
    /// From the owner: an answer.
    Answer(Box<Answer>),
    /// From a thread that asks the backend: what it says.
    Verdict(hooks::Ticket, Box<Verdict>),
    /// From the main thread: these rules and keys are in force now.
    Policy(Arc<Policy>),
}

/// What a letter takes beside what it carries, roughly.
const LETTER: usize = 192;

impl Mail {
    /// What it takes in memory, roughly, for the bound on mail. Shared bytes count in full.
    pub fn weight(&self) -> usize {
        LETTER
            + match self {
                Self::Publish(publish) => publish.charge,
                Self::Deliver(delivery) => delivery.frames.len(),
                Self::Answer(answer) | Self::Return(answer) => match &answer.content {
                    Content::History(json) | Content::Members(json) => json.len(),
                    Content::Listed(list) => list.len() * size_of::<Description>(),
                    _ => 0,
                },
                Self::Page(letter) => letter.charge,
                _ => 0,
            }
    }
}

/// Whether a request may bring its channel into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// It may.
    Free,
    /// It may, and its connection is told, which counts.
    Counted,
    /// It may not: its connection has brought forth enough for now.
    Refused,
}

/// A new subscriber.
#[derive(Debug)]
pub struct Join {
    /// Among whom it is counted.
    pub audience: Audience,
    /// The channel.
    pub channel: Arc<str>,
    /// The worker's feed.
    pub feed: FeedKey,
    /// Who waits for a page; nobody, where the feed itself knew where to begin.
    pub reader: Option<Reader>,
    /// From where it wants to hear.
    pub since: Since,
    /// The request that asked for it.
    pub request: Requester,
    /// Whether the channel may be new.
    pub birth: Birth,
}

/// A subscription that waits for a page.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The connection.
    pub connection: ConnectionKey,
    /// Its serial.
    pub serial: u16,
}

/// A subscriber less.
#[derive(Debug)]
pub struct Leave {
    /// Among whom it was counted.
    pub audience: Audience,
    /// The channel.
    pub channel: Arc<str>,
}

/// A reader lags.
#[derive(Debug)]
pub struct Pull {
    /// The channel.
    pub channel: Arc<str>,
    /// The worker's feed.
    pub feed: FeedKey,
    /// Who.
    pub reader: Reader,
    /// The last one it has, where that can be said.
    pub since: Option<Position>,
    /// What it wants.
    pub want: Want,
}

/// A paced group's round is due.
#[derive(Debug)]
pub struct Round {
    /// The channel.
    pub channel: Arc<str>,
    /// Who.
    pub audience: Audience,
    /// The worker's feed.
    pub feed: FeedKey,
    /// Where its last round ended.
    pub since: Position,
}

/// A page of a round.
#[derive(Debug)]
pub struct RoundPage {
    /// The worker's feed.
    pub feed: FeedKey,
    /// The page.
    pub page: Page,
}

/// A publication on its way to the owner.
#[derive(Debug)]
pub struct Publish {
    /// The channel.
    pub channel: Arc<str>,
    /// What.
    pub draft: Draft,
    /// Publisher and key.
    pub idempotency: Option<(Box<str>, Box<str>)>,
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// Whether the channel may be new.
    pub birth: Birth,
    /// Bytes of the payload that this letter answers for: what several letters share counts once.
    pub charge: usize,
}

/// A wish to read history.
#[derive(Debug)]
pub struct History {
    /// The channel.
    pub channel: Arc<str>,
    /// Which part.
    pub span: Span,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// Somebody has come to a channel, or has left it.
#[derive(Debug)]
pub struct Attend {
    /// The channel.
    pub channel: Arc<str>,
    /// Who.
    pub who: Who,
    /// How it has come; else it has left.
    pub entered: Option<Entry>,
}

/// How somebody comes to a channel.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it shows of itself.
    pub info: Option<Arc<str>>,
    /// Names are told here.
    pub full: bool,
}

/// A wish to see who is in a channel.
#[derive(Debug)]
pub struct Roll {
    /// The channel.
    pub channel: Arc<str>,
    /// Which part.
    pub span: presence::Span,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// A wish to see names.
#[derive(Debug)]
pub struct List {
    /// What they begin with.
    pub prefix: Box<str>,
    /// After which they stand.
    pub after: Option<Arc<str>>,
    /// At most so many.
    pub limit: usize,
    /// Who asks, and so which of them may be told.
    pub caller: Caller,
    /// Those that were found in earlier turns.
    pub found: Vec<Description>,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// A wish to close a connection.
#[derive(Debug)]
pub struct Disconnect {
    /// Which.
    pub connection: ConnectionKey,
    /// It shall come back.
    pub reconnect: bool,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The connection.
    pub connection: ConnectionKey,
    /// Which of its requests.
    pub request: Requester,
}

impl From<RequestId> for Requester {
    fn from(id: RequestId) -> Self {
        Self::Client(id)
    }
}

/// Which request of a connection waits.
#[derive(Clone, Debug)]
pub enum Requester {
    /// A client's, by envelope.
    Client(RequestId),
    /// Number n of what an HTTP request asked for.
    Http(u32),
    /// A raw message: nobody waits for words, but it counts as pending.
    Raw,
    /// A probe: what counts is that it comes through.
    Probe,
    /// None: the server says it by itself, behind the answers that are on their way.
    Nobody,
}

impl PageLetter {
    /// What a page answers for: nothing, where others wait for the same frames.
    pub fn charge(page: &Page) -> usize {
        // One holder keeps it for who asks next, one is this letter.
        let shared = |frames: &Frames| Arc::strong_count(frames) > 2;
        page.frames.as_ref().filter(|frames| !shared(frames)).map_or(0, |frames| frames.len())
    }
}

/// A page and whom it is for.
#[derive(Debug)]
pub struct PageLetter {
    /// The worker's feed.
    pub feed: FeedKey,
    /// Who.
    pub reader: Reader,
    /// The page. A refusal instead, when the channel could not be had.
    pub page: Result<Page, Code>,
    /// For a Join: what its answer says.
    pub joined: Option<JoinAnswer>,
    /// Bytes of the page that this letter answers for: what several letters share counts once.
    pub charge: usize,
}

/// What the answer to a subscribe says.
#[derive(Debug)]
pub struct JoinAnswer {
    /// The request.
    pub request: Requester,
    /// The channel's head; absent in a refusal.
    pub position: Option<Position>,
    /// Whether everything that was asked for comes.
    pub recovered: bool,
    /// How many are lost, where that is known.
    pub missed: Option<u64>,
    /// The channel, for who left before this came.
    pub channel: Arc<str>,
    /// Among whom it was to be counted.
    pub audience: Audience,
}

/// An answer from the owner.
#[derive(Debug)]
pub struct Answer {
    /// Who waits for it.
    pub ticket: Ticket,
    /// The channel, where there is one.
    pub channel: Option<Arc<str>>,
    /// What it says.
    pub content: Content,
}

/// What an answer says.
#[derive(Debug)]
pub enum Content {
    /// Of a publish.
    Published(Published),
    /// Of a history: its JSON.
    History(Vec<u8>),
    /// Of who is in a channel: its JSON.
    Members(Vec<u8>),
    /// Of a description.
    Described(Description),
    /// Of a list.
    Listed(Vec<Description>),
    /// Of a list of connections: its JSON.
    Connections(Vec<u8>),
    /// Of a wish to close a connection: how many there were.
    Disconnected(u64),
    /// Of an errand: to how many it has been done.
    Done(u64),
    /// Of a probe.
    Probed,
    /// Of an unsubscribe: its last position, where it had one.
    Left(Option<Position>),
    /// Of a subscription that the server has ended, in a word why: the client is told.
    Ended(&'static str),
    /// Of a history, or of who is there, that was refused, likewise.
    NoHistory(Fault, Option<u64>),
    /// It was refused; when it may be tried again, in milliseconds, where there is a pace.
    Refused(Fault, Option<u64>),
}

impl Content {
    /// Whether it answers one of those requests of which a connection has one at a time.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::History(_) | Self::Members(_) | Self::NoHistory(..))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_letter_is_small() {
        assert!(size_of::<super::Mail>() <= 56, "{}", size_of::<super::Mail>());
    }
}
