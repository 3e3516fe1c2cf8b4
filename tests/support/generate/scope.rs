//! What a generated expression may start from: texts with their types.

use crate::generate::schema::{Attr, Schema, Ty, quote};

/// Variables, paths of required attributes from them, and what lies behind a guard.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// Texts with their types.
    pub known: Vec<(String, Ty)>,
    /// Optional attributes: the base's text, the name, the type.
    pub optional: Vec<(String, String, Ty)>,
    /// Entities with tags: the text, the type of the tags.
    pub tagged: Vec<(String, Ty)>,
}

/// How many steps a path takes from its variable.
const PATH_STEPS_MAX: usize = 3;

impl<'a> Scope<'a> {
    /// The variables of a request with these types, and what can be read of them; the context is that of `action`, or left
    /// alone where a policy is about several actions.
    pub fn new(schema: &'a Schema, action: Option<usize>, principal: usize, resource: usize) -> Self {
        let mut scope = Self { schema, known: Vec::new(), optional: Vec::new(), tagged: Vec::new() };
        scope.add("principal".to_owned(), Ty::Entity(principal), PATH_STEPS_MAX);
        scope.add("resource".to_owned(), Ty::Entity(resource), PATH_STEPS_MAX);
        scope.add("action".to_owned(), Ty::Action, 0);
        if let Some(action) = action {
            scope.add("context".to_owned(), Ty::Record(schema.actions[action].context.clone()), PATH_STEPS_MAX);
        }
        scope
    }

    /// Adds a text of type `ty`, and what can be read of it in `steps`.
    pub fn add(&mut self, text: String, ty: Ty, steps: usize) {
        match &ty {
            Ty::Entity(entity) => {
                let def = &self.schema.entities[*entity];
                if let Some(tags) = &def.tags {
                    self.tagged.push((text.clone(), tags.clone()));
                }
                self.add_attrs(&text, &def.attrs, steps);
            }
            Ty::Record(attrs) => self.add_attrs(&text, attrs, steps),
            _ => {}
        }
        self.known.push((text, ty));
    }

    fn add_attrs(&mut self, base: &str, attrs: &[Attr], steps: usize) {
        if steps == 0 {
            return;
        }
        for attr in attrs {
            if attr.required {
                self.add(access(base, &attr.name), attr.ty.clone(), steps - 1);
            } else {
                self.optional.push((base.to_owned(), attr.name.clone(), attr.ty.clone()));
            }
        }
    }

    /// How much is known, for [`Scope::forget`].
    pub fn mark(&self) -> [usize; 3] {
        [self.known.len(), self.optional.len(), self.tagged.len()]
    }

    /// Forgets what was added after the mark.
    pub fn forget(&mut self, [known, optional, tagged]: [usize; 3]) {
        self.known.truncate(known);
        self.optional.truncate(optional);
        self.tagged.truncate(tagged);
    }
}

/// An attribute of something, as text.
pub fn access(base: &str, name: &str) -> String {
    if is_identifier(name) { format!("{base}.{name}") } else { format!("{base}[{}]", quote(name)) }
}

/// Whether a name can stand without quotes.
pub fn is_identifier(name: &str) -> bool {
    // CEDAR: words of the grammar are no identifiers.
    const RESERVED: [&str; 6] = ["like", "in", "is", "has", "if", "true"];
    !RESERVED.contains(&name)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}
