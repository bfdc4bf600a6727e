//! System calls of processes while something is measured, counted by the kernel's tracepoint
//! `raw_syscalls:sys_enter` through `perf stat`. Knows nothing of what is measured. Where perf is
//! missing or may not, the answer is its reason.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running `perf stat`. It counts from `start` to `finish`, and ends when it is dropped.
#[derive(Debug)]
pub struct Counting {
    perf: Child,
    answers: BufReader<ChildStdout>,
}

impl Counting {
    /// Starts counting, in threads that are there and in those they start. Returns when it counts.
    ///
    /// # Errors
    /// In one line, why it cannot.
    pub fn start(pids: &[u32]) -> Result<Self, String> {
        let list: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut perf = Command::new("perf")
            .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter"])
            // Disabled until told otherwise by standard input, with an answer on standard output.
            .args(["-D", "-1", "--control", "fd:0,1", "-p", &list.join(",")])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("perf: {error}"))?;
        let answers = BufReader::new(perf.stdout.take().ok_or("perf: no output")?);
        let mut counting = Self { perf, answers };
        counting.tell("enable")?;
        Ok(counting)
    }

    /// Stops counting and returns how many there were.
    ///
    /// # Errors
    /// In one line, why that is not known.
    pub fn finish(mut self) -> Result<u64, String> {
        self.tell("disable")?;
        let pid = Pid::from_child(&self.perf);
        // As by Ctrl-C: this is how it is asked for its result.
        kill_process(pid, Signal::INT).map_err(|error| format!("perf: {error}"))?;
        let text = self.last_words();
        count(&text).ok_or_else(|| reason(&text))
    }

    /// Gives an order and waits until it is carried out.
    fn tell(&mut self, order: &str) -> Result<(), String> {
        let stdin = self.perf.stdin.as_mut().ok_or("perf: no input")?;
        let told = stdin.write_all(format!("{order}\n").as_bytes());
        let mut answer = String::new();
        let heard = self.answers.read_line(&mut answer);
        // It writes a NUL behind each line, which so stands before the next answer.
        if told.is_ok() && heard.is_ok() && answer.trim_matches('\0').trim_end() == "ack" {
            return Ok(());
        }
        let _ = self.perf.kill();
        Err(reason(&self.last_words()))
    }

    /// What it says on standard error until it ends.
    fn last_words(&mut self) -> String {
        let mut text = Vec::new();
        if let Some(stderr) = &mut self.perf.stderr {
            let _ = stderr.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

/// The count in perf's comma-separated result. No call at all is "not counted" there.
fn count(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(",raw_syscalls:sys_enter,"))?;
    match line.split(',').next()? {
        "<not counted>" => Some(0),
        number => number.parse().ok(),
    }
}

/// The first line that says something.
fn reason(text: &str) -> String {
    let said = |line: &&str| !line.is_empty() && !line.starts_with("Events ");
    match text.lines().map(str::trim).find(said) {
        Some(line) => format!("perf: {line}"),
        None => "perf has ended without a word".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_perf() {
        let counted = "Events disabled\nEvents enabled\nEvents disabled\n\
            12034,,raw_syscalls:sys_enter,501234567,100.00,,\n";
        let none = "<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n";
        let refused = "Error:\nNo permission to enable raw_syscalls:sys_enter event.\n";
        for (text, expected) in [
            (counted, Some(12_034)),
            (none, Some(0)),
            ("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n", None),
            (refused, None),
            ("", None),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
        assert_eq!(reason("Events disabled\n\n  no such file\nmore\n"), "perf: no such file");
        assert_eq!(reason(""), "perf has ended without a word");
    }

    /// Where perf may, it counts at least our own; where it may not, it says why.
    #[test]
    fn this_process() {
        match Counting::start(&[std::process::id()]) {
            Ok(counting) => {
                (0..1000).for_each(|_| drop(std::fs::metadata("/proc")));
                let count = counting.finish().expect("it has counted");
                assert!(count >= 1000, "{count}");
            }
            Err(reason) => assert!(reason.starts_with("perf"), "{reason}"),
        }
    }

    #[test]
    fn nobody_to_count() {
        let reason = Counting::start(&[]).expect_err("nobody");
        assert!(reason.len() > "perf: ".len() && !reason.contains('\n'), "{reason}");
    }
}
