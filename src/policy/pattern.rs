//! Patterns of channel names: segments joined by dots, where `*` is any one segment and `>`, last,
//! any one or more. Names with neither are patterns of themselves alone; reserved channels are
//! matched by name only. Checks of names are `client::name`.

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
            "*" => !reserved,
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

    /// Whether a channel is meant.
    pub fn matches(&self, channel: &str) -> bool {
        if channel.starts_with('$') || self.0.starts_with('$') {
            return *self.0 == *channel;
        }
        let mut segments = channel.split('.');
        for wanted in self.0.split('.') {
            match (wanted, segments.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(segment)) if wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// Whether every channel that `other` means is meant here too. (Where only several patterns
    /// together do so, it is not noticed.)
    pub fn covers(&self, other: &Self) -> bool {
        if self.0.starts_with('$') || other.0.starts_with('$') {
            return self == other;
        }
        let mut segments = other.0.split('.');
        for wanted in self.0.split('.') {
            match (wanted, segments.next()) {
                (">", Some(_)) => return true,
                ("*", Some(segment)) if segment != ">" => {}
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
        ] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert!(yes.iter().all(|name| parsed.matches(name)), "{pattern}");
            assert!(!no.iter().any(|name| parsed.matches(name)), "{pattern}");
            assert_eq!(parsed.as_str(), pattern);
        }
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
        for bad in ["", ".", "a.", ".a", "a..b", ">.a", "a>", "a*", "$>", "$*", "a b", "é", &long]
        {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }
}
