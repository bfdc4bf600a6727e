//! What cannot work together. Each refusal begins with the name of a setting that would have to
//! change. Bounds that no setting moves are in `limits`.

use crate::config::{Config, GIVE_KEYS, ListenAddress};
use crate::limits::{BURST_MARGIN, UNLIMITED};

/// All refusals.
pub(super) fn refusals(config: &Config) -> Vec<String> {
    let c = config;
    let mut refusals = Vec::new();
    let mut least = |name, value: usize, least: usize, why: &str| {
        if value < least {
            refusals.push(format!("{name}: {value} must be at least {least}, {why}"));
        }
    };
    if c.messages_per_second != 0 && c.max_subscriptions != UNLIMITED {
        let subscriptions = c.max_subscriptions.saturating_add(BURST_MARGIN);
        least("burst", c.burst as usize, subscriptions, "max_subscriptions and 32 more");
    }
    // Each worker has its share of a total, into which one of what it bounds has to fit.
    let history_bytes = c.policy.fallback.history_bytes;
    for (name, total, part, bytes) in [
        ("max_window_bytes", c.max_window_bytes, "window_bytes", c.window_bytes),
        ("max_history_bytes", c.max_history_bytes, "history_bytes", history_bytes),
    ] {
        if bytes != UNLIMITED {
            let why = format!("one {part} on each of {} workers", c.workers);
            least(name, total, bytes.saturating_mul(usize::from(c.workers)), &why);
        }
    }
    if c.close_timeout.is_zero() {
        refusals.push("close_timeout: must not be 0, who never ends would stay for ever".into());
    }
    if c.drain_time.is_zero() {
        let why = "which would cut everybody off without a Close";
        refusals.push(format!("drain_time: must not be 0, {why}"));
    }
    if !c.drain_notice.is_zero() && c.drain_notice >= c.drain_time {
        let (notice, time) = (c.drain_notice, c.drain_time);
        let why = format!("{notice:?} must be shorter than drain_time ({time:?}), a part of it");
        refusals.push(format!("drain_notice: {why}"));
    }
    if c.open && !c.policy.is_open() {
        let keys = if c.policy.keys.is_empty() { "jwt_keys" } else { "api_keys" };
        let why = format!("contradicts {keys}, with which only what they allow is allowed");
        refusals.push(format!("open: {why}"));
    }
    users(config, &mut refusals);
    front(config, &mut refusals);
    refusals.extend(nobody_to_call(config));
    refusals
}

/// Hooks, but no backend.
fn nobody_to_call(config: &Config) -> Option<String> {
    let policy = &config.policy;
    let rules = policy.rules.iter().any(|rule| !rule.hooks.is_empty());
    let wanted = rules || !policy.hooks.is_empty();
    (wanted && policy.backend.is_none()).then(|| "hooks: hook_url must say who is called".into())
}

/// Who needs a token, and how long one has time for it.
fn users(config: &Config, refusals: &mut Vec<String>) {
    if config.auth_timeout.is_zero() && config.policy.needs_token() {
        let why = "must not be 0, who never logs in would stay for ever";
        refusals.push(format!("auth_timeout: {why}"));
    }
}

/// Where it listens, and who stands in front. Without keys everybody may do everything: that must
/// not happen to the public by accident.
fn front(config: &Config, refusals: &mut Vec<String>) {
    for (name, addresses) in [("listen", &config.listen), ("api_listen", &config.api_listen)] {
        let public = addresses.iter().find(|address| !address.is_loopback());
        if let Some(address) = public.filter(|_| config.is_private()) {
            let why = "is not loopback, for which keys are needed";
            refusals.push(format!("{name}: {address} {why}; {GIVE_KEYS}"));
        }
    }
    // Port 0 is any that is free, another one each time.
    let any_port = |api: &&ListenAddress| matches!(api, ListenAddress::Tcp(tcp) if tcp.port() == 0);
    let mut fixed = config.api_listen.iter().filter(|api| !any_port(api));
    if let Some(twice) = fixed.find(|api| config.listen.contains(api)) {
        refusals.push(format!("api_listen: {twice} stands in listen too"));
    }
    if config.proxy_protocol && config.trusted_proxies.is_empty() {
        refusals.push("proxy_protocol: trusted_proxies must say who sends PROXY headers".into());
    }
    if config.proxy_protocol && config.is_private() {
        refusals.push(format!("proxy_protocol: behind a proxy keys are needed; {GIVE_KEYS}"));
    }
}
