//! From the tables to commands: how a server is started, how a client is pointed at it. Starts
//! nothing itself.

use std::path::PathBuf;
use std::process::Command;

use crate::work::{Client, Row, Work};
use crate::works::BYSTANDER;

/// One worker, as all others have one thread; no limit of messages, for one publisher publishes all
/// it can. Everything else is as it comes.
const FANWIRE: &[&str] = &["--messages-per-second", "0", "--workers", "1"];

/// Stands in the arguments of a client for the file of tokens.
const TOKENS: &str = "{tokens}";

/// Where everything is.
#[derive(Debug)]
pub struct Launch {
    /// The folder of the repository.
    pub root: PathBuf,
    /// `benches/compare` in it.
    pub here: PathBuf,
    /// The folder of floors and peers: that of this program.
    pub own: PathBuf,
    /// The binary under test, which is the load generator too.
    pub fanwire: PathBuf,
    /// Where processes leave their words.
    pub logs: PathBuf,
    /// At most so many connections a client, to try something out.
    pub connections: Option<u32>,
    /// A process may be told to run before others: see `may_precede`.
    pub may_precede: bool,
}

/// Runs a command before all others on its core (`SCHED_FIFO`).
const PRECEDE: [&str; 3] = ["chrt", "--fifo", "1"];

/// Whether this user may have a command run before others.
pub fn may_precede() -> bool {
    let tried = Command::new(PRECEDE[0]).args(&PRECEDE[1..]).arg("true").output();
    tried.is_ok_and(|output| output.status.success())
}

impl Launch {
    pub fn server(&self, work: &Work, row: &Row, port: &str) -> Command {
        let serve = row.server().serve;
        let mut command =
            Command::new(serve.map_or(self.fanwire.clone(), |_| self.here.join("serve")));
        if let Some(name) = serve {
            command.arg(name.replace("{mode}", work.mode));
            command.env("PORT", port).env("BUILT", &self.own);
        } else {
            command.args(["--listen", &format!("127.0.0.1:{port}")]).args(FANWIRE);
        }
        let conf = self.here.join("conf").display().to_string();
        command.args(row.server_args.iter().map(|arg| arg.replace("{conf}", &conf)));
        command.envs(row.env.iter().copied());
        command
    }

    /// `size` stands for the client's own; `pids` are the server's processes, with commas.
    pub fn client(
        &self,
        client: &Client,
        row: &Row,
        size: Option<u32>,
        port: &str,
        pids: &str,
    ) -> Command {
        let row = if client.elsewhere { &BYSTANDER } else { row };
        let access = row.server().access(client.role).expect("a test holds the tables together");
        let url =
            |path: &str| format!("ws://127.0.0.1:{port}{}", path.replace("{channel}", client.name));
        let mut command = if client.first_on_core && self.may_precede {
            let mut command = Command::new(PRECEDE[0]);
            command.args(&PRECEDE[1..]).arg(&self.fanwire);
            command
        } else {
            Command::new(&self.fanwire)
        };
        command.arg("bench").arg(client.scenario);
        command.args(["--url", &url(access.path)]);
        command.args(["--dialect", access.dialect, "--channel", client.name]);
        command.args(["--connections", &self.connections_of(client).to_string()]);
        command.args(["--connect-rate", "0"]);
        if let Some(size) = size.or(client.size) {
            command.args(["--size", &size.to_string()]);
        }
        if let Some(path) = access.publish.filter(|_| client.scenario != "connect") {
            command.args(["--publish-to", &url(path)]);
        }
        let tokens = self.tokens().display().to_string();
        for arg in client.args.iter().chain(row.client_args) {
            command.arg(arg.replace("{port}", port).replace(TOKENS, &tokens));
        }
        command.args(["--steps", "--pid", pids]);
        command
    }

    /// Where the tokens for a work are, if a row of it wants some.
    pub fn tokens_for(&self, work: &Work) -> Option<PathBuf> {
        let mut args = work.rows.iter().flat_map(|row| row.client_args);
        args.any(|arg| *arg == TOKENS).then(|| self.tokens())
    }

