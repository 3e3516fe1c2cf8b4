//! `exportgate evaluate`: asks a component about one job, without recording anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use exportgate::job_file::{self, JobFile};
use exportgate::{
    Cause, Decision, Engine, Form, Gate, GateConfig, MemoryWindows, Module, ModuleInfo, PolicyUse, Verdict,
};
use exportgate_contract::limits::CUSTOMERS_PER_JOB_MAX;
use exportgate_contract::manifest::Effect;
use serde::Serialize;

use crate::args::Evaluate;
use crate::case::ObligationNames;
use crate::failure::{Exit, Failure};
use crate::input::{self, CUSTOMERS_FILE_BYTES_MAX, JOB_FILE_BYTES_MAX, MODULE_FILE_BYTES_MAX};
use crate::output::{self, count};
use crate::setup::now_ms;

/// Customers that the table for people shows; `--json` has all.
const CUSTOMERS_SHOWN_MAX: usize = 20;

/// Runs the command.
pub fn run(args: &Evaluate) -> Result<Exit, Failure> {
    let bytes = input::read(&args.component, MODULE_FILE_BYTES_MAX)?;
    let config = GateConfig::dry_run();
    let engine = Engine::new(&config.engine).map_err(|error| Failure::input(error.to_string()))?;
    let module =
        Module::load(&engine, &bytes).map_err(|error| Failure::file(&args.component, &error).help(error.help()))?;
    let file = read_job(&args.job, args.customers.as_deref(), &module)?;
    let gate = Gate::new(&engine, config, vec![module], Arc::new(MemoryWindows::new()))
        .map_err(|error| Failure::file(&args.component, error))?;
    let now_ms = file.now_ms.unwrap_or_else(now_ms);
    let decision = gate.evaluate_file(&file, now_ms);
    if let Some(Cause::Job(error)) = decision.cause() {
        return Err(Failure::file(&args.job, error));
    }
    if args.json {
        let json = Json::new(&file, &decision);
        let json = serde_json::to_string_pretty(&json).map_err(|error| Failure::output(error.to_string()))?;
        output::print(&json)?;
    } else {
        show(&file, &decision)?;
    }
    Ok(match decision.verdict() {
        Verdict::Allow => Exit::Done,
        Verdict::Deny => Exit::Deny,
        Verdict::Challenge(_) => Exit::Challenge,
    })
}

/// The job of the file, with the customers of the table if one is named.
pub(super) fn read_job(job: &Path, customers: Option<&Path>, module: &Module) -> Result<JobFile, Failure> {
    let schema = &module.manifest().schema.types;
    let text = input::read_text(job, JOB_FILE_BYTES_MAX)?;
    let Some(path) = customers else {
        return job_file::read(schema, &text).map_err(|error| Failure::file(job, error));
    };
    let (header, rows) = read_table(path)?;
    job_file::read_with_table(schema, &text, &header, &rows)
        .map_err(|error| Failure::file(job, error).help(format!("`table` is `{}`", path.display())))
}

/// The header and the rows of a table of customers.
fn read_table(path: &Path) -> Result<(Vec<String>, Vec<Vec<String>>), Failure> {
    let text = input::read_text(path, CUSTOMERS_FILE_BYTES_MAX)?;
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = cells(reader.headers().map_err(|error| Failure::file(path, error))?);
    let mut rows = Vec::new();
    for record in reader.records() {
        if rows.len() >= CUSTOMERS_PER_JOB_MAX {
            return Err(Failure::file(path, format_args!("it has more than {CUSTOMERS_PER_JOB_MAX} customers"))
                .help("ask for fewer customers at once"));
        }
        rows.push(cells(&record.map_err(|error| Failure::file(path, error))?));
    }
    Ok((header, rows))
}

/// Shows the decision to a person.
pub(super) fn show(file: &JobFile, decision: &Decision) -> Result<(), Failure> {
    let verdict = match decision.verdict() {
        Verdict::Allow => console::style("ALLOW".to_owned()).green(),
        Verdict::Deny => console::style("DENY".to_owned()).red(),
        Verdict::Challenge(remedies) => {
            let remedies: Vec<&str> = remedies.iter().map(|remedy| remedy.name()).collect();
            console::style(format!("CHALLENGE: allowed with {}", remedies.join(" and "))).yellow()
        }
    };
    output::print(&format!("{}\n", verdict.bold()))?;
    output::print_table(&facts(decision))?;
    output::print("")?;
    output::print_table(&policies(decision))?;
    if decision.is_allow() {
        output::print("")?;
        output::print_table(&forms(decision))?;
        output::print("")?;
        show_rows(file, decision)?;
    }
    Ok(())
}

