//! Keys of the API as an operator writes them: `name:secret:scopes[:patterns]`. The secret is 16
//! bytes or more, its SHA-256 (`sha256=...`), or the path of a file with either (`@/run/...`).
//! Only digests leave this file, and no refusal repeats anything of a key: what stands where the
//! name should be may be the secret.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::limits::{MAX_API_KEYS, MAX_SECRET, MAX_SETTINGS_BYTES, MIN_SECRET};
use crate::policy::key::{ApiKey, Scope};
use crate::policy::pattern::Pattern;

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

/// What a key file or several keys came to, beside the keys.
pub(super) type Warnings = Vec<String>;

/// Reads all keys. A text may have several, separated by commas.
pub(super) fn parse_all(texts: &[Secret]) -> Result<(Vec<ApiKey>, Warnings), String> {
    let (mut keys, mut warnings) = (Vec::<ApiKey>::new(), Warnings::new());
    for (at, text) in texts.iter().flat_map(|text| split(&text.0)).enumerate() {
        let number = at + 1;
        let (key, warning) =
            parse(&text).map_err(|reason| format!("api_keys: number {number}: {reason}"))?;
        if keys.iter().any(|other| other.name == key.name) {
            return Err(format!("api_keys: number {number}: another key has the same name"));
        }
        if keys.iter().any(|other| other.digest == key.digest) {
            return Err(format!("api_keys: number {number}: another key has the same secret"));
        }
        keys.push(key);
        warnings.extend(warning);
    }
    if keys.len() > MAX_API_KEYS {
        return Err(format!("api_keys: more than {MAX_API_KEYS} keys"));
    }
    Ok((keys, warnings))
}

/// Splits a list of keys. Scopes and patterns have commas too: a key begins where two colons come
/// before the next comma.
fn split(text: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for part in text.split(',') {
        match keys.last_mut() {
            Some(key) if part.matches(':').count() < 2 => {
                key.push(',');
                key.push_str(part);
            }
            _ => keys.push(part.into()),
        }
    }
    keys
}

/// Whether a key's secret itself stands in the text.
pub(super) fn is_bare(text: &str) -> bool {
    let secret = text.split(':').nth(1).unwrap_or_default();
    !secret.starts_with('@') && !secret.starts_with(HASH)
}

const HASH: &str = "sha256=";

/// Reads one key; and what is not wise about it.
pub(super) fn parse(text: &str) -> Result<(ApiKey, Option<String>), String> {
    let mut parts = text.splitn(4, ':');
    let (Some(name), Some(secret), Some(scopes)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err("must be name:secret:scopes or name:secret:scopes:patterns".into());
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err("the name must be 1 to 64 of A-Z a-z 0-9 _ - .".into());
    }
    let (digest, warning) = digest(secret)?;
    let scopes = scopes.split(',').map(scope).collect::<Result<Vec<_>, _>>()?;
    let patterns = parts.next().map_or_else(Vec::new, |patterns| patterns.split(',').collect());
    let channels = patterns.into_iter().map(|text| {
        // A key is nobody's, so that `{user}` would mean nothing.
        let pattern = Pattern::parse(text).filter(|pattern| !pattern.names_user());
        pattern.ok_or_else(|| "a pattern of its channels is none".to_string())
    });
    let channels = channels.collect::<Result<Vec<_>, _>>()?;
    Ok((ApiKey { name: name.into(), digest, scopes, channels }, warning))
}

fn scope(word: &str) -> Result<Scope, String> {
    match word {
        "publish" => Ok(Scope::Publish),
        "read" => Ok(Scope::Read),
        "metrics" => Ok(Scope::Metrics),
        "admin" => Ok(Scope::Admin),
        _ => Err("each scope must be one of publish, read, metrics, admin".into()),
    }
}

fn digest(secret: &str) -> Result<([u8; 32], Option<String>), String> {
    let Some(path) = secret.strip_prefix('@') else {
        return Ok((digest_of(secret)?, None));
    };
    // Taken for the secret itself, a path that many know would open the API.
    if !path.starts_with('/') {
        return Err("the path of a secret's file must begin with /".into());
    }
    let (content, mode) = read_secret(Path::new(path))
        .map_err(|reason| format!("the file of its secret, {path}: {reason}"))?;
    let digest = digest_of(content.trim_ascii())
        .map_err(|reason| format!("in the file of its secret, {path}: {reason}"))?;
    let open = mode & 0o004 != 0;
    Ok((digest, open.then(|| format!("api_keys: everybody may read {path}"))))
}

fn digest_of(secret: &str) -> Result<[u8; 32], String> {
    if let Some(digits) = secret.strip_prefix(HASH) {
        let wrong = || "sha256= must be followed by 64 hexadecimal digits".to_string();
        return from_hex(digits).ok_or_else(wrong);
    }
    if !(MIN_SECRET..=MAX_SECRET).contains(&secret.len()) {
        return Err(format!("a secret must have {MIN_SECRET} to {MAX_SECRET} bytes"));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a secret must be visible ASCII, as it stands in a header".into());
    }
    Ok(Sha256::digest(secret).into())
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Reads a file with a secret; and its permissions. What is no file is not opened: that could wait
/// for ever.
pub(super) fn read_secret(path: &Path) -> Result<(String, u32), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a file".into());
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(MAX_SETTINGS_BYTES).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    Ok((text, metadata.permissions().mode()))
}
