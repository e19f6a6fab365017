//! Opening a log: making a new one, or recovering the one that is there.
//!
//! Recovery walks the last segment only. It cuts a torn tail (never below what a signed head
//! covers: that is damage, and refused), makes sure that what is left is on disk, and learns how
//! far each ring is. Nothing is repaired by guessing: a log that was cut, rolled back or signed by
//! another key is refused, so that the next record cannot bury it.

use super::{KnownNames, LogState, RING_POSITION, RingPosition, publish_segment, segment_start};
use crate::chain::{self, GENESIS, HASH_BYTES};
use crate::durable;
use crate::error::AuditError;
use crate::group::Tail;
use crate::head::{Head, LogId, Place};
use crate::key;
use crate::note::NoteSigner;
use crate::segment::{self, SegmentReader, Step};
use crate::storage::Storage;
use crate::writer::Options;
use ed25519_dalek::SigningKey;
use nix::fcntl::Flock;
use sluice_contract::record::{
    DictionaryView, Header, Kind, MANAGEMENT_WORKER, Notice, NoticeCode, SegmentStart, header,
};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A log that was opened.
pub(crate) struct Opened {
    pub state: LogState,
    /// How far each ring is that the last segment knows of.
    pub positions: HashMap<u64, RingPosition>,
    /// Bytes of a torn tail that were cut off.
    pub torn_bytes: u64,
    /// Where heads go.
    pub place: Place,
    /// Held as long as the log is written.
    pub lock: Flock<File>,
}

/// Opens the log, or makes it. `time_ns` is Unix time.
pub(crate) fn open(
    storage: &impl Storage,
    options: &Options,
    time_ns: u64,
) -> Result<Opened, AuditError> {
    let directory = &options.directory;
    durable::create_private_directory(directory)?;
    durable::create_private_directory(&options.heads_directory)?;
    let lock = durable::lock(directory)?;
    let key = key::load_or_create(&options.key_file)?;
    remove_unfinished(storage, directory)?;
    let boot = random()?;
    let segments = segment::segments(directory).map_err(AuditError::file("read", directory))?;
    let Some((number, path)) = segments.last() else {
        return create(storage, options, key, boot, time_ns, lock);
    };
    let mut walk = Walk::start(path, *number)?;
    let place = place(options, walk.start.log, key);
    check_key(&place, options)?;
    let heads = read_heads(&place)?;
    let file_bytes = walk.run(&heads)?;
    walk.check_heads(&place, &heads, file_bytes)?;

    // Cut the torn tail. A crash before or after leaves a log that recovery judges alike.
    let torn_bytes = file_bytes - walk.tail.length;
    if torn_bytes > 0 {
        storage.truncate(path, walk.tail.length).map_err(AuditError::file("truncate", path))?;
    }
    // Make what is left durable before any ring hears that it is: the writer before us may have
    // died before its sync, or on a failed one, after which the page cache claims too much. So all
    // that no head vouches for is written again, as it is, and synced.
    rewrite(path, walk.vouched, walk.tail.length).map_err(AuditError::file("sync", path))?;
    storage.sync_directory(directory).map_err(AuditError::file("sync", directory))?;

    let state = LogState {
        directory: directory.clone(),
        id: place.log,
        boot,
        segment: *number,
        started_ns: walk.started_ns,
        tail: Tail { sequence: 0, ..walk.tail },
        names: walk.names,
    };
    Ok(Opened { state, positions: walk.positions, torn_bytes, place, lock })
}

/// Makes a new log. A crash at any step leaves a folder without segments, which is made anew, or a
/// first segment with nothing in it but its start, which is taken as it is.
fn create(
    storage: &impl Storage,
    options: &Options,
    key: SigningKey,
    boot: u64,
    time_ns: u64,
    lock: Flock<File>,
) -> Result<Opened, AuditError> {
    let directory = &options.directory;
    let head = directory.join(HEAD_FILE);
    if head.exists() {
        return Err(AuditError::Cut { have: 0, signed: 1, head });
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_unavailable| AuditError::Random)?;
    let mut state = LogState {
        directory: directory.clone(),
        id: LogId(id),
        boot,
        segment: 0,
        started_ns: time_ns,
        tail: Tail { length: 0, records: 0, chain: GENESIS, sequence: 0 },
        names: KnownNames::default(),
    };
    let place = place(options, id, key);
    let line = format!("{}\n", place.signer.verifier_key());
    durable::replace(&directory.join(KEY_FILE), line.as_bytes())?;
    let start = segment_start(&state, 0, &[], time_ns)?;
    publish_segment(storage, &state.path(), &start.bytes)?;
    state.tail = start.tail;
    place.write(&Head { records: state.tail.records, chain: state.tail.chain })?;
    Ok(Opened { state, positions: HashMap::new(), torn_bytes: 0, place, lock })
}

