//! The Prometheus text format 0.0.4, in which everything is shown. It does not decide what is
//! counted: that is `names.rs`.

use std::fmt::{Display, Write as _};

use super::histogram::{BOUNDS, Totals};
use super::names::{Family, Kind};

/// Text under construction. Every metric comes once, with all its samples.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
}

/// The samples of one metric.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    out: &'a mut String,
    family: &'a Family,
}

impl Text {
    /// Begins a metric.
    pub(super) fn family<'a>(&'a mut self, family: &'a Family) -> Samples<'a> {
        let Family { name, kind, help, .. } = family;
        // The marks of code are for people who read the source.
        let (help, kind) = (help.trim().replace('`', ""), kind.as_str());
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Samples { out: &mut self.out, family }
    }

    /// The finished text.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

impl Samples<'_> {
    /// Adds one sample. The values of the labels stand in the order of their names.
    pub(super) fn sample(&mut self, labels: &[&str], value: impl Display) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        debug_assert_ne!(self.family.kind, Kind::Histogram);
        self.out.push_str(self.family.name);
        self.labels(labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    /// Adds a histogram.
    pub(super) fn histogram(&mut self, labels: &[&str], totals: &Totals) {
        let name = self.family.name;
        let bounds = BOUNDS.iter().map(|(_, seconds)| *seconds).chain(["+Inf"]);
        let mut count = 0;
        for (bound, in_bucket) in bounds.zip(totals.counts) {
            count += in_bucket;
            let _ = write!(self.out, "{name}_bucket");
            self.labels(labels, Some(("le", bound)));
            let _ = writeln!(self.out, " {count}");
        }
        for (suffix, value) in
            [("_sum", &seconds(totals.sum_us) as &dyn Display), ("_count", &count)]
        {
            let _ = write!(self.out, "{name}{suffix}");
            self.labels(labels, None);
            let _ = writeln!(self.out, " {value}");
        }
    }

    fn labels(&mut self, values: &[&str], last: Option<(&str, &str)>) {
        let named = self.family.labels.iter().copied().zip(values.iter().copied());
        let mut before = '{';
        for (name, value) in named.chain(last) {
            let _ = write!(self.out, "{before}{name}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    other => self.out.push(other),
                }
            }
            self.out.push('"');
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
    }
}

/// Microseconds as seconds.
pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let family = Family {
            name: "fanwire_x",
            kind: Kind::Gauge,
            labels: &["a", "b"],
            help: " What it means.",
        };
        let mut text = Text::default();
        text.family(&family).sample(&["1\"\\\n2", ""], 7);
        let expected = "# HELP fanwire_x What it means.\n# TYPE fanwire_x gauge\n\
            fanwire_x{a=\"1\\\"\\\\\\n2\",b=\"\"} 7\n";
        assert_eq!(text.finish(), expected);
    }
}
