//! The server: listeners, threads, signals. It owns what is outside the workers, and nothing that
//! happens inside them.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use socket2::{Domain, Protocol, Socket, Type};

use crate::addresses::Addresses;
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy;
use crate::limits::{BACKLOG, RESERVED_DESCRIPTORS};
use crate::metrics::Stats;
use crate::worker::mio::MioNet;
use crate::worker::{Setup, Worker};

/// A server whose workers turn.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// How many connections it takes.
    pub max_connections: usize,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds the listeners and starts the workers.
    pub fn start(mut config: Config) -> io::Result<Self> {
        config.workers = config.workers.max(1);
        config.max_connections = config.max_connections.min(spare_descriptors(config.workers));
        let max_connections = config.max_connections;
        let mut listeners = Vec::new();
        for address in &config.listen {
            let socket_addresses = address.to_socket_addrs().map_err(|e| named(address, &e))?;
            for socket_address in socket_addresses {
                let listener = listen(socket_address, config.unsent_bytes);
                listeners.push(listener.map_err(|e| named(address, &e))?);
            }
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let worlds = MioNet::connected(config.workers, listeners, Clock::start())?;
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
        Ok(Self { addresses, max_connections, workers })
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

/// A listener whose connections inherit: no delay of small segments, and a bound to what the kernel
/// may hold unsent, without which one stalled peer swallows megabytes.
fn listen(address: SocketAddr, unsent_bytes: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    if unsent_bytes > 0 {
        socket.set_tcp_notsent_lowat(unsent_bytes)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn named(address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("listen: {address}: {error}"))
}
