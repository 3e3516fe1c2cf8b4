//! Runs generated modules on frames built by hand and compares their answers with Cedar's rules.

mod arithmetic;
mod axes;
mod composites;
mod frame;
mod frames;
mod guest;
mod lookups;
mod program;
mod texts;

use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use crate::ir::Expr;
use crate::passes::Passes;
use frame::{Cell, Frame};
use guest::Guest;
use program::Builder;

/// What one policy does at one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Holds,
    Fails,
    Errs,
}

use Answer::{Errs, Fails, Holds};

/// No passes beyond the necessary.
const PLAIN: Passes = Passes::NONE;

/// Asks a policy with one condition over job facts, with and without optimising passes; both must agree.
fn ask(builder: &Builder, condition: &Expr, cells: &[Cell]) -> Answer {
    let answers = ask_all(builder, std::slice::from_ref(condition), cells);
    answers[0]
}

/// Asks as many policies as there are conditions.
fn ask_all(builder: &Builder, conditions: &[Expr], cells: &[Cell]) -> Vec<Answer> {
    let mut builder = builder.clone();
    builder.question((0..).zip(conditions.iter().cloned()).collect());
    let [plain, optimised] = [PLAIN, Passes::default()].map(|passes| {
        let mut guest = Guest::new(builder.program(), &passes);
        let frame = Frame::new(guest.manifest(), 0, 0, &builder.job_cells(cells));
        let answer = guest.ask(&frame);
        let [points] = answer.as_slice() else { panic!("one question, not {answer:?}") };
        let [(satisfied, erring)] = points.as_slice() else { panic!("one point, not {points:?}") };
        let policies = 0..u32::try_from(conditions.len()).unwrap();
        let answer = policies.map(|policy| match (satisfied.contains(&policy), erring.contains(&policy)) {
            (true, false) => Holds,
            (false, true) => Errs,
            (false, false) => Fails,
            (true, true) => panic!("policy {policy} is satisfied and errs"),
        });
        answer.collect::<Vec<Answer>>()
    });
    assert_eq!(plain, optimised, "{conditions:?}");
    plain
}

/// `left == right`.
fn equal(left: Expr, right: Expr) -> Expr {
    Expr::Equal(Box::new(left), Box::new(right))
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::And(Box::new(left), Box::new(right))
}

fn or(left: Expr, right: Expr) -> Expr {
    Expr::Or(Box::new(left), Box::new(right))
}

fn not(of: Expr) -> Expr {
    Expr::Not(Box::new(of))
}

fn long(value: i64) -> Expr {
    Expr::Word(value, Type::Long)
}

fn contains(set: Expr, member: Expr) -> Expr {
    Expr::Contains(Box::new(set), Box::new(member))
}

fn set_type(of: Type) -> Type {
    Type::Set(Box::new(of))
}

fn longs(values: &[i64]) -> Value {
    Value::set(values.iter().map(|value| Value::Long(*value)))
}

