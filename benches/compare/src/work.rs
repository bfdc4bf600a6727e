//! What a work is made of: clients that load, rows that are compared, phases of a turn, columns of
//! its table. The works themselves are the table in `works`; `rounds` runs them.

use crate::measures::Column;
use crate::servers::{Role, Server, server};

/// One comparison.
#[derive(Debug)]
pub struct Work {
    pub name: &'static str,
    pub title: &'static str,
    /// What is done, in two sentences.
    pub about: &'static str,
    /// What must be known before a conclusion is drawn.
    pub unfair: &'static [&'static str],
    /// MODE of the floor's program.
    pub mode: &'static str,
    /// Servers and clients are started one after the other, for each turn anew.
    pub fresh: bool,
    pub rounds: u32,
    /// Rounds that the same processes live through. A process has its luck, with where its memory
    /// and its sockets lie: some per cent, for as long as it lives. So there are several of each.
    /// 0: all of them.
    pub sitting: u32,
    pub slice_ms: u64,
    /// What happens in a turn, one after the other.
    pub phases: &'static [&'static str],
    pub clients: &'static [Client],
    pub rows: &'static [Row],
    /// The first one is drawn.
    pub columns: &'static [Column],
    pub targets: &'static [Target],
    /// Not part of `all`.
    pub only_on_request: bool,
}

/// One `fanwire bench`.
#[derive(Debug)]
pub struct Client {
    pub name: &'static str,
    pub scenario: &'static str,
    pub role: Role,
    pub connections: u32,
    pub size: Option<u32>,
    pub args: &'static [&'static str],
    /// Where it loads; empty: everywhere.
    pub phases: &'static [&'static str],
    /// It loads a bystander, an idle floor in a process of its own: what it sees is the machine.
    pub elsewhere: bool,
    /// It runs before all others on its core, where that is permitted: how long it waited for a
    /// core itself is not what it measures.
    pub first_on_core: bool,
    /// It is connected at its first phase and gone after its last, instead of being there from the
    /// beginning to the end.
    pub comes_late: bool,
}

/// One line of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    pub server: &'static str,
    /// The row that ratios are to.
    pub baseline: &'static str,
    /// Its payload is made so long that its frames are as long as this row's.
    pub as_long_as: Option<&'static str>,
    /// Its frames must be as long as its baseline's.
    pub same_frames: bool,
    /// So many processes of the server; clients are spread over them.
    pub processes: usize,
    /// `{conf}` is the folder of settings.
    pub server_args: &'static [&'static str],
    /// `{port}` is the server's; `{tokens}` a file of tokens for the settings in
    /// `fanwire-tokens.toml`.
    pub client_args: &'static [&'static str],
    pub env: &'static [(&'static str, &'static str)],
}

/// What a number should be at most.
#[derive(Debug)]
pub struct Target {
    /// The title of a column.
    pub column: &'static str,
    /// One or several rows.
    pub rows: &'static [&'static str],
    pub at_most: f64,
}

impl Client {
    pub fn takes_part(&self, phase: &str) -> bool {
        self.phases.is_empty() || self.phases.contains(&phase)
    }
}

impl Row {
    pub const fn of(name: &'static str) -> Self {
        Self {
            name,
            server: name,
            baseline: "floor",
            as_long_as: None,
            same_frames: false,
            processes: 1,
            server_args: &[],
            client_args: &[],
            env: &[],
        }
    }

    pub fn server(&self) -> &'static Server {
        server(self.server)
    }

    /// Whether a list of names wants it: its name, or the beginning of it up to a dash.
    fn wanted(&self, names: &[String]) -> bool {
        let begins =
            |name: &String| self.name.strip_prefix(name.as_str()).map(|rest| rest.starts_with('-'));
        names.iter().any(|name| self.name == name || begins(name) == Some(true))
    }
}

impl Work {
    pub fn row(&self, name: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The rows that a list of names asks for, with all that they are compared to.
    pub fn selected(&self, names: &[String]) -> Vec<&'static Row> {
        let wanted = self.rows.iter().filter(|row| names.is_empty() || row.wanted(names));
        self.with_needs(wanted)
    }

