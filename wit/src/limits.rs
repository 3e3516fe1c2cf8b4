//! The limits that compiler, guests and host agree on: each with its unit and the reason for it.

/// Bytes of a component, 16 MiB: the reference pack takes well under 200 KiB, an embedded interpreter about 3 MB.
pub const MODULE_BYTES_MAX: usize = 16 << 20;

/// Bytes of a manifest, 8 MiB: it is parsed before anything else of a module is trusted.
pub const MANIFEST_BYTES_MAX: usize = 8 << 20;

/// Policies in one module.
pub const POLICIES_MAX: usize = 20_000;

/// Constant symbols in one module.
pub const SYMBOLS_MAX: usize = 200_000;

/// Facts that one module reads.
pub const FACTS_MAX: usize = 65_536;

/// Terms that the facts of one module are made of.
pub const TERMS_MAX: usize = 131_072;

/// Steps (attribute or tag reads) in one term: Cedar paths are a few steps long, and the host resolves them one by one.
pub const TERM_DEPTH_MAX: usize = 64;

/// Questions (request environments) of one module.
pub const QUESTIONS_MAX: usize = 4_096;

/// Nesting of a value or of a type: sets in records in sets, and so on.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Words (8 bytes each) of a frame, 32 MiB: the host splits longer ones by rows.
pub const FRAME_WORDS_MAX: usize = 4 << 20;

/// Words (4 bytes each) of an answer, 16 MiB.
pub const ANSWER_WORDS_MAX: usize = 4 << 20;

/// Rows (customers) in one call. Jobs with more are split, so that a guest's memory is bounded whatever the job.
pub const ROWS_PER_CALL_MAX: usize = 16_384;

/// Points (outcomes asked for) in one call, over all its questions: rows are split further until it holds.
pub const POINTS_PER_CALL_MAX: usize = 262_144;

/// Customers in one job.
pub const CUSTOMERS_PER_JOB_MAX: usize = 1_000_000;

/// Fields in one job.
pub const FIELDS_PER_JOB_MAX: usize = 1_024;

/// Bytes of any id or name that comes from outside (agent, customer, ticket, field, policy id).
pub const ID_BYTES_MAX: usize = 1_024;

/// Bytes of linear memory that a guest may have, 64 MiB: a frame, an answer and a guest's own tables.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Bytes of one function of a guest, 512 KiB: compiling takes more than linear time for a function.
pub const FUNCTION_BYTES_MAX: usize = 512 << 10;

/// Locals of one function of a guest, for the same reason.
pub const FUNCTION_LOCALS_MAX: u32 = 10_000;
