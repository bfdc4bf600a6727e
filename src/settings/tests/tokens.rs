//! Keys of tokens: how they are written, what is refused, and what a change of their files does.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::policy::token::key::{Algorithm, Key};
use crate::settings::Reload;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A file of keys that is part of the tests of `policy::token`.
fn sample(name: &str) -> String {
    format!("{}/src/policy/token/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// A file of its own for one test; it goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("fanwire-{}-{name}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    /// Puts another file in its place.
    fn write(&self, text: &str) {
        let other = self.0.with_extension("new");
        fs::write(&other, text).expect("written");
        fs::rename(other, &self.0).expect("renamed");
    }

    fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn algorithms(args: &[&str]) -> Vec<Algorithm> {
    let keys = config(args).policy.token_keys.clone();
    keys.keys().iter().map(Key::algorithm).collect()
}

#[test]
fn every_way_to_write_a_key() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, RS256, RS512};
    let one = |key: &str| algorithms(&["--jwt-keys", key, "--jwt-audience=a"]);
    assert_eq!(one(&format!("hs256:{SECRET}")), [HS256]);
    assert_eq!(one(&format!("HS384:{SECRET}{SECRET}")), [HS384]);
    assert_eq!(one(&format!("hs512:{SECRET}{SECRET}")), [HS512]);
    for (name, algorithm) in
        [("rsa.pub", RS256), ("p256.pub", ES256), ("p384.pub", ES384), ("ed25519.pub", EdDSA)]
    {
        assert_eq!(one(&sample(name)), [algorithm]);
        assert_eq!(one(&format!("@{}", sample(name))), [algorithm]);
    }
    assert_eq!(one(&format!("ps256:{}", sample("rsa.pub"))), [PS256]);
    assert_eq!(one(&format!("rs512:@{}", sample("rsa.pub"))), [RS512]);
    assert_eq!(one(&format!("eddsa:{}", sample("ed25519.pub"))), [EdDSA]);
    let secret = Scratch::new("secret", &format!("{SECRET}\n"));
    assert_eq!(one(&format!("hs256:@{}", secret.path())), [HS256]);
    let both = format!("{},hs256:{SECRET}", sample("p256.pub"));
    assert_eq!(one(&both), [ES256, HS256]);
    let file = |name| fs::read_to_string(sample(name)).expect("there");
    let pems = Scratch::new("two.pem", &format!("{}\n{}", file("rsa.pub"), file("p256.pub")));
    assert_eq!(one(&pems.path()), [RS256, ES256]);
    let jwks = r#"{"keys": [
        {"kty": "oct", "kid": "a", "alg": "HS256",
         "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"},
        {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"},
        {"kty": "XYZ"}]}"#;
    let jwks = Scratch::new("jwks.json", jwks);
    let settings = read(&["--jwt-keys", &jwks.path()], &[]).unwrap();
    assert_eq!(settings.config.policy.token_keys.keys()[0].id(), Some("a"));
    let left_out = |number| {
        let why = "is not one that verifies tokens here, and is left out";
        format!("jwt_keys: {}: key number {number} {why}", jwks.path())
    };
    assert_eq!(settings.warnings[..2], [left_out(2), left_out(3)]);
}

