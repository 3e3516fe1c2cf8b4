//! Guests for tests of the gate: policies of a simple kind, made into a component without the compiler.
//!
//! A policy is satisfied when its `when` holds and its `unless` doesn't, and errs where reading either does: in that order, as
//! Cedar would. Each condition looks at one fact.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use exportgate_contract::manifest::{
    Axis, Binding, Catalogue, CatalogueField, ContextBinding, Cost, Effect, Fact, Input, Manifest, Policy, Question,
    Read, Schema, Term,
};
use exportgate_contract::types::{Action, Attribute, EntityType, SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::{CONTRACT_VERSION, MANIFEST_SECTION};
use sha2::{Digest, Sha256};

use crate::component::{add_section, component};

/// What a policy looks at.
#[derive(Clone, Debug)]
pub enum Test {
    /// Nothing: it always holds.
    Always,
    /// A Bool: `context.env.ok`, `customer.canary`.
    Is(&'static str),
    /// Whether a Long is more than a number.
    Above(&'static str, i64),
    /// Whether an input is in an entity: `field`, `FieldClass`, `contact`.
    In(&'static str, &'static str, &'static str),
}

/// A policy of a guest.
#[derive(Clone, Debug)]
pub struct Rule {
    pub effect: Effect,
    pub id: &'static str,
    pub actions: Vec<&'static str>,
    pub when: Test,
    pub unless: Option<Test>,
    pub annotations: Vec<(&'static str, &'static str)>,
}

pub fn permit(id: &'static str, action: &'static str, when: Test) -> Rule {
    Rule { effect: Effect::Permit, id, actions: vec![action], when, unless: None, annotations: vec![] }
}

pub fn forbid(id: &'static str, action: &'static str, when: Test) -> Rule {
    Rule { effect: Effect::Forbid, ..permit(id, action, when) }
}

impl Rule {
    pub fn unless(mut self, test: Test) -> Self {
        self.unless = Some(test);
        self
    }

    pub fn note(mut self, key: &'static str, value: &'static str) -> Self {
        self.annotations.push((key, value));
        self
    }
}

/// A guest to be.
#[derive(Clone, Debug)]
pub struct Guest {
    pub name: &'static str,
    pub version: &'static str,
    pub rules: Vec<Rule>,
    /// The actions that it answers.
    pub actions: Vec<&'static str>,
    /// The windows and tallies of its schema.
    pub windows: Vec<&'static str>,
    pub tallies: Vec<&'static str>,
    /// Whether `context.approvals` is without `ageSec`.
    pub no_approval_age: bool,
    /// What is changed in the manifest in the end.
    pub edit: fn(&mut Manifest),
}

const ACTIONS: [&str; 5] = ["export", "include", "reveal_plain", "reveal_partial", "reveal_token"];

impl Guest {
    /// A guest that answers all five questions of an export with `rules`.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self {
            name: "sample",
            version: "1.0.0",
            rules,
            actions: ACTIONS.into(),
            windows: vec![],
            tallies: vec![],
            no_approval_age: false,
            edit: |_| {},
        }
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let mut builder = Builder::default();
        let mut manifest = builder.manifest(self);
        let core = builder.core(self, &manifest);
        (self.edit)(&mut manifest);
        guest(&core, &manifest)
    }
}

fn uid(entity_type: &str, id: &str) -> EntityUid {
    EntityUid::new(format!("Export::{entity_type}"), id)
}

fn required(ty: Type) -> Attribute {
    Attribute { ty, required: true }
}

fn record(attributes: impl IntoIterator<Item = (&'static str, Type)>) -> Type {
    Type::Record(attributes.into_iter().map(|(name, ty)| (name.into(), required(ty))).collect())
}

fn entity(name: &str) -> Type {
    Type::Entity(format!("Export::{name}").into())
}

/// The inputs of an export, in the manifest's order.
const INPUTS: [(&str, Axis); 13] = [
    ("agent", Axis::Job),
    ("job", Axis::Job),
    ("context.env", Axis::Job),
    ("context.now", Axis::Job),
    ("context.usage", Axis::Job),
    ("context.tally", Axis::Job),
    ("context.approvals", Axis::Job),
    ("context.customers", Axis::Job),
    ("context.fields", Axis::Job),
    ("context.classes", Axis::Job),
    ("customer", Axis::Row),
    ("ticket", Axis::Row),
    ("field", Axis::Column),
];

fn input(name: &str) -> u32 {
    u32::try_from(INPUTS.iter().position(|(known, _)| *known == name).expect("an input of an export")).unwrap()
}

/// What comes together while a manifest is made.
#[derive(Default)]
struct Builder {
    terms: Vec<Term>,
    symbols: Vec<Value>,
    facts: Vec<Fact>,
}

impl Builder {
    fn term(&mut self, term: Term) -> u32 {
        let found = self.terms.iter().position(|known| *known == term);
        u32::try_from(found.unwrap_or_else(|| {
            self.terms.push(term);
            self.terms.len() - 1
        }))
        .unwrap()
    }

    fn path(&mut self, path: &str) -> (u32, Axis) {
        let (root, rest) = INPUTS
            .iter()
            .filter_map(|(name, axis)| Some(((*name, *axis), path.strip_prefix(name)?.strip_prefix('.').unwrap_or(""))))
            .max_by_key(|((name, _), _)| name.len())
            .expect("a path begins with an input");
        let mut term = self.term(Term::Input(input(root.0)));
        for name in rest.split('.').filter(|name| !name.is_empty()) {
            term = self.term(Term::Attribute { of: term, name: name.into() });
        }
        (term, root.1)
    }

    fn read(&mut self, test: &Test) -> Option<Fact> {
        let value = |builder: &mut Self, path: &str, ty| {
            let (term, axis) = builder.path(path);
            Fact { axis, read: Read::Value(term), ty, payload: false }
        };
        match test {
            Test::Always => None,
            Test::Is(path) => Some(value(self, path, Type::Bool)),
            Test::Above(path, _) => Some(value(self, path, Type::Long)),
            Test::In(path, entity_type, id) => {
                let (left, axis) = self.path(path);
                let symbol = Value::Entity(uid(entity_type, id));
                if !self.symbols.contains(&symbol) {
                    self.symbols.push(symbol.clone());
                }
                let symbol = self.symbols.iter().position(|known| *known == symbol).unwrap();
                let right = self.term(Term::Symbol(u32::try_from(symbol).unwrap()));
                Some(Fact { axis, read: Read::In { left, right }, ty: Type::Bool, payload: false })
            }
        }
    }

    fn manifest(&mut self, guest: &Guest) -> Manifest {
        let tests: Vec<Test> =
            guest.rules.iter().flat_map(|rule| [Some(rule.when.clone()), rule.unless.clone()]).flatten().collect();
        for test in &tests {
            if let Some(fact) = self.read(test)
                && !self.facts.contains(&fact)
            {
                self.facts.push(fact);
            }
        }
        self.facts.sort_by_key(|fact| fact.axis);
        let types = schema(guest);
        let questions = guest.actions.iter().map(|action| self.question(guest, action, &types)).collect();
        let text = format!("// {}\n", guest.name);
        Manifest {
            contract: CONTRACT_VERSION,
            producer: "tests 0.1.0".to_owned(),
            name: guest.name.to_owned(),
            version: guest.version.to_owned(),
            policies: guest.rules.iter().map(policy).collect(),
            symbols: self.symbols.clone(),
            inputs: INPUTS.map(|(name, axis)| Input { name: name.to_owned(), axis }).into(),
            terms: self.terms.clone(),
            facts: self.facts.clone(),
            questions,
            schema: Schema { sha256: hex(text.as_bytes()), text, types },
            catalogue: Some(catalogue()),
            sources: vec![],
            cost: Cost::default(),
        }
    }

    fn place(&mut self, test: &Test) -> Option<usize> {
        let fact = self.read(test)?;
        self.facts.iter().position(|known| *known == fact)
    }

    fn question(&mut self, guest: &Guest, action: &str, types: &SchemaTypes) -> Question {
        let mut facts = Vec::new();
        let mut policies = Vec::new();
        for (policy, rule) in (0_u32..).zip(&guest.rules) {
            if rule.actions.contains(&action) {
                policies.push(policy);
                for test in [Some(&rule.when), rule.unless.as_ref()].into_iter().flatten() {
                    facts.extend(self.place(test).map(|place| u32::try_from(place).unwrap()));
                }
            }
        }
        facts.sort_unstable();
        facts.dedup();
        let axis = facts.iter().fold(Axis::Job, |axis, fact| axis.join(self.facts[*fact as usize].axis));
        let declared = types.actions.iter().find(|declared| *declared.uid.id == *action).expect("a declared action");
        let (resource, of_resource) = match action {
            "export" => ("Job", "job"),
            _ if action.starts_with("reveal") => ("Field", "field"),
            _ => ("Customer", "customer"),
        };
        let context = declared.context.keys().map(|name| {
            let of = match &**name {
                "customer" | "ticket" => name.to_string(),
                _ => format!("context.{name}"),
            };
            (name.clone(), input(&of))
        });
        Question {
            action: declared.uid.clone(),
            principal: "Export::Agent".into(),
            resource: format!("Export::{resource}").into(),
            binding: Binding {
                principal: input("agent"),
                resource: input(of_resource),
                context: ContextBinding::Attributes(context.collect()),
            },
            axis,
            facts,
            policies,
        }
    }

    /// A core module that answers as the rules say: an outcome of its own for each point.
    fn core(&mut self, guest: &Guest, manifest: &Manifest) -> String {
        let mut questions = String::new();
        for (id, question) in manifest.questions.iter().enumerate() {
            let rows =
                if matches!(question.axis, Axis::Row | Axis::Cell) { "(global.get $rows)" } else { "(i32.const 1)" };
            let columns = if matches!(question.axis, Axis::Column | Axis::Cell) {
                "(global.get $columns)"
            } else {
                "(i32.const 1)"
            };
            let mut policies = String::new();
            for policy in &question.policies {
                let rule = &guest.rules[*policy as usize];
                let when = self.step(&rule.when, false);
                let unless = rule.unless.as_ref().map_or(String::new(), |test| self.step(test, true));
                write!(
                    policies,
                    "(local.set $state (i32.const 1)) (block $done {when} {unless})
                     (call $note (i32.const {policy}) (local.get $state))\n"
                )
                .unwrap();
            }
            write!(
                questions,
                "(if (call $asked (i32.const {id})) (then
                   (global.set $row (i32.const 0))
                   (block $rows_done (loop $next_row
                     (br_if $rows_done (i32.ge_u (global.get $row) {rows}))
                     (global.set $column (i32.const 0))
                     (block $columns_done (loop $next_column
                       (br_if $columns_done (i32.ge_u (global.get $column) {columns}))
                       (call $begin)
                       {policies}
                       (call $end)
                       (global.set $column (i32.add (global.get $column) (i32.const 1)))
                       (br $next_column)))
                     (global.set $row (i32.add (global.get $row) (i32.const 1)))
                     (br $next_row)))))\n"
            )
            .unwrap();
        }
        CORE.replace("QUESTIONS", &questions)
    }

    /// Leaves the block `$done` when the test doesn't hold, with the policy's state in `$state`.
    fn step(&mut self, test: &Test, unless: bool) -> String {
        let Some(place) = self.place(test) else {
            return if unless { "(local.set $state (i32.const 0)) (br $done)".to_owned() } else { String::new() };
        };
        let axis = self.facts[place].axis;
        let k = self.facts[..place].iter().filter(|fact| fact.axis == axis).count();
        let group = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell].iter().position(|known| *known == axis).unwrap();
        let holds = match test {
            Test::Above(_, number) => format!("(i64.gt_s (call $value) (i64.const {number}))"),
            Test::Always | Test::Is(_) | Test::In(..) => "(i64.ne (call $value) (i64.const 0))".to_owned(),
        };
        let fails = if unless { holds } else { format!("(i32.eqz {holds})") };
        format!(
            "(call $find (i32.const {group}) (i32.const {k}))
             (if (call $missing) (then (local.set $state (i32.const 2)) (br $done)))
             (if {fails} (then (local.set $state (i32.const 0)) (br $done)))\n"
        )
    }
}

