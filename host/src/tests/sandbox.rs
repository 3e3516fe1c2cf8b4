//! What a guest may take and return: each fault its exact error, and none of them harms the next call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use exportgate_contract::value::{EntityUid, Value};

use super::guest::{self, HONEST, with_evaluate};
use crate::{
    AnswerError, Engine, EngineConfig, Entities, EvaluateError, GuestCall, Isolation, Module, PointerFault,
    RequestDecision,
};

/// The error of a guest whose `evaluate` has this body.
fn fault(body: &str) -> EvaluateError {
    guest::ask(&guest::load(&with_evaluate(body))).expect_err("the guest is at fault")
}

/// A body that returns this answer.
fn answer(words: &[u32]) -> String {
    let stores: String = words
        .iter()
        .enumerate()
        .map(|(i, word)| format!("(i32.store (i32.const {}) (i32.const {word}))", 1024 + 4 * i))
        .collect();
    format!(
        "{stores} (i32.store (i32.const 512) (i32.const 1024)) (i32.store (i32.const 516) (i32.const {})) (i32.const 512)",
        words.len()
    )
}

const TAG: u32 = exportgate_contract::answer::TAG;

#[test]
fn an_honest_guest_answers() {
    let module = guest::load(HONEST);
    let ask = |context: Value| module.authorize(&guest::request(context), &Entities::default()).unwrap();
    let allowed = ask(Value::record([("ok", Value::Bool(true))]));
    assert_eq!((allowed.decision, allowed.determining), (RequestDecision::Allow, vec!["allow-ok".into()]));
    let denied = ask(Value::record([("ok", Value::Bool(false))]));
    assert_eq!((denied.decision, denied.determining, denied.erring), (RequestDecision::Deny, vec![], vec![]));
    let erred = ask(Value::record::<&str>([]));
    assert_eq!((erred.decision, erred.erring), (RequestDecision::Deny, vec!["allow-ok".into()]));
}

#[test]
fn questions_that_the_module_does_not_answer_are_named() {
    let module = guest::load(HONEST);
    let mut request = guest::request(Value::record::<&str>([]));
    request.principal = EntityUid::new("Robot", "r");
    assert_eq!(
        module.authorize(&request, &Entities::default()).unwrap_err().to_string(),
        "the module answers no question `Action::\"view\"` with a principal of type `Robot` and a resource of type `Doc`"
    );
    let error = module.authorize(&guest::request(Value::Long(1)), &Entities::default()).unwrap_err();
    assert_eq!(error.to_string(), "the context must be a record, found a value of type Long");
    let context = Value::record([("ok", Value::Long(1))]);
    let error = module.authorize(&guest::request(context), &Entities::default()).unwrap_err();
    assert_eq!(error.to_string(), "`context.ok`: expected Bool, found Long");
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let error = fault("(loop (br 0)) unreachable");
    assert_eq!(error, EvaluateError::OutOfFuel { call: GuestCall::Evaluate, fuel: 2_001_000 });
    assert_eq!(error.to_string(), "out of fuel in evaluate: the limit is 2001000");
}

