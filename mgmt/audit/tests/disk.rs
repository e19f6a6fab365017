//! The writer on its own thread, on a real disk and on one that is full.
#![cfg(test)]

use sluice_audit::verify::{Report, verify};
use sluice_audit::writer::{self, Handle, Options, Started, Wiring, WriterStats, channel, start};
use sluice_contract::decision::Decision;
use sluice_contract::facts::Facts;
use sluice_contract::record::{DecisionFixed, DecisionRecord, Kind, Origin, RecordBuffer, header};
use sluice_contract::ring::{Producer, Ring, Trouble, Wake};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;

struct Bench {
    options: Options,
    fd: OwnedFd,
    producer: Producer,
    wake: OwnedFd,
    woken: UnixStream,
    handle: Handle,
    started: Started,
    stats: Arc<WriterStats>,
    seen: mpsc::Receiver<u16>,
}

fn options(state: &Path) -> Options {
    let mut options =
        Options::new(state.join("audit"), state.join("audit.key"), state.join("heads"));
    options.free_bytes_min = 0;
    options.reserve_bytes = 64 << 10;
    options
}

fn bench(options: Options, fd: Option<OwnedFd>, nonblocking: bool) -> Bench {
    let fd = fd.unwrap_or_else(|| Ring::create(4096, 9).unwrap());
    let flags = if nonblocking {
        nix::sys::eventfd::EfdFlags::EFD_NONBLOCK
    } else {
        nix::sys::eventfd::EfdFlags::empty()
    };
    let wake = OwnedFd::from(nix::sys::eventfd::EventFd::from_flags(flags).unwrap());
    let (ours, woken) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (producer, _) = Producer::attach(Ring::open(&fd).unwrap(), 1);
    let (handle, commands) = channel(&wake).unwrap();
    let stats = Arc::new(WriterStats::default());
    let (sender, seen) = mpsc::channel();
    let observer = Box::new(move |record: &[u8]| {
        sender.send(header(record).unwrap().kind).ok();
    });
    let wiring = Wiring {
        rings: vec![Ring::open(&fd).unwrap()],
        consumer_wake: wake.try_clone().unwrap(),
        producer_wakes: vec![ours.into()],
    };
    let started = start(&options, wiring, commands, observer, Arc::clone(&stats)).unwrap();
    Bench { options, fd, producer, wake, woken, handle, started, stats, seen }
}

impl Bench {
    fn push(&mut self, waits: bool) -> Option<u64> {
        self.producer.reserve(1).ok()?;
        let sequence = self.producer.next_sequence();
        let origin = Origin { worker: 0, ring: 9, boot: 1, sequence, time_ns: 1 };
        let mut buffer = RecordBuffer::default();
        let (facts, decision) = (Facts::default(), Decision::default());
        let fixed = DecisionFixed::ZERO;
        DecisionRecord { fixed, facts: &facts, decision: &decision, groups: &[] }
            .encode(&origin, &mut buffer)
            .unwrap();
        if self.producer.push(buffer.bytes(), waits).unwrap() == Wake::Yes {
            nix::unistd::write(&self.wake, &1u64.to_ne_bytes()).unwrap();
        }
        Some(sequence)
    }

    /// Waits for a record as a sync route does.
    fn wait(&mut self, sequence: u64) {
        while !self.producer.is_durable(sequence) {
            self.producer.ask_for_wake();
            if self.producer.is_durable(sequence) {
                break;
            }
            self.woken.read_exact(&mut [0]).unwrap();
        }
    }

    /// Stops the writer and gives back what the next one needs.
    fn stop(self) -> (Options, OwnedFd, Report) {
        self.handle.send(writer::Command::Stop).unwrap();
        self.started.thread.join().unwrap().unwrap();
        let report =
            verify(&self.options.directory, None, Some(&self.options.heads_directory)).unwrap();
        (self.options, self.fd, report)
    }
}

#[test]
fn waiting_requests_are_woken_and_all_is_signed_at_a_stop() {
    for nonblocking in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = bench(options(folder.path()), None, nonblocking);
        assert_eq!(running.seen.recv().unwrap(), Kind::Notice as u16);
        running.handle.send(writer::Command::Names(vec!["echo".into()])).unwrap();
        assert_eq!(running.seen.recv().unwrap(), Kind::Dictionary as u16);
        for waits in [true, false, true, true, false, true] {
            let sequence = running.push(waits).unwrap();
            if waits {
                running.wait(sequence);
            }
            assert_eq!(running.seen.recv().unwrap(), Kind::Decision as u16);
        }
        assert!(running.stats.groups.load(Relaxed) >= 4);
        let (options, fd, report) = running.stop();
        assert!(report.ok, "{report}");
        assert_eq!((report.kinds.decisions, report.unprotected), (6, 0));
        // On the same ring the next writer goes on.
        let mut running = bench(options, Some(fd), nonblocking);
        assert_eq!(running.started.records, report.records);
        let sequence = running.push(true).unwrap();
        assert_eq!(sequence, 6);
        running.wait(sequence);
        let (.., report) = running.stop();
        assert!(report.ok && report.kinds.decisions == 7, "{report}");
    }
}

#[test]
fn a_head_follows_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = bench(options(folder.path()), None, true);
    for _ in 0..3 {
        let sequence = running.push(true).unwrap();
        running.wait(sequence);
    }
    // Nothing more is written: a head that covers all comes without being asked for.
    let directory = running.options.directory.clone();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let report = verify(&directory, None, Some(&running.options.heads_directory)).unwrap();
        assert!(report.ok, "{report}");
        if report.unprotected == 0 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{report}");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.stop();
}

/// A mounted file system of a megabyte, unmounted when dropped.
struct Tiny(PathBuf);

impl Tiny {
    fn mount(path: PathBuf) -> Option<Tiny> {
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Tiny(path));
        }
        eprintln!("SKIP a full disk: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tiny) = Tiny::mount(folder.path().join("tiny")) else { return };
    let mut running = bench(options(&tiny.0), None, true);
    let sequence = running.push(true).unwrap();
    running.wait(sequence);
    // Somebody else fills the disk.
    let ballast = tiny.0.join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap_err();
    let mut pushed = 1;
    while running.producer.trouble() == Trouble::None {
        if running.push(true).is_some() {
            pushed += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(running.producer.trouble(), Trouble::DiskFull);
    assert!(running.stats.disk_full.load(Relaxed) && running.stats.stalls.load(Relaxed) == 1);
    // What was acknowledged holds meanwhile.
    let report = verify(&running.options.directory, None, None).unwrap();
    assert!(report.ok, "{report}");
    let acknowledged = running.producer.refresh();
    assert!(acknowledged < pushed && report.kinds.decisions >= acknowledged);
    // Room comes back: all that waited is taken.
    std::fs::remove_file(&ballast).unwrap();
    running.wait(pushed - 1);
    while running.producer.trouble() != Trouble::None {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (.., report) = running.stop();
    assert!(report.ok && report.kinds.decisions == pushed, "{report}");
}

#[test]
fn under_the_watermark_nothing_is_taken_and_a_stop_still_writes_all() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tiny) = Tiny::mount(folder.path().join("tiny")) else { return };
    let mut options = options(&tiny.0);
    options.free_bytes_min = 2 << 20;
    let mut running = bench(options, None, true);
    running.push(false).unwrap();
    while running.producer.trouble() != Trouble::DiskFull {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!running.producer.is_durable(0));
    let (.., report) = running.stop();
    assert!(report.ok && report.kinds.decisions == 1, "{report}");
}
