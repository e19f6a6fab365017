//! Segment files: their names, and reading them record by record.
//!
//! ```text
//! segment-0000000000000000.slog   | record | hash | record | hash | ...
//! ```
//!
//! The reader cuts a file into records and the chain hashes behind them. It does not check the
//! chain, and it is not what `verify` reads with.

use crate::chain::HASH_BYTES;
use sluice_contract::limits::RECORD_BYTES_MAX;
use sluice_contract::record::{HEADER_BYTES, RecordError, header};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file name of segment `number`.
pub(crate) fn file_name(number: u64) -> String {
    format!("segment-{number:016}.slog")
}

/// The number in the file name of a segment.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".slog")?;
    if digits.len() != 16 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The segments in `directory`, by rising number.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(number) = entry.file_name().to_str().and_then(number_of) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What stands at the reader's place.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A record and the chain hash behind it.
    Record {
        /// The record.
        record: &'a [u8],
        /// The hash behind it.
        hash: [u8; HASH_BYTES],
    },
    /// The end of the file, right behind a hash.
    End,
    /// What follows is no whole record.
    Torn {
        /// Where it starts.
        offset: u64,
    },
}

/// Bytes read at a time; holds several of the longest records.
const BUFFER_BYTES: usize = 512 << 10;

/// Reads a segment from its start.
///
/// INVARIANT: `start <= end <= buffer.len()`; `offset` is the file's offset of `start`.
pub(crate) struct SegmentReader<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
    at_end: bool,
}

impl<R: Read> SegmentReader<R> {
    pub(crate) fn new(source: R) -> Self {
        SegmentReader {
            source,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            at_end: false,
        }
    }

    /// The next record. After [`Step::End`] or [`Step::Torn`] the same comes again.
    pub(crate) fn next(&mut self) -> io::Result<Step<'_>> {
        const ENTRY_BYTES_MAX: usize = RECORD_BYTES_MAX + HASH_BYTES;
        if self.end - self.start < ENTRY_BYTES_MAX && !self.at_end {
            self.fill(ENTRY_BYTES_MAX)?;
        }
        let offset = self.offset;
        let bytes = self.buffer.get(self.start..self.end).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Step::End);
        }
        let entry = match header(bytes) {
            Ok(header) => header.length as usize + HASH_BYTES,
            Err(
                RecordError::Cut { .. }
                | RecordError::Magic(_)
                | RecordError::Length(_)
                | RecordError::Kind(_)
                | RecordError::Lists { .. },
            ) => return Ok(Step::Torn { offset }),
        };
        let Some((record, hash)) =
            bytes.get(..entry).and_then(|entry| entry.split_last_chunk::<HASH_BYTES>())
        else {
            return Ok(Step::Torn { offset });
        };
        self.start += entry;
        self.offset += entry as u64;
        Ok(Step::Record { record, hash: *hash })
    }

    /// Reads on until at least `wanted` bytes are there, or the file ends.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < wanted {
            match self.source.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

const _: () = assert!(HEADER_BYTES <= BUFFER_BYTES);
const _: () = assert!(RECORD_BYTES_MAX + HASH_BYTES <= BUFFER_BYTES);
