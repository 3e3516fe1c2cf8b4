//! An interpreter of the compiler's IR, over facts resolved straight from entities: no frame, no symbols, no Wasm.
//!
//! Idea: say once more, in the plainest way, what `compiler/src/ir/expr.rs` and the tables of states in `docs/contract.md`
//! say. Where it disagrees with cedar-policy, the lowering is wrong; where the compiled module disagrees with it, the code
//! generation or the host is. Nothing here is fast, and nothing is shared with the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use exportgate_compiler::ir::{Expr, FactId, Guard, IpOperand, IpTest, PatternElement, Program};
use exportgate_contract::manifest::{ContextBinding, Effect, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Ip, Value};

use crate::engine::{Answer, Decision};

const DAY_MS: i64 = 86_400_000;

/// An entity, as data.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Value>,
    /// Its tags.
    pub tags: BTreeMap<Arc<str>, Value>,
    /// Its direct parents.
    pub parents: Vec<EntityUid>,
}

/// The entities of a case.
pub type Store = BTreeMap<EntityUid, Stored>;

/// A request, as data.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub principal: EntityUid,
    /// What they would do.
    pub action: EntityUid,
    /// On what.
    pub resource: EntityUid,
    /// The context.
    pub context: BTreeMap<Arc<str>, Value>,
}

/// The condition erred.
#[derive(Debug, PartialEq, Eq)]
struct Erred;

/// The state of a term or fact, with its value.
#[derive(Clone, Debug, PartialEq)]
enum Resolved {
    Value(Value),
    Absent,
    Err,
}

/// Answers a request as the program says.
///
/// # Errors
///
/// When the program has no question for the request, or breaks its own rules.
pub fn answer(program: &Program, store: &Store, asked: &Asked) -> Result<Answer, String> {
    let question = program
        .questions
        .iter()
        .find(|question| {
            question.action == asked.action
                && question.principal == asked.principal.entity_type
                && question.resource == asked.resource.entity_type
        })
        .ok_or_else(|| format!("no question for {}", asked.action))?;
    let mut inputs = BTreeMap::from([
        (question.binding.principal, Value::Entity(asked.principal.clone())),
        (question.binding.resource, Value::Entity(asked.resource.clone())),
    ]);
    match &question.binding.context {
        ContextBinding::Whole(input) => {
            inputs.insert(*input, Value::Record(Arc::new(asked.context.clone())));
        }
        ContextBinding::Attributes(attributes) => {
            for (name, input) in attributes {
                if let Some(value) = asked.context.get(name) {
                    inputs.insert(*input, value.clone());
                }
            }
        }
    }
    let scene = Scene { program, guards: &question.guards, store, inputs };
    let (mut satisfied, mut erring) = (Vec::new(), BTreeSet::new());
    for (policy, condition) in &question.conditions {
        let policy = &program.policies[policy.0 as usize];
        match scene.evaluate(condition) {
            Ok(Value::Bool(true)) => satisfied.push(policy),
            Ok(Value::Bool(false)) => {}
            Ok(other) => return Err(format!("the condition of `{}` is {other:?}", policy.id)),
            Err(Erred) => {
                erring.insert(policy.id.clone());
            }
        }
    }
    let ids = |effect| -> BTreeSet<String> {
        satisfied.iter().filter(|policy| policy.effect == effect).map(|policy| policy.id.clone()).collect()
    };
    let (permits, forbids) = (ids(Effect::Permit), ids(Effect::Forbid));
    let decision = if forbids.is_empty() && !permits.is_empty() { Decision::Allow } else { Decision::Deny };
    let determining = if forbids.is_empty() { permits } else { forbids };
    Ok(Answer { decision, determining, erring })
}

struct Scene<'a> {
    program: &'a Program,
    guards: &'a [Guard],
    store: &'a Store,
    inputs: BTreeMap<u32, Value>,
}

