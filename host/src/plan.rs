//! What is worked out of a manifest once, when a module is loaded, so that asking needs only look it up.

use std::hash::RandomState;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use exportgate_contract::manifest::{Axis, Effect, Manifest, Question, Read, Term};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::CUSTOMER;
use hashbrown::HashMap;

use crate::entities::UidRef;
use crate::frame::sheet::Sheet;
use crate::frame::symbols::Constants;
use crate::manifest_check::term_axes;
use crate::manifest_error::ManifestError;

/// Terms that the questions of a module read, added up: listing them must stay a matter of milliseconds.
const QUESTION_TERMS_MAX: usize = 1 << 22;

/// A number of the manifest as a position in a list.
pub(crate) fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A manifest, with what is worked out of it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) manifest: Manifest,
    /// The axis of each term.
    pub(crate) term_axes: Vec<Axis>,
    /// The symbols of the manifest, for looking up.
    pub(crate) constants: Constants,
    /// For each question the terms that its facts are made of, ascending.
    pub(crate) question_terms: Vec<Vec<u32>>,
    /// For each question whether it reads facts of rows or cells.
    reads_rows: Vec<bool>,
    /// The ids of the policies.
    pub(crate) policy_ids: Vec<Arc<str>>,
    /// Which policies forbid.
    pub(crate) forbids: Vec<bool>,
    /// Whether a constant is a customer.
    pub(crate) names_customers: bool,
    /// For each question, once it is asked by itself, what it reads.
    sheets: Vec<OnceLock<Sheet>>,
    /// Where the facts of each axis stand among all: job, row, column, cell.
    axis_facts: [Range<usize>; 4],
    /// The questions by action, which few have in common.
    questions: HashMap<EntityUid, Vec<u32>, RandomState>,
}

impl Plan {
    /// Works out a manifest that was checked.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Limit`] when its questions read so many terms that even listing them is too much.
    pub(crate) fn new(manifest: Manifest) -> Result<Self, ManifestError> {
        let question_terms = question_terms(&manifest)?;
        let mut questions: HashMap<EntityUid, Vec<u32>, RandomState> = HashMap::default();
        for (position, question) in (0_u32..).zip(&manifest.questions) {
            questions.entry(question.action.clone()).or_default().push(position);
        }
        let count_to = |last: Axis| manifest.facts.partition_point(|fact| fact.axis <= last);
        let ends = [count_to(Axis::Job), count_to(Axis::Row), count_to(Axis::Column), count_to(Axis::Cell)];
        let [job, row, column, cell] = ends;
        let reads_rows = manifest.questions.iter().map(|question| {
            question.facts.iter().any(|fact| {
                let fact = usize::try_from(*fact).unwrap_or(usize::MAX);
                (job..row).contains(&fact) || (column..cell).contains(&fact)
            })
        });
        Ok(Self {
            term_axes: term_axes(&manifest),
            constants: Constants::new(&manifest.symbols),
            question_terms,
            reads_rows: reads_rows.collect(),
            policy_ids: manifest.policies.iter().map(|policy| Arc::from(policy.id.as_str())).collect(),
            forbids: manifest.policies.iter().map(|policy| policy.effect == Effect::Forbid).collect(),
            names_customers: manifest.symbols.iter().any(is_customer),
            sheets: manifest.questions.iter().map(|_| OnceLock::new()).collect(),
            axis_facts: [0..job, job..row, row..column, column..cell],
            questions,
            manifest,
        })
    }

    /// Where the facts of `axis` stand among all facts.
    pub(crate) fn axis_facts(&self, axis: Axis) -> Range<usize> {
        let [job, row, column, cell] = &self.axis_facts;
        match axis {
            Axis::Job => job,
            Axis::Row => row,
            Axis::Column => column,
            Axis::Cell => cell,
        }
        .clone()
    }

    /// What the question at `number` reads by itself.
    pub(crate) fn sheet(&self, number: u32) -> Option<&Sheet> {
        Some(self.sheets.get(position(number))?.get_or_init(|| Sheet::new(self, &[number])))
    }

    /// Whether the question at `number` looks at all rows in one answer.
    pub(crate) fn reads_all_rows(&self, number: u32) -> bool {
        let by_row = self.manifest.questions.get(position(number)).is_some_and(varies_by_row);
        !by_row && self.reads_rows.get(position(number)).copied().unwrap_or(true)
    }

    /// The question with this action, and principal and resource of these types.
    pub(crate) fn question(&self, action: &EntityUid, principal: &str, resource: &str) -> Option<u32> {
        self.questions.get(&UidRef::from(action))?.iter().copied().find(|position| {
            usize::try_from(*position)
                .ok()
                .and_then(|position| self.manifest.questions.get(position))
                .is_some_and(|question| *question.principal == *principal && *question.resource == *resource)
        })
    }
}

/// Whether a question is answered for each row.
pub(crate) fn varies_by_row(question: &Question) -> bool {
    matches!(question.axis, Axis::Row | Axis::Cell)
}

fn is_customer(value: &Value) -> bool {
    matches!(value, Value::Entity(uid) if *uid.entity_type == *CUSTOMER)
}

/// For each question the terms that its facts are made of, ascending.
fn question_terms(manifest: &Manifest) -> Result<Vec<Vec<u32>>, ManifestError> {
    let mut left = QUESTION_TERMS_MAX;
    let mut all = Vec::with_capacity(manifest.questions.len());
    for question in &manifest.questions {
        let terms = terms_of(manifest, &question.facts, left).ok_or(ManifestError::Limit {
            what: "terms over all questions",
            found: QUESTION_TERMS_MAX.saturating_add(1),
            limit: QUESTION_TERMS_MAX,
        })?;
        left = left.saturating_sub(terms.len());
        all.push(terms);
    }
    Ok(all)
}

/// The terms that `facts` are made of, ascending; none when there are more than `limit`.
fn terms_of(manifest: &Manifest, facts: &[u32], limit: usize) -> Option<Vec<u32>> {
    let mut open: Vec<u32> = Vec::new();
    for fact in facts {
        let fact = usize::try_from(*fact).ok().and_then(|fact| manifest.facts.get(fact));
        match fact.map(|fact| &fact.read) {
            Some(Read::Value(term) | Read::State(term) | Read::Above { of: term }) => open.push(*term),
            Some(Read::In { left, right }) => open.extend([*left, *right]),
            Some(Read::HasTag { of, key }) => open.extend([*of, *key]),
            None => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    while let Some(term) = open.pop() {
        if !seen.insert(term) {
            continue;
        }
        if seen.len() > limit {
            return None;
        }
        match usize::try_from(term).ok().and_then(|term| manifest.terms.get(term)) {
            Some(Term::Attribute { of, .. }) => open.push(*of),
            Some(Term::Tag { of, key }) => open.extend([*of, *key]),
            Some(Term::Input(_) | Term::Symbol(_)) | None => {}
        }
    }
    Some(seen.into_iter().collect())
}
