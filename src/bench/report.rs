//! What one measured slice says: the object that is printed, and that parents join. Measures
//! nothing itself. `histogram` tells latencies, `join` makes one slice of those of several
//! processes, `table` shows it to people, `progress` says on a terminal what is under way.

use serde::{Deserialize, Serialize};

pub mod histogram;
pub mod join;
pub mod progress;
pub mod table;

/// The result of one slice. Times are in nanoseconds, sizes in bytes; what does not apply is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// `connect`, `fanout`, `echo`, `storm` or `slow`.
    pub scenario: String,
    /// What was spoken.
    pub dialect: String,
    /// Whom it was spoken to.
    pub url: String,
    /// Connections that took part, not counting the publisher's.
    pub connections: u64,
    /// Bytes of the data of one message on the wire.
    pub size: u64,
    /// Messages of one round, in closed loop.
    pub in_flight: Option<u64>,
    /// Messages a second, in open loop.
    pub rate: Option<f64>,
    /// Channels that the subscribers are spread over.
    pub channels: Option<u64>,
    /// Messages that each connection has under way, of `echo`.
    pub depth: Option<u64>,
    /// Processes that took part.
    pub processes: u64,
    /// How long it took.
    pub elapsed_ns: u64,
    /// Messages published.
    pub published: u64,
    /// Deliveries, echoes or handshakes.
    pub operations: u64,
    /// What `operations` would be if nothing were lost or doubled.
    pub expected: u64,
    /// Messages that somebody never got.
    pub lost: u64,
    /// Messages that somebody got again.
    pub duplicated: u64,
    /// Messages that somebody got after a later one.
    pub reordered: u64,
    /// Connections that ended without being asked to.
    pub closed: u64,
    /// Gaps that the server told.
    pub gaps_told: Option<u64>,
    /// Bytes that came in, of everything.
    pub bytes_received: u64,
    /// One delivery as received, header included; of the last one.
    pub frame_bytes: Option<u64>,
    /// How long an operation took.
    pub latency_ns: Option<Latency>,
    /// What the measuring itself took.
    pub client: Client,
    /// What the server took, where its processes are known.
    pub server: Option<Server>,
    /// System calls of the server for each operation.
    pub syscalls_per_operation: Option<f64>,
    /// Of `storm`.
    pub storm: Option<Storm>,
    /// Of `slow`.
    pub stalled: Option<Stalled>,
    /// All latencies: an `HdrHistogram` in its V2 form, in base64.
    pub histogram: Option<String>,
}

/// How long operations took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the usual percentiles")]
pub struct Latency {
    /// How many were looked at.
    pub count: u64,
    pub mean: f64,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// What the measuring process took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Time on a core.
    pub cpu_ns: u64,
    /// The share of the elapsed time that was so spent.
    pub busy: f64,
    /// So much of it that the client itself was the limit.
    pub limit: bool,
}

/// What the server's processes took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Time on cores, of all threads.
    pub cpu_ns: u64,
    /// The part of it in the program.
    pub user_ns: u64,
    /// The part of it in the kernel.
    pub system_ns: u64,
    /// `cpu_ns` for each operation.
    pub cpu_ns_per_operation: Option<f64>,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// The same, where what is shared counts in proportion; null where that is not to be seen.
    pub pss_bytes: Option<u64>,
    /// What resident memory has grown by.
    pub rss_growth_bytes: i64,
    /// Threads at the end.
    pub threads: u64,
    /// Context switches.
    pub switches: u64,
}

/// How a crowd came back that was dropped at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Storm {
    /// Connections that were dropped.
    pub dropped: u64,
    /// How often a connection was tried again after it was refused or lost.
    pub retried: u64,
    /// Until half were restored: subscribed again, and given or told all that they had missed.
    pub restored_50_ns: Option<u64>,
    /// Until 99 of 100 were.
    pub restored_99_ns: Option<u64>,
    /// Until all were; null when some never were.
    pub restored_all_ns: Option<u64>,
    /// Latency of those that were not dropped, from the drop until all were back.
    pub untouched_p99_ns: Option<u64>,
    /// Messages that those who are there in the end got or were told of too few, or too many.
    pub wrong: u64,
}

/// What became of readers that stopped reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stalled {
    /// How many stopped.
    pub count: u64,
    /// Messages that they got, in the end.
    pub received: u64,
    /// Messages that they were told they missed.
    pub told_in_gaps: u64,
    /// How many were closed.
    pub closed: u64,
    /// Messages that those who were not closed neither got nor were told of, or got or were told of
    /// too often.
    pub missing: u64,
    /// Whether what the kernel holds for them was full, so that the server itself had to wait.
    pub filled: bool,
    /// From their waking until they had caught up; null when some never did.
    pub caught_up_ns: Option<u64>,
    /// Resident memory of the server before they stopped.
    pub rss_before_bytes: Option<u64>,
    /// The most of it while they stood still.
    pub rss_peak_bytes: Option<u64>,
    /// The same when they had caught up.
    pub rss_after_bytes: Option<u64>,
    /// What the kernel held for all TCP sockets before they stopped.
    pub sockets_before_bytes: u64,
    /// The most of it while they stood still.
    pub sockets_peak_bytes: u64,
}
