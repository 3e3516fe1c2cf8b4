//! Numbers: results, overflow, dates.

use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use super::frame::Cell;
use super::program::Builder;
use super::{Errs, Fails, Holds, and, ask, equal, long};
use crate::ir::Expr;

const EDGES: [i64; 21] = [
    i64::MIN,
    i64::MIN + 1,
    i64::MIN / 2,
    -(1 << 32) - 1,
    -(1 << 32),
    -(1 << 31) - 1,
    -(1 << 31),
    -3_037_000_500,
    -2,
    -1,
    0,
    1,
    2,
    (1 << 31) - 1,
    1 << 31,
    1 << 32,
    3_037_000_499,
    3_037_000_500,
    i64::MAX / 2,
    i64::MAX - 1,
    i64::MAX,
];

/// An operator of two numbers.
type Operator = fn(Expr, Expr) -> Expr;

/// What Rust says of it.
type Checked = fn(i64, i64) -> Option<i64>;

/// Compares an operator of two numbers with Rust's checked one, on all pairs of edges.
fn check_binary(operator: impl Fn(Expr, Expr) -> Expr, checked: impl Fn(i64, i64) -> Option<i64>) {
    let mut b = Builder::default();
    let (x, y, z) = (b.fact(Type::Long), b.fact(Type::Long), b.fact(Type::Long));
    let condition = equal(operator(x, y), z);
    b.question(vec![(0, condition)]);
    let mut guest = super::guest::Guest::new(b.program(), &super::PLAIN);
    for left in EDGES {
        for right in EDGES {
            let expected = checked(left, right);
            let cells = [left, right, expected.unwrap_or(0)].map(Cell::value);
            let frame = super::frame::Frame::new(guest.manifest(), 0, 0, &b.job_cells(&cells));
            let answer = guest.ask(&frame);
            let outcome = if expected.is_some() { (vec![0], vec![]) } else { (vec![], vec![0]) };
            assert_eq!(answer, [[outcome]], "{left} and {right}");
        }
    }
}

#[test]
fn sums_differences_and_products_err_exactly_on_overflow() {
    check_binary(|x, y| Expr::Add(x.into(), y.into(), Type::Long), i64::checked_add);
    check_binary(|x, y| Expr::Subtract(x.into(), y.into(), Type::Long), i64::checked_sub);
    check_binary(|x, y| Expr::Multiply(x.into(), y.into()), i64::checked_mul);
}

#[test]
fn comparisons_are_signed() {
    let mut b = Builder::default();
    let (x, y) = (b.fact(Type::Long), b.fact(Type::Long));
    let less = Expr::Less(x.clone().into(), y.clone().into());
    let less_equal = Expr::LessEqual(x.into(), y.into());
    for (left, right) in [(-1, 0), (0, -1), (3, 3), (i64::MIN, i64::MAX)] {
        let cells = [left, right].map(Cell::value);
        assert_eq!(ask(&b, &less, &cells), if left < right { Holds } else { Fails });
        assert_eq!(ask(&b, &less_equal, &cells), if left <= right { Holds } else { Fails });
    }
}

#[test]
fn negation_errs_for_the_least_long_only() {
    let mut b = Builder::default();
    let x = b.fact(Type::Long);
    let negated = |of: Expr| Expr::Negate(of.into());
    let condition = equal(negated(negated(x.clone())), x);
    for (value, expected) in [(i64::MIN, Errs), (i64::MAX, Holds), (0, Holds), (-5, Holds)] {
        assert_eq!(ask(&b, &condition, &[Cell::value(value)]), expected);
        assert_eq!(ask(&b, &equal(negated(negated(long(value))), long(value)), &[Cell::value(0)]), expected);
    }
}

#[test]
fn an_overflow_errs_although_the_policy_cannot_apply() {
    let mut b = Builder::default();
    let x = b.fact(Type::Long);
    let sum = Expr::Add(x.into(), long(1).into(), Type::Long);
    let condition = and(Expr::Less(long(0).into(), sum.into()), Expr::Bool(false));
    assert_eq!(ask(&b, &condition, &[Cell::value(i64::MAX)]), Errs);
    assert_eq!(ask(&b, &condition, &[Cell::value(5)]), Fails);
    let constant = Expr::Add(long(i64::MAX).into(), long(1).into(), Type::Long);
    assert_eq!(ask(&b, &and(equal(constant, long(0)), Expr::Bool(false)), &[Cell::value(5)]), Errs);
}

#[test]
fn quotients_truncate_toward_zero() {
    let mut b = Builder::default();
    let (x, y) = (b.fact(Type::Duration), b.fact(Type::Long));
    let condition = equal(Expr::Quotient(x.into(), 1000), y);
    for (ms, seconds) in [(1999, 1), (-1999, -1), (i64::MIN, i64::MIN / 1000), (0, 0)] {
        let cells = [Cell::Value(Value::Duration(ms)), Cell::value(seconds)];
        assert_eq!(ask(&b, &condition, &cells), Holds, "{ms}");
    }
}

#[test]
fn dates_round_down_and_times_are_never_negative() {
    const DAY: i64 = 86_400_000;
    let mut b = Builder::default();
    let (x, date, time) = (b.fact(Type::Datetime), b.fact(Type::Datetime), b.fact(Type::Duration));
    let dates = equal(Expr::ToDate(x.clone().into()), date);
    let times = equal(Expr::ToTime(x.into()), time);
    for instant in [0, 1, -1, DAY, -DAY, DAY - 1, 1 - DAY, 1_700_000_000_123, i64::MAX, i64::MIN, i64::MIN + DAY] {
        let time = instant.rem_euclid(DAY);
        let date = instant.checked_sub(time);
        let cells = [
            Cell::Value(Value::Datetime(instant)),
            Cell::Value(Value::Datetime(date.unwrap_or(0))),
            Cell::Value(Value::Duration(time)),
        ];
        assert_eq!(ask(&b, &dates, &cells), if date.is_some() { Holds } else { Errs }, "{instant}");
        assert_eq!(ask(&b, &times, &cells), Holds, "{instant}");
    }
}

#[test]
fn constants_are_computed_as_the_guest_computes_them() {
    let b = Builder::default();
    let mut conditions = Vec::new();
    let mut expected = Vec::new();
    let operators: [(Operator, Checked); 3] = [
        (|x, y| Expr::Add(x.into(), y.into(), Type::Long), i64::checked_add),
        (|x, y| Expr::Subtract(x.into(), y.into(), Type::Long), i64::checked_sub),
        (|x, y| Expr::Multiply(x.into(), y.into()), i64::checked_mul),
    ];
    for (operator, checked) in operators {
        for left in EDGES {
            for right in [i64::MIN, -1, 0, 3, i64::MAX] {
                let result = checked(left, right);
                conditions.push(equal(operator(long(left), long(right)), long(result.unwrap_or(0))));
                expected.push(if result.is_some() { Holds } else { Errs });
            }
        }
    }
    assert_eq!(super::ask_all(&b, &conditions, &[]), expected);
}
