//! Draws a timeline of takings as SVG: for each agent a panel with the customers taken a day, those that leaked in red.
//!
//! All panels share their days; each has a height of its own, which it says. Where there are more days than bars fit, a bar is
//! several days.

use std::collections::BTreeMap;

use exportgate::audit_log::{Day, Line, Timeline};
use exportgate::job_file::print_datetime;

use crate::output::count;
use crate::svg::{Svg, number, ratio, shorten};

/// Pixels of the plot of a panel.
const PLOT: (f64, f64) = (860.0, 72.0);
/// Pixels from one panel to the next.
const STEP: f64 = 122.0;
/// Pixels around all panels.
const MARGIN: f64 = 28.0;
/// Pixels for title and legend above the panels.
const HEAD: f64 = 82.0;
/// Pixels for the days below the panels.
const FOOT: f64 = 34.0;
/// Bars of a panel: three pixels and more each.
const BARS_MAX: i64 = 280;
/// Days that are named below the panels, at most.
const TICKS_MAX: i64 = 7;
/// Pixels that a bar is high at least, so that one customer among thousands is seen.
const BAR_HEIGHT_MIN: f64 = 2.0;
/// Characters of an agent's name that fit over the plot.
const NAME_CHARS_MAX: usize = 60;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What the bars are called: those that leaked, or nobody where no leak is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// No customer is marked.
    None,
    /// Leaked customers are.
    Leaked,
}

/// The picture of a timeline with a title.
pub fn draw(title: &str, timeline: &Timeline, marks: Marks) -> String {
    let others = ("everybody else".to_owned(), timeline.others.clone());
    let lines: Vec<&(String, Line)> =
        timeline.agents.iter().chain([&others]).filter(|(_, line)| !line.days.is_empty()).collect();
    let height = number(lines.len().max(1)).mul_add(STEP, HEAD + FOOT);
    let mut svg = Svg::new(2.0f64.mul_add(MARGIN, PLOT.0), height);
    svg.text(MARGIN, 36.0, "title", "start", title);
    let Some(span) = Span::of(lines.iter().map(|(_, line)| line)) else {
        svg.text(MARGIN, HEAD, "note", "start", "nobody took anything");
        return svg.finish();
    };
    legend(&mut svg, &span, marks);
    for (place, (agent, line)) in lines.iter().enumerate() {
        panel(&mut svg, number(place).mul_add(STEP, HEAD), &span, agent, line, marks);
    }
    axis(&mut svg, number(lines.len()).mul_add(STEP, HEAD), &span);
    svg.finish()
}

/// From days to bars.
struct Span {
    first: i64,
    last: i64,
    /// How many days a bar is.
    days: i64,
}

impl Span {
    fn of<'a>(lines: impl Iterator<Item = &'a Line> + Clone) -> Option<Self> {
        let days = lines.flat_map(|line| line.days.keys().copied());
        let (first, last) = (days.clone().min()?, days.max()?);
        let length = last.saturating_sub(first).saturating_add(1);
        let days = length.saturating_sub(1) / BARS_MAX + 1;
        Some(Self { first, last, days })
    }

    fn bars(&self) -> i64 {
        self.last.saturating_sub(self.first) / self.days + 1
    }

    fn bar(&self, day: i64) -> i64 {
        day.saturating_sub(self.first) / self.days
    }

    fn x(&self, bar: i64) -> f64 {
        let (bar, bars) = (u64::try_from(bar).unwrap_or(0), u64::try_from(self.bars()).unwrap_or(1));
        ratio(bar, bars).mul_add(PLOT.0, MARGIN)
    }
}

fn legend(svg: &mut Svg, span: &Span, marks: Marks) {
    let each = match span.days {
        1 => "a day".to_owned(),
        days => format!("in {days} days"),
    };
    let y = 62.0;
    svg.rect((MARGIN, y - 9.0), (18.0, 10.0), TAKEN);
    svg.text(MARGIN + 25.0, y, "note", "start", &format!("customers taken {each}, those of two jobs twice"));
    if marks == Marks::Leaked {
        svg.rect((MARGIN + 330.0, y - 9.0), (18.0, 10.0), LEAKED);
        svg.text(MARGIN + 355.0, y, "note", "start", "of them leaked (▾ marks where)");
    }
}

const TAKEN: &str = "#afb8c1";
const LEAKED: &str = "#b42318";

