//! Requests for approvals: answered once by each, used by one job.

use super::Tx;
use crate::error::{ApprovalError, LedgerError};
use crate::ledger::{JobState, NewAnswer, Request, RequestState, SUBJECT_ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::rows::{RequestsOf, check_limit};

impl Tx<'_> {
    pub(super) fn approvals_for(&mut self, digest: &[u8; 32], job: &str) -> Result<Vec<Request>, LedgerError> {
        let mut requests = self.rows.requests(RequestsOf::Digest(digest))?;
        let used_here = |request: &Request| matches!(&request.state, RequestState::Consumed { job: by } if by == job);
        // A job that was forgotten, answered or released gets nothing more for what it used.
        let is_open = requests.iter().any(used_here) && self.has_unused_permit(job)?;
        let now_ms = self.now_ms;
        requests.retain(|request| match &request.state {
            RequestState::Open => now_ms < request.expires_ms,
            RequestState::Consumed { .. } => is_open && used_here(request),
            RequestState::Denied => false,
        });
        Ok(requests)
    }

    pub(super) fn consume(&mut self, request: i64, digest: &[u8; 32], job: &str) -> Result<(), LedgerError> {
        let found = self.requested(request)?;
        if found.digest != *digest {
            return Err(ApprovalError::Other { request }.into());
        }
        match &found.state {
            RequestState::Consumed { job: by } if by == job => {}
            RequestState::Consumed { job } => return Err(ApprovalError::Consumed { request, job: job.clone() }.into()),
            RequestState::Denied => return Err(denied(&found).into()),
            RequestState::Open => {}
        }
        if self.now_ms >= found.expires_ms {
            return Err(ApprovalError::Expired { request, expires_ms: found.expires_ms }.into());
        }
        if found.state != RequestState::Open {
            return Ok(());
        }
        Ok(self.rows.set_consumed(request, job)?)
    }

    pub(super) fn answer(&mut self, request: i64, answer: &NewAnswer<'_>) -> Result<(), LedgerError> {
        check_limit("bytes of an approver's id", answer.by.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("bytes of a capacity", answer.capacity.len(), TEXT_BYTES_MAX)?;
        let found = self.requested(request)?;
        check_answerable(request, &found, answer, self.now_ms)?;
        Ok(self.rows.insert_answer(request, answer, self.now_ms)?)
    }

    fn has_unused_permit(&mut self, job: &str) -> Result<bool, LedgerError> {
        let found = self.rows.job(job)?;
        Ok(found.is_some_and(|job| {
            job.state == JobState::Reserved && job.used_ms.is_none() && self.now_ms < job.expires_ms
        }))
    }

    fn requested(&mut self, request: i64) -> Result<Request, LedgerError> {
        let found = self.rows.requests(RequestsOf::NumberToChange(request))?.into_iter().next();
        Ok(found.ok_or(ApprovalError::Unknown { request })?)
    }
}

/// Refuses an answer to a request that is expired, denied, used, or answered by the same person.
fn check_answerable(number: i64, request: &Request, answer: &NewAnswer<'_>, now_ms: i64) -> Result<(), ApprovalError> {
    if request.answers.iter().any(|given| given.by == answer.by) {
        return Err(ApprovalError::Answered { request: number, by: answer.by.to_owned() });
    }
    match &request.state {
        RequestState::Consumed { job } => {
            return Err(ApprovalError::Consumed { request: number, job: job.clone() });
        }
        RequestState::Denied => return Err(denied(request)),
        RequestState::Open => {}
    }
    if now_ms >= request.expires_ms {
        return Err(ApprovalError::Expired { request: number, expires_ms: request.expires_ms });
    }
    Ok(())
}

fn denied(request: &Request) -> ApprovalError {
    let by = request.answers.iter().find(|answer| !answer.approve).map(|answer| answer.by.clone());
    ApprovalError::Denied { request: request.number, by: by.unwrap_or_default() }
}
