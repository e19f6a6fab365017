//! Checks a log by `docs/audit-format.md` alone.
//!
//! INVARIANT: nothing here is shared with the writer but the hash and signature crates. What the
//! document does not say, this module does not know. Bytes are untrusted: nothing read from a file
//! is used before it was bounded.
//!
//! The check goes on behind a problem where it can, so that one flipped byte does not hide another
//! one. A log that is being written can be checked: heads are read first, records only grow.

mod note;
mod reader;
mod record;
mod report;
mod rings;
mod walk;

pub use note::{NotAVerifierKey, VerifierKey};
pub use report::{Kinds, PROBLEMS_MAX, Problem, ProblemKind, Report, SignedHead};

use note::Head;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use walk::Walk;

/// Checks the log in `directory`. Heads are checked under `key`, else under the log's own
/// `log.vkey`. `outside_heads` is a head kept outside the log: a file, or a folder that holds it
/// by the log's id. An error means that a file could not be read; what is wrong with the log is in
/// the report.
pub fn verify(
    directory: &Path,
    key: Option<&VerifierKey>,
    outside_heads: Option<&Path>,
) -> io::Result<Report> {
    let mut report = Report::default();
    let own_key = match key {
        Some(key) => Some(key.clone()),
        None => own_key(directory, &mut report)?,
    };
    let segments = segments(directory)?;
    // The key says whose log it is; without one the log has to say so itself.
    report.log = match (&own_key, segments.first()) {
        (Some(key), _) => key.name().strip_prefix("sluice/").unwrap_or_default().to_owned(),
        (None, Some((_, path))) => log_id(path)?.unwrap_or_default(),
        (None, None) => String::new(),
    };
    report.segments = segments.len() as u64;

    // Heads before records: a log that is being written only grows meanwhile.
    let heads = match &own_key {
        Some(key) => heads(directory, key, outside_heads, &mut report)?,
        None => Vec::new(),
    };
    if segments.is_empty() {
        let detail = format!("no segments in {}", directory.display());
        report.add(problem(ProblemKind::NoLog, detail));
    }

    let mut walk = Walk::new(&mut report, &heads);
    let last = segments.last().map(|(number, _)| *number);
    for (number, path) in &segments {
        walk.segment(*number, &file_name(path), File::open(path)?, Some(*number) == last)?;
    }
    walk.finish();
    report.ok = report.problems.is_empty();
    Ok(report)
}

fn problem(kind: ProblemKind, detail: String) -> Problem {
    Problem { kind, segment: None, record: None, offset: None, id: None, detail }
}

/// The key in the log's folder.
fn own_key(directory: &Path, report: &mut Report) -> io::Result<Option<VerifierKey>> {
    let key = match std::fs::read(directory.join("log.vkey")) {
        Ok(bytes) => String::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if key.is_none() {
        let detail = "log.vkey is missing or holds no key: no head can be checked".to_owned();
        report.add(problem(ProblemKind::Key, detail));
    }
    Ok(key)
}

/// The segment files by rising number.
fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = file_name(&path);
        let number = name
            .strip_prefix("segment-")
            .and_then(|name| name.strip_suffix(".slog"))
            .filter(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        segments.extend(number.map(|number| (number, path)));
    }
    segments.sort_unstable();
    Ok(segments)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The log's id, as the first record of its first segment says.
fn log_id(path: &Path) -> io::Result<Option<String>> {
    match reader::Reader::new(File::open(path)?).next()? {
        reader::Entry::Record { header, record, .. } => match record::body(&header, record) {
            Ok(record::Body::SegmentStart { log, .. }) => Ok(Some(hex(&log))),
            Ok(_) | Err(_) => Ok(None),
        },
        reader::Entry::End | reader::Entry::Cut { .. } | reader::Entry::Bad { .. } => Ok(None),
    }
}

/// Reads and checks the heads: the log's own, and the one outside where asked for.
fn heads(
    directory: &Path,
    key: &VerifierKey,
    outside: Option<&Path>,
    report: &mut Report,
) -> io::Result<Vec<(String, Head)>> {
    let mut heads = Vec::new();
    if let Some(head) = read_head("head", &directory.join("head"), key, report)? {
        report.head = Some(SignedHead { records: head.records, time: head.time });
        heads.push(("head".to_owned(), head));
    }
    if let Some(outside) = outside {
        let path = if outside.is_dir() { outside.join(&report.log) } else { outside.to_path_buf() };
        let name = path.display().to_string();
        if let Some(head) = read_head(&name, &path, key, report)? {
            report.outside_head = Some(SignedHead { records: head.records, time: head.time });
            heads.push((name, head));
        }
    }
    Ok(heads)
}

fn read_head(
    name: &str,
    path: &Path,
    key: &VerifierKey,
    report: &mut Report,
) -> io::Result<Option<Head>> {
    let note = match std::fs::read(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let detail =
                format!("the signed head `{name}` is missing: a cut tail could not be seen");
            report.add(problem(ProblemKind::HeadMissing, detail));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let head = note::head(&note, key, &format!("sluice/{}", report.log));
    if head.is_none() {
        let detail = format!("`{name}` is no head of this log signed by `{}`", key.name());
        report.add(problem(ProblemKind::HeadInvalid, detail));
    }
    Ok(head)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests;
