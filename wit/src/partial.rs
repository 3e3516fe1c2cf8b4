//! What of a value leaves where a field is revealed in part: a closed list, from which a pack's catalogue chooses.

use core::fmt;

/// How a field is shown in part. Every result has the same length, whatever the value.
///
/// A field's catalogue entry names one in the attribute [`FIELD_PARTIAL`](crate::vocabulary::FIELD_PARTIAL); a field that
/// names none has [`PartialForm::FixedValue`]. A value that the form doesn't fit, such as a text where a date is expected or
/// one so short that it would be shown whole, doesn't leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartialForm {
    /// `mask-to-fixed-value`: `****`, which says that there is a value, and no more.
    #[default]
    FixedValue,
    /// `show-first-4`: `1234****`, the first four letters or digits of at least eight.
    ShowFirst4,
    /// `show-last-4`: `****1234`, the last four letters or digits of at least eight.
    ShowLast4,
    /// `truncate-to-year`: `1984` of `1984-05-06`, with or without a time.
    TruncateToYear,
    /// `truncate-to-month`: `1984-05` of `1984-05-06`, with or without a time.
    TruncateToMonth,
    /// `email`: `a***@***`, the first letter of an e-mail address.
    Email,
}

impl PartialForm {
    /// Every form.
    pub const ALL: [Self; 6] =
        [Self::FixedValue, Self::ShowFirst4, Self::ShowLast4, Self::TruncateToYear, Self::TruncateToMonth, Self::Email];

    /// The names of all forms, for messages.
    pub const NAMES: &str =
        "`mask-to-fixed-value`, `show-first-4`, `show-last-4`, `truncate-to-year`, `truncate-to-month`, `email`";

    /// How a catalogue names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FixedValue => "mask-to-fixed-value",
            Self::ShowFirst4 => "show-first-4",
            Self::ShowLast4 => "show-last-4",
            Self::TruncateToYear => "truncate-to-year",
            Self::TruncateToMonth => "truncate-to-month",
            Self::Email => "email",
        }
    }

    /// The form that has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

impl fmt::Display for PartialForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_found_by_the_names_that_messages_list() {
        for form in PartialForm::ALL {
            assert_eq!(PartialForm::parse(form.name()), Some(form));
            assert!(PartialForm::NAMES.contains(form.name()));
        }
        assert_eq!(PartialForm::parse("sha-256-global"), None);
    }
}
