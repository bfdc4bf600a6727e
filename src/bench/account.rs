//! What processes cost: processor time, memory, switches, and (`syscalls`) system calls, read from
//! Linux's own accounts. `proc` understands the files under `/proc`; here they are read, and one
//! reading is held against another. Never touches the measured processes beyond looking at them.
//!
//! **Processor time is exact**: the first field of `/proc/PID/task/TID/schedstat` counts each
//! thread's nanoseconds. A thread that runs at the moment of reading may be up to one scheduler
//! tick (1 to 10 ms) ahead of it. A thread that has ended keeps what was last read of it; what it
//! ran after that shows in its process's total (`/proc/PID/stat`), which counts the dead too, but
//! in clock ticks: the total is a lower bound, and what it has more than the threads is added.
//! User and system time are that total's, in clock ticks. A process that has ended keeps what was
//! last read of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};

use proc::{Stat, Switches};
use syscalls::Counting;

use super::report::Server;

mod proc;
pub mod syscalls;
#[cfg(test)]
mod tests;

/// What processes have used since they started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds on a processor.
    pub cpu_ns: u64,
    /// Of these in user mode, to a clock tick (10 ms) for each process.
    pub user_ns: u64,
    /// Of these in the kernel, to a clock tick for each process.
    pub system_ns: u64,
    /// How often threads gave up a processor or had to.
    pub switches: u64,
}

/// What processes hold at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub rss_bytes: u64,
    /// Resident, shared pages divided by those who share them; `None` where that is not to be seen.
    pub pss_bytes: Option<u64>,
    /// Threads.
    pub threads: u64,
}

/// Both, at about the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    usage: Usage,
    memory: Memory,
}

