//! A unit: up to 62 policies of a question, each a bit of a 64-bit word, with the guards that their conditions name.
//!
//! Idea: a *running* word has a bit for each policy that may still be satisfied or err. It starts with all of them; each guard,
//! worked out once for each point of its own axis, takes those policies out whose condition it makes false. What is left at a
//! point is decided by what is left of each condition. The bit [`NO_ERROR`] is in the word while no guard erred.
//!
//! Why that is Cedar's answer. A condition is a chain of links; the guards at its beginning are its *prefix*. A guard of the
//! prefix takes its policy out when it is false, if every guard in front of it either can't err, or is worked out before it
//! and, [`NO_ERROR`] says, didn't: then the chain is false at the guard at the latest. As long as the bit is there, a policy
//! that is still in has a prefix that is true. When it isn't, the states of the prefix are read one by one, in order. So
//! is any guard that stands elsewhere: its state is written whenever a policy that is still in names it.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::Instruction as I;
use wasm_encoder::ValType;

use exportgate_contract::limits::FUNCTION_BYTES_MAX;
use exportgate_contract::manifest::Axis;

use super::code::{Global, Label, Local};
use super::expr::Emitter;
use super::module::{Module, index};
use super::question::POLICY_FUNCTION_BYTES;
use super::{EmitError, FactPlace};
use crate::ir::{Expr, Guard, GuardId, PolicyIdx, Question};

/// Policies of a unit: the two highest bits of the word say other things.
const POLICIES_MAX: usize = 62;

/// Nodes of the conditions of a unit, after which the next one begins: its code is one function.
const NODES_MAX: usize = 768;

/// The bit that says that no guard erred.
pub(super) const NO_ERROR: u64 = 1 << 63;

/// A word that never occurs.
pub(super) const NEVER: u64 = 1 << 62;

/// States of a guard: what it found.
const FALSE: u32 = 0;
const TRUE: u32 = 1;
const ERRED: u32 = 2;

/// Where a guard keeps what it found, a byte.
#[derive(Clone, Copy, Debug)]
enum StatePlace {
    /// At this address.
    Fixed(u32),
    /// At this offset in the record of its column.
    Column(u32),
}

/// Where guards keep what they found; those that nobody reads keep nothing.
#[derive(Debug, Default)]
pub(super) struct States(BTreeMap<GuardId, StatePlace>);

/// A unit, planned.
pub(super) struct Unit<'a> {
    policies: Vec<Member<'a>>,
    guards: Vec<UnitGuard<'a>>,
    states: States,
    /// Where the record of a column has the policies that its guards leave in the running.
    pub(super) column_offset: u32,
}

/// A policy with its condition.
struct Member<'a> {
    policy: PolicyIdx,
    prefix: Vec<PrefixLink>,
    rest: Vec<&'a Expr>,
}

/// A guard at the beginning of a condition.
struct PrefixLink {
    id: GuardId,
    /// Whether it takes its policy out when it is false.
    clears: bool,
    /// Whether one in front of it can err.
    after_error: bool,
    can_err: bool,
}

impl PrefixLink {
    /// Whether it is known to be true of a policy that is still in, whatever erred.
    fn is_settled(&self) -> bool {
        self.clears && !self.after_error && !self.can_err
    }
}

/// A guard, and the policies of the unit that it matters to.
struct UnitGuard<'a> {
    id: GuardId,
    guard: &'a Guard,
    /// Those that name it anywhere.
    users: u64,
    /// Those that it takes out when it is false.
    clears: u64,
    /// Those that it takes out when it is false and nothing erred before.
    clears_unless_erred: u64,
}

/// A unit as code.
pub(super) struct UnitCode {
    /// The address of the numbers of its policies.
    pub(super) policies: u32,
    /// The running word that all begins with.
    pub(super) all: u64,
    /// The policies that are yet to be decided at a point.
    pub(super) undecided: u64,
    /// Functions that take a running word and return it with less policies in it, by axis: job, row, column.
    pub(super) guards: [Vec<u32>; 3],
    /// The function that decides at a point: takes the running word, returns it with the satisfied policies only.
    pub(super) point: Option<u32>,
    /// Where that function leaves the policies that erred; none when none can.
    pub(super) erring: Option<u32>,
    /// Where the record of a column has the policies that its guards leave in the running.
    pub(super) column_offset: u32,
}

