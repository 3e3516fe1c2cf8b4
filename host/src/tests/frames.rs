//! Frames, held against the tables of `docs/contract.md`, and long jobs that take several calls.

use std::sync::Arc;

use exportgate_contract::frame::{
    HEADER_WORDS, PAYLOAD_RECORD, PAYLOAD_SET, PAYLOAD_SET_OF_COMPOSITES, PAYLOAD_STRING, STATE_ABSENT, STATE_ERR,
    STATE_VALUE, TAG, WORD_COLUMNS, WORD_DIRECTORY_FIRST, WORD_LENGTH, WORD_PAYLOADS, WORD_QUESTIONS, WORD_ROWS,
    WORD_STATES, WORD_SYMBOLS, WORD_TAG, WORD_VALUES,
};
use exportgate_contract::manifest::{Axis, Fact, Input, Manifest, Read, Term};
use exportgate_contract::types::{Attribute, Type};
use exportgate_contract::value::{EntityUid, Value};

use super::guest;
use crate::frame::Frame;
use crate::frame::resolve::{Resolver, Room};
use crate::inputs::{Inputs, Source};
use crate::plan::Plan;
use crate::{Column, Customers, Engine, EngineConfig, Entities, Entity, EvaluateError, Module};

fn uid(entity_type: &str, id: &str) -> EntityUid {
    EntityUid::new(format!("Export::{entity_type}"), id)
}

fn entity(name: &str) -> Type {
    Type::Entity(format!("Export::{name}").into())
}

/// A manifest over the inputs of an export with these symbols, terms after the inputs' own (0 to 4), and facts.
fn manifest(symbols: Vec<Value>, terms: Vec<Term>, facts: Vec<(Axis, Read, Type, bool)>) -> Manifest {
    let mut manifest = guest::manifest();
    let axes = [
        ("agent", Axis::Job),
        ("customer", Axis::Row),
        ("ticket", Axis::Row),
        ("field", Axis::Column),
        ("context", Axis::Job),
    ];
    manifest.inputs = axes.map(|(name, axis)| Input { name: name.to_owned(), axis }).into();
    manifest.symbols = symbols;
    manifest.terms = (0..5).map(Term::Input).chain(terms).collect();
    manifest.facts = facts.into_iter().map(|(axis, read, ty, payload)| Fact { axis, read, ty, payload }).collect();
    manifest.questions[0].facts = (0..u32::try_from(manifest.facts.len()).unwrap()).collect();
    manifest.questions[0].axis = Axis::Row;
    manifest.questions[0].binding.principal = 0;
    manifest.questions[0].binding.resource = 1;
    manifest.questions[0].binding.context = exportgate_contract::manifest::ContextBinding::Whole(4);
    manifest
}

/// What a frame is made of in these tests.
struct Given {
    agent: Value,
    context: Value,
    entities: Vec<Entity>,
    customers: Customers,
    fields: Vec<Arc<str>>,
}

impl Given {
    fn new(context: Value) -> Self {
        Self {
            agent: Value::Entity(uid("Agent", "ana")),
            context,
            entities: vec![],
            customers: Customers::default(),
            fields: vec![],
        }
    }
}

/// A frame that was built, with what is needed to find a cell in it.
struct Built {
    words: Vec<u64>,
    facts: Vec<Fact>,
}

fn try_build(manifest: Manifest, given: &Given) -> Result<Built, EvaluateError> {
    crate::manifest_check::check(&manifest).expect("the test's manifest is right");
    let plan = Plan::new(manifest).unwrap();
    let entities = Entities::new(given.entities.clone()).unwrap();
    let inputs = Inputs {
        sources: &[
            Source::Value((&given.agent).into()),
            Source::Customers,
            Source::Tickets,
            Source::Fields,
            Source::Value((&given.context).into()),
        ],
        entities: &entities,
        job: None,
        customers: &given.customers,
        fields: &given.fields,
        fixed: None,
        agent: None,
        single: false,
    };
    let mut resolver = Resolver::new(&plan, plan.sheet(0).unwrap(), &inputs, Room::default());
    resolver.resolve_job()?;
    let mut frame = Frame::default();
    frame.build(&plan, &mut resolver, 1, 0..inputs.rows(), inputs.columns())?;
    frame.ask([0].into_iter());
    Ok(Built { words: frame.words().to_vec(), facts: plan.manifest.facts.clone() })
}

