//! Two ids that are one person: all grants of one become grants of the other.

use std::collections::BTreeSet;

use super::Tx;
use super::counts::Changes;
use crate::customer::{CustomerHash, Customers};
use crate::error::LedgerError;
use crate::rows::{Past, Scope, SeriesId};

impl Tx<'_> {
    pub(crate) fn merge(&mut self, alias: CustomerHash, canonical: CustomerHash) -> Result<(), LedgerError> {
        self.state.merged = true;
        let alias = self.canonical_of(alias)?;
        let canonical = self.canonical_of(canonical)?;
        if alias == canonical {
            return Ok(());
        }
        let past = self.rows.past(&Customers::new(vec![alias]))?;
        let other = self.rows.past(&Customers::new(vec![canonical]))?;
        let mut changes = Changes::new();
        for series in series_of(&past) {
            self.slide_views(&[series])?;
            // The earlier of the two last grants is no longer a last grant.
            if let (Some(last_ms), Some(other_ms)) = (past.last_grants(series).next(), other.last_grants(series).next())
            {
                self.move_last_grant(series, Some(last_ms.min(other_ms)), None, &mut changes);
            }
        }
        self.write_changes(&changes)?;
        let there: BTreeSet<i64> = other.grants().map(|grant| grant.job).collect();
        let gone: Vec<(CustomerHash, i64)> = past.grants().map(|grant| (alias, grant.job)).collect();
        self.rows.delete_grants(&gone)?;
        let to = Customers::new(vec![canonical]);
        for grant in past.grants().filter(|grant| !there.contains(&grant.job)) {
            let scope = Scope(grant.scope.to_vec());
            self.rows.put_grants(grant.job, grant.at_ms, &scope.to_bytes(), &to)?;
        }
        self.past = None;
        Ok(self.rows.put_alias(alias, canonical)?)
    }

    fn canonical_of(&mut self, customer: CustomerHash) -> Result<CustomerHash, LedgerError> {
        let canonical = self.rows.canonical(&Customers::new(vec![customer]))?;
        Ok(canonical.as_slice().first().copied().unwrap_or(customer))
    }
}

fn series_of(past: &Past) -> BTreeSet<SeriesId> {
    past.grants().flat_map(|grant| grant.scope.to_vec()).collect()
}
