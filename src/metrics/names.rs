//! What is counted: every metric's name, kind, labels and meaning, in tables that the code, its
//! text and docs/metrics.md share. What the numbers are is `mod.rs`; how they look is `text.rs`.

/// How a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// It counts in buckets.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What is known about a metric beside its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// How its numbers move.
    pub kind: Kind,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

macro_rules! kind {
    (counter) => {
        Kind::Counter
    };
    (gauge) => {
        Kind::Gauge
    };
}

macro_rules! labels {
    () => {
        &[]
    };
    (worker) => {
        &["worker"]
    };
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal $kind:ident $(by $by:ident)?;)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $doc])+ $name),+ }

        /// The metrics that are one number, or one for each worker, in the order of [`Counter`].
        pub(super) const COUNTERS: &[Family] = &[$(Family {
            name: $text,
            kind: kind!($kind),
            labels: labels!($($by)?),
            help: concat!($($doc),+),
        }),+];
    };
}

counters! {
    /// Connections accepted by the door.
    Accepted = "fanwire_connections_accepted_total" counter;
    /// Connections that a worker has taken over.
    Adopted = "fanwire_connections_adopted_total" counter;
    /// Connections that are gone.
    Buried = "fanwire_connections_closed_total" counter;
    /// `WebSocket` connections opened.
    Upgrades = "fanwire_upgrades_total" counter;
    /// Closes received from clients before the server had sent one.
    ClosesReceived = "fanwire_closes_received_total" counter;
    /// Messages received from clients.
    MessagesIn = "fanwire_messages_received_total" counter;
    /// Bytes received.
    BytesIn = "fanwire_bytes_received_total" counter;
    /// Bytes sent.
    BytesOut = "fanwire_bytes_sent_total" counter;
    /// Send calls.
    Sends = "fanwire_sends_total" counter;
    /// Send calls that the kernel did not take whole.
    ShortWrites = "fanwire_short_writes_total" counter;
    /// Publications that got a position.
    Publications = "fanwire_publications_total" counter;
    /// Publications, and messages of presence, given to the kernel, times connections; to paced
    /// readers also superseded ones.
    Deliveries = "fanwire_deliveries_total" counter;
    /// Pages asked for by readers that lagged.
    Pulls = "fanwire_pulls_total" counter;
    /// Pages of rounds that paced groups got.
    Rounds = "fanwire_rounds_total" counter;
    /// Differences of presence that were told.
    PresenceMessages = "fanwire_presence_messages_total" counter;
    /// Clients told to go, because the node drains or their connection is of age.
    Goaways = "fanwire_goaways_total" counter;
    /// Tokens taken in: logins and refreshes.
    Logins = "fanwire_logins_total" counter;
    /// Subscriptions that the server has ended: new rules, another token, or the backend.
    SubscriptionsEnded = "fanwire_subscriptions_ended_total" counter;
    /// Revocations of tokens that were taken in.
    Revocations = "fanwire_revocations_total" counter;
    /// Letters posted to other workers.
    Posted = "fanwire_letters_posted_total" counter;
    /// Letters received from other workers.
    Letters = "fanwire_letters_total" counter;
    /// Turns of the loop.
    Turns = "fanwire_worker_turns_total" counter by worker;
    /// `WebSocket` connections that are open.
    Open = "fanwire_websockets" gauge;
    /// Users that are logged in, however many connections each of them has.
    Users = "fanwire_users" gauge;
    /// Subscriptions.
    Subscriptions = "fanwire_subscriptions" gauge;
    /// Channels.
    Channels = "fanwire_channels" gauge;
    /// Bytes of histories, last values and idempotency keys.
    HistoryBytes = "fanwire_history_bytes" gauge;
    /// Members of channels that are known by name, each counted in every channel where it is.
    PresenceMembers = "fanwire_presence_members" gauge;
    /// Bytes of these members.
    PresenceBytes = "fanwire_presence_bytes" gauge;
    /// Bytes in the windows of feeds.
    WindowBytes = "fanwire_window_bytes" gauge;
    /// Bytes of unfinished input and private output.
    BufferedBytes = "fanwire_buffered_bytes" gauge;
    /// Bytes of letters that wait for workers.
    MailBytes = "fanwire_mail_bytes" gauge;
    /// Feeds: channels that connections of a worker follow, by encoding.
    Feeds = "fanwire_feeds" gauge by worker;
    /// Feeds that had something to send when a turn ended.
    HotFeeds = "fanwire_hot_feeds" gauge by worker;
    /// Connections whose socket is full: they lag until the peer reads.
    Blocked = "fanwire_blocked_connections" gauge by worker;
    /// Connections whose first request head is awaited.
    Handshakes = "fanwire_handshakes" gauge by worker;
}

