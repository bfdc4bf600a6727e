//! What the numbers were measured on: machine, kernel, versions. Reads /proc, /sys and what
//! programs say of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::launch::Launch;
use crate::results::Machine;

/// This machine.
pub fn machine() -> Machine {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let governor = fs::read_to_string(governor).unwrap_or_else(|_| "not visible".into());
    Machine {
        cpu,
        cores: std::thread::available_parallelism().map_or(0, Into::into),
        kernel: kernel.trim().into(),
        memory_mib: kib("MemTotal") / 1024,
        governor: governor.trim().into(),
    }
}

/// Memory that programs may still take, in KiB.
pub fn available_kib() -> u64 {
    kib("MemAvailable")
}

/// What the kernel has allocated for itself, sockets included.
pub fn slab_bytes() -> u64 {
    kib("Slab") * 1024
}

fn kib(name: &str) -> u64 {
    let text = field("/proc/meminfo", name);
    text.and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The value of the first line `name: value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().into())
}

/// The versions of all that may be measured, by name; what is not there has none.
pub fn versions(launch: &Launch) -> BTreeMap<String, String> {
    let listed = output(Command::new(launch.here.join("install")).arg("--versions"));
    let listed: Option<BTreeMap<String, Option<String>>> =
        listed.and_then(|text| serde_json::from_str(&text).ok());
    let mut versions: BTreeMap<String, String> =
        listed.into_iter().flatten().filter_map(|(name, version)| Some((name, version?))).collect();
    let commit = commit(launch).unwrap_or_else(|| "of no commit".into());
    let fanwire = output(Command::new(&launch.fanwire).arg("--version")).unwrap_or_default();
    let fanwire = fanwire.trim_start_matches("fanwire ");
    versions.insert("fanwire".into(), format!("{fanwire} ({commit})"));
    versions.insert("floor".into(), format!("({commit})"));
    versions
}

/// The commit that is checked out, and whether something was changed since, but for what is written
/// here.
fn commit(launch: &Launch) -> Option<String> {
    let git = |args: &[&str]| output(Command::new("git").arg("-C").arg(&launch.root).args(args));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let written = [":!benches/compare/results", ":!docs/benchmarks.md"];
    let changed = git(&[&["status", "--porcelain", "-uno", "--", "."], &written[..]].concat());
    Some(if changed.is_some() { format!("{commit}-dirty") } else { commit })
}

/// The first line that a command prints.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(|line| line.trim().into()).filter(|line: &String| !line.is_empty())
}
