//! A data path that takes snapshots, and records a decision and an outcome for each connection.

use crate::ipc::blocking::{Arrived, receive_frame, send_frame};
use crate::ipc::{Frame, FrameReader, IpcError, claim_inherited};
use sluice_contract::control::{Applied, Hello, Kind, Prepared, Refused, SUPERVISOR_FD};
use sluice_contract::decision::Decision;
use sluice_contract::facts::Facts;
use sluice_contract::ids::SnapshotHash;
use sluice_contract::record::{
    DecisionFixed, DecisionRecord, Origin, OutcomeFixed, OutcomeRecord, RecordBuffer,
};
use sluice_contract::ring::{Producer, Ring, Wake};
use sluice_contract::snapshot::{Secrets, Snapshot};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Environment variable that names the folder of the test; makes this program play.
pub const FOLDER: &str = "SLUICE_TEST_FOLDER";

/// A body bound that is refused once the snapshot is complete.
const BAD: u64 = 666;

/// A body bound that is refused at once, so that the secret part is refused for want of a public.
const WORSE: u64 = 667;

/// Plays until the supervisor says stop or is gone.
pub fn play(folder: &Path) {
    let supervisor = UnixStream::from(claim_inherited(SUPERVISOR_FD).unwrap());
    let mut reader = FrameReader::default();
    let mut fds: Vec<OwnedFd> = Vec::new();
    let prepared = loop {
        let frame = next(&supervisor, &mut reader).unwrap();
        assert_eq!(frame.kind, Kind::Prepared);
        let prepared: Prepared = frame.json().unwrap();
        fds.extend(frame.fds);
        if fds.len() == prepared.descriptors {
            break prepared;
        }
    };
    let workers = usize::from(prepared.prepare.workers);
    assert_eq!(fds.len(), 2 * workers + 1 + prepared.listeners.len() * workers);
    let boot = u64::from(std::process::id());
    let listener = TcpListener::from(fds.remove(2 * workers + 1));
    let audit_wake = fds.remove(2 * workers);
    let ring = Ring::open(&fds[0]).unwrap();
    let wake = UnixStream::from(fds.remove(1));
    std::thread::spawn(move || serve(&listener, ring, boot, &audit_wake, wake));
    let told = folder.to_path_buf();
    let control = prepared.prepare.control;
    let workers = prepared.prepare.workers;
    std::thread::spawn(move || talk(&told, &control, boot, workers));
    let stop = next(&supervisor, &mut reader);
    assert!(matches!(&stop, Ok(frame) if frame.kind == Kind::Stop) || stop.is_err());
    // The threads end with the process, which ends with its only test.
    tell(folder, "stop", "");
}

fn next(socket: &UnixStream, reader: &mut FrameReader) -> Result<Frame, IpcError> {
    match receive_frame(socket, reader)? {
        Arrived::Frame(frame) => Ok(frame),
        Arrived::Nothing => Err(IpcError::TimedOut),
    }
}

/// Adds a line to the test's events.
fn tell(folder: &Path, what: &str, value: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).open(folder.join("events")).unwrap();
    file.write_all(format!("{what} {value}\n").as_bytes()).unwrap();
}

