//! Reads policies and links with Cedar's own code, names them, and validates them strictly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy_core::ast::{self, PolicyID, SlotId, StaticPolicy, Template};
use cedar_policy_core::est;
use cedar_policy_core::parser;
use cedar_policy_core::validator::{ValidationMode, Validator};
use exportgate_contract::limits::{ID_BYTES_MAX, POLICIES_MAX};
use exportgate_contract::manifest::{Effect, Policy};
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Severity};
use crate::error::{CompileError, CompileErrorKind, CompileErrors};
use crate::frontend::schema::Schema;
use crate::frontend::text;
use crate::pack::{Format, Pack, Vocabulary, format_of};
use crate::source::SourceFile;

/// Levels of an expression as Cedar nests it; `a && b && c` has two. Everything after parsing recurses at most so deep.
pub(crate) const EXPR_DEPTH_MAX: usize = 1_000;

/// A policy: static, or a template with the entities of its slots.
pub(crate) struct PackPolicy {
    pub(crate) id: String,
    pub(crate) policy: ast::Policy,
    /// The file that it stands in.
    pub(crate) file: SourceFile,
    /// Its id in that file, if that is JSON: Cedar knows no places there.
    key: Option<(usize, usize)>,
}

impl PackPolicy {
    /// What the manifest says of it.
    pub(crate) fn describe(&self) -> Policy {
        Policy {
            id: self.id.clone(),
            effect: match self.policy.effect() {
                ast::Effect::Permit => Effect::Permit,
                ast::Effect::Forbid => Effect::Forbid,
            },
            annotations: annotations(&self.policy).map(|(key, value)| (key, value.to_owned())).collect(),
        }
    }

    /// `error` with the policy's id and place: `at`, or its whole text.
    pub(crate) fn locate(&self, error: CompileError, at: Option<&parser::Loc>) -> CompileError {
        let error = error.with_policy(self.id.clone());
        match self.place(at) {
            Some((start, end)) => error.with_place(&self.file, start, end),
            None => error,
        }
    }

    /// The bytes of its file that are meant: `at`, or its whole text, or in JSON its id.
    pub(crate) fn place(&self, at: Option<&parser::Loc>) -> Option<(usize, usize)> {
        at.or(self.policy.loc()).map(|loc| (loc.start(), loc.end())).or(self.key)
    }
}

/// A template, whether or not something links it.
pub(crate) struct PackTemplate {
    id: String,
    template: Arc<Template>,
    file: SourceFile,
    key: Option<(usize, usize)>,
}

/// What the policy files of a pack hold.
pub(crate) struct PackPolicies {
    /// What is evaluated: static policies in the order of the text, then links.
    pub(crate) policies: Vec<PackPolicy>,
    templates: Vec<PackTemplate>,
}

/// The annotations of a policy, by key.
pub(crate) fn annotations(policy: &ast::Policy) -> impl Iterator<Item = (String, &str)> {
    policy.annotations().map(|(key, annotation)| (key.to_string(), annotation.val.as_str()))
}

/// A policy or template as read, before links are made.
struct Text {
    template: Arc<Template>,
    id: String,
    file: SourceFile,
    key: Option<(usize, usize)>,
}

impl Text {
    /// `error` at the text.
    fn locate(&self, error: CompileError) -> CompileError {
        match self.template.loc().map(|loc| (loc.start(), loc.end())).or(self.key) {
            Some((start, end)) => error.with_place(&self.file, start, end),
            None => error,
        }
    }
}

/// Reads the policies and links of `pack`, in the order of the text, links last.
///
/// # Errors
///
/// All of Cedar's parse errors, duplicate or unfit ids, links of templates that don't exist, and exceeded limits.
pub(crate) fn read_policies(pack: &Pack) -> Result<PackPolicies, CompileErrors> {
    let mut errors = Vec::new();
    let mut texts = Vec::new();
    let mut links = Vec::new();
    for file in &pack.policies {
        match format_of(file) {
            Format::Cedar => read_text(file, &mut texts, &mut errors),
            Format::Json => read_json(file, &mut texts, &mut links, &mut errors),
        }
    }
    if let Some(file) = &pack.links {
        read_links(file, &mut links, &mut errors);
    }
    if texts.len().saturating_add(links.len()) > POLICIES_MAX {
        let found = texts.len().saturating_add(links.len());
        let message = format!("{found} policies, more than the limit `POLICIES_MAX` of {POLICIES_MAX}");
        errors.push(CompileError::new(CompileErrorKind::Limit, message));
    }
    CompileErrors::check(errors)?;
    if pack.vocabulary == Vocabulary::Export {
        for text in &mut texts {
            let id = text.template.annotations().find(|(key, _)| key.to_string() == "id");
            if let Some((_, id)) = id {
                text.id = id.val.to_string();
            }
        }
    }
    check_ids(&texts, &links)?;
    let read = link(texts, links)?;
    let deep = read.policies.iter().filter(|policy| !is_within_depth(&policy.policy)).map(|policy| {
        let message = format!("the policy nests deeper than the limit `EXPR_DEPTH_MAX` of {EXPR_DEPTH_MAX}");
        let help =
            "a chain of operators such as `a || b || c` nests as deep as it is long: use a set, or several policies";
        policy.locate(CompileError::new(CompileErrorKind::Limit, message).with_help(help), None)
    });
    CompileErrors::check(deep)?;
    Ok(read)
}

