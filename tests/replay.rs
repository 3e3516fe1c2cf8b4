//! Every question of every replay, asked of cedar-policy and of an interpreter in the sandbox too.

use exportgate_cli::replay;
use exportgate_tests::guests;
use exportgate_tests::replay::Judge;

#[test]
fn the_log_names_who_took_trend_micros_customers() {
    let ledgers = tempfile::tempdir().unwrap();
    let found = replay::who(&guests::folder("support-desk"), Some("trend-micro"), ledgers.path());
    let found = found.unwrap_or_else(|e| panic!("{e:?}"));
    let [traced] = found.as_slice() else { panic!("{} incidents were traced", found.len()) };
    assert_eq!((traced.complaints, traced.taken), (50, 70_000));
    assert_eq!(traced.named, [traced.thief.as_str()], "{}", traced.line);
    assert!(traced.named_by_chance.is_empty(), "{:?}", traced.named_by_chance);
}

#[test]
fn every_question_is_answered_as_cedar_does() {
    let (schema, policies) = guests::texts("support-desk");
    let interpreted = guests::interpreted(&guests::engine(), "support-desk");
    let judge = Judge::new(&schema, &policies, interpreted).unwrap();
    let outcome =
        replay::run(&guests::folder("support-desk"), None, None, &judge, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
    let found = judge.found();
    println!("{} decisions, {} questions, {} of them distinct", found.decisions, found.questions, found.distinct);
    assert!(found.wrong.is_empty(), "\n{}", found.wrong.join("\n"));
    let decisions = outcome.incidents.iter().map(|incident| incident.decisions).sum::<u64>()
        + outcome.honest.iter().map(|honest| honest.decisions).sum::<u64>();
    assert_eq!(found.decisions, decisions, "some decisions weren't seen");
    assert!(found.distinct > 1_000, "{} distinct questions say little", found.distinct);
}
