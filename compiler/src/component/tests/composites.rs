//! Sets and records: facts against facts, facts against literals, literals against literals.

use exportgate_contract::types::{Attribute, Type};
use exportgate_contract::value::{EntityUid, Value};

use super::frame::{Cell, Frame};
use super::guest::Guest;
use super::program::Builder;
use super::{Errs, Fails, Holds, PLAIN, and, ask, ask_all, contains, equal, long, longs, set_type};
use crate::ir::Expr;

/// How an operand gets into an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// As one fact.
    Fact,
    /// As a literal of constants.
    Constant,
    /// As a literal whose leaves are facts.
    Built,
    /// As a literal whose sets and records are facts where they aren't outermost.
    Mixed,
    /// As a fact or a literal, by a condition that is a fact.
    Chosen,
}

const FORMS: [Form; 5] = [Form::Fact, Form::Constant, Form::Built, Form::Mixed, Form::Chosen];

/// An expression for `value`, with the facts that it needs.
fn operand(b: &mut Builder, cells: &mut Vec<Cell>, value: &Value, ty: &Type, form: Form, outermost: bool) -> Expr {
    let as_fact = |b: &mut Builder, cells: &mut Vec<Cell>| {
        cells.push(Cell::Value(value.clone()));
        b.fact(ty.clone())
    };
    match form {
        Form::Fact => return as_fact(b, cells),
        Form::Mixed if !outermost => return as_fact(b, cells),
        Form::Chosen if outermost => {
            cells.push(Cell::value(true));
            let condition = b.fact(Type::Bool);
            let then = operand(b, cells, value, ty, Form::Built, false);
            let otherwise = as_fact(b, cells);
            return Expr::If(condition.into(), then.into(), otherwise.into());
        }
        _ => {}
    }
    match (value, ty) {
        (Value::Set(members), Type::Set(of)) => {
            let mut members: Vec<Expr> =
                members.iter().rev().map(|member| operand(b, cells, member, of, form, false)).collect();
            // Unsorted, and one member twice.
            members.extend(members.first().cloned());
            Expr::Set(members, (**of).clone())
        }
        (Value::Record(fields), Type::Record(attributes)) => {
            let fields: Vec<(&str, Expr)> = fields
                .iter()
                .rev()
                .map(|(name, field)| (&**name, operand(b, cells, field, &attributes[name].ty, form, false)))
                .collect();
            b.record(fields)
        }
        _ if form == Form::Built => as_fact(b, cells),
        (Value::Bool(value), _) => Expr::Bool(*value),
        (Value::Long(value), _) => long(*value),
        (Value::String(text), _) => b.text(text),
        (Value::Entity(uid), _) => b.entity(&uid.entity_type, &uid.id),
        other => panic!("no literal for {other:?}"),
    }
}

/// An operator on two operands, and what it must say of their values.
type Operator = (fn(Expr, Expr) -> Expr, fn(&Value, &Value) -> bool);

fn members(value: &Value) -> &[Value] {
    let Value::Set(members) = value else { panic!("expected a set, found {value:?}") };
    members
}

const EQUAL: Operator = (equal, |left, right| left == right);
const CONTAINS: Operator = (contains, |set, member| members(set).contains(member));
const ALL: Operator = (
    |left, right| Expr::ContainsAll(left.into(), right.into()),
    |left, right| members(right).iter().all(|member| members(left).contains(member)),
);
const ANY: Operator = (
    |left, right| Expr::ContainsAny(left.into(), right.into()),
    |left, right| members(right).iter().any(|member| members(left).contains(member)),
);

/// Tries an operator on all pairs of values in all pairs of forms, each as a policy of one module.
fn check(operator: Operator, left: (&Type, &[Value]), right: (&Type, &[Value])) {
    let mut builder = Builder::default();
    let mut cells = Vec::new();
    let mut conditions = Vec::new();
    let mut expected = Vec::new();
    for (a, b) in left.1.iter().flat_map(|a| right.1.iter().map(move |b| (a, b))) {
        for (a_form, b_form) in FORMS.into_iter().flat_map(|a_form| FORMS.map(|b_form| (a_form, b_form))) {
            let left = operand(&mut builder, &mut cells, a, left.0, a_form, true);
            let right = operand(&mut builder, &mut cells, b, right.0, b_form, true);
            conditions.push(operator.0(left, right));
            expected.push(if operator.1(a, b) { Holds } else { Fails });
        }
    }
    assert_eq!(conditions.len(), 25 * left.1.len() * right.1.len());
    let answers = ask_all(&builder, &conditions, &cells);
    let wrong = answers.iter().zip(&expected).position(|(answer, expected)| answer != expected);
    assert_eq!(wrong.map(|wrong| &conditions[wrong]), None);
}

fn record_type(fields: &[(&str, Type)]) -> Type {
    let attribute = |ty: &Type| Attribute { ty: ty.clone(), required: true };
    Type::Record(fields.iter().map(|(name, ty)| ((*name).into(), attribute(ty))).collect())
}

