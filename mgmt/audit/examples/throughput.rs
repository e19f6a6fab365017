//! How many records a second the writer makes durable, and what one costs.
//!
//! `cargo run --release -p sluice-audit --example throughput -- [SECONDS] [WORKERS] [RATE] [DIR]`:
//! workers push decision and outcome records as fast as the rings take them (or RATE a second each,
//! 0 for as fast as possible), the writer writes them with an fdatasync a group. CPU is that of the
//! writer's threads and the kernel's workers for them. The log is verified at the end, timed too.
#![expect(clippy::print_stdout, reason = "this is its output")]

use sluice_audit::verify::verify;
use sluice_audit::writer::{Command, Options, Wiring, WriterStats, channel, measure_sync, start};
use sluice_contract::class::Class;
use sluice_contract::decision::Decision;
use sluice_contract::facts::{Facts, Origin as TextOrigin};
use sluice_contract::record::{
    DecisionFixed, DecisionRecord, Origin, OutcomeFixed, OutcomeRecord, RecordBuffer,
};
use sluice_contract::ring::{Producer, Ring, Wake};
use std::error::Error;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (seconds, workers, rate) = (number(5)?, number(1)?, number(0)?);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let state = directory.join(format!("sluice-throughput-{}", std::process::id()));
    let options = Options::new(state.join("audit"), state.join("audit.key"), state.join("heads"));
    std::fs::create_dir_all(&state)?;
    let measured = measured(&options, &state, seconds, workers, rate);
    std::fs::remove_dir_all(&state)?;
    measured
}

fn measured(
    options: &Options,
    state: &Path,
    seconds: u64,
    workers: u64,
    rate: u64,
) -> Result<(), Box<dyn Error>> {
    println!("fdatasync of this disk: {:?}", measure_sync(state)?);
    let wake = OwnedFd::from(nix::sys::eventfd::EventFd::from_value_and_flags(
        0,
        nix::sys::eventfd::EfdFlags::EFD_NONBLOCK,
    )?);
    let fds = (0..workers).map(|n| Ring::create(8192, n + 1)).collect::<Result<Vec<_>, _>>()?;
    let rings = fds.iter().map(Ring::open).collect::<Result<Vec<_>, _>>()?;
    let mut producer_wakes = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..workers {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        producer_wakes.push(OwnedFd::from(ours));
        ends.push(theirs);
    }
    let (handle, commands) = channel(&wake)?;
    let stats = Arc::new(WriterStats::default());
    let wiring = Wiring { rings, consumer_wake: wake.try_clone()?, producer_wakes };
    let observer = Box::new(|_: &[u8]| {});
    let started = start(options, wiring, commands, observer, Arc::clone(&stats))?;

    let stopping = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for (worker, fd) in fds.into_iter().enumerate() {
        let (stopping, wake) = (Arc::clone(&stopping), wake.try_clone()?);
        let pusher = Pusher::new(u16::try_from(worker)?, &fd, wake)?;
        threads.push(std::thread::spawn(move || pusher.run(rate, &stopping)));
    }
    while stats.records.load(Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (cpu, began, records) = (writer_cpu()?, Instant::now(), stats.records.load(Relaxed));
    std::thread::sleep(Duration::from_secs(seconds));
    let cpu = writer_cpu()?.saturating_sub(cpu);
    let (took, records) = (began.elapsed(), stats.records.load(Relaxed) - records);
    let (groups, bytes) = (stats.groups.load(Relaxed), stats.bytes.load(Relaxed));
    stopping.store(true, Relaxed);
    for thread in threads {
        thread.join().map_err(|_panic| "a worker panicked")?;
    }
    handle.send(Command::Stop)?;
    started.thread.join().map_err(|_panic| "the writer panicked")??;

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let per_second = records as f64 / took.as_secs_f64();
    println!(
        "{records} records in {took:.2?}: {per_second:.0} records/s in {groups} groups, {} MB; \
         io_uring {}",
        bytes >> 20,
        stats.uring.load(Relaxed)
    );
    let per_record = cpu.as_nanos() / u128::from(records.max(1));
    println!(
        "writer's CPU {cpu:.2?}: {per_record} ns a record; lag {} us",
        stats.lag_us.load(Relaxed)
    );
    let began = Instant::now();
    let report = verify(&options.directory, None, Some(&options.heads_directory))?;
    println!("{report}\nverified in {:.2?}", began.elapsed());
    Ok(())
}

/// A worker that does nothing but push.
struct Pusher {
    worker: u16,
    producer: Producer,
    buffer: RecordBuffer,
    wake: OwnedFd,
}

impl Pusher {
    fn new(worker: u16, fd: &OwnedFd, wake: OwnedFd) -> Result<Pusher, Box<dyn Error>> {
        let (producer, _) = Producer::attach(Ring::open(fd)?, 7);
        Ok(Pusher { worker, producer, buffer: RecordBuffer::default(), wake })
    }

    fn run(mut self, rate: u64, stopping: &AtomicBool) {
        let mut facts = Facts { text_bytes: 2000, texts: 3, ..Facts::default() };
        facts.add(Class::PAYMENT_CARD, TextOrigin::User, 99);
        let decision = Decision::default();
        let (began, mut pushed) = (Instant::now(), 0);
        while !stopping.load(Relaxed) {
            let due = u64::try_from(began.elapsed().as_micros()).unwrap_or(0) * rate / 1_000_000;
            if (rate > 0 && pushed >= due) || self.producer.reserve(2).is_err() {
                std::thread::sleep(Duration::from_micros(500));
                continue;
            }
            // Without this the ring looks fuller than it is, and every push in a nap wakes us.
            self.producer.refresh();
            let asked = self.origin();
            let record = DecisionRecord {
                fixed: DecisionFixed::ZERO,
                facts: &facts,
                decision: &decision,
                groups: &[],
            };
            let encoded = record.encode(&asked, &mut self.buffer).is_ok();
            self.push(encoded);
            let fixed = OutcomeFixed {
                decision: asked.sequence,
                status: 200,
                ..bytemuck::Zeroable::zeroed()
            };
            let record = OutcomeRecord { fixed, facts: &facts, decision: &decision };
            let encoded = record.encode(&self.origin(), &mut self.buffer).is_ok();
            self.push(encoded);
            pushed += 2;
        }
    }

    fn push(&mut self, encoded: bool) {
        if encoded && self.producer.push(self.buffer.bytes(), false) == Ok(Wake::Yes) {
            nix::unistd::write(&self.wake, &1u64.to_ne_bytes()).ok();
        }
    }

    fn origin(&self) -> Origin {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Origin {
            worker: self.worker,
            ring: self.producer.ring().number(),
            boot: 7,
            sequence: self.producer.next_sequence(),
            time_ns: u64::try_from(time.as_nanos()).unwrap_or(0),
        }
    }
}

/// CPU time of the writer: its thread, the one that signs heads, and the kernel's workers for it.
fn writer_cpu() -> Result<Duration, Box<dyn Error>> {
    let mut sum = Duration::ZERO;
    for entry in std::fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        // A kernel worker may end in between.
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else { continue };
        if name.starts_with("audit") || name.starts_with("iou-wrk") {
            let text = std::fs::read_to_string(path.join("schedstat"))?;
            sum += Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?);
        }
    }
    Ok(sum)
}
