//! The elements that pictures are put together from. A picture holds no clock and no randomness, so that the same figures give the
//! same bytes.

use std::fmt::{Arguments, Write};

/// A picture that is being drawn.
#[derive(Default)]
pub struct Svg {
    text: String,
}

impl Svg {
    /// A white picture of so many pixels.
    pub fn new(width: f64, height: f64) -> Self {
        let mut svg = Self::default();
        svg.put(format_args!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="Helvetica, Arial, sans-serif">
<style>
.title {{ font-size: 20px; font-weight: bold; fill: #1f2328 }}
.name {{ font-size: 13px; font-weight: bold; fill: #1f2328 }}
.note {{ font-size: 11px; fill: #59636e }}
.out {{ font-size: 11px; font-weight: bold; fill: #b42318 }}
</style>
<rect width="100%" height="100%" fill="#ffffff"/>"##
        ));
        svg
    }

    /// Adds an element.
    pub fn put(&mut self, element: Arguments<'_>) {
        // NB: writing to a string can't fail.
        let _ = self.text.write_fmt(element);
        self.text.push('\n');
    }

    /// Adds a text of one of the classes `title`, `name`, `note` and `out`.
    pub fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(r#"<text x="{x:.1}" y="{y:.1}" class="{class}" text-anchor="{anchor}">{text}</text>"#));
    }

    /// Adds a filled rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        self.put(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"/>"#
        ));
    }

    /// The picture.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

/// The text, cut to so many characters.
pub fn shorten(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// The text as it may stand in a picture: names come from outside.
fn escape(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>();
    shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A count as a measure of pixels.
#[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
pub fn number(count: usize) -> f64 {
    count as f64
}

/// The share that `part` is of `whole`.
#[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_texts() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text(0.0, 0.0, "note", "start", "<script>\"a\" & b</script>\u{1b}");
        let svg = svg.finish();
        assert!(svg.contains("&lt;script&gt;&quot;a&quot; &amp; b&lt;/script&gt;\u{fffd}<"), "{svg}");
        assert_eq!(shorten("abcdef", 4), "abc…");
    }
}
