//! A slice for people: aligned lines with readable units, and in plain words what was lost and
//! whether the client was the limit.

use std::fmt::Write as _;

use super::{Latency, Server, Slice, Stalled, Storm};

/// The whole table, with a line break at its end.
pub fn table(slice: &Slice) -> String {
    let mut text = format!("{}, {}, {}\n", slice.scenario, slice.dialect, slice.url);
    for (name, value) in rows(slice) {
        let _ = writeln!(text, "  {name:<16}{value}");
    }
    for sentence in verdicts(slice) {
        let _ = writeln!(text, "{sentence}");
    }
    text
}

fn rows(slice: &Slice) -> Vec<(&'static str, String)> {
    let mut rows = vec![("connections", connections(slice))];
    if slice.published > 0 {
        rows.push(("published", published(slice)));
    }
    rows.push((Words::of(slice).many, operations(slice)));
    if let Some(latency) = &slice.latency_ns {
        rows.push(("latency", percentiles(latency)));
    }
    let mut received = bytes(slice.bytes_received);
    if let Some(frame) = slice.frame_bytes {
        let _ = write!(received, ", a frame of {}", bytes(frame));
    }
    rows.push(("received", received));
    rows.push(("client", format!("{:.0} % of a core", slice.client.busy * 100.0)));
    if let Some(server) = &slice.server {
        rows.push(("server", processor(slice, server)));
        rows.push(("its memory", memory(slice, server)));
    }
    if let Some(calls) = slice.syscalls_per_operation {
        rows.push(("system calls", format!("{calls:.3} {}", Words::of(slice).each)));
    }
    rows.extend(slice.storm.iter().flat_map(storm));
    rows.extend(slice.stalled.iter().flat_map(stalled));
    rows
}

/// What an operation is called.
struct Words {
    many: &'static str,
    each: &'static str,
}

impl Words {
    fn of(slice: &Slice) -> Self {
        match slice.scenario.as_str() {
            "connect" => Self { many: "handshakes", each: "a handshake" },
            "echo" => Self { many: "echoes", each: "an echo" },
            _ => Self { many: "deliveries", each: "a delivery" },
        }
    }
}

fn connections(slice: &Slice) -> String {
    let mut text = count(slice.connections);
    if slice.processes > 1 {
        let _ = write!(text, " of {} processes", slice.processes);
    }
    if let Some(channels) = slice.channels.filter(|channels| *channels > 1) {
        let _ = write!(text, " in {} channels", count(channels));
    }
    text
}

fn published(slice: &Slice) -> String {
    let mut text = format!("{} of {}", count(slice.published), bytes(slice.size));
    if let Some(rate) = slice.rate {
        let _ = write!(text, ", {rate} a second");
    }
    if let Some(in_flight) = slice.in_flight {
        let _ = write!(text, ", {in_flight} in flight");
    }
    text
}

fn operations(slice: &Slice) -> String {
    let rate = u128::from(slice.operations) * 1_000_000_000 / u128::from(slice.elapsed_ns.max(1));
    let (operations, elapsed) = (count(slice.operations), time(slice.elapsed_ns as f64));
    let mut text = format!("{operations} in {elapsed}, {} a second", count(rate as u64));
    if let Some(depth) = slice.depth {
        let _ = write!(text, ", {} at a time of {}", count(depth), bytes(slice.size));
    }
    text
}

fn percentiles(latency: &Latency) -> String {
    let named = [
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
        ("max", latency.max),
    ];
    let parts = named.map(|(name, ns)| format!("{name} {}", time(ns as f64)));
    parts.join("  ")
}

fn processor(slice: &Slice, server: &Server) -> String {
    let cores = server.cpu_ns as f64 / slice.elapsed_ns.max(1) as f64;
    let kernel = server.system_ns as f64 / (server.user_ns + server.system_ns).max(1) as f64;
    let mut text = format!("{:.0} % of a core, ", cores * 100.0);
    if let Some(ns) = server.cpu_ns_per_operation {
        let _ = write!(text, "{} {}, ", time(ns), Words::of(slice).each);
    }
    let _ = write!(text, "{:.0} % of it in the kernel", kernel * 100.0);
    text
}

fn memory(slice: &Slice, server: &Server) -> String {
    let mut text = format!("{} resident", bytes(server.rss_bytes));
    if let Some(pss) = server.pss_bytes {
        let _ = write!(text, ", {} proportional", bytes(pss));
    }
    let growth = server.rss_growth_bytes;
    let sign = if growth < 0 { "-" } else { "+" };
    let _ = write!(text, ", {sign}{}", bytes(growth.unsigned_abs()));
    if slice.scenario == "connect" && slice.connections > 0 {
        let _ = write!(text, ", {} a connection", bytes_each(growth, slice.connections));
    }
    text
}

