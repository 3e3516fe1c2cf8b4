//! The limits that a build must keep: read from `benches/limits.toml`, and compared with what a build takes.
//!
//! What is counted (fuel, bytes, allocations, instructions) is the same on every machine, and decides. Times aren't: of those
//! only ratios within one run are looked at, with a wide margin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a build takes: names as in the limits to figures.
pub type Measures = BTreeMap<String, f64>;

/// The limits, by name.
#[derive(Clone, Debug)]
pub struct Limits(BTreeMap<String, Limit>);

#[derive(Clone, Debug)]
enum Limit {
    /// At most so much.
    AtMost(f64),
    /// A ratio: below the first figure it is worth a look, below the second the build fails.
    AtLeast { warn: f64, fail: f64 },
}

/// What is wrong with a measure.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The build fails.
    Fail(String),
    /// Somebody should look.
    Warn(String),
}

impl Finding {
    /// Whether the build fails by it.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Fail(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(what) => write!(f, "fails: {what}"),
            Self::Warn(what) => write!(f, "look at: {what}"),
        }
    }
}

impl Limits {
    /// Those of `benches/limits.toml`.
    ///
    /// # Panics
    ///
    /// When the file isn't what it should be.
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string(path()).unwrap())
    }

    /// Sets these limits in `benches/limits.toml` to what was measured.
    ///
    /// # Panics
    ///
    /// When the file can't be written, or lacks one of them.
    pub fn write(measures: &Measures) {
        let text = std::fs::read_to_string(path()).unwrap();
        std::fs::write(path(), measures.iter().fold(text, |text, (name, measured)| set(&text, name, *measured)))
            .unwrap();
    }

    /// Those of a text: for each name a table with `why`, and `most`, or `warn` and `fail`.
    ///
    /// # Panics
    ///
    /// When it isn't such a text.
    pub fn parse(text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("limits.toml: {error}"));
        let limit = |(name, limit): (String, toml::Value)| {
            let number = |key: &str| limit.get(key).and_then(toml::Value::as_integer).map(|number| number as f64);
            let reason = limit.get("why").and_then(toml::Value::as_str);
            assert!(reason.is_some_and(|why| why.len() > 20), "limits.toml: `{name}` gives no reason");
            let limit = match (number("most"), number("warn"), number("fail")) {
                (Some(most), None, None) => Limit::AtMost(most),
                (None, Some(warn), Some(fail)) if fail < warn => Limit::AtLeast { warn, fail },
                _ => panic!("limits.toml: `{name}` expects `most`, or `warn` and a lower `fail`"),
            };
            (name, limit)
        };
        Self(table.into_iter().map(limit).collect())
    }

    /// What of `measures` goes beyond a limit, is without one, or is missing. `group` is how the names of those begin that are
    /// measured together.
    pub fn check(&self, group: &str, measures: &Measures) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, measured) in measures {
            match self.0.get(name) {
                Some(Limit::AtMost(most)) if measured > most => {
                    findings.push(Finding::Fail(format!("`{name}` is {measured}, at most {most} is allowed")));
                }
                Some(Limit::AtLeast { fail, .. }) if measured < fail => {
                    findings.push(Finding::Fail(format!("`{name}` is {measured:.1}, at least {fail} is expected")));
                }
                Some(Limit::AtLeast { warn, .. }) if measured < warn => {
                    findings.push(Finding::Warn(format!("`{name}` is {measured:.1}, {warn} is expected")));
                }
                Some(Limit::AtMost(_) | Limit::AtLeast { .. }) => {}
                None => findings.push(Finding::Fail(format!("`{name}` is {measured}, and has no limit"))),
            }
        }
        let missing = self.0.keys().filter(|name| name.starts_with(group) && !measures.contains_key(*name));
        findings.extend(missing.map(|name| Finding::Fail(format!("`{name}` wasn't measured"))));
        findings
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("limits.toml")
}

/// `text` with `most` of one limit changed, all else as it was.
fn set(text: &str, name: &str, most: f64) -> String {
    let head = format!("[\"{name}\"]\nmost = ");
    let (before, rest) = text.split_once(&head).unwrap_or_else(|| panic!("limits.toml has no limit `{name}`"));
    let (_, after) = rest.split_once('\n').unwrap();
    format!("{before}{head}{most:.0}\n{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::parse(
            "['fuel/a']\nmost = 100\nwhy = 'what it took on the day it was written, and a tenth'\n\
             ['ratio/b']\nwarn = 50\nfail = 10\nwhy = 'half of what it was on a quiet machine'\n",
        )
    }

    #[test]
    fn what_goes_beyond_a_limit_fails_and_a_low_ratio_warns_first() {
        let check = |group: &str, name: &str, measured: f64| {
            let found = limits().check(group, &Measures::from([(name.to_owned(), measured)]));
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(check("fuel/", "fuel/a", 100.0), [""; 0]);
        assert_eq!(check("fuel/", "fuel/a", 101.0), ["fails: `fuel/a` is 101, at most 100 is allowed"]);
        assert_eq!(check("ratio/", "ratio/b", 50.0), [""; 0]);
        assert_eq!(check("ratio/", "ratio/b", 49.0), ["look at: `ratio/b` is 49.0, 50 is expected"]);
        assert_eq!(check("ratio/", "ratio/b", 9.0), ["fails: `ratio/b` is 9.0, at least 10 is expected"]);
    }

    #[test]
    fn a_limit_is_set_without_its_reason() {
        let text = "[\"fuel/a\"]\nmost = 1\nwhy = 'why'\n[\"fuel/b\"]\nmost = 2\n";
        assert_eq!(set(text, "fuel/b", 7.0), text.replace("most = 2", "most = 7"));
    }

    #[test]
    fn a_measure_without_a_limit_and_a_limit_without_a_measure_fail() {
        let found = limits().check("fuel/", &Measures::from([("fuel/c".to_owned(), 1.0)]));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["fails: `fuel/c` is 1, and has no limit", "fails: `fuel/a` wasn't measured"]);
    }
}
