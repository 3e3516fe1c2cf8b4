//! Diagnostics: what is wrong, or doubtful, in a pack, where, and what to do about it.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use crate::source::{SourceFile, Span};

/// Columns of a rendered diagnostic when nobody says otherwise.
pub const RENDER_WIDTH: usize = 100;

/// Lines of source that an excerpt underlines; of a longer place only the first line is shown.
const EXCERPT_LINES_MAX: usize = 10;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The pack doesn't compile.
    Error,
    /// The pack compiles, but probably doesn't mean what it says.
    Warning,
}

/// One thing to tell the author of a pack.
///
/// `Display` gives one line; [`Diagnostic::render`] the excerpt of the source with the place underlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    message: String,
    policy_id: Option<String>,
    help: Option<String>,
    label: Option<String>,
    span: Option<Span>,
    source: Option<SourceFile>,
}

impl Diagnostic {
    /// A diagnostic without place. The message is lower case, one line, without a final period.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        let message = one_line(&message.into());
        Self { severity, message, policy_id: None, help: None, label: None, span: None, source: None }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The policy that it is about.
    pub fn policy_id(&self) -> Option<&str> {
        self.policy_id.as_deref()
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where it is.
    pub fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }

    pub(crate) fn with_policy(mut self, policy_id: impl Into<String>) -> Self {
        self.policy_id = Some(policy_id.into());
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the place: the bytes `start..end` of `file`.
    pub(crate) fn with_place(mut self, file: &SourceFile, start: usize, end: usize) -> Self {
        self.span = Some(file.span(start, end));
        self.source = Some(file.clone());
        self
    }

    /// A diagnostic of Cedar, with its first place in `file`.
    pub(crate) fn from_cedar(severity: Severity, cedar: &dyn miette::Diagnostic, file: Option<&SourceFile>) -> Self {
        let mut diagnostic = Self::new(severity, cedar.to_string());
        diagnostic.help = cedar.help().map(|help| help.to_string());
        if let (Some(file), Some(label)) = (file, cedar.labels().and_then(|mut labels| labels.next())) {
            diagnostic.label = label.label().map(str::to_owned);
            let end = label.offset().saturating_add(label.len());
            diagnostic = diagnostic.with_place(file, label.offset(), end);
        }
        diagnostic
    }

    /// The same without `prefix` at the start of message and help.
    pub(crate) fn without_prefix(mut self, prefix: &str) -> Self {
        if let Some(message) = self.message.strip_prefix(prefix) {
            self.message = message.to_owned();
        }
        if let Some(help) = self.help.as_ref().and_then(|help| help.strip_prefix(prefix)) {
            self.help = Some(help.to_owned());
        }
        self
    }

    /// Where it belongs among others: by file and place, then by text.
    pub(crate) fn sort_key(&self) -> (Option<&Span>, Option<&str>, &str) {
        (self.span.as_ref(), self.policy_id.as_deref(), &self.message)
    }

    /// As text for a terminal of `width` columns, without colours, with an excerpt of the source.
    pub fn render(&self, width: usize) -> String {
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .with_width(width)
            .without_syntax_highlighting();
        let mut out = String::new();
        let report = Report {
            diagnostic: self,
            source: self.source.as_ref().map(|file| NamedSource::new(file.path(), file.text().to_owned())),
        };
        match handler.render_report(&mut out, &report) {
            Ok(()) => out,
            // The handler fails only when the span isn't in the source; the line still says all.
            Err(fmt::Error) => self.to_string(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{}:{}:{}: ", span.file, span.line, span.column)?;
        }
        if let Some(policy_id) = &self.policy_id {
            write!(f, "policy `{policy_id}`: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A diagnostic in the form that miette renders.
#[derive(Debug)]
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy_id) = &self.diagnostic.policy_id {
            write!(f, "policy `{policy_id}`: ")?;
        }
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.diagnostic.span.as_ref()?;
        let label = self.diagnostic.label.clone();
        let text = self.diagnostic.source.as_ref().and_then(|file| file.text().get(span.start..span.end));
        let len = text.map_or(0, |text| match text.split_once('\n') {
            Some((first, rest)) if rest.matches('\n').count() > EXCERPT_LINES_MAX => first.len(),
            _ => text.len(),
        });
        Some(Box::new(std::iter::once(LabeledSpan::new(label, span.start, len))))
    }
}

fn one_line(text: &str) -> String {
    if text.contains('\n') { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text.to_owned() }
}
