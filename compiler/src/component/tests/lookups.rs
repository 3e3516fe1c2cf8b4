//! Policies that lookups find: they answer as the plain code does, wherever the link with the key stands.

use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Value};

use super::frame::{Cell, Frame};
use super::frames::Numbers;
use super::guest::Guest;
use super::program::Builder;
use super::{PLAIN, and, equal, long, not};
use crate::ir::Expr;
use crate::passes::Passes;

/// A fact with what its cells may be.
enum Kind {
    /// One of so many entities of a type.
    Entity(&'static str, u64),
    /// Always there.
    Given,
    Truth,
    Number,
}

struct Scene {
    builder: Builder,
    kinds: Vec<(Axis, Kind)>,
    agent: Expr,
    field: Expr,
    roles: Vec<Expr>,
    classes: Vec<Expr>,
    others: Vec<(Axis, Expr)>,
    numbers: Vec<(Axis, Expr)>,
}

/// Constants of each kind.
const CONSTANTS: usize = 40;

fn scene() -> Scene {
    let mut b = Builder::default();
    let mut kinds = Vec::new();
    let agent = b.input(0, "Agent");
    kinds.push((Axis::Job, Kind::Entity("Agent", 50)));
    let field = b.input(2, "Field");
    kinds.push((Axis::Column, Kind::Entity("Field", 45)));
    let mut groups = |input, axis, entity_type| -> Vec<Expr> {
        let group = |i| b.is_in_constant(axis, input, EntityUid::new(entity_type, format!("{i}")));
        let facts: Vec<Expr> = (0..CONSTANTS).map(group).collect();
        facts.iter().for_each(|_| kinds.push((axis, Kind::Given)));
        facts
    };
    let roles = groups(0, Axis::Job, "Role");
    let classes = groups(2, Axis::Column, "Class");
    let (mut others, mut numbers) = (Vec::new(), Vec::new());
    for axis in [Axis::Job, Axis::Row, Axis::Column, Axis::Cell] {
        others.push((axis, b.fact_on(axis, Type::Bool)));
        kinds.push((axis, Kind::Truth));
        numbers.push((axis, b.fact_on(axis, Type::Long)));
        kinds.push((axis, Kind::Number));
    }
    Scene { builder: b, kinds, agent, field, roles, classes, others, numbers }
}

fn pick<'a>(numbers: &mut Numbers, from: &'a [Expr]) -> &'a Expr {
    &from[usize::try_from(numbers.next(from.len() as u64)).unwrap()]
}

impl Scene {
    /// A link that may be a key: of the job, or of a column.
    fn key(&mut self, numbers: &mut Numbers, of_column: bool) -> Expr {
        let id = numbers.next(CONSTANTS as u64).to_string();
        match (numbers.next(2), of_column && numbers.next(2) == 0) {
            (0, false) => equal(self.agent.clone(), self.builder.entity("Agent", &id)),
            (0, true) => equal(self.builder.entity("Field", &id), self.field.clone()),
            (_, false) => pick(numbers, &self.roles).clone(),
            (_, true) => pick(numbers, &self.classes).clone(),
        }
    }

    /// Any other link, on an axis as coarse as `axes` says.
    fn other(&self, numbers: &mut Numbers, axes: usize) -> Expr {
        let at = usize::try_from(numbers.next(axes as u64)).unwrap();
        match numbers.next(3) {
            0 => self.others[at].1.clone(),
            1 => not(self.others[at].1.clone()),
            _ => equal(self.numbers[at].1.clone(), long(numbers.next(2).cast_signed())),
        }
    }

    fn question(&mut self, numbers: &mut Numbers, axes: usize, policies: u32) {
        let mut conditions = Vec::new();
        for policy in 0..policies {
            let mut links = Vec::new();
            for _ in 0..1 + numbers.next(4) {
                links.push(if numbers.next(3) > 0 { self.key(numbers, axes > 2) } else { self.other(numbers, axes) });
            }
            // Most policies begin with a key, some have none.
            if numbers.next(8) > 0 {
                links.insert(0, self.key(numbers, axes > 2));
            }
            conditions.push((policy * 2, links.into_iter().reduce(and).unwrap()));
        }
        self.builder.question(conditions);
    }

