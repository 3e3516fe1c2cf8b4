//! Windows in memory: exact counts of distinct customers for every window at once.
//!
//! For each subject there is a queue of grants in the order of time, and for each customer the place of its last grant
//! in that queue. An earlier grant of the same customer stays in the queue, dead, until it is old or compaction takes
//! it. Each window remembers where in the queue it begins and how many live grants lie after that, so a read moves
//! that place over the grants that left the window since the last read, and no further: each grant is stepped over once
//! a window, whatever the number of reads. What was granted before the longest declared window is dropped.
//!
//! Customers are kept as 128-bit keyed hashes with a random key of the store, so that nobody can choose ids that
//! collide, and so that two customers count as one with a chance of 2^-128 a pair.
//!
//! Not promised: durability. The counts end with the process. Nor that anything is read and recorded in one step: a gate
//! counts in them what it lets leave while its ledger can't be reached, and evaluates against them where nothing leaves.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError, RwLock};

use exportgate_contract::value::EntityUid;
use exportgate_contract::vocabulary::{Counted, Window};
use hashbrown::HashMap;

use super::{WindowRead, Windows, WindowsError};

/// Windows in memory.
///
/// Reading locks the subjects it reads, one after the other; recording locks the whole store.
#[derive(Debug, Default)]
pub struct MemoryWindows {
    keys: [RandomState; 2],
    store: RwLock<Store>,
}

impl MemoryWindows {
    /// A store in which nothing was granted or denied.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that `customers` were granted to all of `subjects` at `now_ms`.
    pub fn record_grant(
        &self,
        subjects: &[EntityUid],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
    ) {
        let keys: Vec<Key> = customers.map(|customer| self.key(customer)).collect();
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let now_ms = store.step(now_ms);
        let oldest_ms = store.oldest_ms(now_ms);
        let mut dropped = false;
        for uid in subjects {
            let subject = store.subject(uid);
            for key in &keys {
                subject.grants.push(*key, now_ms);
            }
            dropped |= subject.forget(oldest_ms);
        }
        store.dropped |= dropped;
    }

    /// Records that policies denied `agent` at `now_ms`.
    pub fn record_denial(&self, agent: &EntityUid, now_ms: i64) {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let now_ms = store.step(now_ms);
        let oldest_ms = store.oldest_ms(now_ms);
        let subject = store.subject(agent);
        subject.denials_ms.push_back(now_ms);
        let dropped = subject.forget(oldest_ms);
        store.dropped |= dropped;
    }

    fn key(&self, customer: &str) -> Key {
        let [high, low] = &self.keys;
        Key(high.hash_one(customer), low.hash_one(customer))
    }
}

impl Windows for MemoryWindows {
    fn declare(&self, windows: &[Window]) -> Result<(), WindowsError> {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let seconds = windows.iter().map(|window| window.seconds).max().unwrap_or(0);
        if seconds > store.longest_seconds && store.dropped {
            return Err(WindowsError::Forgotten { seconds, kept_seconds: store.longest_seconds });
        }
        store.longest_seconds = store.longest_seconds.max(seconds);
        Ok(())
    }

    fn read_after(
        &self,
        reads: &[WindowRead],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
    ) -> Result<Vec<u64>, WindowsError> {
        let mut counts = Vec::with_capacity(reads.len());
        self.read_after_into(reads, customers, now_ms, &mut counts)?;
        Ok(counts)
    }

    fn read_after_into(
        &self,
        reads: &[WindowRead],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
        counts: &mut Vec<u64>,
    ) -> Result<(), WindowsError> {
        // Room that each thread uses again and again.
        let mut room = ROOM.try_with(std::cell::Cell::take).unwrap_or_default();
        room.keys.clear();
        room.keys.extend(customers.map(|customer| self.key(customer)));
        let read = self.count(reads, now_ms, &mut room, counts);
        if room.keys.len() <= KEYS_KEPT_MAX {
            // A thread that ends has nowhere to keep it.
            let _ = ROOM.try_with(|kept| kept.set(room));
        }
        read
    }
}

