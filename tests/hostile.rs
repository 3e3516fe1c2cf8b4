//! Guests that misbehave: each ends in its exact error, the gate denies, and the next module on the same engine answers.

use std::sync::Arc;

use exportgate::{
    Approvals, Cause, Customers, Engine, EngineConfig, Entities, Entity, Form, Gate, GateConfig, GateError, Isolation,
    Job, MemoryWindows, Module, Request, Verdict,
};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_tests::bless;
use exportgate_tests::hostile::Guest;

/// Small, so that a guest that loops or grows ends soon, and large enough for each good guest.
fn config() -> EngineConfig {
    EngineConfig { fuel_per_call: 5_000_000, fuel_per_point: 1_000, ..EngineConfig::default() }
}

fn request() -> Request {
    Request {
        principal: EntityUid::new("Export::Agent", "ana"),
        action: EntityUid::new("Export::Action", "export"),
        resource: EntityUid::new("Export::Job", "job"),
        context: Value::record([] as [(&str, Value); 0]),
    }
}

/// How a module ends: the error of loading or of asking it, or its answer.
fn end(engine: &Engine, bytes: &[u8]) -> String {
    let module = match Module::load(engine, bytes) {
        Err(error) => return format!("load: {error}"),
        Ok(module) => module,
    };
    match module.authorize(&request(), &Entities::default()) {
        Err(error) => format!("evaluate: {error}"),
        Ok(response) => {
            let ids = |ids: &[Arc<str>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let decision = format!("{:?}", response.decision).to_lowercase();
            format!("answers: {decision} by [{}], erring [{}]", ids(&response.determining), ids(&response.erring))
        }
    }
}

#[test]
fn each_hostile_guest_ends_in_its_error() {
    let engine = Engine::new(&config()).unwrap();
    let guests = Guest::load_all();
    let good = guests.iter().find(|guest| guest.name() == "answer_grants").expect("the good guest");
    let good = Module::load(&engine, &good.bytes()).unwrap();
    let mut wrong = Vec::new();
    for guest in &guests {
        let found = end(&engine, &guest.bytes());
        assert!(!found.contains("internal error"), "{}: {found}", guest.name());
        if bless::blessing() {
            guest.bless(&found);
        } else if found != guest.expected() {
            wrong.push(format!("{}:\n  expected {}\n  found    {found}", guest.name(), guest.expected()));
        }
        let next = good.authorize(&request(), &Entities::default());
        assert!(next.is_ok(), "after {} the next ask fails: {next:?}", guest.name());
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The gate over these modules, the first of them the base.
fn gate(engine: &Engine, modules: &[&Module]) -> Result<Gate, GateError> {
    let config = GateConfig { engine: config(), ..GateConfig::default() };
    Gate::new(engine, config, modules.iter().map(|module| (*module).clone()).collect(), Arc::new(MemoryWindows::new()))
}

fn job() -> Job {
    let agent = EntityUid::new("Export::Agent", "ana");
    Job {
        id: "job".into(),
        agent: agent.clone(),
        fields: ["customer.email".into()].into(),
        customers: Customers::new(["customer-1"]).unwrap(),
        env: Value::record([] as [(&str, Value); 0]),
        approvals: Approvals::none(),
        entities: Arc::new(Entities::new([Entity::new(agent)]).unwrap()),
        prepared_agent: None,
    }
}

#[test]
fn the_gate_denies_with_each_hostile_guest() {
    let engine = Engine::new(&config()).unwrap();
    let guests = Guest::load_all();
    let good = guests.iter().find(|guest| guest.name() == "answer_to_a_job").expect("the good guest");
    let good = Module::load(&engine, &good.bytes()).unwrap();
    let alone = gate(&engine, &[&good]).unwrap();
    let mut asked = 0;
    for guest in guests.iter().filter(|guest| guest.name() != "answer_to_a_job") {
        // What isn't loaded can't be asked: there is no gate, and so no export.
        let Ok(module) = Module::load(&engine, &guest.bytes()) else { continue };
        for modules in [vec![&module], vec![&module, &good], vec![&good, &module]] {
            let Ok(gate) = gate(&engine, &modules) else { continue };
            let decision = gate.evaluate(&job());
            assert_eq!(*decision.verdict(), Verdict::Deny, "{}", guest.name());
            assert!(!decision.includes(0) && decision.form(0, 0) == Form::Suppressed, "{}", guest.name());
            assert!(matches!(decision.cause(), Some(Cause::Module { .. })), "{}: {:?}", guest.name(), decision.cause());
            asked += 1;
        }
        let next = alone.evaluate(&job());
        assert!(next.is_allow() && next.form(0, 0) == Form::Plain, "after {}: {next:?}", guest.name());
    }
    assert!(asked > 150, "{asked} gates say little");
}

#[test]
fn a_fresh_instance_remembers_nothing() {
    let engine = Engine::new(&config()).unwrap();
    let bytes = Guest::load_all().into_iter().find(|guest| guest.name() == "answer_remembers").unwrap().bytes();
    let module = Module::load(&engine, &bytes).unwrap();
    let ask = |module: &Module| module.authorize(&request(), &Entities::default());
    for _ in 0..3 {
        assert!(ask(&module).unwrap().determining.is_empty());
    }
    // What pinning a module as warm gives up: its memory outlives the call. The changed answer no longer fits.
    let warm = module.with_isolation(Isolation::Warm);
    assert!(ask(&warm).unwrap().determining.is_empty());
    assert!(ask(&warm).is_err(), "the instance wasn't kept");
    // And after a failure it is a new one.
    assert!(ask(&warm).unwrap().determining.is_empty());
}

/// xorshift: a few random bytes need no crate.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

fn good_bytes() -> Vec<u8> {
    Guest::load_all().into_iter().find(|guest| guest.name() == "component_good").unwrap().bytes()
}

#[test]
fn a_module_cut_anywhere_is_refused() {
    let engine = Engine::new(&config()).unwrap();
    let bytes = good_bytes();
    let whole = end(&engine, &bytes);
    let mut loaded = 0;
    for length in 0..bytes.len() {
        match Module::load(&engine, &bytes[..length]) {
            Err(error) => assert!(!error.to_string().is_empty() && !error.help().is_empty()),
            // The last section holds names for people, and may be missing.
            Ok(_) => {
                loaded += 1;
                assert_eq!(end(&engine, &bytes[..length]), whole);
            }
        }
    }
    assert!(loaded <= 1, "{loaded} cut modules load");
}

#[test]
fn changed_and_random_bytes_do_no_harm() {
    let engine = Engine::new(&config()).unwrap();
    let bytes = good_bytes();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut ran) = (0, 0);
    for _ in 0..3_000 {
        let mut changed = bytes.clone();
        for _ in 0..=random.below(3) {
            let place = random.below(changed.len());
            changed[place] = u8::try_from(random.below(256)).unwrap();
        }
        match end(&engine, &changed) {
            found if found.starts_with("load:") => refused += 1,
            found => {
                assert!(!found.contains("internal error"), "{found}");
                ran += 1;
            }
        }
    }
    assert!(refused > 500 && ran > 10, "refused {refused}, ran {ran}: the changes say nothing");
    for length in 0..500 {
        let mut noise: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        assert!(Module::load(&engine, &noise).is_err());
        // With the header of a component, so that the parser comes to see it.
        noise.splice(0..0, *b"\0asm\x0d\0\x01\0");
        assert!(Module::load(&engine, &noise).is_err());
    }
}

#[test]
fn what_isnt_a_component_is_named() {
    let engine = Engine::new(&config()).unwrap();
    for (bytes, message) in [
        (&b""[..], "expected a WebAssembly component, found an empty file"),
        (b"\0asm\x01\0\0\0", "expected a WebAssembly component, found a core module"),
        (b"(module)", "expected a WebAssembly component, found WebAssembly text"),
        (b"permit(principal, action, resource);", "expected a WebAssembly component, found something else"),
    ] {
        assert_eq!(Module::load(&engine, bytes).unwrap_err().to_string(), message);
    }
    let error = Module::load(&engine, &vec![0; (16 << 20) + 1]).unwrap_err();
    assert_eq!(error.to_string(), "the module has 16777217 bytes, at most 16777216 are allowed");
}
