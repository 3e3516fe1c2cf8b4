//! Holds the quotes of a CSV file to RFC 4180, byte by byte.
//!
//! A reader of CSV takes a quote wherever it stands, and one that is never closed swallows the rows that follow: values of
//! fields that mustn't leave would become part of one that may. So a quote may only begin a cell, end it, or be doubled in it.

/// Follows the quotes of a file.
#[derive(Debug)]
pub struct Quotes {
    at: At,
    line: u64,
    /// The line in which the cell at hand was opened.
    opened: u64,
    /// What may still come of a byte order mark.
    mark: &'static [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Where a cell begins.
    Begin,
    /// In a cell without quotes.
    Plain,
    /// In a cell with quotes.
    Quoted,
    /// After a quote in such a cell: it ends it, or is the first of two.
    Quote,
}

impl Quotes {
    /// At the begin of a file.
    pub fn new() -> Self {
        Self { at: At::Begin, line: 1, opened: 1, mark: "\u{feff}".as_bytes() }
    }

    /// Follows more bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with a quote, and in which line.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), String> {
        for byte in bytes {
            match self.mark.split_first() {
                Some((next, rest)) if next == byte => {
                    self.mark = rest;
                    continue;
                }
                _ => self.mark = &[],
            }
            self.at = match (self.at, byte) {
                (At::Begin, b'"') => {
                    self.opened = self.line;
                    At::Quoted
                }
                (At::Plain, b'"') => {
                    return Err(format!("line {}: a quote stands within a cell that has none around it", self.line));
                }
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, _) | (At::Quote, b'"') => At::Quoted,
                (At::Begin | At::Plain | At::Quote, b',' | b'\n' | b'\r') => At::Begin,
                (At::Begin | At::Plain, _) => At::Plain,
                (At::Quote, _) => {
                    return Err(format!(
                        "line {}: a quote within a cell with quotes around it must be doubled",
                        self.line
                    ));
                }
            };
            if *byte == b'\n' {
                self.line = self.line.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The end of the file.
    ///
    /// # Errors
    ///
    /// When a quote is open.
    pub fn end(&self) -> Result<(), String> {
        match self.at {
            At::Quoted => Err(format!("line {}: a quote is never closed", self.opened)),
            At::Begin | At::Plain | At::Quote => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let mut quotes = Quotes::new();
        // In parts of every length the same.
        for part in text.as_bytes().chunks(3) {
            quotes.follow(part)?;
        }
        quotes.end()
    }

    #[test]
    fn quotes_begin_and_end_a_cell_or_are_doubled() {
        for good in
            ["", "a,b\n", "\"a\",\"b\"\n", "\"a\"\"b\",\"\"\r\n\"c\nd\",e", "\"\"", "a,\"b\"", "\u{feff}\"a\",b\n"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let within = |line| Err(format!("line {line}: a quote stands within a cell that has none around it"));
        let doubled = |line| Err(format!("line {line}: a quote within a cell with quotes around it must be doubled"));
        let open = |line| Err(format!("line {line}: a quote is never closed"));
        assert_eq!(check("a\nb\"c"), within(2));
        assert_eq!(check("\"a\"b,c"), doubled(1));
        assert_eq!(check("a,\"b\nc,d\n"), open(1));
        assert_eq!(check("a,b\nc,\"d\n\"e\",f\n"), doubled(3));
    }
}
