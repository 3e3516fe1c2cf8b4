//! Generated schemas: entity types with hierarchies, optional attributes, tags and enumerations, actions with groups,
//! namespaces and common types.

use std::collections::BTreeSet;
use std::fmt;

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
    /// Its name, without the namespace.
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
    /// A common type that attributes may use: its name and what it stands for.
    pub common: Option<(String, Ty)>,
}

const NAMES: [&str; 10] = ["a", "b", "c", "n", "owner", "peer", "tags", "x y", "like", "\u{e9}t\u{e9}"];

impl Schema {
    /// Makes a schema.
    pub fn generate(rng: &mut fastrand::Rng) -> Self {
        let types = rng.usize(3..=5);
        let mut entities: Vec<EntityTy> = (0..types)
            .map(|i| EntityTy {
                name: format!("T{i}"),
                // A type may be above itself and above earlier ones: deep hierarchies, with diamonds.
                parents: (0..=i).filter(|_| chance(rng, 45)).collect(),
                attrs: Vec::new(),
                tags: None,
                ids: (0..rng.usize(3..=5)).map(|j| id(rng, j)).collect(),
                enumerated: false,
            })
            .collect();
        if chance(rng, 60) {
            entities.push(EntityTy {
                name: "Kind".to_owned(),
                parents: Vec::new(),
                attrs: Vec::new(),
                tags: None,
                ids: vec!["one".to_owned(), "two".to_owned(), "thr\u{e9}e \"3\"".to_owned()],
                enumerated: true,
            });
        }
        let total = entities.len();
        let common = chance(rng, 40).then(|| ("Shared".to_owned(), record(rng, total, 1)));
        for entity in entities.iter_mut().filter(|entity| !entity.enumerated) {
            entity.attrs = attrs(rng, total, 5, common.as_ref());
            entity.tags = chance(rng, 60).then(|| ty(rng, total, 1));
        }
        let plain: Vec<usize> = (0..types).collect();
        let mut actions = vec![group("all", &[]), group("some", &[0])];
        for i in 0..rng.usize(1..=3) {
            let groups = (0..2).filter(|_| chance(rng, 50)).collect();
            let principals = some_of(rng, &plain);
            let resources = some_of(rng, &(0..total).collect::<Vec<_>>());
            let context = attrs(rng, total, 7, common.as_ref());
            actions.push(ActionDef { id: format!("act {i}"), groups, principals, resources, context });
        }
        let namespace =
            chance(rng, 50).then(|| if chance(rng, 50) { "App".to_owned() } else { "App::Core".to_owned() });
        Self { namespace, entities, actions, common }
    }

    /// The full name of an entity type.
    pub fn name(&self, entity: usize) -> String {
        self.qualified(&self.entities[entity].name)
    }

    /// The full name of the type of actions.
    pub fn action_type(&self) -> String {
        self.qualified("Action")
    }

