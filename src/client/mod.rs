//! The client protocol `fanwire.v1`, without the sockets: requests are read, answers are written.
//! Pure: text in, values out, and back. It never decides whether something is allowed, keeps no
//! state of a connection and gives no positions; `docs/protocol.md` is the contract in words.
//!
//! The story starts in `command` (what a client may say), `batch` and `revocation` (what the
//! backend may say over HTTP), all on `json`, `scan` and `name`; it ends in `answer`, whose errors
//! have the words of `code`.

pub mod answer;
pub mod batch;
pub mod code;
pub mod command;
mod json;
pub mod name;
pub mod revocation;
mod scan;
