//! What every server here has in common: the port it is told, the limit of open files, the
//! listener, and the word by which it says that it listens. Nothing that a measurement touches.

use std::env;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

/// The kernel takes the smaller of this and `somaxconn`.
const BACKLOG: i32 = 65_535;

/// A non-blocking listener on 127.0.0.1:`PORT`, after as many files are allowed as may be. What it
/// accepts inherits `TCP_NODELAY` from it, so that nobody needs a system call for that.
pub fn listener() -> io::Result<OwnedFd> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_tcp_nodelay(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port()?))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// One thread for everything. Every 61 tasks it would look for events; here a broadcast wakes
/// thousands of tasks at once, and each look is a system call.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().event_interval(1024).build()
}

/// Says on standard output that connections are accepted from now on.
pub fn ready() {
    println!("ready");
    io::stdout().flush().expect("standard output is open");
}

fn port() -> io::Result<u16> {
    let told = env::var("PORT").ok().and_then(|port| port.parse().ok());
    told.ok_or_else(|| io::Error::other("PORT: the port to listen on is not in the environment"))
}
