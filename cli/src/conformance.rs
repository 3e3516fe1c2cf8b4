//! Cases in the format of Cedar's integration tests: found, read, asked of what answers for their policies, and compared.
//!
//! A case names a policy file, an entities file and a schema file, and lists requests with the expected decision, the
//! determining policies and the erring policies. `exportgate conformance` asks compiled modules; the tests ask an
//! interpreter.

mod case;
mod report;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use exportgate::{Engine, Entities, Entity, Module, Request, RequestDecision, Response};
use exportgate_compiler::data::DataSchema;
use exportgate_compiler::{CompileErrors, CompileOptions, Format, Pack};

use crate::failure::{Exit, Failure};
use crate::{input, progress};
use case::{Answer, CaseRequest};
use report::{Answered, Mismatch, Refusal, Summary};

/// Folders within folders that are searched for cases.
const DEPTH_MAX: usize = 32;

/// What answers the requests of one case: with an answer, or with what kept it from one, which is a mismatch.
pub type Ask<'a> = Box<dyn Fn(&Request, &Entities) -> Result<Response, String> + 'a>;

/// Why nothing answers for the policies of a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// The compiler doesn't cover them; for these reasons, in Cedar's words where Cedar refused them.
    #[error("{0}")]
    Refused(CompileErrors),
    /// What should answer couldn't be made: each request of the case is a mismatch.
    #[error("{0}")]
    Failed(String),
}

/// Something that answers for policies.
pub trait Answerer: Sync {
    /// What answers for `pack`.
    ///
    /// # Errors
    ///
    /// [`NotOpened`].
    fn open(&self, pack: &Pack) -> Result<Ask<'_>, NotOpened>;
}

impl Answerer for Engine {
    /// The module that the policies compile to: each request goes through the sandbox, and nothing interprets a policy.
    fn open(&self, pack: &Pack) -> Result<Ask<'_>, NotOpened> {
        let artifact = exportgate_compiler::compile(pack, &CompileOptions::default()).map_err(NotOpened::Refused)?;
        let module = Module::load(self, &artifact.component).map_err(|error| NotOpened::Failed(error.to_string()))?;
        Ok(Box::new(move |request, entities| module.authorize(request, entities).map_err(|error| error.to_string())))
    }
}

/// Asks `answerer` about all cases at `path`, a file or a folder, on all processors; prints what came of them, as JSON where
/// that is wanted.
///
/// # Errors
///
/// [`Failure`] when a request is answered otherwise than expected, a case can't be read, or there is none.
pub fn compare(answerer: &dyn Answerer, path: &Path, json: bool) -> Result<Exit, Failure> {
    let in_folder = path.is_dir();
    let files = find(path)?;
    let bar = progress::bar(u64::try_from(files.len()).unwrap_or(u64::MAX), "cases");
    let summary = run_all(answerer, &files, in_folder, &|| bar.inc(1));
    bar.finish_and_clear();
    summary.conclude(path, in_folder, json)
}

/// The case files at `path`: itself, or all `.json` files in it and below, sorted.
///
/// # Errors
///
/// [`Failure`] when a folder can't be read.
fn find(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![(path.to_path_buf(), 0_usize)];
    while let Some((folder, depth)) = folders.pop() {
        for (name, path) in input::entries(&folder)? {
            if path.is_dir() {
                if depth >= DEPTH_MAX {
                    return Err(Failure::file(&path, format_args!("folders are nested deeper than {DEPTH_MAX}")));
                }
                folders.push((path, depth.saturating_add(1)));
            } else if name.ends_with(".json") && !name.ends_with(".entities.json") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Runs the cases in `files` on all processors; what comes of them is sorted by file.
fn run_all(answerer: &dyn Answerer, files: &[PathBuf], in_folder: bool, step: &(dyn Fn() + Sync)) -> Summary {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = run(answerer, path, in_folder);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((path, outcome));
            step();
        }
    };
    thread::scope(|scope| {
        for _ in 1..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(path, _)| *path);
    let mut summary = Summary::default();
    done.into_iter().for_each(|(_, outcome)| summary.add(outcome));
    summary
}

/// What came of one case.
#[derive(Debug)]
enum Outcome {
    /// It was asked.
    Asked {
        /// How many requests.
        requests: usize,
        /// Those that were answered otherwise than expected.
        mismatches: Vec<Mismatch>,
    },
    /// It can't be compiled.
    Refused(Refusal),
    /// The file holds no case: it is data that cases name.
    NotACase,
}

/// Reads the case at `path` and asks all its requests.
fn run(answerer: &dyn Answerer, path: &Path, in_folder: bool) -> Result<Outcome, Failure> {
    let Some(read) = case::read(path, in_folder)? else { return Ok(Outcome::NotACase) };
    let name = path.display().to_string();
    let pack = Pack::bare("conformance", &read.schema, &read.policies);
    let ask = match answerer.open(&pack) {
        Ok(ask) => Ok(ask),
        Err(NotOpened::Failed(message)) => Err(message),
        Err(NotOpened::Refused(errors)) => {
            return Ok(Outcome::Refused(Refusal {
                case: name,
                should_validate: read.case.should_validate,
                message: errors.to_string(),
                errors: errors.iter().map(ToString::to_string).collect(),
            }));
        }
    };
    let asked = ask.and_then(|ask| Asked::new(ask, &read.schema, &read.entities));
    let found = |request: &CaseRequest| match &asked {
        Ok(asked) => asked.ask(request),
        Err(message) => Err(message.clone()),
    };
    let requests = &read.case.requests;
    let mismatches = requests
        .iter()
        .enumerate()
        .filter_map(|(place, request)| Mismatch::new(&name, place, request, found(request)))
        .collect();
    Ok(Outcome::Asked { requests: requests.len(), mismatches })
}

/// The policies of a case with its data.
struct Asked<'a> {
    ask: Ask<'a>,
    schema: DataSchema,
    entities: Entities,
}

impl<'a> Asked<'a> {
    fn new(ask: Ask<'a>, schema: &str, entities: &str) -> Result<Self, String> {
        let schema = DataSchema::new(Format::Cedar, schema).map_err(|error| error.to_string())?;
        let entities = schema.entities(entities).map_err(|error| error.to_string())?.into_iter().map(|entity| Entity {
            uid: entity.uid,
            attributes: entity.attributes,
            tags: entity.tags,
            parents: entity.parents,
        });
        let entities = Entities::new(entities).map_err(|error| error.to_string())?;
        Ok(Self { ask, schema, entities })
    }

    fn ask(&self, request: &CaseRequest) -> Result<Answered, String> {
        let action = request.action.uid();
        let context = match &request.context {
            serde_json::Value::Null => "{}".to_owned(),
            context => context.to_string(),
        };
        let request = Request {
            principal: request.principal.uid().clone(),
            action: action.clone(),
            resource: request.resource.uid().clone(),
            context: self.schema.context(action, &context).map_err(|error| error.to_string())?,
        };
        let response = (self.ask)(&request, &self.entities)?;
        let ids = |ids: Vec<std::sync::Arc<str>>| -> BTreeSet<String> { ids.iter().map(ToString::to_string).collect() };
        Ok(Answered {
            decision: match response.decision {
                RequestDecision::Allow => Answer::Allow,
                RequestDecision::Deny => Answer::Deny,
            },
            reason: ids(response.determining),
            errors: ids(response.erring),
        })
    }
}
