//! Frames made by hand, as `docs/contract.md` shows them, and what is wrong with them.

use alloc::vec::Vec;

use exportgate_contract::frame::{STATE_ABSENT, STATE_ERR, TAG};
use exportgate_contract::manifest::Axis;

use super::{Frame, FrameError};
use crate::cell::{Bool, Cell, Erred, Long, Set, Text};
use crate::table::{Fact, FactEntry, Kind, PolicyIdx, QuestionEntry, QuestionId, Symbol, Table};
use crate::{Outcome, Point, Policy};

const fn fact(name: &str, axis: Axis, kind: Kind, payload: bool) -> FactEntry<'_> {
    FactEntry { name, axis, kind, payload }
}

const TABLE: Table<'static> = Table {
    symbols: &["eu"],
    facts: &[
        fact("context.customers", Axis::Job, Kind::Long, false),
        fact("context.regions", Axis::Job, Kind::Set, true),
        fact("customer.region", Axis::Row, Kind::Text, true),
        fact("customer in Segment::\"minor\"", Axis::Row, Kind::Bool, false),
    ],
    policies: &["few", "local"],
    questions: &[
        QuestionEntry { action: "export", axis: Axis::Job, facts: &[0, 1], policies: &[0] },
        QuestionEntry { action: "include", axis: Axis::Row, facts: &[2, 3], policies: &[1] },
    ],
};

const CUSTOMERS: Fact<Long> = TABLE.fact("context.customers");
const REGIONS: Fact<Set> = TABLE.fact("context.regions");
const REGION: Fact<Text> = TABLE.fact("customer.region");
const MINOR: Fact<Bool> = TABLE.fact("customer in Segment::\"minor\"");

/// Two customers: one in the EU and a minor; of the other the region isn't there.
fn frame() -> Vec<u64> {
    let states = u64::from(STATE_ABSENT) << 8;
    #[rustfmt::skip]
    let words = [
        TAG, 2, 0, 2, 3,
        18, 20, 24, 24,
        24, 25, 26, 26,
        26, 36, 0,
        0, 1,
        7, 2,
        1, 0, 1, 0,
        0, states,
        0, 29, 32,
        1, 2, u64::from_le_bytes(*b"us\0\0\0\0\0\0"),
        3, 2, 0, 1,
    ];
    words.to_vec()
}

fn parse(words: &[u64]) -> Result<(), FrameError> {
    Frame::parse(words, TABLE).map(|_| ())
}

/// The frame with one word changed.
fn changed(word: usize, value: u64) -> Vec<u64> {
    let mut words = frame();
    *words.get_mut(word).unwrap() = value;
    words
}

#[test]
fn facts_are_read_by_name_at_their_points() {
    let words = frame();
    let frame = Frame::parse(&words, TABLE).unwrap();
    assert_eq!(frame.read(CUSTOMERS), Cell::Value(7));
    let Cell::Value(regions) = frame.read(REGIONS) else { panic!("no set") };
    assert_eq!(regions.members(), Some(&[0, 1][..]));
    assert!(regions.contains(TABLE.symbol("eu")) && !regions.contains(Symbol(2)));
    let mut seen = Vec::new();
    frame.each_point(QuestionId(1), |point| {
        let region = point.read(REGION).access().map(|region| region.text());
        seen.push((point.row(), region, point.read(REGION).has(), point.read(MINOR).access()));
    });
    assert_eq!(seen, [(0, Ok(Some("us".into())), Ok(true), Ok(true)), (1, Err(Erred), Ok(false), Ok(false))]);
}

#[test]
fn a_frame_that_breaks_the_layout_is_refused_by_name() {
    assert_eq!(parse(&frame()), Ok(()));
    for (word, value, error) in [
        (0, 0, FrameError::Header(0)),
        (4, 0, FrameError::Header(4)),
        (14, 35, FrameError::Header(14)),
        (15, 1, FrameError::Header(15)),
        (3, 1 << 40, FrameError::Questions),
        (16, 1, FrameError::Questions),
        (17, 2, FrameError::Questions),
        (5, 17, FrameError::Part(5)),
        (6, 19, FrameError::Part(6)),
        (13, 35, FrameError::Part(13)),
        (13, u64::MAX, FrameError::Part(13)),
        (1, u64::MAX, FrameError::Length),
        (22, 2, FrameError::Cell(3)),
        (20, 3, FrameError::Cell(2)),
        (24, 3, FrameError::Cell(0)),
        (27, 0, FrameError::Cell(2)),
        (27, 3, FrameError::Payload(1)),
        (27, 1 << 60, FrameError::Payload(1)),
        (30, 100, FrameError::Payload(1)),
        (31, u64::MAX, FrameError::Payload(1)),
        (32, 6, FrameError::Payload(2)),
        (34, 1, FrameError::Payload(2)),
    ] {
        assert_eq!(parse(&changed(word, value)), Err(error), "word {word} as {value}");
    }
    for length in 0..36 {
        assert!(parse(frame().get(..length).unwrap()).is_err(), "cut to {length}");
    }
}

#[test]
fn cells_of_facts_that_no_question_reads_may_hold_anything() {
    let mut words = frame();
    // Only `export` is asked, which reads no row; both ids keep their words, so nothing moves.
    *words.get_mut(3).unwrap() = 1;
    *words.get_mut(22).unwrap() = 99;
    *words.get_mut(25).unwrap() = u64::MAX;
    assert_eq!(parse(&words), Ok(()));
}

struct Few;

impl Policy for Few {
    fn table() -> Table<'static> {
        TABLE
    }

    fn open(_: &Frame<'_>) -> Self {
        Self
    }

    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
        if at.question() == TABLE.question("export") {
            outcome.add(TABLE.policy("few"), at.read(CUSTOMERS).access().map(|customers| customers < 10));
        } else {
            let local = |region: crate::payload::TextValue<'_>| region.symbol() == TABLE.symbol("eu");
            outcome.add(TABLE.policy("local"), at.read(REGION).access().map(local));
        }
    }
}

#[test]
fn an_answer_keeps_equal_outcomes_once() {
    let answer = crate::evaluate::<Few>(&frame()).unwrap();
    // Outcomes: `few` satisfied; nothing; `local` erring. Points: the job, then both rows.
    assert_eq!(answer, [exportgate_contract::answer::TAG, 3, 1, 0, 0, 0, 0, 0, 1, 1, 0, 1, 2]);
}

#[test]
fn a_cell_that_errs_is_an_erring_policy() {
    let answer = crate::evaluate::<Few>(&changed(24, u64::from(STATE_ERR)));
    assert_eq!(answer, Err(FrameError::Cell(0)), "an ERR cell holds 0");
    let mut words = changed(24, u64::from(STATE_ERR));
    *words.get_mut(18).unwrap() = 0;
    let answer = crate::evaluate::<Few>(&words).unwrap();
    assert_eq!(answer.get(..5), Some(&[exportgate_contract::answer::TAG, 3, 0, 1, 0][..]));
}

struct Liar;

impl Policy for Liar {
    fn table() -> Table<'static> {
        TABLE
    }

    fn open(_: &Frame<'_>) -> Self {
        Self
    }

    fn answer(&self, _: &Point<'_>, outcome: &mut Outcome) {
        outcome.satisfied(PolicyIdx(1));
    }
}

#[test]
fn a_policy_that_the_question_does_not_list_is_refused() {
    assert_eq!(crate::evaluate::<Liar>(&frame()), Err(FrameError::Outcome(1)));
}
