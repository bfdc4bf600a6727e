//! docs/benchmarks.md: for each work that has results what it is, its figure, its table, the aims
//! beside what was reached, how it was measured, what is unfair. Every number in it comes from the
//! results.

use std::fmt::Write as _;

use crate::measures::Column;
use crate::results::{About, Results};
use crate::servers::SERVERS;
use crate::table::{Table, ranked};
use crate::work::{Target, Work};

const OPENING: &str = include_str!("document/opening.md");

/// The whole document; `codec` is the text on the codec, or nothing.
pub fn document(results: &[(&'static Work, Results)], codec: &str) -> String {
    let mut text = OPENING.to_owned();
    text += "\n## Aims\n\n";
    text += &aims(results);
    for (work, results) in results {
        text += &section(work, results);
    }
    text += "\n## The peers\n\nAs the heads of their files in `benches/compare` say it.\n\n";
    for server in &SERVERS {
        if let Some(head) = server.head {
            let _ = writeln!(text, "* {}", opening_comment(head).join("\n\n  "));
        }
    }
    if !codec.is_empty() {
        text += "\n## The codec, path by path\n\n";
        text += codec;
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
    let lives = match about.sitting {
        0 => "by the same processes from beginning to end".into(),
        1 => "each by processes of its own".into(),
        rounds => format!("after every {rounds} of which all processes are started anew"),
    };
    let mut text = format!(
        "\n<details><summary>How it was measured</summary>\n\n{} on {}, {} cores, {} MiB, \
         Linux {}, frequency governor {}. {} of {} ms each, {}, seed {}. Again: `{}`; \
         every slice is in [{}.json](../benches/compare/results/{}.json).\n\n",
        about.date,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.governor,
        if about.rounds == 1 { "1 round".into() } else { format!("{} rounds", about.rounds) },
        about.slice_ms,
        lives,
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

/// The paragraphs of the comment that a file opens with, in the form of whatever language.
fn opening_comment(text: &str) -> Vec<String> {
    let comment = text.lines().skip_while(|line| line.starts_with("#!")).map_while(|line| {
        let marks = ["//!", "//", "#"];
        marks.iter().find_map(|mark| line.strip_prefix(mark)).map(str::trim)
    });
    let lines: Vec<&str> = comment.collect();
    lines.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect()
}

/// The anchor that a heading has on the pages where such documents are read.
fn anchor(title: &str) -> String {
    let letters = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    letters.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests;
