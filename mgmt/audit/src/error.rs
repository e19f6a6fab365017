//! Why the log cannot be opened or written.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file operation failed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another writer has the log.
    #[error("another process writes to the log in `{}`", .0.display())]
    Locked(PathBuf),
    /// The private key file does not hold a key.
    #[error("`{}` holds no audit key", .0.display())]
    Key(PathBuf),
    /// The log was signed by another key.
    #[error(
        "the log in `{}` was signed by another key than `{}`: restore that key, or move the log \
         away to begin a new one", directory.display(), key.display()
    )]
    ForeignKey {
        /// The log.
        directory: PathBuf,
        /// The key file in use.
        key: PathBuf,
    },
    /// There is a log, but no signed head of it.
    #[error(
        "the log in `{}` has no signed head: restore it, or move the log away to begin a new one",
        .0.display()
    )]
    HeadMissing(PathBuf),
    /// A head is no signed note of this log.
    #[error("`{}` is no signed head of this log", .0.display())]
    Head(PathBuf),
    /// A signed head says that there were more records, or others.
    #[error(
        "the log holds {have} records where its signed head `{}` says {signed}: it was cut or \
         rolled back; restore it, or move it away to begin a new one", head.display()
    )]
    Cut {
        /// Records there.
        have: u64,
        /// Records signed.
        signed: u64,
        /// The head that says so.
        head: PathBuf,
    },
    /// A record that a signed head covers is damaged.
    #[error("record {record} at byte {offset} of `{}` is damaged", segment.display())]
    Damaged {
        /// The segment file.
        segment: PathBuf,
        /// Byte offset in it.
        offset: u64,
        /// Index of the record in the log.
        record: u64,
    },
    /// A segment does not start with a segment start of this log.
    #[error("`{}` does not start as a segment of this log", .0.display())]
    SegmentStart(PathBuf),
    /// A name or notice does not fit a record.
    #[error("a record of management is too long")]
    TooLong,
    /// Rings and wake descriptors differ in number.
    #[error("{rings} rings, but {wakes} wake descriptors")]
    Wiring {
        /// Rings given.
        rings: usize,
        /// Wake descriptors given.
        wakes: usize,
    },
    /// The durable mark of a ring is impossible.
    #[error("the durable mark of the ring of worker {worker} is impossible")]
    RingMark {
        /// The worker.
        worker: usize,
    },
    /// The system gave no random numbers.
    #[error("no random numbers from the system")]
    Random,
    /// A thread could not be started, or panicked.
    #[error("the thread `{0}` failed")]
    Thread(&'static str),
}

impl AuditError {
    /// Wraps what the system said on `path`.
    pub(crate) fn file(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> AuditError {
        let path = path.as_ref().to_path_buf();
        move |source| AuditError::File { action, path, source }
    }

    /// Whether the disk had no room.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, AuditError::File { source, .. } if crate::durable::is_full(source))
    }
}
