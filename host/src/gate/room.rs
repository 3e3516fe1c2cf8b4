//! The room that deciding takes: kept by each thread for its next job, so that deciding again allocates nothing.

use std::cell::RefCell;
use std::sync::Arc;

use exportgate_contract::value::{EntityUid, Value};

use super::evaluate::Asking;
use crate::decision::{Asked, Forms, PolicyInfo, PolicyUse, Rows};
use crate::entities::Walk;
use crate::inputs::Source;
use crate::limits::ROOM_BYTES_MAX;
use crate::obligations::Obligations;
use crate::windows::WindowRead;
pub(super) use crate::workspace::share;

/// The room that deciding one job takes.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) usage: UsageRoom,
    /// Of modules that aren't asked just now.
    pub(super) modules: Vec<ModuleRoom>,
    pub(super) asked: Vec<Asking<'static>>,
    pub(super) obligations: ObligationsRoom,
}

/// The room that reading windows takes.
#[derive(Debug, Default)]
pub(super) struct UsageRoom {
    pub(super) walk: Walk,
    pub(super) reads: Vec<WindowRead>,
    /// For each read the window, by its place among all that the gate reads.
    pub(super) places: Vec<usize>,
    pub(super) read: Vec<u64>,
    /// For each window that the gate reads its count after the job.
    pub(super) counts: Vec<u64>,
}

/// The room that asking one module takes.
#[derive(Debug, Default)]
pub(super) struct ModuleRoom {
    pub(super) sources: Vec<Source<'static>>,
    /// Where the fields of the job stand in the catalogue.
    pub(super) fields: Vec<u32>,
    pub(super) field_bits: Vec<u64>,
    pub(super) class_bits: Vec<u64>,
    pub(super) usage: Vec<(Arc<str>, Value)>,
    pub(super) tally: Vec<(Arc<str>, Value)>,
    pub(super) approvals: Vec<(Arc<str>, Value)>,
    /// For each tally how many customers it was allowed for.
    pub(super) tallied: Vec<u64>,
    pub(super) rows: Rows,
    pub(super) forms: Forms,
    /// For each outcome at how many points it stands.
    pub(super) outcomes: [Vec<u64>; 3],
    /// Policies with the number of points at which each counts.
    pub(super) policies: Vec<(u32, u64)>,
}

thread_local! {
    static WAITING: RefCell<Option<Box<Room>>> = const { RefCell::new(None) };
}

impl Room {
    /// This thread's room, or a new one.
    pub(super) fn take() -> Box<Self> {
        WAITING.try_with(|waiting| waiting.try_borrow_mut().ok()?.take()).ok().flatten().unwrap_or_default()
    }

    /// Keeps the room for this thread's next job, unless it has grown large.
    pub(super) fn keep(self: Box<Self>) {
        if self.modules.iter().map(ModuleRoom::bytes).sum::<usize>() > ROOM_BYTES_MAX {
            return;
        }
        // A thread that ends has nowhere to keep it.
        let _ = WAITING.try_with(|waiting| {
            if let Ok(mut waiting) = waiting.try_borrow_mut() {
                *waiting = Some(self);
            }
        });
    }
}

impl ModuleRoom {
    fn bytes(&self) -> usize {
        self.rows.bytes().saturating_add(self.forms.bytes())
    }
}

/// Records under these names with these numbers, for a list that is used again and again.
pub(super) fn refill<'n>(list: &mut Vec<(Arc<str>, Value)>, members: impl Iterator<Item = (&'n Arc<str>, Value)>) {
    let mut filled = 0;
    for (name, value) in members {
        match list.get_mut(filled) {
            Some((known, slot)) => {
                share(known, name);
                *slot = value;
            }
            None => list.push((name.clone(), value)),
        }
        filled += 1;
    }
    list.truncate(filled);
}

/// As [`share`], of both parts of a name.
pub(super) fn share_uid(slot: &mut EntityUid, with: &EntityUid) {
    share(&mut slot.entity_type, &with.entity_type);
    share(&mut slot.id, &with.id);
}

/// Fills a list of policies that is used again and again.
pub(super) struct Uses<'l> {
    list: &'l mut Vec<PolicyUse>,
    filled: usize,
}

impl<'l> Uses<'l> {
    /// From the start.
    pub(super) fn new(list: &'l mut Vec<PolicyUse>) -> Self {
        Self { list, filled: 0 }
    }

    /// One policy more.
    pub(super) fn push(&mut self, policy: &Arc<PolicyInfo>, asked: &Asked, points: u64) {
        match self.list.get_mut(self.filled) {
            Some(known) => {
                share(&mut known.policy, policy);
                if known.asked != *asked {
                    known.asked = asked.clone();
                }
                known.points = points;
            }
            None => self.list.push(PolicyUse { policy: policy.clone(), asked: asked.clone(), points }),
        }
        self.filled += 1;
    }

    /// Ends the list.
    pub(super) fn finish(self) {
        self.list.truncate(self.filled);
    }
}

/// How many sets of policies a thread remembers the obligations of.
const OBLIGATIONS_MAX: usize = 16;

/// The obligations of the sets of policies that came last: the same few come again and again.
#[derive(Debug, Default)]
pub(super) struct ObligationsRoom {
    known: Vec<(Vec<Arc<PolicyInfo>>, bool, Arc<Obligations>)>,
    next: usize,
    none: Arc<Obligations>,
}

impl ObligationsRoom {
    /// The obligations of `uses`, worked out by `merge` when they aren't known.
    pub(super) fn find(
        &mut self,
        uses: &[PolicyUse],
        allowed: bool,
        merge: impl FnOnce() -> Obligations,
    ) -> &Arc<Obligations> {
        let carrying = || uses.iter().map(|used| &used.policy).filter(|policy| !policy.obligations.is_empty());
        if carrying().next().is_none() {
            return &self.none;
        }
        let position = self.known.iter().position(|(policies, for_allowed, _)| {
            *for_allowed == allowed && policies.iter().map(Arc::as_ptr).eq(carrying().map(Arc::as_ptr))
        });
        let position = position.unwrap_or_else(|| {
            let entry = (carrying().cloned().collect(), allowed, Arc::new(merge()));
            let place = self.next % OBLIGATIONS_MAX;
            self.next = self.next.wrapping_add(1);
            match self.known.get_mut(place) {
                Some(slot) => *slot = entry,
                None => self.known.push(entry),
            }
            place
        });
        self.known.get(position).map_or(&self.none, |(_, _, obligations)| obligations)
    }
}
