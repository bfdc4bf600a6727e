//! What the server's processes take, read from `/proc`. Never looks at anything but the processes
//! it was given, and their children.

use super::report::Server;

/// The processes to look at.
#[derive(Clone, Debug)]
pub struct Account {
    /// As given; their children belong to them.
    pub pids: Vec<u32>,
}

/// What they had taken at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {}

impl Account {
    /// Of these processes; `None` where there are none.
    pub fn of(pids: &[u32]) -> Option<Self> {
        (!pids.is_empty()).then(|| Self { pids: pids.to_vec() })
    }

    /// Looks now.
    pub fn read(&self) -> Reading {
        Reading::default()
    }
}

impl Reading {
    /// What was taken since an earlier one, for so many operations.
    pub fn since(&self, _earlier: &Self, _operations: u64) -> Server {
        Server::default()
    }
}

/// Time that this process itself has spent on cores.
pub fn own_cpu_ns() -> u64 {
    0
}
