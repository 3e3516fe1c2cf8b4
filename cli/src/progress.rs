//! Progress bars on standard error: none when it isn't a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` steps of `what`.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    match ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
