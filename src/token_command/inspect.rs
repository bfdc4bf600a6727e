//! `fanwire token inspect`: what a token says, and whether a server with these settings would take
//! it now, or why not. It never prints the token itself, nor anything of a key.

use std::fmt::Write as _;
use std::io::{self, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{From, Outcome};
use crate::clock::Clock;
use crate::limits::MAX_TOKEN;
use crate::policy::token::{Invalid, KeySet, Token};

#[derive(Debug, clap::Args)]
pub(super) struct Inspect {
    /// The token; - or nothing: it comes by standard input, which no list of processes shows
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    from: From,
}

impl Inspect {
    pub fn run(&self) -> Result<Outcome, String> {
        let keys = self.from.keys()?;
        let token = match self.token.as_deref() {
            None | Some("-") => read()?,
            Some(token) => token.into(),
        };
        let token = token.trim();
        let now_ms = Clock::start().now().wall_ms;
        let (verdict, status) = verdict(&keys, token, now_ms);
        let mut text = String::new();
        let mut parts = token.split('.');
        for name in ["header", "claims"] {
            let part = parts.next().and_then(pretty);
            let part = part.unwrap_or_else(|| "not base64url of JSON".into());
            let _ = writeln!(text, "{name}: {part}");
        }
        text.push_str(&verdict);
        text.push('\n');
        Ok(Outcome { text, status })
    }
}

fn read() -> Result<String, String> {
    let mut text = String::new();
    let limit = 2 * MAX_TOKEN as u64;
    io::stdin().take(limit).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn pretty(part: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    serde_json::to_string_pretty(&value).ok()
}

/// Whether the token is good, in a line, and the status for that.
fn verdict(keys: &KeySet, token: &str, now_ms: u64) -> (String, u8) {
    if keys.is_empty() {
        let how = "no jwt_keys in the settings; give --config FILE or FANWIRE_JWT_KEYS";
        return (format!("not verified: {how}"), 1);
    }
    match keys.verify(token, now_ms) {
        Ok(Token { user, expires_ms, .. }) => {
            let left_s = expires_ms.saturating_sub(now_ms) / 1000;
            (format!("good: user {user:?}, for {left_s} s"), 0)
        }
        Err(invalid) => (refused(invalid), 1),
    }
}

fn refused(invalid: Invalid) -> String {
    let (code, close) = (invalid.code().as_str(), invalid.close());
    format!("refused: {invalid} ({code}, {} {})", close.0, close.word())
}
