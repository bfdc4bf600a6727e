//! The settings of users and their tokens, as `flags` has all others. What a key may be: `tokens`.

use std::time::Duration;

use clap::{ArgAction, Args};

use super::keys::Secret;
use super::units::{claim_text, cookie_name, count_limit, duration};
use crate::config::PerUser;

const USERS: &str = "Users and their tokens";

#[derive(Debug, Args)]
pub(super) struct TokenFlags {
    /// Keys that clients' tokens (JWT) are verified with: `hs256:secret` of 32 bytes or more, or
    /// `hs256:@/path/of/a/file`; `key.pem`, a public key, or `ps256:key.pem`; `jwks.json` [default:
    /// none]
    #[arg(long, help_heading = USERS, value_name = "KEY", value_delimiter = ',')]
    #[arg(action = ArgAction::Append)]
    pub jwt_keys: Vec<Secret>,
    /// Issuers of tokens (`iss`) [default: whoever has a key]
    #[arg(long, help_heading = USERS, value_name = "NAME", value_delimiter = ',')]
    #[arg(action = ArgAction::Append)]
    #[arg(value_parser = claim_text)]
    pub jwt_issuer: Vec<String>,
    /// Whom tokens are meant for (`aud`); needed with public keys [default: tokens without `aud`]
    #[arg(long, help_heading = USERS, value_name = "NAME", value_delimiter = ',')]
    #[arg(action = ArgAction::Append)]
    #[arg(value_parser = claim_text)]
    pub jwt_audience: Vec<String>,
    /// How far the clocks of issuers may be off
    #[arg(long, help_heading = USERS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "10s")]
    pub jwt_leeway: Duration,
    /// Claim that holds `subscribe`, `publish`, `limits` and `info` [default: they stand at the
    /// top]
    #[arg(long, help_heading = USERS, value_name = "NAME")]
    #[arg(value_parser = claim_text)]
    pub jwt_claims: Option<String>,
    /// Name of a cookie that may have the token [default: none]
    #[arg(long, help_heading = USERS, value_name = "NAME", value_parser = cookie_name)]
    pub jwt_cookie: Option<Box<str>>,
    /// Whether `?token=` may have the token; proxies write it to their logs
    #[arg(long, help_heading = USERS, value_name = "BOOL", default_value = "false")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = ArgAction::Set)]
    pub token_in_query: bool,
    /// Whether a client may stay without a token [default: where there are no `jwt_keys`]
    #[arg(long, help_heading = USERS, value_name = "BOOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = ArgAction::Set)]
    pub anonymous: Option<bool>,
    /// From the 101 to a login, where one is needed; then 4003
    #[arg(long, help_heading = USERS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "10s")]
    pub auth_timeout: Duration,
    /// How long before its token ends a client is told so
    #[arg(long, help_heading = USERS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "60s")]
    pub token_notice: Duration,
    /// How long a client may stay after its token has ended; then 4101
    #[arg(long, help_heading = USERS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "30s")]
    pub token_grace: Duration,
    /// Connections of one user; then what `per_user_policy` says
    #[arg(long, help_heading = USERS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "0")]
    pub max_connections_per_user: usize,
    /// One connection more than a user may have: refuse it with 4429, or let it replace the oldest,
    /// which gets 4409
    #[arg(long, help_heading = USERS, value_name = "WHAT", default_value = "refuse")]
    pub per_user_policy: PerUserPolicy,
}

/// The words of `per_user_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PerUserPolicy {
    Refuse,
    Replace,
}

impl From<PerUserPolicy> for PerUser {
    fn from(word: PerUserPolicy) -> Self {
        match word {
            PerUserPolicy::Refuse => Self::Refuse,
            PerUserPolicy::Replace => Self::Replace,
        }
    }
}
