//! The real world of a worker: mio's poll, kernel sockets, mailboxes, the clock. Small on purpose,
//! for the simulation replaces exactly this file.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};
use socket2::Socket;

use super::alarm::Alarm;
use super::mail::Mail;
use super::mailbox::Mailbox;
use super::net::{Accept, Event, Net, Now, Peer, Serves, Token, WorkerId};
use crate::clock::{Clock, TurnClock};
use crate::config::ListenAddress;
use crate::hooks::{Call, Hooks};
use crate::limits::{EVENTS, FAILED_ACCEPTS};
use crate::listen::Listener;

const WAKE: mio::Token = mio::Token(usize::MAX);
const ALARM: mio::Token = mio::Token(usize::MAX - 1);
const FIRST_LISTENER: usize = usize::MAX / 2;

/// What every worker of a node can reach of another one.
#[derive(Debug)]
pub struct Station {
    mail: Mailbox<Mail>,
    /// Bytes of letters in `mail`.
    backlog: AtomicUsize,
    placed: Mailbox<(Socket, Peer)>,
    waker: Waker,
}

/// What accepts: a listener of either kind.
#[derive(Debug)]
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(listener: Listener) -> (Self, Serves) {
        let Listener { socket, address, serves } = listener;
        let acceptor = match address {
            ListenAddress::Tcp(_) => Self::Tcp(TcpListener::from_std(socket.into())),
            ListenAddress::Unix(_) => Self::Unix(UnixListener::from_std(socket.into())),
        };
        (acceptor, serves)
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }

    fn accept(&self, unsent_bytes: u32) -> io::Result<(Socket, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                Ok((std::net::TcpStream::from(stream).into(), Some(address.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let socket = Socket::from(std::os::unix::net::UnixStream::from(stream));
                // What TCP inherits as TCP_NOTSENT_LOWAT. The kernel doubles what it is told, for
                // it counts its own memory too. Refused, the system's default holds.
                let _ = socket.set_send_buffer_size(unsent_bytes as usize / 2);
                Ok((socket, None))
            }
        }
    }
}

/// The way to all workers, for letters from outside of them.
#[derive(Clone, Debug)]
pub struct Post(Arc<[Station]>);

impl Post {
    /// Posts a letter to every worker.
    pub fn to_all(&self, letter: impl Fn() -> Mail) {
        self.0.iter().for_each(|station| post(station, &mut vec![letter()]));
    }

    /// Posts a letter to one worker.
    pub fn to_one(&self, worker: WorkerId, letter: Mail) {
        if let Some(station) = self.0.get(usize::from(worker)) {
            post(station, &mut vec![letter]);
        }
    }

    /// Wakes every worker, to make it look at what the main thread has changed.
    pub fn wake_all(&self) {
        self.0.iter().for_each(wake);
    }
}

/// The world of one worker.
#[derive(Debug)]
pub struct MioNet {
    poll: Poll,
    events: Events,
    listeners: Vec<(Acceptor, Serves)>,
    stations: Arc<[Station]>,
    id: WorkerId,
    /// What the kernel may hold unsent for a connection on a unix socket.
    unsent_bytes: u32,
    clock: TurnClock,
    alarm: Alarm,
    hooks: Option<Arc<Hooks>>,
}

impl MioNet {
    /// Worlds for so many workers that reach one another. The first has the listeners.
    pub fn connected(
        workers: WorkerId,
        listeners: Vec<Listener>,
        unsent_bytes: u32,
        clock: Clock,
    ) -> io::Result<Vec<Self>> {
        let polls: Vec<Poll> = (0..workers).map(|_| Poll::new()).collect::<io::Result<_>>()?;
        let station = |poll: &Poll| {
            let waker = Waker::new(poll.registry(), WAKE)?;
            let backlog = AtomicUsize::new(0);
            Ok(Station { mail: Mailbox::new(), backlog, placed: Mailbox::new(), waker })
        };
        let stations: Arc<[Station]> = polls.iter().map(station).collect::<io::Result<_>>()?;
        let mut listeners: Vec<_> = listeners.into_iter().map(Acceptor::new).collect();
        if let Some(poll) = polls.first() {
            for (number, (acceptor, _)) in listeners.iter_mut().enumerate() {
                let token = mio::Token(FIRST_LISTENER + number);
                poll.registry().register(acceptor.source(), token, Interest::READABLE)?;
            }
        }
        let mut listeners = Some(listeners);
        let world = |(id, poll): (usize, Poll)| {
            Ok(Self {
                alarm: Alarm::new(poll.registry(), ALARM)?,
                poll,
                events: Events::with_capacity(EVENTS),
                listeners: listeners.take().unwrap_or_default(),
                stations: Arc::clone(&stations),
                id: id as WorkerId,
                unsent_bytes,
                clock: clock.into(),
                hooks: None,
            })
        };
        polls.into_iter().enumerate().map(world).collect()
    }

