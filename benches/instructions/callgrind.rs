//! Runs this program under callgrind, and reads what was counted: instructions of each function and
//! line, and of each call. What belongs to which is the business of `main`.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What callgrind counted of one function.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Its own instructions.
    pub own: u64,
    /// And those of what it called.
    pub inclusive: u64,
}

/// What callgrind counted.
#[derive(Debug, Default)]
pub struct Profile {
    /// By the names of functions.
    pub functions: HashMap<String, Cost>,
    /// By file and line, inlined ones included.
    pub lines: HashMap<(String, u64), u64>,
    /// Calls from one function into another one, with what they came to.
    calls: HashMap<(String, String), u64>,
}

impl Profile {
    /// Runs this very program with these arguments, and counts in the functions that match `in_`.
    /// Returns what it printed, too.
    pub fn taken(arguments: &[&str], in_: &str, into: &Path) -> Result<(Self, String), String> {
        let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "-q", "--compress-strings=no", "--compress-pos=no"])
            .arg(format!("--toggle-collect={in_}"))
            .arg(format!("--callgrind-out-file={}", into.display()))
            .arg(program)
            .args(arguments)
            .output()
            .map_err(|error| format!("valgrind: {error} (scripts/need valgrind installs it)"))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("valgrind: {}\n{errors}", output.status));
        }
        let text = fs::read_to_string(into).map_err(|error| format!("{}: {error}", into.display()));
        Ok((Self::read(&text?), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Reads callgrind's format: <https://valgrind.org/docs/manual/cl-format.html>.
    fn read(text: &str) -> Self {
        let mut profile = Self::default();
        let (mut file, mut function, mut called) = (String::new(), String::new(), String::new());
        let mut is_call = false;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("fl" | "fi" | "fe", name)) => name.clone_into(&mut file),
                Some(("fn", name)) => name.clone_into(&mut function),
                Some(("cfn", name)) => name.clone_into(&mut called),
                // How often is of no use: it is counted outside of `counted`, too.
                Some(("calls", _)) => is_call = true,
                Some(_) => {}
                None => {
                    let (Some(at), Some(cost)) = (number(line, 0), number(line, 1)) else {
                        continue;
                    };
                    let own = profile.functions.entry(function.clone()).or_default();
                    own.inclusive += cost;
                    if std::mem::take(&mut is_call) {
                        let call = (function.clone(), called.clone());
                        *profile.calls.entry(call).or_default() += cost;
                    } else {
                        own.own += cost;
                        *profile.lines.entry((file.clone(), at)).or_default() += cost;
                    }
                }
            }
        }
        profile
    }

    /// All instructions.
    pub fn total(&self) -> u64 {
        self.functions.values().map(|cost| cost.own).sum()
    }

    /// Those of the functions whose names begin so, and of everything that they called.
    pub fn within(&self, prefix: &str) -> u64 {
        let is_in = |name: &String| name.starts_with(prefix);
        let own = self.functions.iter().filter(|(name, _)| is_in(name)).map(|(_, cost)| cost.own);
        let below = self.calls.iter().filter(|((from, to), _)| is_in(from) && !is_in(to));
        own.sum::<u64>() + below.map(|(_, cost)| cost).sum::<u64>()
    }
}

/// The n-th number of a line.
fn number(line: &str, n: usize) -> Option<u64> {
    line.split_whitespace().nth(n)?.parse().ok()
}