/// Customers for whom a thread keeps room: 16 bytes each.
const KEYS_KEPT_MAX: usize = 1 << 17;

thread_local! {
    static ROOM: std::cell::Cell<Room> = const { std::cell::Cell::new(Room::new()) };
}

/// The room that reading takes.
#[derive(Debug)]
struct Room {
    keys: Vec<Key>,
    order: Vec<usize>,
    /// The windows of customers granted: where the count stands, and where the window begins.
    granted: Vec<(usize, u64)>,
}

impl Room {
    const fn new() -> Self {
        Self { keys: Vec::new(), order: Vec::new(), granted: Vec::new() }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryWindows {
    fn count(
        &self,
        reads: &[WindowRead],
        now_ms: i64,
        room: &mut Room,
        counts: &mut Vec<u64>,
    ) -> Result<(), WindowsError> {
        let Room { keys, order, granted } = room;
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now_ms.max(store.latest_ms);
        if let Some(read) = reads.iter().find(|read| read.window.seconds > store.longest_seconds) {
            return Err(WindowsError::Undeclared { seconds: read.window.seconds });
        }
        // Reads of one subject are counted together, so that each customer is looked up once a subject.
        counts.clear();
        counts.resize(reads.len(), 0);
        order.clear();
        order.extend(0..reads.len());
        order.sort_unstable_by_key(|place| reads.get(*place).map(|read| &read.subject));
        for group in order.chunk_by(|a, b| same_subject(reads, *a, *b)) {
            let windows = group.iter().filter_map(|place| Some((*place, reads.get(*place)?.window)));
            let first = group.first().and_then(|place| reads.get(*place));
            match first.and_then(|first| store.subjects.get(&first.subject)) {
                None => count_without_past(windows, keys.len(), counts),
                Some(subject) => {
                    let mut subject = subject.lock().unwrap_or_else(PoisonError::into_inner);
                    subject.count(windows, keys, now_ms, granted, counts);
                }
            }
        }
        Ok(())
    }
}

fn same_subject(reads: &[WindowRead], a: usize, b: usize) -> bool {
    reads.get(a).map(|read| &read.subject) == reads.get(b).map(|read| &read.subject)
}

/// The counts of a subject that was never granted or denied anything.
fn count_without_past(windows: impl Iterator<Item = (usize, Window)>, customers: usize, counts: &mut [u64]) {
    for (place, window) in windows {
        let count = match window.counted {
            Counted::Customers => customers as u64,
            Counted::Denials => 0,
        };
        put(counts, place, count);
    }
}

fn put(counts: &mut [u64], place: usize, count: u64) {
    if let Some(slot) = counts.get_mut(place) {
        *slot = count;
    }
}

/// A customer, as two independently keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key(u64, u64);

#[derive(Debug, Default)]
struct Store {
    subjects: HashMap<EntityUid, Mutex<Subject>, ahash::RandomState>,
    /// The longest window declared.
    longest_seconds: i64,
    /// The time of the latest record.
    latest_ms: i64,
    /// Whether anything was dropped because no window could see it.
    dropped: bool,
}

impl Store {
    /// The time to record at: never before an earlier record.
    fn step(&mut self, now_ms: i64) -> i64 {
        self.latest_ms = self.latest_ms.max(now_ms);
        self.latest_ms
    }

    /// What was recorded at or before this time lies outside every window.
    fn oldest_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.longest_seconds.saturating_mul(1_000))
    }

