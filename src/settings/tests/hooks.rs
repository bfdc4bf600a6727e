//! Where the backend is called, and about what; what is wrong with that.

use super::*;
use crate::policy::hook::{Backend, Events};

const URL: &str = "--hook-url=http://127.0.0.1:8080/hooks";
const SECRET: &str = "--hook-secret=0123456789abcdef";

fn backend(args: &[&str]) -> Backend {
    config(args).policy.backend.as_deref().expect("a backend").clone()
}

/// What those of all settings come to.
pub(super) fn every_setting() -> Backend {
    Backend {
        url: "http://h/37".into(),
        secret: b"0123456789abcd38".into(),
        timeout: Duration::from_secs(39),
        retry: Duration::from_secs(40),
        queue_bytes: 42,
    }
}

fn events(events: &[Event]) -> Events {
    events.iter().copied().collect()
}

#[test]
fn defaults() {
    let config = config(&[]);
    assert!(config.policy.backend.is_none() && config.policy.hooks.is_empty());
    let expected = Backend {
        url: "http://127.0.0.1:8080/hooks".into(),
        secret: b"0123456789abcdef".into(),
        timeout: Duration::from_secs(2),
        retry: Duration::from_mins(5),
        queue_bytes: 16 << 20,
    };
    assert_eq!(backend(&[URL, SECRET]), expected);
    assert_eq!(config.hook_calls, 16);
}

#[test]
fn a_secret_may_be_that_of_standard_webhooks_and_stand_in_a_file() {
    let standard = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";
    let given = format!("--hook-secret={standard}");
    assert_eq!(backend(&[URL, &given]).secret, b"0123456789abcdef");
    let folder = std::env::temp_dir().join(format!("fanwire-hooks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("secret");
    for content in [standard, "0123456789abcdef\n"] {
        std::fs::write(&path, content).unwrap();
        let given = format!("--hook-secret=@{}", path.display());
        assert_eq!(backend(&[URL, &given]).secret, b"0123456789abcdef");
    }
}

#[test]
fn a_rule_that_is_silent_has_the_hooks_of_all() {
    let text = "hook_url = \"http://b/\"\nhook_secret = \"0123456789abcdef\"\n\
        hooks = [\"connect\", \"subscribe\", \"vacated\"]\n\
        [[rule]]\npattern = \"a\"\n\
        [[rule]]\npattern = \"b\"\nhooks = []\n\
        [[rule]]\npattern = \"c\"\nhooks = [\"publish\", \"occupied\"]\n\
        [[rule]]\npattern = \"$all\"\n";
    let policy = Settings::from_text(text, &machine()).expect(text).config.policy;
    assert_eq!(policy.hooks, events(&[Event::Connect, Event::Subscribe, Event::Vacated]));
    for (channel, expected) in [
        ("a", &[Event::Subscribe, Event::Vacated][..]),
        ("b", &[]),
        ("c", &[Event::Publish, Event::Occupied]),
        ("d", &[Event::Subscribe, Event::Vacated]),
        ("$all", &[]),
        ("$user", &[]),
    ] {
        for event in Event::ALL {
            let hooked = policy.hook(event, Some(channel)).is_some();
            assert_eq!(hooked, expected.contains(&event), "{channel} {}", event.word());
        }
    }
    assert!(policy.hook(Event::Connect, None).is_some());
    assert!(policy.hook(Event::Disconnect, None).is_none());
}

#[test]
fn what_cannot_be() {
    refused(&[URL], "hook_url: needs hook_secret");
    refused(&[SECRET], "hook_secret: does nothing without hook_url");
    refused(&["--hooks=connect"], "hooks: hook_url must say who is called");
    refused(&[URL, SECRET, "--hook-timeout=0"], "hook_timeout: must not be 0");
    refused(&[URL, SECRET, "--hooks=connected"], "--hooks");
    refused(&[URL, SECRET, "--hook-calls=0"], "--hook-calls");
    for url in ["", "b", "//b/", "ftp://b/", "http:///x", "http://b/#x", "http://b c/"] {
        refused(&[&format!("--hook-url={url}"), SECRET], "hook_url: must be as http://");
    }
    refused(&["--hook-url=https://b/", SECRET], "hook_url: https is not spoken here");
    for secret in ["short", "whsec_c2hvcnQ=", "whsec_%%%%", "@secret", "@/nowhere/secret"] {
        refused(&[URL, &format!("--hook-secret={secret}")], "hook_secret: ");
    }
    let long = "x".repeat(257);
    refused(&[URL, &format!("--hook-secret={long}")], "hook_secret: must have 16 to 256 bytes");
    for (rule, words) in [
        ("pattern = \"a\"\nhooks = [\"publish\"]", "hooks: hook_url must say who is called"),
        ("pattern = \"a\"\nhooks = [\"connect\"]", "3: hooks: must be one of subscribe, publish"),
        ("pattern = \"$all\"\nhooks = []", "3: hooks: $all has none; ask about connect"),
    ] {
        let said = Settings::from_text(&format!("[[rule]]\n{rule}"), &machine());
        let said = said.expect_err(rule).to_string();
        assert!(said.contains(words), "{said}");
    }
}

/// Nothing that is said of it, or shown, has the secret, or the address, which may have one too.
#[test]
fn no_secret_is_shown() {
    let args = ["--hook-url=http://u:TOPSECRET@b/", "--hook-secret=TOPSECRETTOPSECRET"];
    let settings = read(&args, &[]).unwrap();
    assert!(!format!("{settings:?}").contains("TOPSECRET"));
    let said = read(&[&args[..], &["--hook-timeout=0"]].concat(), &[]).unwrap_err();
    assert!(!said.contains("TOPSECRET"), "{said}");
    for url in ["TOPSECRET", "https://u:TOPSECRET@b/"] {
        let said = read(&[&format!("--hook-url={url}"), args[1]], &[]).unwrap_err();
        assert!(said.contains("hook_url: ") && !said.contains("TOPSECRET"), "{said}");
    }
}
