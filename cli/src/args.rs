//! The command line: what may be typed, and the text of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What the exit codes mean, shown by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; `evaluate`: the job is allowed
  1  `evaluate`: the job is denied
  2  `evaluate`: challenge, the job would be allowed if somebody did more
  3  something given can't be used: arguments, files, policies, modules, jobs
  4  something found isn't what was expected: a case of `test`, a request of `conformance`
  5  a result couldn't be written";

/// Decides which agent may export which fields for which customers.
///
/// Policies are written in Cedar, kept in a pack (a folder with `pack.toml`), and compiled to one sandboxed WebAssembly
/// component, which a support tool asks before anything leaves.
#[derive(Debug, Parser)]
#[command(name = "exportgate", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile a pack to a component.
    Build(Build),
    /// Check a pack without writing anything, and show every error and warning where it stands.
    Check(Check),
    /// Run the cases of a pack and compare the decisions with the expected ones.
    Test(Test),
    /// Show what a component says of itself, without running it.
    Inspect(Inspect),
    /// Ask a component about one job.
    #[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
    Evaluate(Evaluate),
    /// Play the incidents of a pack, and honest work beside them, against its policies.
    Replay(Replay),
    /// Make a new pack that passes `check` and `test`.
    Init(Init),
    /// Run cases in the format of Cedar's integration tests through compiled modules.
    Conformance(Conformance),
}

/// `exportgate build`.
#[derive(Debug, Args)]
pub struct Build {
    /// The folder of the pack, or of a guest crate: one with `policy.toml`, written in Rust.
    pub pack: PathBuf,
    /// Don't compile the policies: put them into this core module of `guest-policies/cedar-interpreter`, which interprets
    /// them. Slower by far; for comparing.
    #[arg(long, value_name = "FILE")]
    pub interpreter: Option<PathBuf>,
    /// Don't run cargo: make the component of this core module, built from C or anything else, with the manifest that the
    /// folder's `policy.toml` gives.
    #[arg(long, value_name = "FILE", conflicts_with = "interpreter")]
    pub core: Option<PathBuf>,
    /// The component to write. It replaces what is there, and only when all went well.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `exportgate check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder of the pack.
    pub pack: PathBuf,
}

/// `exportgate test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The folder of the pack; its cases are in `cases/`.
    pub pack: PathBuf,
    /// Run only cases whose file name contains this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}

/// `exportgate inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The component.
    pub component: PathBuf,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The component.
    pub component: PathBuf,
    /// The job: who asks for which fields of which customers, and the facts about them.
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// Customers as a table: a column `id`, a column for each attribute, and if wanted a column `ticket`.
    #[arg(long, value_name = "FILE")]
    pub customers: Option<PathBuf>,
    /// Print the decision as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The folder of the pack; its incidents are in `replays/`. Without it: `guest-policies/support-desk`.
    pub pack: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
    /// Draw the customers taken and let out over time.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Keep the ledgers in this folder, and go on from those that are there: a replay that was cut off ends with the same
    /// table. Without it, they are removed in the end.
    #[arg(long, value_name = "FOLDER")]
    pub ledgers: Option<PathBuf>,
    /// Play only incidents whose id contains this. Honest work is played all the same.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}

/// `exportgate init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder to make, or an empty one.
    pub dir: PathBuf,
    /// Make a guest crate: a policy module written in Rust, without Cedar.
    #[arg(long)]
    pub rust: bool,
    /// Where the crate `exportgate-sdk` lies, for a guest crate. Without it, the registry is asked for it.
    #[arg(long, value_name = "FOLDER", requires = "rust")]
    pub sdk: Option<PathBuf>,
}

/// `exportgate conformance`.
#[derive(Debug, Args)]
pub struct Conformance {
    /// A case, or a folder with cases. Paths in a case are relative to a folder above it, or to its own.
    pub path: PathBuf,
    /// Print the mismatches and refusals as JSON.
    #[arg(long)]
    pub json: bool,
}
