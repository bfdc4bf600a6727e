//! What the numbers were measured on: machine, kernel, versions. Reads /proc, /sys and what programs
//! say of themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::launch::Launch;
use crate::results::Machine;
use crate::servers::Version;

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

/// Name and version of one part of a server.
pub fn version(version: Version, launch: &Launch) -> Option<String> {
    match version {
        Version::Fanwire => {
            let said = output(Command::new(&launch.fanwire).arg("--version"))?;
            Some(format!("{said} ({})", commit(launch)?))
        }
        Version::Floor => Some(format!("floor ({})", commit(launch)?)),
        Version::Npm(name) => {
            let package = format!("node/node_modules/{name}/package.json");
            let text = fs::read_to_string(launch.here.join(package)).ok()?;
            let package: Value = serde_json::from_str(&text).ok()?;
            Some(format!("{name} {}", package["version"].as_str()?))
        }
        Version::Crate(name) => {
            let locked = locked(&launch.here.join("Cargo.lock"), name)?;
            Some(format!("{name} {locked}"))
        }
        Version::Debian(name) => {
            let query = ["-W", "-f", "${Version}", name];
            Some(format!("{name} {}", output(Command::new("dpkg-query").args(query))?))
        }
        Version::Command(name) => {
            let said = output(Command::new(name).arg("--version"))?;
            Some(format!("{name} {}", said.trim_start_matches('v')))
        }
    }
}

/// The commit that is checked out, and whether something was changed since.
fn commit(launch: &Launch) -> Option<String> {
    let describe = ["describe", "--always", "--dirty", "--exclude=*"];
    output(Command::new("git").arg("-C").arg(&launch.root).args(describe))
}

/// The version of a crate in a Cargo.lock.
fn locked(path: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let (_, after) = text.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(after.split_once('"')?.0.into())
}

/// The first line that a command prints.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(|line| line.trim().into()).filter(|line: &String| !line.is_empty())
}