    fn subject(&mut self, uid: &EntityUid) -> &mut Subject {
        self.subjects.entry(uid.clone()).or_default().get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Subject {
    grants: Grants,
    /// The times of denials, ascending.
    denials_ms: VecDeque<i64>,
}

impl Subject {
    fn count(
        &mut self,
        windows: impl Iterator<Item = (usize, Window)>,
        keys: &[Key],
        now_ms: i64,
        granted: &mut Vec<(usize, u64)>,
        counts: &mut [u64],
    ) {
        granted.clear();
        for (place, window) in windows {
            let begins_after_ms = now_ms.saturating_sub(window.seconds.saturating_mul(1_000));
            match window.counted {
                Counted::Denials => {
                    let before = self.denials_ms.partition_point(|time_ms| *time_ms <= begins_after_ms);
                    put(counts, place, self.denials_ms.len().saturating_sub(before) as u64);
                }
                Counted::Customers => {
                    let (start, live) = self.grants.window(window.seconds, begins_after_ms);
                    put(counts, place, live.saturating_add(keys.len() as u64));
                    granted.push((place, start));
                }
            }
        }
        if granted.is_empty() {
            return;
        }
        // A customer of the job that lies in a window already was counted twice.
        for key in keys {
            let Some(last) = self.grants.last.get(key) else { continue };
            for (place, start) in granted.iter() {
                if last >= start
                    && let Some(count) = counts.get_mut(*place)
                {
                    *count = count.saturating_sub(1);
                }
            }
        }
    }

    /// Drops what was recorded at or before `oldest_ms`; says whether there was anything.
    fn forget(&mut self, oldest_ms: i64) -> bool {
        let mut dropped = false;
        while self.denials_ms.front().is_some_and(|time_ms| *time_ms <= oldest_ms) {
            self.denials_ms.pop_front();
            dropped = true;
        }
        self.grants.forget(oldest_ms) || dropped
    }
}

/// What one subject was granted.
#[derive(Debug, Default)]
struct Grants {
    /// Grants in the order of time. The first has the sequence number `first`.
    queue: VecDeque<Grant>,
    first: u64,
    /// How many grants of the queue are dead: their customer was granted again later.
    dead: usize,
    /// The sequence number of each customer's last grant.
    last: HashMap<Key, u64, ahash::RandomState>,
    /// The windows that were read, each with where it begins.
    views: Vec<View>,
}

#[derive(Debug)]
struct Grant {
    time_ms: i64,
    key: Key,
    live: bool,
}

/// A window of one length: the sequence number from which grants are within it, and how many of those are live.
#[derive(Debug)]
struct View {
    seconds: i64,
    start: u64,
    live: u64,
}

/// Dead grants below this number aren't worth a compaction.
const COMPACT_DEAD_MIN: usize = 1_024;

impl Grants {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.queue.len() as u64)
    }

