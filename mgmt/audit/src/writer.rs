//! The audit writer: a thread of its own that makes the workers' records durable.
//!
//! All rings are drained into one group, the group is written and synced through tokio-uring, then
//! the durable marks move and the workers that asked are woken. While records come that nobody
//! waits for, the thread naps between groups, so that a busy node makes few and large ones. When
//! nothing comes it sleeps on an eventfd; nothing ticks. The steps, and what a crash between two
//! leaves, are in `turn` and `append`.

mod handle;
mod lane;
mod options;
mod room;
mod stats;
mod turn;
mod wake;

pub use handle::{Command, Commands, Handle, NotSent, channel};
pub use options::{Options, Wiring};
pub use stats::WriterStats;

use crate::error::AuditError;
use crate::head::HeadKeeper;
use crate::log::Log;
use crate::log::open::{Opened, open};
use crate::storage::{PlainStorage, Storage, UringStorage};
use lane::Lane;
use sluice_contract::record::NoticeCode;
use sluice_contract::ring::Consumer;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use turn::{Next, Writer, plain_notice, unix_ns};

/// What tests drive a writer by.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::lane::Lane;
    pub(crate) use super::turn::{Next, Writer as Drive, plain_notice, unix_ns};
}

/// Records of the last group from which the next one is gathered.
const GATHER_FROM: u64 = 4;

/// A last group that was faster than this is not worth waiting for more.
const GATHER_WORTH: Duration = Duration::from_micros(200);

/// The longest that records are gathered.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// How long a stalled writer waits before it tries again.
const RETRY: Duration = Duration::from_millis(200);

/// Is given every record, in the log's order, after it is on disk; but for those at the start of a
/// segment, which repeat what was said. Runs on the writer's thread, so it must be quick.
pub type Observer = Box<dyn FnMut(&[u8]) + Send>;

/// A running writer.
#[derive(Debug)]
pub struct Started {
    /// Id of the log, 32 hex digits.
    pub log: String,
    /// Records that the log held at start.
    pub records: u64,
    /// Names that the log knows; a [`crate::list::Joiner`] that follows the observer needs them, as
    /// they are not written again.
    pub names: Vec<String>,
    /// Bytes of a torn tail that were cut off at start.
    pub torn_bytes: u64,
    /// The writer's thread; it ends after [`Command::Stop`], or with the error that stopped it.
    pub thread: JoinHandle<Result<(), AuditError>>,
}

/// Opens the log (recovering it where needed) on the caller's thread, takes the consumer's side of
/// the rings, and starts the writer's thread. The writer itself records that management starts and
/// stops.
pub fn start(
    options: &Options,
    wiring: Wiring,
    commands: Commands,
    observer: Observer,
    stats: Arc<WriterStats>,
) -> Result<Started, AuditError> {
    let ready = Ready::open(options, wiring, commands, observer, stats)?;
    let log = ready.opened.state.id.to_string();
    let (records, torn_bytes) = (ready.opened.state.tail.records, ready.opened.torn_bytes);
    let names = ready.opened.state.names.iter().map(str::to_owned).collect();
    let thread = std::thread::Builder::new()
        .name("audit".into())
        .spawn(move || ready.run())
        .map_err(|_refused| AuditError::Thread("audit"))?;
    Ok(Started { log, records, names, torn_bytes, thread })
}

/// As [`start`], but on the caller's thread, until [`Command::Stop`]. The thread must not be one
/// of a tokio runtime: tokio-uring panics there.
pub fn run(
    options: &Options,
    wiring: Wiring,
    commands: Commands,
    observer: Observer,
    stats: Arc<WriterStats>,
) -> Result<(), AuditError> {
    Ready::open(options, wiring, commands, observer, stats)?.run()
}

/// Measures what one group costs on the disk of `directory`: the median of a few small writes with
/// an fdatasync each. For the banner.
pub fn measure_sync(directory: &Path) -> Result<Duration, AuditError> {
    const TRIES: usize = 9;
    let path = directory.join("sync-test.new");
    let failed = || AuditError::file("write", &path);
    crate::durable::create_synced(&path, &[]).map_err(failed())?;
    let measured = (|| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path)?;
        let mut times = [Duration::ZERO; TRIES];
        for time in &mut times {
            let began = Instant::now();
            std::io::Write::write_all(&mut file, &[0; 4096])?;
            file.sync_data()?;
            *time = began.elapsed();
        }
        times.sort_unstable();
        Ok(times.get(TRIES / 2).copied().unwrap_or_default())
    })();
    std::fs::remove_file(&path).map_err(failed())?;
    measured.map_err(failed())
}

