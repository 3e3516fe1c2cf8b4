//! `exportgate conformance`: runs Cedar's cases through compiled modules, on all processors.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use exportgate::{Engine, EngineConfig};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::Conformance;
use crate::conformance::{self, Mismatch, Outcome, Refusal};
use crate::failure::{Exit, Failure};
use crate::{output, progress};

/// How many mismatches, and how many refusals, are shown to people; `--json` lists all.
const SHOWN_MAX: usize = 20;

/// What came of all cases: what `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Summary {
    cases: usize,
    requests: usize,
    mismatches: Vec<Mismatch>,
    refused: Vec<Refusal>,
    unreadable: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Conformance) -> Result<Exit, Failure> {
    let in_folder = args.path.is_dir();
    let files = conformance::find(&args.path)?;
    let engine = Engine::new(&EngineConfig::default()).map_err(|error| Failure::input(error.to_string()))?;
    let bar = progress::bar(u64::try_from(files.len()).unwrap_or(u64::MAX), "cases");
    let summary = run_all(&engine, &files, in_folder, &bar);
    bar.finish_and_clear();
    if summary.cases == 0 && summary.unreadable.is_empty() {
        return Err(Failure::file(&args.path, "it holds no case")
            .help("a case is a JSON file with `policies`, `entities`, `schema` and `requests`"));
    }
    if let (false, Some(message)) = (in_folder, summary.unreadable.first()) {
        return Err(Failure::input(message));
    }
    if args.json {
        let json = serde_json::to_string_pretty(&summary).map_err(|error| Failure::output(error.to_string()))?;
        output::print(&json)?;
    } else {
        show(&summary)?;
    }
    match (summary.mismatches.len(), summary.unreadable.len()) {
        (0, 0) => Ok(Exit::Done),
        (0, unreadable) => Err(Failure::input(format!("{unreadable} cases can't be read, so they weren't run"))),
        (mismatches, _) => {
            Err(Failure::differs(format!("{mismatches} requests were answered otherwise than expected")))
        }
    }
}

/// Runs the cases in `files` on all processors; what comes of them is sorted by file.
fn run_all(engine: &Engine, files: &[PathBuf], in_folder: bool, bar: &ProgressBar) -> Summary {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = conformance::run(engine, path, in_folder);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((path, outcome));
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 1..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(path, _)| *path);
    let mut summary = Summary::default();
    for (_, outcome) in done {
        match outcome {
            Ok(Outcome::Asked { requests, mismatches }) => {
                summary.cases = summary.cases.saturating_add(1);
                summary.requests = summary.requests.saturating_add(requests);
                summary.mismatches.extend(mismatches);
            }
            Ok(Outcome::Refused(refusal)) => {
                summary.cases = summary.cases.saturating_add(1);
                summary.refused.push(refusal);
            }
            Ok(Outcome::NotACase) => {}
            Err(failure) => summary.unreadable.push(failure.message().to_owned()),
        }
    }
    summary
}

fn show(summary: &Summary) -> Result<(), Failure> {
    for mismatch in summary.mismatches.iter().take(SHOWN_MAX) {
        output::print(&format!(
            "mismatch  {} request {} ({})\n  expected  {}\n  found     {}",
            mismatch.case, mismatch.request, mismatch.description, mismatch.expected, mismatch.found
        ))?;
    }
    for refusal in summary.refused.iter().take(SHOWN_MAX) {
        output::print(&format!("refused   {}\n  {}", refusal.case, refusal.message.replace('\n', "\n  ")))?;
    }
    for message in summary.unreadable.iter().take(SHOWN_MAX) {
        output::print(&format!("unreadable  {message}"))?;
    }
    let lists = [summary.mismatches.len(), summary.refused.len(), summary.unreadable.len()];
    let hidden: usize = lists.iter().map(|length| length.saturating_sub(SHOWN_MAX)).sum();
    if hidden > 0 {
        output::print(&format!("and {hidden} more; `--json` lists all"))?;
    }
    let surprising = summary.refused.iter().filter(|refusal| refusal.should_validate).count();
    if surprising > 0 {
        output::print(&format!("{surprising} of the refused cases say of themselves that they are valid"))?;
    }
    output::print(&format!(
        "requests {}, mismatches {}, refused {}",
        summary.requests,
        summary.mismatches.len(),
        summary.refused.len()
    ))
}