#[test]
fn a_guest_with_much_fuel_meets_its_deadline() {
    let config = EngineConfig { fuel_per_call: 1_000_000_000_000, deadline_ms: 50, ..EngineConfig::default() };
    let bytes = guest::guest(&with_evaluate("(loop (br 0)) unreachable"), &guest::manifest());
    let module = Module::load(&Engine::new(&config).unwrap(), &bytes).unwrap();
    let start = Instant::now();
    let error = guest::ask(&module).unwrap_err();
    assert_eq!(error.to_string(), "deadline exceeded in evaluate: the limit is 50 ms");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn memory_and_stack_have_limits() {
    let error = fault("(drop (memory.grow (i32.const 2000))) unreachable");
    assert_eq!(error.to_string(), "memory limit exceeded in evaluate: 131137536 bytes wanted, the limit is 67108864");
    let recursive = format!("{} (func $deep (result i32) (i32.add (call $deep) (call $deep)))", "(call $deep)) ");
    // The function closes after the call; what follows is one more, left open for the text around it.
    let recursive = recursive.trim_end_matches(')').to_owned() + "))";
    let error = fault(&recursive);
    assert_eq!(error, EvaluateError::StackOverflow { call: GuestCall::Evaluate });
}

#[test]
fn data_too_far_apart_for_an_image_is_put_there() {
    let memory = "(memory (export \"memory\") 800) (data (i32.const 4) \"a\") (data (i32.const 50000000) \"b\")";
    let look = "(if (i32.ne (i32.load8_u (i32.const 50000000)) (i32.const 98)) (then unreachable)) (local.set $value";
    let text = HONEST.replace("(memory (export \"memory\") 1)", memory).replacen("(local.set $value", look, 1);
    let response = guest::ask(&guest::load(&text)).expect("the guest finds its data");
    assert_eq!(response.decision, RequestDecision::Allow);
}

#[test]
fn traps_are_told_apart() {
    assert_eq!(fault("unreachable").to_string(), "the guest gave up in evaluate: `unreachable` executed");
    assert_eq!(fault("(i32.load (i32.const -4))").to_string(), "trap in evaluate: out of bounds memory access");
    assert_eq!(
        fault("(i32.div_s (i32.const 1) (i32.const 0))").to_string(),
        "trap in evaluate: integer divide by zero"
    );
}

#[test]
fn pointers_of_realloc_are_checked() {
    let check = |pointer: i32, message: &str| {
        let wat = HONEST.replace("(local.get $at))\n  (func $word", &format!("(i32.const {pointer}))\n  (func $word"));
        assert_ne!(wat, HONEST);
        assert_eq!(guest::ask(&guest::load(&wat)).unwrap_err().to_string(), message);
    };
    // Header, one question id, one value, one word of states; no symbols.
    check(4, "realloc returned 0x4 for 152 bytes: not a multiple of 8");
    check(65_528, "realloc returned 0xfff8 for 152 bytes: outside the memory of 65536 bytes");
    check(-8, "realloc returned 0xfffffff8 for 152 bytes: outside the memory of 65536 bytes");
}

#[test]
fn pointers_of_evaluate_are_checked() {
    assert_eq!(fault("(i32.const 2)").to_string(), "evaluate returned 0x2: not a multiple of 4");
    assert_eq!(fault("(i32.const 65532)").to_string(), "evaluate returned 0xfffc: outside the memory of 65536 bytes");
    let list = |pointer: i32, words: i32| {
        fault(&format!(
            "(i32.store (i32.const 512) (i32.const {pointer})) (i32.store (i32.const 516) (i32.const {words})) (i32.const 512)"
        ))
    };
    assert_eq!(list(1026, 2).to_string(), "the answer at 0x402 with 2 words: not a multiple of 4");
    assert_eq!(list(65_532, 2).to_string(), "the answer at 0xfffc with 2 words: outside the memory of 65536 bytes");
    assert_eq!(list(-4, 2).to_string(), "the answer at 0xfffffffc with 2 words: outside the memory of 65536 bytes");
    assert_eq!(list(0, -1).to_string(), "the answer has 4294967295 words, at most 4194304 are allowed");
    assert_eq!(
        list(508, 2),
        EvaluateError::AnswerPointer { pointer: 508, words: 2, fault: PointerFault::OverlapsResult }
    );
}

#[test]
fn answers_are_read_strictly() {
    let check = |words: &[u32], message: &str| {
        assert_eq!(fault(&answer(words)).to_string(), format!("malformed answer: {message}"));
    };
    check(&[], "it ends after 0 words, within the header");
    check(&[7, 0], "expected the tag 0x45474101, found 0x7");
    check(&[TAG, 0], "it ends after 2 words, within the points");
    check(&[TAG, u32::MAX, 0, 0], "4294967295 outcomes don't fit into 4 words");
    check(&[TAG, 1, 0, 0], "it ends after 4 words, within the points");
    check(&[TAG, 1, u32::MAX, u32::MAX, 0], "outcome 0 claims 8589934590 policies, 1 words are left");
    check(&[TAG, 1, 1, 0, 1, 0], "outcome 0 names policy 1, the module has 1");
    check(&[TAG, 1, 2, 0, 0, 0, 0], "outcome 0 names policy 0 after 0: not ascending");
    check(&[TAG, 1, 1, 1, 0, 0, 0], "outcome 0 names policy 0 as satisfied and as erring");
    check(&[TAG, 1, 0, 0, 1], "point 0 of question 0 names outcome 1, the answer has 1");
    check(&[TAG, 1, 0, 0, 0, 0], "1 words are left over");
    assert_eq!(
        fault(&answer(&[TAG, 2, 0, 0])),
        EvaluateError::Answer(AnswerError::TooManyOutcomes { outcomes: 2, words: 4 })
    );
}

#[test]
fn a_trap_after_the_answer_counts() {
    let wat = HONEST.replace("(global.set $next (i32.const 4096))))", "unreachable))");
    assert_ne!(wat, HONEST);
    assert_eq!(guest::ask(&guest::load(&wat)).unwrap_err(), EvaluateError::Unreachable { call: GuestCall::PostReturn });
}

/// Satisfied at the first call to an instance only.
const REMEMBERS: &str = "(i32.store (i32.const 1024) (i32.const 0x45474101)) (i32.store (i32.const 1028) (i32.const 1))
    (i32.store (i32.const 1032) (i32.eqz (i32.load (i32.const 2048)))) (i32.store (i32.const 1036) (i32.const 0))
    (i32.store (i32.const 1040) (i32.const 0)) (i32.store (i32.const 1044) (i32.const 0))
    (i32.store (i32.const 512) (i32.const 1024))
    (i32.store (i32.const 516) (i32.add (i32.const 5) (i32.load (i32.const 1032))))
    (i32.store (i32.const 2048) (i32.const 1)) (i32.const 512)";

#[test]
fn fresh_instances_remember_nothing_and_warm_ones_do() {
    let module = guest::load(&with_evaluate(REMEMBERS));
    let decide = |module: &Module| guest::ask(module).unwrap().decision;
    assert_eq!([decide(&module), decide(&module)], [RequestDecision::Allow; 2]);
    let warm = module.with_isolation(Isolation::Warm);
    assert_eq!([decide(&warm), decide(&warm)], [RequestDecision::Allow, RequestDecision::Deny]);
}

#[test]
fn a_warm_instance_that_trapped_is_dropped() {
    let body = format!("(if (i32.load (i32.const 2048)) (then unreachable)) {REMEMBERS}");
    let warm = guest::load(&with_evaluate(&body)).with_isolation(Isolation::Warm);
    assert!(guest::ask(&warm).is_ok());
    assert_eq!(guest::ask(&warm).unwrap_err(), EvaluateError::Unreachable { call: GuestCall::Evaluate });
    assert_eq!(guest::ask(&warm).unwrap().decision, RequestDecision::Allow);
}

#[test]
fn instances_in_use_have_a_limit() {
    let module = guest::load(HONEST);
    let sessions: Vec<_> = (0..4).map(|_| module.session().unwrap()).collect();
    assert_eq!(guest::ask(&module).unwrap_err().to_string(), "all 4 instances are in use");
    drop(sessions);
    assert!(guest::ask(&module).is_ok());
}

#[test]
fn threads_share_a_module() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Engine>();
    assert_shared::<Module>();
    assert_shared::<Entities>();
    assert_shared::<crate::Customers>();
    assert_shared::<crate::Request>();
    let module = Arc::new(guest::load(HONEST).with_isolation(Isolation::Warm));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..100).for_each(|_| assert!(guest::ask(&module).is_ok())));
        }
    });
}

#[test]
fn a_prepared_request_is_answered_from_its_facts_for_as_long_as_it_may() {
    use std::time::Duration;

    let module = guest::load(HONEST).with_isolation(Isolation::Warm);
    for ok in [true, false] {
        let request = guest::request(Value::record([("ok", Value::Bool(ok))]));
        let expected = module.authorize(&request, &Entities::default()).unwrap();
        let prepared = module.prepare(&request, &Entities::default(), Duration::from_secs(3_600)).unwrap();
        let mut response = prepared.authorize().unwrap();
        assert_eq!(response, expected);
        prepared.authorize_into(&mut response).unwrap();
        assert_eq!(response, expected);
        let old = module.prepare(&request, &Entities::default(), Duration::ZERO).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        let error = old.authorize_into(&mut response).unwrap_err();
        assert_eq!(error.to_string(), "the request was prepared more than 0 ms ago, prepare it again");
        assert_eq!(response, crate::Response::empty());
    }
    let error = module.prepare(&guest::request(Value::Long(1)), &Entities::default(), Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "the context must be a record, found a value of type Long");
}
