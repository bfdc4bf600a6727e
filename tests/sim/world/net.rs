//! The world as one worker sees it: `Net` for a simulated one.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use fanwire::hooks::Call;
use fanwire::hub::Publication;
use fanwire::worker::mail::Mail;
use fanwire::worker::net::{Accept, Event, Fault, Net, Now, Peer, WorkerId};

use super::{Admission, LinkId, Sabotage, World};

/// A descriptor: the number of a link.
#[derive(Debug)]
pub struct FakeSocket(LinkId);

/// One worker's view of the shared world.
#[derive(Clone, Debug)]
pub struct FakeNet {
    world: Rc<RefCell<World>>,
    worker: WorkerId,
}

impl FakeNet {
    /// The view of worker `worker`.
    pub fn new(world: &Rc<RefCell<World>>, worker: WorkerId) -> Self {
        Self { world: Rc::clone(world), worker }
    }
}

impl Net for FakeNet {
    type Socket = FakeSocket;

    fn now(&mut self) -> Now {
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let station = &mut world.stations[usize::from(self.worker)];
        // The second reading, before it sleeps, is for measuring only.
        if station.readings == 0 {
            station.seen_ms = now.mono_ms;
        }
        station.readings += 1;
        assert!(station.readings <= 2, "worker {} reads the clock again and again", self.worker);
        now
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let mut world = self.world.borrow_mut();
        let before = events.len();
        world.poll(self.worker, timeout, events);
        let count = events.len() - before;
        world.fold(count as u64);
        world.tell(format_args!("w{} poll {timeout:?}: {:?}", self.worker, &events[before..]));
    }

    fn accept(&mut self, listener: usize) -> Accept<FakeSocket> {
        let mut world = self.world.borrow_mut();
        assert_eq!((self.worker, listener), (0, 0), "only the door accepts");
        let exhausted = world.faults.exhausted;
        if world.backlog.is_empty() {
            return Accept::Empty;
        }
        if world.random.chance(exhausted) {
            world.tally.count("accepts without descriptors");
            return Accept::Exhausted;
        }
        let Some(id) = world.backlog.pop_front() else { return Accept::Empty };
        world.working(self.worker, "accepts");
        world.tell(format_args!("w{} accepts #{id}", self.worker));
        Accept::Connection(FakeSocket(id), world.link(id).peer)
    }

    fn stop_listening(&mut self) {
        let mut world = self.world.borrow_mut();
        world.listening = false;
        while let Some(id) = world.backlog.pop_front() {
            world.links[id as usize].close_server(0);
            world.forget_dead(id);
        }
    }

