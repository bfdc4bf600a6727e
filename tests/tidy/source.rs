//! A source file as the rules see it: its text, and its code with comments and the insides of
//! literals blanked, so that a word in a string breaks no rule. Not a parser: it knows just enough
//! of Rust's tokens.

/// One file.
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// As it stands in the file.
    pub text: String,
    /// The same, line for line and column for column, but comments and literals are spaces.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), code: blank(text) }
    }

    /// The folder or file directly below `src/` that this belongs to: `hub` for `src/hub/page.rs`.
    pub fn part(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        Some(below.split_once('/').map_or_else(|| below.trim_end_matches(".rs"), |(part, _)| part))
    }

    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The words of the code (identifiers, keywords, numbers) with the byte at which each starts.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut rest = 0;
        std::iter::from_fn(move || {
            let start = rest + self.code[rest..].find(is_word)?;
            let len = self.code[start..].find(|c| !is_word(c)).unwrap_or(self.code.len() - start);
            rest = start + len;
            Some((start, &self.code[start..rest]))
        })
    }

    /// Number of the line, from 1, that byte `at` of the code stands on.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// Every path that starts at byte `at` of the code, with use-trees unfolded:
    /// `crate::{a, b::{c, d}}` is `crate::a`, `crate::b::c` and `crate::b::d`.
    pub fn paths_at(&self, at: usize) -> Vec<Vec<&str>> {
        let mut paths = Vec::new();
        unfold(&self.code[at..], &[], &mut paths);
        paths
    }
}

/// Reads one path or use-tree from the start of `code` into `paths`, and gives what follows it.
fn unfold<'a>(code: &'a str, prefix: &[&'a str], paths: &mut Vec<Vec<&'a str>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = code.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            while !inside.trim_start().is_empty() && !inside.trim_start().starts_with('}') {
                let after = unfold(inside, &path, paths).trim_start();
                inside = match after.find([',', '}']) {
                    Some(end) if after[end..].starts_with(',') => &after[end + 1..],
                    Some(end) => &after[end..],
                    None => "",
                };
            }
            return inside.trim_start().strip_prefix('}').unwrap_or("");
        }
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push(&rest[..len]);
        rest = &rest[len..];
        match rest.strip_prefix("::") {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    paths.push(path);
    rest
}

/// Replaces comments and the insides of literals by spaces, keeping the line breaks.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word_before = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let len = match literal_or_comment(rest, word_before) {
            0 => {
                code.push(c);
                c.len_utf8()
            }
            len => {
                let blanks = rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' });
                code.extend(blanks);
                len
            }
        };
        rest = &rest[len..];
    }
    code
}

/// Length of the comment or literal that `text` starts with, 0 if it starts with neither.
fn literal_or_comment(text: &str, word_before: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let unprefixed = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 2 || (prefix > 0 && word_before) {
        return 0;
    }
    if prefix > 0 && text[..prefix].ends_with('r') {
        let body = unprefixed.trim_start_matches('#');
        let hashes = unprefixed.len() - body.len();
        let end = format!("\"{}", "#".repeat(hashes));
        return match body.strip_prefix('"').map(|inside| inside.find(&end)) {
            Some(Some(at)) => prefix + hashes + 1 + at + end.len(),
            Some(None) => text.len(),
            None => 0,
        };
    }
    match unprefixed.chars().next() {
        Some('"') => prefix + quoted(unprefixed, '"'),
        Some('\'') if is_character(unprefixed) => prefix + quoted(unprefixed, '\''),
        _ => 0,
    }
}

/// A character literal, and not a lifetime: an escape, or a quote after one character.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

#[test]
fn comments_and_literals_are_blanked_line_for_line() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("unsafe \" x", 'x', '\'')"#, "f(             ,    ,     )"),
        ("r#\"a\"b\"# c", "         c"),
        ("&'a str", "&'a str"),
        ("br\"x\" bar", "      bar"),
        ("\"a\nb\" c", "  \n   c"),
    ];
    for (text, code) in cases {
        assert_eq!(blank(text), code, "{text}");
    }
}

#[test]
fn trees_are_unfolded() {
    let source = Source::new("x.rs", "use crate::{a, b::{c as e, d}, f::*};");
    let paths = source.paths_at(4);
    assert_eq!(
        paths,
        [
            vec!["crate", "a"],
            vec!["crate", "b", "c"],
            vec!["crate", "b", "d"],
            vec!["crate", "f", ""]
        ]
    );
}
