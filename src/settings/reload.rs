//! Reading the settings again while the server runs: keys and rules may change, everything else is
//! as it was at the start. What is wrong leaves all as it is; so does what would open the server to
//! everybody. Who gets the new policy is the business of `server`.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Refused, Settings, Source, Values};
use crate::policy::Policy;

/// Settings that the policy takes up, so that they change with it.
const CHANGEABLE: [&str; 12] = [
    "history_count",
    "history_bytes",
    "history_age",
    "jwt_issuer",
    "jwt_audience",
    "jwt_leeway",
    "jwt_claims",
    "anonymous",
    "hooks",
    "hook_timeout",
    "hook_retry",
    "hook_queue_bytes",
];

/// What reading again goes by.
#[derive(Debug)]
pub struct Reload {
    source: Source,
    /// As they were at the start, which is what the server goes by.
    values: Values,
    /// The file among where they come from.
    file: Option<PathBuf>,
    /// Whether the policy in force has keys.
    has_keys: bool,
}

/// What was read anew.
#[derive(Debug)]
pub struct Reloaded {
    /// Keys and rules.
    pub policy: Arc<Policy>,
    /// Settings that differ from those at the start, and wait for the next one.
    pub waiting: Vec<String>,
    /// What is not wrong, but not wise.
    pub warnings: Vec<String>,
}

impl Reload {
    /// Will read again what these settings came from.
    pub fn of(settings: &Settings) -> Self {
        Self {
            source: settings.source.clone(),
            values: settings.values.clone(),
            file: settings.file.clone(),
            has_keys: !settings.config.policy.is_open(),
        }
    }

    /// Reads again.
    ///
    /// # Errors
    /// What is wrong. Whatever was in force stays so.
    pub fn read(&mut self) -> Result<Reloaded, Refused> {
        self.check_file()?;
        let Settings { config, values, warnings, .. } = self.source.read()?;
        let policy = config.policy;
        if self.has_keys && policy.is_open() {
            let reason = "api_keys: there are none any more, which would open the server to \
                          everybody; that needs a new start";
            return Err(Refused::Problems(vec![reason.into()]));
        }
        self.has_keys = !policy.is_open();
        let differs = |name: &&String| values.get(*name) != self.values.get(*name);
        let waits = |name: &&String| !CHANGEABLE.contains(&name.as_str());
        let waiting = values.keys().filter(differs).filter(waits).cloned().collect();
        Ok(Reloaded { policy, waiting, warnings })
    }

    /// A start may read a pipe; by now that is empty, or waits for whoever writes, and the server
    /// with it.
    fn check_file(&self) -> Result<(), Refused> {
        let Some(path) = &self.file else { return Ok(()) };
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let reason = format!("config: {}: not a file, which can be read again", path.display());
            return Err(Refused::Problems(vec![reason]));
        }
        Ok(())
    }
}
