//! Policy: a decision asked of Cedar, and the same one remembered, with the built-in set.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_contract::{
    class::Class,
    facts::{Facts, Origin},
};
use sluice_policy::{
    DecisionCache, Direction, Enforcement, Engine, PolicySource, PrincipalRef, Question,
    QuestionKeys, RoutePolicy, RouteRef, TargetRef, Trust, preset,
};

fn built_in() -> RoutePolicy {
    let source = PolicySource {
        set: "default".to_owned(),
        file: "default.cedar".to_owned(),
        text: preset("default").expect("the preset exists").to_owned(),
    };
    let engine = Engine::load(&[source]).expect("the preset loads");
    engine.compose(&["default"]).expect("the preset composes")
}

fn bench(criterion: &mut Criterion) {
    let policy = built_in();
    let mut cache = DecisionCache::new();
    let principal = PrincipalRef {
        tenant: "default",
        application: "bench",
        user: None,
        groups: &[],
        team: None,
        project: None,
        use_case: None,
    };
    let route =
        RouteRef { name: "default", enforcement: Enforcement::Enforce, allow_opaque: false };
    let target =
        TargetRef { name: "mock", provider: "openai", trust: Trust::External, region: "eu" };
    let clean = Facts::default();
    let mut with_card = Facts::default();
    with_card.add(Class::PAYMENT_CARD, Origin::User, 100);
    for (name, facts) in [("clean", &clean), ("one-card", &with_card)] {
        let question = Question {
            direction: Direction::Request,
            principal: &principal,
            route: &route,
            model: "bench",
            target: &target,
            facts,
            keys: QuestionKeys { principal: 1, route: 1, target: 1, model: 1 },
        };
        let mut group = criterion.benchmark_group(format!("decide/{name}"));
        group.bench_function("asked", |bencher| {
            bencher.iter(|| policy.decide_uncached(black_box(&question)));
        });
        group.bench_function("remembered", |bencher| {
            bencher.iter(|| policy.decide(black_box(&question), &mut cache).verdict);
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
