//! The program: settings in, server out.
fn main() {}
