//! The peer sockudo.

fn main() {}
