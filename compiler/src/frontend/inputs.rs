//! Binds the parts of a request to inputs, each on its axis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exportgate_contract::manifest::{Axis, Binding, ContextBinding};
use exportgate_contract::types::Action;
use exportgate_contract::vocabulary::{self, Role};

use crate::frontend::lower::LowerError;
use crate::frontend::tables::Tables;
use crate::pack::Vocabulary;

/// What the action is to an export; none without vocabulary, and for actions that aren't part of one.
pub(crate) fn role(vocabulary: Vocabulary, action: &Action) -> Option<Role<'_>> {
    match vocabulary {
        Vocabulary::Export if &*action.uid.entity_type == vocabulary::ACTION => vocabulary::role(&action.uid.id),
        Vocabulary::Export | Vocabulary::None => None,
    }
}

/// The inputs of a question, and those of them that are always there.
pub(crate) fn bind(
    tables: &mut Tables,
    vocabulary: Vocabulary,
    action: &Action,
    principal: &Arc<str>,
) -> Result<(Binding, BTreeSet<u32>), LowerError> {
    let (principal, resource) = match (vocabulary, role(vocabulary, action)) {
        (Vocabulary::None, _) => (("principal", Axis::Job), ("resource", Axis::Job)),
        (Vocabulary::Export, None) if &**principal == vocabulary::AGENT => {
            (("agent", Axis::Job), ("resource", Axis::Job))
        }
        (Vocabulary::Export, None) => (("principal", Axis::Job), ("resource", Axis::Job)),
        (Vocabulary::Export, Some(Role::Export)) => (("agent", Axis::Job), ("job", Axis::Job)),
        (Vocabulary::Export, Some(Role::Include | Role::Tally(_))) => (("agent", Axis::Job), ("customer", Axis::Row)),
        (Vocabulary::Export, Some(Role::Reveal(_))) => (("agent", Axis::Job), ("field", Axis::Column)),
    };
    let principal = tables.input(principal.0, principal.1)?;
    let resource = tables.input(resource.0, resource.1)?;
    let mut given = BTreeSet::from([principal, resource]);
    let context = match vocabulary {
        Vocabulary::None => {
            let context = tables.input("context", Axis::Job)?;
            given.insert(context);
            ContextBinding::Whole(context)
        }
        Vocabulary::Export => {
            let mut attributes = BTreeMap::new();
            for (name, attribute) in &action.context {
                let input = match (role(vocabulary, action), &**name) {
                    (Some(Role::Reveal(_)), vocabulary::CONTEXT_CUSTOMER) => tables.input("customer", Axis::Row)?,
                    (Some(Role::Include | Role::Tally(_) | Role::Reveal(_)), vocabulary::CONTEXT_TICKET) => {
                        tables.input("ticket", Axis::Row)?
                    }
                    (Some(_) | None, name) => tables.input(&format!("context.{name}"), Axis::Job)?,
                };
                attributes.insert(name.clone(), input);
                if attribute.required {
                    given.insert(input);
                }
            }
            ContextBinding::Attributes(attributes)
        }
    };
    Ok((Binding { principal, resource, context }, given))
}