/// The signed head, in the log's folder.
const HEAD_FILE: &str = "head";

/// The verifier key, in the log's folder.
const KEY_FILE: &str = "log.vkey";

fn place(options: &Options, id: [u8; 16], key: SigningKey) -> Place {
    let log = LogId(id);
    let outside = options.heads_directory.join(log.to_string());
    Place {
        log,
        signer: NoteSigner::new(log.origin(), key),
        files: [options.directory.join(HEAD_FILE), outside],
    }
}

fn random() -> Result<u64, AuditError> {
    getrandom::u64().map_err(|_unavailable| AuditError::Random)
}

/// Removes what a crash left under the name of a file that was being written.
fn remove_unfinished(storage: &impl Storage, directory: &Path) -> Result<(), AuditError> {
    let entries = std::fs::read_dir(directory).map_err(AuditError::file("read", directory))?;
    for entry in entries {
        let path = entry.map_err(AuditError::file("read", directory))?.path();
        if path.to_str().is_some_and(|path| path.ends_with(durable::NEW_SUFFIX)) {
            storage.remove(&path).map_err(AuditError::file("remove", &path))?;
        }
    }
    Ok(())
}

/// Refuses a log that says that it belongs to another key.
fn check_key(place: &Place, options: &Options) -> Result<(), AuditError> {
    let path = options.directory.join(KEY_FILE);
    let line = format!("{}\n", place.signer.verifier_key());
    match durable::read_if_there(&path)? {
        Some(found) if found == line.as_bytes() => Ok(()),
        _ => Err(AuditError::ForeignKey {
            directory: options.directory.clone(),
            key: options.key_file.clone(),
        }),
    }
}

/// The heads that are there. One that does not read is refused: heads are replaced whole, so no
/// crash can have torn it.
fn read_heads(place: &Place) -> Result<Vec<(PathBuf, Head)>, AuditError> {
    let mut heads = Vec::new();
    for path in &place.files {
        let Some(note) = durable::read_if_there(path)? else { continue };
        let head = place.signer.open(&note).and_then(|text| Head::parse(text, &place.log));
        heads.push((path.clone(), head.ok_or_else(|| AuditError::Head(path.clone()))?));
    }
    Ok(heads)
}

/// Writes bytes `from..to` of the file again, as they are, and syncs it.
fn rewrite(path: &Path, from: u64, to: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        let left = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..left).unwrap_or_default();
        file.read_exact_at(part, at)?;
        file.write_all_at(part, at)?;
        at += left as u64;
    }
    file.sync_all()
}

/// A walk through the last segment.
struct Walk {
    path: PathBuf,
    reader: SegmentReader<File>,
    start: SegmentStart,
    started_ns: u64,
    /// Behind the last good record.
    tail: Tail,
    /// Bytes that a head vouches for.
    vouched: u64,
    names: KnownNames,
    positions: HashMap<u64, RingPosition>,
    /// A head disagrees about the records before its end.
    contradicted: bool,
}

impl Walk {
    /// Opens the segment and reads its start.
    fn start(path: &Path, number: u64) -> Result<Walk, AuditError> {
        let wrong = || AuditError::SegmentStart(path.to_path_buf());
        let mut file = File::open(path).map_err(AuditError::file("open", path))?;
        let mut first = SegmentReader::new(&file);
        let (start, started_ns) = match first.next().map_err(AuditError::file("read", path))? {
            Step::Record { record, .. } => {
                let (header, start) = SegmentStart::decode(record).map_err(|_other| wrong())?;
                (start, header.time_ns)
            }
            Step::End | Step::Torn { .. } => return Err(wrong()),
        };
        if start.segment != number || (number == 0 && start.chain != GENESIS) {
            return Err(wrong());
        }
        file.seek(SeekFrom::Start(0)).map_err(AuditError::file("read", path))?;
        Ok(Walk {
            path: path.to_path_buf(),
            reader: SegmentReader::new(file),
            start,
            started_ns,
            tail: Tail {
                length: 0,
                records: start.records_before,
                chain: start.chain,
                sequence: 0,
            },
            vouched: 0,
            names: KnownNames::default(),
            positions: HashMap::new(),
            contradicted: false,
        })
    }

