//! The shape of the component around a guest's core module, and how `evaluate` is lifted out of it.
//!
//! Accepted is one core module, instantiated once without imports, aliases of that instance's exports, the types of
//! `evaluate`, one `canon lift`, and one export. Everything else is refused by name. Functions and memories are
//! identified by the indices of the lift, never by what they are called.

use std::ops::Range;

use exportgate_contract::EVALUATE;
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentDefinedType, ComponentExport, ComponentExternalKind,
    ComponentType, ComponentValType, Encoding, ExternalKind, Instance, Parser, Payload, PrimitiveValType, WasmFeatures,
};

use crate::artifact::malformed;
use crate::load_error::LoadError;

/// What the host needs to know of a component: where its core module lies, and which of its exports do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The bytes of the core module within the component.
    pub(crate) core: Range<usize>,
    /// The names of the core module's exports that the lift uses.
    pub(crate) exports: LiftedExports,
}

/// The exports of a core module that make `evaluate`, by the names that this module happens to give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiftedExports {
    pub(crate) evaluate: String,
    pub(crate) memory: String,
    pub(crate) realloc: String,
    pub(crate) post_return: Option<String>,
}

/// Reads the shape of a component that was found valid.
///
/// # Errors
///
/// [`LoadError`] when it has another shape than that of a policy module.
pub(crate) fn read_shape(bytes: &[u8], features: WasmFeatures) -> Result<Shape, LoadError> {
    let mut reader = ShapeReader::default();
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut core_depth = 0_usize;
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        if core_depth > 0 {
            // `parse_all` descends into core modules; `artifact` looks at what is in them.
            core_depth = match payload {
                Payload::End(_) => core_depth - 1,
                _ => core_depth,
            };
            continue;
        }
        if let Payload::ModuleSection { .. } = &payload {
            core_depth = 1;
        }
        reader.read(payload)?;
    }
    reader.finish()
}

/// The index spaces of a component, as far as a policy module may fill them.
#[derive(Default)]
struct ShapeReader<'a> {
    cores: Vec<Range<usize>>,
    core_instances: usize,
    /// The core functions, by index: the names of the exports that they are.
    core_funcs: Vec<&'a str>,
    core_memories: Vec<&'a str>,
    types: Vec<ComponentType<'a>>,
    lifts: Vec<Lift>,
    exports: Vec<ComponentExport<'a>>,
}

struct Lift {
    core_func: u32,
    ty: u32,
    options: Box<[CanonicalOption]>,
}

