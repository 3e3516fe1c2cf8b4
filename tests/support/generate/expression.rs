//! Generated expressions of a given type, as Cedar text.
//!
//! A [`Scope`] knows which texts have which type: variables, and paths of required attributes from them. Optional attributes
//! and tags are reached behind a guard (`E has a && ...`, `if E.hasTag(k) then ... else ...`), which adds them to the scope
//! within. All operands are typed, so most expressions are strictly valid; the validator has the last word.

use std::collections::BTreeSet;

use crate::generate::schema::{Attr, Schema, Ty, quote};
use crate::generate::{chance, pick, values};

/// What an expression may start from.
#[derive(Debug)]
pub struct Scope<'a> {
    schema: &'a Schema,
    /// Texts with their types.
    known: Vec<(String, Ty)>,
    /// Optional attributes: the base's text, the name, the type.
    optional: Vec<(String, String, Ty)>,
    /// Entities with tags: the text, the type of the tags.
    tagged: Vec<(String, Ty)>,
    /// The action's id and its groups, as literals.
    actions: Vec<String>,
}

/// How many steps a path takes from its variable.
const PATH_STEPS_MAX: usize = 3;

impl<'a> Scope<'a> {
    /// The variables of a request of `action` with these types, and what can be read of them.
    pub fn new(schema: &'a Schema, action: usize, principal: usize, resource: usize) -> Self {
        let literal = |i: usize| format!("{}::{}", schema.action_type(), quote(&schema.actions[i].id));
        let mut scope = Self {
            schema,
            known: Vec::new(),
            optional: Vec::new(),
            tagged: Vec::new(),
            actions: (0..schema.actions.len()).map(literal).collect(),
        };
        scope.add("principal".to_owned(), Ty::Entity(principal), PATH_STEPS_MAX);
        scope.add("resource".to_owned(), Ty::Entity(resource), PATH_STEPS_MAX);
        scope.add_attrs("context", &schema.actions[action].context, PATH_STEPS_MAX);
        scope
    }

    fn add(&mut self, text: String, ty: Ty, steps: usize) {
        match &ty {
            Ty::Entity(entity) => {
                let def = &self.schema.entities[*entity];
                if let Some(tags) = &def.tags {
                    self.tagged.push((text.clone(), tags.clone()));
                }
                if steps > 0 {
                    self.add_attrs(&text, &def.attrs, steps);
                }
            }
            Ty::Record(attrs) if steps > 0 => self.add_attrs(&text, attrs, steps),
            _ => {}
        }
        self.known.push((text, ty));
    }

    fn add_attrs(&mut self, base: &str, attrs: &[Attr], steps: usize) {
        for attr in attrs {
            if attr.required {
                self.add(access(base, &attr.name), attr.ty.clone(), steps - 1);
            } else {
                self.optional.push((base.to_owned(), attr.name.clone(), attr.ty.clone()));
            }
        }
    }
}

/// Writes expressions, and notes the constructs that it used.
#[derive(Debug)]
pub struct Writer<'a> {
    scope: Scope<'a>,
    depth: usize,
    constructs: BTreeSet<&'static str>,
}

impl<'a> Writer<'a> {
    /// A writer of expressions nested at most `depth` deep.
    pub fn new(scope: Scope<'a>, depth: usize) -> Self {
        Self { scope, depth, constructs: BTreeSet::new() }
    }

