//! How cost grows: with customers, with fields, with policies, with threads; and how single calls are spread.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use exportgate::{Gate, Isolation, Job};

use crate::chart::{Chart, Curve, duration, grouped};
use crate::compare::{CASBIN, CEDAR, CEDAR_IN_WASM, Contender, Contest, FLOOR, FRESH, REGORUS, WARM};
use crate::latency::Latencies;
use crate::load;
use crate::native::Native;
use crate::question::{self, Field};
use crate::reference::{NOW_MS, PackFiles, Tickets, bulk_job, gate, gate_with, small_job};
use crate::rows::{Bench, synthetic_contender};
use crate::{interpreted, peers};

/// Beyond so many questions peers aren't asked: it would take them minutes.
const PEER_QUESTIONS_MAX: usize = 150_000;

/// Fields that are added to the reference pack, so that a job can have 64.
const EXTRA_FIELDS: usize = 48;

/// Measures what a picture shows.
type Measure = fn(&Bench) -> Chart;

/// Draws all of them into `folder`, and says what it does as it goes.
///
/// # Errors
///
/// When a file can't be written.
pub fn draw(bench: &Bench, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    peers::Peers::build();
    let charts: [(&str, Measure); 5] = [
        ("customers", customers),
        ("fields", fields),
        ("policies", policies),
        ("threads", threads),
        ("latency", latency),
    ];
    for (name, measure) in charts {
        eprintln!("measuring {name} ...");
        std::fs::write(folder.join(format!("{name}.svg")), measure(bench).svg())?;
    }
    Ok(())
}

/// Curves that grow point by point.
#[derive(Default)]
struct Curves(Vec<Curve>);

impl Curves {
    fn add(&mut self, name: &str, ours: bool, point: (f64, f64)) {
        match self.0.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => self.0.push(Curve { name: name.to_owned(), ours, points: vec![point] }),
        }
    }
}

/// An export, and the engines that are asked about it.
struct Asked {
    files: PackFiles,
    warm: Gate,
    interpreted: Gate,
    name: &'static str,
}

impl Asked {
    fn new(bench: &Bench, files: PackFiles, name: &'static str) -> Self {
        let windows = std::sync::Arc::new(exportgate::MemoryWindows::new());
        let component = interpreted::component(bench.core(), &files.pack());
        let interpreted = gate_with(&component, Isolation::Warm, interpreted::limits(), windows);
        Self { warm: gate(&files.component(), Isolation::Warm), interpreted, files, name }
    }

    /// The engines, once they decided alike; peers only where they are done in time.
    fn contest(&self, job: &Job, with_peers: bool) -> Contest {
        let decision = self.warm.evaluate_at(job, NOW_MS);
        assert!(decision.is_allow(), "{:?}", decision.cause());
        let ask = |name, gate: &Gate| {
            let (gate, job) = (gate.clone(), job.clone());
            Contender::new(name, move || gate.evaluate_at(&job, NOW_MS))
        };
        let mut contenders = vec![ask(self.name, &self.warm)];
        if with_peers && job.customers.len() * job.fields.len() * 3 <= PEER_QUESTIONS_MAX {
            let native = Rc::new(Native::new(&self.files.schema(), &self.files.policies(), &self.warm, job, &decision));
            native.check(&decision);
            let prebuilt = native.build();
            contenders.push(Contender::new(CEDAR, move || native.ask(&prebuilt)));
            if job.customers.len() * job.fields.len() <= 1_000 {
                native_alike(&self.interpreted, job, &decision);
                contenders.push(ask(CEDAR_IN_WASM, &self.interpreted));
            }
        }
        Contest { group: "curve", input: String::new(), contenders }
    }
}

fn native_alike(gate: &Gate, job: &Job, decision: &exportgate::Decision) {
    let other = gate.evaluate_at(job, NOW_MS);
    let forms = |decision: &exportgate::Decision| -> Vec<exportgate::Form> {
        let fields = 0..job.fields.len();
        (0..job.customers.len())
            .flat_map(|row| fields.clone().map(move |field| (row, field)))
            .map(|(row, field)| decision.form(row, field))
            .collect()
    };
    assert_eq!((other.verdict(), forms(&other)), (decision.verdict(), forms(decision)));
}

fn customers(bench: &Bench) -> Chart {
    let independent =
        Asked::new(bench, PackFiles::without_customers_in_forms(), "exportgate, forms independent of the customer");
    let reading = Asked::new(bench, PackFiles::reference(), "exportgate, forms reading the customer");
    let mut curves = Curves::default();
    for count in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        eprintln!("  {count}");
        for (asked, with_peers) in [(&reading, true), (&independent, false)] {
            let job = bulk_job(&asked.warm, 0..count, 12, Tickets::None);
            for (engine, time) in asked.contest(&job, with_peers).measure(bench.each) {
                curves.add(engine, engine == asked.name, (count as f64, time));
            }
        }
    }
    Chart {
        title: "Customers of one export".to_owned(),
        note: "one decision about 12 fields, from columns; cedar-policy: every question of it, prebuilt".to_owned(),
        x: "customers".to_owned(),
        y: duration,
        curves: curves.0,
    }
}

