//! Sets and records: literals in the guest's memory, equality, membership.
//!
//! A literal lies at an address of its own, known when the code is written, in the layout of a payload: an expression is
//! evaluated at most once a point, and nothing of it outlives the point. Constant parts are there from the start, the others
//! are stored as they are evaluated. A set of constants is sorted, and searched like a payload.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::frame;

use super::expr::{Emitter, Shape, shape};
use super::module::index;
use super::runtime::{Routine, reference};
use crate::ir::{Expr, SymbolId};

/// Members of a set literal that are compared one by one; more constants than that are searched, and a literal with
/// more that aren't constant is put into memory.
const COMPARED_MAX: usize = 8;

/// Bytes of a word.
const WORD: u32 = 8;

impl Emitter<'_> {
    /// `Set` and `Record`: pushes the reference of the literal after storing what isn't constant. Errs as the members do.
    pub(super) fn emit_literal(&mut self, expr: &Expr) {
        if let Some(word) = self.constant_word(expr) {
            self.code.i64(word);
            return;
        }
        let (mut words, members) = layout(expr);
        let mut stored = Vec::new();
        for (position, member) in members {
            match self.constant_word(member) {
                Some(word) => {
                    if let Some(slot) = words.get_mut(position) {
                        *slot = word.cast_unsigned();
                    }
                }
                None => stored.push((index(position) * WORD, member)),
            }
        }
        let address = self.module.variable(&words);
        for (offset, member) in stored {
            self.code.i32(address);
            self.emit_word(member);
            self.code.store64(offset);
        }
        self.code.i64(reference(address));
    }

    /// The word of a constant, which can't err; a literal of constants becomes data.
    fn constant_word(&mut self, expr: &Expr) -> Option<i64> {
        match expr {
            Expr::Bool(value) => Some(i64::from(*value)),
            Expr::Word(word, _) => Some(*word),
            Expr::Symbol(symbol, _) => Some(i64::from(symbol.0)),
            Expr::Set(members, _) => {
                let constants: Option<Vec<i64>> = members.iter().map(|member| self.constant_word(member)).collect();
                let (words, _) = layout(expr);
                let mut constants = constants?;
                constants.sort_unstable();
                constants.dedup();
                let kind = words.first().copied()?;
                let mut words = vec![kind, constants.len() as u64];
                words.extend(constants.into_iter().map(i64::cast_unsigned));
                Some(reference(self.module.constant(&words)))
            }
            Expr::Record(_) => {
                let (mut words, members) = layout(expr);
                for (position, member) in members {
                    *words.get_mut(position)? = self.constant_word(member)?.cast_unsigned();
                }
                Some(reference(self.module.constant(&words)))
            }
            _ => None,
        }
    }

    /// `Equal`: words by number; sets and records by number if both are symbols, else by structure. Errs as either
    /// operand does.
    pub(super) fn emit_equal(&mut self, left: &Expr, right: &Expr) {
        self.emit_value(left);
        self.emit_value(right);
        match shape(left) {
            Shape::Bool => {
                self.code.push(&I::I32Eq);
            }
            Shape::Word => {
                self.code.push(&I::I64Eq);
            }
            Shape::Composite if is_symbol(left) && is_symbol(right) => {
                self.code.push(&I::I64Eq);
            }
            Shape::Composite => self.emit_call(Routine::Equal),
        }
    }

    /// `IsEmpty`: of a literal, known once its members are evaluated; else from the payload. Errs as its operand does.
    pub(super) fn emit_is_empty(&mut self, set: &Expr) {
        if let Expr::Set(members, _) = set {
            for member in members {
                self.emit_for_errors(member);
            }
            self.code.i32(u32::from(members.is_empty()));
            return;
        }
        self.emit_value(set);
        self.emit_call(Routine::IsEmpty);
    }

    /// `Contains`: a comparison with each member of a short literal, a search otherwise. Errs as any member or the
    /// operand does, before anything is compared.
    pub(super) fn emit_contains(&mut self, set: &Expr, member: &Expr) {
        if shape(member) == Shape::Composite {
            self.emit_value(set);
            self.emit_value(member);
            self.emit_call(Routine::HasComposite);
            return;
        }
        if let Expr::Set(members, _) = set
            && self.emit_contains_listed(members, member)
        {
            return;
        }
        self.emit_value(set);
        self.emit_word(member);
        self.emit_call(Routine::HasWord);
    }

    /// The case of a literal of words; false when it has too many members that aren't constant, and nothing was done.
    fn emit_contains_listed(&mut self, members: &[Expr], wanted: &Expr) -> bool {
        let mut constants = Vec::new();
        let mut others = Vec::new();
        for member in members {
            match self.constant_word(member) {
                Some(word) => constants.push(word),
                None => others.push(member),
            }
        }
        if others.len() > COMPARED_MAX {
            return false;
        }
        constants.sort_unstable();
        constants.dedup();
        let mut locals = Vec::with_capacity(others.len());
        for other in others {
            self.emit_word(other);
            let local = self.code.local(ValType::I64);
            self.code.set(local);
            locals.push(local);
        }
        self.emit_word(wanted);
        let wanted = self.code.local(ValType::I64);
        self.code.set(wanted);
        if constants.len() > COMPARED_MAX {
            let words: Vec<u64> = constants.iter().map(|word| word.cast_unsigned()).collect();
            let address = self.module.constant(&words);
            self.code.i32(address).i32(index(words.len())).get(wanted);
            self.emit_call(Routine::Search);
        } else {
            self.code.i32(0);
            for constant in constants {
                self.code.get(wanted).i64(constant).push(&I::I64Eq).push(&I::I32Or);
            }
        }
        for local in locals {
            self.code.get(wanted).get(local).push(&I::I64Eq).push(&I::I32Or);
            self.code.release(local);
        }
        self.code.release(wanted);
        true
    }

    /// `ContainsAny`: walks the side that is a literal, and looks its members up in the other. Errs as either does.
    pub(super) fn emit_contains_any(&mut self, left: &Expr, right: &Expr) {
        let (walked, searched) = if matches!(right, Expr::Set(..)) { (right, left) } else { (left, right) };
        self.emit_value(walked);
        self.emit_value(searched);
        self.emit_call(Routine::Intersects);
    }
}

