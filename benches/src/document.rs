//! Puts what was measured into the documents, between the marks that stand there for it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::native::instant;
use crate::table::{self, Row};

/// The documents that carry the table.
const WITH_TABLE: [&str; 2] = ["README.md", "docs/performance.md"];

/// The document that carries the stages.
const WITH_STAGES: &str = "docs/performance.md";

/// Writes the table, with machine and date, and the stages, where they were measured.
///
/// # Errors
///
/// When a document can't be read or written.
///
/// # Panics
///
/// When a document lacks its marks.
pub fn write(checkout: &Path, rows: &[Row], stages: Option<&str>) -> std::io::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let date: String = instant(i64::try_from(since).unwrap()).chars().take(10).collect();
    let measured = format!("{}\nMeasured on {}, {date}.\n", table::markdown(rows), machine());
    for name in WITH_TABLE {
        replace(&checkout.join(name), "table", &measured)?;
    }
    stages.map_or(Ok(()), |stages| replace(&checkout.join(WITH_STAGES), "stages", stages))
}

fn replace(path: &Path, mark: &str, with: &str) -> std::io::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let replaced = replaced(&text, mark, with);
    std::fs::write(path, replaced.unwrap_or_else(|| panic!("`{}` lacks the marks of `{mark}`", path.display())))
}

/// `text` with what stands between the marks replaced.
fn replaced(text: &str, mark: &str, with: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{with}{end}{after}"))
}

/// What this machine is: its processor and how many threads it runs at a time.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    format!("{}, {} threads", name.unwrap_or("an unknown processor"), crate::load::threads_max())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "a\n<!-- table -->\nold\n<!-- end of table -->\nb\n";
        let expected = "a\n<!-- table -->\nnew\n<!-- end of table -->\nb\n";
        assert_eq!(replaced(text, "table", "new\n").as_deref(), Some(expected));
        assert_eq!(replaced("a", "table", "new"), None);
    }
}
