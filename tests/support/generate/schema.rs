//! Generated schemas: entity types with hierarchies, optional attributes, tags and enumerations, actions with groups,
//! namespaces and common types.

use std::collections::BTreeSet;
use std::fmt;

use crate::generate::construct::Constructs;
use crate::generate::{chance, pick};

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ty {
    /// `Bool`.
    Bool,
    /// `Long`.
    Long,
    /// `String`.
    String,
    /// An entity type, by position.
    Entity(usize),
    /// A set.
    Set(Box<Ty>),
    /// A record.
    Record(Vec<Attr>),
    /// `decimal`.
    Decimal,
    /// `datetime`.
    Datetime,
    /// `duration`.
    Duration,
    /// `ipaddr`.
    Ip,
    /// The entity type of actions.
    Action,
}

impl Ty {
    /// Whether it is a set or a record.
    pub fn is_composite(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Record(_))
    }

    /// Whether it is `part`, or is made of it.
    fn holds(&self, part: &Self) -> bool {
        self == part
            || match self {
                Self::Set(of) => of.holds(part),
                Self::Record(attrs) => attrs.iter().any(|attr| attr.ty.holds(part)),
                _ => false,
            }
    }
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Whether it is always there.
    pub required: bool,
}

/// An entity type.
#[derive(Clone, Debug)]
pub struct EntityTy {
    /// Its full name.
    pub name: String,
    /// The types above it.
    pub parents: Vec<usize>,
    /// Its attributes.
    pub attrs: Vec<Attr>,
    /// The type of its tags.
    pub tags: Option<Ty>,
    /// The ids of its entities; all of them, if it is enumerated.
    pub ids: Vec<String>,
    /// Whether it is enumerated.
    pub enumerated: bool,
}

/// An action.
#[derive(Clone, Debug)]
pub struct ActionDef {
    /// Its id.
    pub id: String,
    /// The actions that it is in.
    pub groups: Vec<usize>,
    /// The types of its principals; none for a group.
    pub principals: Vec<usize>,
    /// The types of its resources.
    pub resources: Vec<usize>,
    /// Its context.
    pub context: Vec<Attr>,
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The namespace, if there is one.
    pub namespace: Option<String>,
    /// Entity types.
    pub entities: Vec<EntityTy>,
    /// Actions, groups first.
    pub actions: Vec<ActionDef>,
    /// Common types that attributes may use: a name and what it stands for, which may use those before it.
    pub commons: Vec<(String, Ty)>,
    /// Whether primitive types are written with the prefix that nothing can shadow.
    pub prefixed: bool,
}

const NAMES: [&str; 10] = ["a", "b", "c", "n", "owner", "peer", "tags", "x y", "like", "\u{e9}t\u{e9}"];

/// The namespace of the types that live elsewhere.
const ELSEWHERE: &str = "Else::Where";

impl Schema {
    /// Makes a schema.
    pub fn generate(rng: &mut fastrand::Rng) -> Self {
        let namespace =
            chance(rng, 50).then(|| if chance(rng, 50) { "App".to_owned() } else { "App::Core".to_owned() });
        let types = rng.usize(3..=5);
        let elsewhere = if chance(rng, 25) { rng.usize(..types) } else { usize::MAX };
        let name = |i: usize, name: &str| match &namespace {
            _ if i == elsewhere => format!("{ELSEWHERE}::{name}"),
            Some(namespace) => format!("{namespace}::{name}"),
            None => name.to_owned(),
        };
        let mut entities: Vec<EntityTy> = (0..types)
            .map(|i| EntityTy {
                name: name(i, &format!("T{i}")),
                // A type may be above itself and above earlier ones: deep hierarchies, with diamonds.
                parents: (0..=i).filter(|_| chance(rng, 45)).collect(),
                attrs: Vec::new(),
                tags: None,
                ids: (0..rng.usize(3..=5)).map(|j| id(rng, j)).collect(),
                enumerated: false,
            })
            .collect();
        if chance(rng, 60) {
            for entity in &mut entities {
                if chance(rng, 25) {
                    entity.parents.push(types);
                }
            }
            entities.push(EntityTy {
                name: name(types, "Kind"),
                parents: Vec::new(),
                attrs: Vec::new(),
                tags: None,
                ids: vec!["one".to_owned(), "two".to_owned(), "thr\u{e9}e \"3\"".to_owned()],
                enumerated: true,
            });
        }
        let total = entities.len();
        let mut commons = Vec::new();
        for (i, name) in ["Shared", "Wider"].into_iter().enumerate() {
            if !chance(rng, 40) {
                break;
            }
            let ty = match commons.last() {
                Some((_, inner)) => match rng.u32(..2) {
                    0 => Ty::Set(Box::new(Ty::clone(inner))),
                    _ => {
                        Ty::Record(vec![Attr { name: NAMES[i].to_owned(), ty: Ty::clone(inner), required: rng.bool() }])
                    }
                },
                None if rng.bool() => record(rng, total, 1),
                None => ty(rng, total, 1),
            };
            commons.push((name.to_owned(), ty));
        }
        for entity in entities.iter_mut().filter(|entity| !entity.enumerated) {
            entity.attrs = attrs(rng, total, 5, &commons);
            entity.tags = chance(rng, 60).then(|| ty(rng, total, 1));
        }
        let plain: Vec<usize> = (0..types).collect();
        let mut actions = vec![group("all", &[]), group("some", &[0])];
        for i in 0..rng.usize(1..=3) {
            let groups = (0..2).filter(|_| chance(rng, 50)).collect();
            let principals = some_of(rng, &plain);
            let resources = some_of(rng, &(0..total).collect::<Vec<_>>());
            let context = attrs(rng, total, 7, &commons);
            actions.push(ActionDef { id: format!("act {i}"), groups, principals, resources, context });
        }
        Self { namespace, entities, actions, commons, prefixed: chance(rng, 15) }
    }

