//! The chain: making records durable through the real writer, and verifying a log.
//!
//! `append` ends with the disk's fdatasync and so measures the disk as much as the code; `verify` is
//! hashing and parsing alone. A log is made of `RECORDS` decisions.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::{os::fd::OwnedFd, path::Path, sync::Arc, thread, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nix::sys::eventfd::{EfdFlags, EventFd};
use sluice_audit::{
    verify,
    writer::{self, Command, Handle, Options, Started, Wiring, WriterStats},
};
use sluice_contract::{
    decision::Decision,
    facts::Facts,
    limits::RING_SLOTS,
    record::{DecisionFixed, DecisionRecord, Origin, RecordBuffer},
    ring::{Producer, Ring},
};

const RECORDS: u64 = 4096;
const RING: u64 = 7;
const BOOT: u64 = 9;

/// A writer with one ring, and the worker's side of it.
struct Log {
    producer: Producer,
    wake: OwnedFd,
    handle: Handle,
    started: Started,
    buffer: RecordBuffer,
}

impl Log {
    fn start(folder: &Path) -> Self {
        let memory = Ring::create(RING_SLOTS, RING).expect("the ring is made");
        let open = || Ring::open(&memory).expect("the ring is mapped");
        let (producer, _) = Producer::attach(open(), BOOT);
        let event = || OwnedFd::from(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).expect("eventfd"));
        let wake = event();
        let wiring = Wiring {
            rings: vec![open()],
            consumer_wake: wake.try_clone().expect("descriptors are left"),
            producer_wakes: vec![event()],
        };
        let options = Options::new(folder.join("log"), folder.join("key"), folder.join("heads"));
        let (handle, commands) = writer::channel(&wake).expect("the channel is made");
        let observer = Box::new(|_: &[u8]| {});
        let stats = Arc::new(WriterStats::default());
        let started =
            writer::start(&options, wiring, commands, observer, stats).expect("the writer starts");
        Self { producer, wake, handle, started, buffer: RecordBuffer::default() }
    }

    /// Pushes `count` decisions and waits until they are on disk.
    fn append(&mut self, count: u64) {
        let (facts, decision) = (Facts::default(), Decision::default());
        let record = DecisionRecord {
            fixed: DecisionFixed::ZERO,
            facts: &facts,
            decision: &decision,
            groups: &[],
        };
        for _ in 0..count {
            let sequence = self.producer.next_sequence();
            let origin = Origin { worker: 0, ring: RING, boot: BOOT, sequence, time_ns: 1 };
            record.encode(&origin, &mut self.buffer).expect("it fits");
            self.producer.reserve(1).expect("the ring has room");
            let asleep = self.producer.push(self.buffer.bytes(), true).expect("a slot is reserved");
            if asleep == sluice_contract::ring::Wake::Yes {
                nix::unistd::write(&self.wake, &1_u64.to_ne_bytes()).expect("the wake-up is sent");
            }
        }
        let last = self.producer.next_sequence() - 1;
        while !self.producer.is_durable(last) {
            thread::sleep(Duration::from_micros(50));
        }
    }

    fn stop(self) {
        self.handle.send(Command::Stop).expect("the writer listens");
        self.started.thread.join().expect("no panic").expect("no error");
    }
}

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let mut log = Log::start(folder.path());
    let mut group = criterion.benchmark_group("chain");
    group.sample_size(20);
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("append-4096", |bencher| bencher.iter(|| log.append(RECORDS)));
    log.stop();

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let mut log = Log::start(folder.path());
    log.append(RECORDS);
    log.stop();
    let directory = folder.path().join("log");
    group.bench_function("verify-4096", |bencher| {
        bencher.iter(|| {
            let report = verify::verify(&directory, None, None).expect("the log is readable");
            assert!(report.ok, "{report:?}");
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
