//! `[[rule]]` tables: which fields there are, what holds where one is left out, and which rules
//! could never do anything. What a rule means is `policy::rule`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser};
use toml::de::DeTable;

use super::document::{self, Lines, Problems};
use super::units::{byte_limit, count, duration};
use crate::limits::{RATES, UNLIMITED};
use crate::policy::hook::{Event, Events};
use crate::policy::pattern::Pattern;
use crate::policy::rule::{OnSlow, Payload, Presence, Rule, Who};

/// The fields of a rule, read by the same means as the settings.
#[derive(Debug, Parser)]
#[command(name = "rule", disable_help_flag = true)]
pub(super) struct Fields {
    /// Which channels: `*` is one segment, `>` at the end one or more, `{user}` a user's name; or
    /// `$all`, `$user`
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pattern: Option<Pattern>,
    /// Who may subscribe, and read what the history holds
    #[arg(long, value_name = "WHO", value_parser = words(&WHO))]
    subscribe: Option<Who>,
    /// Who may publish, besides the backend
    #[arg(long, value_name = "WHO", value_parser = words(&WHO))]
    publish: Option<Who>,
    /// Publications that a channel keeps; 0 keeps none [default: `history_count`]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    history_count: Option<usize>,
    /// Bytes of publications that a channel keeps [default: `history_bytes`]
    #[arg(long, value_name = "SIZE", value_parser = byte_limit)]
    history_bytes: Option<usize>,
    /// How long a channel keeps publications [default: `history_age`]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    history_age: Option<Duration>,
    /// What is told of who is there
    #[arg(long, value_name = "WHAT", value_parser = words(&PRESENCE))]
    presence: Option<Presence>,
    /// What becomes of a reader that lags too far [default: pull]
    #[arg(long, value_name = "WHAT", value_parser = words(&ON_SLOW))]
    on_slow: Option<OnSlow>,
    /// Most rounds a second of who hears only the latest [default: as fast as it reads]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    max_rate: Option<f64>,
    /// Publications of clients that a channel takes a second [default: 0]
    #[arg(long, value_name = "COUNT")]
    publish_rate: Option<u32>,
    /// What a payload may be [default: any]
    #[arg(long, value_name = "WHAT", value_parser = words(&PAYLOAD))]
    payload: Option<Payload>,
    /// Whether publications of clients carry the user's name [default: true]
    #[arg(long, value_name = "BOOL", num_args = 1, action = clap::ArgAction::Set)]
    from: Option<bool>,
    /// What the backend is asked about, and told of [default: `hooks`]
    #[arg(long, value_name = "EVENT", action = clap::ArgAction::Append)]
    #[arg(value_parser = words(&HOOKS))]
    hooks: Option<Vec<Event>>,
}

const WHO: [(&str, Who); 4] = [
    ("anyone", Who::Anyone),
    ("user", Who::User),
    ("token", Who::Token),
    ("backend", Who::Backend),
];
const PRESENCE: [(&str, Presence); 3] =
    [("none", Presence::None), ("count", Presence::Count), ("full", Presence::Full)];
const ON_SLOW: [(&str, OnSlow); 3] =
    [("pull", OnSlow::Pull), ("latest", OnSlow::Latest), ("close", OnSlow::Close)];
const PAYLOAD: [(&str, Payload); 2] = [("any", Payload::Any), ("json", Payload::Json)];

const HOOKS: [(&str, Event); 4] = [
    ("subscribe", Event::Subscribe),
    ("publish", Event::Publish),
    ("occupied", Event::Occupied),
    ("vacated", Event::Vacated),
];

/// Accepts these words.
pub(super) fn words<T: Copy + Send + Sync>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let parser = PossibleValuesParser::new(words.iter().map(|(word, _)| *word));
    parser.try_map(move |text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or("no such word")
    })
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.starts_with('$') && !matches!(text, "$all" | "$user") {
        return Err("of the names that start with $ there are only $all and $user".into());
    }
    Pattern::parse(text).ok_or_else(|| {
        "must be segments of A-Z a-z 0-9 _ ~ : @ = + - joined by dots, where * is any segment, \
         {user} a user's name and >, last, one or more"
            .into()
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| RATES.contains(rate));
    rate.ok_or_else(|| format!("must be from {} to {}", RATES.start(), RATES.end()))
}

/// The fields as a command, which is the list of them.
pub(super) fn command() -> Command {
    Fields::command()
}

/// A rule as it was written.
#[derive(Debug)]
pub(super) struct Draft {
    line: usize,
    pattern: Pattern,
    fields: Fields,
    lines: BTreeMap<String, usize>,
}

impl Draft {
    /// Reads a table; what is wrong is noted.
    pub fn read(
        table: &DeTable<'_>,
        line: usize,
        lines: &Lines,
        problems: &mut Problems,
    ) -> Option<Self> {
        let command = command();
        let given = document::settings(table, &command, lines, problems);
        if !table.contains_key("pattern") {
            problems.add(line, "rule: pattern is missing");
            return None;
        }
        let arguments = given.iter().flat_map(document::Given::arguments);
        let arguments = std::iter::once(String::new()).chain(arguments);
        // What is wrong here has been noted already.
        let matches = command.try_get_matches_from(arguments).ok()?;
        let fields = Fields::from_arg_matches(&matches).ok()?;
        let lines = given.iter().map(|given| (given.name.clone(), given.line)).collect();
        Some(Self { line, pattern: fields.pattern.clone()?, fields, lines })
    }

