//! One call over HTTP: signed, timed, its answer bounded. It blocks, which is why only the threads
//! of `hooks` make calls. No proxy of the environment is used and no redirect followed: a call
//! goes where the settings say, and nowhere else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use super::signature::{ID, SIGNATURE, TIMESTAMP, sign};
use crate::hub::Now;
use crate::limits::{HOOK_ANSWER_BYTES, HOOK_HEAD_BYTES, HOOK_IDLE};
use crate::metrics::HookOutcome;
use crate::policy::hook::Backend;

/// Makes calls; connections that are kept are shared by all threads.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    seed: u64,
    calls: AtomicU64,
}

impl Client {
    /// One that keeps so many connections.
    pub fn new(connections: usize, seed: u64) -> Self {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("fanwire/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .max_response_header_size(HOOK_HEAD_BYTES)
            .max_idle_connections(connections + 1)
            .max_idle_connections_per_host(connections + 1)
            .max_idle_age(HOOK_IDLE)
            .build();
        Self { agent: config.into(), seed, calls: AtomicU64::new(0) }
    }

    /// A name for a call that no other has, of this process or of another one.
    pub fn name(&self) -> String {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        format!("msg_{:016x}{number:x}", self.seed)
    }

    /// Makes a call, in the time that is left for it. Returns the status and the body.
    pub fn post(
        &self,
        backend: &Backend,
        name: &str,
        body: &[u8],
        now: Now,
        left: Duration,
    ) -> Result<(u16, Vec<u8>), HookOutcome> {
        if left.is_zero() {
            return Err(HookOutcome::Late);
        }
        let timestamp = now.wall_ms / 1000;
        let response = self
            .agent
            .post(&backend.url)
            .config()
            .timeout_global(Some(left))
            .build()
            .header("content-type", "application/json")
            .header(ID, name)
            .header(TIMESTAMP, timestamp.to_string())
            .header(SIGNATURE, sign(&backend.secret, name, timestamp, body))
            .send(body);
        let answer = response.and_then(|response: Response<Body>| {
            let (head, mut body) = response.into_parts();
            let text = body.with_config().limit(HOOK_ANSWER_BYTES).read_to_vec()?;
            Ok((head.status.as_u16(), text))
        });
        answer.map_err(|error| {
            tracing::debug!(%error, "the backend does not answer a hook");
            outcome(&error)
        })
    }
}

/// What a failure comes to.
fn outcome(error: &ureq::Error) -> HookOutcome {
    use ureq::Error;
    match error {
        Error::Timeout(_) => HookOutcome::Late,
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => HookOutcome::Late,
        Error::Io(_) | Error::HostNotFound | Error::ConnectionFailed => HookOutcome::Unreachable,
        _ => HookOutcome::Garbage,
    }
}