/// A writer that is ready to run, on whichever thread.
struct Ready {
    options: Options,
    opened: Opened,
    lanes: Vec<Lane>,
    consumer_wake: OwnedFd,
    commands: Commands,
    observer: Observer,
    stats: Arc<WriterStats>,
}

impl Ready {
    fn open(
        options: &Options,
        wiring: Wiring,
        commands: Commands,
        observer: Observer,
        stats: Arc<WriterStats>,
    ) -> Result<Ready, AuditError> {
        let (rings, wakes) = (wiring.rings.len(), wiring.producer_wakes.len());
        if rings != wakes {
            return Err(AuditError::Wiring { rings, wakes });
        }
        let opened = open(&PlainStorage, options, unix_ns())?;
        let lanes = wiring
            .rings
            .into_iter()
            .zip(wiring.producer_wakes)
            .enumerate()
            .map(|(worker, (ring, wake))| {
                let known = opened.positions.get(&ring.number()).copied();
                Lane::attach(worker, ring, known, wake)
            })
            .collect::<Result<Vec<Lane>, AuditError>>()?;
        stats.log_records.store(opened.state.tail.records, Relaxed);
        stats.segment.store(opened.state.segment, Relaxed);
        let (options, consumer_wake) = (options.clone(), wiring.consumer_wake);
        Ok(Ready { options, opened, lanes, consumer_wake, commands, observer, stats })
    }

    /// Runs on io_uring, or on plain system calls where the kernel has none for us.
    fn run(self) -> Result<(), AuditError> {
        let mut builder = tokio_uring::builder();
        builder.entries(8);
        match tokio_uring::Runtime::new(&builder) {
            Ok(runtime) => {
                self.stats.uring.store(true, Relaxed);
                runtime.block_on(self.write(UringStorage))
            }
            Err(_no_uring) => run_to_end(self.write(PlainStorage)),
        }
    }

    async fn write<S: Storage>(self, storage: S) -> Result<(), AuditError> {
        let Ready { options, opened, lanes, consumer_wake, commands, observer, stats } = self;
        let Opened { state, place, torn_bytes, lock, .. } = opened;
        let keeper = HeadKeeper::start(place, Arc::clone(&stats))?;
        let log = Log::new(storage, state);
        let mut writer = Writer::new(log, lanes, commands, observer, stats, &options);
        writer.keeper = Some(keeper);
        let notice = |code, value| Command::Notice(plain_notice(code, value));
        writer.pending.push_back(notice(NoticeCode::ManagementStart, 0));
        if torn_bytes > 0 {
            writer.pending.push_back(notice(NoticeCode::TornTail, torn_bytes));
        }
        loop {
            match writer.turn().await? {
                Next::Again => gather(&writer),
                Next::Nap => nap(&writer, &consumer_wake, options.nap),
                Next::Sleep => {
                    if writer.may_rest(Consumer::Asleep) {
                        wake::wait(&consumer_wake, None);
                    }
                    // The first of several records: the others follow in a moment.
                    nap(&writer, &consumer_wake, options.nap);
                }
                Next::Retry => {
                    wake::wait(&consumer_wake, Some(RETRY));
                }
                Next::Stop => break,
            }
        }
        let finished = writer.finish().await;
        drop(writer);
        drop(lock);
        finished
    }
}

/// Lets the group that comes next grow, where several requests wait at a time: a part of what the
/// last group took is given to those that its acknowledgement just set free, instead of writing the
/// few records that came during it at once. A group costs the same however many are in it.
fn gather<S: Storage>(writer: &Writer<S>) {
    let last = Duration::from_micros(writer.stats.sync_us.load(Relaxed));
    let together = writer.stats.group_records.load(Relaxed);
    if together >= GATHER_FROM && last >= GATHER_WORTH {
        std::thread::sleep((last / 2).min(GATHER_MAX));
    }
}

/// Collects records for `limit`, unless somebody waits for one.
fn nap<S: Storage>(writer: &Writer<S>, consumer_wake: &OwnedFd, limit: Duration) {
    if writer.may_rest(Consumer::Napping) {
        wake::wait(consumer_wake, Some(limit));
    }
    writer.may_rest(Consumer::Awake);
}

/// Runs a future that never waits: every operation of [`PlainStorage`] blocks.
fn run_to_end<T>(future: impl Future<Output = Result<T, AuditError>>) -> Result<T, AuditError> {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(AuditError::Thread("audit")),
    }
}

#[cfg(test)]
mod tests;
