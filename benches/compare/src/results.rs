//! What one work has given: machine, versions, commands, and every slice. Written as JSON that a
//! person can read and git can compare, one turn a line. What it means is worked out in `measures`,
//! each time anew.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::slice::{Ready, Slice};

/// All of one work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    pub about: About,
    pub turns: Vec<Turn>,
}

/// How it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub work: String,
    /// When it began, UTC.
    pub date: String,
    /// The command that measures this again.
    pub command: String,
    pub seed: u64,
    pub rounds: u32,
    /// Rounds that the same processes have lived through; 0 where that was all of them.
    #[serde(default)]
    pub sitting: u32,
    pub slice_ms: u64,
    pub machine: Machine,
    pub rows: Vec<RowAbout>,
    /// Rows that could not be measured, or not to the end, and why.
    pub absent: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub memory_mib: u64,
    pub governor: String,
}

/// One server as it took part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowAbout {
    pub row: String,
    pub versions: Vec<String>,
    pub server: String,
    pub clients: Vec<String>,
}

/// One server's turn in one phase of one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    pub round: u32,
    pub row: String,
    pub phase: String,
    /// CPU time of the server's processes over the whole turn, as read by the driver: what several
    /// clients of one server are divided by.
    pub cpu_ns: u64,
    /// The kernel's own memory, of everything that runs.
    pub slab_bytes: u64,
    pub clients: Vec<ClientTurn>,
}

/// What one client has seen of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientTurn {
    pub client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    pub slice: Slice,
}

impl Turn {
    pub fn client(&self, name: &str) -> Option<&ClientTurn> {
        self.clients.iter().find(|client| client.client == name)
    }
}

impl Results {
    pub fn path(folder: &Path, work: &str) -> PathBuf {
        folder.join(format!("{work}.json"))
    }

    /// The results of a work, where there are any.
    pub fn load(folder: &Path, work: &str) -> Result<Option<Self>> {
        let path = Self::path(folder, work);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let results = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(Some(results))
    }

    pub fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let path = Self::path(folder, &self.about.work);
        fs::write(&path, self.to_text()?).with_context(|| path.display().to_string())
    }

    fn to_text(&self) -> Result<String> {
        let turns: Result<Vec<String>, _> = self.turns.iter().map(serde_json::to_string).collect();
        let turns = turns?;
        let about = serde_json::to_string_pretty(&self.about)?;
        Ok(format!("{{\"about\": {about},\n\"turns\": [\n{}\n]}}\n", turns.join(",\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let about = About { work: "echo-1".into(), seed: 7, ..About::default() };
        let turn = Turn { round: 3, row: "floor".into(), ..Turn::default() };
        let results = Results { about: about.clone(), turns: vec![turn.clone(), turn.clone()] };
        let text = results.to_text().expect("it can be written");
        let again: Results = serde_json::from_str(&text).expect("it can be read");
        assert_eq!((again.about, again.turns), (about, vec![turn.clone(), turn]));
        assert_eq!(text.lines().filter(|line| line.starts_with("{\"round\"")).count(), 2);
    }
}
