//! Hooks: the backend is asked whether somebody may connect, subscribe or publish, and told who has
//! gone and which channels are in use. All of it happens beside the loops: a worker puts a `Call`
//! into a bounded queue and goes on; threads of their own call the backend, and every question gets
//! its verdict by mail within the timeout, whatever the backend does.
//!
//! `words` is what calls and answers say, `signature` how the backend knows that they are ours,
//! `queue` where they wait; `asking` is the loop of the threads that ask, `telling` that of the one
//! that tells, `exchange` one call over HTTP. Which events there are is `policy::hook`; what waits
//! for a verdict, and what becomes of it, is `worker::hooks`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::limits::HOOK_CALL_BYTES;
use crate::metrics::{HookOutcome, Stats};
use crate::policy::hook::{Backend, Event};

mod asking;
mod exchange;
mod queue;
mod signature;
mod telling;
pub mod words;

use exchange::Client;
use queue::Queue;

/// One thing that the backend is asked, or told.
#[derive(Debug)]
pub struct Call {
    /// What it is about.
    pub event: Event,
    /// The whole story, one JSON object.
    pub body: Vec<u8>,
    /// Who waits for the verdict; nobody, where it only tells.
    pub ticket: Option<Ticket>,
    /// Bytes that its worker holds until the verdict comes.
    pub held: usize,
}

/// Who waits for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The worker.
    pub worker: u16,
    /// Which of the messages that wait there.
    pub parked: u32,
    /// Which part of that message.
    pub item: u32,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// No; the backend's words for whoever asked, where it has some.
    Denied(Option<Box<str>>),
    /// The backend said neither in time: it is down, slow, or answers something else.
    Silent,
    /// It was not even asked: too many questions wait.
    Crowded,
}

/// The queues, and what the threads share.
#[derive(Debug)]
pub struct Hooks {
    questions: Queue<Waiting>,
    events: Queue<Waiting>,
    /// Where the backend is now.
    backend: Mutex<Option<Arc<Backend>>>,
    /// Events that did not find room since the backend was last told how many.
    lost: AtomicU64,
    client: Client,
    clock: Clock,
    stats: Arc<Stats>,
    /// When all must be said, in milliseconds, once the node stops.
    ends_ms: AtomicU64,
}

/// A call in a queue.
#[derive(Debug)]
struct Waiting {
    call: Call,
    since_us: u64,
}

impl Hooks {
    /// Queues that nobody works on yet; at most `calls` questions are asked at once. `seed` makes
    /// the names of calls unique.
    pub fn new(calls: usize, seed: u64, clock: Clock, stats: Arc<Stats>) -> Self {
        Self {
            questions: Queue::default(),
            events: Queue::default(),
            backend: Mutex::default(),
            lost: AtomicU64::new(0),
            client: Client::new(calls, seed),
            clock,
            stats,
            ends_ms: AtomicU64::new(u64::MAX),
        }
    }

    /// From now on the backend is there. Calls that wait go there too.
    pub fn turn_to(&self, backend: Option<Arc<Backend>>) {
        *self.backend.lock().unwrap_or_else(PoisonError::into_inner) = backend;
    }

    /// Puts a call into its queue. False when there is no room: then no verdict will come, and the
    /// backend is told how many events it has not been told.
    pub fn call(&self, call: Call) -> bool {
        let room = self.backend().map_or(0, |backend| backend.queue_bytes);
        let (event, bytes) = (call.event, HOOK_CALL_BYTES + call.body.len() + call.held);
        let queue = if call.ticket.is_some() { &self.questions } else { &self.events };
        let pushed = queue.push(Waiting { call, since_us: self.clock.now().mono_us }, bytes, room);
        if !pushed && event.decides() {
            self.stats.hooks().asked(event, HookOutcome::Crowded, None);
        } else if !pushed {
            self.stats.hooks().told(event, false);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.note_bytes();
        pushed
    }

    /// Nothing more comes. What waits is said, for which there is the time of one call.
    pub fn close(&self) {
        let time_ms = self.backend().map_or(0, |backend| backend.timeout.as_millis() as u64);
        self.ends_ms.store(self.clock.now().mono_ms + time_ms, Ordering::Relaxed);
        self.questions.close();
        self.events.close();
    }

    fn backend(&self) -> Option<Arc<Backend>> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_bytes(&self) {
        self.stats.hooks().waits(self.questions.bytes(), self.events.bytes());
    }
}
