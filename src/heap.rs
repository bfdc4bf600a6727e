//! The heap: which allocator the program has, and what it has given out. Choosing it is `main`'s
//! business, for a program has one; showing what is in use that of `metrics`.

use tikv_jemalloc_ctl::{epoch, stats};

/// jemalloc: what is freed goes back to the system within seconds, whatever lies between.
pub use tikv_jemallocator::Jemalloc as Allocator;

/// Bytes that are allocated, exactly (by size classes). Only in programs with this allocator.
pub fn in_use() -> u64 {
    // What is read was gathered when the epoch began. Neither fails where statistics are built in.
    let begun = epoch::advance();
    begun.and_then(|_| stats::allocated::read()).map_or(0, |bytes| bytes as u64)
}