fn build(manifest: Manifest, given: &Given) -> Built {
    try_build(manifest, given).unwrap()
}

fn index(word: u64) -> usize {
    usize::try_from(word).unwrap()
}

impl Built {
    fn word(&self, position: usize) -> usize {
        index(self.words[position])
    }

    /// The value and the state of a fact at a point, found as a guest finds them.
    fn cell(&self, fact: usize, point: usize) -> (u64, u8) {
        let axis = self.facts[fact].axis;
        let k = self.facts[..fact].iter().filter(|other| other.axis == axis).count();
        let points = axis.points(self.word(WORD_ROWS), self.word(WORD_COLUMNS)).unwrap();
        let group = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell].iter().position(|other| *other == axis).unwrap();
        let offset = k * points + point;
        let states = self.words[self.word(WORD_STATES[group]) + offset / 8].to_le_bytes();
        (self.words[self.word(WORD_VALUES[group]) + offset], states[offset % 8])
    }

    fn value(&self, fact: usize, point: usize) -> u64 {
        let (value, state) = self.cell(fact, point);
        assert_eq!(state, STATE_VALUE);
        value
    }

    fn payload(&self, symbol: u64) -> &[u64] {
        let Some(entry) = index(symbol).checked_sub(self.word(WORD_DIRECTORY_FIRST)) else { return &[] };
        let place = self.word(self.word(WORD_PAYLOADS) + entry);
        if place == 0 { &[] } else { &self.words[place..] }
    }
}

#[test]
fn the_header_says_where_things_are() {
    let built = build(
        manifest(
            vec!["eu".into()],
            vec![],
            vec![
                (Axis::Job, Read::Value(0), entity("Agent"), false),
                (Axis::Row, Read::Value(1), entity("Customer"), false),
            ],
        ),
        &Given { customers: Customers::new(["a", "b", "c"]).unwrap(), ..Given::new(Value::record::<&str>([])) },
    );
    // Header, question 0; one job value, three row values; a word of job states, one of row states; the directory.
    let start = HEADER_WORDS + 1;
    assert_eq!(built.words[WORD_TAG], TAG);
    assert_eq!([WORD_ROWS, WORD_COLUMNS, WORD_QUESTIONS].map(|word| built.words[word]), [3, 0, 1]);
    assert_eq!(WORD_VALUES.map(|word| built.word(word)), [start, start + 1, start + 4, start + 4]);
    assert_eq!(WORD_STATES.map(|word| built.word(word)), [start + 4, start + 5, start + 6, start + 6]);
    assert_eq!(built.word(WORD_PAYLOADS), start + 6);
    // The constant, the agent, three customers.
    assert_eq!(built.word(WORD_SYMBOLS), 5);
    // The directory leaves out the constant, which has no payload.
    assert_eq!(built.word(WORD_DIRECTORY_FIRST), 1);
    assert_eq!(built.word(WORD_LENGTH), start + 6 + 4);
    assert_eq!(built.words.len(), start + 6 + 4);
    assert_eq!(built.value(0, 0), 1);
    assert_eq!([0, 1, 2].map(|row| built.value(1, row)), [2, 3, 4]);
}

#[test]
fn facts_that_no_question_reads_hold_nothing() {
    let mut manifest = manifest(
        vec![],
        vec![],
        vec![
            (Axis::Job, Read::Value(0), entity("Agent"), false),
            (Axis::Row, Read::Value(1), entity("Customer"), false),
        ],
    );
    manifest.questions[0].facts = vec![1];
    let customers = Customers::new(["a"]).unwrap();
    let built = build(manifest, &Given { customers, ..Given::new(Value::record::<&str>([])) });
    assert_eq!(built.cell(0, 0), (0, STATE_ERR));
    assert_eq!(built.cell(1, 0), (0, STATE_VALUE));
}

/// The terms `context.a` (5), `context.a.b` (6), `context.a.b.c` (7).
fn path_terms() -> Vec<Term> {
    [(4, "a"), (5, "b"), (6, "c")].map(|(of, name)| Term::Attribute { of, name: name.into() }).into()
}

