//! Bounds the text of policies and schemas before Cedar's parser, which recurses without a check, sees it.

use crate::error::{CompileError, CompileErrorKind};
use crate::pack::FILE_BYTES_MAX;
use crate::source::SourceFile;

/// Nesting of brackets and `if` in one policy or schema: Cedar's parser recurses once for each. Twice what anybody was
/// seen to write by hand, and a tenth of what [`crate::frontend::STACK_BYTES`] holds.
pub(crate) const NESTING_MAX: usize = 256;

/// Bytes of one policy, 256 KiB: Cedar nests `a && b && c` as deep as it is long.
pub(crate) const POLICY_BYTES_MAX: usize = 256 << 10;

/// Nesting of arrays and objects in one JSON text: what its reader takes, which recurses once for each.
pub(crate) const JSON_NESTING_MAX: usize = 127;

/// What a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Policies.
    Policies,
    /// A schema.
    Schema,
}

/// Checks the nesting of `file` and the length of each of its statements.
///
/// Brackets within strings and comments don't count. A text that isn't well-formed is left to Cedar's parser.
pub(crate) fn check_text(file: &SourceFile, text: Text) -> Result<(), CompileError> {
    let (is_schema, statement_bytes_max) = match text {
        Text::Policies => (false, POLICY_BYTES_MAX),
        Text::Schema => (true, FILE_BYTES_MAX),
    };
    let mut scanner = Scanner { file, statement_bytes_max, ifs: Vec::new(), open_ifs: 0, statement: 0 };
    let mut rest = file.text().char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => {
                while let Some((_, c)) = rest.next() {
                    match c {
                        '\\' => {
                            rest.next();
                        }
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if rest.peek().is_some_and(|(_, next)| *next == '/') => {
                while rest.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            '(' | '[' | '{' => scanner.open(at)?,
            // In a schema only `Set<` uses these; in a policy they are operators, and don't nest.
            '<' if is_schema => scanner.open(at)?,
            '>' if is_schema => scanner.close(),
            ')' | ']' | '}' => scanner.close(),
            ';' if scanner.ifs.is_empty() => scanner.end(at),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut end = at.saturating_add(1);
                while let Some((next, _)) = rest.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_') {
                    end = next.saturating_add(1);
                }
                if file.text().get(at..end) == Some("if") {
                    scanner.open_if(at)?;
                }
            }
            _ => {}
        }
        scanner.check_length(at)?;
    }
    Ok(())
}

/// Checks the nesting of a JSON text, which a file holds.
pub(crate) fn check_json(file: &SourceFile) -> Result<(), CompileError> {
    check_json_text(file.text()).map_err(|(at, message)| {
        CompileError::new(CompileErrorKind::Limit, message).with_place(file, at, at.saturating_add(1))
    })
}

/// Checks the nesting of a JSON text: else where it is too deep, and the message. Brackets within strings don't count.
pub(crate) fn check_json_text(text: &str) -> Result<(), (usize, String)> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth = depth.saturating_add(1);
                if depth > JSON_NESTING_MAX {
                    let message = format!("JSON nests deeper than the limit `JSON_NESTING_MAX` of {JSON_NESTING_MAX}");
                    return Err((at, message));
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

struct Scanner<'a> {
    file: &'a SourceFile,
    statement_bytes_max: usize,
    /// For each open bracket, how many `if` were open outside of it.
    ifs: Vec<usize>,
    open_ifs: usize,
    statement: usize,
}

impl Scanner<'_> {
    fn open(&mut self, at: usize) -> Result<(), CompileError> {
        self.ifs.push(self.open_ifs);
        self.check_nesting(at)
    }

    fn open_if(&mut self, at: usize) -> Result<(), CompileError> {
        self.open_ifs = self.open_ifs.saturating_add(1);
        self.check_nesting(at)
    }

    fn close(&mut self) {
        self.open_ifs = self.ifs.pop().unwrap_or(0);
    }

    fn end(&mut self, at: usize) {
        self.statement = at.saturating_add(1);
        self.open_ifs = 0;
    }

    fn check_nesting(&self, at: usize) -> Result<(), CompileError> {
        if self.ifs.len().saturating_add(self.open_ifs) <= NESTING_MAX {
            return Ok(());
        }
        let message = format!("brackets and `if` nest deeper than the limit `NESTING_MAX` of {NESTING_MAX}");
        Err(CompileError::new(CompileErrorKind::Limit, message)
            .with_place(self.file, at, at.saturating_add(1))
            .with_help("split the policy into several"))
    }

    fn check_length(&self, at: usize) -> Result<(), CompileError> {
        if at.saturating_sub(self.statement) <= self.statement_bytes_max {
            return Ok(());
        }
        let max = self.statement_bytes_max;
        let message = format!("a policy is longer than the limit `POLICY_BYTES_MAX` of {max} bytes");
        let start = self.statement;
        Err(CompileError::new(CompileErrorKind::Limit, message)
            .with_place(self.file, start, start.saturating_add(1))
            .with_help("split the policy into several"))
    }
}
