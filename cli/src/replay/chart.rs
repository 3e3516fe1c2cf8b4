//! Draws the incidents as SVG: for each a small panel with the customers taken in reality and those let out over time.
//!
//! Each panel has axes of its own, both linear: an incident of 8 archives and one of 9.7 million customers can't share
//! one. The picture holds no clock and no randomness, so the same outcome gives the same bytes.

use std::fmt::Write;

use super::outcome::{Incident, Point};
use crate::output::count;
use crate::svg::{Svg, number, ratio, shorten};

/// Pixels from one panel to the next.
const STEP: (f64, f64) = (312.0, 214.0);
/// Pixels of the plot within a panel.
const PLOT: (f64, f64) = (276.0, 108.0);
/// Where the plot begins within a panel, in pixels.
const PLOT_AT: (f64, f64) = (0.0, 52.0);
/// Panels beside each other.
const COLUMNS: usize = 4;
/// Pixels around all panels.
const MARGIN: f64 = 28.0;
/// Pixels for title and legend above the panels.
const HEAD: f64 = 84.0;
/// Points drawn of one curve; more can't be told apart in a panel.
const POINTS_MAX: usize = 240;
/// Characters of a panel's title that fit over the plot.
const NAME_CHARS_MAX: usize = 40;
/// Characters of the line below the title that fit over the plot.
const NOTE_CHARS_MAX: usize = 52;
/// Characters of what stopped an incident that fit under the plot, beside its length.
const STOP_CHARS_MAX: usize = 42;

/// The picture of `incidents`.
pub fn draw(incidents: &[Incident]) -> String {
    let rows = incidents.len().div_ceil(COLUMNS);
    let columns = COLUMNS.min(incidents.len().max(1));
    let width = 2.0f64.mul_add(MARGIN, number(columns) * STEP.0) - (STEP.0 - PLOT.0);
    let height = number(rows).mul_add(STEP.1, HEAD + MARGIN);
    let mut svg = Svg::new(width.max(620.0), height);
    svg.text(MARGIN, 36.0, "title", "start", "What was taken, and what the gate would have let out");
    legend(&mut svg, MARGIN, 62.0);
    for (place, incident) in incidents.iter().enumerate() {
        let x = number(place % COLUMNS).mul_add(STEP.0, MARGIN);
        let y = number(place / COLUMNS).mul_add(STEP.1, HEAD);
        panel(&mut svg, x, y, incident);
    }
    svg.finish()
}

fn legend(svg: &mut Svg, x: f64, y: f64) {
    svg.put(format_args!(
        r##"<rect x="{x:.1}" y="{:.1}" width="18" height="10" fill="#d8dee4" stroke="#8c959f"/>"##,
        y - 9.0
    ));
    svg.text(x + 25.0, y, "note", "start", "customers taken in reality");
    svg.put(format_args!(
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#b42318" stroke-width="2.5"/>"##,
        x + 185.0,
        y - 4.0,
        x + 203.0,
        y - 4.0
    ));
    svg.text(x + 210.0, y, "note", "start", "customers let out by the pack");
    svg.put(format_args!(
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#59636e" stroke-dasharray="3 3"/>"##,
        x + 395.0,
        y - 4.0,
        x + 413.0,
        y - 4.0
    ));
    svg.text(x + 420.0, y, "note", "start", "first denial");
}

fn panel(svg: &mut Svg, x: f64, y: f64, incident: &Incident) {
    let (left, top) = (x + PLOT_AT.0, y + PLOT_AT.1);
    let bottom = top + PLOT.1;
    let scale = Scale { left, bottom, days: incident.days.max(f64::MIN_POSITIVE), taken: incident.customers_taken };
    // A title reads "whom: what happened"; what happened makes room for the manner where there are several.
    let (whom, what) = incident.title.split_once(": ").unwrap_or((&incident.title, ""));
    let note = if incident.manner.is_empty() { what } else { &incident.manner };
    svg.text(x, y + 14.0, "name", "start", &shorten(&format!("{whom}, {}", incident.year), NAME_CHARS_MAX));
    svg.text(x, y + 29.0, "note", "start", &shorten(note, NOTE_CHARS_MAX));
    svg.put(format_args!(
        r##"<rect x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="#f6f8fa"/>"##,
        PLOT.0, PLOT.1
    ));
    let taken = scale.line(&incident.taken);
    svg.put(format_args!(
        r##"<polygon points="{left:.1},{bottom:.1} {taken} {:.1},{bottom:.1}" fill="#d8dee4"/><polyline points="{taken}" fill="none" stroke="#8c959f"/>"##,
        left + PLOT.0
    ));
    if let Some(stop) = &incident.stop {
        let at = scale.x(stop.day);
        svg.put(format_args!(
            r##"<line x1="{at:.1}" y1="{top:.1}" x2="{at:.1}" y2="{bottom:.1}" stroke="#59636e" stroke-dasharray="3 3"/>"##
        ));
    }
    svg.put(format_args!(
        r##"<polyline points="{}" fill="none" stroke="#b42318" stroke-width="2.5"/>"##,
        scale.line(&incident.let_out)
    ));
    svg.text(x, top - 8.0, "note", "start", &format!("{} taken", count(incident.customers_taken)));
    let out = format!("{} let out", count(incident.customers_let_out));
    svg.text(left + PLOT.0, top - 8.0, "out", "end", &out);
    svg.text(left, bottom + 15.0, "note", "start", &shorten(&incident.stopped_text(), STOP_CHARS_MAX));
    svg.text(left + PLOT.0, bottom + 15.0, "note", "end", &span(incident.days));
}

/// From days and customers to pixels.
struct Scale {
    left: f64,
    bottom: f64,
    days: f64,
    taken: u64,
}

impl Scale {
    fn x(&self, day: f64) -> f64 {
        (day / self.days).clamp(0.0, 1.0).mul_add(PLOT.0, self.left)
    }

    fn y(&self, customers: u64) -> f64 {
        let share = ratio(customers, self.taken).min(1.0);
        share.mul_add(-PLOT.1, self.bottom)
    }

    /// A stepped curve: the count holds until it changes, and then to the end.
    fn line(&self, points: &[Point]) -> String {
        let mut line = format!("{:.1},{:.1}", self.left, self.bottom);
        let mut last = 0;
        let stride = points.len().div_ceil(POINTS_MAX).max(1);
        for (place, point) in points.iter().enumerate() {
            if place % stride == 0 || place.saturating_add(1) == points.len() {
                let x = self.x(point.day);
                let _ = write!(line, " {x:.1},{:.1} {x:.1},{:.1}", self.y(last), self.y(point.customers));
                last = point.customers;
            }
        }
        let _ = write!(line, " {:.1},{:.1}", self.left + PLOT.0, self.y(last));
        line
    }
}

fn span(days: f64) -> String {
    if days <= 1.0 { format!("{:.0} h", (days * 24.0).max(1.0)) } else { format!("{days:.0} days") }
}
