//! What the machine says about itself, for the settings whose defaults follow it.

use std::fs::read_to_string;

/// The machine that the server runs on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: u16,
    /// The machine's own name.
    pub host_name: String,
    /// Memory that this process may use: the machine's, or less where a control group says so.
    pub memory_bytes: usize,
}

impl Machine {
    /// Asks the machine. What it does not tell is 1 core, `localhost`, 2 GiB.
    pub fn read() -> Self {
        let cores = std::thread::available_parallelism()
            .map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(crate::limits::MAX_WORKERS));
        let host_name = read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let machine = read_to_string("/proc/meminfo").ok().as_deref().and_then(total_memory);
        // The root of what a container sees is its own control group.
        let group = read_to_string("/sys/fs/cgroup/memory.max").ok();
        let group = group.and_then(|text| text.trim().parse().ok());
        Self {
            cores: cores.min(crate::limits::MAX_WORKERS),
            host_name: match host_name.trim() {
                "" => "localhost".into(),
                name => name.into(),
            },
            memory_bytes: machine.into_iter().chain(group).min().unwrap_or(2 << 30),
        }
    }
}

/// `MemTotal` of /proc/meminfo, which counts in KiB.
fn total_memory(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_in_kib() {
        let text = "MemTotal:       24614236 kB\nMemFree:        22512344 kB\n";
        assert_eq!(total_memory(text), Some(24_614_236 * 1024));
        for text in ["", "MemTotal:", "MemTotal: x kB", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(total_memory(text), None, "{text}");
        }
    }

    #[test]
    fn this_machine_answers() {
        let machine = Machine::read();
        assert!(machine.cores >= 1);
        assert!(!machine.host_name.is_empty() && machine.host_name.trim() == machine.host_name);
        assert!(machine.memory_bytes >= 16 << 20);
    }
}
