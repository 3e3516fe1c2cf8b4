//! What a release asks the gate beside using and answering its permit.

use std::collections::BTreeSet;

use exportgate_contract::manifest::{Catalogue, Manifest};
use exportgate_contract::partial::PartialForm;
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::FIELD_PARTIAL;
use exportgate_ledger::{self as ledger, End, On};

use super::Gate;
use super::transaction::content;
use crate::approvals::JobDigest;
use crate::decision::Decision;
use crate::job::Job;
use crate::permit::{Permit, PermitError};

impl Gate {
    /// How a field is shown in part: as the catalogues say that name a form for it, and nothing of it where they disagree.
    pub(crate) fn partial_form(&self, field: &str) -> PartialForm {
        let manifests = self.inner.modules.iter().map(|loaded| loaded.module.manifest());
        let named: BTreeSet<PartialForm> =
            manifests.filter_map(|manifest| partial_of(manifest.catalogue.as_ref()?, field)).collect();
        let mut named = named.into_iter();
        match (named.next(), named.next()) {
            (Some(form), None) => form,
            (None, _) | (Some(_), Some(_)) => PartialForm::FixedValue,
        }
    }

    /// What a permit for this job is bound to when it is decided like this.
    pub(crate) fn content(&self, job: &Job, decision: &Decision) -> Result<[u8; 32], PermitError> {
        let ledger = self.ledger().ok_or(PermitError::NoLedger)?;
        let ids = job.customers.ids().iter().enumerate();
        let included = ledger.customers(ids.filter(|(row, _)| decision.includes(*row)).map(|(_, id)| &**id));
        Ok(content(&JobDigest::of(job), &included))
    }

    /// Looks whether the agent was revoked since the permit was used.
    ///
    /// # Errors
    ///
    /// [`PermitError`] when it was, or the ledger fails.
    pub(crate) fn check_unrevoked(&self, permit: &Permit, agent: &str) -> Result<(), PermitError> {
        let ledgered = self.ledgered.as_ref().ok_or(PermitError::NoLedger)?;
        if ledgered.outage.holds(permit.job()) {
            return Ok(());
        }
        let mut revoked = None;
        ledgered.ledger.transact(On::Job(permit.job()), self.now_ms(), &mut |transaction| {
            revoked = transaction.revoked_since_ms(agent)?;
            Ok(End::Discard)
        })?;
        match revoked {
            None => Ok(()),
            Some(since_ms) => {
                Err(PermitError::Ledger(ledger::JobError::Revoked { agent: agent.to_owned(), since_ms }.into()))
            }
        }
    }
}

fn partial_of(catalogue: &Catalogue, field: &str) -> Option<PartialForm> {
    match catalogue.fields.get(field)?.attributes.get(FIELD_PARTIAL)? {
        Value::String(name) => PartialForm::parse(name),
        _ => None,
    }
}

/// The first field whose way of being shown in part isn't one, with what its catalogue says.
pub(super) fn unknown_partial(manifest: &Manifest) -> Option<(String, String)> {
    let fields = manifest.catalogue.iter().flat_map(|catalogue| &catalogue.fields);
    let named = fields.filter_map(|(name, field)| Some((name, field.attributes.get(FIELD_PARTIAL)?)));
    named
        .map(|(name, value)| match value {
            Value::String(form) => (name, form.to_string()),
            other => (name, format!("a {}", other.kind())),
        })
        .find(|(_, form)| PartialForm::parse(form).is_none())
        .map(|(name, form)| (name.to_string(), form))
}