#[test]
fn a_missing_step_is_absent_and_the_next_one_errs() {
    let facts = || {
        vec![
            (Axis::Job, Read::State(5), Type::Bool, false),
            (Axis::Job, Read::State(6), Type::Bool, false),
            (Axis::Job, Read::Value(7), Type::Long, false),
        ]
    };
    let states = |context: Value, entities: Vec<Entity>| {
        let built = build(manifest(vec![], path_terms(), facts()), &Given { entities, ..Given::new(context) });
        [0, 1, 2].map(|fact| built.cell(fact, 0))
    };
    let (value, absent, err) = ((0, STATE_VALUE), (0, STATE_ABSENT), (0, STATE_ERR));
    assert_eq!(states(Value::record::<&str>([]), vec![]), [absent, err, err]);
    let empty = Value::record::<&str>([]);
    assert_eq!(states(Value::record([("a", empty)]), vec![]), [value, absent, err]);
    let stranger = Value::Entity(uid("Doc", "gone"));
    assert_eq!(states(Value::record([("a", stranger.clone())]), vec![]), [value, absent, err]);
    let known = Entity::new(uid("Doc", "gone")).with_attribute("b", Value::record([("c", Value::Long(-7))]));
    let [a, b, c] = states(Value::record([("a", stranger)]), vec![known]);
    assert_eq!([a, b, c], [value, value, ((-7_i64).cast_unsigned(), STATE_VALUE)]);
}

#[test]
fn equal_values_have_equal_symbols_and_constants_keep_theirs() {
    let context = Value::record([
        ("s", Value::from("eu")),
        ("t", Value::from("us")),
        ("u", Value::from("us")),
        ("e", Value::Entity(uid("Agent", "us"))),
    ]);
    let attributes = ["s", "t", "u", "e"].map(|name| Term::Attribute { of: 4, name: name.into() });
    let facts = vec![
        (Axis::Job, Read::Value(5), Type::String, false),
        (Axis::Job, Read::Value(6), Type::String, false),
        (Axis::Job, Read::Value(7), Type::String, false),
        (Axis::Job, Read::Value(8), entity("Agent"), false),
    ];
    let symbols = vec![Value::Entity(uid("Agent", "eu")), "eu".into()];
    let built = build(manifest(symbols, attributes.into(), facts), &Given::new(context));
    assert_eq!([0, 1, 2, 3].map(|fact| built.value(fact, 0)), [1, 2, 2, 3]);
}

#[test]
fn payloads_hold_what_the_contract_shows() {
    let record = Type::Record(
        [
            ("n".into(), Attribute { ty: Type::Long, required: true }),
            ("s".into(), Attribute { ty: Type::Set(Box::new(Type::String)), required: false }),
        ]
        .into(),
    );
    let context = Value::record([
        ("text", Value::from("nine char")),
        ("set", Value::set([Value::Long(3), Value::Long(-1), Value::Long(2)])),
        (
            "nested",
            Value::set([Value::record([
                ("n", Value::Long(9)),
                ("s", Value::set([Value::from("x"), Value::from("nine char")])),
            ])]),
        ),
    ]);
    let attributes = ["text", "set", "nested"].map(|name| Term::Attribute { of: 4, name: name.into() });
    let facts = vec![
        (Axis::Job, Read::Value(5), Type::String, true),
        (Axis::Job, Read::Value(6), Type::Set(Box::new(Type::Long)), true),
        (Axis::Job, Read::Value(7), Type::Set(Box::new(record)), true),
    ];
    let built =
        build(manifest(vec!["n".into(), "s".into(), "x".into()], attributes.into(), facts), &Given::new(context));
    let text = built.value(0, 0);
    let bytes = |text: &[u8; 8]| u64::from_le_bytes(*text);
    assert_eq!(built.payload(text)[..4], [PAYLOAD_STRING, 9, bytes(b"nine cha"), bytes(b"r\0\0\0\0\0\0\0")]);
    let numbers = built.payload(built.value(1, 0));
    assert_eq!(numbers[..5], [PAYLOAD_SET, 3, (-1_i64).cast_unsigned(), 2, 3]);
    let outer = built.payload(built.value(2, 0));
    assert_eq!(outer[..2], [PAYLOAD_SET_OF_COMPOSITES, 1]);
    let record = built.payload(outer[2]);
    let inner = record[7];
    assert_eq!(record[..8], [PAYLOAD_RECORD, 2, 0, 0, 9, 1, 1, inner]);
    // Strings within have no payload of their own; this one has, because a fact asked for it.
    assert_eq!(built.payload(inner)[..4], [PAYLOAD_SET, 2, 2, text]);
    assert!(built.payload(2).is_empty());
}

