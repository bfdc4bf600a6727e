//! Load and attack: the built program over real sockets, thousands of connections at a time, many
//! of them hostile. What must hold is counted and compared, never timed; times are printed.
//!
//! `make abuse` runs it in a bounded size; `make abuse MINUTES=30` runs the full sizes and the soak
//! for so long. One test at a time: each wants the machine for itself.

#[allow(dead_code, reason = "shared with tests/it, which uses the rest")]
#[path = "../it/server.rs"]
mod server;
#[allow(dead_code, reason = "shared with tests/it, which uses the rest")]
#[path = "../it/wire.rs"]
mod wire;

mod crowd; // thousands of clients that check what they hear

mod faults; // what breaks, and what is meant to break it
mod readers; // who stops reading, among thousands
mod soak; // random abuse beside a thousand who behave
mod totals; // the bounds of the node under the worst mix

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a worker may have beside tables, histories, windows and buffers: input, answers, pages,
/// compressors, inflaters (ARCHITECTURE.md, memory), and what the allocator holds free.
const WORKER_BYTES: u64 = 12 << 20;

/// Minutes that the long variants may take; without them, all is small.
fn minutes() -> Option<u64> {
    let text = std::env::var("MINUTES").ok().filter(|text| !text.is_empty())?;
    Some(text.parse().expect("MINUTES is a number"))
}

/// Waits until no other test runs, and makes room for as many descriptors as there may be.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the hard one");
    guard
}

/// Four megabytes of nothing, deflated a thousand to one.
fn bomb() -> &'static [u8] {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = Vec::with_capacity(16 << 10);
        let mut raw = flate2::Compress::new(flate2::Compression::best(), false);
        let flush = flate2::FlushCompress::Sync;
        raw.compress_vec(&vec![0; 4 << 20], &mut bytes, flush).expect("it fits");
        bytes
    });
    &BOMB
}

/// A figure of `/proc/<pid>/status`, in bytes.
fn memory(server: &server::Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
    let kib = line.trim_matches([':', ' ', '\t']).strip_suffix(" kB").expect("in kB");
    kib.trim().parse::<u64>().expect("a number") * 1024
}
