//! docs/benchmarks.md: for each work that has results what it is, its figure, its table, the aims
//! beside what was reached, how it was measured, what is unfair. Every number in it comes from the
//! results.

use std::fmt::Write as _;

use crate::measures::Column;
use crate::results::{About, Results};
use crate::table::{Table, ranked};
use crate::work::{Target, Work};

const OPENING: &str = "\
# Benchmarks

<!-- Made by `make compare` from benches/compare/results; change the program there, not this file. -->

Fanwire, what one would take instead, and the **floor**: a bare epoll loop that does nothing but the
system calls of the same work. All are driven by the same load generator, `fanwire bench`, on one
machine, side by side: in every round each server gets one short slice, in an order drawn anew, and
is held against the floor of the same round. So whatever else the machine does falls on all alike.

* **CPU to the floor** is the server's CPU time for each operation, all its threads, kernel and user,
  divided by the floor's. 1 means: nothing but the system calls. Less is better.
* Numbers are medians of the rounds. `[a, b]` is the 95 % interval of the median, by bootstrap with
  2,000 resamples; `(a to b)` are the first and third quartile.
* `fanwire-raw` is a raw channel, `fanwire-envelope` the JSON protocol; both have positions, history,
  metrics and limits on. Only the limit of messages a second is off. `floor-envelope` is the floor
  with messages as long as those of the envelope, which `fanwire-envelope` is held against.
* Remarks say when something was lost, doubled or out of order, and when the client had no time left.

What holds for all of it: client and servers share the machine, so that caches are shared too; it is
loopback, so that no network card costs anything; peers are small programs in the idiom of each
library, in `benches/compare`, not tuned deployments; each has one thread. They are better at things
that are not measured here.
";

/// The whole document.
pub fn document(results: &[(&'static Work, Results)]) -> String {
    let mut text = OPENING.to_owned();
    text += "\n## Aims\n\n";
    text += &aims(results);
    for (work, results) in results {
        text += &section(work, results);
    }
    text
}

/// All aims with what was reached.
fn aims(results: &[(&'static Work, Results)]) -> String {
    let mut text =
        String::from("| work | | aim | reached | | best peer |\n|---|---|---|---|---|---|\n");
    for (work, results) in results {
        for target in work.targets {
            let Some(column) = work.columns.iter().find(|other| other.title == target.column)
            else {
                continue;
            };
            for name in target.rows {
                text += &aim(work, results, target, column, name);
            }
        }
    }
    text
}

fn aim(
    work: &'static Work,
    results: &Results,
    target: &Target,
    column: &Column,
    name: &str,
) -> String {
    let summary = work.row(name).and_then(|row| column.summary(results, work, row));
    let wanted = column.unit.write(target.at_most);
    let link = format!("[{}](#{})", work.title, anchor(work.title));
    let Some(summary) = summary else {
        return format!("| {link} | {name}, {} | ≤ {wanted} | not measured | | |\n", column.title);
    };
    let verdict = if column.number(&summary) <= target.at_most { "yes" } else { "**no**" };
    let (cell, peer) = (column.cell(Some(&summary)), best_peer(work, results, column));
    format!("| {link} | {name}, {} | ≤ {wanted} | {cell} | {verdict} | {peer} |\n", column.title)
}

/// The smallest number among those that are neither Fanwire nor a floor.
fn best_peer(work: &'static Work, results: &Results, column: &Column) -> String {
    let peers = ranked(results, work).into_iter().filter_map(|(row, _)| {
        let own = row.server.starts_with("fanwire") || row.server == "floor";
        let summary = column.summary(results, work, row).filter(|_| !own)?;
        Some((row.name, column.number(&summary)))
    });
    let best = peers.min_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(name, number)| format!("{name} {}", column.unit.write(number))).unwrap_or_default()
}

fn section(work: &'static Work, results: &Results) -> String {
    let name = work.name;
    let mut text = format!("\n## {}\n\n{}\n\n", work.title, work.about);
    let _ = writeln!(text, "![{}](../benches/compare/results/{name}.svg)\n", work.title);
    text += &Table::of(results, work).to_markdown();
    if !results.about.absent.is_empty() {
        let _ = writeln!(text, "\nNot measured: {}.", results.about.absent.join("; "));
    }
    if !work.unfair.is_empty() {
        text += "\nWhat is unfair:\n\n";
        for words in work.unfair {
            let _ = writeln!(text, "* {words}");
        }
    }
    text + &measured(&results.about)
}

/// Machine, versions, date, commands.
fn measured(about: &About) -> String {
    let machine = &about.machine;
    let mut text = format!(
        "\n<details><summary>How it was measured</summary>\n\n{} on {}, {} cores, {} MiB, Linux {}, \
         frequency governor {}. {} rounds of {} ms each, seed {}. Again: `{}`; every slice is in \
         [{}.json](../benches/compare/results/{}.json).\n\n",
        about.date,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.governor,
        about.rounds,
        about.slice_ms,
        about.seed,
        about.command,
        about.work,
        about.work,
    );
    for row in &about.rows {
        let _ = writeln!(text, "* **{}**: {}", row.row, row.versions.join(", "));
        for command in std::iter::once(&row.server).chain(&row.clients) {
            let _ = writeln!(text, "  * `{command}`");
        }
    }
    text + "\n</details>\n"
}

/// The anchor that a heading has on the pages where such documents are read.
fn anchor(title: &str) -> String {
    let letters = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    letters.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests;
