//! Connections: what a worker keeps of each, in which phase it is, and where it is found. No I/O
//! happens here, and nothing is decided: `worker` does both.
//!
//! `entry` is the connection itself (100 bytes in three parts), `table` finds it, `inbox` and
//! `outbox` hold what is unfinished in either direction, `ledger` counts what they hold, `session`
//! is what only some need, `wanted` is a wish to see some of them.

pub mod entry;
pub mod inbox;
pub mod ledger;
pub mod outbox;
pub mod session;
pub mod table;
pub mod wanted;
