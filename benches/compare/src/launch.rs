//! From the tables to commands: how a server is started, how a client is pointed at it. Starts
//! nothing itself.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::machine;
use crate::servers::{Program, Version};
use crate::work::{Client, Control, Row, Work};

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
}

impl Launch {
    pub fn server(&self, work: &Work, row: &Row, port: u16) -> Command {
        let server = row.server();
        let program = match server.program {
            Program::Fanwire => self.fanwire.clone(),
            Program::Own(name) => self.own.join(name),
            Program::Here(path) => self.here.join(path),
            Program::Installed(name) => name.into(),
        };
        let mut command = Command::new(program);
        for arg in server.args.iter().chain(row.server_args) {
            let here = self.here.to_string_lossy();
            command.arg(arg.replace("{port}", &port.to_string()).replace("{here}", &here));
        }
        if !matches!(server.program, Program::Fanwire) {
            let role = if work.mode == "echo" { "echo" } else { "fanout" };
            command.env("PORT", port.to_string()).env("MODE", work.mode).env("ROLE", role);
        }
        command.envs(row.env.iter().copied());
        command
    }

    /// `size` stands for the client's own; `pids` are the server's processes.
    pub fn client(
        &self,
        client: &Client,
        row: &Row,
        size: Option<u32>,
        port: u16,
        pids: &[u32],
    ) -> Command {
        let access = row.server().access(client.role).expect("a test holds the tables together");
        let path = access.path.replace("{channel}", client.name);
        let mut command = Command::new(&self.fanwire);
        command.arg("bench").arg(client.scenario);
        command.args(["--url", &format!("ws://127.0.0.1:{port}{path}")]);
        command.args(["--dialect", access.dialect, "--channel", client.name]);
        command.args(["--connections", &self.connections_of(client).to_string()]);
        command.args(["--connect-rate", "0"]);
        if let Some(size) = size.or(client.size) {
            command.args(["--size", &size.to_string()]);
        }
        command.args(client.args).args(row.client_args);
        command.arg(if client.control == Control::Once { "--json" } else { "--steps" });
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        command.args(["--pid", &pids.join(",")]);
        command
    }

    pub fn connections_of(&self, client: &Client) -> u32 {
        self.connections.map_or(client.connections, |most| most.min(client.connections))
    }

    /// What is running, in words.
    pub fn version(&self, version: Version) -> String {
        machine::version(version, self).unwrap_or_else(|| format!("{version:?} (unknown)"))
    }
}

/// How long a client that runs to its own end may take.
pub const ONCE_LIMIT: Duration = Duration::from_secs(600);

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
        }
    }

    #[test]
    fn commands_of_the_table() {
        let work = work("workers").expect("it is in the table");
        let raw = work.row("fanwire-raw").expect("it takes part");
        assert_eq!(
            shown(&launch(None).server(work, raw, 4000)),
            "fanwire --listen 127.0.0.1:4000 --messages-per-second 0 --workers 1 --workers 2"
        );
        assert_eq!(
            shown(&launch(Some(50)).client(&work.clients[1], raw, None, 4000, &[7, 8])),
            "fanwire bench fanout --url ws://127.0.0.1:4000/channels/second --dialect raw \
             --channel second --connections 50 --connect-rate 0 --size 128 --in-flight 1 --steps \
             --pid 7,8"
        );
        let floor = work.row("floor").expect("it takes part");
        assert_eq!(
            shown(&launch(None).server(work, floor, 4000)),
            "MODE=fanout PORT=4000 ROLE=fanout /own/floor"
        );
    }

    #[test]
    fn a_size_that_was_learned_stands_for_the_table_s() {
        let work = work("fanout-1k").expect("it is in the table");
        let row = work.row("floor-envelope").expect("it takes part");
        let command = shown(&launch(None).client(&work.clients[0], row, Some(211), 4000, &[7]));
        assert!(command.contains("ws://127.0.0.1:4000/ --dialect raw"), "{command}");
        assert!(command.contains("--size 211 --in-flight 1"), "{command}");
    }
}
