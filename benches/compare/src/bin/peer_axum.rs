//! The peer axum.

fn main() {}