#[test]
fn what_is_no_key_is_refused_and_never_repeated() {
    let wanted = "jwt_keys: number 1: must be hs256:secret, hs256:@/path/of/a/file, a file ending";
    let no_path = "jwt_keys: number 1: the path of a secret's file must begin with /";
    for (key, words) in [
        (SECRET, wanted),
        (&format!("none:{SECRET}"), wanted),
        ("", wanted),
        (".pem", wanted),
        ("hs256:01234567890123456789", "a secret for HS256 must have 32 bytes or more"),
        ("hs256:", "a secret for HS256 must have 32 bytes or more"),
        (&format!("hs384:{SECRET}"), "a secret for HS384 must have 48 bytes or more"),
        (&format!("rs256:{SECRET}"), "a key for RS256 must be a file that ends in .pem"),
        (&format!("hs256:@{SECRET}"), no_path),
        ("hs256:@/nowhere/secret", "the file /nowhere/secret: No such file"),
        ("/nowhere/key.pem", "the file /nowhere/key.pem: No such file"),
        ("/nowhere/jwks.json", "the file /nowhere/jwks.json: No such file"),
        (&sample("p256"), "it has a private key, which only issuers need"),
        (&sample("rsa"), "it has a private key, which only issuers need"),
        (&sample("rsa-1024.pub"), "must be a key of RSA of 2048 bits or more"),
        (&sample("p521.pub"), "must be a key of RSA of 2048 bits or more"),
        (&format!("es384:{}", sample("p256.pub")), "a key for ES256 is not for ES384"),
    ] {
        let text = read(&["--jwt-keys", key, "--jwt-audience=a"], &[]).unwrap_err();
        assert!(text.contains(words) && !text.contains("0123456789"), "{key}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let second = format!("hs256:{SECRET},x");
    refused(&["--jwt-keys", &second], "jwt_keys: number 2: must be");
    let toml = format!("workers = 1\njwt_keys = [\"hs256:{SECRET}\", \"0123456789\"]\n");
    let lines = Settings::from_text(&toml, &machine()).unwrap_err().lines();
    assert!(lines[0].starts_with("fanwire.toml:2: jwt_keys: number 2: must be"), "{lines:?}");
    assert!(!lines[0].contains("0123"));
}

#[test]
fn what_files_must_not_hold() {
    for (name, text, words) in [
        ("a.pem", "", "it has no section BEGIN PUBLIC KEY"),
        ("b.pem", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n", "it is not PEM"),
        (
            "c.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "it has a certificate; give its public key",
        ),
        ("d.json", "{", "it is not JSON"),
        ("e.json", "[]", "it must be an object with an array, keys"),
        ("f.json", r#"{"keys": []}"#, "it has no key that verifies tokens"),
        (
            "g.json",
            r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}]}"#,
            "key number 1: it is a private key",
        ),
        (
            "h.json",
            r#"{"keys": [{"kty": "oct", "k": "c2hvcnQ", "alg": "HS256"}]}"#,
            "key number 1: a secret for HS256 must have 32 bytes or more",
        ),
    ] {
        let file = Scratch::new(name, text);
        let args = ["--jwt-keys", &file.path(), "--jwt-audience=a"];
        refused(&args, &format!("jwt_keys: number 1: in {}: {words}", file.path()));
    }
    let many = vec![format!("hs256:{SECRET}"); 33].join(",");
    refused(&["--jwt-keys", &many], "jwt_keys: more than 32 keys");
}

#[test]
fn what_goes_with_keys() {
    let secret = format!("--jwt-keys=hs256:{SECRET}");
    let why = "jwt_audience: needed with public keys";
    refused(&["--jwt-keys", &sample("p256.pub")], why);
    refused(&["--anonymous=false"], "anonymous: false needs jwt_keys");
    refused(&["--open", &secret], "open: contradicts jwt_keys");
    refused(&["--auth-timeout=0", &secret], "auth_timeout: must not be 0");
    assert!(read(&["--auth-timeout=0", "--anonymous", &secret], &[]).is_ok());
    for (flags, open, needs_token) in [
        (&[][..], true, false),
        (&[&*secret][..], false, true),
        (&[&*secret, "--anonymous"][..], false, false),
        (&["--api-keys=a:0123456789abcdef:read"][..], false, false),
    ] {
        let policy = config(flags).policy;
        assert_eq!((policy.is_open(), policy.needs_token()), (open, needs_token), "{flags:?}");
    }
    let policy = config(&[&secret]).policy;
    assert_eq!((policy.fallback.subscribe, policy.fallback.publish), (Who::Token, Who::Backend));
    for bad in ["", "a b", "a=b", "a;b"] {
        refused(&[&format!("--jwt-cookie={bad}")], "must be the name of a cookie");
    }
}

/// A reload of keys by themselves: once for each change, and never with less than before.
#[test]
fn a_changed_file_is_read_again() {
    let pem = |name| fs::read_to_string(sample(name)).expect("there");
    let file = Scratch::new("watched.pem", &pem("p256.pub"));
    let settings = read(&["--jwt-keys", &file.path(), "--jwt-audience=a"], &[]).unwrap();
    let mut reload = Reload::of(&settings);
    assert!(reload.watches() && reload.read_token_keys().is_none());
    let digest = |policy: &Policy| *policy.token_keys.digest();
    let first = digest(&settings.config.policy);
    file.write(&pem("ed25519.pub"));
    let second = reload.read_token_keys().expect("it has changed").expect("keys");
    assert_ne!(digest(&second.policy), first);
    assert!(second.waiting.is_empty() && reload.read_token_keys().is_none(), "once");
    file.write("half a fi");
    let refused = reload.read_token_keys().expect("it has changed").expect_err("no keys");
    assert!(refused.lines()[0].contains("it has no section BEGIN PUBLIC KEY"), "{refused}");
    assert!(reload.read_token_keys().is_none(), "said once");
    fs::remove_file(&file.0).expect("removed");
    assert!(reload.read_token_keys().expect("it is gone").is_err());
    file.write(&pem("p256.pub"));
    let third = reload.read_token_keys().expect("it is back").expect("keys");
    assert_eq!(digest(&third.policy), first);
    let reloaded = reload.read().expect("all is well");
    assert_eq!(digest(&reloaded.policy), first);
    assert!(reload.read_token_keys().is_none(), "a reload has seen it too");
    let without = read(&[&format!("--jwt-keys=hs256:{SECRET}")], &[]).unwrap();
    assert!(!Reload::of(&without).watches(), "there is no file");
}

/// A key that comes into a set, and one that leaves it: rotation, as issuers do it.
#[test]
fn a_changed_set_is_read_again() {
    let set = |names: &[&str]| {
        let key = |name: &&str| {
            let secret = URL_SAFE_NO_PAD.encode(name.repeat(32));
            serde_json::json!({"kty": "oct", "alg": "HS256", "kid": name, "k": secret})
        };
        serde_json::json!({"keys": names.iter().map(key).collect::<Vec<_>>()}).to_string()
    };
    let file = Scratch::new("rotated.json", &set(&["a"]));
    let settings = read(&["--jwt-keys", &file.path(), "--jwt-audience=x"], &[]).unwrap();
    let mut reload = Reload::of(&settings);
    for names in [&["a", "b"][..], &["b"]] {
        file.write(&set(names));
        let reloaded = reload.read_token_keys().expect("it has changed").expect("keys");
        let keys = reloaded.policy.token_keys.keys();
        let found: Vec<_> = keys.iter().filter_map(Key::id).collect();
        assert_eq!(found, names);
    }
}

/// The last key does not go while the server runs: everybody could come without one.
#[test]
fn keys_do_not_vanish() {
    let config = Scratch::new("keys.toml", "");
    let api = "api_keys = [\"a:0123456789abcdef:read\"]\n";
    config.write(&format!("{api}jwt_keys = [\"hs256:{SECRET}\"]\n"));
    let settings = read(&["--config", &config.path()], &[]).unwrap();
    let mut reload = Reload::of(&settings);
    config.write(api);
    let refused = reload.read().expect_err("refused").lines();
    assert!(refused[0].starts_with("jwt_keys: there are none any more"), "{refused:?}");
    config.write(&format!("{api}jwt_keys = [\"hs256:x{SECRET}\"]\njwt_issuer = [\"i\"]\n"));
    let reloaded = reload.read().expect("another key");
    assert!(reloaded.waiting.is_empty(), "{:?}", reloaded.waiting);
    assert_eq!(reloaded.policy.token_keys.terms().issuers, ["i".into()]);
}