    /// The constructs written.
    pub fn into_constructs(self) -> BTreeSet<&'static str> {
        self.constructs
    }

    /// An expression of type `ty`.
    pub fn write(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        if self.depth == 0 {
            return self.leaf(rng, ty);
        }
        self.depth -= 1;
        let text = match rng.u32(..10) {
            0 | 1 => self.leaf(rng, ty),
            2 => self.conditional(rng, ty),
            3 => self.guarded(rng, ty),
            4 => self.field_of_literal(rng, ty),
            _ => self.operator(rng, ty),
        };
        self.depth += 1;
        text
    }

    fn note(&mut self, construct: &'static str) {
        self.constructs.insert(construct);
    }

    fn schema(&self) -> &'a Schema {
        self.scope.schema
    }

    /// A path or a literal.
    fn leaf(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        let known: Vec<String> =
            self.scope.known.iter().filter(|(_, known)| known == ty).map(|(text, _)| text.clone()).collect();
        if !known.is_empty() && chance(rng, 75) {
            let text = pick(rng, &known).clone();
            self.note(if text.contains(['.', '[']) { "attribute access" } else { "variable" });
            return text;
        }
        match ty {
            Ty::Set(of) => {
                self.note("set literal");
                let members: Vec<String> = (0..rng.usize(1..=3)).map(|_| self.leaf(rng, of)).collect();
                format!("[{}]", members.join(", "))
            }
            Ty::Record(attrs) => self.record(rng, attrs, true),
            Ty::Entity(entity) if !self.schema().entities[*entity].enumerated && chance(rng, 10) => {
                self.entity_literal_attribute(rng, ty)
            }
            _ => {
                self.note(match ty {
                    Ty::Entity(_) => "entity literal",
                    Ty::Decimal => "decimal literal",
                    Ty::Datetime => "datetime literal",
                    Ty::Duration => "duration literal",
                    Ty::Ip => "ip literal",
                    _ => "literal",
                });
                values::literal(rng, self.schema(), ty).unwrap_or_default()
            }
        }
    }

    /// An attribute of an entity literal, `T::"e0".peer`, if there is one of the type; else a literal.
    fn entity_literal_attribute(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        let schema = self.schema();
        let found: Vec<(usize, String)> = schema
            .entities
            .iter()
            .enumerate()
            .flat_map(|(i, def)| {
                def.attrs.iter().filter(|attr| attr.required && attr.ty == *ty).map(move |attr| (i, attr.name.clone()))
            })
            .collect();
        if found.is_empty() {
            self.note("entity literal");
            return values::literal(rng, schema, ty).unwrap_or_default();
        }
        self.note("attribute of an entity literal");
        let (entity, name) = pick(rng, &found).clone();
        access(&values::literal(rng, schema, &Ty::Entity(entity)).unwrap_or_default(), &name)
    }

    /// `if b then x else y`.
    fn conditional(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        self.note("if");
        format!("(if {} then {} else {})", self.write(rng, &Ty::Bool), self.write(rng, ty), self.write(rng, ty))
    }

    /// An expression that may read an optional attribute or a tag, behind its guard.
    fn guarded(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        if !self.scope.tagged.is_empty() && chance(rng, 40) {
            return self.guarded_tag(rng, ty);
        }
        if self.scope.optional.is_empty() {
            return self.operator(rng, ty);
        }
        let (base, name, attr) = pick(rng, &self.scope.optional).clone();
        let guard = self.has(rng, &base, &name);
        let text = access(&base, &name);
        self.behind(rng, ty, &guard, text, attr)
    }

    fn has(&mut self, rng: &mut fastrand::Rng, base: &str, name: &str) -> String {
        // `E has a.b` for a base `E.a` whose step is an identifier: the extended form says the same.
        if let Some((outer, step)) = base.rsplit_once('.')
            && !outer.ends_with(['"', ']'])
            && is_identifier(step)
            && is_identifier(name)
            && chance(rng, 50)
        {
            self.note("extended has");
            return format!("{outer} has {step}.{name}");
        }
        self.note("has");
        format!("{base} has {}", if is_identifier(name) { name.to_owned() } else { quote(name) })
    }

    fn guarded_tag(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        let (base, tags) = pick(rng, &self.scope.tagged).clone();
        let (base, key) = match rng.u32(..4) {
            0 => {
                self.note("tag with a computed key");
                (base, self.write(rng, &Ty::String))
            }
            1 => {
                // An entity chosen by a condition, with the same text in guard and access.
                self.note("tag of a computed entity");
                (format!("(if {} then {base} else {base})", self.leaf(rng, &Ty::Bool)), self.leaf(rng, &Ty::String))
            }
            _ => (base, self.leaf(rng, &Ty::String)),
        };
        self.note("hasTag");
        self.note("getTag");
        let guard = format!("{base}.hasTag({key})");
        self.behind(rng, ty, &guard, format!("{base}.getTag({key})"), tags)
    }

    /// `guard && b` or `if guard then x else y`, where the guarded text is known within.
    fn behind(&mut self, rng: &mut fastrand::Rng, ty: &Ty, guard: &str, text: String, guarded: Ty) -> String {
        let mark = (self.scope.known.len(), self.scope.optional.len(), self.scope.tagged.len());
        self.scope.add(text.clone(), guarded.clone(), 1);
        let within = if *ty == Ty::Bool { self.about(rng, &text, &guarded) } else { self.write(rng, ty) };
        self.scope.known.truncate(mark.0);
        self.scope.optional.truncate(mark.1);
        self.scope.tagged.truncate(mark.2);
        if *ty == Ty::Bool && chance(rng, 70) {
            self.note("&&");
            return format!("({guard} && {within})");
        }
        self.note("if");
        format!("(if {guard} then {within} else {})", self.leaf(rng, ty))
    }

    /// A truth value that surely reads `text`.
    fn about(&mut self, rng: &mut fastrand::Rng, text: &str, ty: &Ty) -> String {
        if *ty == Ty::Bool {
            return text.to_owned();
        }
        self.note("==");
        let other = self.write(rng, ty);
        if rng.bool() {
            format!("{text} == {other}")
        } else {
            format!("({other} == {text} || {})", self.leaf(rng, &Ty::Bool))
        }
    }

    /// `{it: x, other: y}.it`: the other field's errors count.
    fn field_of_literal(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        self.note("field of a record literal");
        let other = [Ty::Bool, Ty::Long, Ty::String][rng.usize(..3)].clone();
        format!("{{it: {}, \"an other\": {}}}.it", self.write(rng, ty), self.write(rng, &other))
    }

    fn operator(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        match ty {
            Ty::Bool => self.boolean(rng),
            Ty::Long => self.long(rng),
            Ty::Datetime => match rng.u32(..3) {
                0 => self.method(rng, "toDate", &Ty::Datetime, &[]),
                _ => self.method(rng, "offset", &Ty::Datetime, &[Ty::Duration]),
            },
            Ty::Duration => match rng.u32(..2) {
                0 => self.method(rng, "toTime", &Ty::Datetime, &[]),
                _ => self.method(rng, "durationSince", &Ty::Datetime, &[Ty::Datetime]),
            },
            Ty::Set(of) => {
                self.note("set literal");
                let members: Vec<String> = (0..rng.usize(1..=3)).map(|_| self.write(rng, of)).collect();
                format!("[{}]", members.join(", "))
            }
            Ty::Record(attrs) => self.record(rng, attrs, false),
            Ty::String | Ty::Entity(_) | Ty::Decimal | Ty::Ip => self.leaf(rng, ty),
        }
    }

    /// A record literal; only a record whose attributes are all required has one of exactly its type.
    fn record(&mut self, rng: &mut fastrand::Rng, attrs: &[Attr], leaves: bool) -> String {
        self.note("record literal");
        let fields: Vec<String> = attrs
            .iter()
            .map(|attr| {
                let value = if leaves { self.leaf(rng, &attr.ty) } else { self.write(rng, &attr.ty) };
                format!("{}: {value}", quote(&attr.name))
            })
            .collect();
        format!("{{{}}}", fields.join(", "))
    }

    fn method(&mut self, rng: &mut fastrand::Rng, name: &'static str, of: &Ty, args: &[Ty]) -> String {
        self.note(name);
        let receiver = self.write(rng, of);
        let args: Vec<String> = args.iter().map(|arg| self.write(rng, arg)).collect();
        format!("({receiver}).{name}({})", args.join(", "))
    }

    fn infix(&mut self, rng: &mut fastrand::Rng, operator: &'static str, ty: &Ty) -> String {
        self.note(operator);
        format!("({} {operator} {})", self.write(rng, ty), self.write(rng, ty))
    }

    fn long(&mut self, rng: &mut fastrand::Rng) -> String {
        match rng.u32(..6) {
            0 | 1 => self.infix(rng, "+", &Ty::Long),
            2 => self.infix(rng, "-", &Ty::Long),
            3 => self.infix(rng, "*", &Ty::Long),
            4 => {
                self.note("negation");
                format!("(-({}))", self.write(rng, &Ty::Long))
            }
            _ => {
                let name = ["toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"][rng.usize(..5)];
                self.method(rng, name, &Ty::Duration, &[])
            }
        }
    }

    fn boolean(&mut self, rng: &mut fastrand::Rng) -> String {
        match rng.u32(..20) {
            0 | 1 => self.infix(rng, "&&", &Ty::Bool),
            2 | 3 => self.infix(rng, "||", &Ty::Bool),
            4 => {
                self.note("!");
                format!("(!({}))", self.write(rng, &Ty::Bool))
            }
            5..=7 => {
                let ty = self.some_ty(rng);
                let operator = if rng.bool() { "==" } else { "!=" };
                self.infix(rng, operator, &ty)
            }
            8 => {
                let operator = ["<", "<=", ">", ">="][rng.usize(..4)];
                let ty = [Ty::Long, Ty::Long, Ty::Datetime, Ty::Duration][rng.usize(..4)].clone();
                self.infix(rng, operator, &ty)
            }
            9 => {
                let name = ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"][rng.usize(..4)];
                self.method(rng, name, &Ty::Decimal, &[Ty::Decimal])
            }
            10 => match rng.u32(..5) {
                0 => self.method(rng, "isIpv4", &Ty::Ip, &[]),
                1 => self.method(rng, "isIpv6", &Ty::Ip, &[]),
                2 => self.method(rng, "isLoopback", &Ty::Ip, &[]),
                3 => self.method(rng, "isMulticast", &Ty::Ip, &[]),
                _ => self.method(rng, "isInRange", &Ty::Ip, &[Ty::Ip]),
            },
            11 => {
                self.note("like");
                format!("(({}) like {})", self.write(rng, &Ty::String), values::pattern(rng))
            }
            12 | 13 => self.sets(rng),
            14..=16 => self.in_hierarchy(rng),
            17 => {
                self.note("is");
                let entity = rng.usize(..self.schema().entities.len());
                let subject = self.write(rng, &Ty::Entity(entity));
                let ty = if chance(rng, 70) { entity } else { rng.usize(..self.schema().entities.len()) };
                format!("(({subject}) is {})", self.schema().name(ty))
            }
            18 => {
                self.note("action in condition");
                let action = pick(rng, &self.scope.actions).clone();
                if rng.bool() { format!("(action == {action})") } else { format!("(action in [{action}])") }
            }
            _ => {
                if self.scope.optional.is_empty() {
                    return self.leaf(rng, &Ty::Bool);
                }
                let (base, name, _) = pick(rng, &self.scope.optional).clone();
                format!("({})", self.has(rng, &base, &name))
            }
        }
    }

    fn sets(&mut self, rng: &mut fastrand::Rng) -> String {
        let of = self.some_ty(rng);
        let set = Ty::Set(Box::new(of.clone()));
        match rng.u32(..5) {
            0 | 1 => self.method(rng, "contains", &set, &[of]),
            2 => self.method(rng, "containsAll", &set, std::slice::from_ref(&set)),
            3 => self.method(rng, "containsAny", &set, std::slice::from_ref(&set)),
            _ => self.method(rng, "isEmpty", &set, &[]),
        }
    }

    fn in_hierarchy(&mut self, rng: &mut fastrand::Rng) -> String {
        let schema = self.schema();
        let entity = rng.usize(..schema.entities.len());
        let above: Vec<usize> =
            std::iter::once(entity).chain(schema.entities[entity].parents.iter().copied()).collect();
        let group = *pick(rng, &above);
        let left = self.write(rng, &Ty::Entity(entity));
        if rng.bool() {
            self.note("in");
            return format!("(({left}) in ({}))", self.write(rng, &Ty::Entity(group)));
        }
        self.note("in set");
        format!("(({left}) in ({}))", self.write(rng, &Ty::Set(Box::new(Ty::Entity(group)))))
    }

    /// A type that something in the scope has, or any simple one.
    fn some_ty(&mut self, rng: &mut fastrand::Rng) -> Ty {
        if !self.scope.known.is_empty() && chance(rng, 80) {
            let ty = pick(rng, &self.scope.known).1.clone();
            return match ty {
                Ty::Set(of) if rng.bool() => *of,
                ty => ty,
            };
        }
        [Ty::Bool, Ty::Long, Ty::String, Ty::Decimal, Ty::Datetime, Ty::Duration, Ty::Ip][rng.usize(..7)].clone()
    }
}

fn access(base: &str, name: &str) -> String {
    if is_identifier(name) { format!("{base}.{name}") } else { format!("{base}[{}]", quote(name)) }
}

fn is_identifier(name: &str) -> bool {
    !["like", "in", "is", "has", "if", "then", "else", "true", "false"].contains(&name)
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