    /// The full name of an entity type.
    pub fn name(&self, entity: usize) -> &str {
        &self.entities[entity].name
    }

    /// The full name of the type of actions.
    pub fn action_type(&self) -> String {
        self.namespace.as_ref().map_or_else(|| "Action".to_owned(), |namespace| format!("{namespace}::Action"))
    }

    /// The constructs of the schema, for the coverage table.
    pub fn constructs(&self) -> Constructs {
        let mut constructs = Constructs::default();
        let attrs = || {
            let of_entities = self.entities.iter().flat_map(|entity| &entity.attrs);
            of_entities.chain(self.actions.iter().flat_map(|action| &action.context))
        };
        let uses = |common: &(String, Ty)| attrs().any(|attr| attr.ty.holds(&common.1));
        let mut note = |holds: bool, construct| {
            if holds {
                constructs.note(construct);
            }
        };
        note(self.namespace.is_some(), "schema: namespace");
        note(
            self.entities.iter().any(|entity| entity.name.starts_with(ELSEWHERE)),
            "schema: type of another namespace",
        );
        note(self.commons.first().is_some_and(uses), "schema: common type");
        note(self.commons.get(1).is_some_and(uses), "schema: common type of a common type");
        note(self.prefixed, "schema: __cedar prefix");
        let enumerated = |entity: &usize| self.entities[*entity].enumerated;
        note((0..self.entities.len()).any(|entity| enumerated(&entity)), "schema: enumerated entity");
        note(
            self.entities.iter().any(|entity| entity.parents.iter().any(enumerated)),
            "schema: enumerated entity as parent",
        );
        note(self.entities.iter().any(|entity| entity.tags.is_some()), "schema: tags");
        note(self.actions.iter().any(|action| action.principals.len() > 1), "schema: several principal types");
        note(self.actions.iter().any(|action| action.resources.len() > 1), "schema: several resource types");
        let acting = |action: &&ActionDef| !action.principals.is_empty();
        note(self.actions.iter().filter(acting).any(|action| !action.groups.is_empty()), "schema: action in groups");
        note(attrs().any(|attr| attr.ty.holds(&Ty::Action)), "schema: attribute that is an action");
        constructs
    }

    /// Writes a type; it is written out where `commons` has no name for it.
    fn write_ty(&self, f: &mut fmt::Formatter<'_>, ty: &Ty, commons: &[(String, Ty)]) -> fmt::Result {
        if let Some((name, _)) = commons.iter().find(|(_, common)| common == ty) {
            return self
                .namespace
                .as_ref()
                .map_or(Ok(()), |namespace| write!(f, "{namespace}::"))
                .and(f.write_str(name));
        }
        let primitive = match ty {
            Ty::Entity(entity) => return f.write_str(self.name(*entity)),
            Ty::Action => return f.write_str(&self.action_type()),
            Ty::Set(of) => {
                f.write_str("Set<")?;
                self.write_ty(f, of, commons)?;
                return f.write_str(">");
            }
            Ty::Record(attrs) => return self.write_attrs(f, attrs, commons),
            Ty::Bool => "Bool",
            Ty::Long => "Long",
            Ty::String => "String",
            Ty::Decimal => "decimal",
            Ty::Datetime => "datetime",
            Ty::Duration => "duration",
            Ty::Ip => "ipaddr",
        };
        write!(f, "{}{primitive}", if self.prefixed { "__cedar::" } else { "" })
    }

    fn write_attrs(&self, f: &mut fmt::Formatter<'_>, attrs: &[Attr], commons: &[(String, Ty)]) -> fmt::Result {
        f.write_str("{")?;
        for attr in attrs {
            write!(f, "{}{}: ", quote(&attr.name), if attr.required { "" } else { "?" })?;
            self.write_ty(f, &attr.ty, commons)?;
            f.write_str(", ")?;
        }
        f.write_str("}")
    }

