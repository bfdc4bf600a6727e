//! What is counted, and how it is shown in Prometheus text. Each worker writes its own counters
//! (one writer, so a plain load and store), readers add them up. Nothing is counted per delivery.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal $kind:ident;)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $doc])+ $name),+ }

        const COUNTERS: &[(&str, &str, &str)] =
            &[$(($text, stringify!($kind), concat!($($doc),+))),+];
    };
}

counters! {
    /// Connections accepted by the door.
    Accepted = "fanwire_connections_accepted_total" counter;
    /// Connections that this worker has taken over.
    Adopted = "fanwire_connections_adopted_total" counter;
    /// Connections that are gone.
    Buried = "fanwire_connections_closed_total" counter;
    /// Connections refused because the node is full.
    Full = "fanwire_refused_full_total" counter;
    /// Connections and requests refused because their address has too many connections.
    AddressFull = "fanwire_refused_address_total" counter;
    /// Connections refused because too many handshakes were under way.
    HandshakesFull = "fanwire_refused_handshakes_total" counter;
    /// Times that descriptors ran out while accepting.
    Exhausted = "fanwire_accept_exhausted_total" counter;
    /// `WebSocket` connections opened.
    Upgrades = "fanwire_upgrades_total" counter;
    /// HTTP requests answered.
    HttpRequests = "fanwire_http_requests_total" counter;
    /// HTTP requests refused with a 4xx or 5xx.
    HttpRefused = "fanwire_http_refused_total" counter;
    /// HTTP requests refused with 401: no API key, or none that exists.
    Unauthorized = "fanwire_http_unauthorized_total" counter;
    /// HTTP requests, and items of batches, refused because the API key lacks a scope or a channel.
    Forbidden = "fanwire_http_forbidden_total" counter;
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
    /// Deliveries: publications given to the kernel, times the connections that got them.
    Deliveries = "fanwire_deliveries_total" counter;
    /// Pages asked for by readers that lagged.
    Pulls = "fanwire_pulls_total" counter;
    /// Gaps told.
    Gaps = "fanwire_gaps_total" counter;
    /// Errors answered to clients.
    Errors = "fanwire_errors_total" counter;
    /// Requests of clients, and raw messages, that a rule forbids.
    RuleForbids = "fanwire_forbidden_total" counter;
    /// Subscriptions that a new rule has ended.
    Ended = "fanwire_subscriptions_ended_total" counter;
    /// Messages refused because of the rate.
    RateLimited = "fanwire_rate_limited_total" counter;
    /// Times that a connection was not read because of its bytes a second.
    BytesLimited = "fanwire_bytes_limited_total" counter;
    /// Connections closed for ten bursts over the rate without a pause.
    Floods = "fanwire_closed_flood_total" counter;
    /// Requests refused because their connection has brought too many channels into being.
    ChannelsLimited = "fanwire_new_channels_limited_total" counter;
    /// Requests refused because a worker has too much mail.
    Crowded = "fanwire_refused_mail_total" counter;
    /// Connections that ended, or requests refused, because buffers are full.
    BuffersFull = "fanwire_refused_buffers_total" counter;
    /// Times that a connection was not read because answers waited.
    Paused = "fanwire_paused_total" counter;
    /// Connections closed because no pong came.
    NoPong = "fanwire_closed_no_pong_total" counter;
    /// Connections closed because the backend wanted it.
    Disconnected = "fanwire_closed_disconnected_total" counter;
    /// Connections closed because they took nothing for too long.
    Stalled = "fanwire_closed_stalled_total" counter;
    /// Connections closed for want of a request head, body or close in time.
    TimedOut = "fanwire_closed_timeout_total" counter;
    /// Connections closed for a violation of the protocol or a limit.
    Failed = "fanwire_closed_failed_total" counter;
    /// Letters received from other workers.
    Letters = "fanwire_letters_total" counter;
    /// Turns of the loop.
    Turns = "fanwire_turns_total" counter;
    /// `WebSocket` connections that are open.
    Open = "fanwire_websockets" gauge;
    /// Subscriptions.
    Subscriptions = "fanwire_subscriptions" gauge;
    /// Channels.
    Channels = "fanwire_channels" gauge;
    /// Bytes of histories and idempotency keys.
    HistoryBytes = "fanwire_history_bytes" gauge;
    /// Bytes in the windows of feeds.
    WindowBytes = "fanwire_window_bytes" gauge;
    /// Bytes of unfinished input and private output.
    BufferedBytes = "fanwire_buffered_bytes" gauge;
    /// Bytes of letters that wait for workers.
    MailBytes = "fanwire_mail_bytes" gauge;
}

/// The counters of one worker, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerStats {
    values: [AtomicU64; COUNTERS.len()],
    /// Milliseconds of the worker's clock at which the turn began that is under way.
    turn_began_ms: AtomicU64,
    waiting: AtomicBool,
}