fn fields(bench: &Bench) -> Chart {
    let asked = Asked::new(bench, PackFiles::reference().with_extra_fields(EXTRA_FIELDS), WARM);
    let mut curves = Curves::default();
    for count in [1, 2, 4, 8, 16, 32, 64] {
        let job = bulk_job(&asked.warm, 1..2, count, Tickets::None);
        for (engine, time) in asked.contest(&job, true).measure(bench.each) {
            curves.add(engine, engine == WARM, (count as f64, time));
        }
    }
    Chart {
        title: "Fields of one export".to_owned(),
        note: "one decision about one customer, reference pack; peers: every question of it".to_owned(),
        x: "fields".to_owned(),
        y: duration,
        curves: curves.0,
    }
}

fn policies(bench: &Bench) -> Chart {
    const EXPORT: &str = "exportgate, a whole export, 1 x 3";
    let mut curves = Curves::default();
    for count in [10, 30, 100, 300, 1_000, 3_000, 10_000] {
        eprintln!("  {count}");
        for (engine, time) in question::contest(count, Field::NotInterpreted).measure(bench.each) {
            if [WARM, CEDAR, REGORUS, CASBIN, FLOOR].contains(&engine) {
                let name = if engine == WARM { "exportgate, one question" } else { engine };
                curves.add(name, engine == WARM, (count as f64, time));
            }
        }
        let contenders = vec![synthetic_contender(EXPORT, count)];
        let times = Contest { group: "curve", input: String::new(), contenders }.measure(bench.each);
        curves.add(EXPORT, true, (count as f64, times[EXPORT]));
    }
    Chart {
        title: "Policies of a pack".to_owned(),
        note: "one Cedar question, each policy scoped to another role; and a whole export with as many".to_owned(),
        x: "policies".to_owned(),
        y: duration,
        curves: curves.0,
    }
}

fn threads(bench: &Bench) -> Chart {
    let files = PackFiles::reference();
    let gate = gate(&files.component(), Isolation::Warm);
    let job = small_job(&gate);
    let decision = gate.evaluate_at(&job, NOW_MS);
    let mut curves = Curves::default();
    for count in 1..=load::threads_max() {
        let ours = load::decisions_per_second(&gate, count, bench.each);
        curves.add(WARM, true, (count as f64, ours));
        let native = || Native::new(&files.schema(), &files.policies(), &gate, &job, &decision);
        curves.add(CEDAR, false, (count as f64, natively_per_second(&native, count, bench.each)));
    }
    Chart {
        title: "Threads".to_owned(),
        note: "decisions a second about one customer and three fields, all threads together on one gate".to_owned(),
        x: "threads".to_owned(),
        y: grouped,
        curves: curves.0,
    }
}

fn natively_per_second(native: &(dyn Fn() -> Native + Sync), threads: usize, time: Duration) -> f64 {
    let one = || {
        let native = native();
        let prebuilt = native.build();
        let begin = Instant::now();
        let mut count = 0_u32;
        while begin.elapsed() < time {
            std::hint::black_box(native.ask(&prebuilt));
            count += 1;
        }
        f64::from(count) / begin.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn latency(_: &Bench) -> Chart {
    let files = PackFiles::reference();
    let component = files.component();
    let mut curves = Curves::default();
    let mut add = |name: &str, ours, latencies: &Latencies| {
        for (time, count) in latencies.histogram() {
            curves.add(name, ours, (time, count as f64));
        }
    };
    for (name, isolation) in [(WARM, Isolation::Warm), (FRESH, Isolation::Fresh)] {
        let gate = gate(&component, isolation);
        let job = small_job(&gate);
        add(name, true, &Latencies::measure(100_000, || gate.evaluate_at(&job, NOW_MS)));
    }
    let gate = gate(&component, Isolation::Warm);
    let job = small_job(&gate);
    let decision = gate.evaluate_at(&job, NOW_MS);
    let native = Native::new(&files.schema(), &files.policies(), &gate, &job, &decision);
    let prebuilt = native.build();
    add(CEDAR, false, &Latencies::measure(10_000, || native.ask(&prebuilt)));
    Chart {
        title: "Single decisions".to_owned(),
        note: "calls by their time: 100,000 about one customer and three fields, 10,000 of cedar-policy".to_owned(),
        x: "nanoseconds".to_owned(),
        y: grouped,
        curves: curves.0,
    }
}
