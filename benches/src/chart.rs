//! Draws curves as SVG, both axes logarithmic. No clock and no randomness: the same points give the same bytes.

use std::fmt::Write as _;

/// Pixels of the plot.
const PLOT: (f64, f64) = (560.0, 320.0);
/// Where it begins.
const AT: (f64, f64) = (84.0, 84.0);
/// Pixels to its right, for names of curves.
const RIGHT: f64 = 330.0;
/// Pixels below it, for the axis.
const BELOW: f64 = 58.0;
/// Pixels between the names of two curves at least.
const NAME_STEP: f64 = 15.0;

/// A curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Whether it is ours, and drawn so that it is seen first.
    pub ours: bool,
    /// Its points, from left to right; both coordinates are above zero.
    pub points: Vec<(f64, f64)>,
}

/// A picture of curves.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// How it was measured.
    pub note: String,
    /// What grows to the right.
    pub x: String,
    /// How a value of the other axis is written.
    pub y: fn(f64) -> String,
    /// The curves.
    pub curves: Vec<Curve>,
}

const OURS: [&str; 3] = ["#b42318", "#e0692d", "#c9952b"];
const OTHERS: [&str; 6] = ["#1f4e79", "#4b7f52", "#6e5494", "#59636e", "#2a8c8c", "#8c959f"];

impl Chart {
    /// The picture.
    ///
    /// # Panics
    ///
    /// When no curve has a point.
    pub fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let x = Axis::new(points().map(|point| point.0), AT.0, PLOT.0);
        let y = Axis::new(points().map(|point| point.1), AT.1 + PLOT.1, -PLOT.1);
        let (width, height) = (AT.0 + PLOT.0 + RIGHT, AT.1 + PLOT.1 + BELOW);
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="Helvetica, Arial, sans-serif">
<style>
.title {{ font-size: 18px; font-weight: bold; fill: #1f2328 }}
.note {{ font-size: 12px; fill: #59636e }}
.name {{ font-size: 12px; font-weight: bold }}
</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<rect x="{:.0}" y="{:.0}" width="{:.0}" height="{:.0}" fill="#f6f8fa"/>
"##,
            AT.0, AT.1, PLOT.0, PLOT.1
        );
        text(&mut svg, (24.0, 34.0), "title", "start", "", &self.title);
        text(&mut svg, (24.0, 56.0), "note", "start", "", &self.note);
        for power in x.powers() {
            let at = x.place(10_f64.powi(power));
            line(&mut svg, (at, AT.1), (at, AT.1 + PLOT.1));
            text(&mut svg, (at, AT.1 + PLOT.1 + 18.0), "note", "middle", "", &grouped(10_f64.powi(power)));
        }
        for power in y.powers() {
            let at = y.place(10_f64.powi(power));
            line(&mut svg, (AT.0, at), (AT.0 + PLOT.0, at));
            text(&mut svg, (AT.0 - 8.0, at + 4.0), "note", "end", "", &(self.y)(10_f64.powi(power)));
        }
        text(&mut svg, (AT.0 + PLOT.0 / 2.0, height - 16.0), "note", "middle", "", &self.x);
        self.put_curves(&mut svg, &x, &y);
        svg.push_str("</svg>\n");
        svg
    }

    fn put_curves(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let (mut ours, mut others) = (OURS.iter().cycle(), OTHERS.iter().cycle());
        let mut names: Vec<(f64, &str, &str, f64)> = Vec::new();
        for curve in &self.curves {
            let color = if curve.ours { ours.next() } else { others.next() }.copied().unwrap_or("#000000");
            let stroke = if curve.ours { 3.0 } else { 1.8 };
            let points: Vec<(f64, f64)> =
                curve.points.iter().map(|point| (x.place(point.0), y.place(point.1))).collect();
            let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(
                svg,
                r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="{stroke}" stroke-linejoin="round"/>"#,
                list.join(" ")
            );
            for (x, y) in &points {
                let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{stroke:.1}" fill="{color}"/>"#);
            }
            if let Some((x, y)) = points.last() {
                names.push((*y, &curve.name, color, *x));
            }
        }
        // From top to bottom; one that would lie on the one above it moves down, with a thread to its curve. All end above
        // the numbers of the axis below.
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let left = AT.0 + PLOT.0 + 14.0;
        let (mut free, bottom) = (f64::MIN, AT.1 + PLOT.1);
        let mut below = names.len();
        for (y, name, color, x) in names {
            below -= 1;
            let at = y.min(bottom - NAME_STEP * below as f64).max(free);
            free = at + NAME_STEP;
            let _ = writeln!(
                svg,
                r#"<line x1="{:.1}" y1="{y:.1}" x2="{:.1}" y2="{at:.1}" stroke="{color}" stroke-width="0.7" stroke-dasharray="2 2"/>"#,
                x + 4.0,
                left - 3.0
            );
            text(svg, (left, at + 4.0), "name", "start", color, name);
        }
    }
}

/// A logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
    start: f64,
    length: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, start: f64, length: f64) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        assert!(low > 0.0 && high.is_finite(), "a logarithmic axis from {low} to {high}");
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        Self { low, high: high.max(low + 1.0), start, length }
    }

    fn place(&self, value: f64) -> f64 {
        self.start + self.length * (value.log10() - self.low) / (self.high - self.low)
    }

    #[expect(clippy::cast_possible_truncation, reason = "powers of ten of times and counts")]
    fn powers(&self) -> std::ops::RangeInclusive<i32> {
        self.low as i32..=self.high as i32
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    // Writing to a string can't fail.
    let _ = writeln!(
        svg,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#d8dee4"/>"##,
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), class: &str, anchor: &str, color: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let fill = if color.is_empty() { String::new() } else { format!(r#" fill="{color}""#) };
    let _ = writeln!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" class="{class}" text-anchor="{anchor}"{fill}>{text}</text>"#,
        at.0, at.1
    );
}

/// A duration of so many nanoseconds.
pub fn duration(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", grouped(value))
}

/// A count, its thousands set apart.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_lie_on_logarithmic_axes() {
        let axis = Axis::new([1.0, 1_000.0].into_iter(), 100.0, 300.0);
        assert_eq!([1.0, 10.0, 1_000.0].map(|value| axis.place(value)), [100.0, 200.0, 400.0]);
        assert_eq!([250.0, 12_000.0, 3e6, 2e9].map(duration), ["250 ns", "12 µs", "3 ms", "2 s"]);
        assert_eq!(grouped(1_000_000.0), "1,000,000");
    }
}