    fn cells(&self, numbers: &mut Numbers, rows: usize, columns: usize, errors: u64) -> Vec<Vec<Cell>> {
        let cell = |numbers: &mut Numbers, axis: Axis, kind: &Kind| match kind {
            Kind::Entity(entity_type, ids) => {
                Cell::Value(Value::Entity(EntityUid::new(*entity_type, numbers.next(*ids).to_string())))
            }
            Kind::Given => Cell::value(numbers.next(10) == 0),
            Kind::Truth | Kind::Number if numbers.next(errors) == 0 => {
                if matches!(axis, Axis::Job | Axis::Column) {
                    Cell::Absent
                } else {
                    Cell::Error
                }
            }
            Kind::Truth => Cell::value(numbers.next(2) == 0),
            Kind::Number => Cell::value(numbers.next(2).cast_signed()),
        };
        let points = |axis: Axis| axis.points(rows, columns).unwrap();
        let kinds = self.kinds.iter();
        kinds.map(|(axis, kind)| (0..points(*axis)).map(|_| cell(numbers, *axis, kind)).collect()).collect()
    }
}

#[test]
fn lookups_keep_the_answer_at_every_point() {
    for seed in 0..6 {
        let mut numbers = Numbers(seed);
        let mut scene = scene();
        for (axes, policies) in [(1, 200), (2, 60), (4, 150)] {
            scene.question(&mut numbers, axes, policies);
        }
        let program = scene.builder.program();
        let mut plain = Guest::new(program.clone(), &PLAIN);
        let choices =
            [Passes { index: true, ..PLAIN }, Passes { share: false, ..Passes::default() }, Passes::default()];
        for passes in choices {
            let mut guest = Guest::new(program.clone(), &passes);
            assert!(guest.manifest().facts.len() < plain.manifest().facts.len() / 2, "one fact in the place of many");
            for (rows, columns) in [(1, 3), (0, 4), (4, 0), (5, 6), (30, 2)] {
                let errors = [1_000_000, 3][usize::try_from(numbers.next(2)).unwrap()];
                let cells = scene.builder.cells(scene.cells(&mut numbers, rows, columns, errors));
                let expected = plain.ask_within_cost(&Frame::new(plain.manifest(), rows, columns, &cells));
                let frame = Frame::new(guest.manifest(), rows, columns, &cells);
                let answer = guest.ask(&frame);
                assert_eq!(answer, expected, "seed {seed}, {rows} rows, {columns} columns, {passes:?}");
            }
        }
    }
}

#[test]
fn few_constants_are_asked_one_by_one() {
    let mut scene = scene();
    let few: Vec<(u32, Expr)> = scene.roles.iter().take(15).cloned().zip(0..).map(|(role, i)| (i, role)).collect();
    scene.builder.question(few);
    let guest = Guest::new(scene.builder.program(), &Passes::default());
    assert_eq!(guest.manifest().facts.len(), 15);
}

#[test]
fn a_frame_whose_set_of_constants_lies_outside_traps() {
    let mut scene = scene();
    let many: Vec<(u32, Expr)> = scene.roles.iter().cloned().zip(0..).map(|(role, i)| (i, role)).collect();
    scene.builder.question(many);
    let new = || Guest::new(scene.builder.program(), &Passes::default());
    let cells = scene.builder.cells(scene.cells(&mut Numbers(1), 0, 0, 1_000_000));
    let frame = Frame::new(new().manifest(), 0, 0, &cells);
    let value = usize::try_from(frame.words[exportgate_contract::frame::WORD_VALUES[0]]).unwrap();
    let state = usize::try_from(frame.words[exportgate_contract::frame::WORD_STATES[0]]).unwrap();
    for (position, word) in [(value, u64::MAX), (value, 1 << 40), (value, frame.words[value] + 1), (state, 2)] {
        let mut words = frame.words.clone();
        words[position] = word;
        assert!(new().call(&words).is_err(), "word {position} as {word}");
    }
    assert!(new().call(&frame.words).is_ok());
}
