//! The settings file: TOML whose keys are the names of the flags, and `[[rule]]` tables. It is read
//! whole, and everything that is wrong in it is said at once, each with its line. How strong it is
//! beside flags and environment is decided in `settings`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{self, Given, Lines, Problems};
use super::rules::Draft;
use super::{keys, tokens};
use crate::limits::{MAX_RULES, MAX_SETTINGS_BYTES};

/// A file that has been read.
#[derive(Debug)]
pub(super) struct File {
    /// As the operator has named it.
    pub name: String,
    given: Vec<Given>,
    /// Its rules, in order.
    pub rules: Vec<Draft>,
    /// What is not wrong, but not wise.
    pub warnings: Vec<String>,
}

impl File {
    /// Reads a file.
    pub fn read(path: &Path, command: &Command) -> Result<Self, Vec<String>> {
        let name = path.display().to_string();
        let unreadable = |reason: &dyn std::fmt::Display| vec![format!("config: {name}: {reason}")];
        let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
        let mode = file.metadata().map_err(|error| unreadable(&error))?.permissions().mode();
        let mut text = Vec::new();
        let read = file.take(MAX_SETTINGS_BYTES + 1).read_to_end(&mut text);
        read.map_err(|error| unreadable(&error))?;
        if text.len() as u64 > MAX_SETTINGS_BYTES {
            return Err(unreadable(&"longer than 1 MiB"));
        }
        let text = String::from_utf8(text).map_err(|error| {
            let line = Lines::of(error.as_bytes()).line(error.utf8_error().valid_up_to());
            vec![format!("{name}:{line}: not UTF-8")]
        })?;
        let mut file = Self::parse(&name, &text, command)?;
        if let Some(setting) = file.secrets().filter(|_| mode & 0o004 != 0) {
            file.warnings.push(format!("{setting}: everybody may read {name}, which has secrets"));
        }
        Ok(file)
    }

    /// Reads a text as if it were a file of this name.
    pub fn parse(name: &str, text: &str, command: &Command) -> Result<Self, Vec<String>> {
        let lines = Lines::of(text.as_bytes());
        let mut problems = Problems::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = error.span().map_or(1, |span| lines.line(span.start));
            let words = error.message().lines().collect::<Vec<_>>().join(", ");
            problems.add(line, format!("not TOML: {words}"));
        }
        std::mem::take(&mut problems).into_result(name)?;
        let mut table = document.into_inner();
        let rules = table.remove("rule");
        let given = document::settings(&table, command, &lines, &mut problems);
        let rules = rules.map_or_else(Vec::new, |rules| drafts(&rules, &lines, &mut problems));
        for (line, key) in given.iter().filter(|g| g.name == "api_keys").flat_map(|g| &g.values) {
            if let Err(reason) = keys::parse(key) {
                problems.add(*line, format!("api_keys: {reason}"));
            }
        }
        problems.into_result(name)?;
        Ok(Self { name: name.into(), given, rules, warnings: Vec::new() })
    }

    /// The arguments that the file stands for, but for settings that something stronger has given.
    pub fn arguments(&self, stronger: impl Fn(&str) -> bool) -> Vec<OsString> {
        let given = self.given.iter().filter(|given| !stronger(&given.name));
        given.flat_map(Given::arguments).map(OsString::from).collect()
    }

    /// The lines of its settings.
    pub fn lines(&self) -> BTreeMap<&str, usize> {
        self.given.iter().map(|given| (&*given.name, given.line)).collect()
    }

    /// A setting that has a secret itself, not where one is.
    fn secrets(&self) -> Option<&str> {
        let is_bare = |given: &&Given| match &*given.name {
            "api_keys" => given.values.iter().any(|(_, key)| keys::is_bare(key)),
            "jwt_keys" => given.values.iter().any(|(_, key)| tokens::is_bare(key)),
            "hook_secret" => given.values.iter().any(|(_, secret)| !secret.starts_with('@')),
            _ => false,
        };
        self.given.iter().find(is_bare).map(|given| &*given.name)
    }
}

fn drafts(rules: &Spanned<DeValue<'_>>, lines: &Lines, problems: &mut Problems) -> Vec<Draft> {
    let first = lines.line(rules.span().start);
    let DeValue::Array(tables) = rules.get_ref() else {
        problems.add(first, "rule: must be tables that begin with [[rule]]");
        return Vec::new();
    };
    if tables.len() > MAX_RULES {
        problems.add(first, format!("rule: more than {MAX_RULES} rules"));
        return Vec::new();
    }
    let mut drafts = Vec::new();
    for table in tables {
        let line = lines.line(table.span().start);
        match table.get_ref() {
            DeValue::Table(table) => drafts.extend(Draft::read(table, line, lines, problems)),
            _ => problems.add(line, "rule: must be a table"),
        }
    }
    drafts
}
