//! How a command fails: what it says on standard error, and the exit code it leaves with.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes, the same for every command. `EXIT_CODES` in `args` tells them to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was done; for `evaluate` and `ask`, the job is allowed; for `release`, it left.
    Done,
    /// `evaluate`, `ask`, `release`: the job is denied. `use`, `release`: it may not leave. `approvals`: this person may not answer.
    Deny,
    /// `evaluate`, `ask`, `release`: the job would be allowed if somebody did more.
    Challenge,
    /// What was given can't be used: arguments, files, policies, modules, jobs.
    Input,
    /// What was found isn't what was expected: a test case, a conformance request.
    Differs,
    /// A result couldn't be written, or the ledger's store is down.
    Output,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Deny => 1,
            Exit::Challenge => 2,
            Exit::Input => 3,
            Exit::Differs => 4,
            Exit::Output => 5,
        })
    }
}

/// Why a command couldn't do its work.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
    report: Option<String>,
}

impl Failure {
    /// Something given can't be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self { exit: Exit::Input, message: message.into(), help: None, report: None }
    }

    /// The file at `path` can't be used, because of `reason`.
    pub fn file(path: &Path, reason: impl Display) -> Self {
        Self::input(format!("can't use `{}`: {reason}", path.display()))
    }

    /// What was found isn't what was expected.
    pub fn differs(message: impl Into<String>) -> Self {
        Self { exit: Exit::Differs, ..Self::input(message) }
    }

    /// It was refused, by a policy or by the gate.
    pub fn denied(message: impl Into<String>) -> Self {
        Self { exit: Exit::Deny, ..Self::input(message) }
    }

    /// A result couldn't be written.
    pub fn output(message: impl Into<String>) -> Self {
        Self { exit: Exit::Output, ..Self::input(message) }
    }

    /// Adds what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a longer text, such as diagnostics with source excerpts, that is printed above the message as it is.
    pub fn report(mut self, report: impl Into<String>) -> Self {
        self.report = Some(report.into());
        self
    }

    /// What is wrong, without the help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says it on standard error, and gives the exit code.
    pub fn print(&self) -> Exit {
        if let Some(report) = &self.report {
            eprintln!("{}\n", report.trim_end());
        }
        eprintln!("{} {}", console::style("error:").for_stderr().red().bold(), visible(&self.message));
        if let Some(help) = &self.help {
            eprintln!("{} {}", console::style("help:").for_stderr().cyan(), visible(help));
        }
        self.exit
    }
}

/// The text on one line with control characters escaped: names and messages from outside can't drive the terminal.
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut visible, c| {
        if is_hidden(c) {
            visible.extend(c.escape_default())
        } else {
            visible.push(c)
        }
        visible
    })
}

/// Control characters, and those that reorder or hide the text around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        assert_eq!(visible("a\u{1b}[31m\nb\u{202e}é"), "a\\u{1b}[31m\\nb\\u{202e}é");
    }
}
