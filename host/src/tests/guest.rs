//! Guests for tests: a manifest, a core module as text, and the component made of both.

use exportgate_contract::manifest::{
    Axis, Binding, ContextBinding, Cost, Effect, Fact, Input, Manifest, Policy, Question, Read, Schema, Term,
};
use exportgate_contract::types::{Action, Attribute, EntityType, SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::{CONTRACT_VERSION, MANIFEST_SECTION};
use sha2::{Digest, Sha256};

pub(crate) use super::component::{add_section, component};
use crate::artifact::hex;
use crate::{Engine, EngineConfig, Entities, Module, Request};

/// Answers its one question: policy 0 is satisfied when fact 0 is true, and errs when it has no value.
pub(crate) const HONEST: &str = r#"
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (local.get $at) (local.get $new)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
      (br_if $fits (i32.ne (i32.const -1)
        (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $new) (i32.const 16))))))
      unreachable)
    (local.get $at))
  (func $word (param $frame i32) (param $word i32) (result i32)
    (i32.wrap_i64 (i64.load (i32.add (local.get $frame) (i32.shl (local.get $word) (i32.const 3))))))
  (func (export "evaluate") (param $frame i32) (param $length i32) (result i32)
    (local $state i32) (local $value i32)
    (local.set $value (call $word (local.get $frame) (call $word (local.get $frame) (i32.const 5))))
    (local.set $state (i32.load8_u (i32.add (local.get $frame)
      (i32.shl (call $word (local.get $frame) (i32.const 9)) (i32.const 3)))))
    (i32.store (i32.const 1024) (i32.const 0x45474101))
    (i32.store (i32.const 1028) (i32.const 1))
    (i32.store (i32.const 1032) (i32.and (i32.eqz (local.get $state)) (local.get $value)))
    (i32.store (i32.const 1036) (i32.ne (local.get $state) (i32.const 0)))
    (i32.store (i32.const 1040) (i32.const 0))
    (i32.store (i32.const 1044) (i32.const 0))
    (i32.store (i32.const 512) (i32.const 1024))
    ;; Header, outcome, its policy if any, one point.
    (i32.store (i32.const 516) (i32.add (i32.const 5)
      (i32.or (i32.load (i32.const 1032)) (i32.load (i32.const 1036)))))
    (i32.const 512))
  (func (export "cabi_post_evaluate") (param i32)
    (global.set $next (i32.const 4096))))
"#;