fn panel(svg: &mut Svg, y: f64, span: &Span, agent: &str, line: &Line, marks: Marks) {
    let (top, bottom) = (y + 22.0, y + 22.0 + PLOT.1);
    let mut bars: BTreeMap<i64, Day> = BTreeMap::new();
    for (day, took) in &line.days {
        let bar = bars.entry(span.bar(*day)).or_default();
        bar.taken = bar.taken.saturating_add(took.taken);
        bar.leaked = bar.leaked.saturating_add(took.leaked);
    }
    let most = bars.values().map(|bar| bar.taken).max().unwrap_or(0);
    let total = line.total();
    svg.text(MARGIN, y + 13.0, "name", "start", &shorten(agent, NAME_CHARS_MAX));
    let taken = format!("{} taken, at most {} a bar", count(total.taken), count(most));
    if marks == Marks::Leaked && total.leaked > 0 {
        svg.text(MARGIN + PLOT.0, y + 13.0, "out", "end", &format!("{} leaked, of {taken}", count(total.leaked)));
    } else {
        svg.text(MARGIN + PLOT.0, y + 13.0, "note", "end", &taken);
    }
    svg.rect((MARGIN, top), PLOT, "#f6f8fa");
    let height = |customers: u64| (ratio(customers, most) * PLOT.1).max(BAR_HEIGHT_MIN);
    for (bar, took) in &bars {
        let (left, right) = (span.x(*bar), span.x(bar.saturating_add(1)));
        // A gap where there is room for one.
        let width = (right - left - if right - left > 4.0 { 1.0 } else { 0.0 }).min(24.0);
        let taken = height(took.taken);
        svg.rect((left, bottom - taken), (width, taken), TAKEN);
        if took.leaked > 0 {
            let leaked = height(took.leaked);
            svg.rect((left, bottom - leaked), (width, leaked), LEAKED);
            let middle = left + width / 2.0;
            svg.put(format_args!(
                r#"<polygon points="{:.1},{:.1} {:.1},{:.1} {middle:.1},{top:.1}" fill="{LEAKED}"/>"#,
                middle - 3.0,
                top - 5.0,
                middle + 3.0,
                top - 5.0
            ));
        }
    }
    svg.rect((MARGIN, bottom), (PLOT.0, 1.0), "#8c959f");
}

/// The days, below the last panel.
fn axis(svg: &mut Svg, y: f64, span: &Span) {
    let bars = span.bars();
    let step = bars.saturating_sub(1) / TICKS_MAX + 1;
    for bar in (0..bars).filter(|bar| bar % step == 0) {
        let day = span.first.saturating_add(bar.saturating_mul(span.days));
        let time = print_datetime(day.saturating_mul(DAY_MS));
        svg.rect((span.x(bar), y - 28.0), (1.0, 5.0), "#8c959f");
        svg.text(span.x(bar), y - 11.0, "note", "start", time.split('T').next().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(days: impl Iterator<Item = (i64, u64, u64)>) -> Timeline {
        let days = days.map(|(day, taken, leaked)| (day, Day { taken, leaked })).collect();
        Timeline { agents: vec![("ana <1>".to_owned(), Line { days })], others: Line::default() }
    }

    #[test]
    fn bars_stand_by_day_and_leaked_customers_are_marked() {
        let svg = draw("t", &timeline([(20_000, 10, 0), (20_002, 5, 1)].into_iter()), Marks::Leaked);
        assert_eq!(svg.matches(&format!("fill=\"{TAKEN}\"")).count(), 3, "the legend, and two bars");
        assert_eq!(svg.matches("<polygon").count(), 1);
        assert!(svg.contains("ana &lt;1&gt;") && svg.contains("1 leaked, of 15 taken, at most 10 a bar"), "{svg}");
        assert!(svg.contains("2024-10-04") && svg.contains("2024-10-06") && svg.contains("taken a day"), "{svg}");
        assert!(!svg.contains("everybody else"));
    }

    #[test]
    fn many_days_share_a_bar() {
        let svg = draw("t", &timeline((0..1_000).map(|day| (day, 1, 0))), Marks::None);
        assert!(svg.contains("taken in 4 days"), "{svg}");
        assert!(svg.matches(&format!("fill=\"{TAKEN}\"")).count() <= 281);
        assert!(draw("t", &Timeline::default(), Marks::None).contains("nobody took anything"));
        let far = draw("t", &timeline([(i64::MIN / DAY_MS, 1, 0), (i64::MAX / DAY_MS, 1, 0)].into_iter()), Marks::None);
        assert!(far.contains("</svg>"));
    }
}
