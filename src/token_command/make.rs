//! `fanwire token make`: signs claims with the secret of the settings, or with a private key. What
//! the settings ask of tokens (issuer, audience, the place of claims) is put in by itself.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use serde_json::{Map, Value, json};

use super::{From, Outcome};
use crate::clock::Clock;
use crate::limits::MAX_TOKEN;
use crate::policy::pattern::Pattern;
use crate::policy::token::{Invalid, KeySet, Terms};
use crate::settings::units::duration;

#[derive(Debug, clap::Args)]
pub(super) struct Make {
    /// The user (`sub`)
    #[arg(long, value_name = "NAME")]
    user: String,
    /// So many tokens, one a line, for users NAME-1, NAME-2 and so on: for `fanwire bench --tokens`
    #[arg(long, value_name = "COUNT", conflicts_with = "id")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Channels to hear, as patterns
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    subscribe: Vec<String>,
    /// Channels to publish to, as patterns
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    publish: Vec<String>,
    /// How long the token is good for
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    expires: Duration,
    /// Name of the token (`jti`), by which it can be revoked
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// What presence shows of the user, as JSON
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    info: Option<Value>,
    /// Connections that the user may have
    #[arg(long, value_name = "COUNT")]
    connections: Option<u32>,
    /// Messages that each of the user's connections may send a second
    #[arg(long, value_name = "COUNT")]
    messages_per_second: Option<u32>,
    /// File with a private key in PEM [default: the first secret of `jwt_keys`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    from: From,
}

fn pattern(text: &str) -> Result<String, String> {
    let known = Pattern::parse(text).map(|_| text.into());
    known.ok_or_else(|| "must be a channel or a pattern of channels, as room.* or news.>".into())
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| "must be JSON".into())
}

impl Make {
    pub fn run(&self) -> Result<Outcome, String> {
        let keys = self.from.keys()?;
        let now_ms = Clock::start().now().wall_ms;
        let users = match self.count {
            Some(count) => (1..=count).map(|number| format!("{}-{number}", self.user)).collect(),
            None => vec![self.user.clone()],
        };
        let mut text = String::new();
        for user in users {
            text += &self.token(&user, &keys, now_ms)?;
            text.push('\n');
        }
        Ok(Outcome { text, status: 0 })
    }

    /// A token that a server with these settings takes. Only its time may be over: it may be wanted
    /// to see what becomes of such.
    fn token(&self, user: &str, keys: &KeySet, now_ms: u64) -> Result<String, String> {
        let claims = self.claims(user, keys.terms(), now_ms).to_string();
        match keys.read_claims(&claims, now_ms) {
            Ok(_) | Err(Invalid::Expired) => {}
            Err(invalid) => {
                return Err(format!("no server with these settings would take it: {invalid}"));
            }
        }
        let token = match &self.key {
            Some(path) => signed_by_file(&claims, path)?,
            None => signed_by_secret(&claims, keys)?,
        };
        if token.len() > MAX_TOKEN {
            return Err("no server would take it: it is longer than 16 KiB".into());
        }
        Ok(token)
    }

    fn claims(&self, user: &str, terms: &Terms, now_ms: u64) -> Value {
        let now_s = now_ms / 1000;
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(user));
        claims.insert("iat".into(), json!(now_s));
        claims.insert("exp".into(), json!(now_s + self.expires.as_secs()));
        let given = [
            ("jti", self.id.as_deref()),
            ("iss", terms.issuers.first().map(|name| &**name)),
            ("aud", terms.audiences.first().map(|name| &**name)),
        ];
        let given = given.into_iter().filter_map(|(name, text)| Some((name.into(), json!(text?))));
        claims.extend(given);
        match &terms.place {
            Some(place) => {
                claims.insert(place.to_string(), self.rights().into());
            }
            None => claims.extend(self.rights()),
        }
        claims.into()
    }

    /// What stands where `jwt_claims` says.
    fn rights(&self) -> Map<String, Value> {
        let mut rights = Map::new();
        rights.insert("subscribe".into(), json!(self.subscribe));
        rights.insert("publish".into(), json!(self.publish));
        let limits =
            [("connections", self.connections), ("messages_per_second", self.messages_per_second)];
        let limits = limits.into_iter().filter_map(|(name, limit)| Some((name, json!(limit?))));
        let limits: Map<_, _> = limits.map(|(name, limit)| (name.to_string(), limit)).collect();
        if !limits.is_empty() {
            rights.insert("limits".into(), limits.into());
        }
        rights.extend(self.info.clone().map(|info| ("info".to_string(), info)));
        rights
    }
}

fn signed_by_secret(claims: &str, keys: &KeySet) -> Result<String, String> {
    let Some(key) = keys.keys().iter().find(|key| key.is_secret()) else {
        return Err("no secret: give jwt_keys in the settings (`fanwire token keys` makes some), \
                    or --key with a private key"
            .into());
    };
    let message = message(key.algorithm(), key.id(), claims);
    let signature = key.sign(&message).ok_or("the secret cannot sign")?;
    Ok(format!("{message}.{signature}"))
}

fn signed_by_file(claims: &str, path: &PathBuf) -> Result<String, String> {
    let wrong = |reason: &str| format!("{}: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    let (kind, der) = <(SectionKind, Vec<u8>)>::from_pem_slice(&pem)
        .map_err(|_| wrong("no private key in PEM"))?;
    let tries = match kind {
        SectionKind::PrivateKey => vec![
            (Algorithm::ES256, EncodingKey::from_ec_der(&der)),
            (Algorithm::ES384, EncodingKey::from_ec_der(&der)),
            (Algorithm::EdDSA, EncodingKey::from_ed_der(&der)),
        ],
        SectionKind::RsaPrivateKey => vec![(Algorithm::RS256, EncodingKey::from_rsa_der(&der))],
        _ => return Err(wrong("no private key in PEM")),
    };
    for (algorithm, key) in tries {
        let message = message(algorithm, None, claims);
        if let Ok(signature) = crypto::sign(message.as_bytes(), &key, algorithm) {
            return Ok(format!("{message}.{signature}"));
        }
    }
    Err(wrong(
        "must be a key of P-256, P-384 or Ed25519, or BEGIN RSA PRIVATE KEY, which \
               `openssl rsa -traditional` makes",
    ))
}

/// What is signed.
fn message(algorithm: Algorithm, key_id: Option<&str>, claims: &str) -> String {
    use base64::Engine as _;
    let mut header = json!({"alg": algorithm, "typ": "JWT"});
    if let Some(id) = key_id {
        header["kid"] = json!(id);
    }
    let encoded = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encoded(&header.to_string()), encoded(claims))
}
