//! The peer tokio_tungstenite.

fn main() {}
