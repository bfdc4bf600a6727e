//! Settings: defaults, strength, and one line for everything that is wrong.

use std::time::Duration;

use super::*;
use crate::config::{ListenAddress, PerUser};
use crate::http::forwarded::TrustedProxy;
use crate::http::guard::AllowedOrigin;
use crate::limits::UNLIMITED;
use crate::policy::hook::Event;
use crate::policy::token::{KeySet, Terms};

mod documents;
mod errors;
mod hooks;
mod tokens;

fn machine() -> Machine {
    Machine { cores: 6, host_name: "edge-1".into(), memory_bytes: 8 << 30 }
}

fn read(args: &[&str], environment: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::from_args(
        args.iter().map(OsString::from),
        environment.iter().map(|(name, value)| (name.into(), value.into())),
        &machine(),
    )
    .map_err(|error| error.to_string())
}

fn config(args: &[&str]) -> Config {
    read(args, &[]).unwrap().config
}

fn listen(text: &str) -> ListenAddress {
    units::listen_address(text).unwrap()
}

fn origin(text: &str) -> AllowedOrigin {
    units::origin(text).unwrap()
}

fn proxy(text: &str) -> TrustedProxy {
    units::trusted_proxy(text).unwrap()
}

#[track_caller]
fn refused(args: &[&str], words: &str) {
    let text = read(args, &[]).unwrap_err();
    assert!(text.contains(words), "{args:?}: {text}");
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = read(&[], &[]).unwrap();
    let expected = Config {
        workers: 6,
        node_name: "edge-1".into(),
        max_history_bytes: 1 << 30,
        max_window_bytes: 1 << 30,
        max_buffered_bytes: 1 << 30,
        max_presence_bytes: 1 << 30,
        ..Config::default()
    };
    assert_eq!(format!("{:#?}", settings.config), format!("{expected:#?}"));
    assert_eq!((settings.log_level, settings.log_format), (LogLevel::Info, LogFormat::Text));
}

/// Each value differs from all others, so that no two fields can be mixed up.
const EVERY_SETTING: [&str; 75] = [
    "--listen=127.0.0.1:1",
    "--listen=[::1]:2",
    "--workers=3",
    "--node-name=n",
    "--max-connections=4",
    "--max-handshakes=5",
    "--max-message-bytes=1030",
    "--max-body-bytes=1031",
    "--max-header-bytes=1032",
    "--max-batch=6",
    "--handshake-timeout=7s",
    "--idle-timeout=8s",
    "--close-timeout=9s",
    "--stall-timeout=10s",
    "--ping-interval=11s",
    "--pong-timeout=12s",
    "--update-interval=13s",
    "--window-bytes=14000",
    "--unsent-bytes=15",
    "--max-pending=16",
    "--messages-per-second=17",
    "--burst=118",
    "--max-subscriptions=19",
    "--max-channels=20",
    "--history-count=21",
    "--history-bytes=22",
    "--history-age=23s",
    "--position-age=24s",
    "--idempotency-age=25s",
    "--max-history-bytes=2600",
    "--max-window-bytes=45000",
    "--origins=https://a",
    "--origins=https://b,https://c",
    "--open",
    "--pages=false",
    "--public-counts=false",
    "--compression=off",
    "--api-listen=127.0.0.1:28",
    "--unix-mode=0600",
    "--trusted-proxies=unix,10.0.0.0/8",
    "--proxy-protocol",
    "--cors-origins=https://d",
    "--max-connections-per-address=29",
    "--max-connection-age=30s",
    "--bytes-per-second=31",
    "--new-channels-per-second=32",
    "--max-buffered-bytes=33",
    "--max-mail-bytes=36",
    "--presence-members=42",
    "--presence-interval=43s",
    "--presence-leave-delay=44s",
    "--max-presence-bytes=45",
    "--drain-notice=34s",
    "--drain-time=35s",
    "--auth-timeout=37s",
    "--token-notice=38s",
    "--token-grace=39s",
    "--jwt-cookie=c",
    "--token-in-query",
    "--max-connections-per-user=40",
    "--per-user-policy=replace",
    "--jwt-issuer=i,j",
    "--jwt-audience=a",
    "--jwt-leeway=41s",
    "--jwt-claims=p",
    "--anonymous",
    "--hook-url=http://h/37",
    "--hook-secret=0123456789abcd38",
    "--hooks=connect,publish",
    "--hook-timeout=39s",
    "--hook-retry=40s",
    "--hook-calls=41",
    "--hook-queue-bytes=42",
    "--log-level=warn",
    "--log-format=json",
];

