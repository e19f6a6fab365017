//! JSON spans: parsing a request body, and writing it anew with one string redacted.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::hint::black_box;

use clap::Parser as _;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice_benches::load;
use sluice_wire::json::{Document, Edit, JsonLimits, Replacement, Splice};

fn body(arguments: &[&str], seed: u64) -> Vec<u8> {
    let fixed = ["load", "--target", "127.0.0.1:1"];
    load::sample_body(&load::Options::parse_from(fixed.iter().chain(arguments)), seed)
}

fn parse(criterion: &mut Criterion) {
    let limits = JsonLimits::default();
    let mut document = Document::new();
    let mut group = criterion.benchmark_group("json-parse");
    for (name, size) in [("2k", "2048"), ("32k", "32768"), ("1m", "1048576")] {
        let bodies: Vec<Vec<u8>> = (0..8).map(|seed| body(&["--body-bytes", size], seed)).collect();
        group.throughput(Throughput::Bytes(bodies.first().map_or(0, Vec::len) as u64));
        let mut turn = bodies.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let body = turn.next().expect("there are bodies");
                document.parse(black_box(body), &limits).expect("bodies are valid");
            });
        });
    }
    group.finish();
}

fn splice(criterion: &mut Criterion) {
    let body = body(&["--with-card"], 1);
    let mut splice = Splice::new();
    let mut out = Vec::new();
    criterion.bench_function("json-splice/2k-one-edit", |bencher| {
        bencher.iter(|| {
            let edit = Edit {
                range: 900..919,
                text: b"[payment_card]",
                replacement: Replacement::InString,
            };
            splice.build(black_box(&body).len(), [edit]).expect("the edit is in range");
            out.clear();
            splice.write_to(&body, &mut out);
        });
    });
}

criterion_group!(benches, parse, splice);
criterion_main!(benches);