    fn register(&mut self, socket: &FakeSocket, slot: u32) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.tell(format_args!("w{} registers #{} in slot {slot}", self.worker, socket.0));
        world.links[socket.0 as usize].register(self.worker, slot);
        Ok(())
    }

    fn await_room(&mut self, socket: &FakeSocket, slot: u32) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.tell(format_args!("w{} awaits room in #{}", self.worker, socket.0));
        let link = &mut world.links[socket.0 as usize];
        assert_eq!(link.registered, Some((self.worker, slot)), "of its own socket only");
        link.await_room();
        Ok(())
    }

    fn recv(&mut self, socket: &FakeSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        world.heard(usize::from(self.worker), socket.0);
        let short = world.faults.short_read;
        let limit = world.shorten(buffer.len(), short, "short reads");
        let outcome = world.links[socket.0 as usize].recv(buffer, limit);
        world.fold(outcome.as_ref().map_or(u64::MAX, |count| *count as u64));
        if outcome.as_ref().is_ok_and(|count| *count > 0) {
            world.working(self.worker, "receives");
        }
        let shown = outcome.as_ref().map_err(io::Error::kind);
        world.tell(format_args!("w{} recv #{}: {shown:?}", self.worker, socket.0));
        outcome
    }

    fn send(&mut self, socket: &FakeSocket, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let short = world.faults.short_write;
        let limit = world.shorten(bytes.len(), short, "short writes by chance");
        let outcome = match world.sabotage {
            Sabotage::None => world.links[socket.0 as usize].send(bytes, limit),
            _ => world.send_with_sabotage(socket.0, bytes, limit),
        };
        match &outcome {
            Ok(count) => {
                world.fold(*count as u64);
                world.working(self.worker, "sends");
                if *count < bytes.len() {
                    world.tally.count("short writes");
                }
            }
            Err(_) => world.fold(u64::MAX),
        }
        let count = outcome.as_ref().map_or(0, |count| *count);
        world.flushes(usize::from(self.worker), socket.0, count, count < bytes.len());
        world.meanwhile();
        let shown = outcome.as_ref().map_err(io::Error::kind);
        let length = bytes.len();
        world.tell(format_args!("w{} send #{} of {length}: {shown:?}", self.worker, socket.0));
        outcome
    }

    fn shutdown(&mut self, socket: &FakeSocket) {
        let mut world = self.world.borrow_mut();
        world.working(self.worker, "shuts down");
        world.tell(format_args!("w{} shutdown #{}", self.worker, socket.0));
        world.links[socket.0 as usize].down.finish();
    }

    fn close(&mut self, socket: FakeSocket) {
        let mut world = self.world.borrow_mut();
        world.working(self.worker, "closes");
        world.tell(format_args!("w{} close #{}", self.worker, socket.0));
        let keep = world.random.below(100);
        let link = &mut world.links[socket.0 as usize];
        assert!(!link.server_gone, "#{} is closed twice", socket.0);
        let registered = link.registered;
        link.close_server(keep);
        world.forget_dead(socket.0);
        if let Some((_, slot)) = registered {
            let stale = &mut world.stations[usize::from(self.worker)].stale;
            stale.push(slot);
            if stale.len() > 8 {
                stale.remove(0);
            }
        }
    }

    fn place(&mut self, to: WorkerId, socket: FakeSocket, peer: Peer) {
        let mut world = self.world.borrow_mut();
        world.tell(format_args!("w{} places #{} on w{to}", self.worker, socket.0));
        world.post.place(to, socket, peer);
    }

    fn take_placed(&mut self, into: &mut Vec<(FakeSocket, Peer)>) {
        let mut world = self.world.borrow_mut();
        into.append(&mut world.stations[usize::from(self.worker)].placed);
    }

    fn post(&mut self, to: WorkerId, batch: &mut Vec<Mail>) {
        let mut world = self.world.borrow_mut();
        world.working(self.worker, "posts");
        world.fold(batch.len() as u64);
        for letter in batch.iter() {
            world.tell(format_args!("w{} to w{to}: {letter:?}", self.worker));
        }
        world.sabotage_mail(batch);
        world.post.send(self.worker, to, batch.drain(..));
    }

    fn backlog(&self, of: WorkerId) -> usize {
        self.world.borrow().post.backlog(of)
    }

    fn collect(&mut self, into: &mut Vec<Mail>) {
        let mut world = self.world.borrow_mut();
        let mut letters = world.post.collect(self.worker);
        into.append(&mut letters);
    }

    fn call(&mut self, call: Call) -> bool {
        let mut world = self.world.borrow_mut();
        world.working(self.worker, "calls the backend");
        let World { backend, now, random, tally, .. } = &mut *world;
        let taken = backend.call(&call, now.mono_ms, random, tally);
        world.fold(call.body.len() as u64);
        let body = String::from_utf8_lossy(&call.body);
        world.tell(format_args!("w{} calls ({taken}): {:?} {body}", self.worker, call.ticket));
        taken
    }

    fn admitted(&mut self, channel: &str, publication: &Publication) {
        let mut world = self.world.borrow_mut();
        world.working(self.worker, "admits");
        let position = publication.position;
        world.tell(format_args!("w{} admits {channel} {position}", self.worker));
        world.fold(position.index);
        world.backend.check_published(&publication.payload);
        world.admissions.push(Admission::of(channel, publication));
    }

    fn plants(&mut self, fault: Fault) -> bool {
        self.world.borrow().sabotage == Sabotage::Server(fault)
    }
}

impl World {
    /// Called at each effect of a worker. One that had nothing to do a moment ago and would have
    /// slept must not do anything now: it would have slept with work left.
    fn working(&mut self, worker: WorkerId, what: &str) {
        let idle = self.stations[usize::from(worker)].idle;
        assert!(!idle, "worker {worker} would have slept with work left: it {what}");
    }

    fn shorten(&mut self, length: usize, permille: u32, what: &'static str) -> usize {
        if length < 2 || !self.random.chance(permille) {
            return length;
        }
        self.tally.count(what);
        if self.random.chance(300) { 1 } else { self.random.between(1, length - 1) }
    }

    fn send_with_sabotage(&mut self, id: LinkId, bytes: &[u8], limit: usize) -> io::Result<usize> {
        let now = self.random.chance(20);
        let chosen = self.sabotage;
        let link = &mut self.links[id as usize];
        if now && chosen == Sabotage::SwallowBytes && bytes.len() > 20 {
            link.send(&bytes[..bytes.len() - 7], limit)?;
            return Ok(bytes.len());
        }
        let count = link.send(bytes, limit)?;
        if now && chosen == Sabotage::RepeatBytes {
            let _ = link.send(&bytes[..count], usize::MAX);
        }
        if now && chosen == Sabotage::WrongConnection {
            let other = *self.random.pick(&self.open);
            if other != id && self.link(other).alive() {
                let _ = self.links[other as usize].send(&bytes[..count], usize::MAX);
            }
        }
        Ok(count)
    }

    fn sabotage_mail(&mut self, batch: &mut Vec<Mail>) {
        if self.sabotage == Sabotage::None || batch.is_empty() || !self.random.chance(20) {
            return;
        }
        let at = self.random.below(batch.len());
        match self.sabotage {
            Sabotage::DropLetter => drop(batch.remove(at)),
            Sabotage::ReorderLetters => batch.reverse(),
            _ => {}
        }
    }
}

impl Admission {
    fn of(channel: &str, publication: &Publication) -> Self {
        Self {
            channel: channel.to_owned(),
            publication: Publication {
                position: publication.position,
                kind: publication.kind,
                timestamp: publication.timestamp,
                from: publication.from.clone(),
                key: publication.key.clone(),
                payload: publication.payload.clone(),
            },
        }
    }
}