/// Settings that go another way than into a field: what to read, and what contradicts `--open`.
const OTHERS: [&str; 3] = ["config", "api-keys", "jwt-keys"];

#[test]
fn the_list_of_every_setting_is_whole() {
    for arg in all(&Flags::command()) {
        let long = arg.get_long().unwrap();
        let flag = format!("--{long}");
        let listed = EVERY_SETTING.iter().any(|given| given.split('=').next() == Some(&flag));
        assert!(listed || OTHERS.contains(&long), "{long}");
    }
}

#[test]
fn every_setting_is_read_into_its_own_field() {
    let config = config(&EVERY_SETTING);
    let seconds = Duration::from_secs;
    let expected = Config {
        listen: vec![listen("127.0.0.1:1"), listen("[::1]:2")],
        workers: 3,
        node_name: "n".into(),
        max_connections: 4,
        max_handshakes: 5,
        max_message_bytes: 1030,
        max_body_bytes: 1031,
        max_header_bytes: 1032,
        max_batch: 6,
        handshake_timeout: seconds(7),
        idle_timeout: seconds(8),
        close_timeout: seconds(9),
        stall_timeout: seconds(10),
        ping_interval: seconds(11),
        pong_timeout: seconds(12),
        update_interval: seconds(13),
        window_bytes: 14_000,
        unsent_bytes: 15,
        max_pending: 16,
        messages_per_second: 17,
        burst: 118,
        max_subscriptions: 19,
        max_channels: 20,
        position_age: seconds(24),
        idempotency_age: seconds(25),
        max_history_bytes: 2600,
        max_window_bytes: 45_000,
        origins: ["https://a", "https://b", "https://c"].map(origin).into(),
        open: true,
        pages: Some(false),
        public_counts: false,
        compression: false,
        api_listen: vec![listen("127.0.0.1:28")],
        unix_mode: 0o600,
        trusted_proxies: ["unix", "10.0.0.0/8"].map(proxy).into(),
        proxy_protocol: true,
        cors_origins: vec![origin("https://d")],
        max_connections_per_address: 29,
        max_connection_age: seconds(30),
        bytes_per_second: 31,
        new_channels_per_second: 32,
        max_buffered_bytes: 33,
        max_mail_bytes: 36,
        presence_members: 42,
        presence_interval: seconds(43),
        presence_leave_delay: seconds(44),
        max_presence_bytes: 45,
        drain_notice: seconds(34),
        drain_time: seconds(35),
        hook_calls: 41,
        auth_timeout: seconds(37),
        token_notice: seconds(38),
        token_grace: seconds(39),
        jwt_cookie: Some("c".into()),
        token_in_query: true,
        max_connections_per_user: 40,
        per_user_policy: PerUser::Replace,
        policy: policy_of_every_setting(),
    };
    // Which is not shown.
    assert_eq!(config.policy.backend, expected.policy.backend);
    assert_eq!(format!("{config:#?}"), format!("{expected:#?}"));
}

fn policy_of_every_setting() -> Arc<Policy> {
    let history_age = Duration::from_secs(23);
    let hooks = [Event::Publish].into_iter().collect();
    let fallback =
        Rule { history_count: 21, history_bytes: 22, history_age, hooks, ..Rule::default() };
    let terms = Terms {
        issuers: vec!["i".into(), "j".into()],
        audiences: vec!["a".into()],
        leeway_ms: 41_000,
        place: Some("p".into()),
    };
    let token_keys = Arc::new(KeySet::new(Vec::new(), terms));
    let fallback = Arc::new(fallback);
    let backend = Some(Arc::new(hooks::every_setting()));
    let hooks = [Event::Connect, Event::Publish].into_iter().collect();
    let policy = Policy { fallback, token_keys, anonymous: true, ..Policy::default() };
    Arc::new(Policy { backend, hooks, ..policy })
}

