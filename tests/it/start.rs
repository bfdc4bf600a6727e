//! How the program starts: what it refuses, in one line that names the setting, and what it
//! survives.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::server::{Server, folder};
use crate::wire::PATIENCE;

/// Starts the program with flags that must end it.
pub fn ends(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanwire"));
    let output = command.args(flags).env_clear().output().expect("the program starts");
    assert!(!output.status.success(), "{flags:?}");
    output
}

/// Design 3, open mode: without keys only loopback addresses, unless `--open` says otherwise.
#[test]
fn what_cannot_be_is_refused_by_name() {
    for (flags, named) in [
        (["--listen", "0.0.0.0:0"], "listen"),
        (["--listen", "[::]:0"], "listen"),
        (["--listen", "nonsense"], "listen"),
        (["--workers", "0"], "workers"),
        (["--burst", "1"], "burst"),
        (["--window-bytes", "1.5MiB"], "window-bytes"),
        (["--unknown", "1"], "unknown"),
    ] {
        let output = ends(&flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(named), "{flags:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// One line says exactly what to give.
#[test]
fn the_public_is_not_served_by_accident() {
    let output = ends(&["--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: listen: 0.0.0.0:0 is not loopback"), "{said}");
    assert!(said.contains("give --api-keys NAME:@/path/of/a/file:publish,read"), "{said}");
    assert!(said.contains("or give --open"), "{said}");
}

/// `check` reads everything as a start would, and serves nothing.
#[test]
fn check_says_ok_or_what_is_wrong() {
    let check = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanwire"));
        let output = command.arg("check").args(flags).env_clear().output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/fanwire.toml");
    let (code, out, err) = check(&["--config", example]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    assert!(out.starts_with("ok\n") && out.contains("  rules      3\n"), "{out}");
    let (code, out, err) = check(&["--api-keys", "a:0123456789abcdef:read"]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(
        out.contains("  mode       1 key; clients come without tokens\n") && !out.contains("0123"),
        "{out}"
    );
    let (_, out, _) = check(&["--api-listen", "127.0.0.1:9000,unix:/run/api.sock", "--open"]);
    let listening = "  listening  127.0.0.1:3003\n";
    let api = "  API        127.0.0.1:9000\n  API        unix:/run/api.sock\n";
    assert!(out.contains(&format!("{listening}{api}")), "{out}");
    let rules = folder("check").join("rules.toml");
    let fields = "from = true\nsubscribe = \"user\"\npublish = \"token\"\n";
    std::fs::write(&rules, format!("[[rule]]\npattern = \"a\"\n{fields}")).expect("written");
    let rules = rules.to_string_lossy();
    let (code, out, _) = check(&["--config", &rules]);
    assert_eq!(code, Some(0));
    for (line, field) in [(4, "subscribe"), (5, "publish")] {
        let warning = format!("  warning    {rules}:{line}: {field}: without jwt_keys nobody can ");
        assert!(out.contains(&warning), "{warning}: {out}");
    }
    assert_eq!(out.matches("warning").count(), 2, "{out}");
    let bad = folder("check").join("bad.toml");
    std::fs::write(&bad, "workers = 0\n\nopne = true\n").expect("written");
    let bad = bad.to_string_lossy();
    let (code, out, err) = check(&["--config", &bad]);
    assert_eq!((code, &*out), (Some(2), ""));
    let expected = format!(
        "error: {bad}:1: workers: 0 is not in 1..=1024\n\
         error: {bad}:3: opne: no such setting; open is one\n"
    );
    assert_eq!(err, expected);
    let (code, _, err) = check(&["--config", "/nowhere"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: config: /nowhere: No such file"), "{err}");
    let (code, out, _) = check(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("--config <FILE>") && out.contains("check"), "{out}");
}

/// An address that is taken is named.
#[test]
fn a_taken_address_is_named() {
    let server = Server::start(&[]);
    let address = format!("127.0.0.1:{}", server.port);
    let output = ends(&["--listen", &address]);
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}

/// Nobody has to hear what it says: standard output may be closed, or its disk full.
#[test]
fn it_serves_when_standard_output_fails() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("free").port();
    let full = File::create("/dev/full").expect("Linux has it");
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanwire"))
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .env_clear()
        .stdout(Stdio::from(full))
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let start = Instant::now();
    let mut ended = None;
    while start.elapsed() < PATIENCE && ended.is_none() {
        ended = child.try_wait().expect("its status");
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
    }
    // It greets after it listens: give it the time of a few answers.
    for _ in 0..200 {
        if ended.is_none() && child.try_wait().expect("its status").is_none() {
            let _ = TcpStream::connect(("127.0.0.1", port)).map(|mut stream| {
                let live = "GET /live HTTP/1.0\r\n\r\n";
                stream.write_all(live.as_bytes()).and_then(|()| stream.read(&mut [0; 100]))
            });
        }
        ended = ended.or(child.try_wait().expect("its status"));
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(ended.is_none(), "it ended by itself: {ended:?}");
}
