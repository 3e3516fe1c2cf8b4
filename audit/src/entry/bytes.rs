//! The pieces that entries are made of: numbers in big-endian order, texts and lists with their length before them.

use super::{ENTRY_BYTES_MAX, ReadError, TEXT_BYTES_MAX, Uid, WriteError};

/// Writes pieces; too long ones are told at the end.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    wrong: Option<WriteError>,
}

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    fn length(&mut self, what: &'static str, length: usize) {
        match u16::try_from(length) {
            Ok(length) => self.u16(length),
            Err(_) => self.refuse(WriteError::List { what, found: length }),
        }
    }

    pub(super) fn refuse(&mut self, error: WriteError) {
        self.wrong.get_or_insert(error);
    }

    /// A text of one line.
    pub(super) fn text(&mut self, what: &'static str, text: &str) {
        if text.chars().any(char::is_control) {
            self.refuse(WriteError::Control { what });
        }
        self.lines(what, text);
    }

    /// A text that may have several lines.
    pub(super) fn lines(&mut self, what: &'static str, text: &str) {
        if text.len() > TEXT_BYTES_MAX {
            return self.refuse(WriteError::Text { what, found: text.len() });
        }
        self.length(what, text.len());
        self.bytes(text.as_bytes());
    }

    pub(super) fn uid(&mut self, what: &'static str, uid: &Uid) {
        self.text(what, &uid.kind);
        self.text(what, &uid.id);
    }

    pub(super) fn list<T>(&mut self, what: &'static str, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.length(what, items.len());
        if self.wrong.is_none() {
            items.iter().for_each(|item| each(self, item));
        }
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, WriteError> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None if self.bytes.len() > ENTRY_BYTES_MAX => Err(WriteError::Entry { found: self.bytes.len() }),
            None => Ok(self.bytes),
        }
    }
}

/// Reads pieces.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ReadError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(ReadError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, ReadError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, ReadError> {
        let text = self.lines(what)?;
        if text.chars().any(char::is_control) {
            return Err(ReadError::Value { what, problem: "it has a control character" });
        }
        Ok(text)
    }

    pub(super) fn lines(&mut self, what: &'static str) -> Result<String, ReadError> {
        let length = usize::from(self.u16()?);
        if length > TEXT_BYTES_MAX {
            return Err(ReadError::Value { what, problem: "it is too long" });
        }
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Value { what, problem: "it isn't UTF-8" })?;
        Ok(text.to_owned())
    }

    pub(super) fn uid(&mut self, what: &'static str) -> Result<Uid, ReadError> {
        Ok(Uid { kind: self.text(what)?, id: self.text(what)? })
    }

    pub(super) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let length = usize::from(self.u16()?);
        // Each item takes at least a byte, so a length that the entry can't hold costs nothing.
        let mut items = Vec::with_capacity(length.min(self.rest.len()));
        for _ in 0..length {
            items.push(each(self)?);
        }
        Ok(items)
    }

    pub(super) fn finish(self) -> Result<(), ReadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::Trailing { bytes: self.rest.len() }) }
    }
}

/// Whether each item is greater than the one before: sorted, and each once.
pub(super) fn ascends<T: PartialOrd>(items: &[T]) -> bool {
    items.iter().zip(items.iter().skip(1)).all(|(a, b)| a < b)
}