impl Usage {
    /// What was used since an earlier reading of the same account.
    #[must_use]
    pub fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

/// The account of some processes and their descendants. Several readings of one account go
/// together; it remembers the threads that it has seen.
#[derive(Debug)]
pub struct Account {
    roots: Vec<u32>,
    tick_ns: u64,
    page_bytes: u64,
    opened: bool,
    processes: BTreeMap<u32, Process>,
    counts_syscalls: bool,
    counting: Option<Counting>,
    begun: Reading,
}

impl Account {
    /// Opens the account of these processes.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn open(pids: &[u32], counts_syscalls: bool) -> io::Result<Self> {
        let mut account = Self {
            roots: pids.to_vec(),
            tick_ns: 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1),
            page_bytes: rustix::param::page_size() as u64,
            opened: false,
            processes: BTreeMap::new(),
            counts_syscalls,
            counting: None,
            begun: Reading::default(),
        };
        account.usage()?;
        account.opened = true;
        Ok(account)
    }

    /// Something is measured from now on. System calls are counted where that was asked for;
    /// should it not be possible, standard error says why, once.
    ///
    /// # Errors
    /// When one of the processes given has ended.
    pub fn begin(&mut self) -> io::Result<()> {
        // Summing memory up costs time, and so does perf: both before the clock starts.
        let memory = self.memory()?;
        if self.counts_syscalls {
            self.counting = self.known(Counting::start(&self.pids()?));
        }
        self.begun = Reading { usage: self.usage()?, memory };
        Ok(())
    }

    /// What is held now, while nothing is measured.
    ///
    /// # Errors
    /// When one of the processes given has ended.
    pub fn standing(&self) -> io::Result<Server> {
        let Memory { rss_bytes, pss_bytes, threads } = self.memory()?;
        Ok(Server { rss_bytes, pss_bytes, threads, ..Server::default() })
    }

    /// It is measured up to now: what `operations` operations took, and the system calls of each.
    ///
    /// # Errors
    /// When one of the processes given has ended.
    pub fn end(&mut self, operations: u64) -> io::Result<(Server, Option<f64>)> {
        let usage = self.usage()?.since(&self.begun.usage);
        let counted = self.counting.take().map(Counting::finish);
        let calls = counted.and_then(|counted| self.known(counted));
        let memory = self.memory()?;
        let each = |sum: u64| (operations > 0).then(|| sum as f64 / operations as f64);
        let server = Server {
            cpu_ns: usage.cpu_ns,
            user_ns: usage.user_ns,
            system_ns: usage.system_ns,
            cpu_ns_per_operation: each(usage.cpu_ns),
            rss_bytes: memory.rss_bytes,
            pss_bytes: memory.pss_bytes,
            rss_growth_bytes: memory.rss_bytes.cast_signed()
                - self.begun.memory.rss_bytes.cast_signed(),
            threads: memory.threads,
            switches: usage.switches,
        };
        Ok((server, calls.and_then(each)))
    }

    /// What perf says, or nothing and its reason, after which it is not asked again.
    fn known<T>(&mut self, said: Result<T, String>) -> Option<T> {
        said.map_err(|reason| {
            eprintln!("fanwire bench: system calls are not counted: {reason}");
            self.counts_syscalls = false;
        })
        .ok()
    }

    /// What has been used up to now.
    ///
    /// # Errors
    /// When one of the processes given has ended.
    pub fn usage(&mut self) -> io::Result<Usage> {
        let family = self.family()?;
        for (pid, process) in &mut self.processes {
            if !family.contains_key(pid) {
                process.end();
            }
        }
        for (pid, stat) in family {
            let sample = Sample::read(pid, &stat, self.tick_ns);
            let newborn = self.opened;
            let meet = || Process::meet(&sample, newborn);
            self.processes.entry(pid).or_insert_with(meet).update(sample, self.tick_ns);
        }
        Ok(self.processes.values().fold(Usage::default(), |sum, process| {
            let usage = process.usage();
            Usage {
                cpu_ns: sum.cpu_ns + usage.cpu_ns,
                user_ns: sum.user_ns + usage.user_ns,
                system_ns: sum.system_ns + usage.system_ns,
                switches: sum.switches + usage.switches,
            }
        }))
    }

    /// What is held now.
    ///
    /// # Errors
    /// When one of the processes given has ended.
    pub fn memory(&self) -> io::Result<Memory> {
        let mut memory = Memory { pss_bytes: Some(0), ..Memory::default() };
        for (pid, stat) in self.family()? {
            memory.threads += stat.threads;
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            if let Some((rss, pss)) = proc::rollup(&text) {
                memory.rss_bytes += rss;
                memory.pss_bytes = memory.pss_bytes.map(|sum| sum + pss);
            } else {
                // Somebody else's process: the kernel tells its size, but not its maps.
                memory.rss_bytes += stat.rss_pages * self.page_bytes;
                memory.pss_bytes = memory.pss_bytes.filter(|_| stat.rss_pages == 0);
            }
        }
        Ok(memory)
    }

    /// The processes given and their descendants, as they are now.
    ///
    /// # Errors
    /// When one of the processes given has ended.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        Ok(self.family()?.into_keys().collect())
    }

    fn family(&self) -> io::Result<BTreeMap<u32, Stat>> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat"))
                && let Some(stat) = Stat::parse(&text)
                && !stat.ended
            {
                all.insert(pid, stat);
            }
        }
        if let Some(gone) = self.roots.iter().find(|root| !all.contains_key(root)) {
            let words = if self.opened { "has ended" } else { "is not there" };
            return Err(io::Error::new(ErrorKind::NotFound, format!("process {gone} {words}")));
        }
        let parents: Vec<_> = all.iter().map(|(&pid, stat)| (pid, stat.parent)).collect();
        let family = descendants(&self.roots, &parents);
        all.retain(|pid, _| family.contains(pid));
        Ok(all)
    }
}

/// These processes and everyone who descends from them, of a list of (process, parent).
fn descendants(roots: &[u32], parents: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut family: BTreeSet<u32> = roots.iter().copied().collect();
    loop {
        let before = family.len();
        let born = parents.iter().filter(|(_, parent)| family.contains(parent));
        let born: Vec<u32> = born.map(|(pid, _)| *pid).collect();
        family.extend(born);
        if family.len() == before {
            return family;
        }
    }
}

