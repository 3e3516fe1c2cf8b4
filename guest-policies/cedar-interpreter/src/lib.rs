//! Cedar itself in the sandbox: answers for a pack that travels as data inside the module.
//!
//! It is slower than a compiled pack by two orders of magnitude, and independent of the compiler: what both answer the same
//! was understood the same way twice. What it can't rebuild exactly from a frame it refuses, by a trap.

mod pack;
mod slot;
mod values;
mod world;

use std::sync::OnceLock;

use cedar_policy::{AuthorizationError, Authorizer, EvaluationError, PolicySet};
use exportgate_contract::manifest::Question;
use exportgate_sdk::{Frame, Outcome, Point, Policy, PolicyIdx, Table};

use crate::pack::{Pack, PreparedQuestion};
use crate::values::{MadeUp, Values};
use crate::world::World;

exportgate_sdk::export!(Interpreter);

/// The pack, parsed when the instance is first asked. Nothing of any export is kept.
static PACK: OnceLock<Pack> = OnceLock::new();

struct Interpreter {
    authorizer: Authorizer,
    made_up: MadeUp,
}

fn the_pack() -> &'static Pack {
    PACK.get_or_init(|| match slot::pack().ok_or_else(|| "no pack".to_owned()).and_then(Pack::parse) {
        Ok(pack) => pack,
        Err(error) => exportgate_sdk::trap(error),
    })
}

impl Policy for Interpreter {
    fn table() -> Table<'static> {
        the_pack().table
    }

    fn open(frame: &Frame<'_>) -> Self {
        Self { authorizer: Authorizer::new(), made_up: MadeUp::new(frame, &the_pack().manifest) }
    }

    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
        let pack = the_pack();
        let index = at.question().0 as usize;
        let asked = pack.manifest.questions.get(index).zip(pack.questions.get(index));
        let result = match asked {
            Some((asked, prepared)) => self.ask(pack, asked, prepared, at, outcome),
            None => Err("a question that isn't there".to_owned()),
        };
        if let Err(error) = result {
            exportgate_sdk::trap(error);
        }
    }
}

impl Interpreter {
    fn ask(
        &self,
        pack: &Pack,
        question: &Question,
        prepared: &PreparedQuestion,
        at: &Point<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let values = Values::new(at.frame(), &pack.manifest, &self.made_up);
        let world = World::rebuild(pack, question, &prepared.types, at, &values)?;
        for set in [&prepared.permits, &prepared.forbids] {
            self.ask_set(set, prepared, &world, outcome)?;
        }
        Ok(())
    }

    fn ask_set(
        &self,
        set: &PolicySet,
        prepared: &PreparedQuestion,
        world: &World,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        if set.is_empty() {
            return Ok(());
        }
        let response = self.authorizer.is_authorized(&world.request, set, &world.entities);
        let position = |id| prepared.positions.get(id).copied().map(PolicyIdx).ok_or("a policy that isn't listed");
        for id in response.diagnostics().reason() {
            outcome.satisfied(position(id)?);
        }
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            check_error(error.inner(), world)?;
            outcome.erring(position(error.policy_id())?);
        }
        Ok(())
    }
}

/// Refuses an error that isn't the policy's own: one that comes of what wasn't rebuilt.
fn check_error(error: &EvaluationError, world: &World) -> Result<(), String> {
    let own = match error {
        EvaluationError::EntityAttrDoesNotExist(_) | EvaluationError::RecordAttrDoesNotExist(_) => {
            world.explains(&error.to_string())
        }
        EvaluationError::IntegerOverflow(_) | EvaluationError::FailedExtensionFunctionExecution(_) => true,
        // A strictly valid policy has no other errors.
        _ => false,
    };
    if own { Ok(()) } else { Err(error.to_string()) }
}
