//! The server: listeners, threads, signals. It owns what is outside the workers, and nothing that
//! happens inside them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::clock::Clock;
use crate::config::{Config, ListenAddress};
use crate::entropy::{self, Random};
use crate::hooks::{Hooks, Ticket, Verdict};
use crate::limits::{RESERVED_DESCRIPTORS, WATCH_PERIOD};
use crate::listen::{self, SocketFile};
use crate::metrics::{End, Stats};
use crate::node::Node;
use crate::policy::Policy;
use crate::settings::{Refused, Reload, Reloaded};
use crate::worker::mail::Mail;
use crate::worker::mio::{MioNet, Post};
use crate::worker::net::Serves;
use crate::worker::{Setup, Worker};
use crate::ws::close::CloseCode;

/// The signals that ask to stop.
const STOPPING: [i32; 2] = [SIGTERM, SIGINT];

/// A server whose workers turn.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, and for what.
    pub addresses: Vec<(ListenAddress, Serves)>,
    /// How many connections it takes.
    pub max_connections: usize,
    workers: Vec<JoinHandle<()>>,
    hooks: Callers,
    post: Post,
    stats: Arc<Stats>,
    clock: Clock,
    signals: Receiver<i32>,
    /// Unlinked at the end.
    _files: Vec<SocketFile>,
}

impl Server {
    /// Binds the listeners and starts the workers.
    pub fn start(mut config: Config) -> io::Result<Self> {
        // First of all: whoever sees that it serves may ask it to stop, or to read settings again.
        let signals = forwarded(Signals::new([SIGTERM, SIGINT, SIGHUP])?)?;
        config.workers = config.workers.max(1);
        config.max_connections = config.max_connections.min(spare_descriptors(config.workers));
        let max_connections = config.max_connections;
        let (listeners, files) = listen::open(&config)?;
        let address = |listener: &listen::Listener| (listener.address.clone(), listener.serves);
        let addresses: Vec<_> = listeners.iter().map(address).collect();
        let clock = Clock::start();
        let worlds = MioNet::connected(config.workers, listeners, config.unsent_bytes, clock)?;
        let Some(post) = worlds.first().map(MioNet::post_office) else {
            return Err(io::Error::other("workers: there must be one"));
        };
        let stats = Arc::new(Stats::new(usize::from(config.workers)));
        let seed = entropy::seed().map_err(io::Error::other)?;
        let node = Arc::new(Node::new(seed));
        let mut hooks = Callers::new(&config, clock, &stats)?;
        hooks.turn_to(&config.policy, &post)?;
        let config = Arc::new(config);
        let mut workers = Vec::new();
        for (id, world) in worlds.into_iter().enumerate() {
            let (config, stats) = (Arc::clone(&config), Arc::clone(&stats));
            let node = Arc::clone(&node);
            let world = world.with_hooks(&hooks.hooks);
            let setup = Setup { id: id as u16, config, stats, node, seed };
            let name = format!("worker-{id}");
            let worker = thread::Builder::new().name(name).spawn(move || {
                let mut worker = Worker::new(setup, world);
                while !worker.is_over() {
                    worker.turn();
                }
            })?;
            workers.push(worker);
        }
        let (version, count) = (env!("CARGO_PKG_VERSION"), workers.len());
        tracing::info!(version, workers = count, max_connections, "started");
        for (address, serves) in &addresses {
            tracing::info!(%address, ?serves, "listening");
        }
        Ok(Self {
            addresses,
            max_connections,
            workers,
            hooks,
            post,
            stats,
            clock,
            signals,
            _files: files,
        })
    }