fn read_text(file: &SourceFile, texts: &mut Vec<Text>, errors: &mut Vec<CompileError>) {
    if let Err(error) = text::check_text(file, text::Text::Policies) {
        errors.push(error);
        return;
    }
    let policies = match parser::parse_policyset(file.text()) {
        Ok(policies) => policies,
        Err(parse) => {
            errors.extend(parse.iter().map(|error| {
                let diagnostic = Diagnostic::from_cedar(Severity::Error, error, Some(file));
                CompileError::from_diagnostic(CompileErrorKind::Parse, diagnostic)
            }));
            return;
        }
    };
    // Cedar numbers the policies of one text; the set goes on numbering from file to file.
    let mut numbered: Vec<(usize, &Template)> = policies
        .all_templates()
        .filter_map(|template| {
            Some((AsRef::<str>::as_ref(template.id()).strip_prefix("policy")?.parse().ok()?, template))
        })
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    for (_, template) in numbered {
        let id = format!("policy{}", texts.len());
        texts.push(Text { template: Arc::new(template.clone()), id, file: file.clone(), key: None });
    }
}

fn read_json(file: &SourceFile, texts: &mut Vec<Text>, links: &mut Vec<Link>, errors: &mut Vec<CompileError>) {
    if let Err(error) = text::check_json(file) {
        errors.push(error);
        return;
    }
    let set: est::PolicySet = match serde_json::from_str(file.text()) {
        Ok(set) => set,
        Err(error) => {
            let message = format!("`{}`: {error}", file.path());
            errors.push(CompileError::new(CompileErrorKind::Parse, message));
            return;
        }
    };
    for (id, policy) in set.static_policies.into_iter().chain(set.templates) {
        let name = AsRef::<str>::as_ref(&id).to_owned();
        let key = key_of(file.text(), &name);
        match policy.try_into_ast_policy_or_template(Some(id)) {
            Ok(template) => texts.push(Text { template: Arc::new(template), id: name, file: file.clone(), key }),
            Err(error) => {
                let diagnostic = Diagnostic::from_cedar(Severity::Error, &error, None);
                let error = CompileError::from_diagnostic(CompileErrorKind::Parse, diagnostic).with_policy(name);
                let (start, end) = key.unwrap_or((0, 0));
                errors.push(error.with_place(file, start, end));
            }
        }
    }
    links.extend(set.template_links.into_iter().map(|link| Link {
        template: AsRef::<str>::as_ref(&link.template_id).to_owned(),
        id: AsRef::<str>::as_ref(&link.new_id).to_owned(),
        values: link.values,
    }));
}

/// Where an id stands as a key of a JSON text, as it is most likely written.
fn key_of(json: &str, id: &str) -> Option<(usize, usize)> {
    let quoted = serde_json::to_string(id).ok()?;
    let is_key = |at: &usize| {
        let after = json.get(at.saturating_add(quoted.len())..);
        after.is_some_and(|after| after.trim_start().starts_with(':'))
    };
    let start = json.match_indices(&quoted).map(|(at, _)| at).find(is_key)?;
    Some((start, start.saturating_add(quoted.len())))
}

/// A link of a template: the id of the policy that it makes, and the entities of the slots.
struct Link {
    template: String,
    id: String,
    values: HashMap<SlotId, ast::EntityUID>,
}

/// A link in a links file, as Cedar's own command line writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkEntry {
    template_id: String,
    link_id: String,
    args: BTreeMap<String, String>,
}