/// The conversation with management, for ever.
fn talk(folder: &Path, control: &Path, boot: u64, workers: u16) {
    loop {
        if let Ok(socket) = UnixStream::connect(control) {
            drop(converse(folder, &socket, boot, workers));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn converse(folder: &Path, socket: &UnixStream, boot: u64, workers: u16) -> Result<(), IpcError> {
    let hello = Hello {
        program: "test".into(),
        boot,
        pid: std::process::id(),
        workers,
        driver: "fake".into(),
        steering: "nobody".into(),
    };
    send_frame(socket, Kind::Hello, &hello, &[])?;
    let mut reader = FrameReader::default();
    let mut public: Option<(Snapshot, SnapshotHash)> = None;
    let refuse = |snapshot, reason: &str| {
        send_frame(socket, Kind::Refused, &Refused { snapshot, reason: reason.into() }, &[])
    };
    loop {
        let frame = next(socket, &mut reader)?;
        if frame.kind == Kind::Public {
            assert_eq!(frame.fds.len(), 1, "the patterns");
            public = Some(Snapshot::decode(&frame.payload).unwrap());
            if public.as_ref().is_some_and(|(snapshot, _)| snapshot.limits.body_bytes == WORSE) {
                public = None;
                refuse(None, "a worse number")?;
            }
            continue;
        }
        assert_eq!(frame.kind, Kind::Secret);
        let secrets: Secrets = frame.json().unwrap();
        let Some((snapshot, hash)) = &public else {
            refuse(None, "no public part")?;
            continue;
        };
        if snapshot.limits.body_bytes == BAD {
            refuse(Some(*hash), "a bad number")?;
            continue;
        }
        tell(folder, "applied", &hash.to_string());
        tell(folder, "keys", &secrets.keys.len().to_string());
        let applied =
            Applied { snapshot: *hash, secrets: secrets.version, canaries_passed: 1, canaries: 1 };
        send_frame(socket, Kind::Applied, &applied, &[])?;
    }
}

/// For each connection: a decision, on disk, then its sequence as the answer.
fn serve(
    listener: &TcpListener,
    ring: Ring,
    boot: u64,
    audit_wake: &OwnedFd,
    mut wake: UnixStream,
) {
    let number = ring.number();
    let (mut producer, _) = Producer::attach(ring, boot);
    let mut buffer = RecordBuffer::default();
    wake.set_nonblocking(false).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let sequence = producer.next_sequence();
        let origin = Origin { worker: 0, ring: number, boot, sequence, time_ns: 1 };
        let (facts, decision) = (Facts::default(), Decision::default());
        let fixed = DecisionFixed::ZERO;
        let record = DecisionRecord { fixed, facts: &facts, decision: &decision, groups: &[] };
        record.encode(&origin, &mut buffer).unwrap();
        producer.reserve(2).unwrap();
        push(&mut producer, &buffer, true, audit_wake);
        loop {
            producer.ask_for_wake();
            if producer.is_durable(sequence) {
                break;
            }
            wake.read_exact(&mut [0]).unwrap();
        }
        let origin = Origin { sequence: sequence + 1, ..origin };
        let fixed = OutcomeFixed { decision: sequence, ..outcome() };
        let record = OutcomeRecord { fixed, facts: &facts, decision: &decision };
        record.encode(&origin, &mut buffer).unwrap();
        push(&mut producer, &buffer, false, audit_wake);
        // The client may have left.
        stream.write_all(sequence.to_string().as_bytes()).ok();
    }
}

fn push(producer: &mut Producer, buffer: &RecordBuffer, waits: bool, audit_wake: &OwnedFd) {
    if producer.push(buffer.bytes(), waits).unwrap() == Wake::Yes {
        nix::unistd::write(audit_wake, &1u64.to_le_bytes()).unwrap();
    }
}

fn outcome() -> OutcomeFixed {
    OutcomeFixed {
        response_received: [0; 32],
        response_released: [0; 32],
        decision: 0,
        target: 0,
        cost_micros: 0,
        response_bytes: 0,
        prompt_tokens: 0,
        completion_tokens: 0,
        cached_tokens: 0,
        total_us: 0,
        decided_us: 0,
        audit_wait_us: 0,
        first_byte_us: 0,
        text_bytes: 0,
        texts: 0,
        fact_flags: 0,
        status: 200,
        upstream_status: 0,
        flags: 0,
        scores: [0; 16],
        end: 0,
        verdict: 0,
        decided: 0,
        attempts: 1,
        classes: 0,
        policies: 0,
        reason: 0,
        reserved: 0,
    }
}
