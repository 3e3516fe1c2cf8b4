//! The room that asking a module takes: kept by each thread for its next question, so that asking again allocates nothing.

use std::cell::RefCell;
use std::sync::Arc;

use crate::answer::{Answers, Asked};
use crate::frame::classes::Classes;
use crate::frame::resolve::Room;
use crate::frame::{Frame, recycle};
use crate::limits::{WORKSPACE_BYTES_MAX, WORKSPACES_MAX};

/// The room that asking a module takes.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) frame: Frame,
    pub(crate) classes: Classes,
    pub(crate) room: Room<'static>,
    /// The words of the answer that came last.
    pub(crate) answer: Vec<u32>,
    pub(crate) answers: Answers,
    pub(crate) asked: Vec<Asked<'static>>,
}

/// Makes `slot` the same as `with`, leaving it as it is when it is that already: counting references to what all threads
/// share would hold them up.
pub(crate) fn share<T: ?Sized>(slot: &mut Arc<T>, with: &Arc<T>) {
    if !Arc::ptr_eq(slot, with) {
        *slot = with.clone();
    }
}

thread_local! {
    /// Workspaces that wait for this thread's next question. In boxes, since they are large to move.
    static WAITING: RefCell<[Option<Box<Workspace>>; WORKSPACES_MAX]> =
        const { RefCell::new([const { None }; WORKSPACES_MAX]) };
}

impl Workspace {
    /// A workspace of this thread, or a new one.
    pub(crate) fn take() -> Box<Self> {
        let waiting = WAITING.try_with(|waiting| waiting.try_borrow_mut().ok()?.iter_mut().find_map(Option::take));
        waiting.ok().flatten().unwrap_or_default()
    }

    /// Keeps the workspace for this thread's next question, unless there are enough or it has grown large.
    pub(crate) fn keep(self: Box<Self>) {
        if self.bytes() > WORKSPACE_BYTES_MAX {
            return;
        }
        // A thread that ends has nowhere to keep it.
        let _ = WAITING.try_with(|waiting| {
            if let Ok(mut waiting) = waiting.try_borrow_mut()
                && let Some(free) = waiting.iter_mut().find(|slot| slot.is_none())
            {
                *free = Some(self);
            }
        });
    }

    fn bytes(&self) -> usize {
        let parts = [self.frame.bytes(), self.classes.bytes(), self.room.bytes(), self.answers.bytes()];
        parts.into_iter().fold(self.answer.capacity().saturating_mul(4), usize::saturating_add)
    }

    /// The list of questions asked, empty.
    pub(crate) fn take_asked<'a>(&mut self) -> Vec<Asked<'a>> {
        recycle(std::mem::take(&mut self.asked))
    }
}