#[test]
fn columns_and_tickets_become_rows() {
    let owner = |id: &str| Value::Entity(uid("Customer", id));
    let customers = Customers::new(["a", "b", "c"])
        .unwrap()
        .with_attribute("region", Column::texts([Some("eu"), None, Some("us")]))
        .unwrap()
        .with_attribute("vip", Column::bools([Some(true), Some(false), None]))
        .unwrap()
        .with_attribute("age", Column::longs([Some(-1), None, Some(40)]))
        .unwrap()
        .with_tickets([Some("t-1"), None, Some("t-2")])
        .unwrap();
    let terms = vec![
        Term::Attribute { of: 1, name: "region".into() },
        Term::Attribute { of: 1, name: "vip".into() },
        Term::Attribute { of: 1, name: "age".into() },
        Term::Attribute { of: 1, name: "unknown".into() },
        Term::Attribute { of: 2, name: "owner".into() },
        Term::Attribute { of: 9, name: "region".into() },
    ];
    let facts = vec![
        (Axis::Row, Read::Value(5), Type::String, false),
        (Axis::Row, Read::Value(6), Type::Bool, false),
        (Axis::Row, Read::Value(7), Type::Long, false),
        (Axis::Row, Read::Value(8), Type::Long, false),
        (Axis::Row, Read::Value(2), entity("Ticket"), false),
        (Axis::Row, Read::Value(9), entity("Customer"), false),
        (Axis::Row, Read::Value(10), Type::String, false),
    ];
    let entities = vec![
        Entity::new(uid("Ticket", "t-1")).with_attribute("owner", owner("c")),
        // What the store says of a customer of the job doesn't count.
        Entity::new(uid("Customer", "c")).with_attribute("region", "store"),
    ];
    let built = build(
        manifest(vec!["eu".into()], terms, facts),
        &Given { customers, entities, ..Given::new(Value::record::<&str>([])) },
    );
    let column = |fact: usize| [0, 1, 2].map(|row| built.cell(fact, row));
    let (eu, us) = ((0, STATE_VALUE), built.cell(0, 2));
    assert_eq!(column(0), [eu, (0, STATE_ABSENT), us]);
    assert_eq!(us.1, STATE_VALUE);
    assert_eq!(column(1), [(1, STATE_VALUE), (0, STATE_VALUE), (0, STATE_ABSENT)]);
    assert_eq!(column(2), [((-1_i64).cast_unsigned(), STATE_VALUE), (0, STATE_ABSENT), (40, STATE_VALUE)]);
    assert_eq!(column(3), [(0, STATE_ABSENT); 3]);
    assert_eq!(column(4).map(|(_, state)| state), [STATE_VALUE, STATE_ABSENT, STATE_VALUE]);
    // No ticket: the base is absent, so reading it errs. A ticket that nobody knows lacks the attribute.
    assert_eq!(column(5).map(|(_, state)| state), [STATE_VALUE, STATE_ERR, STATE_ABSENT]);
    assert_eq!(column(6), [us, (0, STATE_ERR), (0, STATE_ERR)]);
}