#[test]
fn zero_turns_limits_off() {
    let off = config(&[
        "--max-connections=0",
        "--max-batch=0",
        "--max-subscriptions=0",
        "--window-bytes=0",
        "--history-bytes=0",
        "--unsent-bytes=0",
        "--history-count=0",
        "--ping-interval=0",
        "--messages-per-second=0",
    ]);
    assert_eq!(off.max_connections, UNLIMITED);
    assert_eq!(off.max_batch, UNLIMITED);
    assert_eq!(off.max_subscriptions, UNLIMITED);
    assert_eq!((off.window_bytes, off.policy.fallback.history_bytes), (UNLIMITED, UNLIMITED));
    assert_eq!(off.unsent_bytes, u32::MAX);
    assert_eq!(off.policy.fallback.history_count, 0, "0 publications are none, not all");
    assert_eq!(off.ping_interval, Duration::ZERO);
    for setting in ["max-message-bytes", "max-body-bytes", "max-header-bytes"] {
        refused(&[&format!("--{setting}=0")], "must be a size from 1KiB to 1GiB");
    }
}

#[test]
fn a_flag_is_stronger_than_a_variable() {
    let environment = [
        ("FANWIRE_BURST", "300"),
        ("FANWIRE_MAX_BATCH", "7"),
        ("FANWIRE_LISTEN", "127.0.0.1:1,127.0.0.1:2"),
        ("FANWIRE_ORIGINS", "https://a"),
        ("FANWIRE_OPEN", "true"),
        ("FANWIRE_LOG_FORMAT", "json"),
        ("PATH", "/bin"),
    ];
    let settings = read(&["--burst", "400", "--origins", "https://b"], &environment).unwrap();
    assert_eq!((settings.config.burst, settings.config.max_batch), (400, 7));
    assert_eq!(settings.config.listen, [listen("127.0.0.1:1"), listen("127.0.0.1:2")]);
    let origins = settings.config.origins;
    assert_eq!(origins, [origin("https://b")], "a list is replaced as a whole");
    assert!(settings.config.open);
    assert_eq!(settings.log_format, LogFormat::Json);
}

#[test]
fn every_flag_has_its_variable() {
    for arg in all(&Flags::command()) {
        let long = arg.get_long().expect("every setting has a long name");
        let environment = [(variable(long), "\u{7}nonsense".to_string())];
        let read = Settings::from_args(
            [],
            environment.iter().map(|(name, value)| (name.into(), value.into())),
            &machine(),
        );
        let free_text = long == "node-name";
        assert_eq!(read.is_ok(), free_text, "{long}");
    }
}

#[test]
fn what_is_unknown_is_named() {
    refused(&["--max-conections=5"], "--max-conections");
    refused(&["stray"], "COMMAND: must be serve or check, and one word");
    refused(&["check", "serve"], "COMMAND: must be serve or check, and one word");
    assert_eq!(read(&["serve", "--burst=300"], &[]).unwrap().task, Task::Serve);
    assert_eq!(read(&["--burst=300", "check"], &[]).unwrap().task, Task::Check);
    let environment = [("FANWIRE_X", "1"), ("FANWIRE_BURST", "300"), ("FANWIRE_A", "1")];
    let text = read(&[], &environment).unwrap_err();
    let expected = "error: FANWIRE_A: no such setting in the environment\n\
                    error: FANWIRE_X: no such setting in the environment\n";
    assert_eq!(text, expected);
}

