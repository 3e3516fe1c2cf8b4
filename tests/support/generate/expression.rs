//! Generated expressions of a given type, as Cedar text.
//!
//! A [`Scope`] knows which texts have which type. Optional attributes and tags are reached behind a guard (`E has a && ...`,
//! `if E.hasTag(k) then ... else ...`), which adds them to the scope within. All operands are typed, so most expressions are
//! strictly valid; the validator has the last word. Operators are in `operator`.

mod operator;

use crate::generate::construct::Constructs;
use crate::generate::schema::{Attr, Schema, Ty, quote};
use crate::generate::scope::{Scope, access, is_identifier};
use crate::generate::{chance, pick, values};

/// Writes expressions, and notes the constructs that it used.
#[derive(Debug)]
pub struct Writer<'a> {
    scope: Scope<'a>,
    depth: usize,
    constructs: Constructs,
}

impl<'a> Writer<'a> {
    /// A writer of expressions nested at most `depth` deep.
    pub fn new(scope: Scope<'a>, depth: usize) -> Self {
        Self { scope, depth, constructs: Constructs::default() }
    }

    /// The constructs written.
    pub fn into_constructs(self) -> Constructs {
        self.constructs
    }

    /// An expression of type `ty`.
    pub fn write(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        if self.depth == 0 {
            return self.leaf(rng, ty);
        }
        self.depth -= 1;
        let text = match rng.u32(..12) {
            0 | 1 => self.leaf(rng, ty),
            2 => self.conditional(rng, ty),
            3 | 4 => self.guarded(rng, ty),
            5 if rng.bool() => self.field_of_literal(rng, ty),
            5 => self.attribute_of_computed(rng, ty),
            _ => self.operator(rng, ty),
        };
        self.depth += 1;
        text
    }

