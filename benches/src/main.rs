//! Prints the speed table: every target, what is measured, the ratio to each peer, and whether the target is met.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use exportgate::{Decision, Gate, Job, PreparedRequest, Response};
use exportgate_benches::reference::{NOW_MS, small_job};
use exportgate_benches::rows::{Bench, PARTS};
use exportgate_benches::table::Row;
use exportgate_benches::{curves, document, stages, table};

/// Measures exportgate beside its peers, and prints the table.
///
/// Every engine first answers as cedar-policy does, or nothing is timed. Engines of one row take turns. Takes about three
/// minutes once everything is built; the first run builds the peers, and Cedar for Wasm.
#[derive(Parser)]
#[command(name = "exportgate-benches")]
struct Args {
    /// As an array of objects: row, target, measured, unit, ratios, met.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As a table of a Markdown document.
    #[arg(long)]
    markdown: bool,
    /// Only the parts whose name holds this text.
    #[arg(long, default_value = "", value_parser = part)]
    only: String,
    /// Milliseconds that each engine of a row gets.
    #[arg(long, global = true, default_value_t = 800)]
    each_ms: u64,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Draws how cost grows, as SVG.
    Curves {
        /// The folder for the pictures.
        #[arg(long)]
        out: PathBuf,
    },
    /// Prints where the time of one decision goes; needs Valgrind.
    Stages,
    /// Measures, and writes table and stages into `README.md` and `docs/performance.md` of the checkout.
    Write,
    /// Decides one job again and again: what a profiler looks at.
    Loop {
        /// How often.
        #[arg(long)]
        count: u64,
        /// Asks one prepared question instead.
        #[arg(long)]
        question: bool,
    },
}

fn main() {
    let args = Args::parse();
    let bench = Bench::new(Duration::from_millis(args.each_ms));
    match &args.command {
        None => print_table(&args, &bench),
        Some(Command::Curves { out }) => curves::draw(&bench, out).unwrap(),
        Some(Command::Stages) => match stages::markdown(&std::env::current_exe().unwrap()) {
            Some(table) => print!("{table}"),
            None => panic!("there is no `valgrind` here"),
        },
        Some(Command::Write) if !args.only.is_empty() => {
            let why = "`write` replaces the whole table: leave `--only` away";
            Args::command().error(clap::error::ErrorKind::ArgumentConflict, why).exit()
        }
        Some(Command::Write) => {
            let rows = measure(&args, &bench);
            let stages = stages::markdown(&std::env::current_exe().unwrap());
            let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            document::write(&checkout, &rows, stages.as_deref()).unwrap();
        }
        Some(Command::Loop { count, question: true }) => {
            let prepared = exportgate_benches::question::prepared_alone();
            let mut response = prepared.authorize().unwrap();
            for _ in 0..*count {
                answer_once(&prepared, &mut response);
            }
        }
        Some(Command::Loop { count, question: false }) => {
            let gate = stages::small_gate();
            let job = small_job(&gate);
            for _ in 0..10 {
                assert!(gate.evaluate_at(&job, NOW_MS).is_allow());
            }
            for _ in 0..*count {
                std::hint::black_box(decide_once(&gate, &job));
            }
        }
    }
}

/// A function of its own, so that a profiler can be told to look at nothing else.
#[inline(never)]
fn decide_once(gate: &Gate, job: &Job) -> Decision {
    gate.evaluate_at(job, NOW_MS)
}

/// As [`decide_once`].
#[inline(never)]
fn answer_once(prepared: &PreparedRequest, response: &mut Response) {
    prepared.authorize_into(response).unwrap();
}

/// Text that is in the name of a part.
fn part(text: &str) -> Result<String, String> {
    if PARTS.iter().any(|part| part.name.contains(text)) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    Err(format!("no part has it in its name; there are {}", names.join(", ")))
}

fn measure(args: &Args, bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for part in PARTS.iter().filter(|part| part.name.contains(&args.only)) {
        eprintln!("measuring {} ...", part.name);
        rows.extend((part.measure)(bench));
    }
    rows
}

fn print_table(args: &Args, bench: &Bench) {
    let rows = measure(args, bench);
    if args.json {
        println!("{:#}", table::json(&rows));
    } else if args.markdown {
        print!("{}", table::markdown(&rows));
    } else {
        println!("{}", table::text(&rows));
        println!("times as long: how many times the time of exportgate each peer took, in the same run");
    }
}
