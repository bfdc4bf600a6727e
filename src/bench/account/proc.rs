//! The files under `/proc` that the account reads (proc(5)): text in, numbers out. Each answers
//! `None` to what is not as the kernel writes it. Reads no file.

/// What `/proc/PID/stat` says of a whole process, threads that have ended included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its parent.
    pub parent: u32,
    /// Whether it only waits to be reaped.
    pub ended: bool,
    /// In user mode, in clock ticks.
    pub user_ticks: u64,
    /// In the kernel, in clock ticks.
    pub system_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Resident pages; the kernel gathers this number a little late.
    pub rss_pages: u64,
}

impl Stat {
    /// Reads the line. The name in it is the program's own choice, spaces and parentheses too, so
    /// fields are counted from the last closing one.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The state is field 3 of proc(5).
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |index: usize| field(index)?.parse::<u64>().ok();
        Some(Self {
            parent: field(4)?.parse().ok()?,
            ended: matches!(field(3)?, "Z" | "X" | "x"),
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            threads: number(20)?,
            rss_pages: number(24)?,
        })
    }
}

/// Nanoseconds that a thread has spent on processors, of its `schedstat`.
pub fn schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// How often a thread left its processor, of its `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Because it had to wait.
    pub voluntary: u64,
    /// Because another was to run.
    pub involuntary: u64,
}

impl Switches {
    /// Reads the two lines.
    pub fn parse(text: &str) -> Option<Self> {
        let line = |name| number_after(text, name);
        Some(Self {
            voluntary: line("voluntary_ctxt_switches:")?,
            involuntary: line("nonvoluntary_ctxt_switches:")?,
        })
    }

    /// Both together.
    pub fn sum(self) -> u64 {
        self.voluntary + self.involuntary
    }
}

/// Resident and proportional bytes, of `smaps_rollup`.
pub fn rollup(text: &str) -> Option<(u64, u64)> {
    let bytes = |name| number_after(text, name).map(|kib| kib * 1024);
    Some((bytes("Rss:")?, bytes("Pss:")?))
}

/// Pages that all TCP sockets hold, of `/proc/net/sockstat`.
pub fn tcp_pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

/// The number on the line that starts with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