    fn is_reserved(&self) -> bool {
        self.pattern.as_str().starts_with('$')
    }

    fn line_of(&self, name: &str) -> usize {
        self.lines.get(name).copied().unwrap_or(self.line)
    }

    fn rule(&self, default: &Rule) -> Rule {
        let fields = &self.fields;
        let (subscribe, publish, presence) = if self.is_reserved() {
            (Who::Anyone, Who::Backend, Presence::None)
        } else {
            (default.subscribe, default.publish, default.presence)
        };
        Rule {
            pattern: self.pattern.clone(),
            subscribe: fields.subscribe.unwrap_or(subscribe),
            publish: fields.publish.unwrap_or(publish),
            history_count: fields.history_count.unwrap_or(default.history_count),
            history_bytes: fields.history_bytes.unwrap_or(default.history_bytes),
            history_age: fields.history_age.unwrap_or(default.history_age),
            presence: fields.presence.unwrap_or(presence),
            on_slow: fields.on_slow.unwrap_or(default.on_slow),
            max_rate: fields.max_rate.or(default.max_rate),
            publish_rate: fields.publish_rate.unwrap_or(default.publish_rate),
            payload: fields.payload.unwrap_or(default.payload),
            from: fields.from.unwrap_or(default.from),
            hooks: self.hooks(default),
        }
    }

    /// Reserved channels have none: they belong to who connects.
    fn hooks(&self, default: &Rule) -> Events {
        match &self.fields.hooks {
            _ if self.is_reserved() => Events::default(),
            Some(events) => events.iter().copied().collect(),
            None if self.lines.contains_key("hooks") => Events::default(),
            None => default.hooks,
        }
    }

    /// Notes what in this rule could never do anything.
    fn check(&self, rule: &Rule, history_share: usize, problems: &mut Problems) {
        for (name, given) in
            [("subscribe", self.fields.subscribe), ("publish", self.fields.publish)]
        {
            if self.is_reserved() && given.is_some() {
                let pattern = self.pattern.as_str();
                let text = format!("{name}: {pattern} is for hearing only, by who may connect");
                problems.add(self.line_of(name), text);
            }
        }
        if self.is_reserved() && self.fields.presence.is_some_and(|it| it != Presence::None) {
            let text = "presence: nothing is told of who hears a reserved channel";
            problems.add(self.line_of("presence"), text);
        }
        if self.is_reserved() && self.lines.contains_key("hooks") {
            let pattern = self.pattern.as_str();
            let text = format!("hooks: {pattern} has none; ask about connect");
            problems.add(self.line_of("hooks"), text);
        }
        if rule.publish_rate > 0 && rule.publish == Who::Backend {
            let text = "publish_rate: limits clients, but here no client may publish";
            problems.add(self.line_of("publish_rate"), text);
        }
        let bytes = rule.history_bytes;
        if self.fields.history_bytes.is_some() && bytes != UNLIMITED && bytes > history_share {
            let total = "a worker's share of max_history_bytes";
            let text = format!("history_bytes: {bytes} is more than {total} ({history_share})");
            problems.add(self.line_of("history_bytes"), text);
        }
    }

    /// Its fields that want somebody who has logged in.
    fn wants_users(&self) -> impl Iterator<Item = &'static str> {
        let Fields { subscribe, publish, .. } = &self.fields;
        let fields = [("subscribe", subscribe), ("publish", publish)];
        let wants = |who: &Option<Who>| matches!(who, Some(Who::User | Who::Token));
        fields.into_iter().filter_map(move |(name, who)| wants(who).then_some(name))
    }
}

/// Completes the rules of a file with what holds where they are silent.
pub(super) fn complete(
    drafts: &[Draft],
    default: &Rule,
    history_share: usize,
) -> (Vec<Arc<Rule>>, Problems) {
    let mut problems = Problems::default();
    let mut rules = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        let earlier = drafts[..at].iter().find(|earlier| earlier.pattern.covers(&draft.pattern));
        if let Some(earlier) = earlier {
            let (later, wide) = (draft.pattern.as_str(), earlier.pattern.as_str());
            let line = earlier.line_of("pattern");
            let text = format!("pattern: {later:?} is never reached: {wide:?} in line {line}");
            problems.add(draft.line_of("pattern"), format!("{text} covers it"));
        }
        let rule = draft.rule(default);
        draft.check(&rule, history_share, &mut problems);
        rules.push(Arc::new(rule));
    }
    (rules, problems)
}

/// Warns of rules that let nobody in, since without keys of tokens nobody can log in; in the order
/// of the file.
pub(super) fn lets_nobody_in(drafts: &[Draft], file: &str) -> Vec<String> {
    let found = |draft: &Draft| {
        let mut found: Vec<_> =
            draft.wants_users().map(|name| (draft.line_of(name), name)).collect();
        found.sort_unstable();
        found
    };
    let why = "without jwt_keys nobody can log in, so this lets no client in";
    let warning = |(line, name)| format!("{file}:{line}: {name}: {why}");
    drafts.iter().flat_map(found).map(warning).collect()
}