impl UnitCode {
    /// The bit of a running word that says that no guard erred.
    pub(super) fn no_error(&self) -> u64 {
        NO_ERROR
    }

    /// The bits of a running word that are policies.
    pub(super) fn policies_mask(&self) -> u64 {
        self.all & !NO_ERROR
    }
}

/// Cuts a question into units. `record_bytes` is how much of the record of a column is taken.
pub(super) fn plan<'a>(
    module: &mut Module,
    question: &'a Question,
    axis: Axis,
    record_bytes: &mut u32,
) -> Vec<Unit<'a>> {
    let mut units = Vec::new();
    let indexed = question.indexed();
    let conditions: Vec<&(PolicyIdx, Expr)> =
        question.conditions.iter().filter(|(policy, _)| !indexed.contains(policy)).collect();
    let mut conditions = conditions.as_slice();
    while !conditions.is_empty() {
        let mut nodes = 0_usize;
        let fitting = conditions.iter().take(POLICIES_MAX).take_while(|(_, condition)| {
            nodes = nodes.saturating_add(condition.nodes());
            nodes <= NODES_MAX
        });
        // One that is too large has a unit of its own.
        let count = fitting.count().max(1);
        let Some((here, rest)) = conditions.split_at_checked(count) else { break };
        units.push(Planner { question, axis }.unit(module, here, record_bytes));
        conditions = rest;
    }
    units
}

struct Planner<'a> {
    question: &'a Question,
    /// The axis of the question.
    axis: Axis,
}