impl Scene<'_> {
    fn term(&self, term: u32) -> Resolved {
        match &self.program.terms[term as usize] {
            Term::Input(input) => self.inputs.get(input).cloned().map_or(Resolved::Absent, Resolved::Value),
            Term::Symbol(symbol) => Resolved::Value(self.program.symbols[*symbol as usize].clone()),
            Term::Attribute { of, name } => match self.term(*of) {
                Resolved::Value(Value::Entity(uid)) => {
                    found(self.store.get(&uid).and_then(|entity| entity.attributes.get(name)))
                }
                Resolved::Value(Value::Record(fields)) => found(fields.get(name)),
                Resolved::Value(other) => panic!("`{name}` of {other:?}"),
                Resolved::Absent | Resolved::Err => Resolved::Err,
            },
            Term::Tag { of, key } => match (self.term(*of), self.term(*key)) {
                (Resolved::Value(Value::Entity(uid)), Resolved::Value(Value::String(key))) => {
                    found(self.store.get(&uid).and_then(|entity| entity.tags.get(&key)))
                }
                (Resolved::Value(of), Resolved::Value(key)) => panic!("tag {key:?} of {of:?}"),
                _ => Resolved::Err,
            },
        }
    }

    fn fact(&self, fact: FactId) -> Resolved {
        match &self.program.facts[fact.0 as usize].read {
            Read::Value(term) | Read::State(term) => self.term(*term),
            Read::In { left, right } => match (self.term(*left), self.term(*right)) {
                (Resolved::Value(left), Resolved::Value(right)) => {
                    let above = self.above(entity(&left));
                    Resolved::Value(Value::Bool(match &right {
                        Value::Set(members) => members.iter().any(|member| above.contains(entity(member))),
                        right => above.contains(entity(right)),
                    }))
                }
                _ => Resolved::Err,
            },
            Read::Above { of } => match self.term(*of) {
                Resolved::Value(of) => {
                    let above = self.above(entity(&of)).into_iter().map(Value::Entity);
                    Resolved::Value(Value::set(above.filter(|uid| self.program.symbols.contains(uid))))
                }
                Resolved::Absent | Resolved::Err => Resolved::Err,
            },
            Read::HasTag { of, key } => match (self.term(*of), self.term(*key)) {
                (Resolved::Value(of), Resolved::Value(Value::String(key))) => Resolved::Value(Value::Bool(
                    self.store.get(entity(&of)).is_some_and(|entity| entity.tags.contains_key(&key)),
                )),
                _ => Resolved::Err,
            },
        }
    }

    /// The entity and all above it, those that aren't in the store included.
    fn above(&self, uid: &EntityUid) -> BTreeSet<EntityUid> {
        let mut seen = BTreeSet::new();
        let mut open = vec![uid.clone()];
        while let Some(uid) = open.pop() {
            if let Some(entity) = self.store.get(&uid) {
                open.extend(entity.parents.iter().filter(|parent| !seen.contains(*parent)).cloned());
            }
            seen.insert(uid);
        }
        seen
    }

    fn read(&self, fact: FactId) -> Result<Value, Erred> {
        match self.fact(fact) {
            Resolved::Value(value) => Ok(value),
            Resolved::Absent | Resolved::Err => Err(Erred),
        }
    }

    fn evaluate(&self, expr: &Expr) -> Result<Value, Erred> {
        let boolean = |expr: &Expr| self.evaluate(expr).map(|value| truth(&value));
        let number = |expr: &Expr| self.evaluate(expr).map(|value| word(&value));
        Ok(match expr {
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Word(value, ty) => typed(*value, ty),
            Expr::Symbol(symbol, _) => self.program.symbols[symbol.0 as usize].clone(),
            Expr::Fact(fact, _) => self.read(*fact)?,
            Expr::Has(fact) => match self.fact(*fact) {
                Resolved::Value(_) => Value::Bool(true),
                Resolved::Absent => Value::Bool(false),
                Resolved::Err => return Err(Erred),
            },
            Expr::Among(fact, symbol) => {
                let symbol = &self.program.symbols[symbol.0 as usize];
                Value::Bool(members(&self.read(*fact)?).contains(symbol))
            }
            Expr::Guard(guard) => self.evaluate(&self.guards[guard.0 as usize].test)?,
            Expr::Not(of) => Value::Bool(!boolean(of)?),
            Expr::And(left, right) => Value::Bool(boolean(left)? && boolean(right)?),
            Expr::Or(left, right) => Value::Bool(boolean(left)? || boolean(right)?),
            Expr::If(condition, then, other) => self.evaluate(if boolean(condition)? { then } else { other })?,
            Expr::Check(first, then) => {
                self.evaluate(first)?;
                self.evaluate(then)?
            }
            Expr::Equal(left, right) => Value::Bool(self.evaluate(left)? == self.evaluate(right)?),
            Expr::Less(left, right) => Value::Bool(number(left)? < number(right)?),
            Expr::LessEqual(left, right) => Value::Bool(number(left)? <= number(right)?),
            Expr::Add(left, right, ty) => typed(number(left)?.checked_add(number(right)?).ok_or(Erred)?, ty),
            Expr::Subtract(left, right, ty) => typed(number(left)?.checked_sub(number(right)?).ok_or(Erred)?, ty),
            Expr::Multiply(left, right) => Value::Long(number(left)?.checked_mul(number(right)?).ok_or(Erred)?),
            Expr::Negate(of) => Value::Long(number(of)?.checked_neg().ok_or(Erred)?),
            Expr::Quotient(of, by) => Value::Long(number(of)? / by),
            Expr::ToDate(of) => Value::Datetime(number(of)?.div_euclid(DAY_MS).checked_mul(DAY_MS).ok_or(Erred)?),
            Expr::ToTime(of) => Value::Duration(number(of)?.rem_euclid(DAY_MS)),
            Expr::Retype(of, ty) => typed(number(of)?, ty),
            Expr::Set(members, _) => {
                Value::set(members.iter().map(|member| self.evaluate(member)).collect::<Result<Vec<_>, _>>()?)
            }
            Expr::Record(fields) => {
                let mut values = Vec::new();
                for (name, _, field) in fields {
                    values.push((name.clone(), self.evaluate(field)?));
                }
                Value::record(values)
            }
            Expr::IsEmpty(of) => Value::Bool(members(&self.evaluate(of)?).is_empty()),
            Expr::Contains(set, member) => {
                let (set, member) = (self.evaluate(set)?, self.evaluate(member)?);
                Value::Bool(members(&set).contains(&member))
            }
            Expr::ContainsAll(left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                Value::Bool(members(&right).iter().all(|member| members(&left).contains(member)))
            }
            Expr::ContainsAny(left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                Value::Bool(members(&right).iter().any(|member| members(&left).contains(member)))
            }
            Expr::Like(fact, pattern) => match self.read(*fact)? {
                Value::String(text) => Value::Bool(like(&text.chars().collect::<Vec<_>>(), pattern)),
                other => panic!("`like` on {other:?}"),
            },
            Expr::Ip(test, operand) => {
                let ip = self.address(operand)?;
                Value::Bool(match test {
                    IpTest::V4 => !ip.v6,
                    IpTest::V6 => ip.v6,
                    // The prefix must be at least as long as that of the whole special range.
                    IpTest::Loopback if ip.v6 => Ipv6Addr::from(ip.address).is_loopback() && ip.prefix == 128,
                    IpTest::Loopback => v4(&ip).is_loopback() && ip.prefix >= 8,
                    IpTest::Multicast if ip.v6 => Ipv6Addr::from(ip.address).is_multicast() && ip.prefix >= 8,
                    IpTest::Multicast => v4(&ip).is_multicast() && ip.prefix >= 4,
                })
            }
            Expr::IpInRange(left, right) => {
                let (left, right) = (self.address(left)?, self.address(right)?);
                Value::Bool(
                    left.v6 == right.v6 && {
                        let (low, high) = ends(&left);
                        let (from, to) = ends(&right);
                        from <= low && high <= to
                    },
                )
            }
        })
    }

    fn address(&self, operand: &IpOperand) -> Result<Ip, Erred> {
        match operand {
            IpOperand::Literal(ip) => Ok(*ip),
            IpOperand::Fact(fact) => match self.read(*fact)? {
                Value::Ip(ip) => Ok(ip),
                other => panic!("an address, not {other:?}"),
            },
        }
    }
}

