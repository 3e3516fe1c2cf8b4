//! The words of a frame: where each part stands, and what the states and payloads look like.
//!
//! A frame is a list of 64-bit words. `docs/contract.md` shows one word by word. All offsets are in words from its start.

/// What word 0 holds: `EGF` and the major version of the contract.
pub const TAG: u64 = 0x4547_4601;

/// Word 0: [`TAG`].
pub const WORD_TAG: usize = 0;
/// Word 1: how many rows (customers) the frame has.
pub const WORD_ROWS: usize = 1;
/// Word 2: how many columns (fields) the frame has.
pub const WORD_COLUMNS: usize = 2;
/// Word 3: how many questions are asked. Their ids follow the header, a word each, ascending.
pub const WORD_QUESTIONS: usize = 3;
/// Word 4: how many symbols there are, the constants of the manifest first.
pub const WORD_SYMBOLS: usize = 4;
/// Words 5 to 8: where the values of the facts on an axis begin: job, row, column, cell. The values of the k-th fact of
/// an axis with p points take p words from `k * p`; a cell's point is `row * columns + column`.
pub const WORD_VALUES: [usize; 4] = [5, 6, 7, 8];
/// Words 9 to 12: where the states of the facts on an axis begin: job, row, column, cell. They are bytes, in the order of
/// the values; unused bytes of the last word are 0.
pub const WORD_STATES: [usize; 4] = [9, 10, 11, 12];
/// Word 13: where the directory of payloads begins: a word for each symbol from [`WORD_DIRECTORY_FIRST`] on, which holds where
/// its payload begins, or 0 for none. The payloads follow it.
pub const WORD_PAYLOADS: usize = 13;
/// Word 14: the length of the whole frame in words.
pub const WORD_LENGTH: usize = 14;
/// Word 15: the first symbol that the directory has a word for; those before it have no payload. 0 for modules made for
/// contract 1.0.
pub const WORD_DIRECTORY_FIRST: usize = 15;
/// How many words the header takes; the ids of the questions follow.
pub const HEADER_WORDS: usize = 16;

/// The state of a cell: it has a value.
pub const STATE_VALUE: u8 = 0;
/// The state of a cell: the base exists, what is read of it doesn't. `has` is false, an access errs.
pub const STATE_ABSENT: u8 = 1;
/// The state of a cell: the base itself erred. `has` and an access both err.
pub const STATE_ERR: u8 = 2;

/// The payload of a string: this word, then its length in bytes, then its bytes in UTF-8, padded with 0 to a whole word.
pub const PAYLOAD_STRING: u64 = 1;
/// The payload of an address: this word, then 4 or 6, then its prefix in bits, then the high and the low 64 bits of the
/// address (an IPv4 address in the low 32 bits).
pub const PAYLOAD_IP: u64 = 2;
/// The payload of a set whose members are words (numbers, truth values, or symbols of strings, entities, addresses): this
/// word, then how many members, then the members, each once, ascending as signed numbers.
pub const PAYLOAD_SET: u64 = 3;
/// The payload of a set whose members are sets or records: this word, then how many members, then their symbols, each
/// once, ascending. Each has a payload of its own.
pub const PAYLOAD_SET_OF_COMPOSITES: u64 = 4;
/// The payload of a record: this word, then how many attributes, then three words for each: the symbol of its name,
/// 1 if its value is a set or record (with a payload of its own) else 0, and its value; ascending by the name's symbol.
pub const PAYLOAD_RECORD: u64 = 5;
