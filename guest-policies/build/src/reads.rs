//! How `policy.toml` writes what a guest reads: Cedar's words for a path, and for what the host looks up.
//!
//! ```text
//! read  = term                     its value                         context.customers
//!       | "has" term               only whether it is there          has context.env.ticket
//!       | term "in" term           its place in the hierarchy        customer in Export::Segment::"minor"
//!       | term ".hasTag(" term ")" whether an entity has a tag       customer.hasTag("vip")
//! term  = base { "." name | ".getTag(" term ")" }
//! base  = "agent" | "job" | "customer" | "field" | "ticket" | "context." name | "text" | Type::"id"
//! ```
//!
//! In a text, `\"` and `\\` stand for `"` and `\`; no other escape exists.

use std::fmt;

/// The longest term, in steps: as long as the contract has them.
const STEPS_MAX: usize = exportgate_contract::limits::TERM_DEPTH_MAX;

/// What a guest reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The state and value of a term.
    Value(Term),
    /// Only the state of a term.
    State(Term),
    /// Whether the first is the second, or below it.
    In(Term, Term),
    /// Whether the first has the tag that the second names.
    HasTag(Term, Term),
}

/// An expression over inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// An input, by its name in the manifest.
    Input(String),
    /// A string.
    Text(String),
    /// An entity: its type and its id.
    Entity(String, String),
    /// An attribute.
    Attribute(Box<Term>, String),
    /// A tag.
    Tag(Box<Term>, Box<Term>),
}

/// Why a read can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{read}` isn't a read: {expected} expected at byte {at}")]
pub struct ReadError {
    read: String,
    at: usize,
    expected: &'static str,
}

impl Read {
    /// Reads what `policy.toml` writes.
    ///
    /// # Errors
    ///
    /// [`ReadError`], with the place.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let mut parser = Parser { text, at: 0, steps: 0 };
        let read = parser.read().map_err(|expected| ReadError { read: text.to_owned(), at: parser.at, expected })?;
        parser.space();
        if parser.at < text.len() {
            return Err(ReadError { read: text.to_owned(), at: parser.at, expected: "the end" });
        }
        Ok(read)
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(term) => term.fmt(f),
            Self::State(term) => write!(f, "has {term}"),
            Self::In(left, right) => write!(f, "{left} in {right}"),
            Self::HasTag(of, key) => write!(f, "{of}.hasTag({key})"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) => f.write_str(name),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Entity(entity, id) => write!(f, "{entity}::{}", quoted(id)),
            Self::Attribute(of, name) => write!(f, "{of}.{name}"),
            Self::Tag(of, key) => write!(f, "{of}.getTag({key})"),
        }
    }
}

/// `text` between quotation marks, as a read writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    steps: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name =
            rest.get(..end).filter(|name| !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()))?;
        self.at += end;
        Some(name)
    }

    fn read(&mut self) -> Result<Read, &'static str> {
        self.space();
        if self.take("has ") {
            self.space();
            return Ok(Read::State(self.term()?));
        }
        let term = self.term()?;
        if self.take(".hasTag(") {
            let key = self.term()?;
            return if self.take(")") { Ok(Read::HasTag(term, key)) } else { Err("`)`") };
        }
        if self.take(" in ") {
            self.space();
            return Ok(Read::In(term, self.term()?));
        }
        Ok(Read::Value(term))
    }

    fn term(&mut self) -> Result<Term, &'static str> {
        let mut term = self.base()?;
        loop {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("a shorter path");
            }
            let before = self.at;
            if self.take(".getTag(") {
                let key = self.term()?;
                if !self.take(")") {
                    return Err("`)`");
                }
                term = Term::Tag(Box::new(term), Box::new(key));
            } else if !self.rest().starts_with(".hasTag(") && self.take(".") {
                let Some(name) = self.name() else { return Err("the name of an attribute") };
                term = Term::Attribute(Box::new(term), name.to_owned());
            } else {
                self.at = before;
                return Ok(term);
            }
        }
    }

    fn base(&mut self) -> Result<Term, &'static str> {
        if self.rest().starts_with('"') {
            return Ok(Term::Text(self.quoted()?));
        }
        let Some(first) = self.name() else { return Err("an input, a text or an entity") };
        if first == "context" && self.take(".") {
            let Some(name) = self.name() else { return Err("the name of a context attribute") };
            return Ok(Term::Input(format!("context.{name}")));
        }
        let mut entity = first.to_owned();
        while self.take("::") {
            if self.rest().starts_with('"') {
                return Ok(Term::Entity(entity, self.quoted()?));
            }
            let Some(name) = self.name() else { return Err("a part of a type's name, or an id") };
            entity = format!("{entity}::{name}");
        }
        if entity == first { Ok(Term::Input(entity)) } else { Err("the id of an entity") }
    }

    fn quoted(&mut self) -> Result<String, &'static str> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    _ => return Err("`\\\"` or `\\\\`"),
                },
                _ => text.push(character),
            }
        }
        Err("the closing `\"`")
    }
}

#[cfg(test)]
mod tests {
    use super::Read;

    fn check(text: &str, expected: Result<&str, &str>) {
        let read = Read::parse(text).map(|read| read.to_string()).map_err(|error| error.to_string());
        assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn a_read_prints_as_it_is_written() {
        for text in [
            "context.customers",
            "agent.home.region",
            "has context.env.ticket",
            r#"customer in Export::Segment::"minor""#,
            r#"customer in Export::Segment::"a \"b\" \\c""#,
            r#"customer.hasTag("vip")"#,
            r#"field.getTag(agent.getTag("key")).name"#,
        ] {
            check(text, Ok(text));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        check("context.", Err("`context.` isn't a read: the name of a context attribute expected at byte 8"));
        check("customer in ", Err("`customer in ` isn't a read: an input, a text or an entity expected at byte 12"));
        check("customer == agent", Err("`customer == agent` isn't a read: the end expected at byte 9"));
        check(r#"agent.getTag("k"#, Err(r#"`agent.getTag("k` isn't a read: the closing `"` expected at byte 13"#));
    }
}
