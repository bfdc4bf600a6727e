//! Listeners: bound as `listen` and `api_listen` say, or handed over by the service manager
//! (`LISTEN_FDS`, `sd_listen_fds(3)`), then in place of `listen`. Owns the files of unix sockets
//! from before the bind until the end. Never accepts: that is `worker/mio.rs`.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::config::{Config, GIVE_KEYS, ListenAddress};
use crate::limits::BACKLOG;
use crate::worker::net::Serves;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    /// The socket, non-blocking.
    pub socket: Socket,
    /// Where.
    pub address: ListenAddress,
    /// For what.
    pub serves: Serves,
}

/// The file of a unix socket that was bound here; it goes with this.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: what stands there later may be another server's.
    identity: (u64, u64),
}

/// Opens all listeners. The files live as long as the second value.
pub fn open(config: &Config) -> io::Result<(Vec<Listener>, Vec<SocketFile>)> {
    let (mut listeners, mut files) = (inherited(config)?, Vec::new());
    let main = if listeners.is_empty() { config.listen.as_slice() } else { &[] };
    let (sockets, api) = if config.api_listen.is_empty() {
        (Serves::Everything, Serves::Everything)
    } else {
        (Serves::Sockets, Serves::Api)
    };
    let main = main.iter().map(|address| (address, sockets, "listen"));
    let api = config.api_listen.iter().map(|address| (address, api, "api_listen"));
    for (address, serves, setting) in main.chain(api) {
        let socket = match address {
            ListenAddress::Tcp(address) => bind_tcp(*address),
            ListenAddress::Unix(path) => bind_unix(path, config.unix_mode).map(|(socket, file)| {
                files.push(file);
                socket
            }),
        };
        let listener = socket.and_then(|socket| listening(socket, serves, config.unsent_bytes));
        listeners.push(listener.map_err(|error| named(setting, address, &error))?);
    }
    Ok((listeners, files))
}

/// The sockets that a service manager has bound.
fn inherited(config: &Config) -> io::Result<Vec<Listener>> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for number in 0..handed.len() {
        let socket = match handed.take_tcp_listener(number) {
            Ok(socket) => socket.map(Socket::from),
            Err(_) => handed.take_unix_listener(number)?.map(Socket::from),
        };
        let Some(socket) = socket else { continue };
        let serves =
            if config.api_listen.is_empty() { Serves::Everything } else { Serves::Sockets };
        let listener = listening(socket, serves, config.unsent_bytes)?;
        if config.is_private() && !listener.address.is_loopback() {
            let why = "is not loopback, for which keys are needed";
            let address = &listener.address;
            return Err(io::Error::other(format!("LISTEN_FDS: {address} {why}; {GIVE_KEYS}")));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// A listener whose connections inherit: no delay of small segments, and a bound to what the kernel
/// may hold unsent, without which one stalled peer swallows megabytes.
fn listening(socket: Socket, serves: Serves, unsent_bytes: u32) -> io::Result<Listener> {
    if socket.domain()? != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
        if unsent_bytes > 0 {
            socket.set_tcp_notsent_lowat(unsent_bytes)?;
        }
    }
    socket.set_nonblocking(true)?;
    // Once more for those that were handed over, which only makes our backlog theirs.
    socket.listen(BACKLOG)?;
    let local = socket.local_addr()?;
    let unix = || ListenAddress::Unix(local.as_pathname().unwrap_or(Path::new("")).into());
    let address = local.as_socket().map_or_else(unix, ListenAddress::Tcp);
    Ok(Listener { socket, address, serves })
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds, and sets the permissions before anybody can connect: until it listens nobody can.
fn bind_unix(path: &Path, mode: u32) -> io::Result<(Socket, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.into(), identity: (file.dev(), file.ino()) };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok((socket, file))
}

/// Makes room where a server has ended without unlinking its socket. Nothing else is removed: no
/// other kind of file, and no socket at which somebody answers.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !is_socket {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A live server whose backlog is full would hold us up.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(()) => Err(io::Error::new(ErrorKind::AddrInUse, "another server answers there")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::new(ErrorKind::AddrInUse, "another server listens there"))
        }
        Err(error) => Err(error),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path);
        if now.is_ok_and(|file| (file.dev(), file.ino()) == self.identity) {
            // Whoever has taken away our directory needs no unlinking.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn named(setting: &str, address: &ListenAddress, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{setting}: {address}: {error}"))
}
