//! Appending to the log: straight functions of named steps in the order of durability. Beside each
//! step stands what a crash there leaves; recovery ([`crate::log::open`]) cuts and goes on by the
//! same rules.
//!
//! The order over all: collect the group (writer) → write → sync → advance → acknowledge (writer)
//! → sign a head (its own thread) → seal and rotate when due.
//!
//! INVARIANT: the bytes of the current segment below `tail.length` are on disk and never written
//! again. What a failed append leaves behind them is cut before the next one starts, so a reader
//! never has to choose between two versions of a record.

use crate::error::AuditError;
use crate::group::Group;
use crate::log::{Log, LogState, RingPosition, publish_segment, segment_start};
use crate::segment;
use crate::storage::Storage;
use std::io::ErrorKind;

impl<S: Storage> Log<S> {
    pub(crate) fn new(storage: S, state: LogState) -> Log<S> {
        Log { storage, state, file: None, dirty: false, stray: None }
    }

    /// Appends `group`, which must have been started with the log's tail. When this returns well,
    /// the group is on disk; otherwise the log is as before, and the group is to be collected anew.
    pub(crate) async fn append(&mut self, group: &mut Group) -> Result<(), AuditError> {
        self.repair()?;
        let path = self.state.path();
        let file = match self.file.take() {
            Some(file) => file,
            None => self.storage.open(&path).map_err(AuditError::file("open", &path))?,
        };

        // Write behind the tail. A crash leaves a part of the group: whole records are kept by
        // recovery (the rings go on behind them), the torn one is cut off.
        let bytes = std::mem::take(&mut group.bytes);
        let (written, bytes) = self.storage.write(&file, bytes, self.state.tail.length).await;
        group.bytes = bytes;
        if let Err(error) = written {
            return Err(self.fail("write", error));
        }

        // Sync. A crash before leaves any part of the group, as above; a crash after leaves all of
        // it, not acknowledged: recovery finds it and the rings go on behind it. After a failed
        // sync the page cache is not to be trusted: the group is cut off and written again.
        if let Err(error) = self.storage.sync(&file).await {
            return Err(self.fail("sync", error));
        }

        // Advance. From here on the group is the log.
        self.file = Some(file);
        self.state.tail = group.tail;
        Ok(())
    }

    /// Notes a failed append and tries at once to cut what it left.
    fn fail(&mut self, action: &'static str, error: std::io::Error) -> AuditError {
        self.dirty = true;
        // Where this fails too, the next append tries it again before anything else.
        self.repair().ok();
        AuditError::file(action, self.state.path())(error)
    }

    /// Takes back what failed operations left behind.
    fn repair(&mut self) -> Result<(), AuditError> {
        // A segment that a failed rotation may have left goes first: with it the old segment must
        // not grow. A crash leaves it or not; both are a whole log.
        if let Some(stray) = &self.stray {
            match self.storage.remove(stray) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(AuditError::file("remove", stray)(error));
                }
                Ok(()) | Err(_) => {}
            }
            let directory = &self.state.directory;
            self.storage.sync_directory(directory).map_err(AuditError::file("sync", directory))?;
            self.stray = None;
        }
        // Then bytes behind the tail. A crash leaves them or not: recovery judges them as after
        // any crash.
        if self.dirty {
            let path = self.state.path();
            self.file = None;
            self.storage
                .truncate(&path, self.state.tail.length)
                .map_err(AuditError::file("truncate", &path))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Seals the current segment and starts the next one. Every record so far must be acknowledged:
    /// the new segment says how far each ring is.
    pub(crate) fn rotate(
        &mut self,
        positions: &[RingPosition],
        time_ns: u64,
    ) -> Result<(), AuditError> {
        self.repair()?;
        let number = self.state.segment + 1;
        let path = self.state.directory.join(segment::file_name(number));
        let start = segment_start(&self.state, number, positions, time_ns)?;
        // Until this is done the old segment is the current one, and must not grow meanwhile.
        self.stray = Some(path.clone());
        publish_segment(&self.storage, &path, &start.bytes)?;
        self.stray = None;
        self.file = None;
        self.state.segment = number;
        self.state.started_ns = time_ns;
        self.state.tail = start.tail;
        Ok(())
    }
}
