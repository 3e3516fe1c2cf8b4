//! The distribution of single calls: each is timed by itself, the clock's own cost included.

use std::hint::black_box;
use std::time::Instant;

/// Times of single calls, in nanoseconds, ascending.
#[derive(Clone, Debug)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// Times so many calls, after a tenth as many that aren't counted.
    pub fn measure<T>(calls: usize, mut ask: impl FnMut() -> T) -> Self {
        for _ in 0..calls / 10 {
            black_box(ask());
        }
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begin = Instant::now();
            black_box(ask());
            times.push(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        Self::of(times)
    }

    /// Those of calls that were timed elsewhere, in nanoseconds.
    pub fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time within which so many of 1,000 calls were done.
    pub fn per_mille(&self, share: usize) -> u64 {
        let place = (self.0.len() * share).div_ceil(1_000).max(1) - 1;
        self.0.get(place).or(self.0.last()).copied().unwrap_or(0)
    }

    /// The longest.
    pub fn max(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    /// How many calls took how long, in steps of a twentieth of a power of ten: the lower end of each step in nanoseconds,
    /// and the number of calls, empty steps left out.
    pub fn histogram(&self) -> Vec<(f64, usize)> {
        let step = |nanoseconds: u64| ((nanoseconds.max(1) as f64).log10() * 20.0).floor();
        let mut steps: Vec<(f64, usize)> = Vec::new();
        for time in &self.0 {
            match steps.last_mut() {
                Some((at, count)) if *at == step(*time) => *count += 1,
                _ => steps.push((step(*time), 1)),
            }
        }
        steps.into_iter().map(|(at, count)| (10_f64.powf(at / 20.0), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_occurred() {
        let times = Latencies((1..=1_000).collect());
        assert_eq!((times.per_mille(500), times.per_mille(990), times.max()), (500, 990, 1_000));
        assert_eq!(times.histogram().iter().map(|(_, count)| count).sum::<usize>(), 1_000);
        assert_eq!(Latencies(vec![7]).per_mille(1), 7);
    }
}