    fn tokens(&self) -> PathBuf {
        self.logs.join("tokens")
    }

    /// Makes tokens, one a line: of a user for each connection and for the publisher.
    pub fn make_tokens(&self, work: &Work) -> Command {
        let most = work.clients.iter().map(|client| self.connections_of(client)).max();
        let count = most.unwrap_or_default() + 1;
        let mut command = Command::new(&self.fanwire);
        command.args(["token", "make", "--user", "bench", "--count", &count.to_string()]);
        command.args(["--subscribe", "storm", "--publish", "storm", "--expires", "24h"]);
        command.arg("--config").arg(self.here.join("conf/fanwire-tokens.toml"));
        command
    }

    pub fn connections_of(&self, client: &Client) -> u32 {
        self.connections.map_or(client.connections, |most| most.min(client.connections))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::children::shown;
    use crate::works::work;

    fn launch(connections: Option<u32>) -> Launch {
        let path = PathBuf::from;
        Launch {
            root: path("/r"),
            here: path("/r/benches/compare"),
            own: path("/own"),
            fanwire: path("fanwire"),
            logs: path("/logs"),
            connections,
            may_precede: true,
        }
    }

    #[test]
    fn commands_of_the_table() {
        let work = work("workers").expect("it is in the table");
        let raw = work.row("fanwire-raw").expect("it takes part");
        assert_eq!(
            shown(&launch(None).server(work, raw, "4000")),
            "fanwire --listen 127.0.0.1:4000 --messages-per-second 0 --workers 1 --workers 2"
        );
        assert_eq!(
            shown(&launch(Some(50)).client(&work.clients[1], raw, None, "4000", "7,8")),
            "fanwire bench fanout --url ws://127.0.0.1:4000/channels/second --dialect raw \
             --channel second --connections 50 --connect-rate 0 --size 128 --in-flight 1 --steps \
             --pid 7,8"
        );
        let floor = work.row("floor").expect("it takes part");
        assert_eq!(
            shown(&launch(None).server(work, floor, "4000")),
            "BUILT=/own PORT=4000 /r/benches/compare/serve floor-fanout"
        );
    }

    #[test]
    fn a_size_that_was_learned_stands_for_the_table_s() {
        let work = work("fanout-1k").expect("it is in the table");
        let row = work.row("floor-envelope").expect("it takes part");
        let command = shown(&launch(None).client(&work.clients[0], row, Some(211), "4000", "7"));
        assert!(command.contains("ws://127.0.0.1:4000/ --dialect raw"), "{command}");
        assert!(command.contains("--size 211 --in-flight 1"), "{command}");
    }

    #[test]
    fn a_prober_precedes_where_it_may_and_one_of_them_looks_elsewhere() {
        let work = work("storm-fair").expect("it is in the table");
        let row = work.row("fanwire-raw").expect("it takes part");
        let command = |client: &str, may_precede| {
            let client = work.clients.iter().find(|other| other.name == client);
            let launch = Launch { may_precede, ..launch(None) };
            shown(&launch.client(client.expect("it takes part"), row, None, "4000", "7"))
        };
        assert!(command("prober", true).starts_with("chrt --fifo 1 fanwire bench echo --url"));
        assert!(command("prober", false).starts_with("fanwire bench echo --url"));
        assert!(command("broadcast", true).starts_with("fanwire bench fanout --url"));
        assert_eq!(
            shown(&launch(None).server(work, &BYSTANDER, "4001")),
            "BUILT=/own PORT=4001 /r/benches/compare/serve floor-echo"
        );
    }

    #[test]
    fn who_publishes_elsewhere_is_told_where() {
        let work = work("fanout-1k").expect("it is in the table");
        let row = work.row("nchan").expect("it takes part");
        let command = shown(&launch(None).client(&work.clients[0], row, None, "4000", "7"));
        assert!(command.contains("--publish-to ws://127.0.0.1:4000/pub"), "{command}");
    }
}