impl<'a> Planner<'a> {
    fn unit(&self, module: &mut Module, conditions: &[&'a (PolicyIdx, Expr)], record_bytes: &mut u32) -> Unit<'a> {
        let mut guards: BTreeMap<GuardId, UnitGuard<'a>> = BTreeMap::new();
        let mut read: BTreeSet<GuardId> = BTreeSet::new();
        let mut policies = Vec::with_capacity(conditions.len());
        for ((policy, condition), place) in conditions.iter().zip(0_u32..) {
            let member = self.member(*policy, condition);
            let bit = 1_u64 << place;
            for link in &member.prefix {
                self.use_guard(&mut guards, link.id, bit);
                let Some(used) = guards.get_mut(&link.id) else { continue };
                match (link.clears, link.after_error) {
                    (true, false) => used.clears |= bit,
                    (true, true) => used.clears_unless_erred |= bit,
                    (false, _) => {}
                }
                if !link.is_settled() {
                    read.insert(link.id);
                }
            }
            for link in &member.rest {
                link.each(&mut |expr| {
                    if let Expr::Guard(id) = expr {
                        self.use_guard(&mut guards, *id, bit);
                        read.insert(*id);
                    }
                });
            }
            policies.push(member);
        }
        // What guards name is read too.
        for used in guards.values() {
            used.guard.test.each(&mut |expr| {
                if let Expr::Guard(id) = expr {
                    read.insert(*id);
                }
            });
        }
        *record_bytes = record_bytes.next_multiple_of(8);
        let column_offset = *record_bytes;
        *record_bytes += 8;
        let states = self.states(module, &read, record_bytes);
        Unit { policies, guards: guards.into_values().collect(), states, column_offset }
    }

    fn member(&self, policy: PolicyIdx, condition: &'a Expr) -> Member<'a> {
        let mut prefix: Vec<PrefixLink> = Vec::new();
        let mut rest = condition.links();
        let count = rest.iter().take_while(|link| matches!(link, Expr::Guard(_))).count();
        for link in rest.drain(..count) {
            let Expr::Guard(id) = link else { continue };
            let erring: Vec<GuardId> = prefix.iter().filter(|link| link.can_err).map(|link| link.id).collect();
            prefix.push(PrefixLink {
                id: *id,
                clears: erring.iter().all(|earlier| self.is_before(*earlier, *id)),
                after_error: !erring.is_empty(),
                can_err: self.guard(*id).is_none_or(|guard| guard.can_err),
            });
        }
        Member { policy, prefix, rest }
    }

    /// Notes that the policy `bit` names a guard, and those that the guard names.
    fn use_guard(&self, guards: &mut BTreeMap<GuardId, UnitGuard<'a>>, id: GuardId, bit: u64) {
        let Some(guard) = self.guard(id) else { return };
        let new = UnitGuard { id, guard, users: 0, clears: 0, clears_unless_erred: 0 };
        let used = guards.entry(id).or_insert(new);
        if used.users & bit == 0 {
            used.users |= bit;
            guard.test.each(&mut |expr| {
                if let Expr::Guard(named) = expr {
                    self.use_guard(guards, *named, bit);
                }
            });
        }
    }

    fn states(&self, module: &mut Module, read: &BTreeSet<GuardId>, record_bytes: &mut u32) -> States {
        let of_column =
            |id: &&GuardId| self.axis == Axis::Cell && self.guard(**id).is_some_and(|guard| guard.axis == Axis::Column);
        let mut places = BTreeMap::new();
        for id in read.iter().filter(of_column) {
            places.insert(*id, StatePlace::Column(*record_bytes));
            *record_bytes += 1;
        }
        let fixed: Vec<GuardId> = read.iter().filter(|id| !of_column(id)).copied().collect();
        if !fixed.is_empty() {
            let address = module.variable(&vec![0; fixed.len().div_ceil(8)]);
            places.extend(fixed.into_iter().zip(address..).map(|(id, address)| (id, StatePlace::Fixed(address))));
        }
        States(places)
    }

    fn guard(&self, id: GuardId) -> Option<&'a Guard> {
        self.question.guards.get(usize::try_from(id.0).ok()?)
    }

    /// Whether a guard is worked out before another wherever the other is.
    fn is_before(&self, earlier: GuardId, later: GuardId) -> bool {
        let (Some(first), Some(second)) = (self.guard(earlier), self.guard(later)) else { return false };
        if first.axis == second.axis {
            return earlier < later;
        }
        let stage = |axis: Axis| match axis {
            axis if axis == self.axis => 2,
            Axis::Job => 0,
            Axis::Row | Axis::Column | Axis::Cell => 1,
        };
        stage(first.axis) < stage(second.axis)
    }
}

impl Unit<'_> {
    /// Writes the unit's functions. `axis` is the question's.
    pub(super) fn emit(&self, module: &mut Module, axis: Axis, facts: &[FactPlace]) -> Result<UnitCode, EmitError> {
        let running = (0..index(self.policies.len())).fold(0, |all, place| all | 1_u64 << place);
        let undecided = self.undecided(axis);
        let coarser = |of: Axis, module: &mut Module| {
            if of == axis { Ok(Vec::new()) } else { self.emit_guards(module, of, running, facts) }
        };
        let guards = [coarser(Axis::Job, module)?, coarser(Axis::Row, module)?, coarser(Axis::Column, module)?];
        let own = self.emit_guards(module, axis, running, facts)?;
        let (point, erring) = self.emit_point(module, &own, undecided, facts)?;
        let ids = self.policies.iter().flat_map(|member| member.policy.0.to_le_bytes()).collect();
        Ok(UnitCode {
            policies: module.constant_bytes(ids),
            all: running | NO_ERROR,
            undecided,
            guards,
            point,
            erring,
            column_offset: self.column_offset,
        })
    }

    /// The policies that the guards of coarser axes don't decide.
    fn undecided(&self, axis: Axis) -> u64 {
        let own = self.guards.iter().filter(|used| used.guard.axis == axis).fold(0, |all, used| all | used.users);
        let members = self.policies.iter().zip(0_u32..).filter(|(member, _)| !member.is_decided_by_guards());
        members.fold(own, |all, (_, place)| all | 1_u64 << place)
    }

    /// Writes the guards of one axis, in as few functions as [`POLICY_FUNCTION_BYTES`] allows.
    fn emit_guards(
        &self,
        module: &mut Module,
        axis: Axis,
        running: u64,
        facts: &[FactPlace],
    ) -> Result<Vec<u32>, EmitError> {
        let mut functions = Vec::new();
        let mut guards = self.guards.iter().filter(|used| used.guard.axis == axis).peekable();
        while guards.peek().is_some() {
            let function = module.declare(&[ValType::I64], &[ValType::I64]);
            let mut emitter = Emitter::new(module, facts, &self.states);
            while let Some(used) = guards.next_if(|_| emitter.code.byte_len() < POLICY_FUNCTION_BYTES) {
                emitter.emit_unit_guard(used, running);
                self.check_size(&emitter, used.users)?;
            }
            let code = emitter.finish();
            module.define(function, code);
            functions.push(function);
        }
        Ok(functions)
    }

    /// Writes the function that decides at a point, if there is anything to decide.
    fn emit_point(
        &self,
        module: &mut Module,
        own_guards: &[u32],
        undecided: u64,
        facts: &[FactPlace],
    ) -> Result<(Option<u32>, Option<u32>), EmitError> {
        let after_errors: Vec<(&Member<'_>, u64)> =
            self.bits().filter(|(member, _)| member.is_decided_by_guards() && member.reads_prefix()).collect();
        if undecided == 0 && after_errors.is_empty() {
            return Ok((None, None));
        }
        let place = module.variable(&[0]);
        let function = module.declare(&[ValType::I64], &[ValType::I64]);
        let mut emitter = Emitter::new(module, facts, &self.states);
        let satisfied = emitter.code.local(ValType::I64);
        let erring = emitter.code.local(ValType::I64);
        for guards in own_guards {
            emitter.code.get(RUNNING).call(*guards).set(RUNNING);
        }
        let out = Out { satisfied, erring };
        let mut can_err = false;
        let decided = self.bits().filter(|(member, _)| member.is_decided_by_guards());
        let decided = decided.fold(NO_ERROR, |all, (_, bit)| all | bit);
        emitter.code.get(RUNNING).i64(decided.cast_signed()).push(&I::I64And).set(satisfied);
        if !after_errors.is_empty() {
            emitter.code.get(RUNNING).i64(0).push(&I::I64GeS).if_();
            for (member, bit) in after_errors {
                emitter.code.get(satisfied).i64((!bit).cast_signed()).push(&I::I64And).set(satisfied);
                can_err |= emitter.emit_member(member, bit, out);
                self.check_size(&emitter, bit)?;
            }
            emitter.code.end();
        }
        for (member, bit) in self.bits().filter(|(member, _)| !member.is_decided_by_guards()) {
            can_err |= emitter.emit_member(member, bit, out);
            self.check_size(&emitter, bit)?;
        }
        if can_err {
            emitter.code.i32(place).get(erring).store64(0);
        }
        emitter.code.get(satisfied).set(RUNNING);
        let code = emitter.finish();
        module.define(function, code);
        Ok((Some(function), can_err.then_some(place)))
    }

    fn bits(&self) -> impl Iterator<Item = (&Member<'_>, u64)> {
        self.policies.iter().zip(0_u32..).map(|(member, place)| (member, 1_u64 << place))
    }

    /// Refuses code that got too large; the first of the policies `users` is to blame.
    fn check_size(&self, emitter: &Emitter<'_>, users: u64) -> Result<(), EmitError> {
        if emitter.code.fits_a_function() {
            return Ok(());
        }
        let first = usize::try_from(users.trailing_zeros()).ok().and_then(|place| self.policies.get(place));
        let policy = first.map_or(PolicyIdx(0), |member| member.policy);
        Err(EmitError::PolicyTooLarge { policy, bytes_max: FUNCTION_BYTES_MAX })
    }
}

impl Member<'_> {
    /// Whether nothing is left of the condition once its guards are known and none erred.
    fn is_decided_by_guards(&self) -> bool {
        self.rest.is_empty() && self.prefix.iter().all(|link| link.clears)
    }

    /// Whether the states of its prefix may have to be read.
    fn reads_prefix(&self) -> bool {
        self.prefix.iter().any(|link| !link.is_settled())
    }
}

/// Where a function of policies puts them.
#[derive(Clone, Copy)]
struct Out {
    satisfied: Local,
    erring: Local,
}

/// The running word of a function of guards or policies.
const RUNNING: Local = Local(0);

impl Emitter<'_> {
    /// `if running has a user { if test {} else { running &= ~clears } }`; on an error the bit [`NO_ERROR`] goes.
    fn emit_unit_guard(&mut self, used: &UnitGuard<'_>, running: u64) {
        let skipped = self.code.block();
        // A single read costs no more than asking whether anybody wants it.
        if used.users != running && used.guard.test.nodes() > 1 {
            self.emit_skip_unless(used.users, skipped);
        }
        let place = self.states.0.get(&used.id).copied();
        self.emit_decide(
            |this, failed| this.emit_jump(&used.guard.test, failed, false),
            |this| this.emit_keep(place, TRUE),
            |this| {
                this.emit_keep(place, FALSE);
                this.emit_clear(used);
            },
            |this| {
                if used.guard.can_err {
                    this.emit_keep(place, ERRED);
                    this.code.get(RUNNING).i64((!NO_ERROR).cast_signed()).push(&I::I64And).set(RUNNING);
                } else {
                    // What can't err by the contract: the frame is wrong.
                    this.code.push(&I::Unreachable);
                }
            },
        );
        self.code.end();
    }

