//! The server: listeners, threads, signals. It owns what is outside the workers, and nothing that
//! happens inside them.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::addresses::Addresses;
use crate::clock::Clock;
use crate::config::{Config, ListenAddress};
use crate::entropy;
use crate::limits::RESERVED_DESCRIPTORS;
use crate::listen::{self, SocketFile};
use crate::metrics::Stats;
use crate::worker::mio::MioNet;
use crate::worker::net::Serves;
use crate::worker::{Setup, Worker};

/// A server whose workers turn.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, and for what.
    pub addresses: Vec<(ListenAddress, Serves)>,
    /// How many connections it takes.
    pub max_connections: usize,
    workers: Vec<JoinHandle<()>>,
    /// Unlinked at the end.
    _files: Vec<SocketFile>,
}

impl Server {
    /// Binds the listeners and starts the workers.
    pub fn start(mut config: Config) -> io::Result<Self> {
        config.workers = config.workers.max(1);
        config.max_connections = config.max_connections.min(spare_descriptors(config.workers));
        let max_connections = config.max_connections;
        let (listeners, files) = listen::open(&config)?;
        let address = |listener: &listen::Listener| (listener.address.clone(), listener.serves);
        let addresses = listeners.iter().map(address).collect();
        let worlds =
            MioNet::connected(config.workers, listeners, config.unsent_bytes, Clock::start())?;
        let stats = Arc::new(Stats::new(usize::from(config.workers)));
        let seed = entropy::seed().map_err(io::Error::other)?;
        let clients = Arc::new(Addresses::new(seed));
        let config = Arc::new(config);
        let mut workers = Vec::new();
        for (id, world) in worlds.into_iter().enumerate() {
            let (config, stats) = (Arc::clone(&config), Arc::clone(&stats));
            let addresses = Arc::clone(&clients);
            let setup = Setup { id: id as u16, config, stats, addresses, seed };
            let name = format!("worker-{id}");
            let worker = thread::Builder::new().name(name).spawn(move || {
                let mut worker = Worker::new(setup, world);
                loop {
                    worker.turn();
                }
            })?;
            workers.push(worker);
        }
        Ok(Self { addresses, max_connections, workers, _files: files })
    }

    /// Waits until a signal asks to stop.
    pub fn run_until_signal(self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        if let Some(signal) = signals.forever().next() {
            tracing::info!(signal, workers = self.workers.len(), "stopping");
        }
        Ok(())
    }
}

/// How many connections the descriptor limit allows beside a reserve and what the workers need
/// themselves (poll and waker). The soft limit is raised to the hard one.
fn spare_descriptors(workers: u16) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let current = getrlimit(Resource::Nofile).current;
    if let Err(error) = raised {
        tracing::warn!(%error, ?current, "cannot raise the limit of open files");
    }
    let limit = current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    limit.saturating_sub(RESERVED_DESCRIPTORS + 2 * usize::from(workers))
}
