//! The rules. Each looks at one file and names its findings; `falsify` has an example for each that
//! breaks it.

use std::fmt;

use crate::source::Source;

const MAX_FILE_LINES: usize = 500;
const MAX_COLUMNS: usize = 100;
const MAX_FUNCTION_LINES: usize = 70;

/// The parts of `src/` that are pure, each with the other parts that it may use.
const PURE: [(&str, &[&str]); 6] = [
    ("http", &["config", "limits"]),
    ("ws", &["config", "limits"]),
    ("hub", &["config", "limits"]),
    ("client", &["config", "limits", "hub"]),
    ("feed", &["config", "limits", "hub"]),
    ("policy", &["limits"]),
];

/// Parts above the pure ones, each with those that it must not use: the arrows go down only.
const DOWNWARDS: [(&str, &[&str]); 9] = [
    ("bench", &["server", "worker", "engine", "conn", "client", "feed", "hub"]),
    ("worker", &["server", "settings"]),
    ("engine", &["server", "settings", "conn"]),
    ("hooks", &["server", "settings", "worker", "engine", "conn", "client", "feed"]),
    ("conn", &["server", "settings", "worker", "engine"]),
    ("metrics", &["server", "settings", "worker", "engine", "conn"]),
    ("config", &["server", "settings", "worker", "engine", "conn"]),
    ("limits", &["server", "settings", "worker", "engine", "conn"]),
    ("entropy", &["server", "settings", "worker", "engine", "conn"]),
];

/// A program of its own beside the server, whose parts never use it.
const BESIDE: &str = "bench";

/// Parts that only some may use, beside those named above.
const ABOVE: [&str; 3] = ["server", "settings", "clock"];

/// What a pure part never mentions: sockets, clock, threads, randomness.
const WORLD_WORDS: [&str; 12] = [
    "Instant",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "getrandom",
    "mio",
    "socket2",
    "rand",
    "stdout",
];
const WORLD_MODULES: [&str; 5] = ["net", "thread", "fs", "env", "process"];

/// Where in `src/` the world comes in: word, and the files or folders that may use it.
const GATES: [(&str, &[&str]); 9] = [
    ("Instant", &["src/clock.rs", "src/bench/"]),
    ("SystemTime", &["src/clock.rs", "src/bench/"]),
    ("getrandom", &["src/entropy.rs"]),
    ("spawn", &["src/server.rs", "src/bench/"]),
    ("TcpStream", &["src/worker/mio.rs", "src/bench/"]),
    ("TcpListener", &["src/worker/mio.rs", "src/bench/"]),
    ("UnixListener", &["src/worker/mio.rs"]),
    ("UnixStream", &["src/worker/mio.rs"]),
    ("listenfd", &["src/listen.rs"]),
];

/// Parts of names that say nothing; the verbs only in front, where something follows.
const EMPTY_WORDS: [&str; 6] = ["manager", "managers", "helper", "helpers", "util", "utils"];
const EMPTY_VERBS: [&str; 2] = ["get", "process"];

/// One breach of a rule.
pub struct Finding {
    pub line: usize,
    pub rule: &'static str,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.rule, self.what)
    }
}

fn finding(line: usize, rule: &'static str, what: impl Into<String>) -> Finding {
    Finding { line, rule, what: what.into() }
}

/// All findings in one file.
pub fn check(source: &Source) -> Vec<Finding> {
    let rules = [opening, size, functions, purity, gates, one_clock, arrows, words, names];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

/// A file opens with `//!`: what it owns, what it never does, where the story continues.
fn opening(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![finding(1, "opening", "the file does not open with //!")]
}

fn size(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > MAX_COLUMNS {
            findings.push(finding(index + 1, "columns", format!("{columns} columns")));
        }
    }
    let lines = source.text.lines().count();
    if lines > MAX_FILE_LINES {
        findings.push(finding(lines, "file-lines", format!("{lines} lines")));
    }
    findings
}