macro_rules! reasons {
    ($(#[doc = $doc:literal])+ $name:ident as $family:ident = $text:literal by $label:literal {
        $($(#[doc = $what:literal])+ $reason:ident = $word:literal;)+
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $name { $($(#[doc = $what])+ $reason),+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason),+];

            /// The value of its label.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$reason => $word),+ }
            }
        }

        pub(super) const $family: Family = Family {
            name: $text,
            kind: Kind::Counter,
            labels: &[$label],
            help: concat!($($doc),+),
        };
    };
}

reasons! {
    /// Times that a limit acted, with or without words, by the name of its setting.
    Limit as LIMITS = "fanwire_limits_total" by "limit" {
        /// A connection was refused: the node is full.
        Connections = "max_connections";
        /// A connection was refused: its address has as many as it may.
        Address = "max_connections_per_address";
        /// A connection was closed: its user has as many as that one may.
        User = "max_connections_per_user";
        /// A trusted proxy's connection was refused: it did not begin with a PROXY header.
        ProxyHeader = "proxy_protocol";
        /// A request was refused: it came from a page of another site.
        Origin = "origins";
        /// A connection was refused: too many handshakes under way.
        Handshakes = "max_handshakes";
        /// Accepting paused: no descriptors were left.
        OpenFiles = "open_files";
        /// A request head was too long.
        HeaderBytes = "max_header_bytes";
        /// A body was too long.
        BodyBytes = "max_body_bytes";
        /// A batch had too many items.
        Batch = "max_batch";
        /// A message was too long.
        MessageBytes = "max_message_bytes";
        /// A subscription was refused: the connection has as many as it may.
        Subscriptions = "max_subscriptions";
        /// A channel was refused: the node has as many as it may.
        Channels = "max_channels";
        /// A request was refused: too many keys from its address did not exist.
        BadKeys = "bad_keys";
        /// A revocation was refused: the node remembers as many as it may.
        Revocations = "revocations";
        /// A list was refused: too many were being made.
        Lists = "lists";
        /// A channel has turned to counts: it has too many members to tell their names.
        PresenceMembers = "presence_members";
        /// Somebody is counted in a channel without a name: there is no room for more.
        PresenceBytes = "max_presence_bytes";
        /// Last values were forgotten: a channel had too many keys, or too many bytes of them.
        LastValues = "last_values";
        /// A message was over the rate: refused, or reading paused.
        Messages = "messages_per_second";
        /// A publication was over the rate of its channel: refused, or its publisher is not read.
        PublishRate = "publish_rate";
        /// Reading paused: too many bytes a second.
        Bytes = "bytes_per_second";
        /// A request was refused: its connection has brought too many channels into being.
        NewChannels = "new_channels_per_second";
        /// A connection ended, or a request was refused: buffers hold as much as they may.
        BufferedBytes = "max_buffered_bytes";
        /// A request was refused: too much mail waits for a worker.
        MailBytes = "max_mail_bytes";
        /// Reading paused: too many requests wait for their answers.
        Pending = "max_pending";
        /// The backend was not asked, or not told: too much waits for it.
        HookQueue = "hook_queue_bytes";
        /// Reading paused: a history, or a list of members, is on its way.
        History = "history_answers";
        /// Reading paused: too much output waits.
        Output = "output_bytes";
        /// A request did not arrive in time.
        Handshake = "handshake_timeout";
        /// A client that has to log in had not done so in time.
        Auth = "auth_timeout";
        /// A connection had nothing to say for too long.
        Idle = "idle_timeout";
        /// A ping was not answered in time.
        Pong = "pong_timeout";
        /// A peer took nothing for too long, or a message did not come to its end.
        Stall = "stall_timeout";
        /// A peer did not end in time after the last words.
        Close = "close_timeout";
        /// A WebSocket was of age, and was told to go.
        Age = "max_connection_age";
        /// A connection was cut off: the node had no more time to drain.
        DrainTime = "drain_time";
        /// Workers did not answer a request in time.
        Answer = "answer_timeout";
    }
}

reasons! {
    /// Connections that are gone, by how they ended.
    End as ENDS = "fanwire_ends_total" by "how" {
        /// Both sides had ended in order.
        Closed = "closed";
        /// The peer's stream ended without a Close, or in the middle of a request.
        Lost = "lost";
        /// The connection was reset, or failed in the network.
        Reset = "reset";
        /// The peer took nothing for `stall_timeout`.
        Stalled = "stalled";
        /// The peer did not end within `close_timeout`.
        TimedOut = "timeout";
        /// The server could not take it over, or cut it off without words: its address floods.
        Refused = "refused";
        /// What it had to be sent found no room, in the middle of a frame.
        Overfull = "overfull";
        /// It was still there when the time to drain was over.
        CutOff = "cut_off";
    }
}

reasons! {
    /// Calls to the backend, by what was asked (or that events were told) and what came of it.
    HookOutcome as HOOK_OUTCOMES = "fanwire_hook_calls_total" by "outcome" {
        /// It said yes.
        Allowed = "allowed";
        /// It said no.
        Denied = "denied";
        /// It was told.
        Told = "told";
        /// It did not answer within `hook_timeout`.
        Late = "late";
        /// There was no connection, or it broke.
        Unreachable = "unreachable";
        /// It answered something else.
        Garbage = "garbage";
        /// It was not asked: too many questions wait.
        Crowded = "crowded";
    }
}

pub(super) const HOOK_CALLS: Family = Family { labels: &["call", "outcome"], ..HOOK_OUTCOMES };

pub(super) const HOOK_EVENTS: Family = Family {
    name: "fanwire_hook_events_total",
    kind: Kind::Counter,
    labels: &["event", "outcome"],
    help: " Events that the backend was told, and those that it never will be.",
};

pub(super) const HOOK_QUEUES: Family = Family {
    name: "fanwire_hook_queue_bytes",
    kind: Kind::Gauge,
    labels: &["queue"],
    help: " Bytes that wait for calls to the backend.",
};

pub(super) const HOOK_TIMES: Family = Family {
    name: "fanwire_hook_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: " Calls to the backend, by how long they took; a question's time in the queue included.",
};

impl Limit {
    /// Whether it is a limit of the node, which its operator wants to hear of, and not one of some
    /// connection.
    pub const fn is_of_node(self) -> bool {
        use Limit::{Address, Answer, BadKeys, BufferedBytes, Channels, Connections};
        use Limit::{Handshakes, HookQueue, MailBytes, OpenFiles, PresenceBytes, Revocations};
        matches!(
            self,
            Connections
                | Address
                | Handshakes
                | OpenFiles
                | Channels
                | BadKeys
                | Revocations
                | BufferedBytes
                | HookQueue
                | MailBytes
                | PresenceBytes
                | Answer
        )
    }
}

/// Over what an error was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Over {
    /// HTTP.
    Http,
    /// A WebSocket.
    WebSocket,
}

impl Over {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http, Self::WebSocket];

    /// The value of the label.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "ws",
        }
    }
}