    /// Serves until a signal asks to stop, then drains; reads keys and rules again when one asks
    /// for that, and keys of tokens when their files have changed. A second one to stop ends the
    /// process at once, with the status of one that a signal has ended: 128 and its number.
    pub fn run_until_signal(mut self, mut reload: Reload) -> io::Result<()> {
        let at_once = Arc::new(AtomicBool::new(false));
        for signal in STOPPING {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&at_once))?;
        }
        loop {
            match next(&self.signals, reload.watches()) {
                Some(SIGHUP) => self.put_in_force(reload.read()),
                Some(signal) => {
                    at_once.store(true, Ordering::Relaxed);
                    tracing::info!(signal, connections = self.stats.connections(), "draining");
                    break;
                }
                None => {
                    if let Some(read) = reload.read_token_keys() {
                        self.put_in_force(read);
                    }
                }
            }
        }
        self.drain();
        Ok(())
    }

    /// Gives what was read again to every worker; or says what is wrong, and all stays as it is.
    fn put_in_force(&mut self, read: Result<Reloaded, Refused>) {
        let Reloaded { policy, waiting, warnings } = match read {
            Ok(reloaded) => reloaded,
            Err(refused) => {
                for reason in refused.lines() {
                    tracing::error!(reason, "settings not reloaded, the old ones stay in force");
                }
                return self.stats.reloaded(false);
            }
        };
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if !waiting.is_empty() {
            let settings = waiting.join(", ");
            tracing::warn!(settings, "changed settings that need a new start");
        }
        let (keys, token_keys) = (policy.keys.len(), policy.token_keys.len());
        tracing::info!(keys, token_keys, rules = policy.rules.len(), "reloaded");
        if let Err(error) = self.hooks.turn_to(&policy, &self.post) {
            tracing::error!(%error, "there are no threads for hooks: the backend is not called");
        }
        self.post.to_all(|| Mail::Policy(Arc::clone(&policy)));
        self.stats.reloaded(true);
    }

    /// Lets all connections go, and waits until they are gone.
    fn drain(self) {
        self.stats.drain().begin(self.clock.now().mono_ms);
        self.post.wake_all();
        for worker in self.workers {
            // A worker that panics ends the process: there is no other way for this to fail.
            let _ = worker.join();
        }
        self.hooks.finish();
        let drained = self.stats.closed(CloseCode::RESTART);
        tracing::info!(drained, cut_off = self.stats.ended(End::CutOff), "stopped");
    }
}

/// Signals, as something that one can wait for no longer than one likes.
fn forwarded(mut signals: Signals) -> io::Result<Receiver<i32>> {
    let (sender, receiver) = mpsc::channel();
    let forward = move || {
        for signal in signals.forever() {
            // Nobody listens any more once it stops.
            let _ = sender.send(signal);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(forward)?;
    Ok(receiver)
}

/// The next signal; `None` when it is time to look at files again, where some are watched.
fn next(signals: &Receiver<i32>, watches: bool) -> Option<i32> {
    if watches { signals.recv_timeout(WATCH_PERIOD).ok() } else { signals.recv().ok() }
}

/// The threads that call the backend. There are none before there is a backend.
#[derive(Debug)]
struct Callers {
    hooks: Arc<Hooks>,
    /// How many questions are asked at once.
    calls: usize,
    /// The one that tells.
    teller: Option<JoinHandle<()>>,
}

impl Callers {
    fn new(config: &Config, clock: Clock, stats: &Arc<Stats>) -> io::Result<Self> {
        let seed = entropy::seed().map_err(io::Error::other)?;
        let calls = config.hook_calls;
        let hooks = Arc::new(Hooks::new(calls, seed, clock, Arc::clone(stats)));
        Ok(Self { hooks, calls, teller: None })
    }

    /// From now on the backend of this policy is called.
    fn turn_to(&mut self, policy: &Policy, post: &Post) -> io::Result<()> {
        self.hooks.turn_to(policy.backend.clone());
        if policy.backend.is_none() || self.teller.is_some() {
            return Ok(());
        }
        for number in 0..self.calls {
            let (hooks, post) = (Arc::clone(&self.hooks), post.clone());
            let name = format!("asks-{number}");
            thread::Builder::new().name(name).spawn(move || {
                hooks.ask(|ticket: Ticket, verdict: Verdict| {
                    post.to_one(ticket.worker, Mail::Verdict(ticket, Box::new(verdict)));
                });
            })?;
        }
        let hooks = Arc::clone(&self.hooks);
        let random = Random::new(entropy::seed().map_err(io::Error::other)?);
        let tell = move || hooks.tell(random);
        self.teller = Some(thread::Builder::new().name("tells".into()).spawn(tell)?);
        Ok(())
    }

    /// Says what is still to be said.
    fn finish(self) {
        self.hooks.close();
        if let Some(teller) = self.teller {
            let _ = teller.join();
        }
    }
}

/// How many connections the descriptor limit allows beside a reserve and what the workers need
/// themselves (poll, waker and alarm). The soft limit is raised to the hard one.
fn spare_descriptors(workers: u16) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let current = getrlimit(Resource::Nofile).current;
    if let Err(error) = raised {
        tracing::warn!(%error, ?current, "cannot raise the limit of open files");
    }
    let limit = current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    limit.saturating_sub(RESERVED_DESCRIPTORS + 3 * usize::from(workers))
}
