//! Times engines that do the same, in turns, so that whatever else the machine does falls on all of them alike.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Exportgate with an instance kept.
pub const WARM: &str = "exportgate-warm";
/// The same, and the facts of the request are resolved already.
pub const PREPARED: &str = "exportgate-prepared";
/// Exportgate with an instance for each job.
pub const FRESH: &str = "exportgate-fresh";
/// cedar-policy, with everything prebuilt: its best case.
pub const CEDAR: &str = "cedar-policy";
/// cedar-policy as an application calls it: requests and entities made for each call, no JSON.
pub const CEDAR_PER_CALL: &str = "cedar-policy-per-call";
/// cedar-policy compiled to Wasm, interpreting in the sandbox, with an instance kept.
pub const CEDAR_IN_WASM: &str = "cedar-policy-in-wasm";
/// regorus with equivalent Rego, compiled, its input prebuilt.
pub const REGORUS: &str = "regorus";
/// casbin with equivalent rows and one matcher.
pub const CASBIN: &str = "casbin";
/// Empty calls into Wasm that copy the same bytes in and out.
pub const FLOOR: &str = "bare-call";

/// How long one sample is to take, so that reading the clock doesn't count.
const SAMPLE: Duration = Duration::from_micros(500);

/// Samples of one engine, at most.
const SAMPLES_MAX: usize = 101;

/// Samples of one engine, at least, unless they take longer than [`SLOW`].
const SAMPLES_MIN: usize = 3;

/// An engine that took so long isn't asked again.
const SLOW: Duration = Duration::from_secs(5);

/// What runs so many iterations, and says how long they took.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

/// One engine, with its input.
pub struct Contender {
    /// Its name.
    pub engine: &'static str,
    run: Run,
    /// How many times the work of an iteration the others do in one.
    share: f64,
}

impl Contender {
    /// An engine that does its work by `ask`.
    pub fn new<T>(engine: &'static str, mut ask: impl FnMut() -> T + 'static) -> Self {
        Self::timed(engine, move |iterations| {
            let begin = Instant::now();
            for _ in 0..iterations {
                black_box(ask());
            }
            begin.elapsed()
        })
    }

    /// An engine that takes the time itself.
    pub fn timed(engine: &'static str, run: impl FnMut(u64) -> Duration + 'static) -> Self {
        Self { engine, run: Box::new(run), share: 1.0 }
    }

    /// The same engine, which does `share` times less work in one iteration than the others; its time counts so much more.
    #[must_use]
    pub fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Runs so many iterations.
    pub fn run(&mut self, iterations: u64) -> Duration {
        (self.run)(iterations).mul_f64(self.share)
    }

    /// How many iterations make a sample, and how long the first sample took.
    fn first(&mut self) -> (u64, Duration) {
        let mut iterations = 1;
        loop {
            let took = (self.run)(iterations);
            if took >= SAMPLE || iterations >= 1 << 24 {
                return (iterations, took);
            }
            iterations *= 2;
        }
    }
}

/// Engines that answer the same question, and were seen to answer it alike.
pub struct Contest {
    /// What is asked: the first part of the name of a bench.
    pub group: &'static str,
    /// Of which size: its last part.
    pub input: String,
    /// Who answers.
    pub contenders: Vec<Contender>,
}

impl Contest {
    /// The median time of one iteration of each engine, in nanoseconds; each gets about so much time.
    pub fn measure(&mut self, each: Duration) -> BTreeMap<&'static str, f64> {
        let first: Vec<(u64, Duration)> = self.contenders.iter_mut().map(Contender::first).collect();
        let mut samples: Vec<Vec<f64>> = vec![Vec::new(); first.len()];
        let mut spent = vec![Duration::ZERO; first.len()];
        for (place, (_, took)) in first.iter().enumerate().filter(|(_, (_, took))| *took >= SLOW) {
            samples[place].push(took.mul_f64(self.contenders[place].share).as_secs_f64() * 1e9);
        }
        for round in 0..SAMPLES_MAX {
            for (place, contender) in self.contenders.iter_mut().enumerate() {
                let (iterations, took) = first[place];
                if took >= SLOW || round >= SAMPLES_MIN && spent[place] >= each {
                    continue;
                }
                let begin = Instant::now();
                let took = contender.run(iterations);
                spent[place] += begin.elapsed();
                samples[place].push(took.as_secs_f64() * 1e9 / iterations as f64);
            }
        }
        self.contenders.iter().zip(samples).map(|(contender, times)| (contender.engine, median(times))).collect()
    }
}

/// The middle one; of an even number the lower one.
///
/// # Panics
///
/// When there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_does_a_share_of_the_work_counts_for_the_whole() {
        let clock = |engine, share: f64| {
            Contender::timed(engine, |iterations| Duration::from_micros(3) * u32::try_from(iterations).unwrap())
                .with_share(share)
        };
        let mut contest =
            Contest { group: "g", input: "i".to_owned(), contenders: vec![clock("a", 1.0), clock("b", 100.0)] };
        let found = contest.measure(Duration::from_millis(1));
        assert!((found["a"] - 3_000.0).abs() < 1.0, "{found:?}");
        assert!((found["b"] - 300_000.0).abs() < 100.0, "{found:?}");
        assert_eq!(median(vec![9.0, 1.0, 5.0, 7.0]), 5.0);
    }
}
