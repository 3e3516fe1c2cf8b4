//! The manifest of a pack: what its frontend and its passes know, in the words of the contract.

use exportgate_contract::manifest::{Catalogue, Cost, Manifest, Question, Schema, Source};
use exportgate_contract::{CONTRACT_VERSION, limits};

use crate::codegen::EmitError;
use crate::passes::finish::Finished;

/// What a manifest says that the IR doesn't.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    /// The name of the pack.
    pub(crate) name: String,
    /// The version of the pack.
    pub(crate) version: String,
    /// The schema, as text and as data.
    pub(crate) schema: Schema,
    /// The field catalogue, for a pack that decides exports.
    pub(crate) catalogue: Option<Catalogue>,
    /// The files that the pack was made from, sorted by path.
    pub(crate) sources: Vec<Source>,
}

/// The manifest of a finished program.
pub(crate) fn manifest(finished: &Finished, origin: Origin, cost: Cost) -> Manifest {
    let program = &finished.program;
    let questions = program.questions.iter().zip(&finished.questions).map(|(question, shape)| Question {
        action: question.action.clone(),
        principal: question.principal.clone(),
        resource: question.resource.clone(),
        binding: question.binding.clone(),
        axis: shape.axis,
        facts: shape.facts.clone(),
        policies: shape.policies.clone(),
    });
    Manifest {
        contract: CONTRACT_VERSION,
        producer: concat!("exportgate-compiler ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: origin.name,
        version: origin.version,
        policies: program.policies.clone(),
        symbols: program.symbols.clone(),
        inputs: program.inputs.clone(),
        terms: program.terms.clone(),
        facts: program.facts.clone(),
        questions: questions.collect(),
        schema: origin.schema,
        catalogue: origin.catalogue,
        sources: origin.sources,
        cost,
    }
}

/// The manifest as the bytes of its section: JSON, whose objects are sorted or in the order of the contract's structs.
///
/// # Errors
///
/// When it is larger than hosts read.
pub(crate) fn print(manifest: &Manifest) -> Result<Vec<u8>, EmitError> {
    let bytes = serde_json::to_vec(manifest).map_err(|error| EmitError::Fault(error.to_string()))?;
    if bytes.len() > limits::MANIFEST_BYTES_MAX {
        return Err(EmitError::ManifestTooLarge { bytes: bytes.len(), bytes_max: limits::MANIFEST_BYTES_MAX });
    }
    Ok(bytes)
}