impl<'a> ShapeReader<'a> {
    fn read(&mut self, payload: Payload<'a>) -> Result<(), LoadError> {
        let unsupported = |what| Err(LoadError::Unsupported { what });
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } | Payload::CustomSection(_) | Payload::End(_) => {
                Ok(())
            }
            Payload::ModuleSection { unchecked_range, .. } => {
                self.cores.push(unchecked_range);
                Ok(())
            }
            Payload::InstanceSection(section) => self.read_each(section, Self::read_core_instance),
            Payload::ComponentAliasSection(section) => self.read_each(section, Self::read_alias),
            Payload::ComponentTypeSection(section) => self.read_each(section, |reader, ty| {
                reader.types.push(ty);
                Ok(())
            }),
            Payload::ComponentCanonicalSection(section) => self.read_each(section, Self::read_canonical),
            Payload::ComponentExportSection(section) => self.read_each(section, |reader, export| {
                reader.exports.push(export);
                Ok(())
            }),
            Payload::ComponentImportSection(section) => {
                self.read_each(section, |_, import| Err(LoadError::Import { name: import.name.name.to_owned() }))
            }
            Payload::ComponentSection { .. } => unsupported("a nested component"),
            Payload::ComponentInstanceSection(_) => unsupported("an instance of a component"),
            Payload::ComponentStartSection { .. } => unsupported("a start function"),
            Payload::CoreTypeSection(_) => unsupported("core types"),
            // Sections of a core module can't stand here in a valid component, and later kinds aren't known.
            _ => unsupported("an unknown section"),
        }
    }

    fn read_each<T: wasmparser::FromReader<'a>>(
        &mut self,
        section: wasmparser::SectionLimited<'a, T>,
        read: impl Fn(&mut Self, T) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        section.into_iter().try_for_each(|item| read(self, item.map_err(|error| malformed(&error))?))
    }

    fn read_core_instance(&mut self, instance: Instance<'a>) -> Result<(), LoadError> {
        match instance {
            Instance::Instantiate { args, .. } if args.is_empty() => {
                self.core_instances += 1;
                Ok(())
            }
            Instance::Instantiate { .. } => Err(LoadError::Unsupported { what: "a core instance with arguments" }),
            Instance::FromExports(_) => Err(LoadError::Unsupported { what: "a core instance made of exports" }),
        }
    }

    fn read_alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), LoadError> {
        match alias {
            // There is one instance, so whichever index a valid component names, it is that one.
            ComponentAlias::CoreInstanceExport { kind, name, .. } => match kind {
                ExternalKind::Func | ExternalKind::FuncExact => self.core_funcs.push(name),
                ExternalKind::Memory => self.core_memories.push(name),
                ExternalKind::Table | ExternalKind::Global | ExternalKind::Tag => {
                    return Err(LoadError::Unsupported { what: "an alias of a table, global or tag" });
                }
            },
            ComponentAlias::InstanceExport { .. } | ComponentAlias::Outer { .. } => {
                return Err(LoadError::Unsupported { what: "an alias of something else than a core export" });
            }
        }
        Ok(())
    }

    fn read_canonical(&mut self, function: CanonicalFunction) -> Result<(), LoadError> {
        match function {
            CanonicalFunction::Lift { core_func_index, type_index, options } => {
                self.lifts.push(Lift { core_func: core_func_index, ty: type_index, options });
                Ok(())
            }
            _ => Err(LoadError::Unsupported { what: "a canonical function other than a lift" }),
        }
    }

    fn finish(mut self) -> Result<Shape, LoadError> {
        let once = |what, found| if found == 1 { Ok(()) } else { Err(LoadError::Count { what, found }) };
        once("core module", self.cores.len())?;
        once("core instance", self.core_instances)?;
        if let Some(export) = self.exports.iter().find(|export| export.name.name != EVALUATE) {
            return Err(LoadError::Export { name: export.name.name.to_owned() });
        }
        once("export", self.exports.len())?;
        once("`canon lift`", self.lifts.len())?;
        let (Some(core), Some(lift), Some(export)) = (self.cores.pop(), self.lifts.pop(), self.exports.pop()) else {
            return Err(LoadError::Count { what: "`canon lift`", found: 0 });
        };
        // The only function is the lifted one, so that is what is exported.
        if export.kind != ComponentExternalKind::Func || !self.is_evaluate(lift.ty) {
            return Err(LoadError::Signature);
        }
        let exports = self.read_lift(&lift)?;
        Ok(Shape { core, exports })
    }

    /// Whether type `index` is `func(frame: list<u64>) -> list<u32>`.
    fn is_evaluate(&self, index: u32) -> bool {
        let Some(ComponentType::Func(ty)) = at(&self.types, index) else { return false };
        let [("frame", frame)] = &*ty.params else { return false };
        !ty.async_
            && self.is_list_of(frame, PrimitiveValType::U64)
            && ty.result.as_ref().is_some_and(|answer| self.is_list_of(answer, PrimitiveValType::U32))
    }

    fn is_list_of(&self, ty: &ComponentValType, member: PrimitiveValType) -> bool {
        let ComponentValType::Type(index) = ty else { return false };
        let Some(ComponentType::Defined(ComponentDefinedType::List(of))) = at(&self.types, *index) else {
            return false;
        };
        match of {
            ComponentValType::Primitive(primitive) => *primitive == member,
            ComponentValType::Type(index) => matches!(
                at(&self.types, *index),
                Some(ComponentType::Defined(ComponentDefinedType::Primitive(primitive))) if *primitive == member
            ),
        }
    }

    fn read_lift(&self, lift: &Lift) -> Result<LiftedExports, LoadError> {
        let (mut memory, mut realloc, mut post_return) = (None, None, None);
        for option in &lift.options {
            let (slot, name, option) = match option {
                CanonicalOption::UTF8 => continue,
                CanonicalOption::Memory(index) => (&mut memory, at(&self.core_memories, *index), "memory"),
                CanonicalOption::Realloc(index) => (&mut realloc, at(&self.core_funcs, *index), "realloc"),
                CanonicalOption::PostReturn(index) => (&mut post_return, at(&self.core_funcs, *index), "post-return"),
                CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => {
                    return Err(LoadError::LiftOption { option: "string-encoding" });
                }
                CanonicalOption::Async => return Err(LoadError::LiftOption { option: "async" }),
                CanonicalOption::Callback(_) => return Err(LoadError::LiftOption { option: "callback" }),
                CanonicalOption::CoreType(_) => return Err(LoadError::LiftOption { option: "core-type" }),
                CanonicalOption::Gc => return Err(LoadError::LiftOption { option: "gc" }),
            };
            let name = name.ok_or(LoadError::LiftOptionMissing { option })?;
            if slot.replace((*name).to_owned()).is_some() {
                return Err(LoadError::LiftOptionMissing { option });
            }
        }
        let evaluate = at(&self.core_funcs, lift.core_func).ok_or(LoadError::Signature)?;
        Ok(LiftedExports {
            evaluate: (*evaluate).to_owned(),
            memory: memory.ok_or(LoadError::LiftOptionMissing { option: "memory" })?,
            realloc: realloc.ok_or(LoadError::LiftOptionMissing { option: "realloc" })?,
            post_return,
        })
    }
}

fn at<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(usize::try_from(index).ok()?)
}
