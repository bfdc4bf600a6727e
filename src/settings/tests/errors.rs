//! The file: everything that is wrong in it, word for word, with its line; and that no secret is
//! ever repeated.

use super::*;

fn text(text: &str) -> Result<Settings, String> {
    Settings::from_text(text, &machine()).map_err(|refused| refused.to_string())
}

/// One line for each error, without `error: fanwire.toml:`.
#[track_caller]
fn wrong(file: &str, expected: &[&str]) {
    let said = text(file).expect_err(file);
    let lines: Vec<_> = said
        .lines()
        .map(|line| line.strip_prefix("error: fanwire.toml:").unwrap_or(line))
        .collect();
    assert_eq!(lines, expected, "{file}");
}

#[test]
fn names_and_types() {
    wrong("max_conections = 5", &["1: max_conections: no such setting; max_connections is one"]);
    wrong("\n\n\"x\\ny\" = 5", &[r#"3: "x\ny": no such setting"#]);
    wrong("max-batch = 5", &["1: max-batch: no such setting; max_batch is one"]);
    wrong("help = true", &["1: help: no such setting"]);
    wrong("config = \"x\"", &["1: config: cannot stand in the file itself"]);
    wrong("[limits]\nburst = 200", &["1: limits: no such setting"]);
    wrong("burst = \"200\"", &["1: burst: must be an integer"]);
    wrong("burst = 2.5", &["1: burst: must be an integer"]);
    wrong("open = \"yes\"", &["1: open: must be true or false"]);
    wrong("open = 1", &["1: open: must be true or false"]);
    wrong("node_name = 5", &["1: node_name: must be a string"]);
    wrong("listen = \"127.0.0.1:1\"", &["1: listen: must be an array of strings"]);
    wrong("listen = [\n\"127.0.0.1:1\",\n5]", &["1: listen: must be an array of strings"]);
    wrong("unix_mode = 660", &["1: unix_mode: must be a string"]);
    wrong("idle_timeout = 5", &["1: idle_timeout: must be a duration, as \"10s\""]);
    wrong("idle_timeout = 5.0", &["1: idle_timeout: must be a duration, as \"10s\""]);
    wrong("window_bytes = true", &["1: window_bytes: must be a size, as 4096 or \"64KiB\""]);
    wrong("burst = 99999999999999999999", &["1: burst: must be an integer of 64 bits"]);
    wrong("pages = 5", &["1: pages: must be a string"]);
}

#[test]
fn values() {
    wrong("burst = -1", &["1: burst: -1 is not in 0..=4294967295"]);
    wrong("workers = 0", &["1: workers: 0 is not in 1..=1024"]);
    wrong(
        "ping_interval = \"25\"",
        &["1: ping_interval: must be a duration, as 500ms, 10s, 5m or 24h"],
    );
    wrong("max_body_bytes = \"1MB\"", &["1: max_body_bytes: must be a size from 1KiB to 1GiB"]);
    wrong("pages = \"maybe\"", &["1: pages: must be one of auto, true, false"]);
    wrong("compression = \"\"", &["1: compression: must be one of off, shared"]);
    wrong("node_name = \"\"", &["1: node_name: must not be empty"]);
    wrong(
        "# a comment\n\nlisten = [\"localhost\"]",
        &["3: listen: must be an address and a port, as 127.0.0.1:3003, or unix:/run/fanwire.sock"],
    );
    wrong("\nlisten = []", &["2: listen: must be an array of strings, of one or more"]);
    assert!(text("origins = []").is_ok(), "none are none");
}

#[test]
fn what_is_no_toml() {
    wrong("burst = 200\nburst = 300", &["2: not TOML: duplicate key"]);
    wrong("burst = ", &["1: not TOML: string values must be quoted, expected literal string"]);
    wrong(
        "a\n[b\nc = 1",
        &[
            "1: not TOML: key with no value, expected `=`",
            "2: not TOML: unclosed table, expected `]`",
        ],
    );
}

#[test]
fn several_at_once_in_the_order_of_the_file() {
    wrong(
        "workers = 0\nbrst = 5\nopen = 1\n[[rule]]\npattern = \"a..b\"\n[[rule]]\nfrom = 5",
        &[
            "1: workers: 0 is not in 1..=1024",
            "2: brst: no such setting; burst is one",
            "3: open: must be true or false",
            "5: pattern: must be segments of A-Z a-z 0-9 _ ~ : @ = + - joined by dots, where * is \
             any segment, {user} a user's name and >, last, one or more",
            "6: rule: pattern is missing",
            "7: from: must be true or false",
        ],
    );
}

#[test]
fn rules() {
    wrong("rule = 5", &["1: rule: must be tables that begin with [[rule]]"]);
    wrong("rule = [5]", &["1: rule: must be a table"]);
    wrong("[rule]\npattern = \"a\"", &["1: rule: must be tables that begin with [[rule]]"]);
    let rule = |fields: &str| format!("[[rule]]\npattern = \"a.*\"\n{fields}");
    wrong(&rule("subscrbe = \"user\""), &["3: subscrbe: no such setting; subscribe is one"]);
    wrong(
        &rule("subscribe = \"me\""),
        &["3: subscribe: must be one of anyone, user, token, backend"],
    );
    wrong(&rule("on_slow = \"drop\""), &["3: on_slow: must be one of pull, latest, close"]);
    wrong(&rule("presence = \"x\""), &["3: presence: must be one of none, count, full"]);
    wrong(
        "[[rule]]\npattern = \"$all\"\npresence = \"count\"",
        &["3: presence: nothing is told of who hears a reserved channel"],
    );
    wrong(&rule("payload = \"x\""), &["3: payload: must be one of any, json"]);
    wrong(&rule("history_count = \"5\""), &["3: history_count: must be an integer"]);
    wrong(&rule("on_slow = \"latest\"\nmax_rate = 51"), &["4: max_rate: must be from 0.1 to 50"]);
    wrong(&rule("on_slow = \"latest\"\nmax_rate = nan"), &["4: max_rate: must be from 0.1 to 50"]);
    wrong(&rule("max_rate = \"5\""), &["3: max_rate: must be a number"]);
    wrong(
        "[[rule]]\npattern = \"$users\"",
        &["2: pattern: of the names that start with $ there are only $all and $user"],
    );
}

#[test]
fn what_cannot_be_together() {
    let two = |one: &str, other: &str| {
        format!("[[rule]]\npattern = \"{one}\"\n\n[[rule]]\npattern = \"{other}\"")
    };

    wrong(&two("a", "a"), &["5: pattern: \"a\" is never reached: \"a\" in line 2 covers it"]);
    assert!(text(&two("a.b", "a.>")).is_ok());
    wrong(
        "[[rule]]\npattern = \"a\"\npublish = \"backend\"\npublish_rate = 5",
        &["4: publish_rate: limits clients, but here no client may publish"],
    );
    wrong(
        "max_history_bytes = \"12MiB\"\n[[rule]]\npattern = \"a\"\nhistory_bytes = \"3MiB\"",
        &["4: history_bytes: 3145728 is more than a worker's share of max_history_bytes (2097152)"],
    );
    wrong(
        "[[rule]]\npattern = \"$all\"\nsubscribe = \"backend\"\npublish = \"anyone\"",
        &[
            "3: subscribe: $all is for hearing only, by who may connect",
            "4: publish: $all is for hearing only, by who may connect",
        ],
    );
    wrong(
        "max_subscriptions = 10\nburst = 41",
        &["2: burst: 41 must be at least 42, max_subscriptions and 32 more"],
    );
    wrong(
        "max_subscriptions = 1000",
        &["error: burst: 200 must be at least 1032, max_subscriptions and 32 more"],
    );
    wrong(
        "open = true\napi_keys = [\"a:0123456789abcdef:read\"]",
        &["1: open: contradicts api_keys, with which only what they allow is allowed"],
    );
    wrong(
        "listen = [\"0.0.0.0:80\"]",
        &["1: listen: 0.0.0.0:80 is not loopback, for which keys are needed; give --api-keys \
         NAME:@/path/of/a/file:publish,read, or give --open to let everybody who reaches this \
         server subscribe, publish and use the API"],
    );
}

/// Whatever is wrong with a key, and wherever it stands, nothing of it is repeated.
#[test]
fn a_key_is_never_repeated() {
    let secret = "0123456789abcdefTOPSECRET";
    let bad = |key: &str, reason: &str| {
        let line = format!("2: api_keys: {reason}");
        wrong(&format!("api_keys = [\n\"{key}\"]"), &[&line]);
    };
    bad(secret, "must be name:secret:scopes or name:secret:scopes:patterns");
    bad(&format!("{secret}:publish"), "must be name:secret:scopes or name:secret:scopes:patterns");
    let scopes = "each scope must be one of publish, read, metrics, admin";
    bad(&format!("{secret}:name:publish"), "a secret must have 16 to 256 bytes");
    bad(&format!("name:{secret}:{secret}"), scopes);
    bad(&format!("name:{secret}:"), scopes);
    bad(&format!("name:{secret}:read:{secret}.."), "a pattern of its channels is none");
    bad(&format!("{secret} x:{secret}:read"), "the name must be 1 to 64 of A-Z a-z 0-9 _ - .");
    bad("name:0123456789abcde:read", "a secret must have 16 to 256 bytes");
    bad("name:0123456789abcde f:read", "a secret must be visible ASCII, as it stands in a header");
    bad("name:sha256=0123:read", "sha256= must be followed by 64 hexadecimal digits");
    bad(
        "name:@/nowhere/at all:read",
        "the file of its secret, /nowhere/at all: No such file or \
                                        directory (os error 2)",
    );
    bad("name:@/dev/zero:read", "the file of its secret, /dev/zero: not a file");
    for path in
        ["secrets/backend.key", "./secrets/backend.key", "~/secrets/backend.key", secret, ""]
    {
        let key = format!("name:@{path}:read");
        bad(&key, "the path of a secret's file must begin with /");
        let reason = "api_keys: number 1: the path of a secret's file must begin with /";
        refused(&[&format!("--api-keys={key}")], reason);
        let said = read(&[], &[("FANWIRE_API_KEYS", &key)]).unwrap_err();
        assert!(said.contains(reason) && !said.contains("TOPSECRET"), "{said}");
    }
    for file in [
        format!("api_keys = \"name:{secret}:read\""),
        format!("api_key = [\"name:{secret}:read\"]"),
        format!("api_keys = [\"name:{secret}:read\", \"name:{secret}x:read\"]"),
        format!("api_keys = [\"name:{secret}:read\", \"other:{secret}:read\"]"),
        format!("api_keys = [\"name:{secret}:read\"\nburst = 1"),
        format!("api_keys = [name:{secret}:read]"),
        format!("log_level = \"name:{secret}:read\""),
        format!("pages = \"{secret}\"\nidle_timeout = \"{secret}\"\nmax_batch = \"{secret}\""),
        format!("[[rule]]\npattern = \"a\"\nsubscribe = \"{secret}\""),
        format!("listen = [\"{secret}\"]\napi_listen = [\"unix:{secret}\"]"),
        format!("origins = [\"{secret}\"]\ncors_origins = [\"a:{secret}:read\"]"),
        format!("trusted_proxies = [\"{secret}\", \"::ffff:10.0.0.0/8\"]"),
    ] {
        let said = text(&file).expect_err(&file);
        assert!(!said.contains("0123456789") && !said.contains("TOPSECRET"), "{file}: {said}");
    }
    let settings = text(&format!("api_keys = [\"name:{secret}:read\"]")).unwrap();
    let debug = format!("{settings:?}");
    assert!(!debug.contains("TOPSECRET") && debug.contains("ApiKey"), "{debug}");
}

/// Rules for users, where there can be none.
#[test]
fn rules_that_let_nobody_in_are_warned_of() {
    let fields = "subscribe = \"user\"\npublish = \"token\"\nfrom = true";
    let rule = format!("[[rule]]\npattern = \"a\"\n{fields}");
    let nobody = "without jwt_keys nobody can log in, so this lets no client in";
    let expected = [
        format!("fanwire.toml:3: subscribe: {nobody}"),
        format!("fanwire.toml:4: publish: {nobody}"),
    ];
    assert_eq!(text(&rule).unwrap().warnings, expected);
    let keys = "jwt_keys = [\"hs256:0123456789abcdef0123456789abcdef\"]\n";
    assert_eq!(text(&format!("{keys}{rule}")).unwrap().warnings, [""; 0]);
    let fields = "subscribe = \"anyone\"\npublish = \"backend\"";
    let settings = text(&format!("[[rule]]\npattern = \"a\"\n{fields}")).unwrap();
    assert_eq!(settings.warnings, [""; 0]);
}
