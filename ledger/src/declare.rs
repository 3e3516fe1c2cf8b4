//! Declaring windows: whether the store has counted, and kept, all that a new window would see.

use std::collections::BTreeSet;

use crate::error::{StoreError, WindowError};
use crate::rows::corrupt;
use crate::window::{Counted, SubjectKind, Unseen, WINDOW_MS_MAX, Window};

/// A window that the store knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub(crate) window: Window,
    /// Since when everything was counted that it counts; the least time when it always was.
    pub(crate) since_ms: i64,
}

impl Declared {
    /// The window with these names, as a store has them.
    pub(crate) fn parse(kind: &str, counted: &str, length_ms: i64, since_ms: i64) -> Result<Self, StoreError> {
        match (SubjectKind::parse(kind), Counted::parse(counted)) {
            (Some(kind), Some(counted)) => Ok(Self { window: Window { kind, counted, length_ms }, since_ms }),
            _ => Err(corrupt("a declared window can't be read")),
        }
    }
}

/// What a store has of the past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// The time of the latest record; the least time when nothing was granted or denied that isn't dropped.
    pub(crate) latest_ms: i64,
    /// Up to when grants were dropped; the least time when none was.
    pub(crate) dropped_to_ms: i64,
}

/// Those of `windows` that aren't `known`, with since when they are counted.
pub(crate) fn new_windows(
    windows: &[Window],
    known: &[Declared],
    past: Past,
    unseen: Unseen,
    now_ms: i64,
) -> Result<Vec<Declared>, WindowError> {
    let mut new = Vec::new();
    let asked: BTreeSet<Window> = windows.iter().copied().collect();
    for window in asked {
        if !(1..=WINDOW_MS_MAX).contains(&window.length_ms) {
            return Err(WindowError::Length { length_ms: window.length_ms });
        }
        if known.iter().any(|known| known.window == window) {
            continue;
        }
        // A kind of subject is counted once any of its windows is declared.
        let alike =
            known.iter().filter(|known| known.window.kind == window.kind && known.window.counted == window.counted);
        let since_ms = match alike.map(|known| known.since_ms).min() {
            Some(since_ms) => since_ms,
            None if past.latest_ms == i64::MIN => i64::MIN,
            None => now_ms,
        };
        let whole_from_ms = since_ms.max(past.dropped_to_ms);
        let is_whole = whole_from_ms == i64::MIN || now_ms.saturating_sub(window.length_ms) >= whole_from_ms;
        if !is_whole && unseen == Unseen::Refuse {
            let exact_from_ms = whole_from_ms.saturating_add(window.length_ms);
            return Err(WindowError::Unseen { window, exact_from_ms });
        }
        new.push(Declared { window, since_ms });
    }
    Ok(new)
}