const CORE: &str = r#"
(module
  (memory (export "memory") 32)
  (global $frame (mut i32) (i32.const 0))
  (global $rows (mut i32) (i32.const 0))
  (global $columns (mut i32) (i32.const 0))
  (global $row (mut i32) (i32.const 0))
  (global $column (mut i32) (i32.const 0))
  (global $satisfied (mut i32) (i32.const 0))
  (global $erring (mut i32) (i32.const 0))
  (global $outcomes (mut i32) (i32.const 0))
  (global $out (mut i32) (i32.const 0))
  (global $value_at (mut i32) (i32.const 0))
  (global $state_at (mut i32) (i32.const 0))
  ;; The frame lies from 1 MiB on, the answer from 64 KiB, the lists of one outcome at 8 and 32 KiB.
  (func (export "cabi_realloc") (param i32 i32 i32) (param $new i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.add (i32.const 17) (i32.shr_u (local.get $new) (i32.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.eq (i32.const -1) (memory.grow (i32.sub (local.get $pages) (memory.size)))) (then unreachable))))
    (i32.const 1048576))
  (func $word (param $at i32) (result i32)
    (i32.wrap_i64 (i64.load (i32.add (global.get $frame) (i32.shl (local.get $at) (i32.const 3))))))
  (func $put (param $word i32)
    (i32.store (global.get $out) (local.get $word))
    (global.set $out (i32.add (global.get $out) (i32.const 4))))
  (func $asked (param $id i32) (result i32)
    (local $i i32)
    (loop $next
      (if (i32.eq (call $word (i32.add (i32.const 16) (local.get $i))) (local.get $id)) (then (return (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (call $word (i32.const 3)))))
    (i32.const 0))
  ;; Where the cell of the k-th fact of an axis lies at this point.
  (func $find (param $group i32) (param $k i32)
    (local $points i32) (local $point i32)
    (local.set $points (i32.const 1))
    (if (i32.eq (local.get $group) (i32.const 1)) (then
      (local.set $points (global.get $rows)) (local.set $point (global.get $row))))
    (if (i32.eq (local.get $group) (i32.const 2)) (then
      (local.set $points (global.get $columns)) (local.set $point (global.get $column))))
    (if (i32.eq (local.get $group) (i32.const 3)) (then
      (local.set $points (i32.mul (global.get $rows) (global.get $columns)))
      (local.set $point (i32.add (i32.mul (global.get $row) (global.get $columns)) (global.get $column)))))
    (local.set $point (i32.add (local.get $point) (i32.mul (local.get $k) (local.get $points))))
    (global.set $value_at (i32.add (global.get $frame) (i32.shl
      (i32.add (call $word (i32.add (i32.const 5) (local.get $group))) (local.get $point)) (i32.const 3))))
    (global.set $state_at (i32.add (global.get $frame) (i32.add (local.get $point)
      (i32.shl (call $word (i32.add (i32.const 9) (local.get $group))) (i32.const 3))))))
  (func $value (result i64) (i64.load (global.get $value_at)))
  (func $missing (result i32) (i32.load8_u (global.get $state_at)))
  (func $begin (global.set $satisfied (i32.const 0)) (global.set $erring (i32.const 0)))
  (func $note (param $policy i32) (param $state i32)
    (if (i32.eq (local.get $state) (i32.const 1)) (then
      (i32.store (i32.add (i32.const 8192) (i32.shl (global.get $satisfied) (i32.const 2))) (local.get $policy))
      (global.set $satisfied (i32.add (global.get $satisfied) (i32.const 1)))))
    (if (i32.eq (local.get $state) (i32.const 2)) (then
      (i32.store (i32.add (i32.const 32768) (i32.shl (global.get $erring) (i32.const 2))) (local.get $policy))
      (global.set $erring (i32.add (global.get $erring) (i32.const 1))))))
  (func $list (param $at i32) (param $count i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (call $put (i32.load (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next))))
  (func $end
    (call $put (global.get $satisfied))
    (call $put (global.get $erring))
    (call $list (i32.const 8192) (global.get $satisfied))
    (call $list (i32.const 32768) (global.get $erring))
    (global.set $outcomes (i32.add (global.get $outcomes) (i32.const 1))))
  (func (export "evaluate") (param $frame i32) (param $length i32) (result i32)
    (local $state i32) (local $i i32)
    (global.set $frame (local.get $frame))
    (global.set $rows (call $word (i32.const 1)))
    (global.set $columns (call $word (i32.const 2)))
    (global.set $outcomes (i32.const 0))
    (global.set $out (i32.const 65544))
    QUESTIONS
    (i32.store (i32.const 65536) (i32.const 0x45474101))
    (i32.store (i32.const 65540) (global.get $outcomes))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (global.get $outcomes)))
      (call $put (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (i32.store (i32.const 512) (i32.const 65536))
    (i32.store (i32.const 516) (i32.shr_u (i32.sub (global.get $out) (i32.const 65536)) (i32.const 2)))
    (i32.const 512))
  (func (export "cabi_post_evaluate") (param i32)))
"#;

fn policy(rule: &Rule) -> Policy {
    let annotations: BTreeMap<String, String> =
        rule.annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Policy { id: rule.id.to_owned(), effect: rule.effect, annotations }
}

/// The schema: agents in roles and teams, customers with flags, an environment with what remedies assume.
fn schema(guest: &Guest) -> SchemaTypes {
    let flags = [("canary", Type::Bool), ("hold", Type::Bool)];
    let entities = [
        ("Agent", vec![("risk", Type::Long)], vec!["Role", "Team"]),
        ("Role", vec![], vec![]),
        ("Team", vec![], vec!["Vendor"]),
        ("Vendor", vec![], vec![]),
        ("Destination", vec![], vec![]),
        ("Job", vec![("requester", entity("Agent"))], vec![]),
        ("Customer", flags.into(), vec!["Segment"]),
        ("Segment", vec![], vec![]),
        ("Field", vec![], vec!["FieldClass"]),
        ("FieldClass", vec![], vec!["FieldClass"]),
        ("Ticket", vec![("open", Type::Bool)], vec![]),
    ]
    .map(|(name, attributes, parents)| {
        let declared = EntityType {
            attributes: attributes.into_iter().map(|(name, ty)| (name.into(), required(ty))).collect(),
            parents: parents.into_iter().map(|parent| format!("Export::{parent}").into()).collect(),
            tags: None,
            ids: None,
        };
        (Arc::from(format!("Export::{name}")), declared)
    });
    let auth = record([("phishingResistant", Type::Bool), ("ageSec", Type::Long)]);
    let env = record([
        ("ok", Type::Bool),
        ("amount", Type::Long),
        ("destination", entity("Destination")),
        ("auth", auth),
        ("managedDevice", Type::Bool),
        ("network", record([("corporate", Type::Bool)])),
    ]);
    let mut approvals = vec![
        ("distinct", Type::Long),
        ("supervisor", Type::Bool),
        ("dataOwner", Type::Bool),
        ("operator", Type::Bool),
        ("ageSec", Type::Long),
    ];
    if guest.no_approval_age {
        approvals.retain(|(name, _)| *name != "ageSec");
    }
    let longs = |names: &[&'static str]| record(names.iter().map(|name| (*name, Type::Long)));
    let of_job: BTreeMap<Arc<str>, Attribute> = [
        ("env", env),
        ("now", Type::Datetime),
        ("usage", longs(&guest.windows)),
        ("approvals", record(approvals)),
        ("customers", Type::Long),
        ("fields", Type::Set(Box::new(entity("Field")))),
        ("classes", Type::Set(Box::new(entity("FieldClass")))),
    ]
    .map(|(name, ty)| (name.into(), required(ty)))
    .into();
    let with = |more: &[(&str, Attribute)]| {
        let mut context = of_job.clone();
        context.extend(more.iter().map(|(name, attribute)| (Arc::from(*name), attribute.clone())));
        context
    };
    let ticket = ("ticket", Attribute { ty: entity("Ticket"), required: false });
    let tally = ("tally", required(longs(&guest.tallies)));
    let mut actions = vec![
        action("export", None, "Job", with(std::slice::from_ref(&tally))),
        action("include", None, "Customer", with(&[ticket.clone(), tally.clone()])),
    ];
    for reveal in ["reveal_plain", "reveal_partial", "reveal_token"] {
        let customer = ("customer", required(entity("Customer")));
        actions.push(action(reveal, Some("reveal"), "Field", with(&[ticket.clone(), tally.clone(), customer])));
    }
    for name in &guest.tallies {
        actions.push(action(&format!("tally_{name}"), Some("tally"), "Customer", with(std::slice::from_ref(&ticket))));
    }
    actions.sort_by(|a, b| a.uid.cmp(&b.uid));
    SchemaTypes { entities: entities.into(), actions }
}

fn action(id: &str, group: Option<&str>, resource: &str, context: BTreeMap<Arc<str>, Attribute>) -> Action {
    Action {
        uid: uid("Action", id),
        groups: group.map(|group| uid("Action", group)).into_iter().collect(),
        principals: vec!["Export::Agent".into()],
        resources: vec![format!("Export::{resource}").into()],
        context,
    }
}

fn catalogue() -> Catalogue {
    let field = |classes: &[&str]| CatalogueField {
        classes: classes.iter().map(|class| Arc::from(*class)).collect(),
        attributes: BTreeMap::new(),
        description: String::new(),
    };
    Catalogue {
        sha256: "0".repeat(64),
        fields: [
            ("customer.email", field(&["contact"])),
            ("customer.name", field(&["contact"])),
            ("card", field(&["payment"])),
        ]
        .map(|(name, field)| (name.into(), field))
        .into(),
        classes: [("payment".into(), vec!["restricted".into()])].into(),
    }
}

/// The core module's text with its manifest, as a component.
fn guest(core: &str, manifest: &Manifest) -> Vec<u8> {
    let mut core = wat::parse_str(core).expect("the guest's text is right");
    let json = serde_json::to_vec(manifest).expect("a manifest is JSON");
    add_section(&mut core, MANIFEST_SECTION, &json);
    component(core)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
