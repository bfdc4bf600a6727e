//! TOML to arguments: each value of a table becomes the text that the flag of its name would have
//! been given, and is judged by the very parser of that flag. So no setting is described twice.
//! What is wrong is gathered with its line; a value is never quoted, for it may be a secret in the
//! wrong place. Which tables there are is the business of `file`.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::de::{DeInteger, DeTable, DeValue};

/// Turns places in a text into lines, counted from 1.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// The lines of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(memchr::memchr_iter(b'\n', text).collect())
    }

    /// The line of a byte.
    pub fn line(&self, at: usize) -> usize {
        self.0.partition_point(|&end| end < at) + 1
    }
}

/// What is wrong in a file, each with its line.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<(usize, String)>);

impl Problems {
    /// Notes one more.
    pub fn add(&mut self, line: usize, text: impl Into<String>) {
        self.0.push((line, text.into()));
    }

    /// Nothing, or one line of text for each, in the order of the file.
    pub fn into_result(mut self, file: &str) -> Result<(), Vec<String>> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort_by_key(|(line, _)| *line);
        Err(self.0.into_iter().map(|(line, text)| format!("{file}:{line}: {text}")).collect())
    }
}

/// One setting of a table.
#[derive(Debug)]
pub(super) struct Given {
    /// Its name, as the table has it.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// The texts that its flag would have been given, each with its line.
    pub values: Vec<(usize, String)>,
}

impl Given {
    /// The same as arguments.
    pub fn arguments(&self) -> impl Iterator<Item = String> + '_ {
        let flag = self.name.replace('_', "-");
        self.values.iter().map(move |(_, value)| format!("--{flag}={value}"))
    }
}

/// Reads the settings of a table; those that are none of `command`'s, and values that their flags
/// refuse, are problems.
pub(super) fn settings(
    table: &DeTable<'_>,
    command: &Command,
    lines: &Lines,
    problems: &mut Problems,
) -> Vec<Given> {
    let mut all = Vec::new();
    for (key, value) in table {
        let (name, line) = (key.get_ref(), lines.line(key.span().start));
        let Some(arg) = find(command, name) else {
            problems.add(line, unknown(command, name));
            continue;
        };
        let at = |offset: usize| lines.line(offset);
        match texts(arg, value.get_ref(), at(value.span().start), &at) {
            Err(wanted) => problems.add(line, format!("{name}: must be {wanted}")),
            Ok(values) => {
                for (line, value) in &values {
                    if let Some(reason) = refused(arg, value) {
                        problems.add(*line, format!("{name}: {reason}"));
                    }
                }
                all.push(Given { name: name.to_string(), line, values });
            }
        }
    }
    all
}

/// The argument that a name in a table stands for.
fn find<'c>(command: &'c Command, name: &str) -> Option<&'c Arg> {
    if name == "config" {
        return None;
    }
    let long = |arg: &&Arg| arg.get_long().is_some_and(|long| long.replace('-', "_") == name);
    command.get_arguments().find(long)
}

/// What is said of a name that is no setting's; a similar one is named.
fn unknown(command: &Command, name: &str) -> String {
    let shown = shown(name);
    if name == "config" {
        return "config: cannot stand in the file itself".into();
    }
    if let Some(meant) = Some(name.replace('-', "_")).filter(|name| find(command, name).is_some()) {
        return format!("{shown}: no such setting; {meant} is one");
    }
    let flag = format!("--{}=", name.replace('_', "-"));
    let error = command.clone().try_get_matches_from(["", &flag]).err();
    let similar = error.filter(|error| error.kind() == ErrorKind::UnknownArgument);
    match similar.as_ref().and_then(|error| error.get(ContextKind::SuggestedArg)) {
        Some(ContextValue::String(flag)) => {
            let similar = flag.trim_start_matches('-').replace('-', "_");
            format!("{shown}: no such setting; {similar} is one")
        }
        _ => format!("{shown}: no such setting"),
    }
}

/// A name from a file, on one line whatever it is.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return name.into();
    }
    let start: String = name.chars().take(64).collect();
    format!("{start:?}")
}

/// The texts that a flag would have been given; else what its value must be.
fn texts(
    arg: &Arg,
    value: &DeValue<'_>,
    line: usize,
    lines: &dyn Fn(usize) -> usize,
) -> Result<Vec<(usize, String)>, &'static str> {
    if matches!(arg.get_action(), ArgAction::Append) {
        const WANTED: &str = "an array of strings";
        let DeValue::Array(items) = value else { return Err(WANTED) };
        // Without a value there is the default, which whoever wrote `[]` did not mean.
        if items.is_empty() && !arg.get_default_values().is_empty() {
            return Err("an array of strings, of one or more");
        }
        let item = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) => Ok((lines(item.span().start), text.to_string())),
            _ => Err(WANTED),
        };
        return items.iter().map(item).collect();
    }
    let kind = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name);
    let text = match (kind, value) {
        ("BOOL" | "WHEN", DeValue::Boolean(yes)) => yes.to_string(),
        ("BOOL", _) => return Err("true or false"),
        ("COUNT" | "SIZE" | "RATE", DeValue::Integer(number)) => decimal(number)?,
        ("COUNT", _) => return Err("an integer"),
        ("RATE", DeValue::Float(number)) => number.as_str().into(),
        ("RATE", _) => return Err("a number"),
        ("TIME", DeValue::Integer(number)) if decimal(number)? == "0" => "0".into(),
        (_, DeValue::String(text)) => text.to_string(),
        ("SIZE", _) => return Err("a size, as 4096 or \"64KiB\""),
        ("TIME", _) => return Err("a duration, as \"10s\""),
        _ => return Err("a string"),
    };
    Ok(vec![(line, text)])
}

fn decimal(number: &DeInteger<'_>) -> Result<String, &'static str> {
    let value = i64::from_str_radix(number.as_str(), number.radix());
    value.map(|value| value.to_string()).map_err(|_| "an integer of 64 bits")
}

/// Why a flag refuses a value, in a few words that do not repeat it.
fn refused(arg: &Arg, value: &str) -> Option<String> {
    let flag = format!("--{}={value}", arg.get_long()?);
    // Alone: a command of all settings takes long to build.
    let error = Command::new("").arg(arg.clone()).try_get_matches_from(["", &flag]).err()?;
    if let Some(source) = std::error::Error::source(&error) {
        return Some(source.to_string());
    }
    Some(match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) if !words.is_empty() => {
            format!("must be one of {}", words.join(", "))
        }
        _ => "must not be empty".into(),
    })
}
