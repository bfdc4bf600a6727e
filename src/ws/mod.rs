//! The WebSocket codec, server side: RFC 6455 with permessage-deflate (RFC 7692). Pure: bytes in,
//! events out, and the other way round; no sockets, clock, threads or randomness. It knows frames
//! and messages, never what a message means.
//!
//! The story of a connection in the order of the files: `handshake` checks the request and writes
//! the 101 (with `deflate` for the extension it agrees on); `message` reads what the client sends,
//! by way of `frame` (headers), `mask`, `text` (UTF-8) and `inflate`, keeping what is unfinished in
//! `partial`; `frame` and `deflate` write what the server sends; `close` ends it.

pub mod close;
pub mod deflate;
pub mod extensions;
pub mod frame;
pub mod handshake;
pub mod inflate;
pub mod mask;
pub mod message;
pub mod text;

mod content;
mod partial;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod slow_inflate;

pub use close::{CloseCode, Failure};
pub use message::{Event, Limits, MessageKind, Reader};
pub use partial::Partial;
