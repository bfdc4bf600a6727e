//! Every fixed bound of the server, in one place, with the relations that must hold between them.
//! Bounds that an operator chooses are in `config`; how those relate is checked in `settings`.

/// Answers to one read that are gathered before they are sent.
pub const ANSWER_BYTES: usize = 256 << 10;

/// Bytes that a worker's share of a total of the node has at least, unless the total is given: the
/// default `history_bytes` fits.
pub const LEAST_SHARE: usize = 1 << 20;

/// Connections that the kernel holds for us until we accept them.
pub const BACKLOG: i32 = 4096;

/// Sends to the followers of one hot feed before the next one has its turn.
pub const FEED_SENDS: usize = 32;

/// Subscriptions that a pass looks at for the price of one send.
pub const VISITS_PER_SEND: usize = 64;

/// Connections in a row that fail before they are accepted; then the door rests.
pub const FAILED_ACCEPTS: usize = 64;

/// Period in which quiet channels and old keys are looked for.
pub const UPKEEP_MS: u64 = 10_000;

/// Connections beyond the limit that are told so at the same time; more are just closed.
pub const REFUSALS: u64 = 32;

/// Connections that are looked at in one turn because their time has come.
pub const DUE_PER_TURN: usize = 256;

/// How long a kept HTTP connection may wait for its next request. Longer than the 60 s of nginx, so
/// that the proxy closes first.
pub const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(75);

/// How long a turn may take before `/live` says that the worker is stuck.
pub const LIVE_MS: u64 = 30_000;

/// How long the letters of `/ready` may take.
pub const READY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Between `goaway` and the first closes of a drain.
pub const DRAIN_GRACE_MS: u64 = 1000;

/// Before the end of a drain, to let the threads end in.
pub const DRAIN_END_MS: u64 = 200;

/// Most ticks between the `goaway` of a connection that is of age and its close.
pub const AGE_GRACE_TICKS: u32 = 300;

/// When who was closed to be served elsewhere may come back: not before the first, in milliseconds,
/// and within the second after that.
pub const RETRY_MS: (u32, u32) = (500, 4500);

/// By how much the first of them differs from one connection to the next.
pub const RETRY_JITTER_MS: u64 = 500;

/// The range in which clients are told to reconnect.
pub const RECONNECT_MS: (u64, u64) = (500, 20_000);

/// Messages of one answer to `history`; then `more`. At least one comes.
pub const HISTORY_ANSWER_BYTES: usize = 256 << 10;

/// Bytes read from one connection in one turn, and the size of a worker's one receive buffer.
pub const READ_BYTES: usize = 64 << 10;
/// Sends of one flush, then the worker polls again, so that others get their answers.
pub const FLUSH_SENDS: usize = 128;
/// Bytes of one flush, then the worker polls again.
pub const FLUSH_BYTES: usize = 1 << 20;
/// Connections accepted in one turn.
pub const ACCEPTS: usize = 64;
/// Events taken from one poll.
pub const EVENTS: usize = 256;
/// Bytes of one page of history, or one frame where that is longer.
pub const PAGE_BYTES: usize = 64 << 10;
/// Private output of a blocked connection; beyond it the connection is not read.
pub const OUTPUT_BYTES: usize = 64 << 10;
/// Descriptors that connections may not take: logs, listeners, poll.
pub const RESERVED_DESCRIPTORS: usize = 64;
/// How long to wait before accepting again when descriptors have run out, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Period of the sweep over due ticks, in milliseconds.
pub const TICK_MS: u64 = 100;
/// Most workers of one node.
pub const MAX_WORKERS: u16 = 1024;

/// Nesting of arrays and objects in any JSON that is taken in.
pub const JSON_DEPTH: usize = 64;
/// Bytes of a channel's name.
pub const MAX_CHANNEL_NAME: usize = 128;
/// Bytes of a request's `id`, where it is a string.
pub const MAX_REQUEST_ID: usize = 64;
/// Largest `id`, where it is a number: what a double holds exactly.
pub const MAX_REQUEST_NUMBER: u64 = (1 << 53) - 1;
/// Bytes of a position as a client may send it back.
pub const MAX_POSITION: usize = 64;
/// Bytes of a conflation key or an idempotency key.
pub const MAX_KEY: usize = 64;
/// Keys of a channel whose last values are kept; then the one that was published least recently is
/// forgotten.
pub const LAST_VALUES: usize = 10_000;
/// Publications that a reader in mode `latest` may lag and still get them one by one.
pub const LATEST_LAG: u64 = 32;
/// Periods of paced groups, in milliseconds: `max_rate` is rounded to the next slower one.
pub const PACES_MS: [u16; 16] =
    [20, 40, 67, 100, 134, 200, 334, 500, 667, 1000, 1334, 2000, 3334, 5000, 6667, 10_000];
