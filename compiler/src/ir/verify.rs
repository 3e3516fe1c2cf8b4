//! Checks a program: every id in range, terms built only from earlier ones, every operator given operands of its types.

use std::collections::BTreeSet;

use exportgate_contract::limits;
use exportgate_contract::manifest::{Axis, ContextBinding, Fact, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use crate::ir::{Expr, FactId, Guard, GuardId, IpOperand, PolicyIdx, Program, Question, SymbolId};

/// What is wrong with a program: a fault of the compiler, never of a pack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} in {place}")]
pub struct VerifyError {
    message: String,
    place: String,
}

/// Checks `program`.
///
/// # Errors
///
/// The first fault found.
pub fn verify(program: &Program) -> Result<(), VerifyError> {
    Checker { program, guards: &[] }.check_tables()?;
    for question in &program.questions {
        let checker = Checker { program, guards: &question.guards };
        checker.check_guards(question)?;
        checker.check_lookups(question)?;
        let place = |policy: u32| format!("policy {policy} of question {}", question.action);
        let mut last = None;
        for (policy, condition) in &question.conditions {
            let fail = |message: String| VerifyError { message, place: place(policy.0) };
            if last.is_some_and(|last| last >= policy.0) {
                return Err(fail("a condition out of order".to_owned()));
            }
            last = Some(policy.0);
            if at(&program.policies, policy.0).is_none() {
                return Err(fail("an unknown policy".to_owned()));
            }
            checker.check_expr(condition, &Type::Bool).map_err(fail)?;
        }
        let inputs = [question.binding.principal, question.binding.resource];
        let context: Vec<u32> = match &question.binding.context {
            ContextBinding::Whole(input) => vec![*input],
            ContextBinding::Attributes(attributes) => attributes.values().copied().collect(),
        };
        let bound: BTreeSet<u32> = inputs.into_iter().chain(context).collect();
        if bound.iter().any(|input| at(&program.inputs, *input).is_none()) || !question.given.is_subset(&bound) {
            return Err(VerifyError { message: "an unknown input".to_owned(), place: place(0) });
        }
    }
    Ok(())
}

fn at<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(usize::try_from(index).ok()?)
}

struct Checker<'a> {
    program: &'a Program,
    /// Those of the question at hand.
    guards: &'a [Guard],
}

