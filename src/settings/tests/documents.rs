//! What is written about settings is what the program reads: docs/settings.md is compared with the
//! list of flags, and deploy/fanwire.toml is loaded.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Arg, Command};

use super::*;

/// The default and the meaning of a setting, as `--help` has them.
fn described(arg: &Arg) -> (String, String) {
    let help = arg.get_help().expect("a meaning").to_string();
    let given: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    match help.rsplit_once(" [default: ") {
        Some((meaning, default)) => (default.trim_end_matches(']').into(), meaning.into()),
        None if given.is_empty() => ("none".into(), help),
        None => (format!("`{}`", given.join(",")), help),
    }
}

/// A cell of a table in Markdown: bars separate cells.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The table of all settings in their three spellings.
fn settings_table(command: &Command) -> String {
    let mut table = String::new();
    let mut heading = "";
    for arg in all(command) {
        let group = arg.get_help_heading().expect("a heading");
        if group != heading {
            heading = group;
            let _ = write!(table, "\n### {heading}\n\n| file | flag | variable | default | |\n");
            table.push_str("|---|---|---|---|---|\n");
        }
        let long = arg.get_long().expect("a name");
        let name = match long.replace('-', "_") {
            name if name == "config" => "-".into(),
            name => format!("`{name}`"),
        };
        let (default, meaning) = described(arg);
        let (default, meaning, variable) = (cell(&default), cell(&meaning), variable(long));
        let _ = writeln!(table, "| {name} | `--{long}` | `{variable}` | {default} | {meaning} |");
    }
    table
}

/// The table of a rule's fields, with their words.
fn rules_table(command: &Command) -> String {
    let mut table = "\n| field | value | left out | |\n|---|---|---|---|\n".to_string();
    for arg in all(command) {
        let words: Vec<_> =
            arg.get_possible_values().iter().map(|word| format!("`{}`", word.get_name())).collect();
        let value = match words.as_slice() {
            [] => arg.get_value_names().expect("a kind")[0].to_lowercase(),
            words => words.join(", "),
        };
        let (default, meaning) = described(arg);
        let default = match arg.get_long().expect("a name") {
            "pattern" => "must be given".into(),
            "subscribe" => "open mode `anyone`, else `token`".into(),
            "publish" => "open mode `anyone`, else `backend`".into(),
            "presence" => "open mode `full`, else `none`".into(),
            _ => default,
        };
        let name = arg.get_long().expect("a name").replace('-', "_");
        let meaning = cell(&meaning);
        let _ = writeln!(table, "| `{name}` | {value} | {default} | {meaning} |");
    }
    table
}

/// The document with the tables as they should be, each between its two marks.
fn with_tables(document: &str) -> String {
    let mut text = document.to_string();
    for (name, table) in [
        ("settings", settings_table(&Flags::command())),
        ("rules", rules_table(&super::super::rules::command())),
    ] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("\n<!-- /{name} -->"));
        let (before, rest) = text.split_once(&begin).expect("a mark");
        let (_, after) = rest.split_once(&end).expect("a mark");
        text = format!("{before}{begin}{table}{end}{after}");
    }
    text
}

/// `FANWIRE_WRITE=1` writes them instead.
#[test]
fn the_tables_in_the_documentation_are_those_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    let document = std::fs::read_to_string(path).expect("it is there");
    let expected = with_tables(&document);
    if std::env::var_os("FANWIRE_WRITE").is_some() {
        std::fs::write(path, expected).expect("it can be written");
        return;
    }
    let missing: Vec<_> = expected.lines().filter(|line| !document.contains(line)).collect();
    assert!(document == expected, "set FANWIRE_WRITE=1 to write them: {missing:#?}");
}

