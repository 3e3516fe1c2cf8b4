//! Reads the windows that policies may read: for the agent, for what stands above it, and for what receives.

use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::Subject;

use super::Inner;
use super::room::{UsageRoom, share_uid};
use crate::decision::Cause;
use crate::entities::Walk;
use crate::job::{Job, JobError};
use crate::windows::{WindowRead, Windows, WindowsError, count_of_fresh_start};

/// Reads the count of each window that the gate reads, after this job: the largest of all its subjects.
///
/// # Errors
///
/// [`Cause::Job`] when a window of destinations is read and the job has none, [`Cause::Windows`] when the windows can't be read.
pub(super) fn read_usage(
    inner: &Inner,
    job: &Job,
    now_ms: i64,
    windows: &dyn Windows,
    room: &mut UsageRoom,
) -> Result<(), Cause> {
    room.counts.clear();
    if inner.windows.is_empty() {
        return Ok(());
    }
    let UsageRoom { walk, reads, places, read, counts } = room;
    places.clear();
    for (place, window) in inner.windows.values().enumerate() {
        // Nobody's window: the job alone.
        counts.push(count_of_fresh_start(*window, job.customers.len()));
        let before = places.len();
        each_subject(job, window.subject, walk, &mut |subject| {
            match reads.get_mut(places.len()) {
                Some(known) => {
                    share_uid(&mut known.subject, subject);
                    known.window = *window;
                }
                None => reads.push(WindowRead { subject: subject.clone(), window: *window }),
            }
            places.push(place);
        });
        // Leaving the destination out must not make its window empty.
        if places.len() == before && window.subject == Subject::Destination {
            return Err(Cause::Job(JobError::NoDestination));
        }
    }
    reads.truncate(places.len());
    let mut customers = job.customers.ids().iter().map(|id| &**id);
    windows.read_after_into(reads, &mut customers, now_ms, read).map_err(Cause::Windows)?;
    if read.len() != reads.len() {
        let message = format!("{} counts for {} windows", read.len(), reads.len());
        return Err(Cause::Windows(WindowsError::Store { message }));
    }
    for (place, count) in places.iter().zip(read.iter()) {
        if let Some(largest) = counts.get_mut(*place) {
            *largest = (*count).max(*largest);
        }
    }
    Ok(())
}

/// All for whom a grant counts: the agent, the teams, vendors and tenants above it, and the destination; whatever windows
/// this gate reads, since others read the same ledger.
pub(super) fn subjects_of(job: &Job) -> Vec<EntityUid> {
    let mut all: Vec<EntityUid> = Vec::new();
    let mut walk = Walk::default();
    for subject in Subject::ALL {
        each_subject(job, subject, &mut walk, &mut |subject| all.push(subject.clone()));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Shows `each` everyone whom windows of `subject` count for; perhaps several times.
fn each_subject(job: &Job, subject: Subject, walk: &mut Walk, each: &mut impl FnMut(&EntityUid)) {
    match subject {
        Subject::Agent => each(&job.agent),
        Subject::Team | Subject::Vendor | Subject::Tenant => job.entities.each_above(&job.agent, walk, |uid| {
            if *uid.entity_type == *subject.entity_type() {
                each(uid);
            }
        }),
        Subject::Destination => {
            if let Value::Record(env) = &job.env
                && let Some(Value::Entity(uid)) = env.get("destination")
                && *uid.entity_type == *subject.entity_type()
            {
                each(uid);
            }
        }
    }
}
