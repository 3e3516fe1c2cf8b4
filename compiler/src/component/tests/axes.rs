//! Random conditions over facts on all axes: what the passes make of them answers as the plain code does, at every point.
//!
//! The plain code is compared with cedar-policy elsewhere, one request at a time. Here many rows and columns are asked at
//! once, and any cell may be absent or in error.

use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;

use super::frame::{Cell, Frame};
use super::frames::Numbers;
use super::guest::Guest;
use super::program::Builder;
use super::{PLAIN, and, equal, long, not, or};
use crate::ir::Expr;
use crate::passes::Passes;

const AXES: [Axis; 4] = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell];

/// What random conditions are made of.
struct Words {
    /// Facts that are always there, by axis: job and column.
    given: Vec<(Axis, Expr)>,
    /// Facts that may be absent or in error.
    truths: Vec<(Axis, Expr)>,
    numbers: Vec<(Axis, Expr)>,
}

fn pick(numbers: &mut Numbers, facts: &[(Axis, Expr)], axes: &[Axis]) -> Expr {
    let fitting: Vec<&Expr> = facts.iter().filter(|(axis, _)| axes.contains(axis)).map(|(_, fact)| fact).collect();
    fitting[usize::try_from(numbers.next(fitting.len() as u64)).unwrap()].clone()
}

impl Words {
    /// A link of a condition: few different ones, so that policies share some.
    fn link(&self, numbers: &mut Numbers, axes: &[Axis], depth: u32) -> Expr {
        let has_given = self.given.iter().any(|(axis, _)| axes.contains(axis));
        match numbers.next(if depth == 0 { 6 } else { 11 }) {
            0 | 1 if has_given => pick(numbers, &self.given, axes),
            0..=2 => pick(numbers, &self.truths, axes),
            3 => equal(pick(numbers, &self.numbers, axes), long(numbers.next(3).cast_signed())),
            4 => {
                let (left, right) = (pick(numbers, &self.numbers, axes), pick(numbers, &self.numbers, axes));
                Expr::Less(left.into(), right.into())
            }
            5 => match pick(numbers, &self.numbers, axes) {
                Expr::Fact(fact, _) => Expr::Has(fact),
                other => other,
            },
            6 => not(self.link(numbers, axes, depth - 1)),
            7 => or(self.link(numbers, axes, depth - 1), self.link(numbers, axes, depth - 1)),
            8 => and(self.link(numbers, axes, depth - 1), self.link(numbers, axes, depth - 1)),
            9 => Expr::Check(self.link(numbers, axes, depth - 1).into(), self.link(numbers, axes, depth - 1).into()),
            _ => Expr::If(
                self.link(numbers, axes, depth - 1).into(),
                self.link(numbers, axes, depth - 1).into(),
                self.link(numbers, axes, depth - 1).into(),
            ),
        }
    }

    fn condition(&self, numbers: &mut Numbers, axes: &[Axis]) -> Expr {
        let links = 1 + numbers.next(5);
        let first = self.link(numbers, axes, 2);
        (1..links).fold(first, |chain, _| {
            let link = self.link(numbers, axes, 2);
            if numbers.next(4) == 0 { and(link, chain) } else { and(chain, link) }
        })
    }
}

/// A program with a question on each axis, and how many facts of each kind it has.
fn random_program(numbers: &mut Numbers, policies_max: u64) -> (Builder, Vec<(Axis, Kind)>) {
    let mut b = Builder::default();
    let mut words = Words { given: Vec::new(), truths: Vec::new(), numbers: Vec::new() };
    let mut kinds = Vec::new();
    for axis in AXES {
        for i in 0..2 {
            words.truths.push((axis, b.fact_on(axis, Type::Bool)));
            words.numbers.push((axis, b.fact_on(axis, Type::Long)));
            kinds.extend([(axis, Kind::Truth), (axis, Kind::Number)]);
            let (left, right) = match (axis, i) {
                (Axis::Job, 0) => (0, 0),
                (Axis::Row, i) => (1, i),
                (Axis::Column, i) => (2 - 2 * i, 2),
                (Axis::Job | Axis::Cell, _) => continue,
            };
            let fact = b.is_in(axis, left, right);
            if axis == Axis::Row {
                words.truths.push((axis, fact));
                kinds.push((axis, Kind::Truth));
            } else {
                words.given.push((axis, fact));
                kinds.push((axis, Kind::Given));
            }
        }
    }
    for axes in [&AXES[..1], &AXES[..2], &[Axis::Job, Axis::Column], &AXES[..]] {
        let policies = 1 + numbers.next(policies_max);
        let mut conditions: Vec<(u32, Expr)> = Vec::new();
        for policy in 0..u32::try_from(policies).unwrap() {
            // Some are another's condition with one link more.
            let condition = match (numbers.next(3), conditions.last()) {
                (0, Some((_, last))) => and(last.clone(), words.link(numbers, axes, 1)),
                _ => words.condition(numbers, axes),
            };
            if numbers.next(8) > 0 {
                conditions.push((policy, condition));
            }
        }
        b.question(conditions);
    }
    (b, kinds)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Given,
    Truth,
    Number,
}

