//! `fanwire token`, and keys of tokens that change while the server runs.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::peer::Peer;
use crate::permissions::{BEARER, KEY, counter};
use crate::server::{Server, folder};
use crate::token::{self, SECRET, signed};
use crate::wire::PATIENCE;

/// Runs `fanwire token` with these arguments, variables and standard input: status, standard output
/// and standard error.
fn run(args: &[&str], variables: &[(&str, &str)], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanwire"))
        .arg("token")
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    // Who does not read it has ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let status = output.status.code().expect("a status");
    (status, text(output.stdout), text(output.stderr))
}

/// The variables that `fanwire token keys` prints.
fn variables(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('=').expect("a variable")).collect()
}

#[test]
fn keys_make_tokens_that_are_good() {
    let folder = folder("token-keys");
    for algorithm in ["hs256", "es256", "es384", "eddsa"] {
        let place = folder.join(algorithm);
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).expect("a folder");
        let to = place.to_string_lossy();
        let (status, out, err) = run(&["keys", "--algorithm", algorithm, "--to", &to], &[], "");
        assert_eq!((status, &*err), (0, ""), "{algorithm}");
        let variables = variables(&out);
        let private = place.join("private.pem");
        let private = private.to_string_lossy();
        let mut args = vec!["make", "--user", "ann", "--subscribe", "room.*,news.>", "--id", "t1"];
        args.extend(["--connections", "3", "--info", r#"{"name": "Ann"}"#, "--expires", "15m"]);
        if algorithm != "hs256" {
            args.extend(["--key", &private]);
        }
        let (status, made, err) = run(&args, &variables, "");
        assert_eq!((status, &*err), (0, ""), "{algorithm}");
        let (status, said, err) = run(&["inspect"], &variables, &made);
        assert_eq!((status, &*err), (0, ""), "{algorithm}: {said}");
        assert!(said.contains("\ngood: user \"ann\", for 9") || said.contains("for 8"), "{said}");
        for part in ["\"room.*\"", "\"jti\": \"t1\"", "\"connections\": 3", "\"name\": \"Ann\""] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let (status, again, _) = run(&["inspect", made.trim()], &variables, "");
        assert_eq!(status, 0, "{again}");
        if algorithm != "hs256" {
            let twice = run(&["keys", "--algorithm", algorithm, "--to", &to], &[], "");
            assert!(twice.0 == 2 && twice.2.contains("File exists"), "{twice:?}");
        }
    }
}

#[test]
fn what_is_refused_is_said_in_words() {
    let (_, keys, _) = run(&["keys"], &[], "");
    let keys = variables(&keys);
    let (_, made, _) = run(&["make", "--user", "ann"], &keys, "");
    let inspect = |token_text: &str, variables: &[_]| {
        let (status, out, _) = run(&["inspect", "-"], variables, token_text);
        assert_eq!(status, 1, "{out}");
        assert!(!out.contains(token_text.trim()), "the token itself is not shown");
        out.lines().last().unwrap_or_default().to_string()
    };
    let (_, others, _) = run(&["keys"], &[], "");
    let wrong = "refused: the token's signature is wrong (unauthorized, 4102 bad_token)";
    assert_eq!(inspect(&made, &variables(&others)), wrong);
    let (_, over, _) = run(&["make", "--user", "ann", "--expires", "0"], &keys, "");
    let mut strict = keys.clone();
    strict.push(("FANWIRE_JWT_LEEWAY", "0"));
    let expired = "refused: the token has expired (token_expired, 4101 expired)";
    assert_eq!(inspect(&over, &strict), expired);
    strict.push(("FANWIRE_JWT_ISSUER", "somebody"));
    let issuer = "refused: the token is from another issuer (unauthorized, 4102 bad_token)";
    assert_eq!(inspect(&made, &strict), issuer);
    let parts = "refused: the token is malformed: it must have three parts, joined by dots \
                 (unauthorized, 4102 bad_token)";
    assert_eq!(inspect("nonsense", &keys), parts);
    let none = "not verified: no jwt_keys in the settings; give --config FILE or FANWIRE_JWT_KEYS";
    assert_eq!(inspect(&made, &[]), none);
}

#[test]
fn what_cannot_be_made() {
    let (long, signed_by) = ("x".repeat(129), format!("--config={}", with_secret("token-cannot")));
    let (info, no_user) = (format!("\"{}\"", "x".repeat(1100)), "sub must be 1 to 128 bytes");
    let patterns = (0..257).map(|n| format!("a.{n}")).collect::<Vec<_>>().join(",");
    for (args, words) in [
        (&["make", "--user", "", &signed_by][..], no_user),
        (&["make", "--user", &long, &signed_by], no_user),
        (&["make", "--user", "ann", "--id", "", &signed_by], "jti must be 1 to 256 bytes"),
        (&["make", "--user", "ann", "--connections", "0", &signed_by], "limits must be integers"),
        (&["make", "--user", "ann", "--info", &info, &signed_by], "info is longer than 1 KiB"),
        (&["make", "--user", "ann", "--subscribe", &patterns, &signed_by], "more than 256"),
        (&["make", "--user", "ann", "--id", &"x".repeat(20_000), &signed_by], "jti must be"),
        (&["make"], "--user"),
        (&["make", "--user", "ann"], "no secret: give jwt_keys"),
        (&["make", "--user", "ann", "--subscribe", "a..b"], "must be a channel or a pattern"),
        (&["make", "--user", "ann", "--key", "/nowhere"], "/nowhere: No such file"),
        (&["make", "--user", "ann", "--info", "{"], "must be JSON"),
        (&["make", "--user", "ann", "--count", "0"], "0 is not in 1.."),
        (&["keys", "--algorithm", "rs256"], "possible values: hs256, es256, es384, eddsa"),
        (&["keys", "--algorithm", "es256", "--to", "/nowhere"], "/nowhere: No such file"),
        (&["inspect", "--config", "/nowhere"], "config: /nowhere: No such file"),
    ] {
        let (status, out, err) = run(args, &[], "");
        assert_eq!((status, &*out), (2, ""), "{args:?}");
        assert!(err.contains(words), "{args:?}: {err}");
    }
}

/// A file of settings with a secret, in a folder of this name.
fn with_secret(name: &str) -> String {
    let file = folder(name).join("fanwire.toml");
    fs::write(&file, format!("jwt_keys = [\"hs256:{SECRET}\"]\n")).expect("written");
    file.to_string_lossy().into_owned()
}

/// What the settings ask of tokens stands in those that are made.
#[test]
fn the_place_of_claims_is_that_of_the_settings() {
    let file = folder("token-place").join("fanwire.toml");
    let settings = "jwt_keys = [\"hs256:0123456789abcdef0123456789abcdef\"]\n\
                    jwt_claims = \"https://example.org/fanwire\"\n\
                    jwt_issuer = [\"backend\"]\njwt_audience = [\"edge\"]\n";
    fs::write(&file, settings).expect("written");
    let file = file.to_string_lossy();
    let (_, made, err) =
        run(&["make", "--user", "ann", "--publish", "a", "--config", &file], &[], "");
    assert_eq!(err, "");
    let (status, said, _) = run(&["inspect", "--config", &file], &[], &made);
    assert_eq!(status, 0, "{said}");
    for part in ["\"https://example.org/fanwire\": {", "\"aud\": \"edge\"", "\"iss\": \"backend\""]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// A key file that changes is read again by itself, and drops nobody; one that is broken changes
/// nothing.
#[test]
fn changed_keys_are_taken_up() {
    const OTHER: &str = "another secret of thirty-two bytes";
    let file = folder("token-watch").join("secret");
    replace(&file, SECRET);
    let key = format!("hs256:@{}", file.to_string_lossy());
    let server = Server::start(&["--jwt-keys", &key, "--api-keys", KEY, "--workers", "2"]);
    let count = |outcome: &str| {
        counter(&server, &format!("fanwire_reloads_total{{outcome=\"{outcome}\"}}"))
    };
    let awaited = |outcome: &str, wanted: u64| {
        let start = Instant::now();
        while count(outcome) != wanted {
            assert!(start.elapsed() < PATIENCE, "{outcome} is not {wanted}");
        }
        server.await_workers(BEARER);
    };
    let bens = signed(&json!({"alg": "HS256"}), &json!({"sub": "ben", "exp": 1_u64 << 33}), OTHER);
    let mut ann = Peer::open_as(server.port, "/ws", &token::token("ann", &json!({})));
    let auth = |token: &str| json!({"type": "auth", "id": 1, "data": {"token": token}});
    assert_eq!(ann.refused(&auth(&bens)), "unauthorized");
    replace(&file, OTHER);
    awaited("ok", 1);
    ann.ping();
    assert_eq!(ann.refused(&auth(&token::token("ann", &json!({})))), "unauthorized");
    let mut ben = Peer::open_as(server.port, "/ws", &bens);
    replace(&file, "short");
    awaited("failed", 1);
    let mut again = Peer::open_as(server.port, "/ws", &bens);
    replace(&file, SECRET);
    awaited("ok", 2);
    assert_eq!(count("failed"), 1, "said once");
    for peer in [&mut ann, &mut ben, &mut again] {
        peer.ping();
    }
    let log = server.into_log();
    assert!(log.contains("a secret for HS256 must have 32 bytes or more"), "{log}");
    assert!(!log.contains(SECRET) && !log.contains(OTHER), "{log}");
}

/// Puts another file in the place of one.
fn replace(file: &Path, text: &str) {
    let other = file.with_extension("new");
    fs::write(&other, text).expect("written");
    fs::rename(other, file).expect("renamed");
}