fn found(value: Option<&Value>) -> Resolved {
    value.cloned().map_or(Resolved::Absent, Resolved::Value)
}

fn entity(value: &Value) -> &EntityUid {
    match value {
        Value::Entity(uid) => uid,
        other => panic!("an entity, not {other:?}"),
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        other => panic!("a Bool, not {other:?}"),
    }
}

fn word(value: &Value) -> i64 {
    match value {
        Value::Long(word) | Value::Decimal(word) | Value::Datetime(word) | Value::Duration(word) => *word,
        other => panic!("a number, not {other:?}"),
    }
}

fn typed(word: i64, ty: &Type) -> Value {
    match ty {
        Type::Long => Value::Long(word),
        Type::Decimal => Value::Decimal(word),
        Type::Datetime => Value::Datetime(word),
        Type::Duration => Value::Duration(word),
        other => panic!("a number of type {other}"),
    }
}

fn members(value: &Value) -> &[Value] {
    match value {
        Value::Set(members) => members,
        other => panic!("a set, not {other:?}"),
    }
}

fn like(text: &[char], pattern: &[PatternElement]) -> bool {
    // `ends[i]`: whether the pattern so far matches the first i characters.
    let mut ends: Vec<bool> = (0..=text.len()).map(|i| i == 0).collect();
    for element in pattern {
        ends = match element {
            PatternElement::Char(c) => (0..=text.len()).map(|i| i > 0 && ends[i - 1] && text[i - 1] == *c).collect(),
            PatternElement::Wildcard => (0..=text.len()).map(|i| ends[..=i].contains(&true)).collect(),
        };
    }
    ends[text.len()]
}

fn v4(ip: &Ip) -> Ipv4Addr {
    Ipv4Addr::from(u32::try_from(ip.address).expect("an IPv4 address has 32 bits"))
}

/// The first and the last address of a range.
fn ends(ip: &Ip) -> (u128, u128) {
    let host_bits = if ip.v6 { 128 - u32::from(ip.prefix) } else { 32 - u32::from(ip.prefix) };
    let mask = if host_bits == 128 { u128::MAX } else { (1_u128 << host_bits) - 1 };
    (ip.address & !mask, ip.address | mask)
}
