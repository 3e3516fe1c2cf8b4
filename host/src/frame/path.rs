//! Terms as people read them: `context.env.purpose`, `agent.getTag(context.k)`.

use exportgate_contract::manifest::{Manifest, Term};

/// Characters of a path that are shown. A term can name the same term twice at each step, so that its text grows
/// without measure.
const PATH_CHARS_MAX: usize = 200;

/// The path that `term` stands for, cut with `…` when it is long.
pub(crate) fn path(manifest: &Manifest, term: u32) -> String {
    let mut text = String::new();
    write(manifest, term, &mut text);
    match text.char_indices().nth(PATH_CHARS_MAX) {
        Some((end, _)) => {
            text.truncate(end);
            text.push('…');
            text
        }
        None => text,
    }
}

/// INVARIANT: writes nothing once the text is long enough, and terms name earlier ones only, so this ends soon.
fn write(manifest: &Manifest, term: u32, text: &mut String) {
    // In bytes, which are never fewer than characters; the first excess piece is cut by the caller.
    if text.chars().count() > PATH_CHARS_MAX {
        return;
    }
    let position = usize::try_from(term).unwrap_or(usize::MAX);
    match manifest.terms.get(position) {
        Some(Term::Input(input)) => {
            let input = usize::try_from(*input).ok().and_then(|input| manifest.inputs.get(input));
            text.push_str(input.map_or("?", |input| &input.name));
        }
        Some(Term::Symbol(symbol)) => {
            let symbol = usize::try_from(*symbol).ok().and_then(|symbol| manifest.symbols.get(symbol));
            match symbol {
                Some(exportgate_contract::value::Value::Entity(uid)) => text.push_str(&uid.to_string()),
                Some(exportgate_contract::value::Value::String(constant)) => {
                    text.push('"');
                    text.extend(constant.chars().take(PATH_CHARS_MAX).flat_map(char::escape_debug));
                    text.push('"');
                }
                Some(value) => text.push_str(value.kind()),
                None => text.push('?'),
            }
        }
        Some(Term::Attribute { of, name }) => {
            write(manifest, *of, text);
            text.push('.');
            text.extend(name.chars().take(PATH_CHARS_MAX).flat_map(char::escape_debug));
        }
        Some(Term::Tag { of, key }) => {
            write(manifest, *of, text);
            text.push_str(".getTag(");
            write(manifest, *key, text);
            text.push(')');
        }
        None => text.push('?'),
    }
}
