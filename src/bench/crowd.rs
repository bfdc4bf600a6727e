//! The connections and the loop that they are served by: one thread, one buffer, one `recv` for
//! each connection that is ready. It connects, reads, answers what must be answered, and tells an
//! `Audience` what it heard; it never decides what is measured.

use std::io::{self, ErrorKind, Read as _};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use super::clock::{Timer, now_ns};
use super::codec::{Cut, Place};
use super::hearing::{Audience, Ear, Hearing};
use super::line::{Line, Phase};
use super::script::Script;
use super::upgrade;

const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// What everybody receives into.
const BUFFER: usize = 256 << 10;

/// Events of one turn.
const EVENTS: usize = 1024;

/// How long a turn waits when nothing happens.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// Not at all.
    No,
    /// At most so long, to a millisecond.
    AtMost(Duration),
    /// Until this moment, exactly.
    Until(u64),
}

/// The connections.
pub struct Crowd {
    /// Each by its number; the last is the publisher, where there is one.
    pub lines: Vec<Line>,
    /// Bytes that have come in.
    pub received: u64,
    /// Connections that are on their way to be open.
    pub opening: usize,
    /// A connection that fails while it opens, or later, is nothing special.
    pub forgiving: bool,
    pub(super) script: Script,
    ear: Ear,
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    timer: Timer,
    timer_at: u64,
    waker: Arc<Waker>,
}