impl Checker<'_> {
    fn check_tables(&self) -> Result<(), VerifyError> {
        let mut axes: Vec<Axis> = Vec::with_capacity(self.program.terms.len());
        let mut depths: Vec<usize> = Vec::with_capacity(self.program.terms.len());
        for (i, term) in self.program.terms.iter().enumerate() {
            let fail = |message: &str| VerifyError { message: message.to_owned(), place: format!("term {i}") };
            let earlier = |term: &u32| {
                let axis = at(&axes, *term).copied().ok_or_else(|| fail("an unknown or later term"))?;
                let depth = at(&depths, *term).copied().ok_or_else(|| fail("an unknown or later term"))?;
                Ok::<_, VerifyError>((axis, depth))
            };
            let (axis, depth) = match term {
                Term::Input(input) => {
                    (at(&self.program.inputs, *input).ok_or_else(|| fail("an unknown input"))?.axis, 0)
                }
                Term::Symbol(symbol) => {
                    at(&self.program.symbols, *symbol).ok_or_else(|| fail("an unknown symbol"))?;
                    (Axis::Job, 0)
                }
                Term::Attribute { of, .. } => {
                    let (axis, depth) = earlier(of)?;
                    (axis, depth.saturating_add(1))
                }
                Term::Tag { of, key } => {
                    let (of, depth) = earlier(of)?;
                    let (key, key_depth) = earlier(key)?;
                    (of.join(key), depth.max(key_depth).saturating_add(1))
                }
            };
            if depth > limits::TERM_DEPTH_MAX {
                return Err(fail("more steps than `TERM_DEPTH_MAX`"));
            }
            axes.push(axis);
            depths.push(depth);
        }
        for (i, fact) in self.program.facts.iter().enumerate() {
            self.check_fact(fact, &axes).map_err(|message| VerifyError { message, place: format!("fact {i}") })?;
        }
        for (i, symbol) in self.program.symbols.iter().enumerate() {
            if !matches!(symbol, Value::String(_) | Value::Entity(_) | Value::Ip(_)) {
                let message = format!("a constant of kind `{}`", symbol.kind());
                return Err(VerifyError { message, place: format!("symbol {i}") });
            }
        }
        Ok(())
    }

    /// Each guard is on the axis of what it reads, and names only guards that are worked out before it.
    fn check_guards(&self, question: &Question) -> Result<(), VerifyError> {
        for (i, guard) in self.guards.iter().enumerate() {
            let fail =
                |message: String| VerifyError { message, place: format!("guard {i} of question {}", question.action) };
            self.check_expr(&guard.test, &Type::Bool).map_err(fail)?;
            let (mut axis, mut fault) = (Axis::Job, None);
            guard.test.each(&mut |expr| {
                expr.own_facts(&mut |fact| axis = axis.join(self.fact(*fact).map_or(Axis::Job, |fact| fact.axis)));
                if let Expr::Guard(named) = expr {
                    match self.guard(*named) {
                        Ok(named) if named.axis != guard.axis => axis = axis.join(named.axis),
                        Ok(_) => fault = Some("a guard that names one of its own axis".to_owned()),
                        Err(message) => fault = Some(message),
                    }
                }
            });
            if let Some(message) = fault {
                return Err(fail(message));
            }
            if axis != guard.axis {
                return Err(fail(format!("axis {:?} where its facts join to {axis:?}", guard.axis)));
            }
        }
        Ok(())
    }

    /// Keys fit their subjects and ascend, and no policy stands under two of them.
    fn check_lookups(&self, question: &Question) -> Result<(), VerifyError> {
        let fail =
            |message: String| VerifyError { message, place: format!("a lookup of question {}", question.action) };
        let known: BTreeSet<PolicyIdx> = question.conditions.iter().map(|(policy, _)| *policy).collect();
        let mut found = BTreeSet::new();
        for lookup in &question.lookups {
            let subject = self.fact(lookup.subject).map_err(fail)?;
            match (&subject.read, &subject.ty) {
                (Read::Value(_), Type::Entity(_)) | (Read::Above { .. }, _) => {}
                (read, ty) => return Err(fail(format!("a subject {read:?} of type `{ty}`"))),
            }
            if !lookup.keys.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(fail("keys out of order".to_owned()));
            }
            for (symbol, policies) in &lookup.keys {
                if !matches!(self.symbol(*symbol).map_err(fail)?, Value::Entity(_)) {
                    return Err(fail("a key that is no entity".to_owned()));
                }
                if !policies.is_sorted_by(|a, b| a < b) {
                    return Err(fail("policies out of order".to_owned()));
                }
                if policies.iter().any(|policy| !known.contains(policy) || !found.insert(*policy)) {
                    return Err(fail("a policy that is unknown, or found twice".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn guard(&self, guard: GuardId) -> Result<&Guard, String> {
        at(self.guards, guard.0).ok_or_else(|| "an unknown guard".to_owned())
    }

    fn check_fact(&self, fact: &Fact, axes: &[Axis]) -> Result<(), String> {
        let axis = |term: u32| at(axes, term).copied().ok_or_else(|| "an unknown term".to_owned());
        let found = match &fact.read {
            Read::Value(term) => axis(*term)?,
            Read::State(term) => axis(*term)?,
            Read::Above { of } => axis(*of)?,
            Read::In { left, right } => axis(*left)?.join(axis(*right)?),
            Read::HasTag { of, key } => axis(*of)?.join(axis(*key)?),
        };
        if found != fact.axis {
            return Err(format!("axis {:?} where its inputs join to {found:?}", fact.axis));
        }
        if let Read::Above { .. } = fact.read {
            let fits = matches!(&fact.ty, Type::Set(of) if matches!(**of, Type::Entity(_)));
            return if fits { Ok(()) } else { Err(format!("type `{}` of a set of entities", fact.ty)) };
        }
        if !matches!(fact.read, Read::Value(_)) && fact.ty != Type::Bool {
            return Err(format!("type `{}` where a truth value is read", fact.ty));
        }
        Ok(())
    }

    fn fact(&self, fact: FactId) -> Result<&Fact, String> {
        at(&self.program.facts, fact.0).ok_or_else(|| "an unknown fact".to_owned())
    }

    fn symbol(&self, symbol: SymbolId) -> Result<&Value, String> {
        at(&self.program.symbols, symbol.0).ok_or_else(|| "an unknown symbol".to_owned())
    }

    fn check_operand(&self, operand: &IpOperand) -> Result<(), String> {
        match operand {
            IpOperand::Fact(fact) => expect(&self.fact(*fact)?.ty, &Type::Ip),
            IpOperand::Literal(_) => Ok(()),
        }
    }

    fn check_expr(&self, expr: &Expr, expected: &Type) -> Result<(), String> {
        let found = self.type_of(expr)?;
        expect(&found, expected)
    }

    /// The type of `expr`, its operands checked.
    fn type_of(&self, expr: &Expr) -> Result<Type, String> {
        let bools = |operands: &[&Expr]| operands.iter().try_for_each(|operand| self.check_expr(operand, &Type::Bool));
        match expr {
            Expr::Bool(_) => {}
            Expr::Word(_, ty) => expect_number(ty)?,
            Expr::Symbol(symbol, ty) => match (self.symbol(*symbol)?, ty) {
                (Value::String(_), Type::String) | (Value::Ip(_), Type::Ip) => {}
                (Value::Entity(uid), Type::Entity(name)) if uid.entity_type == *name => {}
                (value, ty) => return Err(format!("a constant of kind `{}` and type `{ty}`", value.kind())),
            },
            Expr::Fact(fact, ty) => expect(&self.fact(*fact)?.ty, ty)?,
            Expr::Has(fact) => {
                self.fact(*fact)?;
            }
            Expr::Among(fact, symbol) => {
                let fact = self.fact(*fact)?;
                let Value::Entity(uid) = self.symbol(*symbol)? else {
                    return Err("a place in the hierarchy that is no entity".to_owned());
                };
                if !matches!(fact.read, Read::Above { .. }) {
                    return Err("a place in the hierarchy, looked up in another fact".to_owned());
                }
                expect(&fact.ty, &Type::Set(Box::new(Type::Entity(uid.entity_type.clone()))))?;
            }
            Expr::Guard(guard) => {
                self.guard(*guard)?;
            }
            Expr::Not(of) => bools(&[of])?,
            Expr::And(left, right) | Expr::Or(left, right) => bools(&[left, right])?,
            Expr::If(test, then, or) => {
                bools(&[test])?;
                self.check_expr(or, &self.type_of(then)?)?;
            }
            Expr::Check(checked, then) => {
                self.type_of(checked)?;
                self.type_of(then)?;
            }
            // CEDAR: strict validation refuses `==` of two types that have no common one, and its common types are the same
            // types but for singleton truth values, which are all `Bool` here. What it lets pass because it knows the
            // answer (entities of different types, two literals) is decided when it is lowered.
            Expr::Equal(left, right) => self.check_expr(right, &self.type_of(left)?)?,
            Expr::Less(left, right) | Expr::LessEqual(left, right) => {
                let ty = self.type_of(left)?;
                expect_number(&ty)?;
                self.check_expr(right, &ty)?;
            }
            Expr::Add(left, right, ty) | Expr::Subtract(left, right, ty) => {
                expect_number(ty)?;
                expect_number(&self.type_of(left)?)?;
                expect_number(&self.type_of(right)?)?;
            }
            Expr::Multiply(left, right) => {
                self.check_expr(left, &Type::Long)?;
                self.check_expr(right, &Type::Long)?;
            }
            Expr::Negate(of) => self.check_expr(of, &Type::Long)?,
            Expr::Quotient(of, by) => {
                expect_number(&self.type_of(of)?)?;
                if *by <= 0 {
                    return Err(format!("a quotient by {by}"));
                }
            }
            Expr::ToDate(of) | Expr::ToTime(of) => self.check_expr(of, &Type::Datetime)?,
            Expr::Retype(of, ty) => {
                expect_number(ty)?;
                expect_number(&self.type_of(of)?)?;
            }
            Expr::Set(members, of) => members.iter().try_for_each(|member| self.check_expr(member, of))?,
            Expr::Record(fields) => {
                for (name, symbol, field) in fields {
                    if *self.symbol(*symbol)? != Value::String(name.clone()) {
                        return Err(format!("a wrong symbol for the name `{name}`"));
                    }
                    self.type_of(field)?;
                }
            }
            Expr::IsEmpty(of) => {
                self.member_type(of)?;
            }
            Expr::Contains(set, member) => self.check_expr(member, &self.member_type(set)?)?,
            Expr::ContainsAll(set, other) | Expr::ContainsAny(set, other) => {
                self.check_expr(other, &self.type_of(set)?)?;
                self.member_type(set)?;
            }
            Expr::Like(fact, _) => expect(&self.fact(*fact)?.ty, &Type::String)?,
            Expr::Ip(_, operand) => self.check_operand(operand)?,
            Expr::IpInRange(address, range) => {
                self.check_operand(address)?;
                self.check_operand(range)?;
            }
        }
        Ok(expr.ty())
    }

    fn member_type(&self, set: &Expr) -> Result<Type, String> {
        match self.type_of(set)? {
            Type::Set(of) => Ok(*of),
            other => Err(format!("a set operator on type `{other}`")),
        }
    }
}

fn expect(found: &Type, expected: &Type) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("expected type `{expected}`, found `{found}`")) }
}

fn expect_number(ty: &Type) -> Result<(), String> {
    match ty {
        Type::Long | Type::Datetime | Type::Duration | Type::Decimal => Ok(()),
        Type::Bool | Type::String | Type::Entity(_) | Type::Set(_) | Type::Record(_) | Type::Ip => {
            Err(format!("expected a number, found type `{ty}`"))
        }
    }
}
