//! Who runs the command: the user that the operating system knows, and as whom the configuration knows them.

use std::path::Path;

use exportgate::{Approver, ApproverConfig, Gate};

use crate::failure::Failure;
use crate::setup::Setup;

/// The number of the user that this process acts for: the owner of a file that it makes.
#[cfg(unix)]
fn user() -> Result<u32, Failure> {
    use std::os::unix::fs::MetadataExt;
    let owner = tempfile::tempfile().and_then(|file| file.metadata()).map(|found| found.uid());
    owner.map_err(|error| Failure::output(format!("can't find out which user runs this: {error}")))
}

#[cfg(not(unix))]
fn user() -> Result<u32, Failure> {
    Err(Failure::input("who runs this can't be found out on this system")
        .help("answer from a tool that authenticates its users itself: `Gate::answer_request`"))
}

/// Whom the log names for what this user does: the agent that the configuration knows them as, or else their number.
///
/// # Errors
///
/// [`Failure`] when the system doesn't say who it is.
pub fn name(setup: &Setup) -> Result<String, Failure> {
    let user = user()?;
    let known = setup.config.approvers.iter().find(|approver| approver.user == user);
    let id = known.and_then(|approver| serde_json::from_str::<serde_json::Value>(&approver.agent).ok());
    let id = id.and_then(|agent| agent.get("id").and_then(|id| id.as_str().map(str::to_owned)));
    Ok(id.unwrap_or_else(|| format!("user {user}")))
}

/// The approver that the user who runs this is, by the `[[approvers]]` of the configuration at `path`.
///
/// # Errors
///
/// [`Failure`] when they are none.
pub fn approver<'a>(setup: &'a Setup, path: &Path, gate: &Gate) -> Result<(Approver, &'a ApproverConfig), Failure> {
    let user = user()?;
    let known = setup.config.approvers.iter().find(|approver| approver.user == user).ok_or_else(|| {
        Failure::input(format!("user {user} of this machine isn't among the approvers of `{}`", path.display()))
            .help(format!("add `[[approvers]]` with `user = {user}`, `role` and `agent`, if they may approve"))
    })?;
    let base = gate.modules().next().ok_or_else(|| Failure::input("the gate has no modules"))?;
    let approver = known.authenticated(&base.manifest().schema.types).map_err(|error| {
        Failure::file(path, format_args!("the `agent` of user {user} among `[[approvers]]`: {error}"))
    })?;
    Ok((approver, known))
}
