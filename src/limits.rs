//! Every fixed bound of the server, in one place, with the relations that must hold between them.
//! Bounds that an operator chooses are in `config`; how those relate to these is asserted in
//! `settings`. Nothing here computes.

use crate::config::Config;

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
/// Bytes of a token, and of a cursor of a list.
pub const MAX_TOKEN: usize = 16 << 10;
/// Channels that one `subscribe` may name.
pub const MAX_WISHES: usize = 1000;
/// Messages or members of one answer, when the request does not say.
pub const LIST_LIMIT: u32 = 100;
/// Messages or members of one answer that a request may ask for.
pub const MAX_LIST_LIMIT: u32 = 1000;
/// Rounds a second of `max_rate`, least and most.
pub const RATES: std::ops::RangeInclusive<f64> = 0.1..=50.0;
/// Messages that a client may send at once beside one `subscribe` for each subscription.
pub const BURST_MARGIN: usize = 32;
/// Longest duration of any setting, in milliseconds: due ticks are counted in 32 bits.
pub const MAX_DURATION_MS: u64 = u32::MAX as u64 / 2;
/// What an envelope adds to a payload at most: its fields' names, a channel, a position, a user of
/// 128 bytes whose every byte is escaped, and a frame's head.
pub const ENVELOPE_BYTES: usize = 1536;

const _: () = assert!(FLUSH_BYTES >= PAGE_BYTES, "one page fits a flush");
const _: () = assert!(READ_BYTES >= MAX_TOKEN, "a log-in fits one read");
const _: () = assert!(OUTPUT_BYTES >= PAGE_BYTES, "a page does not stop reading by itself");
const _: () = assert!(EVENTS >= ACCEPTS, "a burst of connections is seen whole");
const _: () = assert!(LIST_LIMIT <= MAX_LIST_LIMIT);
const _: () = assert!(ENVELOPE_BYTES > MAX_CHANNEL_NAME + MAX_POSITION + 6 * 128);

/// Bytes of the longest frame that a payload of a client or of the backend can become: base64 and
/// envelope included.
pub fn longest_frame(config: &Config) -> usize {
    let payload = config.max_message_bytes.max(config.max_body_bytes);
    payload.div_ceil(3).saturating_mul(4).saturating_add(ENVELOPE_BYTES)
}
