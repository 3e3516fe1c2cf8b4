//! The core module of a pack: the IR of its policies as WebAssembly.
//!
//! The module has no imports, one memory and three functions that the canonical ABI asks for. It uses 32- and 64-bit
//! integers and nothing else of Wasm: no floats, tables, bulk memory or start function.
//!
//! `evaluate` reads the frame's header, then asks each question in turn; a question's function loops over its points; at
//! each of them the functions with its policies run, each policy either appending itself to the outcome, or, on an error,
//! to the list of erring ones; then the outcome is interned ([`runtime`]).

mod arith;
mod cells;
mod code;
mod composite;
mod evaluate;
mod expr;
mod lists;
mod lookup;
mod module;
mod points;
mod question;
mod runtime;
mod unit;
mod words;

use exportgate_contract::frame;
use exportgate_contract::manifest::{Axis, Cost, Read};
use exportgate_contract::value::Ip;
use wasm_encoder::ValType;

use crate::ir::PolicyIdx;
use crate::passes::finish::Finished;

pub(crate) use composite::is_symbol;

use evaluate::Expected;
use module::{Module, index};

/// Bytes of static data of a module: what the literals of its policies may take.
const DATA_BYTES_MAX: usize = 8 << 20;

/// Why a program can't be made into a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The code of one policy is too large.
    #[error("the policy is too large: its code takes more than the limit `FUNCTION_BYTES_MAX` of {bytes_max} bytes")]
    PolicyTooLarge {
        /// The policy.
        policy: PolicyIdx,
        /// What it may take, in bytes.
        bytes_max: usize,
    },
    /// The literals of all policies are too large.
    #[error("the literals of all policies take {bytes} bytes, more than the limit `DATA_BYTES_MAX` of {bytes_max}")]
    DataTooLarge {
        /// What they take, in bytes.
        bytes: usize,
        /// What they may take, in bytes.
        bytes_max: usize,
    },
    /// The component is too large.
    #[error("the component takes {bytes} bytes, more than the limit `MODULE_BYTES_MAX` of {bytes_max}")]
    ComponentTooLarge {
        /// What it takes, in bytes.
        bytes: usize,
        /// What it may take, in bytes.
        bytes_max: usize,
    },
    /// The manifest is too large.
    #[error("the manifest takes {bytes} bytes, more than the limit `MANIFEST_BYTES_MAX` of {bytes_max}")]
    ManifestTooLarge {
        /// What it takes, in bytes.
        bytes: usize,
        /// What it may take, in bytes.
        bytes_max: usize,
    },
    /// A fault of the compiler: what it made is not what it meant to make.
    #[error("the compiler made a wrong module (please report this): {0}")]
    Fault(String),
}

/// Where a fact's cells lie.
#[derive(Clone, Copy, Debug)]
struct FactPlace {
    axis: Axis,
    /// Which of the facts of its axis it is.
    position: u32,
    /// Whether it says which constants an entity is in.
    is_above: bool,
}

/// A core module that lacks only its manifest.
#[derive(Debug)]
pub(crate) struct CoreModule {
    module: Module,
    scratch_bytes: u32,
    exports: [(&'static str, u32); 3],
    cost: Cost,
}

impl CoreModule {
    /// What answering costs at most.
    pub(crate) fn cost(&self) -> Cost {
        self.cost
    }

    /// The module's bytes, with the manifest as first section.
    pub(crate) fn into_bytes(self, manifest: &[u8]) -> Vec<u8> {
        self.module.finish(manifest, self.scratch_bytes, &self.exports)
    }
}

/// Writes the core module of `finished`.
///
/// # Errors
///
/// When a policy or all literals together go beyond their limit.
pub(crate) fn emit(finished: &Finished) -> Result<CoreModule, EmitError> {
    let program = &finished.program;
    let mut module = Module::default();
    let mut counts = [0_u32; 4];
    let [job, row, column, cell] = &mut counts;
    let mut facts = Vec::with_capacity(program.facts.len());
    for fact in &program.facts {
        let count = match fact.axis {
            Axis::Job => &mut *job,
            Axis::Row => &mut *row,
            Axis::Column => &mut *column,
            Axis::Cell => &mut *cell,
        };
        let is_above = matches!(fact.read, Read::Above { .. });
        facts.push(FactPlace { axis: fact.axis, position: *count, is_above });
        *count += 1;
    }

    let mut axes = Vec::with_capacity(program.questions.len());
    let mut functions = Vec::with_capacity(program.questions.len());
    let mut cost = Cost::default();
    let (mut policies_max, mut record_bytes) = (0, 0);
    for (question, shape) in program.questions.iter().zip(&finished.questions) {
        let asked = question::emit_question(&mut module, question, shape.axis, &facts, finished.compact_outcomes)?;
        record_bytes = record_bytes.max(asked.record_bytes);
        let point =
            evaluate::point_cost(question.conditions.len(), !question.lookups.is_empty(), module.cost(asked.function));
        cost.point = cost.point.max(point);
        cost.call = cost.call.saturating_add(asked.loop_cost + evaluate::QUESTION_COST);
        policies_max = policies_max.max(question.conditions.len());
        axes.push(shape.axis);
        functions.push(asked.function);
    }

    let expected = Expected {
        facts: counts,
        constants: index(program.symbols.len()),
        questions: &axes,
        functions: &functions,
        record_bytes,
    };
    let function = module.declare(&[ValType::I32, ValType::I32], &[ValType::I32]);
    let code = evaluate::emit_evaluate(&mut module, &expected);
    cost.call = cost.call.saturating_add(code.instructions());
    module.define(function, code);
    let realloc = module.declare(&[ValType::I32; 4], &[ValType::I32]);
    let code = runtime::emit_realloc(&mut module);
    module.define(realloc, code);
    cost.call = cost.call.saturating_add(module.cost(realloc));
    let post_return = module.declare(&[ValType::I32], &[]);
    let code = runtime::emit_post_return();
    module.define(post_return, code);

    let bytes = module.data_bytes();
    if bytes > DATA_BYTES_MAX {
        return Err(EmitError::DataTooLarge { bytes, bytes_max: DATA_BYTES_MAX });
    }
    let exports =
        [(exportgate_contract::EVALUATE, function), ("cabi_realloc", realloc), ("cabi_post_evaluate", post_return)];
    Ok(CoreModule { module, scratch_bytes: index(policies_max) * 4, exports, cost })
}

/// The words of a constant address' payload.
fn ip_payload(ip: &Ip) -> [u64; 5] {
    let version = if ip.v6 { 6 } else { 4 };
    // An address of 128 bits in its high and its low half.
    let [high, low] =
        [ip.address >> 64, ip.address].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
    [frame::PAYLOAD_IP, version, u64::from(ip.prefix), high, low]
}

use runtime::encode_pattern as like_pattern;