    /// Takes out of the running what a guard that is false decides.
    fn emit_clear(&mut self, used: &UnitGuard<'_>) {
        if used.clears != 0 {
            self.code.get(RUNNING).i64((!used.clears).cast_signed()).push(&I::I64And).set(RUNNING);
        }
        if used.clears_unless_erred != 0 {
            // All ones while nothing erred, else 0.
            self.code.get(RUNNING).get(RUNNING).i64(63).push(&I::I64ShrS);
            self.code.i64(used.clears_unless_erred.cast_signed()).push(&I::I64And);
            self.code.i64(-1).push(&I::I64Xor).push(&I::I64And).set(RUNNING);
        }
    }

    /// A policy at a point, if it is still in: puts it among the satisfied ones or among those that erred. Returns whether
    /// it can err.
    fn emit_member(&mut self, member: &Member<'_>, bit: u64, out: Out) -> bool {
        let mut can_err = false;
        let skipped = self.code.block();
        if member.prefix.iter().any(|link| link.clears) {
            self.emit_skip_unless(bit, skipped);
        }
        self.emit_decide(
            |this, failed| {
                this.emit_prefix(member, failed);
                for link in &member.rest {
                    this.emit_jump(link, failed, false);
                }
            },
            |this| _ = this.code.get(out.satisfied).i64(bit.cast_signed()).push(&I::I64Or).set(out.satisfied),
            |_| {},
            |this| {
                can_err = true;
                this.code.get(out.erring).i64(bit.cast_signed()).push(&I::I64Or).set(out.erring);
            },
        );
        self.code.end();
        can_err
    }

