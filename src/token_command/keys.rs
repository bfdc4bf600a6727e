//! `fanwire token keys`: secrets for the server and its backend, as variables; or a pair of keys,
//! of which the server needs the public one only.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::ValueEnum;

use super::Outcome;
use crate::entropy;

#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// What tokens shall be signed with
    #[arg(long, value_name = "NAME", default_value = "hs256")]
    algorithm: Kind,
    /// Folder for a pair of keys, private.pem and public.pem
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    to: PathBuf,
    /// Whom tokens are meant for (`aud`), where a pair is made
    #[arg(long, value_name = "NAME", default_value = "fanwire")]
    audience: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Hs256,
    Es256,
    Es384,
    Eddsa,
}

/// A private key as PKCS #8, and its public key as `SubjectPublicKeyInfo`.
struct Pair {
    private: Vec<u8>,
    public: Vec<u8>,
}

impl Keys {
    pub fn run(&self) -> Result<Outcome, String> {
        let tokens = match self.pair()? {
            None => format!(
                "# The backend signs tokens with what follows `hs256:`.\n\
                 FANWIRE_JWT_KEYS=hs256:{}\n",
                secret()?
            ),
            Some(pair) => {
                let (private, public) = self.write(&pair)?;
                format!(
                    "# The backend signs tokens with {}.\n\
                     FANWIRE_JWT_KEYS={}\n\
                     FANWIRE_JWT_AUDIENCE={}\n",
                    private.display(),
                    public.display(),
                    self.audience
                )
            }
        };
        let text = format!(
            "# Settings of the server. Whoever reads them may do everything.\n\
             {tokens}\
             # The backend's own key of the HTTP API is what stands between the colons.\n\
             FANWIRE_API_KEYS=backend:{}:publish,read,admin\n",
            secret()?
        );
        Ok(Outcome { text, status: 0 })
    }

    fn pair(&self) -> Result<Option<Pair>, String> {
        let pair = match self.algorithm {
            Kind::Hs256 => return Ok(None),
            Kind::Es256 => on_curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Kind::Es384 => on_curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Kind::Eddsa => on_ed25519(),
        };
        pair.map(Some).map_err(|Unspecified| "no key could be made".into())
    }

    /// The paths of both.
    fn write(&self, pair: &Pair) -> Result<(PathBuf, PathBuf), String> {
        let folder = self.to.canonicalize().map_err(|e| format!("{}: {e}", self.to.display()))?;
        let files = (folder.join("private.pem"), folder.join("public.pem"));
        write_new(&files.0, 0o600, &pem("PRIVATE KEY", &pair.private))?;
        write_new(&files.1, 0o644, &pem("PUBLIC KEY", &pair.public))?;
        Ok(files)
    }
}

fn on_curve(curve: &'static EcdsaSigningAlgorithm) -> Result<Pair, Unspecified> {
    let pair = EcdsaKeyPair::generate(curve)?;
    let (private, public) = (pair.to_pkcs8v1()?, pair.public_key().as_der()?);
    Ok(Pair { private: private.as_ref().into(), public: public.as_ref().into() })
}

fn on_ed25519() -> Result<Pair, Unspecified> {
    let pair = Ed25519KeyPair::generate()?;
    let (private, public) = (pair.to_pkcs8v1()?, pair.public_key().as_der()?);
    Ok(Pair { private: private.as_ref().into(), public: public.as_ref().into() })
}

/// 256 random bits, as text.
fn secret() -> Result<String, String> {
    let secret = entropy::secret().map_err(|error| error.to_string())?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

/// A file that was not there before: no key is ever overwritten.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines = body.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}
