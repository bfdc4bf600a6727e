//! (placeholder)

pub mod mail;
pub mod net;