/// Whichever way a key goes wrong among the arguments, it is not repeated.
#[test]
fn an_argument_that_may_be_a_key_is_not_repeated() {
    let secret = "a:0123456789abcdef:read";
    for args in [
        &["--api-keys", "b:fedcba9876543210:read", secret][..],
        &["--api-keys", "b:fedcba9876543210:read", secret, secret],
        &[&format!("--api-keyz={secret}")],
        &[&format!("--api-key={secret}")],
        &[&format!("--open={secret}"), "--api-keys"],
        &[secret],
        &["--api-keys=a:0123456789abcdef:read,a:fedcba9876543210:read"],
        &["--api-keys=a:0123456789abcdef:read,0123456789abcdef"],
    ] {
        let text = read(args, &[]).expect_err("it is wrong");
        let open = args.iter().any(|arg| arg.starts_with("--open"));
        assert!(open || !text.contains("0123456789"), "{args:?}: {text}");
        assert!(!text.contains("fedcba"), "{args:?}: {text}");
    }
    for name in ["FANWIRE_API_KEYS", "FANWIRE_API_KEY"] {
        let text = read(&[], &[(name, "a:0123456789abcdef")]).unwrap_err();
        assert!(text.contains("pi_keys:") || text.contains("FANWIRE_API_KEY:"), "{text}");
        assert!(!text.contains("0123456789"), "{text}");
    }
}

/// Keys in one text: scopes and patterns have commas too.
#[test]
fn several_keys_in_one_variable() {
    let keys = "a:0123456789abcdef:publish,read:orders.>,$all,b:fedcba9876543210:admin";
    let policy = read(&[], &[("FANWIRE_API_KEYS", keys)]).unwrap().config.policy;
    let names: Vec<_> = policy.keys.iter().map(|key| &*key.name).collect();
    assert_eq!(names, ["a", "b"]);
    let [a, b] = &policy.keys[..] else { panic!("two keys") };
    assert!(a.reaches("orders.7") && a.reaches("$all") && !a.reaches("x") && b.reaches("x"));
    let digest = "sha256=9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
    let same = read(&["--api-keys", &format!("a:{digest}:read")], &[]).unwrap();
    assert_eq!(same.config.policy.keys[0].digest, a.digest);
}