/// Bytes that the kernel holds for all TCP sockets of this machine (of this network namespace).
///
/// # Errors
/// When the kernel does not tell.
pub fn socket_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let pages = proc::tcp_pages(&text);
    let pages = pages.ok_or_else(|| io::Error::other("/proc/net/sockstat has no TCP mem"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Time on processors that this process itself has spent.
pub fn own_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// What the files of one process said at one moment.
#[derive(Clone, Debug, Default)]
struct Sample {
    user_ns: u64,
    system_ns: u64,
    threads: BTreeMap<u32, Thread>,
}

/// One thread, up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thread {
    cpu_ns: u64,
    switches: u64,
}

impl Sample {
    /// The process's total (`stat`) was read before its threads, so that it has nothing which they
    /// do not have yet. What cannot be read has just ended, and is left out.
    fn read(pid: u32, stat: &Stat, tick_ns: u64) -> Self {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let path = entry.path();
            let tid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let text = |file: &str| fs::read_to_string(path.join(file)).ok();
            let cpu_ns = text("schedstat").and_then(|text| proc::schedstat(&text));
            let switches = text("status").and_then(|text| Switches::parse(&text));
            if let (Some(tid), Some(cpu_ns), Some(switches)) = (tid, cpu_ns, switches) {
                threads.insert(tid, Thread { cpu_ns, switches: switches.sum() });
            }
        }
        Self { user_ns: stat.user_ticks * tick_ns, system_ns: stat.system_ticks * tick_ns, threads }
    }
}

/// What is known of one process.
#[derive(Clone, Debug, Default)]
struct Process {
    user_ns: u64,
    system_ns: u64,
    threads: BTreeMap<u32, Thread>,
    /// The threads that have ended, each as it was last read.
    ended: Thread,
    /// What ended threads ran after they were last read, as far as the total shows it.
    unread_ns: u64,
    /// How far the total was ahead of the threads when the process was met: threads that had ended
    /// before that, which are nobody's business. Below zero by what ticks round off.
    ahead_ns: i128,
}

impl Process {
    /// Of one that was born while the account was open, everything counts.
    fn meet(sample: &Sample, newborn: bool) -> Self {
        let total = i128::from(sample.user_ns) + i128::from(sample.system_ns);
        let threads: u64 = sample.threads.values().map(|thread| thread.cpu_ns).sum();
        let ahead_ns = if newborn { 0 } else { total - i128::from(threads) };
        Self { ahead_ns, ..Self::default() }
    }

    fn update(&mut self, sample: Sample, tick_ns: u64) {
        for (tid, thread) in std::mem::take(&mut self.threads) {
            if !sample.threads.contains_key(&tid) {
                self.bury(thread);
            }
        }
        self.threads = sample.threads;
        self.user_ns = self.user_ns.max(sample.user_ns);
        self.system_ns = self.system_ns.max(sample.system_ns);
        // Two numbers, each rounded down to a tick: they prove no more than this.
        let total = i128::from(self.user_ns) + i128::from(self.system_ns);
        let proven = total - self.ahead_ns - 2 * i128::from(tick_ns);
        let unread = proven - i128::from(self.usage().cpu_ns);
        self.unread_ns += u64::try_from(unread).unwrap_or(0);
    }

    fn end(&mut self) {
        for thread in std::mem::take(&mut self.threads).into_values() {
            self.bury(thread);
        }
    }

    fn bury(&mut self, thread: Thread) {
        self.ended.cpu_ns += thread.cpu_ns;
        self.ended.switches += thread.switches;
    }

    fn usage(&self) -> Usage {
        let sum = |of: fn(&Thread) -> u64| self.threads.values().map(of).sum::<u64>();
        Usage {
            cpu_ns: self.ended.cpu_ns + self.unread_ns + sum(|thread| thread.cpu_ns),
            user_ns: self.user_ns,
            system_ns: self.system_ns,
            switches: self.ended.switches + sum(|thread| thread.switches),
        }
    }
}
