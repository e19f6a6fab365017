//! Rows for people: decisions and outcomes joined, one row a request.
//!
//! Rows come in the order of completion; requests without an outcome come once it is known that
//! none can follow, at the latest at the end of the log. Memory is bounded by the requests that
//! were in flight at a time. Nothing is verified here: that is the business of `verify`.

mod joiner;
mod row;
mod time;

pub use joiner::Joiner;
pub use row::Row;

use crate::segment::{self, SegmentReader, Step};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A log could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are no record; the rest of the segment is passed over.
    #[error("no record at byte {offset} of `{}`", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
    },
}

/// The rows of a log. Ends after the last one; an error does not end it, as the segments after a
/// damaged one are read too.
pub struct Rows {
    segments: VecDeque<PathBuf>,
    current: Option<(PathBuf, SegmentReader<File>)>,
    joiner: Joiner,
    finished: bool,
}

/// Reads the rows of the log in `directory`, naming principals by `principals` (opaque id to
/// name).
#[expect(clippy::implicit_hasher, reason = "callers read the map from a file of ours")]
pub fn list(directory: &Path, principals: Option<HashMap<u64, String>>) -> Result<Rows, ListError> {
    let segments = segment::segments(directory)
        .map_err(|source| ListError::Read { path: directory.to_path_buf(), source })?;
    Ok(Rows {
        segments: segments.into_iter().map(|(_, path)| path).collect(),
        current: None,
        joiner: Joiner::new(principals.unwrap_or_default()),
        finished: false,
    })
}

impl Iterator for Rows {
    type Item = Result<Row, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.joiner.take_unanswered() {
                return Some(Ok(row));
            }
            let Some((path, reader)) = &mut self.current else {
                let Some(path) = self.segments.pop_front() else {
                    if std::mem::replace(&mut self.finished, true) {
                        return None;
                    }
                    self.joiner.finish();
                    continue;
                };
                match File::open(&path) {
                    Ok(file) => self.current = Some((path, SegmentReader::new(file))),
                    Err(source) => return Some(Err(ListError::Read { path, source })),
                }
                continue;
            };
            match reader.next() {
                Ok(Step::Record { record, .. }) => {
                    if let Some(row) = self.joiner.push(record) {
                        return Some(Ok(row));
                    }
                }
                Ok(Step::End) => self.current = None,
                // A cut last record is a group that is being written, or was when the node died.
                Ok(Step::Torn { .. }) if self.segments.is_empty() => self.current = None,
                Ok(Step::Torn { offset, .. }) => {
                    let error = ListError::Damaged { path: path.clone(), offset };
                    self.current = None;
                    return Some(Err(error));
                }
                Err(source) => {
                    let error = ListError::Read { path: path.clone(), source };
                    self.current = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
