//! The same over real sockets: there the worker asks for no more than over the network in memory.
//! Each call of `Net` about a socket is one system call in `worker/mio.rs`.

use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use fanwire::clock::Clock;
use fanwire::config::ListenAddress;
use fanwire::listen::Listener;
use fanwire::metrics::Stats;
use fanwire::node::Node;
use fanwire::worker::mail::Mail;
use fanwire::worker::mio::MioNet;
use fanwire::worker::net::{Accept, Event, Net, Now, Peer, Serves, WorkerId};
use fanwire::worker::{Setup, Worker};
use socket2::Socket;

use crate::alone;
use crate::node::{quiet, text, told, upgrade};
use crate::world::Calls;

/// The real network, counted. It looks instead of sleeping, for its clients have the same thread.
struct Counted {
    net: MioNet,
    calls: Calls,
    idle: bool,
}

impl Net for Counted {
    type Socket = Socket;

    fn now(&mut self) -> Now {
        self.net.now()
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        self.calls.polls += 1;
        self.net.poll(Some(Duration::ZERO), events);
        self.idle = events.is_empty() && timeout != Some(Duration::ZERO);
    }

    fn accept(&mut self, listener: usize) -> Accept<Socket> {
        self.calls.accepts += 1;
        self.net.accept(listener)
    }

    fn stop_listening(&mut self) {
        self.net.stop_listening();
    }

    fn register(&mut self, socket: &Socket, slot: u32) -> std::io::Result<()> {
        self.calls.registers += 1;
        self.net.register(socket, slot)
    }

    fn await_room(&mut self, socket: &Socket, slot: u32) -> std::io::Result<()> {
        self.calls.registers += 1;
        self.net.await_room(socket, slot)
    }

    fn recv(&mut self, socket: &Socket, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.calls.receives += 1;
        self.net.recv(socket, buffer)
    }

    fn send(&mut self, socket: &Socket, bytes: &[u8]) -> std::io::Result<usize> {
        self.calls.sends += 1;
        self.net.send(socket, bytes)
    }

    fn shutdown(&mut self, socket: &Socket) {
        self.calls.shutdowns += 1;
        self.net.shutdown(socket);
    }

    fn close(&mut self, socket: Socket) {
        self.calls.closes += 1;
        self.net.close(socket);
    }

    fn place(&mut self, to: WorkerId, socket: Socket, peer: Peer) {
        self.net.place(to, socket, peer);
    }

    fn take_placed(&mut self, into: &mut Vec<(Socket, Peer)>) {
        self.net.take_placed(into);
    }

    fn post(&mut self, to: WorkerId, batch: &mut Vec<Mail>) {
        self.net.post(to, batch);
    }

    fn backlog(&self, of: WorkerId) -> usize {
        self.net.backlog(of)
    }

    fn collect(&mut self, into: &mut Vec<Mail>) {
        self.net.collect(into);
    }
}

/// Its sockets are unix sockets, on which what was written can be read at once.
struct Real {
    worker: Worker<Counted>,
    address: SocketAddr,
}

impl Real {
    fn new(name: &str) -> Self {
        let name = format!("fanwire-costs-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let socket = UnixListener::bind_addr(&address).expect("nobody has this name");
        socket.set_nonblocking(true).expect("a listener that does not block");
        let listener = Listener {
            socket: socket.into(),
            address: ListenAddress::Unix(name.into()),
            serves: Serves::Everything,
        };
        let nets = MioNet::connected(1, vec![listener], 128 << 10, Clock::start());
        let net = nets.expect("a poll").pop().expect("of one worker");
        let net = Counted { net, calls: Calls::default(), idle: false };
        let stats = Arc::new(Stats::new(1));
        let node = Arc::new(Node::new(7));
        let setup = Setup { id: 0, config: Arc::new(quiet()), stats, node, seed: 7 };
        Self { worker: Worker::new(setup, net), address }
    }

    /// What it costs until these clients have read so many bytes each, and nothing is left to do.
    fn cost(&mut self, clients: &mut [UnixStream], bytes: usize) -> Calls {
        let before = self.worker.net().calls;
        for client in clients {
            let mut buffer = vec![0; bytes];
            let mut filled = 0;
            while filled < bytes {
                self.worker.turn();
                match client.read(&mut buffer[filled..]) {
                    Ok(0) => panic!("the server has closed"),
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        while !self.worker.net().idle {
            self.worker.turn();
        }
        let calls = self.worker.net().calls.since(before);
        Calls { polls: 0, ..calls }
    }

    fn client(&self, path: &str) -> UnixStream {
        let mut client = UnixStream::connect_addr(&self.address).expect("it listens");
        client.write_all(&upgrade(path)).expect("it fits");
        client.set_nonblocking(true).expect("a client that does not block");
        client
    }
}

/// What is answered to the handshake of a path that has no welcome.
const SWITCHING: usize = 129;

#[test]
fn of_a_handshake_and_an_echo() {
    let _alone = alone();
    let mut real = Real::new("echo");
    let mut clients: Vec<_> = (0..10).map(|_| real.client("/echo")).collect();
    let each = Calls { accepts: 11, registers: 10, receives: 10, sends: 10, ..Calls::default() };
    assert_eq!(real.cost(&mut clients, SWITCHING), each, "ten handshakes");
    for depth in [1, 16] {
        let message = "x".repeat(125);
        for client in &mut clients {
            client.write_all(&text(&message).repeat(depth)).expect("it fits");
        }
        let calls = real.cost(&mut clients, told(0x81, message.as_bytes()).len() * depth);
        assert_eq!(calls, Calls { receives: 10, sends: 10, ..Calls::default() }, "{depth} each");
    }
}

#[test]
fn of_a_publication() {
    let _alone = alone();
    let mut real = Real::new("publication");
    let mut publisher = [real.client("/channels/room.7?self=0")];
    let mut subscribers: Vec<_> = (0..100).map(|_| real.client("/channels/room.7")).collect();
    real.cost(&mut publisher, SWITCHING);
    real.cost(&mut subscribers, SWITCHING);
    for count in [1, 16] {
        let message = "x".repeat(128);
        publisher[0].write_all(&text(&message).repeat(count)).expect("it fits");
        let calls = real.cost(&mut subscribers, told(0x81, message.as_bytes()).len() * count);
        let expected = Calls { receives: 1, sends: 100, ..Calls::default() };
        assert_eq!(calls, expected, "{count} in one read");
    }
}

/// Poll is told once to watch for room, however often there is none.
#[test]
fn of_a_socket_that_is_full_twice() {
    let _alone = alone();
    let mut real = Real::new("full");
    let mut client = [real.client("/echo")];
    real.cost(&mut client, SWITCHING);
    let message = "x".repeat(60_000);
    let answer = told(0x81, message.as_bytes()).len();
    for registers in [1, 0] {
        let before = real.worker.net().calls;
        for _ in 0..4 {
            client[0].write_all(&text(&message)).expect("it fits");
            real.worker.turn();
            real.cost(&mut client, 0);
        }
        real.cost(&mut client, 4 * answer);
        let calls = real.worker.net().calls.since(before);
        assert!(calls.sends > 4, "one of them came up short: {calls:?}");
        assert_eq!(calls.registers, registers);
    }
}