#[test]
fn membership_follows_the_hierarchy() {
    let role = |id: &str| uid("Role", id);
    let entities = vec![
        Entity::new(uid("Agent", "ana")).with_parent(role("support")),
        Entity::new(role("support")).with_parent(role("staff")),
        // A cycle must not matter.
        Entity::new(role("staff")).with_parent(role("support")),
    ];
    let symbols: Vec<Value> = vec![
        role("support").into(),
        role("staff").into(),
        role("boss").into(),
        uid("Agent", "ana").into(),
        uid("Segment", "gold").into(),
        uid("Customer", "b").into(),
    ];
    let terms: Vec<Term> = (0..6).map(Term::Symbol).chain([Term::Attribute { of: 4, name: "roles".into() }]).collect();
    let job = |right| (Axis::Job, Read::In { left: 0, right }, Type::Bool, false);
    let row = |right| (Axis::Row, Read::In { left: 1, right }, Type::Bool, false);
    let facts = vec![job(5), job(6), job(7), job(8), job(11), row(9), row(10)];
    let customers = Customers::new(["a", "b"])
        .unwrap()
        .with_parents([vec![uid("Segment", "gold")], vec![uid("Segment", "new")]])
        .unwrap();
    let roles = Value::set([Value::from(role("boss")), Value::from(role("staff"))]);
    let given = Given { entities, customers, ..Given::new(Value::record([("roles", roles)])) };
    let built = build(manifest(symbols.clone(), terms.clone(), facts.clone()), &given);
    assert_eq!([0, 1, 2, 3, 4].map(|fact| built.value(fact, 0)), [1, 1, 0, 1, 1]);
    assert_eq!([0, 1].map(|row| built.value(5, row)), [1, 0]);
    assert_eq!([0, 1].map(|row| built.value(6, row)), [0, 1]);
    let without = Given { context: Value::record::<&str>([]), ..given };
    assert_eq!(build(manifest(symbols, terms, facts), &without).cell(4, 0), (0, STATE_ERR));
}

#[test]
fn the_constants_above_an_entity_are_a_set_of_their_own() {
    let role = |id: &str| uid("Role", id);
    let entities = vec![
        Entity::new(uid("Agent", "ana")).with_parent(role("support")),
        Entity::new(role("support")).with_parent(role("staff")).with_parent(role("nobody's")),
        Entity::new(role("staff")).with_parent(role("support")).with_parent(uid("Team", "t")),
    ];
    let symbols: Vec<Value> =
        vec![role("staff").into(), role("boss").into(), uid("Team", "t").into(), role("support").into(), "eu".into()];
    let above = |of, member| (Axis::Job, Read::Above { of }, Type::Set(entity(member).into()), true);
    let terms = vec![Term::Attribute { of: 4, name: "eu".into() }];
    let facts =
        vec![above(0, "Role"), above(0, "Team"), above(0, "Agent"), (Axis::Job, Read::Value(5), Type::String, true)];
    let given = Given { entities, ..Given::new(Value::record([("eu", Value::from("eu"))])) };
    let built = build(manifest(symbols, terms, facts), &given);
    // Its place is counted from the first payload, behind the directory, which begins with the one constant that has one.
    assert_eq!(built.word(WORD_DIRECTORY_FIRST), 4);
    let payloads = built.word(WORD_PAYLOADS) + 1;
    let set = |fact| {
        let place = payloads + index(built.value(fact, 0));
        let count = built.word(place + 1);
        (built.words[place], built.words[place + 2..place + 2 + count].to_vec())
    };
    assert_eq!([0, 1, 2].map(set), [(3, vec![0, 3]), (3, vec![2]), (3, vec![])]);
    assert_eq!(built.payload(4), [1, 2, u64::from_le_bytes(*b"eu\0\0\0\0\0\0")]);
}

#[test]
fn tags_and_cells_join_their_axes() {
    let terms = vec![
        Term::Attribute { of: 4, name: "key".into() },
        Term::Tag { of: 0, key: 5 },
        Term::Attribute { of: 1, name: "allowed".into() },
    ];
    let facts = vec![
        (Axis::Job, Read::HasTag { of: 0, key: 5 }, Type::Bool, false),
        (Axis::Job, Read::Value(6), Type::Long, false),
        (Axis::Cell, Read::In { left: 3, right: 7 }, Type::Bool, false),
    ];
    let field = |id: &str| Value::Entity(uid("Field", id));
    let fields = ["x", "y", "z"].map(Arc::from).into();
    let customers = Customers::new(["a", "b"])
        .unwrap()
        .with_attribute("allowed", Column::values([Some(Value::set([field("x"), field("z")])), None]))
        .unwrap();
    let given = Given {
        entities: vec![Entity::new(uid("Agent", "ana")).with_tag("k", 5_i64)],
        customers,
        fields,
        ..Given::new(Value::record([("key", Value::from("k"))]))
    };
    let built = build(manifest(vec![], terms.clone(), facts.clone()), &given);
    assert_eq!([built.cell(0, 0), built.cell(1, 0)], [(1, STATE_VALUE), (5, STATE_VALUE)]);
    let cells: Vec<_> = (0..6).map(|point| built.cell(2, point)).collect();
    let (yes, no, err) = ((1, STATE_VALUE), (0, STATE_VALUE), (0, STATE_ERR));
    assert_eq!(cells, [yes, no, yes, err, err, err]);
    let other = Given { context: Value::record([("key", Value::from("other"))]), ..given };
    let built = build(manifest(vec![], terms, facts), &other);
    assert_eq!([built.cell(0, 0), built.cell(1, 0)], [(0, STATE_VALUE), (0, STATE_ABSENT)]);
}