fn texts(texts: &[&str]) -> Value {
    Value::set(texts.iter().map(|text| Value::from(*text)))
}

#[test]
fn sets_of_words() {
    let ty = set_type(Type::Long);
    let many: Vec<i64> = (0..20).map(|i| i * i - 50).collect();
    let values = [longs(&[]), longs(&[-1]), longs(&[3, -1, i64::MIN]), longs(&many)];
    for operator in [EQUAL, ALL, ANY] {
        check(operator, (&ty, &values), (&ty, &values));
    }
    let wanted = [-1, 3, 4, i64::MIN].map(Value::Long);
    check(CONTAINS, (&ty, &values), (&Type::Long, &wanted));
}

#[test]
fn sets_of_truth_values_texts_and_entities() {
    let bools = set_type(Type::Bool);
    let values = [Value::set([]), Value::set([true.into()]), Value::set([true.into(), false.into()])];
    check(EQUAL, (&bools, &values), (&bools, &values));
    check(CONTAINS, (&bools, &values), (&Type::Bool, &[true.into(), false.into()]));

    let strings = set_type(Type::String);
    let values = [texts(&[]), texts(&["b", "a", "c"]), texts(&["d", "a"])];
    check(ALL, (&strings, &values), (&strings, &values));
    check(CONTAINS, (&strings, &values), (&Type::String, &["a".into(), "d".into()]));

    let user = Type::Entity("User".into());
    let uid = |id: &str| Value::Entity(EntityUid::new("User", id));
    let users = set_type(user.clone());
    let values = [Value::set([uid("x")]), Value::set([uid("y"), uid("x"), uid("z")])];
    check(ANY, (&users, &values), (&users, &values));
    check(CONTAINS, (&users, &values), (&user, &[uid("y"), uid("q")]));
}

#[test]
fn sets_of_sets() {
    let inner = set_type(Type::Long);
    let ty = set_type(inner.clone());
    let values = [
        Value::set([]),
        Value::set([longs(&[])]),
        Value::set([longs(&[1, 2]), longs(&[3])]),
        Value::set([longs(&[2]), longs(&[3]), longs(&[])]),
    ];
    for operator in [EQUAL, ALL, ANY] {
        check(operator, (&ty, &values), (&ty, &values));
    }
    check(CONTAINS, (&ty, &values), (&inner, &[longs(&[2, 1]), longs(&[]), longs(&[3]), longs(&[1])]));
}

#[test]
fn records_within_records_and_sets() {
    let inner = record_type(&[("b", Type::String), ("a", set_type(Type::Long))]);
    let ty = record_type(&[("n", Type::Long), ("r", inner.clone()), ("f", Type::Bool)]);
    let inner_value = |b: &str, a: &[i64]| Value::record([("b", b.into()), ("a", longs(a))]);
    let value = |n: i64, f: bool, r: Value| Value::record([("n", n.into()), ("f", f.into()), ("r", r)]);
    let values = [
        value(1, true, inner_value("x", &[1, 2])),
        value(1, true, inner_value("x", &[2])),
        value(1, false, inner_value("x", &[1, 2])),
        value(1, true, inner_value("y", &[1, 2])),
    ];
    check(EQUAL, (&ty, &values), (&ty, &values));
    let set = set_type(inner.clone());
    let sets = [
        Value::set([]),
        Value::set([inner_value("x", &[]), inner_value("x", &[7])]),
        Value::set([inner_value("y", &[7])]),
    ];
    check(CONTAINS, (&set, &sets), (&inner, &[inner_value("x", &[7]), inner_value("y", &[7]), inner_value("z", &[])]));
    check(ANY, (&set, &sets), (&set, &sets));
}

#[test]
fn is_empty_looks_at_members_not_at_values() {
    let mut b = Builder::default();
    let set = b.fact(set_type(Type::Long));
    let n = b.fact(Type::Long);
    let is_empty = |of: Expr| Expr::IsEmpty(of.into());
    let some = Cell::value(1_i64);
    assert_eq!(ask(&b, &is_empty(set.clone()), &[Cell::Value(longs(&[])), some.clone()]), Holds);
    assert_eq!(ask(&b, &is_empty(set.clone()), &[Cell::Value(longs(&[0])), some.clone()]), Fails);
    assert_eq!(ask(&b, &is_empty(set), &[Cell::Absent, some.clone()]), Errs);
    let literal = Expr::Set(vec![n], Type::Long);
    assert_eq!(ask(&b, &is_empty(literal.clone()), &[Cell::Absent, some]), Fails);
    assert_eq!(ask(&b, &is_empty(literal), &[Cell::Absent, Cell::Error]), Errs);
}

