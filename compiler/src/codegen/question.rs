//! A question as code: a loop over its points, and functions that hold its policies.
//!
//! Three forms. *Plain*: at each point all policies run, one after the other; that is what the others are compared with.
//! *By units* ([`super::unit`]): guards run on their own axes, and what is left of the conditions at each point; the satisfied
//! policies become lists ([`super::lists`]). *As words* ([`super::words`]): the same for a question of one unit, which needs
//! no lists while no new outcome comes up.

use wasm_encoder::ValType;

use exportgate_contract::limits::FUNCTION_BYTES_MAX;
use exportgate_contract::manifest::Axis;

use super::code::Code;
use super::expr::Emitter;
use super::lists::{List, emit_lists};
use super::lookup::emit_lookup;
use super::module::Module;
use super::points::emit_each_point;
use super::unit::{States, plan};
use super::words::emit_words;
use super::{EmitError, FactPlace};
use crate::ir::Question;

/// Bytes after which a function of policies is closed and the next one begun: a compiler of Wasm takes more than
/// linear time for a function, and several at once.
pub(super) const POLICY_FUNCTION_BYTES: usize = 16 << 10;

/// What asking a question needs.
pub(super) struct Asked {
    /// The function that asks it: no parameters, no results.
    pub(super) function: u32,
    /// Instructions of its loop without its policies: once a call and once a point.
    pub(super) loop_cost: u64,
    /// Bytes that are kept of each column.
    pub(super) record_bytes: u32,
}

/// Writes a question, which varies over `axis`. With `compact` outcomes are kept as words where they fit.
pub(super) fn emit_question(
    module: &mut Module,
    question: &Question,
    axis: Axis,
    facts: &[FactPlace],
    compact: bool,
) -> Result<Asked, EmitError> {
    // One point has nothing to keep a word for.
    if question.guards.is_empty() && question.lookups.is_empty() && (!compact || axis == Axis::Job) {
        return emit_plain(module, question, axis, facts);
    }
    let mut record_bytes = 0;
    let mut units = Vec::new();
    for unit in plan(module, question, axis, &mut record_bytes) {
        units.push(unit.emit(module, axis, facts)?);
    }
    let mut lookups = Vec::new();
    for lookup in &question.lookups {
        lookups.push(emit_lookup(module, question, lookup, facts)?);
    }
    let code = match units.as_slice() {
        [unit] if compact && axis != Axis::Job && lookups.is_empty() => {
            emit_words(module, unit, axis, &mut record_bytes)
        }
        units => emit_lists(module, question, axis, units, &lookups, record_bytes),
    };
    let function = module.declare(&[], &[]);
    let loop_cost = code.instructions();
    module.define(function, code);
    Ok(Asked { function, loop_cost, record_bytes: record_bytes.next_multiple_of(8) })
}

/// `for point { outcome = []; policies...; record(outcome) }`.
fn emit_plain(module: &mut Module, question: &Question, axis: Axis, facts: &[FactPlace]) -> Result<Asked, EmitError> {
    let policies = emit_policies(module, question, facts)?;
    let function = module.declare(&[], &[]);
    let mut code = Code::new(0);
    let list = List::new(module, question);
    emit_each_point(
        &mut code,
        axis,
        |_| {},
        |code, _| {
            list.emit(code, |code| {
                for function in &policies {
                    code.call(*function);
                }
            });
        },
    );
    let loop_cost = code.instructions();
    module.define(function, code);
    Ok(Asked { function, loop_cost, record_bytes: 0 })
}

/// Writes the policies into as few functions as [`POLICY_FUNCTION_BYTES`] allows, in order.
fn emit_policies(module: &mut Module, question: &Question, facts: &[FactPlace]) -> Result<Vec<u32>, EmitError> {
    let mut functions = Vec::new();
    let mut conditions = question.conditions.iter().peekable();
    while conditions.peek().is_some() {
        let function = module.declare(&[ValType::I32], &[ValType::I32]);
        let states = States::default();
        let mut emitter = Emitter::new(module, facts, &states);
        while let Some((policy, condition)) = conditions.next_if(|_| emitter.code.byte_len() < POLICY_FUNCTION_BYTES) {
            emitter.emit_policy(policy.0, condition);
            if !emitter.code.fits_a_function() {
                return Err(EmitError::PolicyTooLarge { policy: *policy, bytes_max: FUNCTION_BYTES_MAX });
            }
        }
        let code = emitter.finish();
        module.define(function, code);
        functions.push(function);
    }
    Ok(functions)
}
