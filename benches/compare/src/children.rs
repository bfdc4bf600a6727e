//! The processes of a measurement: servers that must listen, clients that are told when to measure.
//! Both end with the value that owns them. What is started stands in `launch`.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::slice::{Line, Ready, Slice, parse};

const START_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_mins(5);
/// What a slice may take beyond its length: a round of a slow server, in closed loop.
const SLICE_GRACE: Duration = Duration::from_mins(2);
const END_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A server that listens.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    pub port: u16,
}

impl ServerProcess {
    /// Starts it and waits until somebody answers at its port.
    pub fn start(mut command: Command, port: u16, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| shown(&command))?;
        let mut server = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("ended at its start with {status}: {}", last_line(log));
            }
            ensure!(begun.elapsed() < START_LIMIT, "does not listen: {}", last_line(log));
            thread::sleep(POLL);
        }
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Time that its threads have had on cores.
    pub fn cpu_ns(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten();
        threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A `fanwire bench --steps` whose connections are all there.
#[derive(Debug)]
pub struct ClientProcess {
    child: Child,
    words: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
    pub ready: Ready,
}

impl ClientProcess {
    /// Starts it and waits until it is connected and subscribed.
    pub fn start(command: Command, log: &Path) -> Result<Self> {
        let mut client = Self::spawn(command, log)?;
        match client.line(CONNECT_LIMIT)? {
            Line::Ready { ready } => client.ready = ready,
            Line::Slice(_) => bail!("a result before it was ready"),
        }
        Ok(client)
    }

    /// Begins a slice.
    pub fn go(&mut self, length: Duration) -> Result<()> {
        let words = self.words.as_mut().context("it was told to end")?;
        writeln!(words, "go {}", length.as_millis())?;
        Ok(())
    }

    /// Waits for what the slice has given.
    pub fn result(&mut self, length: Duration) -> Result<Slice> {
        match self.line(length + SLICE_GRACE)? {
            Line::Slice(slice) => Ok(*slice),
            Line::Ready { .. } => bail!("ready again instead of a result"),
        }
    }

    fn spawn(mut command: Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log)?);
        let mut child = command.spawn().with_context(|| shown(&command))?;
        let output = child.stdout.take().context("its output is piped")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        let words = child.stdin.take();
        Ok(Self { child, words, lines, log: log.into(), ready: Ready::default() })
    }

    fn line(&mut self, limit: Duration) -> Result<Line> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => parse(&line),
            Err(RecvTimeoutError::Timeout) => bail!("the client says nothing for {limit:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the client has ended: {}", last_line(&self.log))
            }
        }
    }
}

impl Drop for ClientProcess {
    /// The end of its input is the word to end; it closes its connections before it goes.
    fn drop(&mut self) {
        self.words = None;
        if !ended_within(&mut self.child, END_LIMIT) {
            end(&mut self.child);
        }
    }
}

/// A command as it would be typed.
pub fn shown(command: &Command) -> String {
    let name = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let set = command.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let env = set.map(|(key, value)| format!("{}={}", name(key), name(value)));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(name);
    env.chain(words).collect::<Vec<_>>().join(" ")
}

/// Asks it to end, and ends it when it does not.
fn end(child: &mut Child) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process(pid, Signal::TERM);
    }
    if !ended_within(child, END_LIMIT) {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn ended_within(child: &mut Child, limit: Duration) -> bool {
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// What a program has said last.
fn last_line(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("without a word").trim().chars().take(200).collect()
}
