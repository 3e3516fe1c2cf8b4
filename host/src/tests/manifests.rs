//! Manifests that contradict themselves or the contract: each refused with its exact message.

use exportgate_contract::manifest::{
    Axis, Catalogue, ContextBinding, Fact, Input, Manifest, Policy, Read, Source, Term,
};
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Ip, Value};

use super::guest;
use crate::manifest_check::check;

fn check_refused(change: impl FnOnce(&mut Manifest), message: &str) {
    let mut manifest = guest::manifest();
    change(&mut manifest);
    assert_eq!(check(&manifest).expect_err(message).to_string(), message);
}

#[test]
fn the_sample_is_accepted() {
    assert_eq!(check(&guest::manifest()), Ok(()));
}

#[test]
fn names_are_printable_and_versions_are_versions() {
    check_refused(
        |m| m.name = "a\u{1b}[31m".to_owned(),
        "the pack's name `a\\u{1b}[31m` must have 1 to 1024 bytes and no control characters",
    );
    check_refused(
        |m| m.policies[0].id = String::new(),
        "policy `` must have 1 to 1024 bytes and no control characters",
    );
    check_refused(|m| m.version = "1.0".to_owned(), "the pack's version must be `major.minor.patch`, found `1.0`");
    check_refused(|m| m.policies.push(m.policies[0].clone()), "policy `allow-ok` is given twice");
    check_refused(
        |m| m.sources = ["b", "a"].map(|path| Source { path: path.to_owned(), sha256: String::new() }).into(),
        "the sources aren't in order",
    );
}

#[test]
fn symbols_are_strings_entities_and_addresses_each_once() {
    check_refused(
        |m| m.symbols = vec![Value::Long(1)],
        "symbol 0 must be a string, an entity or an address, found a Long",
    );
    check_refused(|m| m.symbols = vec!["a".into(), "a".into()], "symbol `1` is given twice");
    check_refused(
        |m| m.symbols = vec![Value::Ip(Ip { address: 1 << 40, prefix: 8, v6: false })],
        "symbol 0 is no address: prefix or bits out of range",
    );
}

#[test]
fn inputs_lie_where_their_names_say() {
    check_refused(
        |m| m.inputs[0].axis = Axis::Row,
        "input `principal` is on the axis Row: on rows are `customer` and `ticket`, on columns `field`, all else on the job",
    );
    check_refused(|m| m.inputs[1].name = "principal".to_owned(), "input `principal` is given twice");
}

#[test]
fn terms_name_what_is_there_and_before_them() {
    check_refused(|m| m.terms[0] = Term::Input(3), "term 0 names input 3, there are 3");
    check_refused(|m| m.terms[0] = Term::Symbol(0), "term 0 names symbol 0, there are 0");
    check_refused(
        |m| m.terms[1] = Term::Attribute { of: 1, name: "ok".into() },
        "term 1 names term 1, which isn't before it",
    );
    check_refused(
        |m| m.terms.extend((1..66).map(|of| Term::Attribute { of, name: "a".into() })),
        "term 65 has more than 64 steps",
    );
}

#[test]
fn facts_fit_their_terms() {
    check_refused(|m| m.facts[0].read = Read::Value(9), "fact 0 names term 9, there are 2");
    check_refused(|m| m.facts[0].axis = Axis::Row, "fact 0 is on the axis Row, its inputs are on Job");
    check_refused(
        |m| {
            m.inputs.push(Input { name: "customer".to_owned(), axis: Axis::Row });
            m.terms.push(Term::Input(3));
            let customer = Type::Entity("Customer".into());
            m.facts.insert(0, Fact { axis: Axis::Row, read: Read::Value(2), ty: customer, payload: false });
        },
        "the facts aren't in order",
    );
    check_refused(
        |m| {
            m.facts[0].read = Read::State(1);
            m.facts[0].ty = Type::Long;
        },
        "fact 0 must be of type Bool, found `Long`",
    );
    check_refused(|m| m.facts[0].payload = true, "fact 0 wants a payload, which a value of type `Bool` hasn't");
    check_refused(
        |m| m.facts[0].ty = (0..33).fold(Type::Long, |ty, _| Type::Set(Box::new(ty))),
        "fact 0 has a type that nests deeper than 32",
    );
}

#[test]
fn questions_keep_to_schema_lists_and_axes() {
    check_refused(|m| m.questions.push(m.questions[0].clone()), "question `1` is given twice");
    check_refused(|m| m.questions[0].facts = vec![1], "question 0 names fact 1, there are 1");
    check_refused(|m| m.questions[0].policies = vec![0, 0], "the indexes (policy) of question 0 aren't in order");
    check_refused(
        |m| m.questions[0].action = EntityUid::new("Action", "edit"),
        "question 0: the schema has no action `Action::\"edit\"` for a principal of type `User` and a resource of type `Doc`",
    );
    check_refused(
        |m| m.questions[0].binding.context = ContextBinding::Attributes([("why".into(), 2)].into()),
        "question 0 binds `context.why`, which its action hasn't",
    );
    check_refused(|m| m.questions[0].binding.resource = 0, "input of a question `0` is given twice");
    check_refused(|m| m.questions[0].binding.resource = 7, "question 0 names input 7, there are 3");
    check_refused(|m| m.questions[0].axis = Axis::Cell, "question 0 varies over Cell, its inputs over Job");
}

#[test]
fn the_schema_is_the_one_that_its_digest_says() {
    check_refused(|m| m.schema.text.push(' '), "the schema's digest isn't that of its text");
}

#[test]
fn a_pack_for_exports_keeps_to_the_vocabulary() {
    check_refused(|m| m.catalogue = Some(Catalogue::default()), "the schema declares no entity type `Export::Agent`");
    check_refused(
        |m| {
            let fields = [(
                "a\tb".into(),
                exportgate_contract::manifest::CatalogueField {
                    classes: vec![],
                    attributes: [].into(),
                    description: String::new(),
                },
            )];
            m.catalogue = Some(Catalogue { fields: fields.into(), ..Catalogue::default() });
        },
        "field `a\\tb` must have 1 to 1024 bytes and no control characters",
    );
}

#[test]
fn counts_have_limits() {
    check_refused(
        |m| {
            let policy = m.policies[0].clone();
            m.policies = (0..20_001).map(|n| Policy { id: n.to_string(), ..policy.clone() }).collect();
        },
        "20001 policies, at most 20000 are allowed",
    );
}
