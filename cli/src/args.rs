//! The command line: what may be typed, and the text of `--help`.

pub mod audit;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What the exit codes mean, shown by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; `evaluate`, `ask`: the job is allowed; `release`: it left
  1  `evaluate`, `ask`, `release`: the job is denied; `use`, `release`: it may not leave; `approvals`: this person may
     not answer
  2  `evaluate`, `ask`, `release`: challenge, the job would be allowed if somebody did more
  3  something given can't be used: arguments, files, policies, modules, jobs, a ledger or its key
  4  something found isn't what was expected: a case of `test`, a request of `conformance`, a count of `ledger verify`,
     the log of `audit verify`, a receipt
  5  a result couldn't be written, or the ledger's store is down";

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
    /// Ask whether a job may leave, and reserve what may, in the ledger.
    #[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
    Ask(Ask),
    /// Use the permit that `ask` gave, right before anything leaves: it says whether it still may.
    Use(Use),
    /// State what of a job left; the rest is given back.
    Commit(Commit),
    /// State that nothing of a job left; all of it is given back.
    Cancel(Cancel),
    /// Ask whether a job may leave, and release the rows of a file: each field in its form, with watermark, and on record.
    #[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
    Release(Release),
    /// Disable an agent: every ask is denied from now on, and permits already given release nothing.
    Revoke(Revoke),
    /// Enable an agent again.
    Reinstate(Reinstate),
    /// List the agents that are revoked.
    Revocations(Revocations),
    /// Request approvals of a job, and answer requests.
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// List and close what was let out on condition that somebody looks at it, such as break-glass.
    #[command(subcommand)]
    Reviews(ReviewsCommand),
    /// Make, look at and check the ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Verify, show, prove and sign the audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Ask the audit log what an agent took: which customers, which fields, where to.
    Exposure(audit::Exposure),
    /// Ask the audit log whose takings explain that these customers' data turned up.
    Trace(audit::Trace),
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

/// Which configuration.
#[derive(Debug, Args)]
pub struct WithConfig {
    /// The configuration: it pins the modules, which lie beside it as `NAME.wasm`, and names the ledger.
    #[arg(long, value_name = "FILE", default_value = "exportgate.toml")]
    pub config: PathBuf,
}

/// `exportgate ask`.
#[derive(Debug, Args)]
pub struct Ask {
    #[command(flatten)]
    pub with: WithConfig,
    /// The job: who asks for which fields of which customers, and the facts about them; without time, usage and
    /// approvals, which the ledger states.
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// Customers as a table: a column `id`, a column for each attribute, and if wanted a column `ticket`.
    #[arg(long, value_name = "FILE")]
    pub customers: Option<PathBuf>,
    /// Print the decision and the permit as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate use`.
#[derive(Debug, Args)]
pub struct Use {
    #[command(flatten)]
    pub with: WithConfig,
    /// The permit, as `ask` printed it.
    pub permit: String,
}

/// `exportgate commit`.
#[derive(Debug, Args)]
pub struct Commit {
    #[command(flatten)]
    pub with: WithConfig,
    /// The id of the job.
    pub job: String,
    /// The customers that left, an id a line. Without it: all that were reserved.
    #[arg(long, value_name = "FILE")]
    pub left: Option<PathBuf>,
}

/// `exportgate cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    #[command(flatten)]
    pub with: WithConfig,
    /// The id of the job.
    pub job: String,
}

/// `exportgate release`.
#[derive(Debug, Args)]
pub struct Release {
    #[command(flatten)]
    pub with: WithConfig,
    /// The job, as for `ask`. One that was asked before, and whose permit wasn't used, can be released under its id.
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// Customers as a table, as for `ask`.
    #[arg(long, value_name = "FILE")]
    pub customers: Option<PathBuf>,
    /// The rows: a file that ends in `.csv`, `.parquet`, `.sqlite`, `.sqlite3` or `.db`, with a row for each customer of the job
    /// (or for fewer), and a column for each field. Other columns stay.
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// The file to write, in the format of its ending. There must be nothing yet; it is there only when all of it left.
    #[arg(long = "out", value_name = "FILE")]
    pub output: PathBuf,
    /// The table of a SQLite file. Without it: the only one.
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// The column with the customer's id, as the job has it.
    #[arg(long, value_name = "NAME", default_value = "id")]
    pub customer_column: String,
    /// The column of a field, where it isn't named as the field.
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub column: Vec<String>,
    /// What whoever runs this command carries out: `alert`, `notify`, `retain`, with commas between. A decision that demands
    /// one that isn't named releases nothing.
    #[arg(long, value_name = "OBLIGATIONS", value_delimiter = ',')]
    pub carry_out: Vec<String>,
    /// Print the decision and what left as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    #[command(flatten)]
    pub with: WithConfig,
    /// The agent's id, as jobs have it: `ana`.
    pub agent: String,
    /// Why, for those who look at the list.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// `exportgate reinstate`.
#[derive(Debug, Args)]
pub struct Reinstate {
    #[command(flatten)]
    pub with: WithConfig,
    /// The agent's id.
    pub agent: String,
    /// Why, for those who look at the audit log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// `exportgate revocations`.
#[derive(Debug, Args)]
pub struct Revocations {
    #[command(flatten)]
    pub with: WithConfig,
    /// Print the list as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate approvals`.
#[derive(Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// File a request for approvals of exactly this job.
    Request(Requested),
    /// Approve a request, as the user who runs this command.
    Approve(Answered),
    /// Deny a request, as the user who runs this command.
    Deny(Answered),
    /// List the requests that can be answered.
    List(Listed),
}

/// `exportgate approvals request`.
#[derive(Debug, Args)]
pub struct Requested {
    #[command(flatten)]
    pub with: WithConfig,
    /// The job.
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// Customers as a table, as for `ask`.
    #[arg(long, value_name = "FILE")]
    pub customers: Option<PathBuf>,
}

/// `exportgate approvals approve` and `deny`.
#[derive(Debug, Args)]
pub struct Answered {
    #[command(flatten)]
    pub with: WithConfig,
    /// The number of the request.
    pub request: i64,
}

/// `list` of approvals and reviews.
#[derive(Debug, Args)]
pub struct Listed {
    #[command(flatten)]
    pub with: WithConfig,
    /// List those that are over, too.
    #[arg(long)]
    pub all: bool,
    /// Print the list as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate reviews`.
#[derive(Debug, Subcommand)]
pub enum ReviewsCommand {
    /// List what waits for review.
    List(Listed),
    /// Close a review, as the user who runs this command.
    Close(Closed),
}

/// `exportgate reviews close`.
#[derive(Debug, Args)]
pub struct Closed {
    #[command(flatten)]
    pub with: WithConfig,
    /// The number of the review.
    pub review: i64,
}

/// `exportgate ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Make the ledger that the configuration names, and a key if there is none.
    Init(WithConfig),
    /// Show what is in the ledger.
    Status(WithConfig),
    /// Check the whole ledger: that it is undamaged, and that every count equals what was granted. It reads everything.
    Verify(WithConfig),
    /// Declare the windows of the modules where the ledger can't count one exactly yet.
    Declare(Declared),
}

/// `exportgate ledger declare`.
#[derive(Debug, Args)]
pub struct Declared {
    #[command(flatten)]
    pub with: WithConfig,
    /// Count from now on: a new window counts too few until its length has passed.
    #[arg(long)]
    pub count_from_now: bool,
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
