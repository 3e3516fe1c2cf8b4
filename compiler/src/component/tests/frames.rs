//! Whole frames: axes, several questions, many outcomes, growth, and frames that break the layout.

use std::collections::BTreeMap;

use exportgate_contract::frame;
use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;

use super::frame::{Cell, Frame};
use super::guest::{Guest, Outcome, origin, read_outcomes};
use super::program::Builder;
use super::{PLAIN, and, equal, long};
use crate::component::emit;
use crate::ir::Expr;
use crate::passes::Passes;

fn less(left: Expr, right: Expr) -> Expr {
    Expr::Less(left.into(), right.into())
}

/// Facts on all axes, and a question on each.
fn four_questions() -> (Builder, [Expr; 8]) {
    let mut b = Builder::default();
    // Not in the order of the axes, so that finishing has to sort them.
    let axes = [Axis::Cell, Axis::Row, Axis::Job, Axis::Column, Axis::Column, Axis::Job, Axis::Cell, Axis::Row];
    let facts = axes.map(|axis| b.fact_on(axis, Type::Long));
    let [x0, r0, j0, c0, c1, j1, x1, r1] = facts.clone();
    b.question(vec![(0, less(j0.clone(), j1.clone())), (1, less(j1, j0.clone()))]);
    b.question(vec![(0, less(r0.clone(), j0.clone())), (2, equal(r0.clone(), r1.clone()))]);
    b.question(vec![(1, less(c1.clone(), c0.clone())), (3, less(j0.clone(), c0.clone()))]);
    b.question(vec![
        (0, less(r0, c0)),
        (1, less(x0.clone(), x1.clone())),
        (2, and(equal(x0, j0), equal(r1, c1))),
        (4, less(x1, long(50))),
    ]);
    b.question(vec![(4, Expr::Bool(true))]);
    (b, facts)
}

/// What the questions of [`four_questions`] must answer, computed from the cells.
fn expected(cells: &[Vec<Option<i64>>], rows: usize, columns: usize) -> Vec<Vec<Outcome>> {
    let point = |conditions: &[(u32, Option<bool>)]| -> Outcome {
        let satisfied = conditions.iter().filter(|(_, holds)| *holds == Some(true)).map(|(policy, _)| *policy);
        let erring = conditions.iter().filter(|(_, holds)| holds.is_none()).map(|(policy, _)| *policy);
        (satisfied.collect(), erring.collect())
    };
    let less = |a: Option<i64>, b: Option<i64>| Some(a? < b?);
    let equal = |a: Option<i64>, b: Option<i64>| Some(a? == b?);
    let [x0, r0, j0, c0, c1, j1, x1, r1] = cells else { panic!("eight facts") };
    let (j0, j1) = (j0[0], j1[0]);
    let job = vec![point(&[(0, less(j0, j1)), (1, less(j1, j0))])];
    let row = (0..rows).map(|r| point(&[(0, less(r0[r], j0)), (2, equal(r0[r], r1[r]))])).collect();
    let column = (0..columns).map(|c| point(&[(1, less(c1[c], c0[c])), (3, less(j0, c0[c]))])).collect();
    let cell = (0..rows * columns).map(|x| {
        let (r, c) = (x / columns, x % columns);
        let both = equal(x0[x], j0).and_then(|same| if same { equal(r1[r], c1[c]) } else { Some(false) });
        point(&[(0, less(r0[r], c0[c])), (1, less(x0[x], x1[x])), (2, both), (4, less(x1[x], Some(50)))])
    });
    vec![job, row, column, cell.collect(), vec![(vec![4], vec![])]]
}

/// Numbers that look random and are the same each time.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn random_cells(numbers: &mut Numbers, rows: usize, columns: usize) -> Vec<Vec<Option<i64>>> {
    let points = [rows * columns, rows, 1, columns, columns, 1, rows * columns, rows];
    let cell = |numbers: &mut Numbers| (numbers.next(7) > 0).then(|| numbers.next(4).cast_signed());
    points.iter().map(|points| (0..*points).map(|_| cell(numbers)).collect()).collect()
}

fn as_cells(cells: &[Vec<Option<i64>>]) -> Vec<Vec<Cell>> {
    cells.iter().map(|cells| cells.iter().map(|cell| cell.map_or(Cell::Absent, Cell::value)).collect()).collect()
}

#[test]
fn each_question_answers_on_its_axis() {
    let (b, _) = four_questions();
    let mut numbers = Numbers(7);
    for passes in [PLAIN, Passes::default()] {
        let mut guest = Guest::new(b.program(), &passes);
        let axes: Vec<Axis> = guest.manifest().questions.iter().map(|question| question.axis).collect();
        assert_eq!(axes, [Axis::Job, Axis::Row, Axis::Column, Axis::Cell, Axis::Job]);
        for (rows, columns) in [(1, 3), (0, 0), (0, 5), (5, 0), (1, 1), (7, 2), (2, 7), (33, 9), (1, 1)] {
            let cells = random_cells(&mut numbers, rows, columns);
            let frame = Frame::new(guest.manifest(), rows, columns, &b.cells(as_cells(&cells)));
            assert_eq!(
                guest.ask_within_cost(&frame),
                expected(&cells, rows, columns),
                "{rows} rows, {columns} columns"
            );
        }
    }
}

