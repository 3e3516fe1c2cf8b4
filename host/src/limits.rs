//! The limits of the host beside those of the contract: what a core module may declare, and ranges of options.

use std::ops::RangeInclusive;

/// Fuel of one call or point; the lower end still lets an empty evaluation through, the upper ends after minutes.
pub(crate) const FUEL_RANGE: RangeInclusive<u64> = 1_000..=1_000_000_000_000;

/// Milliseconds of one call: less than 10 can't be told from the scheduler, more than ten minutes is no limit.
pub(crate) const DEADLINE_MS_RANGE: RangeInclusive<u64> = 10..=600_000;

/// Into how many ticks a deadline is cut: the coarser, the less exact; the finer, the more often a thread wakes.
pub(crate) const DEADLINE_TICKS: u64 = 16;

/// Bytes of native stack for Wasm: less breaks honest guests, more than half of a Rust thread's 2 MiB endangers the host.
pub(crate) const STACK_BYTES_RANGE: RangeInclusive<u64> = 65_536..=1_048_576;

/// Instances at once: each reserves 4 GiB of address space, of which a process has 128 TiB.
pub(crate) const INSTANCES_RANGE: RangeInclusive<u64> = 1..=1_000;

/// Bytes of linear memory below which no guest works: one page.
pub(crate) const MEMORY_BYTES_MIN: u64 = 65_536;

/// Bytes of a slot that are cleared by hand when it is used again, rather than given back to the system: a compiled policy
/// has two or three pages.
pub(crate) const MEMORY_RESIDENT_BYTES: usize = 128 << 10;

/// Bytes of an instance's own record in the host: grows with functions, globals and tables.
pub(crate) const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// Elements of a guest's table: function pointers. An embedded interpreter has some thousands.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Functions of a core module: an embedded interpreter has some thousands, 10,000 policies a function or two each.
pub(crate) const FUNCTIONS_MAX: u32 = 100_000;

/// Types of a core module.
pub(crate) const TYPES_MAX: u32 = 10_000;

/// Globals of a core module; some go into each instance.
pub(crate) const GLOBALS_MAX: u32 = 10_000;

/// Exports of a core module.
pub(crate) const EXPORTS_MAX: u32 = 10_000;

/// Segments of data of a core module.
pub(crate) const DATA_SEGMENTS_MAX: u32 = 100_000;

/// Segments of elements of a core module.
pub(crate) const ELEMENT_SEGMENTS_MAX: u32 = 10_000;

/// Warm instances that a module keeps, one for each thread that asks at a time; more threads make their own anew.
pub(crate) const WARM_INSTANCES_MAX: usize = 16;

/// Bytes of linear memory that a warm instance may keep between calls; one that grew larger is dropped after its call.
pub(crate) const WARM_MEMORY_BYTES_MAX: usize = 8 << 20;

/// Workspaces that a thread keeps: one for each module that one export asks; more modules make their own anew.
pub(crate) const WORKSPACES_MAX: usize = 8;

/// Bytes of a workspace that a thread keeps; one that grew larger is dropped after its export. 100,000 customers of usual
/// shape take less.
pub(crate) const WORKSPACE_BYTES_MAX: usize = 16 << 20;

/// Bytes of the room for rows and forms that a thread keeps; one that grew larger is dropped after its job.
pub(crate) const ROOM_BYTES_MAX: usize = 16 << 20;

/// Points of one evaluation over all its calls: 256 MiB of answers. Seventy thousand customers with twelve fields have two and
/// a half million; a million customers may have twenty fields.
pub(crate) const POINTS_MAX: usize = 1 << 26;
