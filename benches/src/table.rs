//! The speed table: rows with target, measured value, ratio to each peer, and whether the target is met.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value as Json, json};

use crate::compare::{CEDAR, CEDAR_PER_CALL};

/// Columns of a terminal that the table fits into.
const WIDTH: u16 = 100;

/// What a row is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At most so much, in the row's unit.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// So many times faster than this peer, at least.
    Times(&'static str, f64),
}

/// The unit of a measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Kibibytes.
    Kibibytes,
    /// How many times.
    Times,
    /// Percent.
    Percent,
}

impl Unit {
    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Kibibytes => "KiB",
            Self::Times => "x",
            Self::Percent => "%",
        }
    }

    /// So many nanoseconds in this unit.
    ///
    /// # Panics
    ///
    /// When it isn't one of time.
    pub fn of_nanoseconds(self, nanoseconds: f64) -> f64 {
        match self {
            Self::Nanoseconds => nanoseconds,
            Self::Microseconds => nanoseconds / 1e3,
            Self::Milliseconds => nanoseconds / 1e6,
            Self::Kibibytes | Self::Times | Self::Percent => panic!("{self:?} isn't a unit of time"),
        }
    }
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// What it is to reach; nothing for a row that only tells.
    pub targets: Vec<Target>,
    /// What it reached.
    pub measured: f64,
    /// In which unit.
    pub unit: Unit,
    /// How many times as long each peer took.
    pub ratios: BTreeMap<&'static str, f64>,
}

impl Row {
    /// A row of one engine's time among all that a contest measured, in nanoseconds.
    ///
    /// # Panics
    ///
    /// When the engine isn't among them.
    pub fn of_times(
        name: impl Into<String>,
        targets: Vec<Target>,
        unit: Unit,
        engine: &str,
        times: &BTreeMap<&'static str, f64>,
    ) -> Self {
        let ours = times[engine];
        let peers = times.iter().filter(|(peer, _)| **peer != engine);
        Self {
            name: name.into(),
            targets,
            measured: unit.of_nanoseconds(ours),
            unit,
            ratios: peers.map(|(peer, time)| (*peer, time / ours)).collect(),
        }
    }

    /// Whether every target is met; nothing when there is none.
    pub fn met(&self) -> Option<bool> {
        let meets = |target: &Target| match target {
            Target::AtMost(most) => self.measured <= *most,
            Target::AtLeast(least) => self.measured >= *least,
            Target::Times(peer, times) => self.ratios.get(peer).is_some_and(|ratio| ratio >= times),
        };
        (!self.targets.is_empty()).then(|| self.targets.iter().all(meets))
    }

    fn target(&self) -> String {
        let sign = self.unit.sign();
        let one = |target: &Target| match target {
            Target::AtMost(most) => format!("<= {} {sign}", figure(*most)),
            Target::AtLeast(least) => format!(">= {} {sign}", figure(*least)),
            Target::Times(peer, times) => format!(">= {}x {}", figure(*times), short(peer)),
        };
        self.targets.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn measured(&self) -> String {
        format!("{} {}", figure(self.measured), self.unit.sign())
    }

    fn ratios(&self) -> String {
        let one = |(peer, ratio): (&&str, &f64)| format!("{} {}x", short(peer), figure(*ratio));
        self.ratios.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn met_word(&self) -> &'static str {
        match self.met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        }
    }

    fn cells(&self) -> [String; 5] {
        [self.name.clone(), self.target(), self.measured(), self.ratios(), self.met_word().to_owned()]
    }
}

const HEADER: [&str; 5] = ["row", "target", "measured", "times as long", "met"];

/// The rows as text for a terminal.
pub fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH).set_header(HEADER);
    for row in rows {
        table.add_row(row.cells());
    }
    table.to_string()
}

/// The rows as a table of a Markdown document.
pub fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEADER.map(str::to_owned));
    text.push_str("|---|---|---|---|---|\n");
    rows.iter().for_each(|row| text.push_str(&line(&row.cells())));
    text
}

/// The rows as JSON.
pub fn json(rows: &[Row]) -> Json {
    let row = |row: &Row| {
        json!({
            "row": row.name,
            "target": row.target(),
            "measured": row.measured,
            "unit": row.unit.sign(),
            "ratios": row.ratios,
            "met": row.met(),
        })
    };
    rows.iter().map(row).collect()
}

/// A name for narrow columns.
fn short(engine: &str) -> &str {
    match engine {
        CEDAR => "cedar",
        CEDAR_PER_CALL => "cedar per call",
        other => other.strip_prefix("cedar-policy-").or(other.strip_prefix("exportgate-")).unwrap_or(other),
    }
}

/// A number to three figures, or all of them from a hundred on.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 || size.fract() == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.0995 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(targets: Vec<Target>) -> Row {
        let times = BTreeMap::from([("exportgate-warm", 200.0), (CEDAR, 12_000.0)]);
        Row::of_times("a question", targets, Unit::Nanoseconds, "exportgate-warm", &times)
    }

    #[test]
    fn a_row_is_met_when_all_its_targets_are() {
        assert_eq!(row(vec![Target::AtMost(200.0), Target::Times(CEDAR, 60.0)]).met(), Some(true));
        assert_eq!(row(vec![Target::AtMost(199.0), Target::Times(CEDAR, 60.0)]).met(), Some(false));
        assert_eq!(row(vec![Target::AtMost(200.0), Target::Times(CEDAR, 61.0)]).met(), Some(false));
        assert_eq!(row(vec![Target::Times("an engine that wasn't measured", 1.0)]).met(), Some(false));
        assert_eq!(row(Vec::new()).met(), None);
    }

    #[test]
    fn tables_show_what_was_measured() {
        let rows = [row(vec![Target::AtMost(150.0), Target::Times(CEDAR, 50.0)])];
        assert_eq!(
            markdown(&rows).lines().last().unwrap(),
            "| a question | <= 150 ns, >= 50x cedar | 200 ns | cedar 60x | NO |"
        );
        let expected = serde_json::json!([{"row": "a question", "target": "<= 150 ns, >= 50x cedar", "measured": 200.0,
            "unit": "ns", "ratios": {"cedar-policy": 60.0}, "met": false}]);
        assert_eq!(json(&rows), expected);
        assert!(text(&rows).lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{}", text(&rows));
    }

    #[test]
    fn numbers_have_three_figures() {
        let shown: Vec<String> = [0.0, 0.00456, 1.0, 1.234, 12.34, 99.96, 123.4, 1_234_567.0].map(figure).into();
        assert_eq!(shown, ["0", "0.0046", "1", "1.23", "12.3", "100", "123", "1,234,567"]);
    }
}