/// Values that are no default, for the documents to be tried with.
fn scratch(name: &str, content: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("fanwire-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// As it is, and with everything in it that is commented out.
#[test]
fn the_example_is_loaded() {
    let example = include_str!("../../../deploy/fanwire.toml");
    let settings = Settings::from_text(example, &machine()).expect("the example");
    assert_eq!(settings.warnings, [""; 0]);
    assert!(settings.config.policy.is_open() && !settings.config.policy.rules.is_empty());
    let secret = scratch("example-secret", "0123456789abcdef0123456789abcdef\n");
    let full = example.replace("/run/secrets/fanwire-backend", &secret.to_string_lossy());
    let full = full.replace("/run/secrets/fanwire-tokens", &secret.to_string_lossy());
    let full: Vec<_> = full.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
    let settings = Settings::from_text(&full.join("\n"), &machine()).expect("all of the example");
    let policy = &settings.config.policy;
    assert_eq!((policy.keys.len(), policy.token_keys.len()), (1, 1));
    assert!(policy.may_hear(None, "news.today") && !policy.may_publish(None, "news.today"));
    assert!(!policy.may_hear(None, "something.else"));
}

/// In the file, by flags, in the environment: the same.
#[test]
fn all_spellings_mean_the_same() {
    let mut text = String::new();
    let mut lists = BTreeSet::new();
    let quoted = |value: &str| match value.parse::<u64>() {
        Ok(_) if !value.starts_with('0') => value.to_string(),
        _ if matches!(value, "true" | "false") => value.to_string(),
        _ => format!("{value:?}"),
    };
    for flag in EVERY_SETTING {
        let (name, value) = flag[2..].split_once('=').unwrap_or((&flag[2..], "true"));
        let name = name.replace('-', "_");
        let listed = |arg: &&Arg| matches!(arg.get_action(), clap::ArgAction::Append);
        let command = Flags::command();
        let is_list =
            all(&command).find(|arg| arg.get_id().as_str() == name).is_some_and(|arg| listed(&arg));
        if !is_list {
            let _ = writeln!(text, "{name} = {}", quoted(value));
        } else if lists.insert(name.clone()) {
            let same = EVERY_SETTING.iter().filter_map(|other| {
                let (flag, value) = other[2..].split_once('=')?;
                (flag.replace('-', "_") == name).then_some(format!("{value:?}"))
            });
            let _ = writeln!(text, "{name} = [{}]", same.collect::<Vec<_>>().join(", "));
        }
    }
    let from_file = Settings::from_text(&text, &machine()).expect(&text);
    let from_flags = read(&EVERY_SETTING, &[]).unwrap();
    assert_eq!(format!("{:#?}", from_file.config), format!("{:#?}", from_flags.config));
    assert_eq!(from_file.log_format, from_flags.log_format);
    assert_eq!(from_file.log_level, from_flags.log_level);
}

#[test]
fn a_file_is_the_weakest() {
    let path = scratch(
        "weakest.toml",
        "burst = 300\nmax_batch = 7\nworkers = 2\norigins = [\"https://a\", \"https://b\"]\n",
    );
    let path = path.to_string_lossy();
    let args = ["--config", &path, "--burst=400", "--origins=https://c"];
    let settings = read(&args, &[("FANWIRE_MAX_BATCH", "8")]).unwrap();
    let config = settings.config;
    assert_eq!((config.burst, config.max_batch, config.workers), (400, 8, 2));
    assert_eq!(config.origins, [origin("https://c")], "a list is replaced as a whole");
    assert_eq!(settings.file.as_deref(), Some(Path::new(&*path)));
    let settings = read(&[], &[("FANWIRE_CONFIG", &path)]).unwrap();
    assert_eq!((settings.config.burst, settings.config.max_batch), (300, 7));
    // Overruled, but still wrong; and what is wrong with a flag is not blamed on the file.
    let wrong = scratch("wrong.toml", "burst = 0x\n");
    let args = ["--config", &wrong.to_string_lossy(), "--burst=400"];
    assert!(read(&args, &[]).unwrap_err().contains("wrong.toml:1: "));
    let said = read(&["--config", &path, "--burst=1"], &[]).unwrap_err();
    assert!(said.starts_with("error: burst: 1 must be at least 160"), "{said}");
    let said = read(&["--config", &path, "--max-subscriptions=1000"], &[]).unwrap_err();
    assert!(said.starts_with(&format!("error: {path}:1: burst: 300 must be")), "{said}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let said = read(&["--config=/nowhere/fanwire.toml"], &[]).unwrap_err();
    let reason = "No such file or directory (os error 2)";
    assert_eq!(said, format!("error: config: /nowhere/fanwire.toml: {reason}\n"));
    let folder = std::env::temp_dir();
    let said = read(&["--config", &folder.to_string_lossy()], &[]).unwrap_err();
    assert!(said.starts_with("error: config: ") && said.contains("Is a directory"), "{said}");
    let path = scratch("latin.toml", "");
    std::fs::write(&path, b"burst = 300\n# \xe9\n").unwrap();
    let said = read(&["--config", &path.to_string_lossy()], &[]).unwrap_err();
    assert!(said.ends_with("latin.toml:2: not UTF-8\n"), "{said}");
    let path = scratch("long.toml", &"#".repeat((1 << 20) + 1));
    let said = read(&["--config", &path.to_string_lossy()], &[]).unwrap_err();
    assert!(said.ends_with("long.toml: longer than 1 MiB\n"), "{said}");
}

#[test]
fn secrets_that_everybody_may_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let secret = scratch("secret", "0123456789abcdef\n");
    let key = format!("a:@{}:read", secret.display());
    let config = scratch("keys.toml", "api_keys = [\"b:0123456789abcdefg:read\"]");
    let flag = format!("--api-keys={key}");
    let named = config.to_string_lossy();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        allow(&secret, mode);
        allow(&config, mode);
        let settings = read(&[&flag], &[]).unwrap();
        assert_eq!(settings.warnings.len(), warnings, "{mode:o}: {:?}", settings.warnings);
        let settings = read(&["--config", &named], &[]).unwrap();
        assert_eq!(settings.warnings.len(), warnings, "{mode:o}: {:?}", settings.warnings);
        assert!(settings.warnings.iter().all(|warning| warning.starts_with("api_keys: everybody")));
    }
}
