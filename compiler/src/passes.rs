//! Passes over the IR: each takes a program and gives one that means the same.
//!
//! Each pass has an off switch in [`Passes`], and tests compare what it yields with the plain program. [`finish::finish`]
//! isn't a choice: it puts the tables into the order in which the frame has them.

mod axes;
pub(crate) mod finish;
mod fold;
mod guards;
mod index;
mod share;
mod states;

use crate::codegen::EmitError;
use crate::ir;
use finish::Finished;

/// Which passes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Computes what is known when the pack is compiled, and leaves out policies that can neither apply nor err.
    pub fold: bool,
    /// Lets a `has` read the state of the value beside it instead of a cell of its own.
    pub states: bool,
    /// Finds the policies whose scope names one of many constants by that constant, rather than asking all of them.
    pub index: bool,
    /// Works out what varies less than its question once for each point of its own axis: the job, a row, a column.
    pub axes: bool,
    /// Works out what several policies of a question ask once for all of them.
    pub share: bool,
    /// Keeps outcomes as words, a bit for each policy, where a question has few of them, and looks at lists only when a new
    /// outcome comes up.
    pub outcomes: bool,
}

impl Passes {
    /// None of them: the plain program, which optimised ones are compared with.
    pub const NONE: Self =
        Self { fold: false, states: false, index: false, axes: false, share: false, outcomes: false };
}

impl Default for Passes {
    /// All of them.
    fn default() -> Self {
        Self { fold: true, states: true, index: true, axes: true, share: true, outcomes: true }
    }
}

/// Runs the passes chosen, then finishes the program.
///
/// # Errors
///
/// In debug builds, when a pass made a program that isn't well-formed: a fault of the compiler.
pub(crate) fn run(program: ir::Program, passes: &Passes) -> Result<Finished, EmitError> {
    verify(&program, "the frontend")?;
    let mut program = program;
    if passes.fold {
        program = fold::fold(program);
        verify(&program, "the pass `fold`")?;
    }
    if passes.states {
        program = states::merge_states(program);
        verify(&program, "the pass `states`")?;
    }
    if passes.index {
        program = index::index(program);
        verify(&program, "the pass `index`")?;
    }
    if passes.axes {
        program = axes::hoist(program);
        verify(&program, "the pass `axes`")?;
    }
    if passes.share {
        program = share::share(program);
        verify(&program, "the pass `share`")?;
    }
    let finished = finish::finish(program, passes.outcomes);
    verify(&finished.program, "the pass `finish`")?;
    Ok(finished)
}

fn verify(program: &ir::Program, after: &str) -> Result<(), EmitError> {
    if cfg!(debug_assertions) {
        return ir::verify::verify(program).map_err(|error| EmitError::Fault(format!("{error}, after {after}")));
    }
    Ok(())
}