/// Cells for the facts; one in `errors` isn't there.
fn random_cells(
    numbers: &mut Numbers,
    kinds: &[(Axis, Kind)],
    rows: usize,
    columns: usize,
    errors: u64,
) -> Vec<Vec<Cell>> {
    let cell = |numbers: &mut Numbers, axis: Axis, kind: Kind| {
        if kind != Kind::Given && numbers.next(errors) == 0 {
            // An attribute of what is always there may be absent, and isn't in error.
            let given = matches!(axis, Axis::Job | Axis::Column);
            return if given || numbers.next(2) == 0 { Cell::Absent } else { Cell::Error };
        }
        match kind {
            Kind::Given | Kind::Truth => Cell::value(numbers.next(3) > 0),
            Kind::Number => Cell::value(numbers.next(3).cast_signed()),
        }
    };
    let points = |axis: Axis| axis.points(rows, columns).unwrap();
    kinds.iter().map(|(axis, kind)| (0..points(*axis)).map(|_| cell(numbers, *axis, *kind)).collect()).collect()
}

/// Passes one by one, and together.
fn choices() -> Vec<Passes> {
    vec![
        Passes { axes: true, ..PLAIN },
        Passes { share: true, ..PLAIN },
        Passes { outcomes: true, ..PLAIN },
        Passes { axes: true, share: true, ..PLAIN },
        Passes::default(),
    ]
}

fn compare(seeds: std::ops::Range<u64>, policies_max: u64) {
    for seed in seeds {
        let mut numbers = Numbers(seed);
        let (b, kinds) = random_program(&mut numbers, policies_max);
        let mut plain = Guest::new(b.program(), &PLAIN);
        let mut others: Vec<Guest> = choices().iter().map(|passes| Guest::new(b.program(), passes)).collect();
        for (rows, columns) in [(1, 3), (3, 1), (0, 2), (2, 0), (5, 7), (40, 3), (2, 41)] {
            let errors = [1_000_000, 40, 4][usize::try_from(numbers.next(3)).unwrap()];
            let cells = b.cells(random_cells(&mut numbers, &kinds, rows, columns, errors));
            let expected = plain.ask_within_cost(&Frame::new(plain.manifest(), rows, columns, &cells));
            for (guest, passes) in others.iter_mut().zip(choices()) {
                let frame = Frame::new(guest.manifest(), rows, columns, &cells);
                let place = format!("seed {seed}, {rows} rows, {columns} columns, {passes:?}");
                let answer = guest.ask_within_cost(&frame);
                assert_eq!(answer.len(), expected.len(), "{place}");
                for (question, (found, expected)) in answer.iter().zip(&expected).enumerate() {
                    // A question whose axis a pass made coarser has fewer points, all of them equal.
                    if found.len() == expected.len() {
                        assert_eq!(found, expected, "{place}, question {question}");
                    } else {
                        let axis = guest.manifest().questions[question].axis;
                        assert!(axis < plain.manifest().questions[question].axis, "{place}, question {question}");
                        for (point, expected) in expected.iter().enumerate() {
                            let at = match axis {
                                Axis::Job => 0,
                                Axis::Row => point / columns.max(1),
                                Axis::Column | Axis::Cell => point % columns.max(1),
                            };
                            assert_eq!(&found[at], expected, "{place}, question {question}, point {point}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn passes_keep_the_answer_at_every_point() {
    compare(0..24, 6);
}

#[test]
fn passes_keep_the_answer_of_many_policies() {
    compare(1_000..1_003, 150);
}