impl Default for WorkerStats {
    fn default() -> Self {
        Self {
            values: std::array::from_fn(|_| AtomicU64::new(0)),
            turn_began_ms: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
        }
    }
}

impl WorkerStats {
    /// Adds. Only the worker itself may.
    pub fn add(&self, counter: Counter, count: u64) {
        let value = &self.values[counter as usize];
        value.store(value.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Sets a gauge. Only the worker itself may.
    pub fn set(&self, counter: Counter, count: u64) {
        self.values[counter as usize].store(count, Ordering::Relaxed);
    }

    /// Reads.
    pub fn value(&self, counter: Counter) -> u64 {
        self.values[counter as usize].load(Ordering::Relaxed)
    }

    /// The worker is about to wait for events.
    pub fn waits(&self) {
        self.waiting.store(true, Ordering::Relaxed);
    }

    /// The worker has begun a turn.
    pub fn turns(&self, mono_ms: u64) {
        self.turn_began_ms.store(mono_ms, Ordering::Relaxed);
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Whether the worker waits, or began its turn at most `limit_ms` ago.
    pub fn is_live(&self, mono_ms: u64, limit_ms: u64) -> bool {
        self.waiting.load(Ordering::Relaxed)
            || mono_ms.saturating_sub(self.turn_began_ms.load(Ordering::Relaxed)) <= limit_ms
    }
}

/// The counters of all workers.
#[derive(Debug)]
pub struct Stats {
    workers: Box<[WorkerStats]>,
    /// Times that keys and rules were read again, and that this failed.
    reloads: AtomicU64,
    reloads_failed: AtomicU64,
}

impl Stats {
    /// Counters for so many workers.
    pub fn new(workers: usize) -> Self {
        let workers = (0..workers).map(|_| WorkerStats::default()).collect();
        Self { workers, reloads: AtomicU64::new(0), reloads_failed: AtomicU64::new(0) }
    }

    /// Keys and rules were read again, or could not be.
    pub fn reloaded(&self, well: bool) {
        let count = if well { &self.reloads } else { &self.reloads_failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// One worker's.
    pub fn worker(&self, id: u16) -> &WorkerStats {
        &self.workers[usize::from(id)]
    }

    /// All workers'.
    pub fn workers(&self) -> &[WorkerStats] {
        &self.workers
    }

    /// The sum over all workers.
    pub fn sum(&self, counter: Counter) -> u64 {
        self.workers.iter().map(|worker| worker.value(counter)).fold(0, u64::wrapping_add)
    }

    /// Connections of the node. Reads are not one instant, so this may be off by what moves.
    pub fn connections(&self) -> u64 {
        self.sum(Counter::Adopted).saturating_sub(self.sum(Counter::Buried))
    }

    /// Everything as Prometheus text, summed over the workers.
    pub fn prometheus(&self) -> String {
        let mut text = String::with_capacity(4096);
        for (at, (name, kind, help)) in COUNTERS.iter().enumerate() {
            let sum = self.workers.iter().map(|worker| worker.values[at].load(Ordering::Relaxed));
            let sum = sum.fold(0, u64::wrapping_add);
            let help = help.trim();
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {sum}");
        }
        for (name, help, count) in [
            ("fanwire_reloads_total", "Times that keys and rules were read again.", &self.reloads),
            (
                "fanwire_reloads_failed_total",
                "Times that they could not be, and the old ones stayed in force.",
                &self.reloads_failed,
            ),
        ] {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}");
        }
        let name = "fanwire_connections";
        let connections = self.connections();
        let _ = writeln!(text, "# HELP {name} Connections.\n# TYPE {name} gauge");
        let _ = writeln!(text, "{name} {connections}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_workers() {
        let stats = Stats::new(2);
        stats.worker(0).add(Counter::Accepted, 3);
        stats.worker(1).add(Counter::Accepted, 4);
        stats.worker(1).set(Counter::Channels, 9);
        assert_eq!(stats.sum(Counter::Accepted), 7);
        let text = stats.prometheus();
        assert!(text.contains("\nfanwire_connections_accepted_total 7\n"), "{text}");
        assert!(text.contains("# TYPE fanwire_channels gauge\nfanwire_channels 9\n"), "{text}");
        assert!(text.contains("# HELP fanwire_channels Channels.\n"), "{text}");
    }

    #[test]
    fn a_waiting_worker_is_live_and_a_stuck_one_is_not() {
        let stats = WorkerStats::default();
        stats.turns(1_000);
        assert!(stats.is_live(31_000, 30_000));
        assert!(!stats.is_live(31_001, 30_000));
        stats.waits();
        assert!(stats.is_live(1_000_000, 30_000));
    }
}