/// A service that is called `fanwire` must not keep itself from starting.
#[test]
fn variables_of_kubernetes_are_none_of_ours() {
    let environment = [
        ("FANWIRE_SERVICE_HOST", "10.0.0.1"),
        ("FANWIRE_PORT", "tcp://10.0.0.1:80"),
        ("FANWIRE_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(read(&[], &environment).is_ok());
}

#[test]
fn what_has_a_wrong_value_is_named() {
    refused(&["--ping-interval=25"], "--ping-interval");
    refused(&["--max-body-bytes=1MB"], "--max-body-bytes");
    refused(&["--workers=0"], "--workers");
    refused(&["--max-pending=0"], "--max-pending");
    refused(&["--pages=maybe"], "--pages");
    refused(&["--open=perhaps"], "--open");
    refused(&["--listen=localhost"], "--listen");
    refused(&["--listen=localhost"], "must be an address and a port");
    refused(&["--api-listen=unix:fanwire.sock"], "or unix:/run/fanwire.sock");
    refused(&["--trusted-proxies=10.0.0.0/8,proxy.example"], "--trusted-proxies");
    refused(&["--origins=*"], "--origins");
    refused(&["--cors-origins=https://a/"], "--cors-origins");
    refused(&["--unix-mode=rw"], "--unix-mode");
    let text = read(&[], &[("FANWIRE_PING_INTERVAL", "25")]).unwrap_err();
    assert!(text.contains("FANWIRE_PING_INTERVAL") && text.contains("'25'"), "{text}");
}

#[test]
fn what_cannot_work_together_is_named() {
    refused(&["--burst=159"], "burst: 159 must be at least 160");
    assert_eq!(config(&["--burst=160"]).burst, 160);
    assert_eq!(config(&["--burst=1", "--messages-per-second=0"]).burst, 1);
    refused(&["--close-timeout=0"], "close_timeout: must not be 0");
    refused(&["--drain-time=0"], "drain_time: must not be 0");
    refused(&["--drain-notice=20s"], "drain_notice: 20s must be shorter than drain_time (20s)");
    refused(&["--drain-notice=1s", "--drain-time=0"], "drain_notice: 1s must be shorter");
    let key = "--api-keys=a:0123456789abcdef:read";
    refused(&["--open", key], "open: contradicts api_keys");
    let text = read(&["--burst=1", "--close-timeout=0"], &[]).unwrap_err();
    assert_eq!(text.lines().count(), 2, "all at once: {text}");
}

/// Each worker has its share of a total, and what one channel keeps must fit into it.
#[test]
fn a_total_is_enough_for_one_on_each_worker() {
    let reason = "max_window_bytes: 1048576 must be at least 1572864, one window_bytes on each of \
                  6 workers";
    refused(&["--max-window-bytes=1MiB"], reason);
    assert_eq!(config(&["--max-window-bytes=1536KiB"]).max_window_bytes, 1536 << 10);
    let reason = "max_history_bytes: 1 must be at least 6291456, one history_bytes on each of 6";
    refused(&["--max-history-bytes=1"], reason);
    assert_eq!(config(&["--max-history-bytes=1MiB", "--workers=1"]).max_history_bytes, 1 << 20);
    let small = Machine { cores: 64, memory_bytes: 256 << 20, ..machine() };
    let settings = Settings::from_text("", &small).expect("what nobody has set fits together");
    assert_eq!(settings.config.max_history_bytes, 64 << 20);
    assert_eq!(settings.config.max_window_bytes, 64 << 20);
    assert_eq!(settings.config.max_buffered_bytes, 64 << 20);
}

#[test]
fn without_keys_only_loopback_is_served() {
    for address in ["0.0.0.0:3003", "[::]:3003", "10.0.0.1:80", "unix:/run/fanwire.sock"] {
        let given = format!("--listen={address}");
        refused(&["--listen=127.0.0.1:1", &given], "give --open to let everybody");
        refused(&[&format!("--api-listen={address}")], "api_listen");
        assert_eq!(config(&[&given, "--open"]).listen, [listen(address)]);
        let key = "--api-keys=a:0123456789abcdef:read";
        assert_eq!(config(&[&given, key]).listen, [listen(address)]);
    }
    for address in ["127.0.0.1:3003", "127.9.9.9:0", "[::1]:3003", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(config(&[&format!("--listen={address}")]).listen, [listen(address)]);
    }
}

#[test]
fn what_stands_in_front_is_checked() {
    let both = ["--listen=127.0.0.1:1", "--api-listen=127.0.0.1:2,127.0.0.1:1"];
    refused(&both, "api_listen: 127.0.0.1:1 stands in listen too");
    refused(&["--proxy-protocol", "--open"], "trusted_proxies must say who sends PROXY headers");
    refused(&["--proxy-protocol", "--trusted-proxies=127.0.0.1"], "give --open to let everybody");
    assert!(config(&["--proxy-protocol", "--trusted-proxies=unix", "--open"]).proxy_protocol);
}

#[test]
fn pages_go_with_open_mode_or_as_they_are_told() {
    assert_eq!(config(&[]).pages, None, "that depends on the keys in force");
    assert_eq!(config(&["--pages=true"]).pages, Some(true));
    assert_eq!(config(&["--pages=false"]).pages, Some(false));
}

#[test]
fn help_names_every_setting_and_default() {
    let help = read(&["--help"], &[]).unwrap_err();
    for arg in all(&Flags::command()) {
        let long = arg.get_long().unwrap();
        assert!(help.contains(&format!("--{long}")), "{long}");
        assert!(arg.get_help().is_some() && arg.get_help_heading().is_some(), "{long}");
    }
    for default in ["[default: 64KiB]", "[default: 24h]", "[default: cores]", "an eighth of memory"]
    {
        assert!(help.contains(default), "{default}");
    }
    assert!(read(&["--version"], &[]).unwrap_err().contains(env!("CARGO_PKG_VERSION")));
}
