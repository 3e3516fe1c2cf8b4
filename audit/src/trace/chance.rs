//! How likely it is that somebody took so many of the leaked customers by chance.
//!
//! Somebody who took `taken` of `population` customers for honest reasons took about the same share of any customers drawn
//! from it at random. How many exactly is hypergeometric: drawing without putting back.

/// `ln(n!)`: summed below 32, Stirling's series above; good to about 12 digits.
fn ln_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|factor| as_f64(factor).ln()).sum();
    }
    let n = as_f64(n);
    let inverse = 1.0 / n;
    let series = inverse / 12.0 - inverse.powi(3) / 360.0 + inverse.powi(5) / 1260.0;
    n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + series
}

/// The number as a float: counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of customers are far below 2^53")]
pub(super) fn as_f64(n: u64) -> f64 {
    n as f64
}

fn ln_choose(n: u64, k: u64) -> f64 {
    match n.checked_sub(k) {
        Some(rest) => ln_factorial(n) - ln_factorial(k) - ln_factorial(rest),
        None => f64::NEG_INFINITY,
    }
}

/// The chance that of `leaked` customers drawn at random from `population` at least `hits` are among `taken` of them, as the
/// natural logarithm.
pub(super) fn ln_chance(population: u64, taken: u64, leaked: u64, hits: u64) -> f64 {
    let (taken, leaked) = (taken.min(population), leaked.min(population));
    let least = (taken.saturating_add(leaked)).saturating_sub(population);
    if hits <= least {
        return 0.0;
    }
    if hits > taken.min(leaked) {
        return f64::NEG_INFINITY;
    }
    let all = ln_choose(population, leaked);
    let term = |k: u64| {
        let others = ln_choose(population.saturating_sub(taken), leaked.saturating_sub(k));
        ln_choose(taken, k) + others - all
    };
    // Terms rise to the mode and fall after it: beyond the mode, what is 40 below the largest adds nothing.
    let mut largest = f64::NEG_INFINITY;
    let mut sum = 0.0;
    for k in hits..=taken.min(leaked) {
        let ln = term(k);
        if ln > largest {
            sum = sum * (largest - ln).exp() + 1.0;
            largest = ln;
        } else {
            sum += (ln - largest).exp();
            if ln < largest - 40.0 {
                break;
            }
        }
    }
    (largest + f64::ln(sum)).min(0.0)
}

/// The share of the leak that somebody explains best, and how many times better (as the natural logarithm) than chance.
///
/// If a share `f` of the leaked customers was drawn from the `taken`, and the rest from the whole `population`, `hits` of
/// `leaked` are seen with a likelihood of `(1 - f + f * population / taken)^hits * (1 - f)^(leaked - hits)` times that of
/// chance. Both are given for the `f` that makes this largest.
pub(super) fn best_share(population: u64, taken: u64, leaked: u64, hits: u64) -> (f64, f64) {
    if taken == 0 || leaked == 0 || hits == 0 || population <= taken {
        return (0.0, 0.0);
    }
    let (k, l) = (as_f64(hits), as_f64(leaked));
    let ratio = as_f64(population) / as_f64(taken);
    let share = ((k * ratio - l) / ((ratio - 1.0) * l)).clamp(0.0, 1.0);
    let rest = if hits >= leaked { 0.0 } else { (l - k) * (1.0 - share).max(f64::MIN_POSITIVE).ln() };
    (share, (k * (1.0 - share + share * ratio).ln() + rest).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found}, expected {expected}");
    }

    #[test]
    fn factorials_agree_with_sums() {
        for n in [0, 1, 2, 31, 32, 33, 100, 1_000] {
            close(ln_factorial(n), (1..=n).map(|factor| as_f64(factor).ln()).sum());
        }
    }

    #[test]
    fn chances_agree_with_counting() {
        // 10 customers, 4 taken, 3 leaked: of the 120 draws 36 have exactly two and 4 three.
        close(ln_chance(10, 4, 3, 2), (40.0f64 / 120.0).ln());
        close(ln_chance(10, 4, 3, 3), (4.0f64 / 120.0).ln());
        close(ln_chance(10, 4, 3, 0), 0.0);
        assert_eq!(ln_chance(10, 4, 3, 4), f64::NEG_INFINITY);
        // Eight taken of ten: three drawn can't all miss.
        close(ln_chance(10, 8, 3, 1), 0.0);
        // 1,000 of 100,000 taken, all of 50 leaked: about 50 * ln(1 / 100).
        let ln = ln_chance(100_000, 1_000, 50, 50);
        assert!(ln < 50.0 * 0.01f64.ln() && ln > 50.0 * 0.01f64.ln() - 3.0, "{ln}");
    }

    #[test]
    fn the_best_share_is_the_one_that_was_drawn() {
        let (share, ln) = best_share(100_000, 1_000, 50, 50);
        close(share, 1.0);
        close(ln, 50.0 * 100f64.ln());
        let (share, ln) = best_share(100_000, 1_000, 50, 25);
        assert!((share - 0.495).abs() < 0.01 && ln > 50.0, "{share} {ln}");
        let (share, ln) = best_share(100_000, 50_000, 50, 25);
        assert!(share < 1e-9 && ln < 1e-9, "{share} {ln}");
    }
}