/// A function fits a screen.
fn functions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut after_fn = false;
    for (at, word) in source.words() {
        if after_fn {
            let line = source.line(at);
            let lines = source.line(body_end(&source.code, at)) - line + 1;
            if lines > MAX_FUNCTION_LINES {
                findings.push(finding(line, "function-lines", format!("{word} has {lines} lines")));
            }
        }
        after_fn = word == "fn";
    }
    findings
}

/// The byte of the brace that closes the body which follows `at`, or of the `;` where none does.
fn body_end(code: &str, at: usize) -> usize {
    let (mut braces, mut brackets) = (0usize, 0usize);
    for (offset, c) in code[at..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return at + offset;
                }
            }
            ';' if braces == 0 && brackets == 0 => return at + offset,
            _ => {}
        }
    }
    code.len()
}

/// Pure parts know no sockets, clock, threads or randomness.
fn purity(source: &Source) -> Vec<Finding> {
    let Some(part) = source.part() else { return Vec::new() };
    if !PURE.iter().any(|(pure, _)| *pure == part) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, word) in source.words() {
        if WORLD_WORDS.contains(&word) {
            findings.push(finding(source.line(at), "purity", word));
        }
        if word == "std" {
            for path in source.paths_at(at) {
                if path.get(1).is_some_and(|module| WORLD_MODULES.contains(module)) {
                    findings.push(finding(source.line(at), "purity", path.join("::")));
                }
            }
        }
    }
    findings
}

/// Clock, randomness, threads and sockets are in a handful of files.
fn gates(source: &Source) -> Vec<Finding> {
    if source.part().is_none() || source.is_test() {
        return Vec::new();
    }
    let shut = |word: &str| {
        let gate = GATES.iter().find(|(gated, _)| *gated == word);
        gate.is_some_and(|(_, open)| !open.iter().any(|place| source.path.starts_with(place)))
    };
    let breaches = source.words().filter(|(_, word)| shut(word));
    breaches.map(|(at, word)| finding(source.line(at), "gates", word)).collect()
}

/// A worker reads the clock in one place: once per turn, and before it sleeps.
fn one_clock(source: &Source) -> Vec<Finding> {
    if source.part() != Some("worker") || source.is_test() {
        return Vec::new();
    }
    let allowed = 2 * usize::from(source.path == "src/worker/mod.rs");
    let reads = source.code.match_indices("net.now()").skip(allowed);
    reads.map(|(at, _)| finding(source.line(at), "one-clock", "net.now()")).collect()
}

/// `server → worker → conn → {http, ws, client, feed, hub}`, and pure parts do not know each
/// other, but for the hub's vocabulary.
fn arrows(source: &Source) -> Vec<Finding> {
    let Some(part) = source.part() else { return Vec::new() };
    let parts: Vec<&str> = PURE.iter().chain(&DOWNWARDS).map(|(name, _)| *name).collect();
    let allowed = PURE.iter().find(|(pure, _)| *pure == part).map(|(_, uses)| uses);
    let denied = DOWNWARDS.iter().find(|(upper, _)| *upper == part).map(|(_, never)| never);
    let bad = |used: &str| {
        let known = parts.contains(&used) || ABOVE.contains(&used);
        used != part
            && known
            && (used == BESIDE
                || allowed.is_some_and(|uses| !uses.contains(&used))
                || denied.is_some_and(|never| never.contains(&used)))
    };
    let mut findings = Vec::new();
    for (at, word) in source.words() {
        if word == "crate" || word == "super" {
            for path in source.paths_at(at) {
                let Some(used) = top(source, &path) else { continue };
                if bad(used) {
                    findings.push(finding(source.line(at), "arrows", format!("{part} → {used}")));
                }
            }
        }
    }
    findings
}

