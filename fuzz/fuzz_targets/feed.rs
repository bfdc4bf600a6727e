//! Any sequence of operations on a feed: it behaves like the slow obvious model of its tests.
#![no_main]

use fanwire::{feed, hub};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/feed/tests/model/mod.rs"]
mod model;

fuzz_target!(|story: (u16, Vec<model::Op>)| {
    let (window_bytes, script) = story;
    model::Pair::new(usize::from(window_bytes)).run(script);
});
