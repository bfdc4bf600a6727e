//! One row at work: its servers, its clients, and a turn of both. The order of turns is `rounds`'.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::children::{ClientProcess, ServerProcess, free_port};
use crate::launch::Launch;
use crate::machine;
use crate::results::{ClientTurn, Turn};
use crate::work::{Client, Row, Work};
use crate::works::BYSTANDER;

/// Fields are dropped in this order: clients leave before their servers.
#[derive(Debug)]
pub struct Session<'a> {
    clients: Vec<Option<ClientProcess>>,
    servers: Vec<ServerProcess>,
    /// Whom clients load that look elsewhere.
    bystander: Option<ServerProcess>,
    pub row: &'static Row,
    work: &'static Work,
    launch: &'a Launch,
    /// The size that its messages have instead of the table's.
    size: Option<u32>,
}

impl<'a> Session<'a> {
    /// Starts servers, and those clients that stay from beginning to end.
    pub fn start(
        work: &'static Work,
        row: &'static Row,
        launch: &'a Launch,
        size: Option<u32>,
    ) -> Result<Self> {
        let clients = work.clients.iter().map(|_| None).collect();
        let servers = Vec::new();
        let mut session = Self { clients, servers, bystander: None, row, work, launch, size };
        for at in 0..row.processes {
            session.servers.push(session.server(row, &format!("server-{at}"))?);
        }
        if work.clients.iter().any(|client| client.elsewhere) {
            session.bystander = Some(session.server(&BYSTANDER, "bystander")?);
        }
        for (at, client) in work.clients.iter().enumerate() {
            if !client.comes_late {
                session.connect(at)?;
            }
        }
        Ok(session)
    }

    /// One turn: every phase once.
    pub fn turns(&mut self, round: u32, slice: Duration) -> Result<Vec<Turn>> {
        let phases = self.work.phases;
        phases.iter().enumerate().map(|(at, _)| self.phase(at, round, slice)).collect()
    }

    fn phase(&mut self, at: usize, round: u32, slice: Duration) -> Result<Turn> {
        let (work, phase) = (self.work, self.work.phases[at]);
        let taking_part: Vec<(usize, &Client)> = work
            .clients
            .iter()
            .enumerate()
            .filter(|(_, client)| client.takes_part(phase))
            .collect();
        for (at, client) in &taking_part {
            if client.comes_late && self.clients[*at].is_none() {
                self.connect(*at)?;
            }
        }
        let before = self.cpu_ns();
        let clients = self.load(&taking_part, slice)?;
        let turn = Turn {
            round,
            row: self.row.name.into(),
            phase: phase.into(),
            cpu_ns: self.cpu_ns() - before,
            slab_bytes: machine::slab_bytes(),
            clients,
        };
        let later = &work.phases[at + 1..];
        for (at, client) in taking_part {
            if client.comes_late && !later.iter().any(|phase| client.takes_part(phase)) {
                self.clients[at] = None;
            }
        }
        Ok(turn)
    }

    /// All clients of a phase at the same time.
    fn load(&mut self, clients: &[(usize, &Client)], slice: Duration) -> Result<Vec<ClientTurn>> {
        for (at, client) in clients {
            self.process(*at).and_then(|process| process.go(slice)).context(client.name)?;
        }
        let mut turns = Vec::new();
        for (at, client) in clients {
            let process = self.process(*at)?;
            let ready = Some(process.ready.clone());
            let slice = process.result(slice).context(client.name)?;
            turns.push(ClientTurn { client: client.name.into(), ready, slice });
        }
        Ok(turns)
    }

    fn process(&mut self, at: usize) -> Result<&mut ClientProcess> {
        self.clients[at].as_mut().context("it is not connected")
    }

    fn connect(&mut self, at: usize) -> Result<()> {
        let client = &self.work.clients[at];
        let process = ClientProcess::start(self.command(at), &self.log(client));
        self.clients[at] = Some(process.with_context(|| client.name)?);
        Ok(())
    }

    /// A process of the server of a row, where its log is called so.
    fn server(&self, row: &Row, log: &str) -> Result<ServerProcess> {
        let port = free_port()?;
        let command = self.launch.server(self.work, row, &port.to_string());
        let log = format!("{}-{}-{log}.log", self.work.name, self.row.name);
        ServerProcess::start(command, port, &self.launch.logs.join(log))
    }

    fn command(&self, at: usize) -> Command {
        let client = &self.work.clients[at];
        let servers = match &self.bystander {
            Some(bystander) if client.elsewhere => std::slice::from_ref(bystander),
            _ => &self.servers,
        };
        let port = servers[at % servers.len()].port.to_string();
        let pids: Vec<String> = servers.iter().map(|server| server.pid().to_string()).collect();
        self.launch.client(client, self.row, self.size, &port, &pids.join(","))
    }

    fn log(&self, client: &Client) -> std::path::PathBuf {
        let (work, row) = (self.work.name, self.row.name);
        self.launch.logs.join(format!("{work}-{row}-{}.log", client.name))
    }

    fn cpu_ns(&self) -> u64 {
        self.servers.iter().map(ServerProcess::cpu_ns).sum()
    }
}

/// Bytes of payload in a server's frame of so many bytes (RFC 6455, section 5.2).
pub fn payload_of(frame_bytes: u64) -> u32 {
    let header = match frame_bytes {
        0..=127 => 2,
        128..=65_539 => 4,
        _ => 10,
    };
    frame_bytes.saturating_sub(header) as u32
}

#[cfg(test)]
mod tests {
    use super::payload_of;

    #[test]
    fn payloads_of_frames_of_each_form() {
        let payloads = [2, 127, 130, 65_539, 65_546].map(payload_of);
        assert_eq!(payloads, [0, 125, 126, 65_535, 65_536]);
    }
}