/// The part of `src/` that a path leads to. `super` counts from the file; one that starts in an
/// inline module may come out too high, and then names no part.
fn top<'a>(source: &Source, path: &[&'a str]) -> Option<&'a str> {
    let ups = path.iter().take_while(|segment| **segment == "super").count();
    if ups == 0 {
        return path.get(1).copied();
    }
    let depth = source.path.trim_end_matches("/mod.rs").split('/').count() - 1;
    (ups >= depth).then(|| path.get(ups).copied()).flatten()
}

/// Words that do not belong in finished code, or not in this place.
fn words(source: &Source) -> Vec<Finding> {
    let library = source.path.starts_with("src/")
        && !matches!(source.part(), Some("main" | "settings" | "bench"));
    let mut findings = Vec::new();
    let mut before = "";
    for (at, word) in source.words() {
        let after = &source.code[at + word.len()..];
        let macro_call = after.starts_with('!') && !after.starts_with("!=");
        let bad = match word {
            "unsafe" => true,
            "todo" | "unimplemented" | "dbg" => macro_call,
            "println" | "print" | "eprintln" | "eprint" => macro_call && library,
            "sleep" => source.is_test() && before == "thread",
            "ignore" => after.starts_with(']'),
            _ => false,
        };
        if bad {
            findings.push(finding(source.line(at), "words", word));
        }
        before = word;
    }
    findings
}

/// Names say what a thing is.
fn names(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut keyword = "";
    for (at, word) in source.words() {
        if matches!(keyword, "fn" | "struct" | "enum" | "trait" | "type" | "mod")
            && let Some(part) = empty_part(word)
        {
            let what = format!("{keyword} {word}: '{part}' says nothing");
            findings.push(finding(source.line(at), "names", what));
        }
        keyword = word;
    }
    findings
}

fn empty_part(name: &str) -> Option<String> {
    if name == "get_mut" {
        return None; // as std names it, beside `get`
    }
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    let parts: Vec<&str> = snake.split('_').filter(|part| !part.is_empty()).collect();
    let verb = parts.first().filter(|first| parts.len() > 1 && EMPTY_VERBS.contains(first));
    let noun = parts.iter().find(|part| EMPTY_WORDS.contains(part));
    verb.or(noun).map(ToString::to_string)
}

/// What a document names as proof, in backticks: tests and their modules, as paths with a segment
/// `tests` (`hub::tests`, `hub::tests::dense`), and files (`tests/sim`, `conn/table.rs`).
pub fn proofs_named_in(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    let plain = |span: &str| {
        span.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '/' | '.'))
    };
    let is_test = |span: &str| span.split("::").any(|part| part == "tests") && span.contains("::");
    let is_rust = |span: &str| span.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs");
    let is_file = |span: &str| span.contains('/') && (is_rust(span) || span.starts_with("tests/"));
    let is_proof = |span: &&str| plain(span) && (is_test(span) || is_file(span));
    spans.filter(is_proof).map(ToString::to_string).collect()
}

/// Whether there is such a test, or such a module with a test in it, or such a file or folder;
/// `on_disk` says what is there at a path from the root.
pub fn proof_exists(proof: &str, sources: &[Source], on_disk: impl Fn(&str) -> bool) -> bool {
    if proof.contains('/') {
        return on_disk(proof) || on_disk(&format!("src/{proof}"));
    }
    let mut modules: Vec<&str> = proof.split("::").collect();
    let name = modules.pop_if(|last| *last != "tests");
    let holds = |source: &&Source| {
        let in_path = |module: &&str| {
            source.path.split('/').any(|part| part.trim_end_matches(".rs") == *module)
        };
        let inline = |module: &&str| source.code.contains(&format!("mod {module} {{"));
        modules.iter().all(|module| in_path(module) || inline(module))
    };
    let wanted = name.map_or("#[test]".into(), |name| format!("fn {name}("));
    sources.iter().filter(holds).any(|source| source.code.contains(&wanted))
}