pub(super) const CLOSES: Family = Family {
    name: "fanwire_closes_total",
    kind: Kind::Counter,
    labels: &["code", "word"],
    help: " Closes that the server sent by itself, by code and word.",
};

pub(super) const REFUSALS: Family = Family {
    name: "fanwire_refusals_total",
    kind: Kind::Counter,
    labels: &["code", "over"],
    help: " Errors answered, by code, over HTTP or a WebSocket.",
};

pub(super) const GAPS: Family = Family {
    name: "fanwire_gaps_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: " Gaps told, by reason.",
};

pub(super) const REPLIES: Family = Family {
    name: "fanwire_http_responses_total",
    kind: Kind::Counter,
    labels: &["status"],
    help: " HTTP requests answered, by class of status.",
};

/// The classes of status, in the order of their first digit, from 2.
pub(super) const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

pub(super) const CONNECTIONS: Family = Family {
    name: "fanwire_connections",
    kind: Kind::Gauge,
    labels: &["worker"],
    help: " Connections that are open, HTTP and WebSocket.",
};

pub(super) const MAIL: Family = Family {
    name: "fanwire_mail_pending",
    kind: Kind::Gauge,
    labels: &[],
    help: " Letters posted to workers that have not taken them yet.",
};

pub(super) const DRAINING: Family = Family {
    name: "fanwire_draining",
    kind: Kind::Gauge,
    labels: &[],
    help: " 1 when the node drains.",
};

pub(super) const RELOADS: Family = Family {
    name: "fanwire_reloads_total",
    kind: Kind::Counter,
    labels: &["outcome"],
    help: " Times that keys and rules were read again; where that failed the old ones stay \
        in force.",
};

pub(super) const BUSY: Family = Family {
    name: "fanwire_worker_busy_seconds_total",
    kind: Kind::Counter,
    labels: &["worker"],
    help: " Time that a worker did not wait for events.",
};

pub(super) const TURNS: Family = Family {
    name: "fanwire_turn_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: " Turns of the loops, by how long they took.",
};

pub(super) const LATENCY: Family = Family {
    name: "fanwire_publication_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: " Time from a publication's acceptance until a worker had given it to the kernel for all \
        followers that read. Of each feed one publication is watched at a time.",
};

pub(super) const BUILD: Family = Family {
    name: "fanwire_build_info",
    kind: Kind::Gauge,
    labels: &["version"],
    help: " 1, with the version of the program.",
};

pub(super) const HEAP: Family = Family {
    name: "fanwire_heap_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Bytes of the heap that are in use.",
};