    fn note(&mut self, construct: &'static str) {
        self.constructs.note(construct);
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
            self.note(match &text {
                text if text.contains("[\"") => "attribute by a string",
                text if text.contains('.') => "attribute",
                _ => "variable",
            });
            return text;
        }
        if chance(rng, 12)
            && let Some(text) = self.attribute_of_literal(rng, ty)
        {
            return text;
        }
        match ty {
            Ty::Set(of) => {
                self.note("set literal");
                let members: Vec<String> = (0..rng.usize(1..=3)).map(|_| self.leaf(rng, of)).collect();
                format!("[{}]", members.join(", "))
            }
            Ty::Record(attrs) => self.record(rng, attrs, true),
            _ => self.literal(rng, ty),
        }
    }

    fn literal(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        let text = values::literal(rng, self.schema(), ty).unwrap_or_default();
        match ty {
            Ty::Bool => self.note("bool literal"),
            Ty::Long if text.len() > 15 => self.note("long literal: an extreme"),
            Ty::Long => self.note("long literal"),
            Ty::String => {
                self.note("string literal");
                if !text.is_ascii() {
                    self.note("string literal: Unicode");
                }
                if text.contains('\\') {
                    self.note("string literal: escape");
                }
            }
            Ty::Entity(entity) if self.schema().entities[*entity].enumerated => self.note("entity literal: enumerated"),
            Ty::Entity(_) => self.note("entity literal"),
            Ty::Action => self.note("action literal"),
            Ty::Decimal => self.note("decimal literal"),
            Ty::Datetime => self.note("datetime literal"),
            Ty::Duration => self.note("duration literal"),
            Ty::Ip => self.note("ip literal"),
            Ty::Set(_) | Ty::Record(_) => {}
        }
        text
    }

    /// The entity types with a required attribute of type `ty`, and its name.
    fn holders(&self, ty: &Ty) -> Vec<(usize, String)> {
        let holders = self.schema().entities.iter().enumerate();
        holders
            .flat_map(|(i, def)| {
                def.attrs.iter().filter(|attr| attr.required && attr.ty == *ty).map(move |attr| (i, attr.name.clone()))
            })
            .collect()
    }

    /// An attribute of an entity literal, `T::"e0".peer`, if there is one of the type.
    fn attribute_of_literal(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> Option<String> {
        let holders = self.holders(ty);
        if holders.is_empty() {
            return None;
        }
        self.note("attribute of an entity literal");
        let (entity, name) = pick(rng, &holders).clone();
        Some(access(&values::literal(rng, self.schema(), &Ty::Entity(entity)).unwrap_or_default(), &name))
    }

    /// `(if b then x else y).a`, over entities or records.
    fn attribute_of_computed(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        let records: Vec<(Ty, String)> = self
            .scope
            .known
            .iter()
            .filter_map(|(_, known)| match known {
                Ty::Record(attrs) => {
                    let attr = attrs.iter().find(|attr| attr.required && attr.ty == *ty)?;
                    Some((known.clone(), attr.name.clone()))
                }
                _ => None,
            })
            .collect();
        if !records.is_empty() && rng.bool() {
            self.note("attribute of a computed record");
            let (record, name) = pick(rng, &records).clone();
            return access(&self.conditional(rng, &record), &name);
        }
        let holders = self.holders(ty);
        if holders.is_empty() {
            return self.operator(rng, ty);
        }
        self.note("attribute of a computed entity");
        let (entity, name) = pick(rng, &holders).clone();
        access(&self.conditional(rng, &Ty::Entity(entity)), &name)
    }

    /// `if b then x else y`.
    fn conditional(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        self.note_if(ty);
        if chance(rng, 8) {
            // CEDAR: what a test decides is never typed; the other branch may be anything.
            self.note("dead code");
            let (then, or) = (self.write(rng, ty), "principal.nowhere.at.all");
            return match rng.bool() {
                true => format!("(if true then {then} else {or})"),
                false => format!("(if action is {} then {or} else {then})", self.schema().name(0)),
            };
        }
        format!("(if {} then {} else {})", self.write(rng, &Ty::Bool), self.write(rng, ty), self.write(rng, ty))
    }

    fn note_if(&mut self, ty: &Ty) {
        self.note(match ty {
            Ty::Bool => "if over truth values",
            Ty::Long | Ty::Decimal | Ty::Datetime | Ty::Duration => "if over numbers",
            Ty::String => "if over strings",
            Ty::Entity(_) | Ty::Action => "if over entities",
            Ty::Ip => "if over addresses",
            Ty::Set(_) => "if over sets",
            Ty::Record(_) => "if over records",
        });
    }

    /// An expression that may read an optional attribute or a tag, behind its guard.
    fn guarded(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        if !self.scope.tagged.is_empty() && chance(rng, 35) {
            return self.guarded_tag(rng, ty);
        }
        if chance(rng, 15)
            && let Some((base, name, attr)) = self.optional_of_computed(rng)
        {
            self.note("has of a computed entity");
            let guard = format!("{base} has {name}");
            return self.behind(rng, ty, &guard, vec![(access(&base, &name), attr)]);
        }
        if self.scope.optional.is_empty() {
            return self.operator(rng, ty);
        }
        let (base, name, attr) = pick(rng, &self.scope.optional).clone();
        if let Some((guard, known)) = self.extended_has(rng, &base, &name, &attr) {
            return self.behind(rng, ty, &guard, known);
        }
        let guard = self.has(rng, &base, &name);
        let text = access(&base, &name);
        self.behind(rng, ty, &guard, vec![(text, attr)])
    }

    /// An entity chosen by a condition, and an optional attribute of its type.
    fn optional_of_computed(&mut self, rng: &mut fastrand::Rng) -> Option<(String, String, Ty)> {
        let found: Vec<(usize, Attr)> = self
            .schema()
            .entities
            .iter()
            .enumerate()
            .flat_map(|(i, def)| def.attrs.iter().map(move |attr| (i, attr.clone())))
            .filter(|(_, attr)| !attr.required && is_identifier(&attr.name))
            .collect();
        if found.is_empty() {
            return None;
        }
        let (entity, attr) = pick(rng, &found).clone();
        let ty = Ty::Entity(entity);
        self.note_if(&ty);
        let base =
            format!("(if {} then {} else {})", self.leaf(rng, &Ty::Bool), self.leaf(rng, &ty), self.leaf(rng, &ty));
        Some((base, attr.name, attr.ty))
    }

    /// `E has a.b.c` over optional steps, with what it makes known: `E.a`, `E.a.b`, `E.a.b.c`.
    fn extended_has(
        &mut self,
        rng: &mut fastrand::Rng,
        base: &str,
        name: &str,
        ty: &Ty,
    ) -> Option<(String, Vec<(String, Ty)>)> {
        if !is_identifier(name) || chance(rng, 30) {
            return None;
        }
        let mut known = vec![(access(base, name), ty.clone())];
        let mut path = name.to_owned();
        while known.len() < 4 {
            let (text, ty) = known.last()?.clone();
            let attrs = match &ty {
                Ty::Entity(entity) => &self.schema().entities[*entity].attrs,
                Ty::Record(attrs) => attrs,
                _ => break,
            };
            let steps: Vec<&Attr> = attrs.iter().filter(|attr| is_identifier(&attr.name)).collect();
            if steps.is_empty() {
                break;
            }
            let step = *pick(rng, &steps);
            path = format!("{path}.{}", step.name);
            known.push((access(&text, &step.name), step.ty.clone()));
            if chance(rng, 60) {
                break;
            }
        }
        if known.len() < 2 {
            return None;
        }
        self.note("extended has over an optional step");
        Some((format!("{base} has {path}"), known))
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
        if is_identifier(name) && chance(rng, 80) {
            self.note("has");
            return format!("{base} has {name}");
        }
        self.note("has with a string");
        format!("{base} has {}", quote(name))
    }

    fn guarded_tag(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        let (base, tags) = pick(rng, &self.scope.tagged).clone();
        let (base, key) = match rng.u32(..4) {
            0 => {
                self.note("tag with a computed key");
                (base, self.conditional(rng, &Ty::String))
            }
            1 => {
                // An entity chosen by a condition, with the same text in guard and access.
                self.note("tag of a computed entity");
                let same: Vec<String> = self.scope.tagged.iter().map(|(text, _)| text.clone()).collect();
                let of = self.scope.known.iter().find(|(text, _)| *text == base).map(|(_, ty)| ty.clone());
                let fits =
                    |text: &String| self.scope.known.iter().any(|(known, ty)| known == text && Some(ty) == of.as_ref());
                let same: Vec<String> = same.into_iter().filter(fits).collect();
                let other = if same.is_empty() { base.clone() } else { pick(rng, &same).clone() };
                (format!("(if {} then {base} else {other})", self.leaf(rng, &Ty::Bool)), self.leaf(rng, &Ty::String))
            }
            _ => (base, self.leaf(rng, &Ty::String)),
        };
        self.note("hasTag");
        self.note("getTag");
        let guard = format!("{base}.hasTag({key})");
        self.behind(rng, ty, &guard, vec![(format!("{base}.getTag({key})"), tags)])
    }

    /// `guard && b` or `if guard then x else y`, where the guarded texts are known within.
    fn behind(&mut self, rng: &mut fastrand::Rng, ty: &Ty, guard: &str, guarded: Vec<(String, Ty)>) -> String {
        let mark = self.scope.mark();
        for (text, ty) in &guarded {
            self.scope.add(text.clone(), ty.clone(), 1);
        }
        let within = match guarded.last() {
            Some((text, guarded)) if *ty == Ty::Bool => self.about(rng, text, guarded),
            _ => self.write(rng, ty),
        };
        self.scope.forget(mark);
        if *ty == Ty::Bool && chance(rng, 70) {
            self.note("&&");
            return format!("({guard} && {within})");
        }
        self.note_if(ty);
        format!("(if {guard} then {within} else {})", self.leaf(rng, ty))
    }

    /// A truth value that surely reads `text`.
    fn about(&mut self, rng: &mut fastrand::Rng, text: &str, ty: &Ty) -> String {
        if *ty == Ty::Bool {
            return text.to_owned();
        }
        self.note("==");
        self.note_equality(ty);
        let other = self.write(rng, ty);
        if rng.bool() {
            format!("{text} == {other}")
        } else {
            self.note("||");
            format!("({other} == {text} || {})", self.leaf(rng, &Ty::Bool))
        }
    }

    /// `{it: x, other: y}.it`: the other field's errors count.
    fn field_of_literal(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        self.note("field of a record literal");
        let other = [Ty::Bool, Ty::Long, Ty::String][rng.usize(..3)].clone();
        format!("{{it: {}, \"an other\": {}}}.it", self.write(rng, ty), self.write(rng, &other))
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
}
