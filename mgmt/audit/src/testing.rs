//! What the tests of this crate share: workers that write real records, a writer that is driven by
//! hand, and a disk whose operations fail.

use crate::error::AuditError;
use crate::head::{Head, HeadKeeper};
use crate::log::Log;
use crate::log::open::{Opened, open};
use crate::segment::{SegmentReader, Step, segments};
use crate::storage::{PlainStorage, Storage};
use crate::verify::{Report, verify};
use crate::writer::testing::{Drive, Lane, Next};
use crate::writer::{Command, Options, WriterStats, channel};
use sluice_contract::class::Class;
use sluice_contract::decision::{ClassAction, Decision, Verdict};
use sluice_contract::facts::{Facts, Origin as TextOrigin};
use sluice_contract::ids::NameId;
use sluice_contract::record::{
    DecisionFixed, DecisionRecord, End, Header, Origin, OutcomeFixed, OutcomeRecord, RecordBuffer,
    RefusalCount, encode_refusals, header,
};
use sluice_contract::ring::{Full, Producer, Ring};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

pub(crate) const TIME_NS: u64 = 1_700_000_000_123_456_789;

/// A worker with its ring.
pub(crate) struct Worker {
    pub fd: OwnedFd,
    pub producer: Producer,
    pub number: u16,
    pub boot: u64,
    buffer: RecordBuffer,
}

impl Worker {
    pub fn new(number: u16, slots: u32) -> Worker {
        Worker::with_ring(number, Ring::create(slots, 0x1000 + u64::from(number)).unwrap(), 0xb007)
    }

    pub fn with_ring(number: u16, fd: OwnedFd, boot: u64) -> Worker {
        let (producer, _) = Producer::attach(Ring::open(&fd).unwrap(), boot);
        Worker { fd, producer, number, boot, buffer: RecordBuffer::default() }
    }

    pub fn ring(&self) -> Ring {
        Ring::open(&self.fd).unwrap()
    }

    /// The data path died and came back.
    pub fn restart(self) -> Worker {
        Worker::with_ring(self.number, self.fd, self.boot + 1)
    }

    pub fn origin(&self) -> Origin {
        Origin {
            worker: self.number,
            ring: self.producer.ring().number(),
            boot: self.boot,
            sequence: self.producer.next_sequence(),
            time_ns: TIME_NS + self.producer.next_sequence(),
        }
    }

    pub fn decide(&mut self) -> Result<u64, Full> {
        self.producer.reserve(2)?;
        let mut facts = Facts { text_bytes: 40, texts: 1, ..Facts::default() };
        facts.add(Class::PAYMENT_CARD, TextOrigin::User, 99);
        let mut decision = Decision { verdict: Verdict::Redact, ..Decision::default() };
        let action = ClassAction { class: Class::PAYMENT_CARD, verdict: Verdict::Redact };
        decision.classes.push(action);
        decision.add_policy(NameId::of("cards"));
        let fixed = DecisionFixed {
            principal: 0xabc,
            route: NameId::of("default").0,
            model: NameId::of("echo").0,
            target: NameId::of("echo").0,
            verdict: Verdict::Redact as u8,
            trust: 1,
            ..DecisionFixed::ZERO
        };
        let origin = self.origin();
        DecisionRecord { fixed, facts: &facts, decision: &decision, groups: &[7] }
            .encode(&origin, &mut self.buffer)
            .unwrap();
        self.producer.push(self.buffer.bytes(), false).map(|_wake| origin.sequence)
    }

    pub fn answer(&mut self, decision: u64) {
        let fixed = OutcomeFixed {
            decision,
            target: NameId::of("echo").0,
            status: 200,
            upstream_status: 200,
            end: End::Complete as u8,
            total_us: 900,
            decided_us: 300,
            ..bytemuck::Zeroable::zeroed()
        };
        let record =
            OutcomeRecord { fixed, facts: &Facts::default(), decision: &Decision::default() };
        let origin = self.origin();
        record.encode(&origin, &mut self.buffer).unwrap();
        self.producer.push(self.buffer.bytes(), false).map(|_wake| ()).unwrap();
    }

    pub fn refuse(&mut self, count: u32) {
        self.producer.reserve(1).unwrap();
        let counts = [RefusalCount { source: 5, count, reason: 9, reserved: 0 }];
        let origin = self.origin();
        encode_refusals(&origin, 1_700_000_000, &counts, &mut self.buffer).unwrap();
        self.producer.push(self.buffer.bytes(), false).map(|_wake| ()).unwrap();
    }

