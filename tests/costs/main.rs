//! What things cost, exactly: system calls, allocations, heap bytes and bytes on the wire of a
//! delivery, an echo, a handshake, an idle minute, counted with the real worker by an allocator and
//! a network that count. `world` is the network, `node` what is asked of it, `sockets` the real
//! one; the others have the tests. How many instructions it takes is `benches/instructions`.

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod answers;
mod fanout;
mod handshakes;
mod idle;
mod memory;
mod node;
mod sockets;
mod workers;
mod world;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time, for the allocator counts for all threads.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
