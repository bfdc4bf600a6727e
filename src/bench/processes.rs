//! The parent of `--processes`: starts itself so many times, each with a share of the connections,
//! lets all of them begin at once, and joins what they say. It looks at the server's processes;
//! of the connections it has none.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::account::Account;
use super::flags::{Plan, Scenario};
use super::report::progress::Progress;
use super::report::{Slice, join, table};
use super::share::{self, Share};

/// Runs the plan by children.
///
/// # Errors
/// In one line, what is impossible or went wrong; a child's words where it was a child.
pub fn run(plan: &Plan) -> Result<(), String> {
    let shares = share::shares(plan)?;
    let mut parent = Parent::start(plan, &shares)?;
    let ready = parent.ready()?;
    if plan.common.steps {
        print_line(&ready)?;
        parent.listen();
        while let Some(milliseconds) = parent.order()? {
            print_line(&parent.slice(milliseconds)?)?;
        }
    } else {
        let slice = parent.once(plan)?;
        if plan.common.json {
            print_line(&slice)?;
        } else {
            print(&table::table(&slice))?;
        }
    }
    parent.end()
}

/// What happens to the parent.
enum Event {
    /// A word on standard input, or its end.
    Ordered(Option<String>),
    /// This child said a line.
    Said(usize, String),
    /// This child has nothing more to say.
    Ended(usize),
}

struct Parent {
    children: Vec<Running>,
    events: Receiver<Event>,
    tell: Sender<Event>,
    account: Option<Account>,
    /// Whether the first child publishes, and the others must be told how much.
    publishes: bool,
    /// Whether the first slice begins with the connecting.
    connects: bool,
    progress: Progress,
}

/// A child, ended when it is dropped.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    words: Option<JoinHandle<String>>,
}

impl Parent {
    fn start(plan: &Plan, shares: &[Share]) -> Result<Self, String> {
        let common = &plan.common;
        let account = (!common.pid.is_empty())
            .then(|| Account::open(&common.pid, common.count_syscalls))
            .transpose();
        let (tell, events) = mpsc::channel();
        let mut parent = Self {
            children: Vec::new(),
            events,
            tell,
            account: account.map_err(|error| format!("--pid: {error}"))?,
            publishes: matches!(plan.scenario, Scenario::Fanout(_)),
            connects: matches!(&plan.scenario, Scenario::Connect(flags) if flags.churn == 0),
            progress: Progress::new(),
        };
        if parent.connects {
            parent.begin()?;
        }
        for (index, share) in shares.iter().enumerate() {
            let started = Running::start(*share, index, &parent.tell);
            let started = started.map_err(|error| format!("a process does not start: {error}"))?;
            parent.children.push(started);
        }
        Ok(parent)
    }

    /// Waits until all are connected and says so, as one would.
    fn ready(&mut self) -> Result<Value, String> {
        let (mut connections, mut elapsed_ns) = (0, 0);
        self.progress.show("connecting");
        for (at, line) in self.hear_all()?.into_iter().enumerate() {
            let ready: Value = read_line(&line)?;
            let number = |name: &str| ready["ready"][name].as_u64();
            connections += number("connections").ok_or_else(|| format!("process {at}: {line}"))?;
            elapsed_ns = number("elapsed_ns").unwrap_or(0).max(elapsed_ns);
        }
        let server = self.account.as_ref().map(Account::standing).transpose();
        let server = server.map_err(|error| error.to_string())?;
        let ready =
            json!({ "connections": connections, "elapsed_ns": elapsed_ns, "server": server });
        Ok(json!({ "ready": ready }))
    }

    /// Warms up, measures once.
    fn once(&mut self, plan: &Plan) -> Result<Slice, String> {
        let milliseconds = |time: Duration| time.as_millis() as u64;
        let warm_up = milliseconds(plan.common.warm_up);
        if warm_up > 0 && !self.connects {
            self.progress.show("warming up");
            self.slice(warm_up)?;
        }
        self.progress.show("measuring");
        let slice = self.slice(milliseconds(plan.common.time))?;
        self.progress.clear();
        Ok(slice)
    }

    /// One measured slice of all.
    fn slice(&mut self, milliseconds: u64) -> Result<Slice, String> {
        if !std::mem::take(&mut self.connects) {
            self.begin()?;
        }
        for at in 0..self.children.len() {
            self.say(at, &format!("go {milliseconds}"))?;
        }
        let mut slices = vec![None; self.children.len()];
        if self.publishes {
            let publisher: Slice = read_line(&self.hear(0)?)?;
            for at in 1..self.children.len() {
                self.say(at, &format!("published {}", publisher.published))?;
            }
            slices[0] = Some(publisher);
        }
        while slices.iter().any(Option::is_none) {
            let (at, line) = self.hear_any()?;
            slices[at] = Some(read_line(&line)?);
        }
        let slices: Vec<Slice> = slices.into_iter().flatten().collect();
        let mut joined = join::join(&slices)?;
        if let Some(account) = &mut self.account {
            let ended = account.end(joined.operations).map_err(|error| error.to_string())?;
            joined.server = Some(ended.0);
            joined.syscalls_per_operation = ended.1;
        }
        Ok(joined)
    }