#[test]
fn every_member_is_evaluated_before_any_is_compared() {
    let mut b = Builder::default();
    let n = b.fact(Type::Long);
    let sum = Expr::Add(n.into(), long(1).into(), Type::Long);
    let set = Expr::Set(vec![long(1), sum.clone()], Type::Long);
    let (ok, overflow) = (Cell::value(6_i64), Cell::value(i64::MAX));
    for (condition, expected) in [
        (contains(set.clone(), long(1)), Holds),
        (contains(set.clone(), long(7)), Holds),
        (contains(set.clone(), long(8)), Fails),
        (contains(Expr::Set(vec![long(1)], Type::Long), sum.clone()), Fails),
        (Expr::ContainsAny(set.clone().into(), Expr::Set(vec![long(1)], Type::Long).into()), Holds),
        (equal(set.clone(), Expr::Set(vec![long(7), long(1)], Type::Long)), Holds),
        (contains(Expr::Set(vec![set.clone()], set_type(Type::Long)), set), Holds),
        (Expr::ContainsAll(Expr::Set(vec![sum], Type::Long).into(), Expr::Set(vec![], Type::Long).into()), Holds),
    ] {
        assert_eq!(ask(&b, &condition, std::slice::from_ref(&ok)), expected, "{condition:?}");
        assert_eq!(ask(&b, &condition, std::slice::from_ref(&overflow)), Errs, "{condition:?}");
    }
}

#[test]
fn the_hard_cases_of_the_contract() {
    // context.nested.contains([context.n - 1])
    let mut b = Builder::default();
    let nested = b.fact(set_type(set_type(Type::Long)));
    let n = b.fact(Type::Long);
    let less = Expr::Subtract(n.into(), long(1).into(), Type::Long);
    let condition = contains(nested, Expr::Set(vec![less], Type::Long));
    let sets = Cell::Value(Value::set([longs(&[4]), longs(&[4, 5])]));
    assert_eq!(ask(&b, &condition, &[sets.clone(), Cell::value(5_i64)]), Holds);
    assert_eq!(ask(&b, &condition, &[sets.clone(), Cell::value(6_i64)]), Fails);
    assert_eq!(ask(&b, &condition, &[sets, Cell::value(i64::MIN)]), Errs);

    // dts.contains(dt.offset(dur))
    let mut b = Builder::default();
    let dts = b.fact(set_type(Type::Datetime));
    let (dt, dur) = (b.fact(Type::Datetime), b.fact(Type::Duration));
    let condition = contains(dts, Expr::Add(dt.into(), dur.into(), Type::Datetime));
    let instants = Cell::Value(Value::set([100, -7, 1 << 40].map(Value::Datetime)));
    let cells = |dt, dur| [instants.clone(), Cell::Value(Value::Datetime(dt)), Cell::Value(Value::Duration(dur))];
    assert_eq!(ask(&b, &condition, &cells(3, -10)), Holds);
    assert_eq!(ask(&b, &condition, &cells(3, -11)), Fails);
    assert_eq!(ask(&b, &condition, &cells(i64::MAX, 1)), Errs);

    // [{x: principal}].contains({x: context.u})
    let mut b = Builder::default();
    let user = Type::Entity("User".into());
    let (principal, u) = (b.fact(user.clone()), b.fact(user.clone()));
    let element = record_type(&[("x", user)]);
    let set = Expr::Set(vec![b.record(vec![("x", principal)])], element);
    let condition = and(contains(set, b.record(vec![("x", u)])), Expr::Bool(true));
    let uid = |id: &str| Cell::Value(Value::Entity(EntityUid::new("User", id)));
    assert_eq!(ask(&b, &condition, &[uid("a"), uid("a")]), Holds);
    assert_eq!(ask(&b, &condition, &[uid("a"), uid("b")]), Fails);
    assert_eq!(ask(&b, &condition, &[uid("a"), Cell::Absent]), Errs);
    b.question(vec![(0, condition)]);
    let guest = Guest::new(b.program(), &PLAIN);
    assert!(guest.manifest().facts.iter().all(|fact| !fact.payload), "entities need no payload");
}

#[test]
fn facts_compared_as_symbols_need_no_payload() {
    let mut b = Builder::default();
    let ty = record_type(&[("x", set_type(Type::Long))]);
    let (left, right) = (b.fact(ty.clone()), b.fact(ty.clone()));
    let either = contains(Expr::Set(vec![left.clone()], ty), right.clone());
    b.question(vec![(0, and(equal(left, right), either))]);
    let mut guest = Guest::new(b.program(), &PLAIN);
    assert!(guest.manifest().facts.iter().all(|fact| !fact.payload));
    let value = |n| Cell::Value(Value::record([("x", longs(&[n]))]));
    for (cells, expected) in [([value(1), value(1)], vec![0]), ([value(1), value(2)], vec![])] {
        let frame = Frame::new(guest.manifest(), 0, 0, &b.job_cells(&cells));
        assert_eq!(guest.ask(&frame), [[(expected, vec![])]]);
    }
}
