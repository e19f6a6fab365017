//! The log as its writer knows it: the current segment, where it ends, and what every new segment
//! has to repeat.
//!
//! Appending is in [`crate::append`]; opening and recovering in [`open`].

pub(crate) mod open;

use crate::durable;
use crate::error::AuditError;
use crate::group::{Group, Tail};
use crate::head::LogId;
use crate::segment;
use crate::storage::Storage;
use sluice_contract::ids::NameId;
use sluice_contract::record::{Notice, NoticeCode, SegmentStart, encode_segment_start};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Code of the notice that says how far a ring is in the log.
pub(crate) const RING_POSITION: u32 = NoticeCode::RingPosition as u32;

/// The names that the log knows, in its order.
#[derive(Default)]
pub(crate) struct KnownNames {
    names: Vec<String>,
    ids: HashSet<u64>,
}

impl KnownNames {
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.ids.contains(&NameId::of(name).0)
    }

    pub(crate) fn add(&mut self, name: String) {
        if self.ids.insert(NameId::of(&name).0) {
            self.names.push(name);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// How far a ring is in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RingPosition {
    pub ring: u64,
    pub worker: u16,
    /// Positions below are in the log, or passed over with a notice.
    pub next: u64,
    /// Half-written slots that were told of.
    pub half_written: u64,
}

impl RingPosition {
    pub(crate) fn notice(&self) -> Notice {
        Notice {
            code: RING_POSITION,
            worker: u32::from(self.worker),
            ring: self.ring,
            position: self.next,
            value: self.half_written,
            hash: [0; 32],
        }
    }
}

/// The log, open for appending.
pub(crate) struct Log<S: Storage> {
    pub(crate) storage: S,
    pub(crate) state: LogState,
    /// The current segment, once it was needed.
    pub(crate) file: Option<S::File>,
    /// An append failed half-way: the segment may have bytes behind its tail.
    pub(crate) dirty: bool,
    /// A rotation failed half-way: this file must be gone before the old segment grows.
    pub(crate) stray: Option<PathBuf>,
}

/// What is known of the log apart from open files.
pub(crate) struct LogState {
    pub directory: PathBuf,
    pub id: LogId,
    /// Random number of this start of management.
    pub boot: u64,
    /// Number of the current segment.
    pub segment: u64,
    /// Unix time of its start, nanoseconds.
    pub started_ns: u64,
    /// Where the log ends, on disk.
    pub tail: Tail,
    pub names: KnownNames,
}

impl LogState {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(segment::file_name(self.segment))
    }
}

/// The start of segment `number`, which follows `tail`: who it is, every name, how far each ring
/// is. So each segment can be read alone.
pub(crate) fn segment_start(
    state: &LogState,
    number: u64,
    positions: &[RingPosition],
    time_ns: u64,
) -> Result<Group, AuditError> {
    let mut group = Group::new(Tail { length: 0, ..state.tail });
    group.time_ns = time_ns;
    let start = SegmentStart {
        log: state.id.0,
        chain: state.tail.chain,
        segment: number,
        records_before: state.tail.records,
    };
    let record = encode_segment_start(&group.origin(state.boot), &start)
        .map_err(|_long| AuditError::TooLong)?;
    group.push(&record);
    group.push_names(state.boot, state.names.iter())?;
    for position in positions {
        group.push_notice(state.boot, &position.notice())?;
    }
    Ok(group)
}

/// Makes the segment file `path` with `bytes`, in steps of durability.
pub(crate) fn publish_segment(
    storage: &impl Storage,
    path: &Path,
    bytes: &[u8],
) -> Result<(), AuditError> {
    let new = durable::new_name(path);
    let directory = path.parent().unwrap_or(Path::new("."));
    // Write it whole under another name. A crash leaves a file that the next start removes.
    storage.create(&new, bytes).map_err(AuditError::file("write", &new))?;
    // Give it its name. A crash leaves either name: nothing was appended behind the old segment
    // since, so both are a whole log.
    storage.rename(&new, path).map_err(AuditError::file("rename", &new))?;
    // Make the name last, before anything is appended that may be acknowledged.
    storage.sync_directory(directory).map_err(AuditError::file("sync", directory))
}