    /// What the server takes counts from now on.
    fn begin(&mut self) -> Result<(), String> {
        let begun = self.account.as_mut().map(Account::begin).transpose();
        begun.map(|_| ()).map_err(|error| format!("--pid: {error}"))
    }

    /// Hears standard input from now on.
    fn listen(&self) {
        let tell = self.tell.clone();
        thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                let Ok(line) = line else { break };
                if tell.send(Event::Ordered(Some(line))).is_err() {
                    return;
                }
            }
            let _ = tell.send(Event::Ordered(None));
        });
    }

    /// The length of the next slice that is ordered; nothing at the end.
    fn order(&mut self) -> Result<Option<u64>, String> {
        match self.next()? {
            Event::Ordered(None) => Ok(None),
            Event::Ordered(Some(line)) if line.trim() == "end" => Ok(None),
            Event::Ordered(Some(line)) => {
                let number = line.trim().strip_prefix("go ").and_then(|rest| rest.parse().ok());
                number.map(Some).ok_or_else(|| format!("'{line}': go MILLISECONDS, or end"))
            }
            Event::Said(at, line) => Err(format!("process {at} spoke out of turn: {line}")),
            Event::Ended(at) => Err(self.last_words(at)),
        }
    }

    /// One line of each.
    fn hear_all(&mut self) -> Result<Vec<String>, String> {
        let mut lines = vec![None; self.children.len()];
        while lines.iter().any(Option::is_none) {
            let (at, line) = self.hear_any()?;
            lines[at] = Some(line);
            let heard = lines.iter().flatten().count();
            self.progress.show(&format!("{heard} of {} processes are ready", lines.len()));
        }
        Ok(lines.into_iter().flatten().collect())
    }

    /// A line of this one; nobody else may speak before.
    fn hear(&mut self, wanted: usize) -> Result<String, String> {
        match self.hear_any()? {
            (at, line) if at == wanted => Ok(line),
            (at, line) => Err(format!("process {at} spoke out of turn: {line}")),
        }
    }

    fn hear_any(&mut self) -> Result<(usize, String), String> {
        match self.next()? {
            Event::Said(at, line) => Ok((at, line)),
            Event::Ended(at) => Err(self.last_words(at)),
            Event::Ordered(_) => Err("one order at a time".into()),
        }
    }

    fn next(&mut self) -> Result<Event, String> {
        self.events.recv().map_err(|error| error.to_string())
    }

    fn say(&mut self, at: usize, words: &str) -> Result<(), String> {
        let stdin = self.children[at].stdin.as_mut();
        let said = stdin.map(|stdin| stdin.write_all(format!("{words}\n").as_bytes()));
        match said {
            Some(Ok(())) => Ok(()),
            _ => Err(self.last_words(at)),
        }
    }

    /// Why a child ended that should not have.
    fn last_words(&mut self, at: usize) -> String {
        let running = &mut self.children[at];
        running.stdin = None;
        let words = running.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it has ended");
        format!("process {at}: {}", last.trim_start_matches("fanwire bench: "))
    }

    /// Lets all of them close what they have, and end.
    fn end(mut self) -> Result<(), String> {
        for at in 0..self.children.len() {
            self.say(at, "end")?;
        }
        for at in 0..self.children.len() {
            let status = self.children[at].child.wait().map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(self.last_words(at));
            }
        }
        Ok(())
    }
}

impl Running {
    /// Starts this program again with the flags that it was given, and its share.
    fn start(share: Share, index: usize, tell: &Sender<Event>) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .arg(format!("--share={share}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut stderr = child.stderr.take();
        let words = thread::spawn(move || {
            let mut words = Vec::new();
            let _ = stderr.as_mut().map(|stderr| stderr.read_to_end(&mut words));
            String::from_utf8_lossy(&words).into_owned()
        });
        let tell = tell.clone();
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            for line in lines.map_while(Result::ok) {
                if tell.send(Event::Said(index, line)).is_err() {
                    return;
                }
            }
            let _ = tell.send(Event::Ended(index));
        });
        Ok(Self { child, stdin, words: Some(words) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_line<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("a process said '{line}': {error}"))
}

fn print_line(value: &impl serde::Serialize) -> Result<(), String> {
    let mut line = serde_json::to_string(value).map_err(|error| error.to_string())?;
    line.push('\n');
    print(&line)
}

fn print(text: &str) -> Result<(), String> {
    let mut stdout = io::stdout();
    let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    printed.map_err(|error| format!("standard output: {error}"))
}