/// Whether a composite's value is always a symbol of the frame, never one that the guest builds.
pub(crate) fn is_symbol(expr: &Expr) -> bool {
    match expr {
        Expr::If(_, then, otherwise) => is_symbol(then) && is_symbol(otherwise),
        Expr::Check(_, then) => is_symbol(then),
        Expr::Set(..) | Expr::Record(_) => false,
        _ => true,
    }
}

/// The payload of a literal with 0 for each member or field, and where each of them goes.
fn layout(expr: &Expr) -> (Vec<u64>, Vec<(usize, &Expr)>) {
    match expr {
        Expr::Set(members, of) => {
            let kind = if of.is_composite() { frame::PAYLOAD_SET_OF_COMPOSITES } else { frame::PAYLOAD_SET };
            let mut words = vec![kind, members.len() as u64];
            words.resize(2 + members.len(), 0);
            (words, members.iter().enumerate().map(|(i, member)| (2 + i, member)).collect())
        }
        Expr::Record(fields) => {
            let mut fields: Vec<(SymbolId, &Expr)> = fields.iter().map(|(_, name, field)| (*name, field)).collect();
            fields.sort_by_key(|(name, _)| *name);
            let mut words = vec![frame::PAYLOAD_RECORD, fields.len() as u64];
            let mut places = Vec::with_capacity(fields.len());
            for (name, field) in fields {
                let composite = u64::from(shape(field) == Shape::Composite);
                words.extend([u64::from(name.0), composite, 0]);
                places.push((words.len() - 1, field));
            }
            (words, places)
        }
        _ => (Vec::new(), Vec::new()),
    }
}
