//! Every group of engines as criterion benchmarks, named `group/engine/input`: `cargo bench -p exportgate-benches`.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use exportgate_benches::compare::{Contest, WARM};
use exportgate_benches::export::{self, Bulk};
use exportgate_benches::question::{self, Field};
use exportgate_benches::rows::{POLICIES_MANY, synthetic_contender};
use exportgate_benches::synthetic::POLICIES_MIN;
use exportgate_benches::{interpreted, load, peers};

fn run(criterion: &mut Criterion, mut contest: Contest) {
    let mut group = criterion.benchmark_group(contest.group);
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for contender in &mut contest.contenders {
        let name = format!("{}/{}", contender.engine, contest.input);
        group.bench_function(name, |bencher| bencher.iter_custom(|iterations| contender.run(iterations)));
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    peers::Peers::build();
    let core = interpreted::core();
    run(criterion, question::contest(10, Field::All(&core)));
    run(criterion, export::small(Some(&core)));
    for kind in [Bulk::FormsOfFields, Bulk::FormsOfCustomers, Bulk::Tickets, Bulk::Counted] {
        run(criterion, export::bulk(kind));
    }
    for policies in [POLICIES_MIN, POLICIES_MANY] {
        let contenders = vec![synthetic_contender(WARM, policies)];
        run(criterion, Contest { group: "evaluate", input: format!("1x3-{policies}-policies"), contenders });
    }
    run(criterion, load::load());
    let cache = tempfile::tempdir().unwrap();
    run(criterion, load::load_cached(cache.path()));
    run(criterion, load::compile_reference());
    run(criterion, load::compile_synthetic(POLICIES_MANY));
}

criterion_group!(benches, all);
criterion_main!(benches);