#[test]
fn only_the_questions_asked_are_answered() {
    let (b, _) = four_questions();
    let mut guest = Guest::new(b.program(), &PLAIN);
    let cells = random_cells(&mut Numbers(3), 4, 3);
    let all = expected(&cells, 4, 3);
    for questions in [vec![], vec![3], vec![0, 2], vec![1, 4], vec![0, 1, 2, 3, 4]] {
        let frame = Frame::asking(guest.manifest(), &questions, 4, 3, &b.cells(as_cells(&cells)));
        let answer = guest.ask_within_cost(&frame);
        let wanted: Vec<_> = questions.iter().map(|question| all[*question].clone()).collect();
        assert_eq!(answer, wanted);
    }
}

#[test]
fn each_outcome_is_written_once() {
    let mut b = Builder::default();
    let n = b.fact_on(Axis::Row, Type::Long);
    let bits = 10;
    let bit = |i: i64| {
        // n mod 2^(i+1) >= 2^i, with what the language has.
        let whole = Expr::Multiply(Expr::Quotient(n.clone().into(), 2 << i).into(), long(2 << i).into());
        not_less(Expr::Subtract(n.clone().into(), whole.into(), Type::Long), long(1 << i))
    };
    b.question((0..bits).map(|i| (u32::try_from(i).unwrap(), bit(i))).collect());
    let mut guest = Guest::new(b.program(), &PLAIN);
    for (rows, distinct) in [(1_usize, 1_usize), (3000, 1000), (16_000, 1000), (2, 2)] {
        let numbers: Vec<i64> = (0..rows).map(|row| i64::try_from((row * 7919) % distinct).unwrap()).collect();
        let cells = vec![numbers.iter().map(|n| Cell::value(*n)).collect()];
        let frame = Frame::new(guest.manifest(), rows, 0, &b.cells(cells));
        let answer = guest.ask_within_cost(&frame);
        for (n, (satisfied, erring)) in numbers.iter().zip(&answer[0]) {
            let expected: Vec<u32> = (0..10).filter(|bit| n >> bit & 1 == 1).collect();
            assert_eq!((satisfied, erring.len()), (&expected, 0));
        }
        let words = guest.call(&frame.words).unwrap();
        let (outcomes, _) = read_outcomes(&words);
        assert!(outcomes.len() <= distinct + distinct / 20, "{} outcomes written for {distinct}", outcomes.len());
    }
}

fn not_less(left: Expr, right: Expr) -> Expr {
    Expr::Not(less(left, right).into())
}

#[test]
fn many_policies_and_long_outcomes() {
    let mut b = Builder::default();
    let n = b.fact_on(Axis::Row, Type::Long);
    let m = b.fact_on(Axis::Row, Type::Long);
    let policies = 3000_i64;
    let condition = |i| {
        let sum = Expr::Add(m.clone().into(), long(i).into(), Type::Long);
        and(not_less(n.clone(), long(i)), less(long(0), sum))
    };
    b.question((0..policies).map(|i| (u32::try_from(i).unwrap(), condition(i))).collect());
    let mut guest = Guest::new(b.program(), &PLAIN);
    let rows: Vec<(i64, i64)> = (0..40).map(|row| (row * 70, if row % 3 == 0 { i64::MAX - 1000 } else { 1 })).collect();
    let cells =
        vec![rows.iter().map(|(n, _)| Cell::value(*n)).collect(), rows.iter().map(|(_, m)| Cell::value(*m)).collect()];
    let frame = Frame::new(guest.manifest(), rows.len(), 0, &b.cells(cells));
    let answer = guest.ask_within_cost(&frame);
    for ((n, m), (satisfied, erring)) in rows.iter().zip(&answer[0]) {
        let (holds, errs): (Vec<i64>, Vec<i64>) = (0..=*n).partition(|i| m.checked_add(*i).is_some());
        assert!(satisfied.iter().map(|policy| i64::from(*policy)).eq(holds), "satisfied at {n}");
        assert!(erring.iter().map(|policy| i64::from(*policy)).eq(errs), "erring at {n}");
    }
}

#[test]
fn memory_starts_small_and_is_used_again() {
    let (b, _) = four_questions();
    let mut guest = Guest::new(b.program(), &PLAIN);
    let start = guest.memory_bytes();
    assert!(start <= 128 << 10, "{start} bytes");
    let small = random_cells(&mut Numbers(1), 1, 3);
    let frame = Frame::new(guest.manifest(), 1, 3, &b.cells(as_cells(&small)));
    for _ in 0..100 {
        guest.ask_within_cost(&frame);
    }
    assert_eq!(guest.memory_bytes(), start);
    let large = random_cells(&mut Numbers(2), 2000, 20);
    let large_frame = Frame::new(guest.manifest(), 2000, 20, &b.cells(as_cells(&large)));
    assert_eq!(guest.ask_within_cost(&large_frame), expected(&large, 2000, 20));
    let grown = guest.memory_bytes();
    for _ in 0..3 {
        assert_eq!(guest.ask_within_cost(&large_frame), expected(&large, 2000, 20));
        assert_eq!(guest.ask_within_cost(&frame), expected(&small, 1, 3));
    }
    assert_eq!(guest.memory_bytes(), grown);
}