    fn get(&self, sequence: u64) -> Option<&Grant> {
        self.queue.get(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    /// Where the window of `seconds` begins when it holds what came after `begins_after_ms`, and how many live grants it
    /// holds.
    fn window(&mut self, seconds: i64, begins_after_ms: i64) -> (u64, u64) {
        let position = self.views.iter().position(|view| view.seconds == seconds);
        let mut view = match position {
            Some(position) => self.views.swap_remove(position),
            // A view that begins behind the last grant and is moved back to where it belongs.
            None => View { seconds, start: self.end(), live: 0 },
        };
        while let Some(grant) = self.get(view.start)
            && grant.time_ms <= begins_after_ms
        {
            view.live = view.live.saturating_sub(u64::from(grant.live));
            view.start = view.start.saturating_add(1);
        }
        // Back again, when this read is for an earlier time than the last one.
        while let Some(before) = view.start.checked_sub(1)
            && let Some(grant) = self.get(before)
            && grant.time_ms > begins_after_ms
        {
            view.live = view.live.saturating_add(u64::from(grant.live));
            view.start = before;
        }
        let found = (view.start, view.live);
        self.views.push(view);
        found
    }

    fn push(&mut self, key: Key, time_ms: i64) {
        let sequence = self.end();
        if let Some(earlier) = self.last.insert(key, sequence) {
            if let Some(place) = earlier.checked_sub(self.first).and_then(|place| usize::try_from(place).ok())
                && let Some(grant) = self.queue.get_mut(place)
            {
                grant.live = false;
                self.dead = self.dead.saturating_add(1);
            }
            for view in self.views.iter_mut().filter(|view| view.start <= earlier) {
                view.live = view.live.saturating_sub(1);
            }
        }
        for view in &mut self.views {
            view.live = view.live.saturating_add(1);
        }
        self.queue.push_back(Grant { time_ms, key, live: true });
        if self.dead > COMPACT_DEAD_MIN && self.dead > self.queue.len() / 2 {
            self.compact();
        }
    }

    /// Takes the dead grants out of the queue.
    fn compact(&mut self) {
        let mut starts: Vec<u64> = self.views.iter().map(|view| view.start).collect();
        let first = self.first;
        let mut removed: u64 = 0;
        let mut kept = VecDeque::with_capacity(self.queue.len().saturating_sub(self.dead));
        for (old, grant) in (first..).zip(self.queue.drain(..)) {
            for (start, view) in starts.iter_mut().zip(&self.views) {
                if view.start == old {
                    *start = old.saturating_sub(removed);
                }
            }
            if grant.live {
                self.last.insert(grant.key, old.saturating_sub(removed));
                kept.push_back(grant);
            } else {
                removed = removed.saturating_add(1);
            }
        }
        let old_end = first.saturating_add(kept.len() as u64).saturating_add(removed);
        for (start, view) in starts.into_iter().zip(&mut self.views) {
            view.start = if view.start >= old_end { old_end.saturating_sub(removed) } else { start };
        }
        self.queue = kept;
        self.dead = 0;
    }

    fn forget(&mut self, oldest_ms: i64) -> bool {
        let mut dropped = false;
        while let Some(grant) = self.queue.front()
            && grant.time_ms <= oldest_ms
        {
            let (sequence, live) = (self.first, grant.live);
            for view in self.views.iter_mut().filter(|view| view.start <= sequence) {
                view.live = view.live.saturating_sub(u64::from(live));
                view.start = sequence.saturating_add(1);
            }
            if live {
                let key = grant.key;
                self.last.remove(&key);
            } else {
                self.dead = self.dead.saturating_sub(1);
            }
            self.first = sequence.saturating_add(1);
            self.queue.pop_front();
            dropped |= live;
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use exportgate_contract::vocabulary::Subject;

    use super::*;

    const SECONDS: [i64; 3] = [60, 600, 3_600];

    fn agent(id: &str) -> EntityUid {
        EntityUid::new("Export::Agent", id)
    }

    fn window(seconds: i64) -> Window {
        Window { subject: Subject::Agent, counted: Counted::Customers, seconds }
    }

    fn store() -> MemoryWindows {
        let windows = MemoryWindows::new();
        windows.declare(&SECONDS.map(window)).unwrap();
        windows
    }

    fn read(windows: &MemoryWindows, subject: &str, seconds: &[i64], customers: &[String], now_ms: i64) -> Vec<u64> {
        let reads: Vec<WindowRead> =
            seconds.iter().map(|seconds| WindowRead { subject: agent(subject), window: window(*seconds) }).collect();
        windows.read_after(&reads, &mut customers.iter().map(String::as_str), now_ms).unwrap()
    }

    fn grant(windows: &MemoryWindows, subject: &str, customers: &[String], now_ms: i64) {
        windows.record_grant(&[agent(subject)], &mut customers.iter().map(String::as_str), now_ms);
    }

    /// Numbers from a fixed seed: xorshift.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }
    }

    #[test]
    fn counts_equal_those_of_a_plain_list() {
        let windows = store();
        let mut plain: Vec<(i64, String)> = Vec::new();
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        let mut now_ms = 1_000_000;
        for round in 0..3_000 {
            now_ms += i64::try_from(numbers.below(40_000)).unwrap();
            let customers: Vec<String> = (0..=numbers.below(6))
                .map(|_| format!("c{}", numbers.below(60)))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            // Now and then a read of the past: what was recorded last holds it back.
            let at_ms = if round % 7 == 0 { now_ms - 30_000 } else { now_ms };
            let latest_ms = plain.last().map_or(at_ms, |(time_ms, _)| at_ms.max(*time_ms));
            let expected = SECONDS.map(|seconds| {
                let within = plain.iter().filter(|(time_ms, _)| *time_ms > latest_ms - 1_000 * seconds);
                let mut all: BTreeSet<&str> = within.map(|(_, customer)| customer.as_str()).collect();
                all.extend(customers.iter().map(String::as_str));
                all.len() as u64
            });
            assert_eq!(read(&windows, "ana", &SECONDS, &customers, at_ms), expected, "round {round}");
            if numbers.below(3) > 0 {
                grant(&windows, "ana", &customers, now_ms);
                plain.extend(customers.into_iter().map(|customer| (now_ms, customer)));
            }
        }
        let store = windows.store.read().unwrap();
        let subject = store.subjects[&agent("ana")].lock().unwrap();
        assert!(store.dropped && subject.grants.queue.len() < 2_500, "{}", subject.grants.queue.len());
    }

    #[test]
    fn the_same_customers_again_take_no_more_memory() {
        let windows = store();
        let customers: Vec<String> = (0..500).map(|customer| customer.to_string()).collect();
        for round in 0..40 {
            grant(&windows, "ana", &customers, round);
            assert_eq!(read(&windows, "ana", &[60], &customers[..10], round), [500]);
        }
        let store = windows.store.read().unwrap();
        let subject = store.subjects[&agent("ana")].lock().unwrap();
        assert!(subject.grants.queue.len() <= 500 + 2 * COMPACT_DEAD_MIN, "{}", subject.grants.queue.len());
        assert_eq!(subject.grants.last.len(), 500);
    }

    #[test]
    fn a_clock_that_steps_back_empties_no_window() {
        let windows = store();
        grant(&windows, "ana", &["a".to_owned()], 10_000_000);
        assert_eq!(read(&windows, "ana", &[60], &["b".to_owned()], 5_000_000), [2]);
        grant(&windows, "ana", &["b".to_owned()], 5_000_000);
        assert_eq!(read(&windows, "ana", &[60], &["c".to_owned()], 10_059_999), [3]);
        assert_eq!(read(&windows, "ana", &[60], &["c".to_owned()], 10_060_000), [1]);
    }

    #[test]
    fn subjects_do_not_share_counts() {
        let windows = store();
        grant(&windows, "ana", &["a".to_owned()], 0);
        assert_eq!(read(&windows, "bob", &[60], &["a".to_owned()], 0), [1]);
        windows.record_denial(&agent("bob"), 0);
        let denied = |subject: &str, now_ms| {
            let window = Window { counted: Counted::Denials, ..window(60) };
            let reads = [WindowRead { subject: agent(subject), window }];
            windows.read_after(&reads, &mut ["x"].into_iter(), now_ms).unwrap()
        };
        assert_eq!((denied("bob", 59_999), denied("bob", 60_000), denied("ana", 1)), (vec![1], vec![0], vec![0]));
    }

    #[test]
    fn windows_are_declared_before_they_are_read() {
        let windows = store();
        let reads = [WindowRead { subject: agent("ana"), window: window(3_601) }];
        let error = windows.read_after(&reads, &mut [].into_iter(), 0).unwrap_err();
        assert_eq!(error.to_string(), "a window of 3601 seconds was read, and none so long was declared");
        windows.declare(&[window(7_200)]).unwrap();
        grant(&windows, "ana", &["a".to_owned()], 0);
        grant(&windows, "ana", &["b".to_owned()], 8_000_000);
        assert_eq!(
            windows.declare(&[window(9_000)]).unwrap_err().to_string(),
            "a window of 9000 seconds can't be counted exactly: what is older than 7200 seconds was dropped"
        );
    }
}
