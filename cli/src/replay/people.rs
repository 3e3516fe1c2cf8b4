//! Makes customers from a seed: who lives where, who is famous, who holds an open ticket.
//!
//! A manner says shares; exactly that share of its customers gets the trait, spread over all of them by the seed. The
//! generator is wyrand from `fastrand`, pinned by the lock file: the same on every machine.

use super::file::{People, Tickets};

/// Which of the customers have a trait.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Those whose bit is set, 64 a word.
    Some(Vec<u64>),
}

impl Chosen {
    /// Chooses the nearest whole number to `share` of `customers`, at least one when the share isn't 0.
    fn new(rng: &mut fastrand::Rng, share: f64, customers: u64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 50 million customers, and a share from 0 to 1"
        )]
        let wanted = (customers as f64 * share).round() as u64;
        let wanted = if share > 0.0 { wanted.clamp(1, customers) } else { 0 };
        if wanted == 0 {
            return Self::None;
        }
        if wanted == customers {
            return Self::All;
        }
        // Selection sampling: each customer is taken with the chance that leaves exactly the wanted number.
        let mut bits = Vec::new();
        let mut left = wanted;
        for customer in 0..customers {
            if customer % 64 == 0 {
                bits.push(0);
            }
            if rng.u64(0..customers.saturating_sub(customer)) < left {
                left = left.saturating_sub(1);
                if let Some(word) = bits.last_mut() {
                    *word |= 1 << (customer % 64);
                }
            }
        }
        Self::Some(bits)
    }

    /// Whether nobody has the trait.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether the customer has the trait.
    pub fn has(&self, customer: u64) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(bits) => usize::try_from(customer / 64)
                .ok()
                .and_then(|word| bits.get(word))
                .is_some_and(|word| (word >> (customer % 64)) & 1 == 1),
        }
    }
}

/// The ticket that an agent holds for a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// Opened by the customer, assigned by the queue, so many minutes before the ask.
    CustomerOpened(u64),
    /// Made by the agent ten minutes before the ask.
    SelfMade,
}

/// The customers of one manner.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Who lives in another region than most.
    pub elsewhere: Chosen,
    /// Who is a celebrity.
    pub celebrities: Chosen,
    /// Who is a minor.
    pub minors: Chosen,
    /// Who is a canary.
    pub canaries: Chosen,
    /// Whose data is on hold.
    pub on_hold: Chosen,
    ticketed: Chosen,
    self_made: Chosen,
    seed: u64,
}

impl Crowd {
    /// `customers` people, made from `seed`.
    pub fn new(seed: u64, customers: u64, people: &People, tickets: &Tickets) -> Self {
        let rng = &mut fastrand::Rng::with_seed(seed);
        // Self-made tickets are a share of all customers, and none of those holds another ticket: chosen among the rest.
        let ticketed = Chosen::new(rng, tickets.customer_opened, customers);
        let ticketed_or_self_made = match (tickets.customer_opened > 0.0, tickets.self_made > 0.0) {
            (_, false) => Chosen::None,
            (false, true) => Chosen::new(rng, tickets.self_made, customers),
            (true, true) => with_more(rng, &ticketed, tickets.self_made, customers),
        };
        Self {
            elsewhere: Chosen::new(rng, people.elsewhere, customers),
            celebrities: Chosen::new(rng, people.celebrities, customers),
            minors: Chosen::new(rng, people.minors, customers),
            canaries: Chosen::new(rng, people.canaries, customers),
            on_hold: Chosen::new(rng, people.on_hold, customers),
            ticketed,
            self_made: ticketed_or_self_made,
            seed,
        }
    }

    /// The ticket held for the customer, if any.
    pub fn ticket(&self, customer: u64) -> Option<Ticket> {
        if self.ticketed.has(customer) {
            // Between 1 and 48 hours, the same whenever it is asked.
            let mut rng = fastrand::Rng::with_seed(self.seed ^ customer.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            return Some(Ticket::CustomerOpened(rng.u64(60..=48 * 60)));
        }
        self.self_made.has(customer).then_some(Ticket::SelfMade)
    }

    /// Whether anybody holds a ticket.
    pub fn has_tickets(&self) -> bool {
        !self.ticketed.is_none() || !self.self_made.is_none()
    }
}

/// Chooses `share` of all customers among those that aren't in `taken`.
fn with_more(rng: &mut fastrand::Rng, taken: &Chosen, share: f64, customers: u64) -> Chosen {
    let free: Vec<u64> = (0..customers).filter(|customer| !taken.has(*customer)).collect();
    let rest = u64::try_from(free.len()).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "at most 50 million customers")]
    let of_rest = (share * customers as f64 / rest.max(1) as f64).min(1.0);
    let among = Chosen::new(rng, of_rest, rest);
    let mut bits = vec![0_u64; usize::try_from(customers.div_ceil(64)).unwrap_or(0)];
    for (place, customer) in (0_u64..).zip(free) {
        if among.has(place)
            && let Some(word) = usize::try_from(customer / 64).ok().and_then(|word| bits.get_mut(word))
        {
            *word |= 1 << (customer % 64);
        }
    }
    Chosen::Some(bits)
}

/// The seed of a manner: FNV-1a of the row's name, so that a manner stays as it is when others come or go.
pub fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(share: f64, customers: u64) -> usize {
        let chosen = Chosen::new(&mut fastrand::Rng::with_seed(1), share, customers);
        (0..customers).filter(|customer| chosen.has(*customer)).count()
    }

    #[test]
    fn a_share_is_the_nearest_whole_number_and_at_least_one() {
        assert_eq!([chosen(0.0, 10), chosen(0.001, 10), chosen(0.25, 1_000), chosen(1.0, 7)], [0, 1, 250, 7]);
    }

    #[test]
    fn both_kinds_of_tickets_have_their_share_and_never_meet() {
        let tickets = Tickets { customer_opened: 0.3, self_made: 0.5 };
        let crowd = Crowd::new(seed("x"), 1_000, &People::default(), &tickets);
        let held: Vec<_> = (0..1_000).filter_map(|customer| crowd.ticket(customer)).collect();
        let self_made = held.iter().filter(|ticket| **ticket == Ticket::SelfMade).count();
        assert_eq!((held.len(), self_made), (800, 500));
    }

    #[test]
    fn the_same_seed_makes_the_same_people() {
        // Known answers: another generator, or another way of drawing, would change every replay.
        let crowd = Crowd::new(7, 100, &People { minors: 0.03, ..People::default() }, &Tickets::default());
        let minors: Vec<u64> = (0..100).filter(|customer| crowd.minors.has(*customer)).collect();
        assert_eq!(minors, [11, 72, 78]);
    }
}