    /// Walks to the last good record. Returns the bytes of the file.
    fn run(&mut self, heads: &[(PathBuf, Head)]) -> Result<u64, AuditError> {
        self.meet(heads);
        loop {
            let step = self.reader.next().map_err(AuditError::file("read", &self.path))?;
            let Step::Record { record, hash, .. } = step else { break };
            let chain = chain::next(&self.tail.chain, record);
            if chain != hash {
                break;
            }
            let Ok(header) = header(record) else { break };
            learn(&mut self.names, &mut self.positions, &header, record);
            self.tail.length += (record.len() + HASH_BYTES) as u64;
            self.tail.records += 1;
            self.tail.chain = chain;
            self.meet(heads);
        }
        let metadata =
            std::fs::metadata(&self.path).map_err(AuditError::file("read", &self.path))?;
        Ok(metadata.len())
    }

    /// Compares the place that was reached with the heads that speak of it.
    fn meet(&mut self, heads: &[(PathBuf, Head)]) {
        for (_, head) in heads.iter().filter(|(_, head)| head.records == self.tail.records) {
            self.contradicted |= head.chain != self.tail.chain;
            self.vouched = self.tail.length;
        }
    }

    /// Refuses a log that is shorter than a head says, or other than it says, or that has none.
    fn check_heads(
        &self,
        place: &Place,
        heads: &[(PathBuf, Head)],
        file_bytes: u64,
    ) -> Result<(), AuditError> {
        let have = self.tail.records;
        for (head, Head { records: signed, .. }) in heads {
            if *signed > have && file_bytes > self.tail.length {
                let (segment, offset) = (self.path.clone(), self.tail.length);
                return Err(AuditError::Damaged { segment, offset, record: have });
            }
            if *signed > have || self.contradicted {
                return Err(AuditError::Cut { have, signed: *signed, head: head.clone() });
            }
        }
        // A log that was just made may have died before its first head; nothing is in it yet.
        if heads.is_empty() && have > 1 {
            return Err(AuditError::HeadMissing(place.files[0].clone()));
        }
        Ok(())
    }
}

/// Learns names and ring positions from a record.
fn learn(
    names: &mut KnownNames,
    positions: &mut HashMap<u64, RingPosition>,
    header: &Header,
    record: &[u8],
) {
    if header.worker != MANAGEMENT_WORKER {
        let position = positions.entry(header.ring).or_insert(RingPosition {
            ring: header.ring,
            worker: header.worker,
            next: 0,
            half_written: 0,
        });
        position.next = header.sequence.saturating_add(1);
        return;
    }
    if header.kind == Kind::Dictionary as u16 {
        let read = DictionaryView::decode(record).map(|view| view.names).unwrap_or_default();
        for (_, name) in read {
            names.add(name);
        }
        return;
    }
    let Ok((_, notice)) = Notice::decode(record) else { return };
    let mut position = positions.get(&notice.ring).copied().unwrap_or(RingPosition {
        ring: notice.ring,
        worker: u16::try_from(notice.worker).unwrap_or(MANAGEMENT_WORKER),
        next: 0,
        half_written: 0,
    });
    match notice.code {
        RING_POSITION => {
            position.next = notice.position;
            position.half_written = notice.value;
        }
        code if code == NoticeCode::Discarded as u32 => {
            position.next = notice.position.saturating_add(notice.value);
        }
        code if code == NoticeCode::HalfWritten as u32 => {
            position.half_written = position.half_written.saturating_add(notice.value);
        }
        code if code == NoticeCode::RingEnded as u32 => position.next = notice.position,
        _ => return,
    }
    positions.insert(notice.ring, position);
}

#[cfg(test)]
mod tests;