    /// With a way to the backend.
    #[must_use]
    pub fn with_hooks(self, hooks: &Arc<Hooks>) -> Self {
        Self { hooks: Some(Arc::clone(hooks)), ..self }
    }

    /// The way to all workers.
    pub fn post_office(&self) -> Post {
        Post(Arc::clone(&self.stations))
    }
}

impl Net for MioNet {
    type Socket = Socket;

    fn now(&mut self) -> Now {
        self.clock.now()
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let timeout = match timeout {
            Some(Duration::ZERO) | None => timeout,
            Some(rest) => match self.alarm.ring_in(rest, self.clock.read_us()) {
                Ok(()) => None,
                Err(_) => timeout,
            },
        };
        if let Err(error) = self.poll.poll(&mut self.events, timeout) {
            // Interrupted by a signal: as good as a timeout. Nothing else can happen here.
            debug_assert_eq!(error.kind(), ErrorKind::Interrupted);
            return;
        }
        for event in &self.events {
            let token = match event.token() {
                mio::Token(slot) if slot < FIRST_LISTENER => Token::Connection(slot as u32),
                WAKE => continue,
                ALARM => {
                    self.alarm.rang();
                    continue;
                }
                mio::Token(token) => Token::Listener(token - FIRST_LISTENER),
            };
            events.push(Event {
                token,
                readable: event.is_readable(),
                writable: event.is_writable(),
                hang_up: event.is_read_closed() || event.is_error(),
            });
        }
    }

    fn accept(&mut self, listener: usize) -> Accept<Socket> {
        let Some((listener, serves)) = self.listeners.get(listener) else { return Accept::Empty };
        for _ in 0..FAILED_ACCEPTS {
            match listener.accept(self.unsent_bytes) {
                Ok((socket, address)) => {
                    let peer = Peer { address, serves: *serves };
                    return Accept::Connection(socket, peer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Accept::Empty,
                Err(error) if is_exhaustion(&error) => {
                    tracing::debug!(%error, "cannot accept");
                    return Accept::Exhausted;
                }
                // That connection failed before it was accepted; the next one is waiting.
                Err(_) => {}
            }
        }
        Accept::Exhausted
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    fn register(&mut self, socket: &Socket, slot: u32) -> io::Result<()> {
        let token = mio::Token(slot as usize);
        let source = &mut SourceFd(&socket.as_raw_fd());
        self.poll.registry().register(source, token, Interest::READABLE)
    }

    fn await_room(&mut self, socket: &Socket, slot: u32) -> io::Result<()> {
        let token = mio::Token(slot as usize);
        let source = &mut SourceFd(&socket.as_raw_fd());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().reregister(source, token, interest)
    }

    fn recv(&mut self, mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        socket.read(buffer)
    }

    fn send(&mut self, mut socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        socket.write(bytes)
    }

    fn shutdown(&mut self, socket: &Socket) {
        // It fails when the peer has reset the connection, which needs no shutting down then.
        let _ = socket.shutdown(std::net::Shutdown::Write);
    }

    fn close(&mut self, socket: Socket) {
        drop(socket);
    }

    fn place(&mut self, to: WorkerId, socket: Socket, peer: Peer) {
        let station = &self.stations[usize::from(to)];
        if station.placed.post(&mut vec![(socket, peer)]) {
            wake(station);
        }
    }

    fn take_placed(&mut self, into: &mut Vec<(Socket, Peer)>) {
        self.stations[usize::from(self.id)].placed.collect(into);
    }

    fn post(&mut self, to: WorkerId, batch: &mut Vec<Mail>) {
        post(&self.stations[usize::from(to)], batch);
    }

    fn call(&mut self, call: Call) -> bool {
        self.hooks.as_ref().is_some_and(|hooks| hooks.call(call))
    }

    fn backlog(&self, of: WorkerId) -> usize {
        self.stations[usize::from(of)].backlog.load(Ordering::Relaxed)
    }

    fn collect(&mut self, into: &mut Vec<Mail>) {
        debug_assert!(into.is_empty(), "mail is taken whole");
        let station = &self.stations[usize::from(self.id)];
        station.mail.collect(into);
        station.backlog.fetch_sub(into.iter().map(Mail::weight).sum(), Ordering::Relaxed);
    }
}

/// Out of descriptors, or of kernel memory.
fn is_exhaustion(error: &io::Error) -> bool {
    use libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// Puts letters into a worker's box. What they take is counted first: they may be taken at once,
/// and the sum must never fall below nothing.
fn post(station: &Station, batch: &mut Vec<Mail>) {
    station.backlog.fetch_add(batch.iter().map(Mail::weight).sum(), Ordering::Relaxed);
    if station.mail.post(batch) {
        wake(station);
    }
}

fn wake(station: &Station) {
    let woken = station.waker.wake();
    debug_assert!(woken.is_ok(), "an eventfd takes a wake");
}
