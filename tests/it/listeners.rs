//! Where the server listens: unix sockets, sockets that a service manager hands over, and the API
//! at addresses of its own.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::permissions::{BEARER, KEY};
use crate::server::{Server, counter_in};
use crate::start::ends;
use crate::wire::{Wire, handshake};

/// A path of this test's own, with nothing there.
fn fresh_path(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).expect("a folder");
    let path = folder.join(format!("{test}-{}.sock", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The API and a WebSocket over one unix socket.
fn is_served(path: &Path) {
    let mut api = Wire::connect_unix(path);
    assert_eq!(api.ask(&get("/live")).status, 200);
    let mut socket = Wire::connect_unix(path);
    socket.send(handshake("/ws", ""));
    assert_eq!(socket.head().status, 101);
    assert_eq!(socket.json()["type"], "connection");
    assert_eq!(api.post("/broadcast", "", b"\"news\"").status, 200);
    assert_eq!(socket.json()["data"], "news");
}

/// Design 4, `listen` and `unix_mode`; the file goes with the server.
#[test]
fn a_unix_socket() {
    let path = fresh_path("served");
    let listen = format!("unix:{}", path.display());
    for (mode, expected) in [("0660", 0o660), ("600", 0o600)] {
        let server = Server::start(&["--listen", &listen, "--open", "--unix-mode", mode]);
        let permissions = fs::metadata(&path).expect("it is there").permissions();
        assert_eq!(permissions.mode() & 0o777, expected);
        is_served(&path);
        server.stop();
        assert!(!path.exists(), "it is unlinked");
    }
}

/// What a server left behind that was killed is removed; a live server and other files are not.
#[test]
fn what_stands_where_the_socket_shall_be() {
    let path = fresh_path("stale");
    let listen = format!("unix:{}", path.display());
    let flags = ["--listen", &listen, "--open"];
    drop(UnixListener::bind(&path).expect("bind"));
    assert!(path.exists(), "stale");
    let server = Server::start(&flags);
    is_served(&path);

    let said = String::from_utf8(ends(&flags).stderr).expect("text");
    assert!(said.contains(&listen) && said.contains("another server"), "{said}");
    is_served(&path);

    // Another server has taken the place: it is not ours to unlink.
    fs::remove_file(&path).expect("removed");
    let other = UnixListener::bind(&path).expect("bind");
    server.stop();
    assert!(path.exists());
    drop(other);

    fs::remove_file(&path).expect("removed");
    fs::write(&path, "precious").expect("written");
    let said = String::from_utf8(ends(&flags).stderr).expect("text");
    assert!(said.contains(&listen) && said.contains("no socket"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    fs::remove_file(&path).expect("removed");
}

/// Runs the server as a service manager does: socket 3, and the pid that it is for.
fn handed_over(socket: impl Into<OwnedFd>, pid: &str, flags: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = format!("LISTEN_FDS=1 LISTEN_PID={pid} exec \"$0\" \"$@\" 3<&0 </dev/null");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_fanwire")]).args(flags).env_clear();
    command.stdin(Stdio::from(socket.into()));
    command
}

/// `LISTEN_FDS`: the sockets that are handed over are served in place of `listen`.
#[test]
fn sockets_that_are_handed_over() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = socket.local_addr().expect("its address").port();
    // Where nothing can be bound: it is not tried.
    let listen = ["--listen", "unix:/nowhere/at/all.sock", "--open"];
    let server = Server::run(&mut handed_over(socket, "$$", &listen));
    assert_eq!(server.port, port);
    server.read_json("/status");

    let path = fresh_path("handed");
    let socket = UnixListener::bind(&path).expect("bind");
    let _server = Server::run(&mut handed_over(socket, "$$", &listen));
    is_served(&path);
}

/// Sockets that are for another process are not ours; without keys only loopback is served, and
/// what is no socket is refused.
#[test]
fn what_is_handed_over_is_looked_at() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = socket.local_addr().expect("its address").port();
    let server = Server::run(&mut handed_over(socket, "1", &["--listen", "127.0.0.1:0"]));
    assert_ne!(server.port, port);
    let socket = UnixListener::bind(fresh_path("open")).expect("bind");
    let output = handed_over(socket, "$$", &[]).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("LISTEN_FDS") && said.contains("--open"), "{said}");
    let file = fs::File::open("/dev/null").expect("Linux has it");
    let output = handed_over(file, "$$", &[]).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("not a socket"), "{said}");
}