#[test]
fn values_of_another_type_are_named_by_path() {
    let check = |read: Read, ty: Type, context: Value, message: &str| {
        let manifest = manifest(vec![], path_terms(), vec![(Axis::Job, read, ty, false)]);
        assert_eq!(
            try_build(manifest, &Given::new(context)).err().map(|error| error.to_string()).as_deref(),
            Some(message)
        );
    };
    let a = |value: Value| Value::record([("a", value)]);
    check(Read::Value(5), Type::Long, a("1".into()), "`context.a`: expected Long, found String");
    check(
        Read::Value(5),
        entity("Doc"),
        a(uid("Agent", "x").into()),
        "`context.a`: expected Export::Doc, found Export::Agent",
    );
    check(Read::Value(6), Type::Long, a(Value::Long(1)), "`context.a`: expected a record or an entity, found Long");
    let set = Type::Set(Box::new(Type::Long));
    check(
        Read::Value(5),
        set.clone(),
        a(Value::Set(Arc::from([Value::Long(2), Value::Long(1)]))),
        "`context.a`: expected Set<Long>, found a Set that isn't in order",
    );
    check(Read::Value(5), set, a(Value::set(["x".into()])), "`context.a[]`: expected Long, found String");
    let record = Type::Record([("b".into(), Attribute { ty: Type::Long, required: true })].into());
    check(Read::Value(5), record.clone(), a(Value::record::<&str>([])), "`context.a.b`: expected Long, found nothing");
    check(
        Read::Value(5),
        record,
        a(Value::record([("b", Value::Long(1)), ("z", Value::Long(1))])),
        "`context.a.z`: expected no such attribute, found Long",
    );
    check(Read::In { left: 5, right: 0 }, Type::Bool, a(Value::Long(1)), "`context.a`: expected an entity, found Long");
}

/// Answers each row by fact 0, a truth value of the row: outcome 1 is policy 0 satisfied.
const BY_ROW: &str = r#"
(module
  (memory (export "memory") 700)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "evaluate") (param $frame i32) (param $length i32) (result i32)
    (local $rows i32) (local $row i32) (local $values i32)
    (local.set $rows (i32.load offset=8 (local.get $frame)))
    (local.set $values (i32.add (local.get $frame) (i32.shl (i32.load offset=48 (local.get $frame)) (i32.const 3))))
    (i32.store (i32.const 524288) (i32.const 0x45474101))
    (i32.store (i32.const 524292) (i32.const 2))
    ;; Nothing; policy 0 satisfied. A long frame reaches up to here, so that zeroes must be written too.
    (i64.store (i32.const 524296) (i64.const 0))
    (i32.store (i32.const 524304) (i32.const 1))
    (i64.store (i32.const 524308) (i64.const 0))
    (loop $each
      (if (i32.lt_u (local.get $row) (local.get $rows)) (then
        (i32.store
          (i32.add (i32.const 524316) (i32.shl (local.get $row) (i32.const 2)))
          (i32.load (i32.add (local.get $values) (i32.shl (local.get $row) (i32.const 3)))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $each))))
    (i32.store (i32.const 512) (i32.const 524288))
    (i32.store (i32.const 516) (i32.add (local.get $rows) (i32.const 7)))
    (i32.const 512)))
"#;

