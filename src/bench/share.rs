//! The part of a plan that one of several processes does. Starts none: that is `processes`.

use std::str::FromStr;

use super::flags::{Plan, Scenario};

/// Source addresses that there are, as `target` has them.
const MAX_SOURCES: u32 = 250;
/// Connections that one source address is good for.
const CONNECTIONS_PER_SOURCE: u32 = 5_000;

/// One of so many, counted from 0. As text `0/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: u32,
    count: u32,
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').map(|(index, count)| (index.parse(), count.parse()));
        match numbers {
            Some((Ok(index), Ok(count))) if index < count => Ok(Self { index, count }),
            _ => Err("must be INDEX/COUNT"),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// All shares of a plan for several processes.
///
/// # Errors
/// What several processes cannot do, in one line.
pub fn shares(plan: &Plan) -> Result<Vec<Share>, String> {
    let count = plan.common.processes;
    match &plan.scenario {
        Scenario::Fanout(fanout) if fanout.publishing.rate.is_none() => {
            return Err(
                "--processes: only one of them publishes, and it cannot see when the others \
                have a message: give a --rate"
                    .into(),
            );
        }
        scenario @ (Scenario::Storm(_) | Scenario::Slow(_)) => {
            return Err(format!("--processes: {} runs in one", scenario.as_str()));
        }
        _ => {}
    }
    if plan.common.connections < count {
        return Err(format!("--processes: {count} are more than the connections"));
    }
    if sources_each(plan) * count > MAX_SOURCES {
        return Err(format!("--processes: {count} need more than {MAX_SOURCES} source addresses"));
    }
    Ok((0..count).map(|index| Share { index, count }).collect())
}

impl Share {
    /// What this one does of the plan: it is told when, and what the server takes is not its
    /// business. The first one publishes.
    pub fn of(self, plan: &Plan) -> Plan {
        let mut part = plan.clone();
        let sources = sources_each(plan);
        part.common.connections = self.part(plan.common.connections);
        part.common.connect_rate = self.part_of_rate(plan.common.connect_rate);
        part.common.handshakes_in_flight = self.part_of_rate(plan.common.handshakes_in_flight);
        part.common.sources = Some(sources);
        part.common.first_source = self.index * sources;
        let before = |index| Self { index, ..self }.part(plan.common.connections);
        part.common.first_connection = (0..self.index).map(before).sum();
        let publishes = matches!(plan.scenario, Scenario::Fanout(_));
        part.common.listens_only = publishes && self.index > 0;
        part.common.processes = 1;
        part.common.steps = true;
        part.common.pid.clear();
        part.common.count_syscalls = false;
        match &mut part.scenario {
            Scenario::Connect(connect) => connect.churn = self.part_of_rate(connect.churn),
            Scenario::Echo(echo) => {
                echo.rate = echo.rate.map(|rate| rate / f64::from(self.count));
            }
            _ => {}
        }
        part
    }

    fn part(self, whole: u32) -> u32 {
        whole / self.count + u32::from(self.index < whole % self.count)
    }

    /// 0 says "off" or "as fast as possible", and must not come about by dividing.
    fn part_of_rate(self, whole: u32) -> u32 {
        if whole == 0 { 0 } else { self.part(whole).max(1) }
    }
}

/// Each process has addresses of its own, for a port is taken by whoever has it first.
fn sources_each(plan: &Plan) -> u32 {
    let count = plan.common.processes;
    let connections = plan.common.connections.div_ceil(count);
    let wanted = plan.common.sources.map(|sources| sources.div_ceil(count));
    wanted.unwrap_or_else(|| connections.div_ceil(CONNECTIONS_PER_SOURCE)).max(1)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn plan(words: &str) -> Plan {
        let words = std::iter::once("fanwire bench").chain(words.split_whitespace());
        Plan::try_parse_from(words).expect("right flags")
    }

    #[test]
    fn as_text() {
        let share = "2/4".parse::<Share>().expect("a share");
        assert_eq!(share.to_string(), "2/4");
        for bad in ["", "2", "4/4", "0/0", "-1/4", "1/x", "1/2/3"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn together_they_are_the_whole() {
        let plan = plan(
            "fanout --rate 10 --connections 20003 --processes 4 --connect-rate 3 --pid 1,2 \
             --count-syscalls --sources 6",
        );
        let parts: Vec<Plan> =
            shares(&plan).expect("possible").iter().map(|share| share.of(&plan)).collect();
        let connections: Vec<u32> = parts.iter().map(|part| part.common.connections).collect();
        assert_eq!(connections, [5001, 5001, 5001, 5000]);
        let sources: Vec<_> =
            parts.iter().map(|part| (part.common.first_source, part.common.sources)).collect();
        assert_eq!(sources, [(0, Some(2)), (2, Some(2)), (4, Some(2)), (6, Some(2))]);
        for (index, Plan { common, .. }) in parts.iter().enumerate() {
            assert_eq!(common.listens_only, index > 0, "one publishes");
            assert_eq!((common.processes, common.steps, common.connect_rate), (1, true, 1));
            assert!(common.pid.is_empty() && !common.count_syscalls);
        }
    }

    #[test]
    fn rates_are_split_and_off_stays_off() {
        let plan = plan("connect --connect-rate 0 --churn 10 --processes 3");
        let parts: Vec<Plan> =
            shares(&plan).expect("possible").iter().map(|share| share.of(&plan)).collect();
        let churn: Vec<u32> = parts
            .iter()
            .map(|part| match &part.scenario {
                Scenario::Connect(connect) => connect.churn,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(churn, [4, 3, 3]);
        assert!(parts.iter().all(|part| part.common.connect_rate == 0));
        assert!(parts.iter().all(|part| part.common.sources == Some(1)));
    }

    #[test]
    fn echoes_in_open_loop_are_split_too() {
        let plan = plan("echo --rate 500 --processes 2");
        for share in shares(&plan).expect("possible") {
            let Scenario::Echo(echo) = share.of(&plan).scenario else { panic!("another") };
            assert_eq!(echo.rate, Some(250.0));
        }
    }

    #[test]
    fn what_several_cannot_do() {
        for (words, reason) in [
            ("fanout --processes 2", "--processes: only one of them publishes"),
            ("storm --rate 5 --processes 2", "--processes: storm runs in one"),
            ("slow --rate 5 --processes 2", "--processes: slow runs in one"),
            ("echo --connections 2 --processes 3", "--processes: 3 are more than the connections"),
            ("echo --processes 251", "--processes: 251 need more than 250 source addresses"),
            ("echo --processes 2 --sources 250", ""),
        ] {
            let said = shares(&plan(words)).err().unwrap_or_default();
            assert!(said.starts_with(reason) && said.is_empty() == reason.is_empty(), "{said}");
        }
    }
}