/// Design 4: where `api_listen` is set, API, metrics and pages answer only there, and upgrades only
/// at `listen`.
#[test]
fn the_api_at_an_address_of_its_own() {
    let server = Server::start(&["--api-listen", "127.0.0.1:0", "--pages", "true"]);
    assert!(server.port != 0 && server.api_port != 0);
    for path in ["/", "/status", "/metrics", "/live", "/ready", "/channels", "/channels/a"] {
        assert_eq!(Wire::connect(server.api_port).ask(&get(path)).status, 200, "{path}");
        let mut wire = Wire::connect(server.port);
        let response = wire.ask(&get(path));
        let verdict = (response.status, response.code(), response.closes());
        assert_eq!(verdict, (404, "not_found".into(), true), "{path}");
        let message = response.json()["error"]["message"].clone();
        assert!(message.as_str().is_some_and(|words| words.contains("address")), "{message}");
    }
    let mut socket = Wire::open(server.port, "/ws");
    assert_eq!(socket.json()["type"], "connection");
    assert_eq!(Wire::connect(server.port).post("/broadcast", "", b"1").status, 404);
    assert_eq!(Wire::connect(server.api_port).post("/broadcast", "", b"2").status, 200);
    assert_eq!(socket.json()["data"], 2);
    for path in ["/ws", "/echo", "/channels/a"] {
        Wire::open(server.port, path);
        let mut wire = Wire::connect(server.api_port);
        wire.send(handshake(path, ""));
        let response = wire.response();
        assert_eq!((response.status, response.code()), (404, "not_found".into()), "{path}");
    }
}

/// A listener decides before anything else: where the API is not served nobody learns, by status
/// or by waiting, which keys, parameters and methods there are; the same for sockets elsewhere.
#[test]
fn a_listener_says_nothing_about_what_it_does_not_serve() {
    let flags = ["--api-listen", "127.0.0.1:0", "--api-keys", KEY, "--workers", "1"];
    let server = Server::start(&flags);
    let wrong = "Authorization: Bearer fedcba9876543210\r\n";
    let asks = |port: u16, method: &str, path: &str, lines: &str| {
        let response = Wire::connect(port).request(method, path, lines);
        let verdict = (response.status, response.code(), response.closes());
        assert_eq!(verdict, (404, "not_found".into(), true), "{method} {path} {lines}");
    };
    for lines in ["", BEARER, wrong, wrong, wrong] {
        for (method, path) in [
            ("GET", "/channels?limit=x"),
            ("GET", "/channels/a/history?limit=x"),
            ("GET", "/connections?limit=x"),
            ("GET", "/channels/%ff"),
            ("GET", "/channels/a"),
            ("GET", "/nothing"),
            ("DELETE", "/channels/a"),
            ("POST", "/channels"),
            ("PUT", "/metrics"),
        ] {
            asks(server.port, method, path, lines);
        }
    }
    for (method, path) in [("GET", "/ws"), ("POST", "/ws"), ("PUT", "/echo"), ("GET", "/ws?since=")]
    {
        asks(server.api_port, method, path, BEARER);
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for path in ["/ws?since=%ff", "/channels/a?last=x", "/channels/%ff"] {
        asks(server.api_port, "GET", path, upgrade);
    }
    let served = |path: &str| Wire::connect(server.port).request("GET", path, "").status;
    assert_eq!(served("/ws"), 426, "what is served is explained");
    let metrics = Wire::connect(server.api_port).request("GET", "/metrics", BEARER).text();
    for counter in [
        r#"fanwire_refusals_total{code="unauthorized",over="http"}"#,
        r#"fanwire_limits_total{limit="bad_keys"}"#,
    ] {
        assert_eq!(counter_in(&metrics, counter), 0, "{counter}");
    }
}