/// The outcomes at the points of the question, by row.
fn ask_rows(rows: usize, axis: Axis, text: Option<usize>, once: bool) -> Result<Asked, EvaluateError> {
    let mut manifest = manifest(
        vec![],
        vec![Term::Attribute { of: 1, name: "vip".into() }, Term::Attribute { of: 1, name: "text".into() }],
        vec![(Axis::Row, Read::Value(5), Type::Bool, false), (Axis::Row, Read::Value(6), Type::String, true)],
    );
    manifest.questions[0].axis = axis;
    let bytes = guest::guest(BY_ROW, &manifest);
    let config = EngineConfig { equal_rows_once: once, ..guest::engine().config().clone() };
    let module = Module::load(&Engine::new(&config).unwrap(), &bytes).unwrap();
    let text = (0..rows).map(|row| text.map(|length| format!("{row:0>length$}")));
    let customers = Customers::new((0..rows).map(|row| row.to_string()))
        .unwrap()
        .with_attribute("vip", Column::bools((0..rows).map(|row| Some(row % 3 == 0))))
        .unwrap()
        .with_attribute("text", Column::texts(text))
        .unwrap();
    let (entities, agent, context) =
        (Entities::default(), Value::Entity(uid("Agent", "ana")), Value::record::<&str>([]));
    let inputs = Inputs {
        sources: &[
            Source::Value((&agent).into()),
            Source::Customers,
            Source::Tickets,
            Source::Fields,
            Source::Value((&context).into()),
        ],
        entities: &entities,
        job: None,
        customers: &customers,
        fields: &[],
        fixed: None,
        agent: None,
        single: false,
    };
    let mut session = module.session().unwrap().traced();
    session.ask(module.plan().sheet(0).unwrap(), &[0], &inputs)?;
    let points = session.answers().points(0).unwrap();
    let points = match session.classes().of_rows() {
        Some(classes) => classes.iter().map(|class| points[index(u64::from(*class))]).collect(),
        None => points.to_vec(),
    };
    let outcomes = session.answers().outcomes();
    Ok(Asked { points, outcomes, calls: session.into_trace().len() })
}

struct Asked {
    points: Vec<u32>,
    outcomes: usize,
    calls: usize,
}

#[test]
fn long_jobs_take_several_calls_and_give_one_answer() {
    for (rows, calls) in [(0, 1), (1, 1), (16_384, 1), (16_385, 2), (40_000, 3)] {
        let answers = ask_rows(rows, Axis::Row, None, false).unwrap();
        let expected: Vec<u32> = (0..rows).map(|row| u32::from(row % 3 == 0)).collect();
        assert_eq!((answers.outcomes, answers.calls), (2, calls), "{rows} rows");
        assert!(answers.points == expected, "{rows} rows");
        // Two kinds of rows are two rows.
        let answers = ask_rows(rows, Axis::Row, None, true).unwrap();
        assert_eq!(answers.calls, 1);
        assert!(answers.points == expected, "{rows} rows");
    }
}

#[test]
fn rows_whose_payloads_are_long_take_more_calls() {
    // 600 rows with 60,000 bytes each: more than one frame holds.
    let answers = ask_rows(600, Axis::Row, Some(60_000), true).unwrap();
    let expected: Vec<u32> = (0..600).map(|row| u32::from(row % 3 == 0)).collect();
    assert!(answers.calls > 1 && answers.points == expected);
}

#[test]
fn a_question_over_all_rows_is_not_split() {
    let error = ask_rows(16_385, Axis::Job, None, true).err().unwrap();
    assert_eq!(
        error.to_string(),
        "question `Action::\"view\"` looks at all rows at once, and 16385 rows don't fit into one call"
    );
}

#[test]
fn answers_beyond_the_limits_are_refused_before_anything_is_built() {
    let ask = |rows: usize, columns: usize| {
        let mut manifest = manifest(vec![], vec![], vec![]);
        manifest.questions[0].axis = Axis::Cell;
        manifest.questions[0].binding.resource = 3;
        manifest.questions[0].binding.context = exportgate_contract::manifest::ContextBinding::Whole(1);
        let module = Module::load(&guest::engine(), &guest::guest(BY_ROW, &manifest)).unwrap();
        let customers = Customers::new((0..rows).map(|row| row.to_string())).unwrap();
        let inputs = Inputs {
            sources: &[],
            entities: &Entities::default(),
            job: None,
            customers: &customers,
            fields: &vec![Arc::from("x"); columns],
            fixed: None,
            agent: None,
            single: false,
        };
        let sheet = module.plan().sheet(0).unwrap();
        module.session().unwrap().ask(sheet, &[0], &inputs).unwrap_err().to_string()
    };
    assert_eq!(ask(70_000, 1_000), "70000000 answers in one evaluation, at most 67108864 are allowed");
    assert_eq!(ask(1, 300_000), "300000 answers for one row, at most 262144 are allowed");
}
