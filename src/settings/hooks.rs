//! Settings of hooks: where the backend is called, about what, how patiently. What these come to is
//! `policy::hook`; which channels have which hooks, `rules`.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{ArgAction, Args};

use super::keys::{self, Secret};
use super::rules::words;
use super::units::{byte_limit, duration};
use crate::limits::{MAX_SECRET, MIN_SECRET};
use crate::policy::hook::{Backend, Event, Events};

/// What begins a secret of Standard Webhooks, whose rest is base64.
const STANDARD_SECRET: &str = "whsec_";

const BACKEND: &str = "Hooks: asking and telling the backend";

const EVENTS: [(&str, Event); 6] = [
    ("connect", Event::Connect),
    ("subscribe", Event::Subscribe),
    ("publish", Event::Publish),
    ("disconnect", Event::Disconnect),
    ("occupied", Event::Occupied),
    ("vacated", Event::Vacated),
];

/// The settings.
#[derive(Debug, Args)]
pub(super) struct HookFlags {
    /// Where the backend is called, as `http://127.0.0.1:8080/fanwire` [default: none]
    #[arg(long, help_heading = BACKEND, value_name = "URL")]
    pub hook_url: Option<Secret>,
    /// What calls are signed with: 16 bytes or more, `whsec_` and base64, or @/path/of/a/file
    /// [default: none]
    #[arg(long, help_heading = BACKEND, value_name = "SECRET")]
    pub hook_secret: Option<Secret>,
    /// What the backend is asked (connect, subscribe, publish) and told (disconnect, occupied,
    /// vacated); for channels that is where no rule says otherwise [default: none]
    #[arg(long, help_heading = BACKEND, value_name = "EVENT", value_delimiter = ',')]
    #[arg(action = ArgAction::Append, value_parser = words(&EVENTS), hide_possible_values = true)]
    pub hooks: Vec<Event>,
    /// How long a call may take, waiting for its turn included; then what was asked is refused
    #[arg(long, help_heading = BACKEND, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "2s")]
    pub hook_timeout: Duration,
    /// For how long events are tried again when the backend does not take them; then they are lost
    #[arg(long, help_heading = BACKEND, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "5m")]
    pub hook_retry: Duration,
    /// Questions that are asked at once
    #[arg(long, help_heading = BACKEND, value_name = "COUNT", default_value = "16")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub hook_calls: u16,
    /// Bytes of questions that wait for their turn, and of events; then they are refused, or lost
    #[arg(long, help_heading = BACKEND, value_name = "SIZE", value_parser = byte_limit)]
    #[arg(default_value = "16MiB")]
    pub hook_queue_bytes: usize,
}

/// Checks that an address can be called. It may have a secret in it, and is never repeated.
fn check_url(text: &str) -> Result<(), &'static str> {
    const WRONG: &str = "hook_url: must be as http://127.0.0.1:8080/fanwire";
    const TLS: &str = "hook_url: https is not spoken here; call a proxy on this machine by http, \
                       and let that one speak TLS (docs/hooks.md)";
    let uri: ureq::http::Uri = text.parse().map_err(|_| WRONG)?;
    let host = uri.host().is_some_and(|host| !host.is_empty());
    match uri.scheme_str() {
        Some("http") if host && !text.contains('#') => Ok(()),
        Some("https") => Err(TLS),
        _ => Err(WRONG),
    }
}

impl HookFlags {
    /// What was asked for.
    pub fn events(&self) -> Events {
        self.hooks.iter().copied().collect()
    }

    /// The backend, where there is one; and what is not wise about it.
    pub fn backend(&self) -> Result<(Option<Backend>, Option<String>), String> {
        let (url, secret) = match (&self.hook_url, &self.hook_secret) {
            (Some(url), Some(secret)) => (url, secret),
            (Some(_), None) => {
                return Err("hook_url: needs hook_secret, which calls are signed with".into());
            }
            (None, Some(_)) => return Err("hook_secret: does nothing without hook_url".into()),
            (None, None) => return Ok((None, None)),
        };
        check_url(&url.0)?;
        if self.hook_timeout.is_zero() {
            return Err("hook_timeout: must not be 0, who asks would wait for ever".into());
        }
        let (secret, warning) = read(&secret.0).map_err(|why| format!("hook_secret: {why}"))?;
        let backend = Backend {
            url: url.0.clone(),
            secret,
            timeout: self.hook_timeout,
            retry: self.hook_retry,
            queue_bytes: self.hook_queue_bytes,
        };
        Ok((Some(backend), warning))
    }
}

/// Reads a secret; and what is not wise about its file.
fn read(text: &str) -> Result<(Vec<u8>, Option<String>), String> {
    let Some(path) = text.strip_prefix('@') else { return Ok((bytes(text)?, None)) };
    if !path.starts_with('/') {
        return Err("the path of its file must begin with /".into());
    }
    let (content, mode) =
        keys::read_secret(Path::new(path)).map_err(|reason| format!("{path}: {reason}"))?;
    let secret = bytes(content.trim_ascii()).map_err(|reason| format!("in {path}: {reason}"))?;
    let open = mode & 0o004 != 0;
    Ok((secret, open.then(|| format!("hook_secret: everybody may read {path}"))))
}

/// The secret itself.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let secret = match text.strip_prefix(STANDARD_SECRET) {
        Some(rest) => STANDARD.decode(rest).map_err(|_| "whsec_ must be followed by base64")?,
        None => text.as_bytes().to_vec(),
    };
    if (MIN_SECRET..=MAX_SECRET).contains(&secret.len()) {
        return Ok(secret);
    }
    Err(format!("must have {MIN_SECRET} to {MAX_SECRET} bytes"))
}
