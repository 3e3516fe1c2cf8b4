//! Shows a value in part. The result has one length for each form, so that it doesn't tell the value's.

use exportgate_contract::partial::PartialForm;

use super::row::Row;

/// Letters or digits that are shown.
const SHOWN: usize = 4;

/// Letters or digits that a value has at least: half of it stays hidden.
const LETTERS_MIN: usize = 2 * SHOWN;

/// What stands for what is hidden.
const HIDDEN: &str = "****";

/// Adds `value`, shown in part, to `output`; false, and nothing is added, when it doesn't fit the form.
pub(super) fn put(form: PartialForm, value: &str, output: &mut Row) -> bool {
    let shown = match form {
        PartialForm::FixedValue => Some(HIDDEN.to_owned()),
        PartialForm::ShowFirst4 => letters(value.chars()).map(|first| first + HIDDEN),
        PartialForm::ShowLast4 => {
            letters(value.chars().rev()).map(|last| HIDDEN.chars().chain(last.chars().rev()).collect())
        }
        PartialForm::TruncateToYear => date(value).and_then(|date| date.get(..4)).map(str::to_owned),
        PartialForm::TruncateToMonth => date(value).and_then(|date| date.get(..7)).map(str::to_owned),
        PartialForm::Email => initial(value).map(|initial| format!("{initial}***@***")),
    };
    if let Some(shown) = &shown {
        output.push(Some(shown));
    }
    shown.is_some()
}

/// The first letters or digits, whatever stands between them; none when there are too few to show any.
fn letters(chars: impl Iterator<Item = char> + Clone) -> Option<String> {
    let letters = chars.filter(|c| c.is_alphanumeric());
    (letters.clone().take(LETTERS_MIN).count() == LETTERS_MIN).then(|| letters.take(SHOWN).collect())
}

/// The value if it begins with a date, `1984-05-06`, and ends there or goes on with a time.
fn date(value: &str) -> Option<&str> {
    let (date, rest) = value.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with(['T', 't', ' '])) {
        return None;
    }
    let mut parts = date.split('-');
    let number = |digits: usize, part: Option<&str>| {
        let part = part.filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<u32>().ok()
    };
    number(4, parts.next())?;
    let month = number(2, parts.next())?;
    let day = number(2, parts.next())?;
    ((1..=12).contains(&month) && (1..=31).contains(&day) && parts.next().is_none()).then_some(value)
}

/// The first letter of an e-mail address whose name has at least two.
fn initial(value: &str) -> Option<char> {
    let (name, domain) = value.rsplit_once('@')?;
    let mut letters = name.chars();
    let initial = letters.next().filter(|c| c.is_alphanumeric())?;
    (letters.next().is_some() && !domain.is_empty()).then_some(initial)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(form: PartialForm, value: &str) -> Option<String> {
        let mut row = Row::default();
        let fits = put(form, value, &mut row);
        assert_eq!(row.len(), usize::from(fits));
        row.values().next().flatten().map(str::to_owned)
    }

    #[test]
    fn values_are_shown_in_part() {
        use PartialForm::{Email, FixedValue, ShowFirst4, ShowLast4, TruncateToMonth, TruncateToYear};
        for (form, value, expected) in [
            (FixedValue, "anything", Some("****")),
            (ShowFirst4, "DE89 3704 0044", Some("DE89****")),
            (ShowFirst4, "1234567", None),
            (ShowLast4, "4111 1111-1111 1234 ", Some("****1234")),
            (ShowLast4, "+49 170 1234567", Some("****4567")),
            (ShowLast4, "ÄÖÜäöüßé", Some("****öüßé")),
            (ShowLast4, "1234-567", None),
            (ShowLast4, "--------1234", None),
            (TruncateToYear, "1984-05-06", Some("1984")),
            (TruncateToYear, "1984-05-06T07:08:09Z", Some("1984")),
            (TruncateToMonth, "1984-05-06 07:08", Some("1984-05")),
            (TruncateToYear, "1984-05-061", None),
            (TruncateToYear, "1984-13-06", None),
            (TruncateToYear, "1984-05-00", None),
            (TruncateToYear, "06.05.1984", None),
            (TruncateToYear, "+984-05-06", None),
            (TruncateToYear, "1984-5-06x", None),
            (TruncateToYear, "198é-05-06", None),
            (TruncateToYear, "1984", None),
            (Email, "ana.b@example.com", Some("a***@***")),
            (Email, "Ünal@example.com", Some("Ü***@***")),
            (Email, "a@example.com", None),
            (Email, "@example.com", None),
            (Email, "\"ana\"@example.com", None),
            (Email, "ana@", None),
            (Email, "ana", None),
        ] {
            assert_eq!(shown(form, value).as_deref(), expected, "{form} of {value}");
        }
    }

    /// Of values of many kinds: what is shown is as long as ever, and never the value or half of it.
    #[test]
    fn what_is_shown_has_one_length_and_never_the_value() {
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let alphabet: Vec<char> = "abcXYZ0123456789-@. +é漢\u{301}\u{202e}\0".chars().collect();
        for _ in 0..20_000 {
            let value: String = (0..=random(24)).map(|_| alphabet[random(alphabet.len())]).collect();
            for form in PartialForm::ALL {
                let Some(shown) = shown(form, &value) else { continue };
                let length = match form {
                    PartialForm::FixedValue | PartialForm::TruncateToYear => 4,
                    PartialForm::TruncateToMonth => 7,
                    PartialForm::ShowFirst4 | PartialForm::ShowLast4 | PartialForm::Email => 8,
                };
                assert_eq!(shown.chars().count(), length, "{form} of {value:?}");
                let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
                assert!(value.len() <= 2 || !shown.contains(&value), "{form} of {value:?}");
                if !matches!(form, PartialForm::FixedValue | PartialForm::Email) {
                    assert!(letters(&shown) * 4 <= letters(&value) * 3, "{form} of {value:?}");
                }
            }
        }
    }
}