impl Crowd {
    /// Nobody yet, but places for so many and for a publisher.
    pub fn new(script: Script, connections: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new()?;
        let source = timer.0.as_raw_fd();
        poll.registry().register(&mut SourceFd(&source), TIMER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Self {
            lines: (0..=connections).map(|_| Line::default()).collect(),
            received: 0,
            opening: 0,
            forgiving: false,
            ear: Ear::new(script.dialect),
            script,
            poll,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; BUFFER].into(),
            timer,
            timer_at: 0,
            waker,
        })
    }

    /// Ends a turn from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// The number of the publisher.
    pub fn talker(&self) -> usize {
        self.lines.len() - 1
    }

    /// The whole frame of the last message, as it came.
    pub fn frame_bytes(&self) -> Option<u64> {
        (self.ear.frame_bytes > 0).then_some(self.ear.frame_bytes)
    }

    /// Why the server closed the first connection that it closed; asked once.
    pub fn last_words(&mut self) -> Option<String> {
        self.ear.last_words.take()
    }

    /// Begins to connect; a connection that is there is dropped.
    pub fn open(&mut self, at: usize) -> Result<(), String> {
        self.drop(at, false);
        let talks = at == self.talker();
        let to = if talks { self.script.talk_to } else { self.script.address };
        let source = self.script.sources[at % self.script.sources.len()];
        let stream = connect(to, source.filter(|_| to.is_ipv4()));
        let mut stream = stream.map_err(|error| said(at, &error))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, Token(at), interest);
        registered.map_err(|error| said(at, &error))?;
        let line = &mut self.lines[at];
        line.stream = Some(stream);
        line.phase = Phase::Connecting;
        line.talks = talks;
        line.mark = now_ns();
        self.opening += 1;
        Ok(())
    }

    /// Ends a connection from this side; nobody is told. A reset throws away what is under way.
    pub fn drop(&mut self, at: usize, reset: bool) {
        let line = &mut self.lines[at];
        if let Some(stream) = line.stream.take() {
            if reset {
                // Refused, it closes in the usual way.
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            self.opening -= usize::from(!matches!(line.phase, Phase::Open | Phase::Http));
        }
        line.place = Place::default();
        line.pending.sequence = 0;
        line.phase = Phase::Free;
        line.stalled = false;
        self.ear.tails.remove(&at);
    }

    /// Sends bytes on a connection.
    pub fn send(&mut self, at: usize, bytes: &[u8]) -> Result<(), String> {
        self.lines[at].send(bytes).map_err(|error| said(at, &error))
    }

    /// Has the kernel delay its ACKs on all connections until it finds a reason to stop that.
    pub fn delay_acks(&self) -> io::Result<()> {
        self.lines.iter().try_for_each(Line::delay_acks)
    }

    /// A connection is not read from now on.
    pub fn stall(&mut self, at: usize) {
        self.lines[at].stalled = true;
    }

    /// A connection is read again, and what has waited is read now.
    pub fn wake(&mut self, at: usize, audience: &mut impl Audience) -> Result<(), String> {
        self.lines[at].stalled = false;
        self.read(at, true, audience);
        self.ear.problem.take().map_or(Ok(()), Err)
    }

    /// Serves who is ready. Says whether somebody was; an error when it is pointless to go on.
    pub fn turn(&mut self, wait: Wait, audience: &mut impl Audience) -> Result<bool, String> {
        let timeout = match wait {
            Wait::No => Some(Duration::ZERO),
            Wait::AtMost(time) => Some(time),
            Wait::Until(at_ns) => {
                if self.timer_at != at_ns {
                    self.timer.set(at_ns).map_err(|error| error.to_string())?;
                    self.timer_at = at_ns;
                }
                None
            }
        };
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, timeout);
        let mut busy = false;
        for event in &events {
            if !matches!(event.token(), WAKE | TIMER) {
                busy = true;
                self.serve(event, audience);
            }
        }
        self.events = events;
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error.to_string()),
            _ => self.ear.problem.take().map_or(Ok(busy), Err),
        }
    }

    #[inline]
    fn serve(&mut self, event: &mio::event::Event, audience: &mut impl Audience) {
        let at = event.token().0;
        let line = &mut self.lines[at];
        if line.phase == Phase::Connecting {
            return self.connected(at, audience);
        }
        if event.is_writable()
            && let Err(error) = line.flush()
        {
            return self.end(at, &error.to_string(), audience);
        }
        if !line.stalled && (event.is_readable() || event.is_read_closed() || event.is_error()) {
            self.read(at, event.is_read_closed() || event.is_error(), audience);
        }
    }

    #[cold]
    fn connected(&mut self, at: usize, audience: &mut impl Audience) {
        let line = &mut self.lines[at];
        let Some(stream) = &line.stream else { return };
        if let Ok(Some(error)) | Err(error) = stream.take_error() {
            return self.end(at, &error.to_string(), audience);
        }
        if stream.peer_addr().is_err() {
            return; // an event of the connection that was here before
        }
        if line.talks && self.script.by_http {
            line.phase = Phase::Http;
            self.opening -= 1;
            return;
        }
        line.phase = Phase::Upgrading;
        if let Err(error) = line.send(&self.script.request(at, line.talks)) {
            self.end(at, &error.to_string(), audience);
        }
    }

    /// Reads once; again only if the buffer was filled, or to see the end.
    fn read(&mut self, at: usize, to_the_end: bool, audience: &mut impl Audience) {
        loop {
            let Some(stream) = &mut self.lines[at].stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.end(at, "it ended without a Close", audience),
                Ok(count) => {
                    self.received += count as u64;
                    if let Err(problem) = self.take_in(at, count, audience) {
                        return self.end(at, &problem, audience);
                    }
                    if count < self.buffer.len() && !to_the_end {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.end(at, &error.to_string(), audience),
            }
        }
    }

    /// Takes in what was read.
    #[inline]
    fn take_in<A: Audience>(
        &mut self,
        at: usize,
        count: usize,
        audience: &mut A,
    ) -> Result<(), String> {
        let Self { lines, ear, script, buffer, .. } = self;
        let line = &mut lines[at];
        let channel = if line.talks { None } else { Some(script.channel(at)) };
        let was_open = line.phase == Phase::Open;
        let mut place = std::mem::take(&mut line.place);
        let now_ns = now_ns();
        let mut hearing = Hearing { at, line, ear, audience, channel, now_ns, closed: false };
        let bytes = &buffer[..count];
        let done = match hearing.line.phase {
            Phase::Upgrading => upgraded(&mut place, bytes, script.compress, &mut hearing),
            Phase::Http => upgrade::answers(&mut place, bytes),
            _ => place.read(bytes, &mut hearing).map_err(|malformed| malformed.0.to_string()),
        };
        let closed = hearing.closed;
        line.place = place;
        if !was_open && line.phase == Phase::Open {
            self.opening -= 1;
        }
        if !ear.replies.is_empty() {
            let replied = line.send(&ear.replies);
            ear.replies.clear();
            replied.map_err(|error| error.to_string())?;
        }
        done?;
        if closed {
            return Err(ear.last_words.clone().unwrap_or_else(|| "closed".into()));
        }
        if was_open && !line.talks {
            audience.paused(at, line, now_ns);
        }
        Ok(())
    }

    /// A connection has ended, not by us.
    #[cold]
    fn end(&mut self, at: usize, why: &str, audience: &mut impl Audience) {
        let line = &mut self.lines[at];
        if line.stream.is_none() {
            return;
        }
        let talks = line.talks;
        let lost_hope = talks || (!line.is_open() && !self.forgiving);
        self.ear.last_words.get_or_insert_with(|| why.to_string());
        if !talks {
            audience.ended(at, line);
        }
        self.drop(at, false);
        if lost_hope {
            let who = if talks { "the publisher".into() } else { format!("connection {at}") };
            self.ear.problem.get_or_insert_with(|| format!("{who}: {why}"));
        }
    }
}

/// Reads the 101, and what comes behind it.
fn upgraded<A: Audience>(
    place: &mut Place,
    bytes: &[u8],
    compress: bool,
    hearing: &mut Hearing<'_, A>,
) -> Result<(), String> {
    let Cut { held, .. } = place.cut();
    let mut head = std::mem::take(held);
    head.extend_from_slice(bytes);
    let Some(size) = upgrade::accepted(&head, compress)? else {
        *held = head;
        return Ok(());
    };
    if place.cut().unsent.is_empty() {
        place.cut = None;
    }
    if !hearing.line.talks {
        hearing.audience.upgraded(hearing.at, hearing.line, hearing.now_ns);
    }
    if hearing.ear.dialect.greets {
        hearing.line.phase = Phase::Greeting;
    } else {
        hearing.open();
    }
    place.read(&head[size..], hearing).map_err(|malformed| malformed.0.to_string())
}

/// Begins to connect, without waiting.
fn connect(to: SocketAddr, from: Option<SocketAddr>) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(from) = from {
        socket.bind(&from.into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

fn said(at: usize, error: &io::Error) -> String {
    format!("connection {at}: {error}")
}