/// A module whose `evaluate` has this body, where `$frame` and `$length` are its parameters; the rest is [`HONEST`]'s.
pub(crate) fn with_evaluate(body: &str) -> String {
    let (before, rest) = HONEST.split_once("  (func (export \"evaluate\")").expect("HONEST exports it");
    let (_, after) = rest.split_once("  (func (export \"cabi_post_evaluate\")").expect("HONEST exports it");
    format!(
        "{before} (func (export \"evaluate\") (param $frame i32) (param $length i32) (result i32) {body})
        (func (export \"cabi_post_evaluate\"){after}"
    )
}

/// A pack without vocabulary, with one permit, one question, and one fact: `context.ok`.
pub(crate) fn manifest() -> Manifest {
    let text =
        "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc, context: { ok: Bool } };";
    let view = EntityUid::new("Action", "view");
    let ok = Attribute { ty: Type::Bool, required: true };
    Manifest {
        contract: CONTRACT_VERSION,
        producer: "tests 0.1.0".to_owned(),
        name: "sample".to_owned(),
        version: "1.0.0".to_owned(),
        policies: vec![Policy { id: "allow-ok".to_owned(), effect: Effect::Permit, annotations: [].into() }],
        symbols: vec![],
        inputs: ["principal", "resource", "context"]
            .map(|name| Input { name: name.to_owned(), axis: Axis::Job })
            .into(),
        terms: vec![Term::Input(2), Term::Attribute { of: 0, name: "ok".into() }],
        facts: vec![Fact { axis: Axis::Job, read: Read::Value(1), ty: Type::Bool, payload: false }],
        questions: vec![Question {
            action: view.clone(),
            principal: "User".into(),
            resource: "Doc".into(),
            binding: Binding { principal: 0, resource: 1, context: ContextBinding::Whole(2) },
            axis: Axis::Job,
            facts: vec![0],
            policies: vec![0],
        }],
        schema: Schema {
            text: text.to_owned(),
            sha256: hex(&Sha256::digest(text)),
            types: SchemaTypes {
                entities: [("User".into(), EntityType::default()), ("Doc".into(), EntityType::default())].into(),
                actions: vec![Action {
                    uid: view,
                    groups: vec![],
                    principals: vec!["User".into()],
                    resources: vec!["Doc".into()],
                    context: [("ok".into(), ok)].into(),
                }],
            },
        },
        catalogue: None,
        sources: vec![],
        cost: Cost::default(),
    }
}

/// The core module of a guest, with its manifest.
pub(crate) fn core(wat: &str, manifest: &[u8]) -> Vec<u8> {
    let mut core = wat::parse_str(wat).expect("the guest's text is right");
    add_section(&mut core, MANIFEST_SECTION, manifest);
    core
}

/// A guest's component, with the manifest as JSON.
pub(crate) fn guest(wat: &str, manifest: &Manifest) -> Vec<u8> {
    component(core(wat, &serde_json::to_vec(manifest).expect("a manifest is JSON")))
}

/// The component around a core module as text, for shapes that wit-component doesn't make. `parts` stands between the core
/// module and the end; `CORE` is a core module that fits, `INSTANCE` its instance with all aliases, `LIFT` the rest.
pub(crate) fn component_text(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(component {})", parts.join("\n"))).expect("the component's text is right")
}

/// A core module for [`component_text`].
pub(crate) fn core_text() -> String {
    let json = serde_json::to_string(&manifest()).expect("a manifest is JSON");
    let escaped: String = json.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let body = HONEST.trim().strip_prefix("(module").expect("HONEST is a module");
    format!("(core module $m (@custom \"{MANIFEST_SECTION}\" \"{escaped}\") {body}")
}

/// The instance of the core module, and aliases of its exports.
pub(crate) const INSTANCE: &str = r#"
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "cabi_realloc" (core func $realloc))
  (alias core export $i "evaluate" (core func $evaluate))
  (alias core export $i "cabi_post_evaluate" (core func $post))
  (type $frame (list u64))
  (type $answer (list u32))
  (type $f (func (param "frame" $frame) (result $answer)))"#;

/// The lift and the export.
pub(crate) const LIFT: &str = r#"
  (func $lifted (type $f) (canon lift (core func $evaluate) (memory $memory) (realloc $realloc) (post-return $post)))
  (export "evaluate" (func $lifted))"#;

/// An engine for tests: little fuel and a short deadline, so that nothing takes long.
pub(crate) fn engine() -> Engine {
    Engine::new(&EngineConfig {
        fuel_per_call: 2_000_000,
        fuel_per_point: 1_000,
        deadline_ms: 2_000,
        instances_max: 4,
        ..EngineConfig::default()
    })
    .expect("the machine runs the engine")
}

/// The loaded guest.
pub(crate) fn load(wat: &str) -> Module {
    Module::load(&engine(), &guest(wat, &manifest())).expect("the guest loads")
}

/// The question of [`manifest`], with this context.
pub(crate) fn request(context: Value) -> Request {
    Request {
        principal: EntityUid::new("User", "ana"),
        action: EntityUid::new("Action", "view"),
        resource: EntityUid::new("Doc", "plan"),
        context,
    }
}

/// Asks the question of [`manifest`] with `context.ok` true.
pub(crate) fn ask(module: &Module) -> Result<crate::Response, crate::EvaluateError> {
    module.authorize(&request(Value::record([("ok", Value::Bool(true))])), &Entities::default())
}
