//! What may be typed after `exportgate audit`, `exposure` and `trace`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use exportgate::job_file::parse_datetime;

use super::WithConfig;
use crate::failure::Failure;

/// `exportgate audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Make keys for a log: one that signs checkpoints, and one under which customers are hashed.
    Keys(Keys),
    /// Verify the whole log, and name what is wrong with it.
    Verify(Verify),
    /// Show entries.
    Show(Show),
    /// Prove that an entry is in the log: print a receipt, which anybody can check without the log.
    Prove(Prove),
    /// Check a receipt, with nothing but the log's public key.
    VerifyReceipt(VerifyReceipt),
    /// Sign how large the log is and what is in it. Send the checkpoint away: what it covers can't be rewritten unseen.
    Checkpoint(WithConfig),
    /// Print the log as events for a SIEM, a line each.
    Export(Export),
    /// Drop entries of before a day, for good: nobody can ask about them any more. What is left is verified as before.
    Prune(Prune),
    /// Go on with another key.
    #[command(subcommand)]
    Rotate(RotateCommand),
}

/// `exportgate audit prune`.
#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    pub with: WithConfig,
    /// Entries of before this day or time go: `2026-03-01`, `2026-03-01T09:30:00Z`.
    #[arg(long, value_name = "TIME")]
    pub before: String,
    /// Why, for those who look at the log.
    #[arg(long, value_name = "TEXT", default_value = "retention")]
    pub reason: String,
}

/// `exportgate audit rotate`.
#[derive(Debug, Subcommand)]
pub enum RotateCommand {
    /// Make another key that signs checkpoints; the one before hands over to it in the log.
    Signing(RotateSigning),
    /// Make another key under which customers are hashed, of the next epoch, and announce it in the log.
    Customers(RotateCustomers),
}

/// `exportgate audit rotate signing`.
#[derive(Debug, Args)]
pub struct RotateSigning {
    #[command(flatten)]
    pub with: WithConfig,
    /// The file for the new key, which isn't there yet; beside the configuration.
    #[arg(long, value_name = "FILE", default_value = "audit-next.key")]
    pub to: PathBuf,
}

/// `exportgate audit rotate customers`.
#[derive(Debug, Args)]
pub struct RotateCustomers {
    #[command(flatten)]
    pub with: WithConfig,
}

/// `exportgate audit keys`.
#[derive(Debug, Args)]
pub struct Keys {
    /// The name of the log: `log.example/support-desk`. It is in every checkpoint.
    pub origin: String,
    /// The folder to write `audit.key` and `audit-customers-EPOCH.key` to. What is there already stays.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
    /// The number of the customer key: one more than the last, for a new one.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub epoch: u32,
}

/// `exportgate audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    pub with: WithConfig,
    /// A checkpoint kept elsewhere. It finds what those beside the log can't: that both were rewritten.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// A public key to trust beside those of the configuration: of the log or of a witness.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate audit show`.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub with: WithConfig,
    /// From this index on.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
    /// At most so many entries.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub max: u64,
    /// Only those about this job.
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,
    /// Only decisions about jobs of this agent.
    #[arg(long, value_name = "ID")]
    pub agent: Option<String>,
    /// Print each entry as JSON, a line each, with all that it holds.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate audit prove`.
#[derive(Debug, Args)]
pub struct Prove {
    #[command(flatten)]
    pub with: WithConfig,
    /// The index of the entry, or the id of a job, whose decision is meant.
    pub id: String,
    /// Prove it under this checkpoint. Without it: the last one beside the log.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Write the receipt here instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `exportgate audit verify-receipt`.
#[derive(Debug, Args)]
pub struct VerifyReceipt {
    /// The receipt.
    pub receipt: PathBuf,
    /// The public key of the log, and those of witnesses; from somebody you trust, not from whoever gave the receipt.
    #[arg(long, value_name = "KEY", required = true)]
    pub key: Vec<String>,
    /// How many of the witnesses given must have signed.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub witnesses: usize,
    /// Print the entry as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate audit export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub with: WithConfig,
    /// In the Open Cybersecurity Schema Framework, 1.8.0.
    #[arg(long, required = true)]
    pub ocsf: bool,
    /// From this index on.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
}

/// From when to when.
#[derive(Debug, Args)]
pub struct Span {
    /// From this day or time on: `2026-03-01`, `2026-03-01T09:30:00Z`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Until this day (its end) or time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `exportgate exposure`.
#[derive(Debug, Args)]
pub struct Exposure {
    #[command(flatten)]
    pub with: WithConfig,
    /// What this agent took. Without it: what anybody did.
    #[arg(long, value_name = "ID")]
    pub agent: Option<String>,
    #[command(flatten)]
    pub span: Span,
    /// All customers, a CSV file with a column `id`: those of them who were exposed are listed. Without it there are counts, and
    /// hashes with `--json`.
    #[arg(long, value_name = "FILE")]
    pub customers: Option<PathBuf>,
    /// Draw the customers taken a day; without `--agent`, of those who took most.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `exportgate trace`.
#[derive(Debug, Args)]
pub struct Trace {
    #[command(flatten)]
    pub with: WithConfig,
    /// The customers whose data turned up, a CSV file with a column `id`, and if wanted a column `canary` (`true`, `false`).
    #[arg(long, value_name = "FILE")]
    pub customers: PathBuf,
    #[command(flatten)]
    pub span: Span,
    /// How many customers the leaked ones may have been drawn from. Without it: all that the log saw taken, which judges more
    /// cautiously.
    #[arg(long, value_name = "NUMBER")]
    pub population: Option<u64>,
    /// Draw the customers that the first suspects took a day, the leaked ones marked.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl Span {
    /// From when on, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it isn't a time.
    pub fn since_ms(&self) -> Result<Option<i64>, Failure> {
        self.since.as_ref().map(|text| time("--since", text)).transpose()
    }

    /// Until when, in milliseconds since 1970: of a day its last.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it isn't a time.
    pub fn until_ms(&self) -> Result<Option<i64>, Failure> {
        let Some(text) = &self.until else { return Ok(None) };
        let found = time("--until", text)?;
        Ok(Some(if text.contains('T') { found } else { found.saturating_add(DAY_MS - 1) }))
    }
}

/// The time that was typed, in milliseconds since 1970.
///
/// # Errors
///
/// [`Failure`] when it isn't one.
pub fn time(option: &str, text: &str) -> Result<i64, Failure> {
    parse_datetime(text).ok_or_else(|| {
        Failure::input(format!("`{option} {text}` isn't a time")).help("write `2026-03-01` or `2026-03-01T09:30:00Z`")
    })
}
