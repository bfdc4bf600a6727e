//! Fanwire, a WebSocket edge server: publications fan out to a very large audience, in each
//! channel's order, once, or the receiver is told what it missed.
//!
//! The arrows between the folders go one way: `server → worker → conn → {http, ws, client, feed,
//! hub, policy}`. What understands bytes or channels (`http`, `ws`, `client`, `feed`, `hub`,
//! `policy`) is pure: no sockets, clock, threads or randomness. ARCHITECTURE.md is the map.

pub mod addresses;
pub mod attempts;
pub mod bench;
pub mod chunks;
pub mod client;
pub mod clock;
pub mod config;
pub mod conn;
pub mod drain;
pub mod entropy;
pub mod feed;
pub mod hooks;
pub mod http;
pub mod hub;
pub mod limits;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod node;
pub mod policy;
pub mod revocations;
pub mod server;
pub mod settings;
pub mod token_command;
pub mod tokens;
pub mod users;
pub mod worker;
pub mod ws;
