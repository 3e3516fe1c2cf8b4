//! `exportgate ledger`: making, looking at and checking the ledger of a configuration.

use exportgate::LedgerStore;
use exportgate::ledger::{Durability, LedgerError, RequestState, StoreError};

use crate::args::{Declared, LedgerCommand, WithConfig};
use crate::failure::{Exit, Failure};
use crate::output::{self, count};
use crate::setup::{Setup, failed, now_ms, random, unopened, window_name};

/// Runs `exportgate ledger`.
pub fn run(command: &LedgerCommand) -> Result<Exit, Failure> {
    match command {
        LedgerCommand::Init(args) => init(args),
        LedgerCommand::Status(args) => status(args),
        LedgerCommand::Verify(args) => verify(args),
        LedgerCommand::Declare(args) => declare(args),
    }
}

fn init(args: &WithConfig) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.config)?;
    let config = setup.ledger_config()?;
    let key_file = setup.folder().join(&config.key_file);
    let made_key = !key_file.exists();
    config.create(setup.folder(), random()?).map_err(|error| unopened(&error))?;
    output::print(&format!("made the ledger {}", place(&setup)?))?;
    if made_key {
        output::print(&format!(
            "made the key {}: keep a copy apart from the ledger; without it the ledger recognises nobody",
            key_file.display()
        ))?;
    }
    Ok(Exit::Done)
}

fn place(setup: &Setup) -> Result<String, Failure> {
    Ok(match &setup.ledger_config()?.store {
        LedgerStore::Sqlite(path) => setup.folder().join(path).display().to_string(),
        // NB: the URL may hold a password.
        LedgerStore::Postgres(_) => "in PostgreSQL".to_owned(),
    })
}

fn status(args: &WithConfig) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.config)?;
    let ledger = setup.ledger()?;
    let now_ms = now_ms();
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    fact("ledger", place(&setup)?);
    fact(
        "an allowance survives",
        match (&setup.ledger_config()?.store, setup.ledger_config()?.durability) {
            (LedgerStore::Postgres(_), _) => "what the server's own settings say".to_owned(),
            (LedgerStore::Sqlite(_), Durability::ProcessCrash) => "the process being killed".to_owned(),
            (LedgerStore::Sqlite(_), Durability::PowerFailure) => "the power failing".to_owned(),
        },
    );
    let windows: Vec<String> =
        ledger.declared().map_err(|error| failed(&error))?.into_iter().map(window_name).collect();
    fact("windows", if windows.is_empty() { "none yet".to_owned() } else { windows.join(", ") });
    fact("agents revoked", number(ledger.revocations().map_err(|error| failed(&error))?.len()));
    let requests = ledger.requests().map_err(|error| failed(&error))?;
    let open = requests.iter().filter(|one| one.state == RequestState::Open && now_ms < one.expires_ms).count();
    fact("approvals requested", number(open));
    let reviews = ledger.reviews().map_err(|error| failed(&error))?;
    let waiting = reviews.iter().filter(|review| review.closed.is_none());
    let overdue = waiting.clone().filter(|review| now_ms >= review.due_ms).count();
    fact("reviews waiting", format!("{}, of these {} overdue", number(waiting.count()), number(overdue)));
    output::print_table(&table)?;
    Ok(Exit::Done)
}

fn number(number: usize) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

fn verify(args: &WithConfig) -> Result<Exit, Failure> {
    let ledger = Setup::read(&args.config)?.ledger()?;
    let found = ledger.verify().map_err(|error| match &error {
        LedgerError::Store(StoreError::Corrupt { .. }) => Failure::differs(error.to_string()).help(error.help()),
        error => failed(error),
    })?;
    output::print(&format!(
        "the ledger is whole: {} jobs ({} unanswered), {} grants, {} windows counted again, {} records",
        count(found.jobs),
        count(found.unanswered),
        count(found.grants),
        count(found.windows),
        count(found.records)
    ))?;
    Ok(Exit::Done)
}

fn declare(args: &Declared) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.with.config)?;
    let ledger = setup.ledger()?;
    let (_, modules) = setup.modules()?;
    if !args.count_from_now {
        return Err(Failure::input("windows that the ledger can't count exactly yet would count too few").help(
            "say `--count-from-now` to declare them all the same; a window is exact when its length has passed",
        ));
    }
    let before = ledger.declared().map_err(|error| failed(&error))?;
    exportgate::declare_from_now(&*ledger, &modules, now_ms()).map_err(|error| failed(&error))?;
    let new: Vec<String> = ledger
        .declared()
        .map_err(|error| failed(&error))?
        .into_iter()
        .filter(|window| !before.contains(window))
        .map(window_name)
        .collect();
    if new.is_empty() {
        output::print("every window that the modules read was declared before")?;
    } else {
        output::print(&format!("counts from now: {}", new.join(", ")))?;
    }
    Ok(Exit::Done)
}
