//! Verifies a log from end to end, in one pass and in memory that doesn't grow with it, and names what is wrong.
//!
//! Two things are checked. Whether the tree of the records has the roots that were signed: that finds every change before the
//! largest checkpoint, wherever the checkpoint was kept. And whether the entries agree among themselves: each says which log it
//! is of and at which index it stands, their times never step back, and customers follow the decision that lists them. The
//! second proves nothing on its own, but names what was done to the records.

mod finding;
mod follow;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::{Entry, Event, LogId};
use crate::hash::Hash;
use crate::keys::{KeyRing, Standing};
use crate::note::{KeyRole, Note, NoteError, PublicKey, Signed};
use crate::prune::Prefix;
use crate::records::{Records, RecordsError};
use crate::tree::Frontier;

pub use finding::Finding;
use follow::Follower;

/// Findings that a report lists; more are counted.
pub const FINDINGS_MAX: usize = 1_000;
/// Checkpoints that one verification takes.
pub const CHECKPOINTS_MAX: usize = 1_000_000;

/// By how much an entry may be older than one before it, in milliseconds: jobs that are decided at once may be recorded in
/// another order than they began.
pub const TIME_SLACK_MS: i64 = 60_000;

/// What a log is verified against.
#[derive(Clone, Debug)]
pub struct Against<'a> {
    /// Which log it is to be.
    pub origin: &'a str,
    /// The keys that are trusted: the log's first, or any later one, and those of witnesses.
    pub keys: &'a [PublicKey],
    /// Signed checkpoints: those kept beside the log, and better those that left the host.
    pub checkpoints: &'a [String],
    /// The beginning of the log that was dropped.
    pub prefix: Prefix,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many entries the log has, dropped ones included.
    pub size: u64,
    /// How many of them were dropped.
    pub pruned: u64,
    /// The root of its tree.
    pub root: Hash,
    /// The checkpoints that hold: size, and who signed. In order of size.
    pub held: Vec<(u64, Vec<Signed>)>,
    /// Checkpoints within the part that was dropped: their signatures hold, their roots can't be computed any more.
    pub in_pruned: u64,
    /// How many entries of each kind there are, by name.
    pub kinds: Vec<(&'static str, u64)>,
    /// What is wrong, the first [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.findings_count == 0
    }

    /// How many entries at the end no checkpoint covers: nothing proves that these are all, or that they weren't changed.
    pub fn uncovered(&self) -> u64 {
        self.size.saturating_sub(self.held.last().map_or(0, |(size, _)| *size))
    }
}

/// A checkpoint that is still to be met.
struct Claim {
    checkpoint: Checkpoint,
    note: Note,
}

/// Verifies a log.
///
/// # Errors
///
/// [`RecordsError`] when the store can't be read; whatever is wrong with what it returns is a [`Finding`].
pub fn verify(records: &dyn Records, against: &Against<'_>) -> Result<Report, RecordsError> {
    let mut pass = Pass::new(against);
    let mut claims = pass.claims(against);
    claims.sort_by_key(|claim| claim.checkpoint.size);
    let mut claims = claims.into_iter().peekable();
    let first = against.prefix.size();
    while let Some(claim) = claims.next_if(|claim| claim.checkpoint.size <= first) {
        pass.meet(&claim);
    }
    let size = records.size()?;
    records.read(first, size, &mut |index, record| {
        pass.take(index, record);
        while let Some(claim) = claims.next_if(|claim| claim.checkpoint.size <= pass.frontier.size()) {
            pass.meet(&claim);
        }
        true
    })?;
    pass.end(size);
    claims.for_each(|claim| pass.beyond(&claim));
    Ok(pass.finish(size))
}

/// The state of the pass.
struct Pass<'a> {
    origin: &'a str,
    log: LogId,
    pruned: u64,
    ring: KeyRing,
    witnesses: Vec<PublicKey>,
    frontier: Frontier,
    /// The size up to which a checkpoint holds.
    held_to: u64,
    /// Whether the tree can't agree with any checkpoint any more, because something was found.
    lost: bool,
    time_ms: i64,
    follower: Follower,
    pruning_recorded: bool,
    kinds: Vec<(&'static str, u64)>,
    report: Report,
}

impl<'a> Pass<'a> {
    fn new(against: &Against<'a>) -> Self {
        let frontier = against.prefix.frontier().clone();
        let pruned = frontier.size();
        Self {
            origin: against.origin,
            log: LogId::of(against.origin),
            pruned,
            ring: KeyRing::new(against.origin, against.keys),
            witnesses: against.keys.iter().filter(|key| key.role() == KeyRole::Witness).cloned().collect(),
            held_to: 0,
            lost: false,
            time_ms: i64::MIN,
            follower: Follower::new(pruned > 0),
            pruning_recorded: pruned == 0,
            kinds: Vec::new(),
            report: Report {
                size: 0,
                pruned,
                root: frontier.root(),
                held: Vec::new(),
                in_pruned: 0,
                kinds: Vec::new(),
                findings: Vec::new(),
                findings_count: 0,
            },
            frontier,
        }
    }