    /// Pushes bytes that need not be a record.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.producer.reserve(1).unwrap();
        self.producer.push(bytes, false).map(|_wake| ()).unwrap();
    }
}

/// Folders of a log under test.
pub(crate) struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        // In memory where there is such a place: these tests sync thousands of times, and what a
        // sync does to a disk is not what they are about.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_none| tempfile::tempdir());
        Place { folder: folder.unwrap() }
    }

    pub fn options(&self) -> Options {
        let state = self.folder.path();
        let mut options =
            Options::new(state.join("audit"), state.join("keys/audit.key"), state.join("heads"));
        options.free_bytes_min = 0;
        options.reserve_bytes = 0;
        options
    }

    pub fn directory(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    pub fn heads(&self) -> PathBuf {
        self.folder.path().join("heads")
    }

    pub fn verify(&self) -> Report {
        verify(&self.directory(), None, Some(&self.heads())).unwrap()
    }

    pub fn assert_holds(&self) -> Report {
        let report = self.verify();
        assert!(report.ok, "{report}");
        report
    }

    /// Every header of the log, in order.
    pub fn headers(&self) -> Vec<Header> {
        let mut headers = Vec::new();
        for (_, path) in segments(&self.directory()).unwrap() {
            let mut reader = SegmentReader::new(File::open(path).unwrap());
            while let Step::Record { record, .. } = reader.next().unwrap() {
                headers.push(header(record).unwrap());
            }
        }
        headers
    }

    /// The sequences of each ring of workers, in order.
    pub fn sequences(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut sequences: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for header in self.headers().iter().filter(|header| header.worker != u16::MAX) {
            sequences.entry(header.ring).or_default().push(header.sequence);
        }
        sequences
    }
}

/// Runs a future that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A writer that is driven by hand, turn by turn.
pub(crate) struct Hand<S: Storage> {
    pub writer: Drive<S>,
    pub handle: crate::writer::Handle,
    pub seen: Arc<Mutex<Vec<Vec<u8>>>>,
    pub stats: Arc<WriterStats>,
    pub torn_bytes: u64,
    head_place: Option<crate::head::Place>,
    _lock: nix::fcntl::Flock<File>,
    _wakes: Vec<UnixStream>,
}

impl<S: Storage> Hand<S> {
    pub fn open(storage: S, options: &Options, rings: Vec<Ring>) -> Result<Hand<S>, AuditError> {
        let opened = open(&storage, options, crate::writer::testing::unix_ns())?;
        let Opened { state, positions, torn_bytes, place, lock } = opened;
        let mut wakes = Vec::new();
        let mut lanes = Vec::new();
        for (worker, ring) in rings.into_iter().enumerate() {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            wakes.push(theirs);
            let known = positions.get(&ring.number()).copied();
            lanes.push(Lane::attach(worker, ring, known, ours.into())?);
        }
        let wake = OwnedFd::from(UnixStream::pair().unwrap().0);
        let (handle, commands) = channel(wake).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let observer = Box::new(move |record: &[u8]| log.lock().unwrap().push(record.to_vec()));
        let stats = Arc::new(WriterStats::default());
        let shared = Arc::clone(&stats);
        let mut writer =
            Drive::new(Log::new(storage, state), lanes, commands, observer, shared, options);
        if torn_bytes > 0 {
            let notice = crate::writer::testing::plain_notice(
                sluice_contract::record::NoticeCode::TornTail,
                torn_bytes,
            );
            writer.pending.push_back(Command::Notice(notice));
        }
        let head_place = Some(place);
        Ok(Hand { writer, handle, seen, stats, torn_bytes, head_place, _lock: lock, _wakes: wakes })
    }

    pub fn turn(&mut self) -> Next {
        ready(self.writer.turn()).unwrap()
    }

    /// Turns until nothing is left, or the writer is stalled.
    pub fn settle(&mut self) -> Next {
        for _ in 0..1000 {
            match self.turn() {
                Next::Again | Next::Nap => {}
                other => return other,
            }
        }
        panic!("the writer does not come to rest");
    }

    /// Signs a head over what is on disk now.
    pub fn sign(&self) {
        let tail = self.writer.log.state.tail;
        let head = Head { records: tail.records, chain: tail.chain };
        self.head_place.as_ref().unwrap().write(&head).unwrap();
    }