fn bytes_each(growth: i64, connections: u64) -> String {
    format!("{:.0} B", growth as f64 / connections as f64)
}

fn storm(storm: &Storm) -> Vec<(&'static str, String)> {
    let until = |ns: Option<u64>| ns.map_or("never".into(), |ns| time(ns as f64));
    let mut dropped = format!("{} at once", count(storm.dropped));
    if storm.retried > 0 {
        let _ = write!(dropped, ", {} tried again", count(storm.retried));
    }
    let restored = [
        ("half", storm.restored_50_ns),
        ("99 %", storm.restored_99_ns),
        ("all", storm.restored_all_ns),
    ];
    let restored = restored.map(|(share, ns)| format!("{share} after {}", until(ns))).join("  ");
    let mut rows = vec![("dropped", dropped), ("restored", restored)];
    if let Some(ns) = storm.untouched_p99_ns {
        rows.push(("the others", format!("p99 {}", time(ns as f64))));
    }
    rows
}

fn stalled(stalled: &Stalled) -> Vec<(&'static str, String)> {
    let Stalled { received, told_in_gaps, closed, .. } = stalled;
    let [received, told, closed] = [received, told_in_gaps, closed].map(|number| count(*number));
    let mut rows = vec![
        ("stalled", format!("{} connections", count(stalled.count))),
        ("they got", format!("{received}, were told of {told} in gaps; {closed} were closed")),
        ("caught up", stalled.caught_up_ns.map_or("never".into(), |ns| time(ns as f64))),
    ];
    let peak =
        |before: u64, peak: u64| format!("{} before, {} at most", bytes(before), bytes(peak));
    if let (Some(before), Some(most)) = (stalled.rss_before_bytes, stalled.rss_peak_bytes) {
        let after = stalled.rss_after_bytes.map(|after| format!(", {} after", bytes(after)));
        rows.push(("server memory", peak(before, most) + &after.unwrap_or_default()));
    }
    let mut sockets = peak(stalled.sockets_before_bytes, stalled.sockets_peak_bytes);
    let growth = stalled.sockets_peak_bytes.saturating_sub(stalled.sockets_before_bytes);
    if let Some(each) = growth.checked_div(stalled.count) {
        let _ = write!(sockets, ", {} for each of the stalled", bytes(each));
    }
    rows.push(("TCP memory", sockets));
    rows
}

/// What one should know before believing the numbers.
fn verdicts(slice: &Slice) -> Vec<String> {
    let mut said = Vec::new();
    let expected = count(slice.expected);
    let mut say = |number: u64, words: &str| {
        if number > 0 {
            let number = count(number);
            said.push(words.replace("{number}", &number).replace("{expected}", &expected));
        }
    };
    let many = Words::of(slice).many;
    say(slice.lost, &format!("LOST: {{number}} of {{expected}} {many} never came."));
    say(slice.duplicated, "DOUBLED: {number} messages came again.");
    say(slice.reordered, "OUT OF ORDER: {number} messages came after later ones.");
    say(slice.closed, "CLOSED: {number} connections ended without being asked to.");
    say(slice.gaps_told.unwrap_or(0), "Gaps: the server told {number} times that it had to skip.");
    if let Some(storm) = &slice.storm {
        say(storm.wrong, "WRONG: what connections got and were told is off by {number} messages.");
    }
    if let Some(stalled) = &slice.stalled {
        say(stalled.missing, "MISSING: stalled readers neither got nor were told of {number}.");
        if !stalled.filled {
            said.push("The kernel took all that was sent: stall longer, or send more.".into());
        }
    }
    if slice.lost + slice.duplicated + slice.reordered + slice.closed == 0 {
        said.insert(0, "Nothing was lost, doubled or out of order.".into());
    }
    if slice.client.limit {
        let words = "THE CLIENT WAS THE LIMIT: it used all of its core; the server may be faster. \
            Try --processes.";
        said.push(words.into());
    }
    said
}

/// Nanoseconds in a unit that suits.
fn time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let unit = units.into_iter().find(|(size, _)| ns >= *size);
    let (size, name) = unit.unwrap_or((1.0, "ns"));
    format!("{} {name}", three_digits(ns / size))
}

/// Bytes in a unit that suits.
fn bytes(number: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| number >= 1 << shift) {
        Some((shift, name)) => {
            format!("{} {name}", three_digits(number as f64 / (1_u64 << shift) as f64))
        }
        None => format!("{number} B"),
    }
}

fn three_digits(number: f64) -> String {
    let decimals = match number {
        _ if number >= 99.95 => 0,
        _ if number >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.decimals$}")
}

/// A count, its thousands set apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
