//! Patterns of channel names: segments joined by dots, where `*` is any one segment, `>`, last, any
//! one or more, and `{user}` the segment that a user's name makes. Names with none of these are
//! patterns of themselves alone; reserved channels are matched by name only. Checks of names are
//! `client::name`; what a pattern allows is `permissions`.

/// Stands for a user in a pattern.
const USER: &str = "{user}";

/// Which channels a rule, or a key, is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Reads a pattern; `None` where segments are empty or too long, a wildcard is not alone in its
    /// segment, or `>` is not last.
    pub fn parse(text: &str) -> Option<Self> {
        let literal = |segment: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_~:@=+-".contains(&byte);
            !segment.is_empty() && segment.bytes().all(plain)
        };
        let body = text.strip_prefix('$').unwrap_or(text);
        let reserved = body.len() < text.len();
        let last = body.split('.').count().checked_sub(1)?;
        let sound = body.split('.').enumerate().all(|(at, segment)| match segment {
            "*" | USER => !reserved,
            ">" => !reserved && at == last,
            segment => literal(segment),
        });
        (sound && text.len() <= crate::limits::MAX_CHANNEL_NAME).then(|| Self(text.into()))
    }

    /// Every channel that is not reserved.
    pub fn all() -> Self {
        Self(">".into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it says `{user}` somewhere.
    pub fn names_user(&self) -> bool {
        self.0.contains(USER)
    }

    /// Whether a channel is meant, whoever `{user}` may be.
    pub fn matches(&self, channel: &str) -> bool {
        self.meets(channel, |_| true)
    }

    /// Whether a channel is meant where `{user}` is this one. A user's name is put in as one
    /// segment, and never read as a pattern.
    pub fn matches_for(&self, user: &str, channel: &str) -> bool {
        self.meets(channel, |segment| is_segment_of(user, segment))
    }

    fn meets(&self, channel: &str, is_user: impl Fn(&str) -> bool) -> bool {
        if channel.starts_with('$') || self.0.starts_with('$') {
            return *self.0 == *channel;
        }
        let mut segments = channel.split('.');
        for wanted in self.0.split('.') {
            match (wanted, segments.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (USER, Some(segment)) => {
                    if !is_user(segment) {
                        return false;
                    }
                }
                (wanted, Some(segment)) if wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// Whether every channel that `other` means is meant here too, whoever `{user}` may be. (Where
    /// only several patterns together do so, it is not noticed.)
    pub fn covers(&self, other: &Self) -> bool {
        if self.0.starts_with('$') || other.0.starts_with('$') {
            return self == other;
        }
        let mut segments = other.0.split('.');
        for wanted in self.0.split('.') {
            match (wanted, segments.next()) {
                (">", Some(_)) => return true,
                ("*" | USER, Some(segment)) if segment != ">" => {}
                (wanted, Some(segment)) if wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self::all()
    }
}

/// Whether a segment is what this user's name becomes in a channel: bytes that no segment has, and
/// `~` itself, become `~` and two hexadecimal digits, so that no two users share one.
fn is_segment_of(user: &str, segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    for byte in user.bytes() {
        let written = if is_plain(byte) { [byte, 0, 0] } else { escaped(byte) };
        let length = if is_plain(byte) { 1 } else { 3 };
        match rest.strip_prefix(&written[..length]) {
            Some(left) => rest = left,
            None => return false,
        }
    }
    rest.is_empty() && !user.is_empty()
}

/// What stands for itself in the segment of a user.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@:=+-".contains(&byte)
}

fn escaped(byte: u8) -> [u8; 3] {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    [b'~', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (pattern, yes, no) in [
            ("a.b", &["a.b"][..], &["a", "a.b.c", "a.c", "A.b"][..]),
            ("a.*", &["a.b", "a.*x"], &["a", "a.b.c", "b.a"]),
            ("*.b", &["a.b"], &["b", "a.a.b"]),
            ("a.>", &["a.b", "a.b.c"], &["a", "b.a"]),
            (">", &["a", "a.b.c"], &["$all", "$user"]),
            ("$all", &["$all"], &["all", "$user"]),
            ("a.{user}", &["a.b", "a.ann"], &["a", "a.b.c"]),
        ] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert!(yes.iter().all(|name| parsed.matches(name)), "{pattern}");
            assert!(!no.iter().any(|name| parsed.matches(name)), "{pattern}");
            assert_eq!(parsed.as_str(), pattern);
        }
    }

    #[test]
    fn users() {
        for (user, segment) in [
            ("ann", "ann"),
            ("Ann_7@x:y=z+w-v", "Ann_7@x:y=z+w-v"),
            ("a.b", "a~2Eb"),
            ("~", "~7E"),
            (">", "~3E"),
            ("*", "~2A"),
            ("{user}", "~7Buser~7D"),
            ("é", "~C3~A9"),
            ("$all", "~24all"),
        ] {
            let own = Pattern::parse("user.{user}.>").expect("a pattern");
            assert!(own.names_user());
            assert!(own.matches_for(user, &format!("user.{segment}.inbox")), "{user}");
            assert!(own.matches(&format!("user.{segment}.inbox")), "{user}");
            assert!(!own.matches_for(user, &format!("user.{segment}x.inbox")), "{user}");
            assert!(!own.matches_for(user, "user.bob.inbox"), "{user}");
            assert!(!own.matches_for(user, &format!("user.{segment}")), "{user}");
        }
        let own = Pattern::parse("user.{user}").expect("a pattern");
        // Neither other spellings of an escape, nor a part of the name, nor nobody.
        for (user, channel) in [
            ("a.b", "user.a~2eb"),
            ("a.b", "user.a.b"),
            ("ann", "user.an"),
            ("ann", "user.{user}"),
            ("ann", "user.~61nn"),
            ("", "user.ann"),
            ("a~2Eb", "user.a~2Eb"),
        ] {
            assert!(!own.matches_for(user, channel), "{user} {channel}");
        }
        assert!(!Pattern::parse("user.*").expect("a pattern").names_user());
    }

    #[test]
    fn covering() {
        let covers = |one: &str, other: &str| {
            let parse = |text| Pattern::parse(text).expect("a pattern");
            parse(one).covers(&parse(other))
        };
        for (wide, narrow) in [
            (">", "*"),
            (">", ">"),
            (">", "*.>"),
            (">", "a.b"),
            ("a.*", "a.b"),
            ("a.*", "a.*"),
            ("a.>", "a.*"),
            ("a.>", "a.*.>"),
            ("*.b", "a.b"),
            ("$all", "$all"),
            ("a.{user}", "a.*"),
            ("a.*", "a.{user}"),
            ("a.{user}", "a.b"),
        ] {
            assert!(covers(wide, narrow), "{wide} covers {narrow}");
        }
        for (wide, narrow) in [
            ("*", ">"),
            ("a.*", "a.>"),
            ("*.>", ">"),
            ("a.>", "a"),
            ("a.*", "a.b.c"),
            ("a.b", "a.*"),
            (">", "$all"),
            ("$all", ">"),
        ] {
            assert!(!covers(wide, narrow), "{wide} does not cover {narrow}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        let long = "a".repeat(200);
        let bad = ["", ".", "a.", ".a", "a..b", ">.a", "a>", "a*", "$>", "$*", "a b", "é", &long];
        let users = ["{users}", "a{user}", "{user}b", "{ann}", "{}", "${user}"];
        for bad in bad.into_iter().chain(users) {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }
}
