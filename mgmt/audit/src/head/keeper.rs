//! The thread that signs heads and writes them, so that the writer never waits for it.
//!
//! The writer leaves its newest head; at most once in [`HEAD_INTERVAL`] the keeper takes what is
//! there. It sleeps while nothing is new. A head that could not be written is tried again.
//!
//! INVARIANT: a head is left only after the records that it covers are on disk, so a crash can
//! never make the log look cut.

use super::{HEAD_INTERVAL, Head, LogId};
use crate::durable::replace;
use crate::error::AuditError;
use crate::note::NoteSigner;
use crate::writer::WriterStats;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the heads of a log go, and who signs them.
pub(crate) struct Place {
    pub log: LogId,
    pub signer: NoteSigner,
    /// In the log's folder first, then the copy outside.
    pub files: [PathBuf; 2],
}

impl Place {
    /// Signs `head` and writes it to both files.
    pub(crate) fn write(&self, head: &Head) -> Result<(), AuditError> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let note = self.signer.sign(&head.text(&self.log, time));
        self.files.iter().try_for_each(|file| replace(file, note.as_bytes()))
    }
}

#[derive(Default)]
struct State {
    newest: Option<Head>,
    /// Write it at once, not only when it is due.
    urgent: bool,
    stopping: bool,
    /// The keeper waits for something new.
    idle: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's end of the keeper. Dropping it writes the last head and ends the thread.
pub(crate) struct HeadKeeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl HeadKeeper {
    pub(crate) fn start(place: Place, stats: Arc<WriterStats>) -> Result<HeadKeeper, AuditError> {
        let shared = Arc::new(Shared::default());
        let keeper = Keeper { shared: Arc::clone(&shared), place, stats };
        let thread = std::thread::Builder::new()
            .name("audit-heads".into())
            .spawn(move || keeper.run())
            .map_err(|_refused| AuditError::Thread("audit-heads"))?;
        Ok(HeadKeeper { shared, thread: Some(thread) })
    }

    /// Leaves the newest head. `urgent` where it has to be on disk soon: at a seal.
    pub(crate) fn leave(&self, head: Head, urgent: bool) {
        let mut state = self.shared.lock();
        state.newest = Some(head);
        let wake = state.idle || urgent;
        state.urgent |= urgent;
        drop(state);
        if wake {
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for HeadKeeper {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the keeper was printed by its own thread.
            thread.join().ok();
        }
    }
}

struct Keeper {
    shared: Arc<Shared>,
    place: Place,
    stats: Arc<WriterStats>,
}

impl Keeper {
    fn run(&self) {
        let mut due = Instant::now();
        while let Some((head, stopping)) = self.next(due) {
            due = Instant::now() + HEAD_INTERVAL;
            match self.place.write(&head) {
                Ok(()) => {
                    self.stats.heads.fetch_add(1, Relaxed);
                    self.stats.head_records.store(head.records, Relaxed);
                }
                Err(_counted) => {
                    self.stats.head_errors.fetch_add(1, Relaxed);
                    // At a stop there is no second try: the log stays longer than its head.
                    if !stopping {
                        self.shared.lock().newest.get_or_insert(head);
                    }
                }
            }
        }
    }

    /// Waits for a new head, and until it is due. `None` once all is written and the end is near.
    fn next(&self, due: Instant) -> Option<(Head, bool)> {
        let mut state = self.shared.lock();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            match state.newest {
                Some(head) if left.is_zero() || state.urgent || state.stopping => {
                    state.newest = None;
                    state.urgent = false;
                    return Some((head, state.stopping));
                }
                Some(_) => {
                    let waited = self.shared.wake.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None if state.stopping => return None,
                None => {
                    state.idle = true;
                    state = self.shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.idle = false;
                }
            }
        }
    }
}