    /// Rows with those that they need, each once, in the order of the table.
    fn with_needs(&self, rows: impl Iterator<Item = &'static Row>) -> Vec<&'static Row> {
        let mut names: Vec<&str> = rows.map(|row| row.name).collect();
        let mut at = 0;
        while at < names.len() {
            let needs = self.row(names[at]).map(|row| [Some(row.baseline), row.as_long_as]);
            for need in needs.into_iter().flatten().flatten() {
                if !names.contains(&need) {
                    names.push(need);
                }
            }
            at += 1;
        }
        self.rows.iter().filter(|row| names.contains(&row.name)).collect()
    }

    /// Splits rows so that the servers of a group fit into `memory_kib` and `MOST_CONNECTIONS`
    /// together, each group with all that its rows are compared to. A row that fits nowhere is a
    /// group of its own.
    pub fn groups(
        &self,
        rows: &[&'static Row],
        connections: u64,
        memory_kib: u64,
    ) -> Vec<Vec<&'static Row>> {
        if self.fresh {
            return vec![rows.to_vec()];
        }
        let weight = |rows: &[&'static Row]| -> u64 {
            rows.iter()
                .map(|row| connections * (row.server().kib_per_connection + KERNEL_KIB))
                .sum()
        };
        let fits = |rows: &Vec<&'static Row>| {
            weight(rows) <= memory_kib && rows.len() as u64 * connections <= MOST_CONNECTIONS
        };
        let mut groups: Vec<Vec<&'static Row>> = Vec::new();
        for row in rows {
            let alone = self.with_needs(std::iter::once(*row));
            let both =
                groups.last().map(|last| self.with_needs(last.iter().chain(&alone).copied()));
            match both.filter(fits) {
                Some(together) => *groups.last_mut().expect("it fits into the last") = together,
                None if groups.iter().flatten().any(|known| known.name == row.name) => {}
                None => groups.push(alone),
            }
        }
        groups
    }
}

/// Connections of all servers of a group. Many more, and what is measured is that the kernel's
/// tables of sockets, the others' too, are in no cache: with 130,000 of them side by side, those
/// that are served later paid 9 % for the company.
const MOST_CONNECTIONS: u64 = 50_000;

/// What the kernel needs for both ends of a connection, generously.
const KERNEL_KIB: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works::{BYSTANDER, WORKS, work};

    fn names(rows: &[&'static Row]) -> Vec<&'static str> {
        rows.iter().map(|row| row.name).collect()
    }

    #[test]
    fn a_row_brings_what_it_is_compared_to() {
        let work = work("fanout-1k").expect("it is in the table");
        let asked = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|&name| name.into()).collect();
            names(&work.selected(&list))
        };
        assert_eq!(asked(&["bun"]), ["floor", "bun"]);
        let envelope = ["floor", "floor-envelope", "fanwire-envelope"];
        assert_eq!(asked(&["fanwire-envelope"]), envelope);
        assert_eq!(asked(&["fanwire"]), [&envelope[..2], &["fanwire-raw", envelope[2]]].concat());
        assert_eq!(asked(&[]).len(), work.rows.len());
        assert!(asked(&["fan"]).is_empty());
    }

    #[test]
    fn groups_fit_and_each_has_its_floor() {
        let work = work("fanout-10k").expect("it is in the table");
        let rows = work.selected(&[]);
        assert_eq!(work.groups(&rows, 10, u64::MAX).len(), 1);
        let groups = work.groups(&rows, 10_000, 2_000_000);
        assert!(groups.len() > 1);
        for row in &rows {
            let member = |group: &&Vec<&Row>| group.iter().any(|other| other.name == row.name);
            assert!(groups.iter().any(|group| member(&group)), "{} is in no group", row.name);
        }
        for group in &groups {
            assert!(group.iter().any(|row| row.name == "floor"), "{:?}", names(group));
        }
        let crowds = work.groups(&rows, 10_000, u64::MAX);
        assert!(crowds.iter().all(|group| group.len() <= 5), "{crowds:?}");
        assert_eq!(names(&crowds[0])[..4], names(&rows)[..4], "ours share their floors");
    }

    #[test]
    fn the_table_is_consistent() {
        for work in &WORKS {
            for row in work.rows {
                let whom = format!("{}: {}", work.name, row.name);
                assert!(work.row(row.baseline).is_some(), "{whom}: baseline {}", row.baseline);
                assert!(row.as_long_as.is_none_or(|name| work.row(name).is_some()), "{whom}");
                for client in work.clients {
                    let asked = if client.elsewhere { &BYSTANDER } else { row };
                    let access = asked.server().access(client.role);
                    assert!(access.is_some(), "{whom}: {}", client.name);
                    assert!(client.phases.iter().all(|phase| work.phases.contains(phase)));
                }
            }
            for target in work.targets {
                let titled = |column: &Column| column.title == target.column;
                assert!(work.columns.iter().any(titled), "{}: {}", work.name, target.column);
                assert!(target.rows.iter().all(|row| work.row(row).is_some()), "{}", work.name);
            }
            assert!(!work.phases.is_empty() && !work.columns.is_empty(), "{}", work.name);
        }
    }
}
