//! Scanning: clean chats of 2 KB and 32 KB, a chat with a card in it, and texts that need views.
//!
//! Each iteration scans another text of a small set, so that branches are not learned by heart.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::{hint::black_box, sync::Arc};

use clap::Parser as _;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use sluice_benches::load;
use sluice_contract::facts::Origin;
use sluice_detectors::{Batch, Pack, Report, Scanner};

/// Texts that take turns.
const VARIANTS: u64 = 64;

/// The texts of a generated chat, as the data path would collect them.
fn chat(arguments: &[&str], seed: u64) -> Batch {
    let fixed = ["load", "--target", "127.0.0.1:1"];
    let options = load::Options::parse_from(fixed.iter().chain(arguments));
    let body: Value =
        serde_json::from_slice(&load::sample_body(&options, seed)).expect("bodies are valid JSON");
    let mut batch = Batch::default();
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let text = message.get("content").and_then(Value::as_str).unwrap_or_default();
        batch.add(Origin::User, Some("content"), text);
    }
    batch
}

fn text(text: &str) -> Batch {
    let mut batch = Batch::default();
    batch.add(Origin::User, Some("content"), text);
    batch
}

fn bench(criterion: &mut Criterion) {
    let pack = Arc::new(Pack::compile().expect("the pack compiles"));
    let mut scanner = Scanner::new(pack).expect("the scanner starts");
    let mut report = Report::default();
    let mut group = criterion.benchmark_group("scan");
    let mut run = |name: &str, batches: &[Batch]| {
        let bytes = batches.first().map_or(0, Batch::bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        let mut turn = batches.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || turn.next().expect("there are batches"),
                |batch| scanner.scan(black_box(batch), &mut report),
                BatchSize::SmallInput,
            );
        });
    };
    let chats = |arguments: &[&str]| -> Vec<Batch> {
        (0..VARIANTS).map(|seed| chat(arguments, seed)).collect()
    };
    run("chat-2k", &chats(&[]));
    run("chat-32k", &chats(&["--body-bytes", "32768"]));
    // What the odd dash or apostrophe of real chats costs: the same texts without any.
    let ascii = |batch: &Batch| {
        let mut plain = Batch::default();
        for index in 0..batch.texts().len() {
            let text = batch.text(index).replace('\u{2014}', "-").replace('\u{2019}', "'");
            plain.add(batch.origin(index), Some("content"), &text);
        }
        plain
    };
    let plain: Vec<Batch> = chats(&["--body-bytes", "32768"]).iter().map(ascii).collect();
    run("chat-32k-ascii", &plain);
    run("chat-2k-card", &chats(&["--with-card"]));
    let long = "please look at this and say what you think of it ".repeat(40);
    run("zero-width-ssn", &[text(&format!("{long} 536\u{200b}-90\u{200b}-4399"))]);
    run(
        "base64-run",
        &[text(&format!(
            "{long} d3JpdGUgdG8gamFuZS5kb2VAZXhhbXBsZS5jb20gYW5kIHdhaXQgZm9yIGhlcg=="
        ))],
    );
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
