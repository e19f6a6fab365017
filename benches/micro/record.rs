//! Evidence on the worker's side: encoding a decision's record, and its way through the shared ring.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_contract::{
    class::Class,
    decision::Decision,
    facts::{Facts, Origin as Place},
    limits::RING_SLOTS,
    record::{DecisionFixed, DecisionRecord, Origin, RecordBuffer},
    ring::{ConsumerSide, Producer, Ring, Taken, Wake},
};

const ORIGIN: Origin = Origin { worker: 0, ring: 7, boot: 9, sequence: 1, time_ns: 1 };

fn facts() -> Facts {
    let mut facts = Facts::default();
    facts.add(Class::PAYMENT_CARD, Place::User, 100);
    facts
}

fn encode(criterion: &mut Criterion) {
    let (facts, decision) = (facts(), Decision::default());
    let record = DecisionRecord {
        fixed: DecisionFixed::ZERO,
        facts: &facts,
        decision: &decision,
        groups: &[],
    };
    let mut buffer = RecordBuffer::default();
    criterion.bench_function("record/encode-decision", |bencher| {
        bencher.iter(|| black_box(&record).encode(&ORIGIN, &mut buffer).expect("it fits"));
    });
}

fn ring(criterion: &mut Criterion) {
    let memory = Ring::create(RING_SLOTS, 7).expect("the ring is made");
    let open = || Ring::open(&memory).expect("the ring is mapped");
    let (mut producer, _) = Producer::attach(open(), 9);
    let mut consumer = ConsumerSide::attach(open(), 0);
    let (facts, decision) = (facts(), Decision::default());
    let record = DecisionRecord {
        fixed: DecisionFixed::ZERO,
        facts: &facts,
        decision: &decision,
        groups: &[],
    };
    let mut buffer = RecordBuffer::default();
    record.encode(&ORIGIN, &mut buffer).expect("it fits");
    let mut out = Vec::new();
    criterion.bench_function("ring/push-and-take", |bencher| {
        bencher.iter(|| {
            producer.reserve(1).expect("the ring has room");
            // Nobody sleeps in this bench, so that nobody has to be woken.
            assert_eq!(producer.push(black_box(buffer.bytes()), false), Ok(Wake::No));
            out.clear();
            assert_eq!(consumer.take(&mut out), Taken::Record);
            assert_eq!(consumer.mark_durable(), Wake::No);
        });
    });
}

criterion_group!(benches, encode, ring);
criterion_main!(benches);