#[test]
fn a_broken_frame_traps() {
    let (b, _) = four_questions();
    let cells = random_cells(&mut Numbers(5), 3, 2);
    let new = || Guest::new(b.program(), &PLAIN);
    let frame = Frame::new(new().manifest(), 3, 2, &b.cells(as_cells(&cells)));
    let length = frame.words.len() as u64;
    let breaks: Vec<(usize, u64)> = vec![
        (frame::WORD_TAG, frame::TAG + 1),
        (frame::WORD_TAG, 0),
        (frame::WORD_LENGTH, length + 1),
        (frame::WORD_LENGTH, 0),
        (frame::WORD_ROWS, 1 << 14 | 1),
        (frame::WORD_ROWS, 5_000),
        (frame::WORD_ROWS, u64::MAX),
        (frame::WORD_COLUMNS, 1025),
        (frame::WORD_QUESTIONS, 6),
        (frame::WORD_QUESTIONS, u64::MAX),
        (frame::WORD_SYMBOLS, u64::MAX),
        (frame::WORD_SYMBOLS, length),
        (frame::WORD_PAYLOADS, length + 1),
        (frame::WORD_VALUES[0], length - 1),
        (frame::WORD_VALUES[1], u64::MAX - 2),
        (frame::WORD_VALUES[2], length),
        (frame::WORD_VALUES[3], 1 << 61),
        (frame::WORD_STATES[0], length),
        (frame::WORD_STATES[3], length - 1),
        (frame::HEADER_WORDS, 1),
        (frame::HEADER_WORDS + 1, 0),
        (frame::HEADER_WORDS + 4, 5),
        (frame::HEADER_WORDS + 4, 1 << 32 | 4),
    ];
    for (position, word) in breaks {
        let mut words = frame.words.clone();
        words[position] = word;
        let error = new().call(&words).expect_err("a trap");
        assert_eq!(error.downcast_ref(), Some(&wasmtime::Trap::UnreachableCodeReached), "word {position}");
    }
    for short in [0, 1, 15] {
        assert!(new().call(&frame.words[..short]).is_err());
    }
    assert!(new().call(&frame.words).is_ok());
}

#[test]
fn fewer_symbols_than_constants_traps() {
    let mut b = Builder::default();
    let fact = b.fact(Type::String);
    let literal = b.text("x");
    b.question(vec![(0, equal(fact, literal))]);
    let mut guest = Guest::new(b.program(), &PLAIN);
    let mut frame = Frame::new(guest.manifest(), 0, 0, &b.job_cells(&[Cell::value("x")]));
    frame.words[frame::WORD_SYMBOLS] = 0;
    assert!(guest.call(&frame.words).is_err());
}

#[test]
fn a_missing_payload_traps() {
    let mut b = Builder::default();
    let set = b.fact(super::set_type(Type::Long));
    b.question(vec![(0, super::contains(set, long(1)))]);
    let new = || Guest::new(b.program(), &PLAIN);
    let frame = Frame::new(new().manifest(), 0, 0, &b.job_cells(&[Cell::Value(super::longs(&[1]))]));
    let directory = usize::try_from(frame.words[frame::WORD_PAYLOADS]).unwrap();
    let payload = usize::try_from(frame.words[directory]).unwrap();
    let job = usize::try_from(frame.words[frame::WORD_VALUES[0]]).unwrap();
    for (position, word) in [(directory, 0), (directory, u64::MAX), (directory, 1 << 40), (payload, 9), (job, 77)] {
        let mut words = frame.words.clone();
        words[position] = word;
        assert!(new().call(&words).is_err(), "word {position} as {word}");
    }
    assert!(new().call(&frame.words).is_ok());
}

#[test]
fn the_same_program_gives_the_same_bytes() {
    let (b, _) = four_questions();
    let make = || emit(b.program(), origin(), &Passes::default()).unwrap().bytes;
    let bytes = make();
    assert_eq!(bytes, make());
    let mut modules = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. } => modules += 1,
            wasmparser::Payload::ComponentImportSection(imports) => assert_eq!(imports.count(), 0),
            _ => {}
        }
    }
    assert_eq!(modules, 1);
}

#[test]
fn a_pack_without_questions_answers_nothing() {
    let b = Builder::default();
    let mut guest = Guest::new(b.program(), &PLAIN);
    let frame = Frame::new(guest.manifest(), 0, 0, &BTreeMap::new());
    assert!(guest.ask_within_cost(&frame).is_empty());
}