    /// Reads the states of the prefix where they aren't known: always when one of its guards doesn't clear, else only after
    /// an error.
    fn emit_prefix(&mut self, member: &Member<'_>, failed: Label) {
        if !member.reads_prefix() {
            return;
        }
        let always = member.prefix.iter().any(|link| !link.clears);
        let known = self.code.block();
        if !always {
            self.code.get(RUNNING).i64(0).push(&I::I64LtS);
            self.code.br_if(known);
        }
        for link in member.prefix.iter().filter(|link| !link.is_settled()) {
            self.emit_jump(&Expr::Guard(link.id), failed, false);
        }
        self.code.end();
    }

    fn emit_skip_unless(&mut self, bits: u64, skipped: Label) {
        self.code.get(RUNNING).i64(bits.cast_signed()).push(&I::I64And).push(&I::I64Eqz).br_if(skipped);
    }

    fn emit_keep(&mut self, place: Option<StatePlace>, state: u32) {
        match place {
            Some(StatePlace::Fixed(address)) => self.code.i32(address).i32(state).store8(0),
            Some(StatePlace::Column(offset)) => self.code.global(Global::ColumnRecord).i32(state).store8(offset),
            None => &mut self.code,
        };
    }

    /// `Guard`: what it found. Errs if it did.
    pub(super) fn emit_guard(&mut self, guard: GuardId) {
        let state = self.code.local(ValType::I32);
        match self.states.0.get(&guard) {
            Some(StatePlace::Fixed(address)) => self.code.i32(*address).load8(0),
            Some(StatePlace::Column(offset)) => self.code.global(Global::ColumnRecord).load8(*offset),
            // INVARIANT: the plan of the unit has a place for each guard that is read.
            None => self.code.push(&I::Unreachable),
        };
        self.code.tee(state).i32(ERRED).push(&I::I32GeU);
        self.err_if();
        self.code.get(state);
        self.code.release(state);
    }
}