    fn qualified(&self, name: &str) -> String {
        self.namespace.as_ref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}::{name}"))
    }

    /// The constructs of the schema, for the coverage table.
    pub fn constructs(&self) -> BTreeSet<&'static str> {
        let mut constructs = BTreeSet::new();
        if self.namespace.is_some() {
            constructs.insert("schema: namespace");
        }
        if self.common.is_some() {
            constructs.insert("schema: common type");
        }
        if self.entities.iter().any(|entity| entity.enumerated) {
            constructs.insert("schema: enumerated entity");
        }
        if self.entities.iter().any(|entity| entity.tags.is_some()) {
            constructs.insert("schema: tags");
        }
        if self.actions.iter().any(|action| action.principals.len() > 1 || action.resources.len() > 1) {
            constructs.insert("schema: several principal or resource types");
        }
        constructs
    }

    fn write_ty(&self, f: &mut fmt::Formatter<'_>, ty: &Ty) -> fmt::Result {
        if let Some((name, common)) = &self.common
            && common == ty
        {
            return f.write_str(name);
        }
        match ty {
            Ty::Bool => f.write_str("Bool"),
            Ty::Long => f.write_str("Long"),
            Ty::String => f.write_str("String"),
            Ty::Entity(entity) => f.write_str(&self.entities[*entity].name),
            Ty::Set(of) => {
                f.write_str("Set<")?;
                self.write_ty(f, of)?;
                f.write_str(">")
            }
            Ty::Record(attrs) => self.write_attrs(f, attrs),
            Ty::Decimal => f.write_str("decimal"),
            Ty::Datetime => f.write_str("datetime"),
            Ty::Duration => f.write_str("duration"),
            Ty::Ip => f.write_str("ipaddr"),
        }
    }

    fn write_attrs(&self, f: &mut fmt::Formatter<'_>, attrs: &[Attr]) -> fmt::Result {
        f.write_str("{")?;
        for attr in attrs {
            write!(f, "{}{}: ", quote(&attr.name), if attr.required { "" } else { "?" })?;
            self.write_ty(f, &attr.ty)?;
            f.write_str(", ")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            writeln!(f, "namespace {namespace} {{")?;
        }
        if let Some((name, Ty::Record(attrs))) = &self.common {
            write!(f, "type {name} = ")?;
            self.write_attrs(f, attrs)?;
            writeln!(f, ";")?;
        }
        for entity in &self.entities {
            write!(f, "entity {}", entity.name)?;
            if entity.enumerated {
                let ids: Vec<String> = entity.ids.iter().map(|id| quote(id)).collect();
                writeln!(f, " enum [{}];", ids.join(", "))?;
                continue;
            }
            let parents: Vec<&str> = entity.parents.iter().map(|parent| self.entities[*parent].name.as_str()).collect();
            if !parents.is_empty() {
                write!(f, " in [{}]", parents.join(", "))?;
            }
            f.write_str(" = ")?;
            self.write_attrs(f, &entity.attrs)?;
            if let Some(tags) = &entity.tags {
                f.write_str(" tags ")?;
                self.write_ty(f, tags)?;
            }
            writeln!(f, ";")?;
        }
        for action in &self.actions {
            write!(f, "action {}", quote(&action.id))?;
            let groups: Vec<String> = action.groups.iter().map(|group| quote(&self.actions[*group].id)).collect();
            if !groups.is_empty() {
                write!(f, " in [{}]", groups.join(", "))?;
            }
            if !action.principals.is_empty() {
                let names = |types: &[usize]| {
                    types.iter().map(|ty| self.entities[*ty].name.clone()).collect::<Vec<_>>().join(", ")
                };
                write!(
                    f,
                    " appliesTo {{ principal: [{}], resource: [{}], context: ",
                    names(&action.principals),
                    names(&action.resources)
                )?;
                self.write_attrs(f, &action.context)?;
                f.write_str(" }")?;
            }
            writeln!(f, ";")?;
        }
        if self.namespace.is_some() {
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

fn attrs(rng: &mut fastrand::Rng, entities: usize, most: usize, common: Option<&(String, Ty)>) -> Vec<Attr> {
    let mut names: Vec<&str> = NAMES.to_vec();
    rng.shuffle(&mut names);
    (0..rng.usize(1..=most))
        .map(|i| Attr {
            name: names[i].to_owned(),
            ty: common.filter(|_| chance(rng, 20)).map_or_else(|| ty(rng, entities, 2), |(_, ty)| ty.clone()),
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
    match rng.u32(..if depth == 0 { 14 } else { 20 }) {
        0 | 1 => Ty::Bool,
        2 | 3 => Ty::Long,
        4 | 5 => Ty::String,
        6..=8 => Ty::Entity(rng.usize(..entities)),
        9 => Ty::Decimal,
        10 => Ty::Datetime,
        11 => Ty::Duration,
        12 => Ty::Ip,
        13 => Ty::Long,
        14..=16 => Ty::Set(Box::new(ty(rng, entities, depth - 1))),
        _ => record(rng, entities, depth - 1),
    }
}

/// A name or id as Cedar text, quoted.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", text.escape_debug().to_string().replace("\\'", "'"))
}