    /// The declaration of an entity type.
    fn write_entity(&self, f: &mut fmt::Formatter<'_>, entity: &EntityTy) -> fmt::Result {
        let name = entity.name.rsplit("::").next().unwrap_or_default();
        write!(f, "entity {name}")?;
        if entity.enumerated {
            let ids: Vec<String> = entity.ids.iter().map(|id| quote(id)).collect();
            return writeln!(f, " enum [{}];", ids.join(", "));
        }
        let parents: Vec<&str> = entity.parents.iter().map(|parent| self.name(*parent)).collect();
        if !parents.is_empty() {
            write!(f, " in [{}]", parents.join(", "))?;
        }
        f.write_str(" = ")?;
        self.write_attrs(f, &entity.attrs, &self.commons)?;
        if let Some(tags) = &entity.tags {
            f.write_str(" tags ")?;
            self.write_ty(f, tags, &self.commons)?;
        }
        writeln!(f, ";")
    }

    /// The declaration of an action.
    fn write_action(&self, f: &mut fmt::Formatter<'_>, action: &ActionDef) -> fmt::Result {
        write!(f, "action {}", quote(&action.id))?;
        let groups: Vec<String> = action.groups.iter().map(|group| quote(&self.actions[*group].id)).collect();
        if !groups.is_empty() {
            write!(f, " in [{}]", groups.join(", "))?;
        }
        if !action.principals.is_empty() {
            let names = |types: &[usize]| types.iter().map(|ty| self.name(*ty)).collect::<Vec<_>>().join(", ");
            let (principals, resources) = (names(&action.principals), names(&action.resources));
            write!(f, " appliesTo {{ principal: [{principals}], resource: [{resources}], context: ")?;
            self.write_attrs(f, &action.context, &self.commons)?;
            f.write_str(" }")?;
        }
        writeln!(f, ";")
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (away, home): (Vec<&EntityTy>, Vec<&EntityTy>) =
            self.entities.iter().partition(|entity| entity.name.starts_with(ELSEWHERE));
        if let Some(namespace) = &self.namespace {
            writeln!(f, "namespace {namespace} {{")?;
        }
        for (i, (name, ty)) in self.commons.iter().enumerate() {
            write!(f, "type {name} = ")?;
            self.write_ty(f, ty, &self.commons[..i])?;
            writeln!(f, ";")?;
        }
        for entity in home {
            self.write_entity(f, entity)?;
        }
        for action in &self.actions {
            self.write_action(f, action)?;
        }
        if self.namespace.is_some() {
            writeln!(f, "}}")?;
        }
        if !away.is_empty() {
            writeln!(f, "namespace {ELSEWHERE} {{")?;
            for entity in away {
                self.write_entity(f, entity)?;
            }
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}

fn group(id: &str, groups: &[usize]) -> ActionDef {
    ActionDef {
        id: id.to_owned(),
        groups: groups.to_vec(),
        principals: Vec::new(),
        resources: Vec::new(),
        context: Vec::new(),
    }
}

fn id(rng: &mut fastrand::Rng, number: usize) -> String {
    match rng.u32(..8) {
        0 => format!("e \"{number}\""),
        1 => format!("\u{1F511}{number}"),
        2 => format!("back\\slash{number}"),
        _ => format!("e{number}"),
    }
}

fn some_of(rng: &mut fastrand::Rng, items: &[usize]) -> Vec<usize> {
    let mut some: BTreeSet<usize> = BTreeSet::from([*pick(rng, items)]);
    some.extend(items.iter().filter(|_| chance(rng, 25)));
    some.into_iter().collect()
}

fn attrs(rng: &mut fastrand::Rng, entities: usize, most: usize, commons: &[(String, Ty)]) -> Vec<Attr> {
    let mut names: Vec<&str> = NAMES.to_vec();
    rng.shuffle(&mut names);
    (0..rng.usize(1..=most))
        .map(|i| Attr {
            name: names[i].to_owned(),
            ty: if !commons.is_empty() && chance(rng, 20) {
                pick(rng, commons).1.clone()
            } else {
                ty(rng, entities, 2)
            },
            required: chance(rng, 65),
        })
        .collect()
}

fn record(rng: &mut fastrand::Rng, entities: usize, depth: usize) -> Ty {
    let mut names: Vec<&str> = NAMES.to_vec();
    rng.shuffle(&mut names);
    Ty::Record(
        (0..rng.usize(1..=3))
            .map(|i| Attr { name: names[i].to_owned(), ty: ty(rng, entities, depth), required: chance(rng, 65) })
            .collect(),
    )
}

fn ty(rng: &mut fastrand::Rng, entities: usize, depth: usize) -> Ty {
    match rng.u32(..if depth == 0 { 28 } else { 40 }) {
        0..=3 => Ty::Bool,
        4..=8 => Ty::Long,
        9..=12 => Ty::String,
        13..=18 => Ty::Entity(rng.usize(..entities)),
        19 | 20 => Ty::Decimal,
        21 | 22 => Ty::Datetime,
        23 | 24 => Ty::Duration,
        25 | 26 => Ty::Ip,
        27 => Ty::Action,
        28..=33 => Ty::Set(Box::new(ty(rng, entities, depth - 1))),
        _ => record(rng, entities, depth - 1),
    }
}

/// A name or id as Cedar text, quoted.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", text.escape_debug().to_string().replace("\\'", "'"))
}