    fn find(&mut self, finding: Finding) {
        self.report.findings_count = self.report.findings_count.saturating_add(1);
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(finding);
        }
    }

    /// The checkpoints that can be read and are of this log. Signatures are checked when the log has grown to their size, and
    /// the keys that may sign then are known.
    fn claims(&mut self, against: &Against<'_>) -> Vec<Claim> {
        let mut claims = Vec::new();
        for text in against.checkpoints.iter().take(CHECKPOINTS_MAX) {
            let read = Note::from_text(text).map_err(CheckpointError::from).and_then(|note| {
                let checkpoint = Checkpoint::from_text(note.text())?;
                if checkpoint.origin == against.origin {
                    Ok(Claim { checkpoint, note })
                } else {
                    Err(CheckpointError::Origin { found: checkpoint.origin, expected: against.origin.to_owned() })
                }
            });
            match read {
                Ok(claim) => claims.push(claim),
                Err(error) => self.find(Finding::Checkpoint { error }),
            }
        }
        claims
    }

    /// Who signed a checkpoint; a finding when nobody did who may.
    fn signed(&mut self, claim: &Claim) -> Option<Vec<Signed>> {
        let size = claim.checkpoint.size;
        let signed = match claim.note.verify(&self.ring.all()) {
            Ok(signed) => signed,
            Err(NoteError::Unknown { by }) => {
                self.find(Finding::OtherKey { size, by });
                return None;
            }
            Err(error) => {
                self.find(Finding::Checkpoint { error: error.into() });
                return None;
            }
        };
        let retired = signed.iter().find_map(|signed| match self.ring.standing(&signed.by, size) {
            Some(Standing::Retired { from_size }) => Some((signed.by.to_string(), from_size)),
            Some(Standing::Current) | None => None,
        });
        let current = signed.iter().any(|signed| self.ring.standing(&signed.by, size) == Some(Standing::Current));
        if let (false, Some((by, from_size))) = (current, retired) {
            self.find(Finding::RetiredKey { size, by, from_size });
            return None;
        }
        match claim.note.verify(&self.witnesses) {
            Ok(witnesses) => Some(signed.into_iter().chain(witnesses).collect()),
            Err(NoteError::Unknown { .. }) => Some(signed),
            Err(error) => {
                self.find(Finding::Checkpoint { error: error.into() });
                None
            }
        }
    }

    /// The log has grown to the size of a checkpoint, or began beyond it.
    fn meet(&mut self, claim: &Claim) {
        let Some(signed) = self.signed(claim) else { return };
        let Checkpoint { size, root, .. } = &claim.checkpoint;
        if *size < self.frontier.size() {
            self.report.in_pruned = self.report.in_pruned.saturating_add(1);
        } else if *root == self.frontier.root() {
            self.held_to = *size;
            self.lost = false;
            self.report.held.push((*size, signed));
        } else if self.report.held.last().is_some_and(|(held, _)| held == size) {
            self.find(Finding::SplitView { size: *size });
        } else if !self.lost {
            // Once one root differs all later ones do, so only the first tells where.
            self.lost = true;
            self.find(Finding::Changed { from: self.held_to, to: *size });
        }
    }

    /// A checkpoint is of more entries than the log has.
    fn beyond(&mut self, claim: &Claim) {
        if self.signed(claim).is_some() {
            self.find(Finding::Truncated { held: claim.checkpoint.size, found: self.frontier.size() });
        }
    }

    fn take(&mut self, index: u64, record: &[u8]) {
        let expected = self.frontier.size();
        if index != expected {
            self.lost = true;
            self.find(Finding::Missing { from: expected, to: index });
            // What follows is measured as if nothing were missing, so that the rest is still looked at.
            self.follower.lose();
        }
        self.frontier.push(Hash::of_leaf(record));
        let entry = match Entry::from_bytes(record) {
            Ok(entry) => entry,
            Err(error) => {
                self.follower.lose();
                return self.find(Finding::Unreadable { index, error });
            }
        };
        if entry.log != self.log {
            self.find(Finding::Foreign { index, log: entry.log });
        } else if entry.index != index {
            self.find(Finding::Misplaced { index, says: entry.index });
        }
        if entry.time_ms.saturating_add(TIME_SLACK_MS) < self.time_ms {
            self.find(Finding::TimeStepsBack { index });
        }
        self.time_ms = self.time_ms.max(entry.time_ms);
        self.count(entry.event.name());
        for problem in self.follower.take(&entry) {
            self.find(Finding::Customers { index, problem });
        }
        match &entry.event {
            Event::Rotation(rotation) => {
                if let Err(error) = self.ring.follow(&rotation.note, self.frontier.size()) {
                    self.find(Finding::Rotation { index, error });
                }
            }
            Event::Pruning(pruning) if pruning.size == self.pruned => self.pruning_recorded = true,
            _ => {}
        }
    }

    fn count(&mut self, name: &'static str) {
        match self.kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.kinds.push((name, 1)),
        }
    }

    fn end(&mut self, size: u64) {
        if self.frontier.size() < size {
            self.find(Finding::Missing { from: self.frontier.size(), to: size });
        }
        if let Some(problem) = self.follower.end() {
            self.find(Finding::Customers { index: self.frontier.size(), problem });
        }
        if !self.pruning_recorded {
            self.find(Finding::UnrecordedPruning { size: self.pruned });
        }
    }

    fn finish(mut self, size: u64) -> Report {
        self.kinds.sort_unstable();
        Report { size, root: self.frontier.root(), kinds: self.kinds, ..self.report }
    }
}

impl std::fmt::Debug for Pass<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pass(of {}, at {})", self.origin, self.frontier.size())
    }
}