fn read_links(file: &SourceFile, links: &mut Vec<Link>, errors: &mut Vec<CompileError>) {
    if let Err(error) = text::check_json(file) {
        errors.push(error);
        return;
    }
    let mut fail = |message: String| errors.push(CompileError::new(CompileErrorKind::Parse, message));
    let entries: Vec<LinkEntry> = match serde_json::from_str(file.text()) {
        Ok(entries) => entries,
        Err(error) => {
            fail(format!("`{}`: {error}", file.path()));
            return;
        }
    };
    for entry in entries {
        let mut values = HashMap::new();
        for (slot, uid) in &entry.args {
            let slot_id = match slot.as_str() {
                "?principal" => SlotId::principal(),
                "?resource" => SlotId::resource(),
                _ => {
                    fail(format!(
                        "link `{}` expects the slots `?principal` and `?resource`, found `{slot}`",
                        entry.link_id
                    ));
                    continue;
                }
            };
            match uid.parse::<ast::EntityUID>() {
                Ok(uid) => {
                    values.insert(slot_id, uid);
                }
                Err(_) => fail(format!("slot `{slot}` of link `{}` expects an entity, found `{uid}`", entry.link_id)),
            }
        }
        links.push(Link { template: entry.template_id, id: entry.link_id, values });
    }
}

/// Checks that every id is fit to be one, and that no two are the same.
fn check_ids(texts: &[Text], links: &[Link]) -> Result<(), CompileErrors> {
    let mut errors = Vec::new();
    let mut seen = BTreeMap::new();
    let all = texts
        .iter()
        .map(|text| (text.id.as_str(), Some(text)))
        .chain(links.iter().map(|link| (link.id.as_str(), None)));
    for (id, text) in all {
        let place = |error: CompileError| match text {
            Some(text) => text.locate(error),
            None => error,
        };
        if id.len() > ID_BYTES_MAX {
            let found = id.len();
            let message =
                format!("a policy id has {found} bytes, more than the limit `ID_BYTES_MAX` of {ID_BYTES_MAX}");
            errors.push(place(CompileError::new(CompileErrorKind::Limit, message)));
        } else if seen.insert(id, ()).is_some() {
            let message = format!("two policies have the id `{}`", id.escape_debug());
            errors.push(place(CompileError::new(CompileErrorKind::PolicyId, message)).with_policy(id));
        }
    }
    CompileErrors::check(errors)
}

fn link(texts: Vec<Text>, links: Vec<Link>) -> Result<PackPolicies, CompileErrors> {
    let mut policies = Vec::new();
    let mut templates: Vec<PackTemplate> = Vec::new();
    for Text { template, id, file, key } in texts {
        let template = template.new_id(PolicyID::from_string(&id));
        if template.is_static() {
            let policy = StaticPolicy::try_from(template).map_err(|_| {
                CompileError::new(CompileErrorKind::Internal, "a policy without slots can't be made static")
                    .with_policy(&id)
            })?;
            policies.push(PackPolicy { id, policy: policy.into(), file, key });
        } else {
            templates.push(PackTemplate { id, template: Arc::new(template), file, key });
        }
    }
    let mut errors = Vec::new();
    let by_id: BTreeMap<&str, &PackTemplate> =
        templates.iter().map(|template| (template.id.as_str(), template)).collect();
    for Link { template, id, values } in links {
        let Some(PackTemplate { template: body, file, key, .. }) = by_id.get(template.as_str()).copied() else {
            let message = format!("link `{id}` names the template `{template}`, which isn't there");
            errors.push(CompileError::new(CompileErrorKind::Parse, message).with_policy(id));
            continue;
        };
        match Template::link(body.clone(), PolicyID::from_string(&id), values) {
            Ok(policy) => policies.push(PackPolicy { id, policy, file: file.clone(), key: *key }),
            Err(error) => {
                let message = format!("template `{template}` can't be linked: {error}");
                errors.push(CompileError::new(CompileErrorKind::Parse, message).with_policy(id));
            }
        }
    }
    CompileErrors::check(errors)?;
    Ok(PackPolicies { policies, templates })
}