    pub fn finish(mut self) -> Result<(), AuditError> {
        let place = self.head_place.take().unwrap();
        self.writer.keeper = Some(HeadKeeper::start(place, Arc::clone(&self.stats))?);
        ready(self.writer.finish())
    }
}

/// Opens a log on a plain disk.
pub(crate) fn hand(place: &Place, workers: &[Worker]) -> Hand<PlainStorage> {
    let rings = workers.iter().map(Worker::ring).collect();
    Hand::open(PlainStorage, &place.options(), rings).unwrap()
}

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing of it is done.
    Fails,
    /// Half of a write is done; other operations as [`Fault::Fails`].
    Half,
    /// All of it is done, and it says that it failed.
    Done,
}

/// A disk on which one operation fails, and on which all others do too from then on where the
/// process "dies" with it.
pub(crate) struct FaultStorage {
    pub shared: std::rc::Rc<FaultState>,
}

#[derive(Default)]
pub(crate) struct FaultState {
    /// Operations so far.
    pub count: Cell<usize>,
    /// The operation that fails.
    pub at: Cell<usize>,
    pub fault: Cell<Option<Fault>>,
    pub is_fatal: Cell<bool>,
    pub is_dead: Cell<bool>,
    /// Bytes written and synced, by file, for power cuts.
    pub lengths: RefCell<BTreeMap<PathBuf, (u64, u64)>>,
    /// A rename that the folder's sync has not made last.
    pub renamed: RefCell<Option<(PathBuf, PathBuf)>>,
}

enum Course {
    Do,
    Fail(Fault),
}

impl FaultStorage {
    fn course(&self) -> Course {
        let state = &self.shared;
        if state.is_dead.get() {
            return Course::Fail(Fault::Fails);
        }
        let count = state.count.get();
        state.count.set(count + 1);
        match state.fault.get() {
            Some(fault) if count == state.at.get() => {
                state.is_dead.set(state.is_fatal.get());
                Course::Fail(fault)
            }
            _ => Course::Do,
        }
    }

    fn apply(&self, operation: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.course() {
            Course::Do => operation(),
            Course::Fail(Fault::Done) => {
                operation()?;
                Err(io::Error::other("failed, but done"))
            }
            Course::Fail(_) => Err(io::Error::other("failed")),
        }
    }
}

impl Storage for FaultStorage {
    type File = (PathBuf, File);

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        let file = PlainStorage.open(path)?;
        let length = file.metadata()?.len();
        let mut lengths = self.shared.lengths.borrow_mut();
        lengths.entry(path.to_path_buf()).or_insert((length, length));
        Ok((path.to_path_buf(), file))
    }

    async fn write(&self, file: &Self::File, bytes: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
        let part = match self.course() {
            Course::Do | Course::Fail(Fault::Done) => bytes.len(),
            Course::Fail(Fault::Half) => bytes.len() / 2,
            Course::Fail(Fault::Fails) => 0,
        };
        let failed = self.shared.is_dead.get()
            || (self.shared.count.get() == self.shared.at.get() + 1
                && self.shared.fault.get().is_some());
        let done = PlainStorage.write(&file.1, bytes[..part].to_vec(), at).await.0;
        if let Some((written, _)) = self.shared.lengths.borrow_mut().get_mut(&file.0)
            && part > 0
        {
            *written = at + part as u64;
        }
        let result = if failed { Err(io::Error::other("failed write")) } else { done };
        (result, bytes)
    }

    async fn sync(&self, file: &Self::File) -> io::Result<()> {
        self.apply(|| {
            if let Some((written, synced)) = self.shared.lengths.borrow_mut().get_mut(&file.0) {
                *synced = *written;
            }
            Ok(())
        })
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.apply(|| {
            let lengths = (length, length);
            self.shared.lengths.borrow_mut().insert(path.to_path_buf(), lengths);
            PlainStorage.truncate(path, length)
        })
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.apply(|| PlainStorage.create(path, bytes))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.apply(|| {
            *self.shared.renamed.borrow_mut() = Some((from.to_path_buf(), to.to_path_buf()));
            PlainStorage.rename(from, to)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.apply(|| PlainStorage.remove(path))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.apply(|| {
            *self.shared.renamed.borrow_mut() = None;
            PlainStorage.sync_directory(directory)
        })
    }
}
