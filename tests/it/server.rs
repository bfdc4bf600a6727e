//! The server under test: the built program, started with flags, on a port of its own. Here too are
//! the questions that any test may ask it over HTTP.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wire::{PATIENCE, Response, Wire};

/// A running server. It ends with the test, which fails if a worker has panicked.
pub struct Server {
    /// Where it listens, on 127.0.0.1; 0 where it does not.
    pub port: u16,
    /// Where it has its API, where that is elsewhere.
    pub api_port: u16,
    child: Child,
    log: Option<JoinHandle<String>>,
    /// Held, so that it may go on saying things.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts it with these flags, which may overrule those that every test has: no updates, which
    /// come at random moments.
    pub fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanwire"));
        command.args(["--listen", "127.0.0.1:0", "--log-level", "warn"]);
        Self::run(command.args(["--update-interval", "0"]).args(flags).env_clear())
    }

    /// Runs this command, which ends up as the server.
    pub fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = child.stderr.take().expect("piped");
        let log = thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut port, mut api_port) = (0, 0);
        let started = lines.any(|line| {
            let line = line.expect("it says where it listens");
            let address = || line.split_once("://127.0.0.1:")?.1.split([' ', '/']).next();
            let number = address().and_then(|number| number.parse().ok()).unwrap_or_default();
            match line.split_whitespace().next() {
                Some("listening") => port = number,
                Some("API") => api_port = number,
                _ => {}
            }
            line.starts_with("  mode")
        });
        if !started {
            let _ = child.wait();
            panic!("it did not start: {}", log.join().unwrap_or_default());
        }
        Self { port, api_port, child, log: Some(log), _stdout: lines }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and returns what it has logged.
    pub fn into_log(mut self) -> String {
        let _ = self.child.kill();
        self.log.take().and_then(|log| log.join().ok()).unwrap_or_default()
    }

    /// `GET path`, on a connection of its own.
    pub fn read(&self, path: &str) -> Response {
        Wire::connect(self.port).ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// `GET path`, which must be answered with 200 and JSON.
    pub fn read_json(&self, path: &str) -> Value {
        let response = self.read(path);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        response.json()
    }

    /// Returns when every worker has dealt with what was posted to all of them before, such as new
    /// rules: to list channels is a letter to each, and letters keep their order. `lines` hold a
    /// key that may.
    pub fn await_workers(&self, lines: &str) {
        let response = Wire::connect(self.port).request("GET", "/channels", lines);
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// `POST path` with this body and these header lines (each ending in CR LF).
    pub fn post(&self, path: &str, lines: &str, body: impl AsRef<[u8]>) -> Response {
        Wire::connect(self.port).post(path, lines, body.as_ref())
    }

    /// Publishes JSON to a channel and returns the position.
    pub fn publish(&self, channel: &str, body: impl AsRef<[u8]>) -> String {
        let response = self.post(&format!("/channels/{channel}"), "", body);
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["id"].as_str().expect("a position").into()
    }

    /// One of the server's counters: the sum of the samples with this name, and with the labels
    /// that stand behind it in braces.
    pub fn counter(&self, wanted: &str) -> u64 {
        counter_in(&self.read("/metrics").text(), wanted)
    }

    /// Reads JSON until it is as wanted; the question itself takes the time.
    pub fn await_json(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let value = self.read_json(path);
            if wanted(&value) {
                return value;
            }
            assert!(start.elapsed() < PATIENCE, "{path} stays {value}");
        }
    }

    /// Asks for a counter until it is as wanted; the question itself takes the time.
    pub fn await_counter(&self, name: &str, mut wanted: impl FnMut(u64) -> bool) -> u64 {
        let start = Instant::now();
        loop {
            let value = self.counter(name);
            if wanted(value) {
                return value;
            }
            assert!(start.elapsed() < PATIENCE, "{name} stays at {value}");
        }
    }

    /// Resident memory of the process, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")).expect("in kB");
        kib.trim().parse::<u64>().expect("a number") * 1024
    }
}

/// A counter in the text of `/metrics`.
pub fn counter_in(text: &str, wanted: &str) -> u64 {
    let (name, labels) = wanted.trim_end_matches('}').split_once('{').unwrap_or((wanted, ""));
    let values: Vec<u64> = text
        .lines()
        .filter_map(|line| {
            let (sample, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            let bare = sample.is_empty() || sample.starts_with('{');
            let meant = bare && labels.split(',').all(|label| sample.contains(label));
            meant.then(|| value.parse().expect("a whole number"))
        })
        .collect();
    assert!(!values.is_empty(), "no {wanted} in {text}");
    values.iter().sum()
}

/// A folder for the files of one test.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

impl Server {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process has a number");
        kill_process(pid, signal).expect("it is there");
    }

    /// Asks it to stop, and returns its log when it has.
    pub fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, log) = self.ended();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// Waits until it has ended by itself. Returns its status and its log.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let log = self.log.take().expect("it ends once");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(log.join()));
        let log = told.recv_timeout(PATIENCE).expect("it ends").expect("a log");
        assert!(!log.contains("panicked at"), "{log}");
        (self.child.wait().expect("a status"), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.log.is_none() && !thread::panicking() {
            return;
        }
        let ended = self.child.try_wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        if thread::panicking() {
            eprintln!("the server's log: {log}");
            return;
        }
        assert!(!log.contains("panicked at"), "{log}");
        assert!(matches!(ended, Ok(None)), "it ended by itself ({ended:?}): {log}");
    }
}
