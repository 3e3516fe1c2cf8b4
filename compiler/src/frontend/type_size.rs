//! Bounds what the types of a schema come to with their common types written out, before Cedar writes them out: a schema of
//! a few lines can double them with each line.
//!
//! Common types are sized in the order of what they are made of, without recursion from one to the next. Types that are
//! made of themselves are left to Cedar, which refuses them.

use std::collections::BTreeMap;

use cedar_policy_core::validator::RawName;
use cedar_policy_core::validator::json_schema::{EntityTypeKind, Fragment, Type, TypeVariant};
use exportgate_contract::limits::VALUE_DEPTH_MAX;

use crate::error::{CompileError, CompileErrorKind};

/// Parts (attributes, members) that all types of a schema have together, common types written out.
pub(crate) const TYPE_PARTS_MAX: usize = 1 << 16;

/// The size of a type: how many parts it has, and how deep sets and records nest in it.
#[derive(Clone, Copy, Default)]
struct Size {
    parts: usize,
    depth: usize,
}

/// A common type: the namespace that it stands in, and what it is.
struct Common<'a> {
    namespace: Option<String>,
    ty: &'a Type<RawName>,
}

/// Checks the types of `fragment` against [`TYPE_PARTS_MAX`] and [`VALUE_DEPTH_MAX`], to which values are held too.
pub(crate) fn check_types(fragment: &Fragment<RawName>) -> Result<(), CompileError> {
    let mut sizes = Sizes { common: BTreeMap::new(), known: BTreeMap::new(), total: 0 };
    for (namespace, definition) in &fragment.0 {
        let namespace = namespace.as_ref().map(ToString::to_string);
        for (id, common) in &definition.common_types {
            let name = qualify(namespace.as_deref(), &id.to_string());
            sizes.common.insert(name, Common { namespace: namespace.clone(), ty: &common.ty });
        }
    }
    sizes.size_common_types()?;
    for (namespace, definition) in &fragment.0 {
        let namespace = namespace.as_ref().map(ToString::to_string);
        for entity in definition.entity_types.values() {
            if let EntityTypeKind::Standard(entity) = &entity.kind {
                sizes.add(&entity.shape.0, namespace.as_deref())?;
                entity.tags.iter().try_for_each(|tags| sizes.add(tags, namespace.as_deref()))?;
            }
        }
        for action in definition.actions.values() {
            action.applies_to.iter().try_for_each(|applies| sizes.add(&applies.context.0, namespace.as_deref()))?;
        }
    }
    Ok(())
}

struct Sizes<'a> {
    common: BTreeMap<String, Common<'a>>,
    known: BTreeMap<String, Size>,
    total: usize,
}

impl Sizes<'_> {
    fn size_common_types(&mut self) -> Result<(), CompileError> {
        let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut ready = Vec::new();
        for (name, common) in &self.common {
            let mut names = Vec::new();
            self.names(common.ty, common.namespace.as_deref(), &mut names);
            if names.is_empty() {
                ready.push(name.clone());
            }
            waiting.insert(name.clone(), names.len());
            names.into_iter().for_each(|used| users.entry(used).or_default().push(name.clone()));
        }
        while let Some(name) = ready.pop() {
            let Some(common) = self.common.get(&name) else {
                continue;
            };
            let size = self.size(common.ty, common.namespace.as_deref());
            check(size)?;
            for user in users.remove(&name).into_iter().flatten() {
                if let Some(missing) = waiting.get_mut(&user) {
                    *missing = missing.saturating_sub(1);
                    if *missing == 0 {
                        ready.push(user);
                    }
                }
            }
            self.known.insert(name, size);
        }
        Ok(())
    }

    /// Adds a type of an entity or a context.
    fn add(&mut self, ty: &Type<RawName>, namespace: Option<&str>) -> Result<(), CompileError> {
        let size = self.size(ty, namespace);
        self.total = self.total.saturating_add(size.parts);
        check(Size { parts: self.total, depth: size.depth })
    }

    /// The size of a type whose common types are sized. What a type says in its own text is bounded by its nesting.
    fn size(&self, ty: &Type<RawName>, namespace: Option<&str>) -> Size {
        let size = match below(ty) {
            Below::Types(types) => {
                types.into_iter().map(|ty| self.size(ty, namespace)).fold(Size::default(), |a, b| Size {
                    parts: a.parts.saturating_add(b.parts),
                    depth: a.depth.max(b.depth.saturating_add(1)),
                })
            }
            Below::Name(name) => {
                self.resolve(name, namespace).and_then(|name| self.known.get(&name)).copied().unwrap_or_default()
            }
            Below::Nothing => Size::default(),
        };
        Size { parts: size.parts.saturating_add(1), ..size }
    }

    /// Every mention of a common type in a type.
    fn names(&self, ty: &Type<RawName>, namespace: Option<&str>, names: &mut Vec<String>) {
        match below(ty) {
            Below::Types(types) => types.into_iter().for_each(|ty| self.names(ty, namespace, names)),
            Below::Name(name) => names.extend(self.resolve(name, namespace)),
            Below::Nothing => {}
        }
    }

    /// The common type of this name, as Cedar resolves it: in the namespace at hand, else in none.
    fn resolve(&self, name: &RawName, namespace: Option<&str>) -> Option<String> {
        let plain = name.clone().qualify_with(None).to_string();
        let within = name.is_unqualified().then(|| qualify(namespace, &plain));
        within.into_iter().chain([plain]).find(|name| self.common.contains_key(name))
    }
}

enum Below<'a> {
    Types(Vec<&'a Type<RawName>>),
    Name(&'a RawName),
    Nothing,
}

fn below(ty: &Type<RawName>) -> Below<'_> {
    match ty {
        Type::CommonTypeRef { type_name, .. } => Below::Name(type_name),
        Type::Type { ty: TypeVariant::EntityOrCommon { type_name }, .. } => Below::Name(type_name),
        Type::Type { ty: TypeVariant::Set { element }, .. } => Below::Types(vec![element]),
        Type::Type { ty: TypeVariant::Record(record), .. } => {
            Below::Types(record.attributes.values().map(|attribute| &attribute.ty).collect())
        }
        Type::Type {
            ty:
                TypeVariant::String
                | TypeVariant::Long
                | TypeVariant::Boolean
                | TypeVariant::Entity { .. }
                | TypeVariant::Extension { .. },
            ..
        } => Below::Nothing,
    }
}

fn qualify(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}::{name}"))
}

fn check(size: Size) -> Result<(), CompileError> {
    let message = if size.parts > TYPE_PARTS_MAX {
        format!("the types of the schema have more parts than the limit `TYPE_PARTS_MAX` of {TYPE_PARTS_MAX}")
    } else if size.depth > VALUE_DEPTH_MAX {
        format!("a type of the schema nests deeper than the limit `VALUE_DEPTH_MAX` of {VALUE_DEPTH_MAX}")
    } else {
        return Ok(());
    };
    Err(CompileError::new(CompileErrorKind::Limit, message))
}
