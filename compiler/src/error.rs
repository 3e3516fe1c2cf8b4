//! Why a pack doesn't compile: all reasons together.

use std::fmt;

use crate::diagnostic::{Diagnostic, RENDER_WIDTH, Severity};
use crate::source::{SourceFile, Span};

/// How many errors `Display` and `render` show; the rest is counted.
pub const ERRORS_SHOWN_MAX: usize = 5;

/// What kind of fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CompileErrorKind {
    /// The pack itself: a missing file, a fault in `pack.toml`, text that isn't UTF-8.
    Pack,
    /// A policy or a schema isn't Cedar.
    Parse,
    /// The schema contradicts itself.
    Schema,
    /// A policy doesn't pass Cedar's strict validation.
    Validation,
    /// Two policies have one id, or an id can't be one.
    PolicyId,
    /// The schema lacks what an export needs, or says it otherwise.
    Vocabulary,
    /// An annotation that the gate doesn't know, or with a value that it can't have.
    Annotation,
    /// A fault in the field catalogue.
    Catalogue,
    /// Cedar that exportgate refuses, though Cedar accepts it.
    Unsupported,
    /// A named limit is exceeded.
    Limit,
    /// A fault of the compiler itself.
    Internal,
}

/// One reason why a pack doesn't compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    kind: CompileErrorKind,
    /// Boxed, since every result carries it and most results are good.
    diagnostic: Box<Diagnostic>,
}

impl CompileError {
    pub(crate) fn new(kind: CompileErrorKind, message: impl Into<String>) -> Self {
        Self::from_diagnostic(kind, Diagnostic::new(Severity::Error, message))
    }

    pub(crate) fn from_diagnostic(kind: CompileErrorKind, diagnostic: Diagnostic) -> Self {
        Self { kind, diagnostic: Box::new(diagnostic) }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        *self.diagnostic = self.diagnostic.with_help(help);
        self
    }

    pub(crate) fn with_policy(mut self, policy_id: impl Into<String>) -> Self {
        *self.diagnostic = self.diagnostic.with_policy(policy_id);
        self
    }

    pub(crate) fn with_place(mut self, file: &SourceFile, start: usize, end: usize) -> Self {
        *self.diagnostic = self.diagnostic.with_place(file, start, end);
        self
    }

    /// What kind of fault it is.
    pub fn kind(&self) -> CompileErrorKind {
        self.kind
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        self.diagnostic.message()
    }

    /// The policy that is wrong, if it is one.
    pub fn policy_id(&self) -> Option<&str> {
        self.diagnostic.policy_id()
    }

    /// Where it is wrong.
    pub fn span(&self) -> Option<&Span> {
        self.diagnostic.span()
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.diagnostic.help()
    }

    /// The whole as a diagnostic.
    pub fn diagnostic(&self) -> &Diagnostic {
        &self.diagnostic
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for CompileError {}

/// Every reason why a pack doesn't compile, at least one, in the order of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileErrors {
    errors: Vec<CompileError>,
}

impl CompileErrors {
    /// All of `errors`, sorted by place; nothing when there are none.
    pub(crate) fn collect(errors: impl IntoIterator<Item = CompileError>) -> Option<Self> {
        let mut errors: Vec<CompileError> = errors.into_iter().collect();
        errors.sort_by(|a, b| a.diagnostic.sort_key().cmp(&b.diagnostic.sort_key()));
        errors.dedup();
        (!errors.is_empty()).then_some(Self { errors })
    }

    /// `Ok` when there are no errors.
    pub(crate) fn check(errors: impl IntoIterator<Item = CompileError>) -> Result<(), Self> {
        Self::collect(errors).map_or(Ok(()), Err)
    }

    /// The errors, in the order of the source.
    pub fn iter(&self) -> std::slice::Iter<'_, CompileError> {
        self.errors.iter()
    }

    /// The first error's kind.
    pub fn kind(&self) -> CompileErrorKind {
        self.errors.first().map_or(CompileErrorKind::Internal, CompileError::kind)
    }

    /// As text for a terminal of [`RENDER_WIDTH`] columns, without colours.
    pub fn render(&self) -> String {
        self.render_width(RENDER_WIDTH)
    }

    /// As text for a terminal of `width` columns, without colours: the first [`ERRORS_SHOWN_MAX`] with excerpts of the
    /// source, then how many more there are.
    pub fn render_width(&self, width: usize) -> String {
        let mut out = String::new();
        for error in self.errors.iter().take(ERRORS_SHOWN_MAX) {
            out.push_str(&error.diagnostic.render(width));
        }
        let rest = self.errors.len().saturating_sub(ERRORS_SHOWN_MAX);
        if rest > 0 {
            out.push_str(&format!("and {rest} more\n"));
        }
        out
    }
}

impl From<CompileError> for CompileErrors {
    fn from(error: CompileError) -> Self {
        Self { errors: vec![error] }
    }
}

impl IntoIterator for CompileErrors {
    type Item = CompileError;
    type IntoIter = std::vec::IntoIter<CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

impl<'a> IntoIterator for &'a CompileErrors {
    type Item = &'a CompileError;
    type IntoIter = std::slice::Iter<'a, CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().take(ERRORS_SHOWN_MAX).enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "; " })?;
        }
        match self.errors.len().saturating_sub(ERRORS_SHOWN_MAX) {
            0 => Ok(()),
            rest => write!(f, "; and {rest} more"),
        }
    }
}

impl std::error::Error for CompileErrors {}