/// Validates each policy and template strictly, with Cedar's own messages, and gives Cedar's warnings.
///
/// # Errors
///
/// All validation errors of all of them.
pub(crate) fn validate(schema: &Schema, read: &PackPolicies) -> Result<Vec<Diagnostic>, CompileErrors> {
    let mut validation =
        Validation { validator: Validator::new(schema.cedar.clone()), errors: vec![], warnings: vec![] };
    for PackTemplate { id, template, file, key } in &read.templates {
        let mut set = ast::PolicySet::new();
        let added = set.add_template(template.as_ref().clone()).is_ok();
        validation.validate(added.then_some(&set), id, &[template.id()], (file, *key));
    }
    // A link is validated with its template, whose faults were just told.
    CompileErrors::check(std::mem::take(&mut validation.errors))?;
    for PackPolicy { id, policy, file, key } in &read.policies {
        let mut set = ast::PolicySet::new();
        let added = set.add(policy.clone()).is_ok();
        validation.validate(added.then_some(&set), id, &[policy.id(), policy.template().id()], (file, *key));
    }
    let Validation { errors, mut warnings, .. } = validation;
    CompileErrors::check(errors)?;
    warnings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    warnings.dedup();
    Ok(warnings)
}

struct Validation {
    validator: Validator,
    errors: Vec<CompileError>,
    warnings: Vec<Diagnostic>,
}

impl Validation {
    /// Validates a set made for the policy or template `id`, which Cedar's messages call by one of `names`.
    /// Where Cedar names no place, the fault is at the id in a JSON text.
    fn validate(
        &mut self,
        set: Option<&ast::PolicySet>,
        id: &str,
        names: &[&PolicyID],
        (file, key): (&SourceFile, Option<(usize, usize)>),
    ) {
        let Some(set) = set else {
            let error =
                CompileError::new(CompileErrorKind::Internal, "fault of the compiler: a policy can't be validated");
            self.errors.push(error.with_policy(id));
            return;
        };
        let diagnose = |severity, cedar: &dyn miette::Diagnostic| {
            let diagnostic = Diagnostic::from_cedar(severity, cedar, Some(file));
            let diagnostic = match (diagnostic.span(), key) {
                (None, Some((start, end))) => diagnostic.with_place(file, start, end),
                _ => diagnostic,
            };
            // Cedar begins its messages with the id, which stands elsewhere here.
            let diagnostic = names
                .iter()
                .fold(diagnostic, |diagnostic, name| diagnostic.without_prefix(&format!("for policy `{name}`, ")));
            diagnostic.with_policy(id)
        };
        let result = self.validator.validate(set, ValidationMode::Strict);
        let (errors, warnings) = result.into_errors_and_warnings();
        self.errors.extend(errors.map(|error| {
            CompileError::from_diagnostic(CompileErrorKind::Validation, diagnose(Severity::Error, &error))
        }));
        self.warnings.extend(warnings.map(|warning| diagnose(Severity::Warning, &warning)));
    }
}

/// Whether the condition nests at most [`EXPR_DEPTH_MAX`] deep. Doesn't recurse itself.
fn is_within_depth(policy: &ast::Policy) -> bool {
    let Some(condition) = policy.non_scope_constraints() else {
        return true;
    };
    let mut rest: Vec<(&ast::Expr, usize)> = vec![(condition, 0)];
    while let Some((expr, depth)) = rest.pop() {
        if depth > EXPR_DEPTH_MAX {
            return false;
        }
        let mut push = |expr| rest.push((expr, depth.saturating_add(1)));
        match expr.expr_kind() {
            ast::ExprKind::Lit(_) | ast::ExprKind::Var(_) | ast::ExprKind::Slot(_) | ast::ExprKind::Unknown(_) => {}
            ast::ExprKind::If { test_expr, then_expr, else_expr } => {
                [test_expr, then_expr, else_expr].into_iter().for_each(|expr| push(expr));
            }
            ast::ExprKind::And { left, right } | ast::ExprKind::Or { left, right } => {
                push(left);
                push(right);
            }
            ast::ExprKind::UnaryApp { arg, .. } => push(arg),
            ast::ExprKind::BinaryApp { arg1, arg2, .. } => {
                push(arg1);
                push(arg2);
            }
            ast::ExprKind::ExtensionFunctionApp { args, .. } => args.iter().for_each(push),
            ast::ExprKind::GetAttr { expr, .. }
            | ast::ExprKind::HasAttr { expr, .. }
            | ast::ExprKind::ExtHasAttr { expr, .. }
            | ast::ExprKind::Like { expr, .. }
            | ast::ExprKind::Is { expr, .. } => push(expr),
            ast::ExprKind::Set(members) => members.iter().for_each(push),
            ast::ExprKind::Record(fields) => fields.values().for_each(push),
        }
    }
    true
}
