//! The peer fastwebsockets.

fn main() {}
