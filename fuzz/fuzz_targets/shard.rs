//! Any sequence of operations on a shard: it behaves like the slow obvious model of its tests.
#![no_main]

use fanwire::hub;
use libfuzzer_sys::fuzz_target;

#[path = "../../src/hub/tests/model/mod.rs"]
mod model;

fuzz_target!(|story: (u16, Vec<model::Op>)| {
    let (max_history_bytes, script) = story;
    model::Pair::new(usize::from(max_history_bytes)).run(script);
});
