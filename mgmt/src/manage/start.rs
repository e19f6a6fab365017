//! What management needs before its runtime starts: the state folder, the supervisor's handover,
//! the audit writer.

use super::change::control_path;
use super::supervisor::{HandoverError, Supervisor};
use super::vitals::{Counts, View, Vitals};
use crate::config::Config;
use crate::identity::file::make_folder;
use crate::publish::PublishError;
use crate::tail::{self, Tail, Terminal};
use sluice_audit::AuditError;
use sluice_audit::writer::{self, Handle, Options, Started, Wiring, WriterStats};
use sluice_contract::control::{Prepare, Prepared};
use sluice_contract::limits::RING_SLOTS;
use sluice_contract::ring::{Ring, RingError};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a predecessor on the same state folder may take beyond its time to drain.
const PREDECESSOR_GRACE: Duration = Duration::from_secs(12);

/// How often the lock is tried meanwhile.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Why management does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder cannot be used.
    #[error("state folder `{}`: {cause}", path.display())]
    State {
        /// Folder or file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Another node has the state folder.
    #[error(
        "another node runs on the state folder `{}`: stop it, or name another folder with `--state`",
        .0.display()
    )]
    Locked(PathBuf),
    /// The supervisor did not hand over.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// A ring is not what it should be.
    #[error("audit ring: {0}")]
    Ring(#[from] RingError),
    /// The audit log cannot be written.
    #[error("audit log: {0}")]
    Audit(#[from] AuditError),
    /// The snapshot cannot be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The snapshot cannot be announced.
    #[error("snapshot: {0}")]
    Announce(String),
    /// The management port cannot be opened.
    #[error("cannot open the management port {address}: {cause}; `--admin` takes another address")]
    Admin {
        /// Its address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The management port cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] crate::admin::TlsError),
    /// Threads, sockets, descriptors.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        cause: io::Error,
    },
}

/// Says what failed.
pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |cause| StartError::System { what, cause }
}

/// The audit writer, running.
pub struct Audit {
    /// Talks to it.
    pub writer: Handle,
    /// Ends when it does.
    pub thread: JoinHandle<Result<(), AuditError>>,
    /// Lines for people.
    pub tail: Tail,
}

/// What was made at start.
pub struct Parts {
    /// Held for as long as management lives.
    pub lock: File,
    /// The supervisor.
    pub supervisor: Supervisor,
    /// What it made.
    pub prepared: Prepared,
    /// Management's ends of the wake pairs: hung up once nobody has the others.
    pub wakes: Vec<OwnedFd>,
    /// The audit writer.
    pub audit: Audit,
    /// How the node is.
    pub vitals: Arc<Vitals>,
    /// Where the node tells.
    pub view: watch::Sender<View>,
}

/// Takes the state folder, the handover, and starts the audit writer.
pub fn start(config: &Config, supervisor: Supervisor) -> Result<Parts, StartError> {
    let lock = take_state(&config.state, Duration::from_millis(config.limits.drain_ms))?;
    let prepare = Prepare {
        listeners: config.listeners.iter().map(|listener| listener.address).collect(),
        workers: config.workers,
        ring_slots: RING_SLOTS,
        control: control_path(&config.state),
        drain_ms: config.limits.drain_ms,
    };
    let handover = supervisor.prepare(&prepare)?;
    let prepared = handover.prepared;
    let rings =
        || handover.workers.iter().map(|(ring, _)| Ring::open(ring)).collect::<Result<Vec<_>, _>>();
    let (to_consume, to_read) = (rings()?, rings()?);
    let counts = Arc::new(Counts::default());
    let stats = Arc::new(WriterStats::default());
    let wakes: io::Result<Vec<OwnedFd>> =
        handover.workers.iter().map(|(_, wake)| wake.try_clone()).collect();
    let wakes = wakes.map_err(system("cannot copy a descriptor"))?;
    let wiring = Wiring {
        rings: to_consume,
        consumer_wake: handover.audit_wake,
        producer_wakes: handover.workers.into_iter().map(|(_, wake)| wake).collect(),
    };
    let (audit, log) = start_audit(config, wiring, Arc::clone(&stats), Arc::clone(&counts))?;
    let (view, seen) =
        watch::channel(View { listeners: prepared.listeners.clone(), ..View::default() });
    let vitals = Arc::new(Vitals::new(to_read, stats, log, counts, seen));
    Ok(Parts { lock, supervisor, prepared, wakes, audit, vitals, view })
}

fn start_audit(
    config: &Config,
    wiring: Wiring,
    stats: Arc<WriterStats>,
    counts: Arc<Counts>,
) -> Result<(Audit, String), StartError> {
    let state = &config.state;
    let settings = &config.audit;
    let options = Options {
        segment_bytes: settings.segment_bytes,
        segment_age: Duration::from_hours(settings.segment_hours),
        free_bytes_min: settings.min_free_bytes,
        ..Options::new(
            state.join("audit"),
            state.join("keys").join("audit.key"),
            state.join("heads"),
        )
    };
    let out = io::stdout();
    let terminal = out.is_terminal().then(|| Box::new(out) as Terminal);
    let (tail, observer) =
        tail::start(terminal, counts).map_err(system("cannot start a thread"))?;
    let (writer, commands) = writer::channel(wiring.consumer_wake.as_fd())
        .map_err(system("cannot copy a descriptor"))?;
    let started = writer::start(&options, wiring, commands, observer, stats)?;
    let Started { log, records, names, torn_bytes, thread } = started;
    tail.add_names(names);
    tracing::info!(log, records, torn_bytes, "audit log opened");
    Ok((Audit { writer, thread, tail }, log))
}

/// Makes the state folder, for ourselves only, and takes its lock. A predecessor that drains gets
/// the time that it may take.
fn take_state(state: &Path, drain: Duration) -> Result<File, StartError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |cause| StartError::State { path, cause }
    };
    let run = state.join("run");
    make_folder(&run).map_err(failed(&run))?;
    for folder in [state, &run] {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed(folder))?;
    }
    let path = run.join("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(failed(&path))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(cause)) => return Err(failed(&path)(cause)),
            Err(TryLockError::WouldBlock) if started.elapsed() < drain + PREDECESSOR_GRACE => {
                std::thread::sleep(LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => return Err(StartError::Locked(state.to_path_buf())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("deep").join("state");
        let lock = take_state(&state, Duration::ZERO).unwrap();
        let mode = std::fs::metadata(&state).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let second = OpenOptions::new().write(true).open(state.join("run/lock")).unwrap();
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        drop(lock);
        assert!(take_state(&state, Duration::ZERO).is_ok(), "free once its holder is gone");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = take_state(Path::new("/proc/none"), Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("/proc/none/run"), "{error}");
    }
}
