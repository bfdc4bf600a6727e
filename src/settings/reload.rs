//! Reading the settings again while the server runs: keys and rules may change, everything else is
//! as it was at the start. Keys of tokens are read again by themselves when their files change. What is wrong leaves all as it is; so does what would open the server to
//! everybody. Who gets the new policy is the business of `server`.

use std::path::PathBuf;
use std::sync::Arc;

use super::tokens::TokenSource;
use super::watch::Watch;
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
    /// Where the keys of tokens come from, and the files that they stand in.
    tokens: (TokenSource, Watch),
    /// What is in force.
    policy: Arc<Policy>,
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
            tokens: settings.tokens.clone(),
            policy: Arc::clone(&settings.config.policy),
        }
    }

    /// Reads again.
    ///
    /// # Errors
    /// What is wrong. Whatever was in force stays so.
    pub fn read(&mut self) -> Result<Reloaded, Refused> {
        self.check_file()?;
        let Settings { config, values, warnings, tokens, .. } = self.source.read()?;
        let policy = config.policy;
        if !self.policy.is_open() && policy.is_open() {
            let reason = "api_keys: there are none any more, which would open the server to \
                          everybody; that needs a new start";
            return Err(Refused::Problems(vec![reason.into()]));
        }
        if self.policy.needs_token() && policy.token_keys.is_empty() {
            let reason = "jwt_keys: there are none any more, which would let in everybody without \
                          a token; that needs a new start";
            return Err(Refused::Problems(vec![reason.into()]));
        }
        self.tokens = tokens;
        self.policy = Arc::clone(&policy);
        let differs = |name: &&String| values.get(*name) != self.values.get(*name);
        let waits = |name: &&String| !CHANGEABLE.contains(&name.as_str());
        let waiting = values.keys().filter(differs).filter(waits).cloned().collect();
        Ok(Reloaded { policy, waiting, warnings })
    }

    /// Whether `read_token_keys` may ever have something to do.
    pub fn watches(&self) -> bool {
        !self.tokens.1.is_empty()
    }

    /// Reads the keys of tokens again, and nothing else, if one of their files has changed.
    ///
    /// # Errors
    /// What is wrong, once for each change. Whatever was in force stays so.
    pub fn read_token_keys(&mut self) -> Option<Result<Reloaded, Refused>> {
        let (source, watch) = &mut self.tokens;
        if !watch.has_changed() {
            return None;
        }
        let read = match source.read() {
            Ok(read) => read,
            Err(reason) => return Some(Err(Refused::Problems(vec![reason]))),
        };
        *watch = read.watch;
        let mut policy = Policy::clone(&self.policy);
        policy.token_keys = Arc::new(read.keys);
        self.policy = Arc::new(policy);
        let policy = Arc::clone(&self.policy);
        Some(Ok(Reloaded { policy, waiting: Vec::new(), warnings: read.warnings }))
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