/// Who asked, what was counted, what has to be done.
fn facts(decision: &Decision) -> comfy_table::Table {
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    fact("job", decision.job().to_owned());
    fact("agent", decision.agent().id.to_string());
    fact("at", job_file::print_datetime(decision.now_ms()));
    if let Some(cause) = decision.cause() {
        fact("cause", cause.to_string());
    }
    let included = decision.customers_included();
    fact("customers", format!("{included} of {} leave", decision.customers()));
    let counts = |counts: &[(Arc<str>, u64)]| {
        counts.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect::<Vec<_>>().join(", ")
    };
    if !decision.usage().is_empty() {
        fact("usage", counts(decision.usage()));
    }
    if !decision.tallies().is_empty() {
        fact("tallies", counts(decision.tallies()));
    }
    let reasons: Vec<String> = decision.for_agent().reasons().iter().map(|reason| reason.to_string()).collect();
    fact("the agent sees", if reasons.is_empty() { "no reasons".to_owned() } else { reasons.join(", ") });
    fact("obligations", ObligationNames::of(decision).text());
    table
}

/// The policies that had a say.
fn policies(decision: &Decision) -> comfy_table::Table {
    let mut table = output::table(["policy", "effect", "question", "points", "controls", "incidents"]);
    output::align_right(&mut table, &[3]);
    let used = decision.policies().iter().map(|used| (used, ""));
    let erring = decision.erring().iter().map(|used| (used, " (erred)"));
    for (used, note) in used.chain(erring) {
        output::row(
            &mut table,
            [
                format!("{}{note}", used.policy.id()),
                effect_name(used.policy.effect()).to_owned(),
                used.asked.to_string(),
                count(used.points),
                used.policy.controls().join(", "),
                used.policy.incidents().join(", "),
            ],
        );
    }
    if table.row_count() == 0 {
        output::row(&mut table, ["none held".to_owned()]);
    }
    table
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

/// Each field with its form, or how many customers get each form.
fn forms(decision: &Decision) -> comfy_table::Table {
    let mut table = output::table(["field", "form"]);
    for (column, field) in decision.fields().iter().enumerate() {
        let tally = form_counts(decision, column);
        let form = match tally.as_slice() {
            [(form, _)] => form.name().to_owned(),
            tally => tally.iter().map(|(form, rows)| format!("{form} {rows}")).collect::<Vec<_>>().join(", "),
        };
        output::row(&mut table, [field.to_string(), form]);
    }
    table
}

/// The forms in which a field leaves, the most revealing first, and for how many customers each.
fn form_counts(decision: &Decision, column: usize) -> Vec<(Form, usize)> {
    if let Some(form) = decision.forms_of_all().and_then(|forms| forms.get(column)) {
        return vec![(*form, decision.customers_included())];
    }
    let leaving = || (0..decision.customers()).filter(|row| decision.includes(*row));
    [Form::Plain, Form::Partial, Form::Token, Form::Suppressed]
        .into_iter()
        .map(|form| (form, leaving().filter(|row| decision.form(*row, column) == form).count()))
        .filter(|(_, rows)| *rows > 0)
        .collect()
}

/// The customers that stay behind; where forms vary, also those that leave.
fn show_rows(file: &JobFile, decision: &Decision) -> Result<(), Failure> {
    let varies = decision.forms_of_all().is_none();
    let customers = &file.job.customers;
    let mut table = output::table(["customer", "leaves", "forms"]);
    let mut hidden = 0_usize;
    for (row, id) in customers.ids().iter().enumerate() {
        let leaves = decision.includes(row);
        if leaves && !varies {
            continue;
        }
        if table.row_count() >= CUSTOMERS_SHOWN_MAX {
            hidden = hidden.saturating_add(1);
            continue;
        }
        let forms = (0..decision.fields().len()).map(|column| decision.form(row, column).name());
        let forms = if leaves { forms.collect::<Vec<_>>().join(", ") } else { String::new() };
        output::row(&mut table, [id.to_string(), if leaves { "yes" } else { "no" }.to_owned(), forms]);
    }
    if table.row_count() > 0 {
        output::print_table(&table)?;
    }
    if hidden > 0 {
        output::print(&format!("and {hidden} more customers; `--json` lists all"))?;
    }
    Ok(())
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Json {
    job: String,
    agent: String,
    at: String,
    verdict: &'static str,
    remedies: Vec<&'static str>,
    cause: Option<String>,
    policies: Vec<JsonPolicy>,
    erring: Vec<JsonPolicy>,
    reasons: Vec<String>,
    customers: usize,
    customers_included: usize,
    excluded: Vec<String>,
    fields: Vec<String>,
    /// One form a field where it is the same for all customers that leave.
    forms: Option<Vec<&'static str>>,
    /// One form a field, for each customer that leaves, where it isn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    forms_by_customer: Option<BTreeMap<String, Vec<&'static str>>>,
    obligations: ObligationNames,
    usage: BTreeMap<String, u64>,
    tallies: BTreeMap<String, u64>,
    modules: Vec<JsonModule>,
    fuel_used: u64,
}

#[derive(Serialize)]
struct JsonPolicy {
    id: String,
    module: String,
    effect: &'static str,
    question: String,
    points: u64,
    controls: Vec<String>,
    incidents: Vec<String>,
}

#[derive(Serialize)]
struct JsonModule {
    name: String,
    version: String,
    sha256: String,
}

impl Json {
    /// The decision about the job of the file.
    pub(super) fn new(file: &JobFile, decision: &Decision) -> Self {
        let ids = || file.job.customers.ids().iter().enumerate();
        let counts =
            |counts: &[(Arc<str>, u64)]| counts.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        let (verdict, remedies) = match decision.verdict() {
            Verdict::Allow => ("allow", Vec::new()),
            Verdict::Deny => ("deny", Vec::new()),
            Verdict::Challenge(remedies) => ("challenge", remedies.iter().map(|remedy| remedy.name()).collect()),
        };
        let forms = decision.forms_of_all().map(|forms| forms.iter().map(|form| form.name()).collect());
        let by_customer = || {
            let leaving = ids().filter(|(row, _)| decision.includes(*row));
            let forms = |row| (0..decision.fields().len()).map(|column| decision.form(row, column).name()).collect();
            leaving.map(|(row, id)| (id.to_string(), forms(row))).collect()
        };
        let varies = decision.is_allow() && forms.is_none();
        let excluded = ids().filter(|(row, _)| decision.is_allow() && !decision.includes(*row));
        Self {
            job: decision.job().to_owned(),
            agent: decision.agent().id.to_string(),
            at: job_file::print_datetime(decision.now_ms()),
            verdict,
            remedies,
            cause: decision.cause().map(ToString::to_string),
            policies: decision.policies().iter().map(JsonPolicy::new).collect(),
            erring: decision.erring().iter().map(JsonPolicy::new).collect(),
            reasons: decision.for_agent().reasons().iter().map(|reason| reason.to_string()).collect(),
            customers: decision.customers(),
            customers_included: decision.customers_included(),
            excluded: excluded.map(|(_, id)| id.to_string()).collect(),
            fields: decision.fields().iter().map(|field| field.to_string()).collect(),
            forms,
            forms_by_customer: varies.then(by_customer),
            obligations: ObligationNames::of(decision),
            usage: counts(decision.usage()),
            tallies: counts(decision.tallies()),
            modules: decision.modules().iter().map(JsonModule::new).collect(),
            fuel_used: decision.fuel_used(),
        }
    }
}

impl JsonPolicy {
    fn new(used: &PolicyUse) -> Self {
        Self {
            id: used.policy.id().to_owned(),
            module: used.policy.module().to_owned(),
            effect: effect_name(used.policy.effect()),
            question: used.asked.to_string(),
            points: used.points,
            controls: used.policy.controls().to_vec(),
            incidents: used.policy.incidents().to_vec(),
        }
    }
}

impl JsonModule {
    fn new(module: &ModuleInfo) -> Self {
        Self {
            name: module.name().to_owned(),
            version: module.version().to_owned(),
            sha256: module.sha256().to_owned(),
        }
    }
}
