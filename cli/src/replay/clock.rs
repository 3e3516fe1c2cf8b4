//! The simulated clock: when each job of a manner is asked, in order.

use super::file::Pace;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// A job to be asked: when, by which agent, for which of that agent's customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The agent, from 0.
    pub agent: u64,
    /// The first customer, from 0, among all customers of the manner.
    pub first: u64,
    /// How many customers, from the first on.
    pub customers: u64,
}

/// The jobs of `agents` who share `customers` evenly and go for each once, at `pace`, from the day that begins at
/// `start_ms`; by time, and at one time by agent.
pub fn slots(start_ms: i64, agents: u64, customers: u64, pace: &Pace) -> Vec<Slot> {
    let share = |agent: u64| {
        let edge = |agent: u64| u128::from(customers).saturating_mul(u128::from(agent)) / u128::from(agents.max(1));
        let edge = |agent: u64| u64::try_from(edge(agent)).unwrap_or(customers);
        (edge(agent), edge(agent.saturating_add(1)))
    };
    let mut slots = Vec::new();
    for agent in 0..agents {
        let (mut next, end) = share(agent);
        let mut day_ms = start_ms;
        while next < end {
            if !pace.weekdays || is_weekday(day_ms) {
                let of_day = pace.customers_per_agent_day.min(end.saturating_sub(next));
                day(&mut slots, day_ms, agent, next, of_day, pace);
                next = next.saturating_add(of_day);
            }
            day_ms = day_ms.saturating_add(DAY_MS);
        }
    }
    slots.sort_by_key(|slot| (slot.at_ms, slot.agent));
    slots
}

/// The jobs of one agent on one day: spread evenly over the hours as if the whole day's pace were kept.
fn day(slots: &mut Vec<Slot>, day_ms: i64, agent: u64, first: u64, customers: u64, pace: &Pace) {
    let [from, to] = pace.hours.map(|hour| hour.saturating_mul(HOUR_MS));
    let per_job = pace.customers_per_job.max(1);
    let jobs = customers.div_ceil(per_job).max(1);
    let span_ms = to.saturating_sub(from);
    for job in 0..jobs {
        let done = job.saturating_mul(per_job);
        let share_ms = i128::from(span_ms).saturating_mul(i128::from(job)) / i128::from(jobs);
        let at_ms = day_ms.saturating_add(from).saturating_add(i64::try_from(share_ms).unwrap_or(span_ms));
        slots.push(Slot {
            at_ms,
            agent,
            first: first.saturating_add(done),
            customers: per_job.min(customers.saturating_sub(done)),
        });
    }
}

/// Whether the day that begins at `day_ms` is one from Monday to Friday: 1970 began on a Thursday.
fn is_weekday(day_ms: i64) -> bool {
    day_ms.div_euclid(DAY_MS).saturating_add(3).rem_euclid(7) < 5
}

/// Milliseconds since 1970 of the beginning of a day written `YYYY-MM-DD`; none for anything else.
pub fn parse_day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let fits = part.len() == digits && part.chars().all(|c| c.is_ascii_digit());
        if fits { part.parse::<i64>().ok() } else { None }
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || !(1970..=9999).contains(&year) {
        return None;
    }
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if !(1..=*lengths.get(before)?).contains(&day) {
        return None;
    }
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months: i64 = lengths.iter().take(before).sum();
    years.checked_add(months)?.checked_add(day)?.checked_sub(1)?.checked_mul(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_job: u64, per_day: u64, weekdays: bool) -> Pace {
        Pace { customers_per_job: per_job, customers_per_agent_day: per_day, hours: [9, 17], weekdays }
    }

    #[test]
    fn days_are_days_since_1970() {
        assert_eq!(parse_day("1970-01-01"), Some(0));
        assert_eq!(parse_day("2000-03-01"), Some(11_017 * DAY_MS));
        assert_eq!(parse_day("2021-12-10"), Some(18_971 * DAY_MS));
        for wrong in ["2021-02-29", "2021-13-01", "2021-1-01", "2021-01-01-", "+021-01-01", ""] {
            assert_eq!(parse_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn weekends_are_left_out() {
        // 2021-12-10 was a Friday.
        let friday = parse_day("2021-12-10").unwrap();
        let days: Vec<i64> =
            slots(friday, 1, 3, &pace(1, 1, true)).iter().map(|slot| (slot.at_ms - friday) / DAY_MS).collect();
        assert_eq!(days, [0, 3, 4]);
    }

    #[test]
    fn each_customer_is_asked_for_once() {
        let slots = slots(0, 3, 1_000, &pace(7, 20, false));
        let mut seen: Vec<u64> = slots.iter().flat_map(|slot| slot.first..slot.first + slot.customers).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
        assert!(slots.is_sorted_by_key(|slot| slot.at_ms));
        assert!(slots.iter().all(|slot| (9 * HOUR_MS..17 * HOUR_MS).contains(&slot.at_ms.rem_euclid(DAY_MS))));
    }

    #[test]
    fn a_day_begins_with_its_first_job_and_spreads_the_rest() {
        let at: Vec<i64> = slots(0, 1, 4, &pace(1, 4, false)).iter().map(|slot| slot.at_ms / HOUR_MS).collect();
        assert_eq!(at, [9, 11, 13, 15]);
    }
}