/// Channels that are told in one turn of who has come and left.
pub const PRESENCES_PER_TURN: usize = 64;
/// Users that leave in one turn because they have been away for too long.
pub const LEAVES_PER_TURN: usize = 1024;
/// Rounds of paced groups that begin in one turn.
pub const ROUNDS_PER_TURN: usize = 64;
/// Bytes of a token, and of a cursor of a list.
pub const MAX_TOKEN: usize = 16 << 10;
/// Bytes of a user's name.
pub const MAX_USER: usize = 128;
/// Bytes of the name of a token's key; no key has a longer one.
pub const MAX_KEY_ID: usize = 256;
/// Patterns in each of a token's lists: each may be looked at for each request of its client.
pub const MAX_TOKEN_PATTERNS: usize = 256;
/// Bytes of what a token tells others of its user.
pub const MAX_TOKEN_INFO: usize = 1 << 10;
/// How often the files of keys are looked at.
pub const WATCH_PERIOD: std::time::Duration = std::time::Duration::from_secs(1);
/// Keys that tokens are verified with: each may be tried for a token without `kid`.
pub const MAX_TOKEN_KEYS: usize = 32;
/// Bytes of the verified tokens that are remembered, so that who comes back is not checked again.
pub const KNOWN_TOKENS_BYTES: usize = 32 << 20;
/// Bytes of a message of a client that has to log in first, where `max_message_bytes` is not less.
pub const MAX_LOGIN: usize = 16 << 10;
/// Bytes of an API key's secret; nothing longer is looked at.
pub const MAX_SECRET: usize = 256;
/// API keys that do not exist, from one address at once; then 429.
pub const KEY_FAILURES: u64 = 10;
/// Time in which one of them is forgiven, in milliseconds.
pub const KEY_FAILURE_PACE_MS: u64 = 5_000;
/// How long an address that had a good API key is heard though others there fail, in milliseconds.
pub const KEY_TRUST_MS: u64 = 3_600_000;
/// Addresses whose failures are remembered, and those with good keys.
pub const KEY_ADDRESSES: usize = 4096;
/// Revocations that a node remembers; then 503.
pub const MAX_REVOCATIONS: usize = 100_000;
/// Bytes of a token's id (`jti`).
pub const MAX_TOKEN_ID: usize = 256;
/// Connections of a user that something is done to before others have their turn.
pub const ERRAND_VISITS: usize = 256;
/// Channels that one `subscribe` may name.
pub const MAX_WISHES: usize = 1000;
/// Names, or connections, that a list looks at before others have their turn.
pub const LIST_VISITS: usize = 1024;
/// Lists that a worker is making at once, over several turns; then 503.
pub const LISTS: usize = 128;
/// Messages or members of one answer, when the request does not say.
pub const LIST_LIMIT: u32 = 100;
/// Messages or members of one answer that a request may ask for.
pub const MAX_LIST_LIMIT: u32 = 1000;
/// Rounds a second of `max_rate`, least and most.
pub const RATES: std::ops::RangeInclusive<f64> = 0.1..=50.0;
/// Messages that a client may send at once beside one `subscribe` for each subscription.
pub const BURST_MARGIN: usize = 32;
/// Bursts refused without a pause; then 4004.
pub const FLOOD_BURSTS: u32 = 10;
/// Channels that a connection may bring into being at once.
pub const NEW_CHANNELS_BURST: u32 = 200;
/// Bytes a second that a body, or a message under way, must come with once its first time is over:
/// one byte now and then holds nothing for long.
pub const LEAST_BYTES_PER_SECOND: usize = 4 << 10;
/// Bytes that a connection may still be told when `max_buffered_bytes` is reached: a Close, or the
/// end of an answer.
pub const LAST_WORDS: usize = 256;
/// When to try again after a total of the node was reached, in milliseconds.
pub const OVERLOAD_PACE_MS: u64 = 1000;
/// Bytes of the settings file, and of a file with a secret.
pub const MAX_SETTINGS_BYTES: u64 = 1 << 20;
/// Rules: each may be looked at for each request of a client.
pub const MAX_RULES: usize = 1000;
/// Keys of the API: each is looked at for each request with a key.
pub const MAX_API_KEYS: usize = 1000;
/// Shortest secret of an API key.
pub const MIN_SECRET: usize = 16;
/// Longest duration of any setting, in milliseconds: due ticks are counted in 32 bits.
pub const MAX_DURATION_MS: u64 = u32::MAX as u64 / 2;
/// Feeds and subscriptions that are looked at in one turn because the rules have changed.
pub const REVIEWS_PER_TURN: usize = 256;
/// Bytes of the backend's answer to a hook; a longer one is none.
pub const HOOK_ANSWER_BYTES: u64 = 16 << 10;
/// Bytes of the head of such an answer.
pub const HOOK_HEAD_BYTES: usize = 16 << 10;
/// Bytes of the backend's words to a client whose request it denies; what is longer is cut.
pub const HOOK_MESSAGE_BYTES: usize = 256;
/// What a call that waits takes beside its body, roughly.
pub const HOOK_CALL_BYTES: usize = 256;
/// Events of one call.
pub const HOOK_BATCH: usize = 100;
/// Bytes of the events of one call, after the first.
pub const HOOK_BATCH_BYTES: usize = 256 << 10;
/// Pauses before a call that tells is tried again, the first and the longest, in milliseconds; each
/// is between a half of that and one and a half.
pub const HOOK_PAUSE_MS: (u64, u64) = (500, 30_000);
/// How long a connection to the backend is kept: shorter than common servers keep theirs, so that
/// no question is written into one that they are closing.
pub const HOOK_IDLE: std::time::Duration = std::time::Duration::from_secs(3);
const _: () = assert!(FLUSH_BYTES >= PAGE_BYTES, "one page fits a flush");
const _: () = assert!(READ_BYTES >= MAX_TOKEN, "a log-in fits one read");
const _: () = assert!(OUTPUT_BYTES >= PAGE_BYTES, "a page does not stop reading by itself");
const _: () = assert!(EVENTS >= ACCEPTS, "a burst of connections is seen whole");
const _: () = assert!(LIST_LIMIT <= MAX_LIST_LIMIT);
const _: () = assert!(MAX_LIST_LIMIT as usize <= LIST_VISITS, "a page takes one look");

/// A bound that an operator has turned off. Sums with it do not overflow.
pub const UNLIMITED: usize = usize::MAX >> 1;