#[test]
fn lazy_operators_skip_what_errs() {
    let mut b = Builder::default();
    let a = b.fact(Type::Bool);
    let x = b.fact(Type::Bool);
    let (yes, no) = (Cell::value(true), Cell::value(false));
    let cases = [
        (and(a.clone(), x.clone()), [Fails, Holds, Fails, Errs, Fails, Errs, Errs]),
        (or(a.clone(), x.clone()), [Holds, Holds, Fails, Holds, Errs, Errs, Errs]),
        (and(a.clone(), not(x.clone())), [Holds, Fails, Fails, Errs, Fails, Errs, Errs]),
        (not(or(not(a.clone()), x.clone())), [Holds, Fails, Fails, Errs, Fails, Errs, Errs]),
        (and(x.clone(), Expr::Bool(false)), [Fails, Fails, Fails, Errs, Errs, Fails, Errs]),
        (or(x.clone(), Expr::Bool(true)), [Holds, Holds, Holds, Errs, Errs, Holds, Errs]),
        (
            Expr::If(Box::new(a.clone()), Box::new(x.clone()), Box::new(Expr::Bool(true))),
            [Fails, Holds, Holds, Errs, Holds, Errs, Errs],
        ),
        (Expr::Check(Box::new(x.clone()), Box::new(a.clone())), [Holds, Holds, Fails, Errs, Errs, Errs, Errs]),
        (equal(and(a.clone(), x.clone()), Expr::Bool(true)), [Fails, Holds, Fails, Errs, Fails, Errs, Errs]),
        (equal(or(a, x), Expr::Bool(true)), [Holds, Holds, Fails, Holds, Errs, Errs, Errs]),
    ];
    let (conditions, expected): (Vec<Expr>, Vec<[Answer; 7]>) = cases.into_iter().unzip();
    {
        let rows = [
            [yes.clone(), no.clone()],
            [yes.clone(), yes.clone()],
            [no.clone(), no.clone()],
            [yes.clone(), Cell::Absent],
            [no.clone(), Cell::Error],
            [Cell::Absent, yes.clone()],
            [Cell::Error, Cell::Error],
        ];
        // The first operand false and the second erring is what the lazy operators differ in.
        for (i, cells) in rows.iter().enumerate() {
            let expected: Vec<Answer> = expected.iter().map(|expected| expected[i]).collect();
            assert_eq!(ask_all(&b, &conditions, cells), expected, "with {cells:?}");
        }
    }
}

#[test]
fn has_is_false_when_absent_and_errs_when_the_base_errs() {
    let mut b = Builder::default();
    let fact = b.fact(Type::Long);
    let Expr::Fact(id, _) = &fact else { panic!("a fact") };
    let has = Expr::Has(*id);
    let cases = [(Cell::value(7_i64), Holds), (Cell::Absent, Fails), (Cell::Error, Errs)];
    for (cell, expected) in cases {
        assert_eq!(ask(&b, &has, std::slice::from_ref(&cell)), expected);
        let guarded = and(has.clone(), equal(fact.clone(), long(7)));
        assert_eq!(ask(&b, &guarded, &[cell]), expected);
    }
    assert_eq!(ask(&b, &equal(fact, long(7)), &[Cell::Absent]), Errs);
}

#[test]
fn a_state_is_read_from_the_value_beside_it() {
    let mut b = Builder::default();
    let value = b.fact(Type::Long);
    let state = b.state_of(&value);
    let condition = and(Expr::Has(state), equal(value, long(7)));
    for (cell, expected) in [(Cell::value(7_i64), Holds), (Cell::Absent, Fails), (Cell::Error, Errs)] {
        assert_eq!(ask(&b, &condition, &[cell.clone(), cell]), expected);
    }
    b.question(vec![(0, condition)]);
    assert_eq!(Guest::new(b.program(), &Passes::default()).manifest().facts.len(), 1);
    assert_eq!(Guest::new(b.program(), &PLAIN).manifest().facts.len(), 2);
}

#[test]
fn symbols_are_compared_as_numbers() {
    let mut b = Builder::default();
    let role = b.fact(Type::String);
    let literal = b.text("admin");
    let condition = equal(role, literal);
    assert_eq!(ask(&b, &condition, &[Cell::value("admin")]), Holds);
    assert_eq!(ask(&b, &condition, &[Cell::value("admin ")]), Fails);
}

#[test]
fn folding_drops_what_can_neither_apply_nor_err() {
    let mut b = Builder::default();
    let fact = b.fact(Type::Long);
    let overflow = Expr::Add(Box::new(fact), Box::new(long(1)), Type::Long);
    let kept = and(Expr::Less(Box::new(long(0)), Box::new(overflow)), Expr::Bool(false));
    let dropped = and(equal(long(1), long(2)), kept.clone());
    b.question(vec![(0, kept), (1, dropped)]);
    let guest = Guest::new(b.program(), &Passes::default());
    let question = guest.manifest().questions.first().cloned().unwrap();
    assert_eq!(question.policies, [0]);
    assert_eq!(question.facts, [0]);
}
