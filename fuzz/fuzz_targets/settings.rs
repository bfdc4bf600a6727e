//! Any text as the settings file: it is accepted, or refused in lines that name a place or a
//! setting. What is accepted is accepted again when it is written anew, and means the same.
#![no_main]

use fanwire::settings::{Machine, Refused, Settings};
use libfuzzer_sys::fuzz_target;

fn read(text: &str) -> Result<Settings, Refused> {
    let machine = Machine { cores: 2, host_name: "fuzz".into(), memory_bytes: 8 << 30 };
    Settings::from_text(text, &machine)
}

fuzz_target!(|text: &str| {
    // A secret's file would be looked for on this machine.
    if text.contains('@') {
        return;
    }
    match read(text) {
        Ok(settings) => {
            let table: toml::Table = text.parse().expect("it was TOML");
            let anew = toml::to_string(&table).expect("a table");
            let again = read(&anew).unwrap_or_else(|refused| panic!("{refused}: {anew}"));
            assert_eq!(format!("{:?}", settings.config), format!("{:?}", again.config), "{anew}");
        }
        Err(Refused::Usage(error)) => panic!("not by a line of ours: {error}"),
        Err(Refused::Problems(problems)) => {
            assert!(!problems.is_empty());
            let lines = text.matches('\n').count() + 1;
            for problem in problems {
                assert!(!problem.contains('\n') && problem.contains(": "), "{problem:?}");
                if let Some(placed) = problem.strip_prefix("fanwire.toml:") {
                    let line = placed.split(':').next().and_then(|line| line.parse().ok());
                    assert!(line.is_some_and(|line: usize| (1..=lines).contains(&line)));
                }
            }
        }
    }
});
