//! The walk through all segments: frames, chain, segment starts, rings, heads.

use super::note::Head;
use super::reader::{Entry, HASH, Header, Reader};
use super::record::{Body, body};
use super::report::{Problem, ProblemKind, Report};
use super::rings::Rings;
use super::{hex, problem};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;

/// Where in the log the walk is.
struct Place<'a> {
    segment: &'a str,
    offset: u64,
}

/// A walk through a log.
pub(super) struct Walk<'a> {
    report: &'a mut Report,
    heads: &'a [(String, Head)],
    /// Heads whose place was reached.
    met: Vec<bool>,
    chain: [u8; HASH],
    /// Records so far, the ones that are missing included.
    records: u64,
    /// The number that the next segment must have.
    segment: u64,
    rings: Rings,
}

impl<'a> Walk<'a> {
    pub fn new(report: &'a mut Report, heads: &'a [(String, Head)]) -> Self {
        Walk {
            report,
            heads,
            met: vec![false; heads.len()],
            chain: [0; HASH],
            records: 0,
            segment: 0,
            rings: Rings::default(),
        }
    }

    /// Walks through the segment `number`.
    pub fn segment(
        &mut self,
        number: u64,
        name: &str,
        file: File,
        is_last: bool,
    ) -> io::Result<()> {
        if number != self.segment {
            let detail = format!("segments {} to {} are missing", self.segment, number - 1);
            self.report.add(Problem {
                segment: Some(name.to_owned()),
                ..problem(ProblemKind::SegmentMissing, detail)
            });
        }
        self.segment = number + 1;
        let mut reader = Reader::new(file);
        let mut is_first = true;
        loop {
            let offset = reader.offset;
            let place = Place { segment: name, offset };
            match reader.next()? {
                Entry::Record { header, record, hash } => {
                    self.record(&place, number, is_first, &header, record, hash);
                    self.report.bytes += (record.len() + HASH) as u64;
                    is_first = false;
                }
                Entry::End if is_first => {
                    self.bad(&place, None, ProblemKind::SegmentStart, "the segment is empty");
                    return Ok(());
                }
                Entry::End => return Ok(()),
                Entry::Cut { bytes } if is_last && !is_first => {
                    self.report.torn_tail_bytes = bytes;
                    if self.newest_head() > self.records {
                        self.bad(&place, None, ProblemKind::Frame, "the file ends in this record");
                    }
                    return Ok(());
                }
                Entry::Cut { .. } => {
                    self.bad(&place, None, ProblemKind::Frame, "the file ends in this record");
                    return Ok(());
                }
                Entry::Bad { detail } => {
                    self.bad(&place, None, ProblemKind::Frame, &detail);
                    return Ok(());
                }
            }
        }
    }

    fn record(
        &mut self,
        place: &Place<'_>,
        number: u64,
        is_first: bool,
        header: &Header,
        record: &[u8],
        hash: [u8; HASH],
    ) {
        let body = body(header, record);
        if is_first {
            self.start(place, number, header, body);
        } else if matches!(body, Ok(Body::SegmentStart { .. })) {
            let detail = "a segment start stands within a segment";
            self.bad(place, Some(header), ProblemKind::SegmentStart, detail);
        }
        let computed: [u8; HASH] =
            Sha256::new().chain_update(self.chain).chain_update(record).finalize().into();
        if computed != hash {
            let detail = "the record does not have the hash behind it: it, the hash, or what was \
                          before it was changed";
            self.bad(place, Some(header), ProblemKind::Chain, detail);
        }
        // Go on from what stands there, so that the records behind are judged on their own.
        self.chain = hash;
        match &body {
            Ok(body) => {
                self.count(body);
                if let Some(misplaced) = self.rings.take(header, body) {
                    self.bad(place, Some(header), misplaced.kind, &misplaced.detail);
                }
            }
            Err(detail) => self.bad(place, Some(header), ProblemKind::Malformed, detail),
        }
        self.records = self.records.saturating_add(1);
        self.report.records += 1;
        self.meet(place, header);
    }

    /// Checks that a segment starts where the one before ends.
    fn start(
        &mut self,
        place: &Place<'_>,
        number: u64,
        header: &Header,
        body: Result<Body, &'static str>,
    ) {
        let Ok(Body::SegmentStart { log, chain, segment, records_before }) = body else {
            let detail = "the first record of the segment is no segment start";
            self.bad(place, Some(header), ProblemKind::SegmentStart, detail);
            return;
        };
        let wrong = if hex(&log) != self.report.log {
            Some(format!("the segment belongs to log {}", hex(&log)))
        } else if segment != number {
            Some(format!("the segment says that its number is {segment}"))
        } else if records_before != self.records {
            Some(format!(
                "the segment follows {records_before} records, but {} are there",
                self.records
            ))
        } else if chain != self.chain {
            Some("the segment does not follow the last hash of the one before".to_owned())
        } else {
            None
        };
        if let Some(detail) = wrong {
            self.bad(place, Some(header), ProblemKind::SegmentStart, &detail);
        }
        self.records = records_before;
        self.chain = chain;
    }

    fn count(&mut self, body: &Body) {
        let kinds = &mut self.report.kinds;
        let counter = match body {
            Body::Decision => &mut kinds.decisions,
            Body::Outcome { .. } => &mut kinds.outcomes,
            Body::Dictionary => &mut kinds.dictionaries,
            Body::SegmentStart { .. } => &mut kinds.segment_starts,
            Body::Refusals => &mut kinds.refusals,
            Body::Notice { .. } => &mut kinds.notices,
            Body::Unknown => &mut kinds.unknown,
        };
        *counter += 1;
    }

    /// Compares the place that was reached with the heads that speak of it.
    fn meet(&mut self, place: &Place<'_>, header: &Header) {
        let heads = self.heads;
        for (index, (name, head)) in heads.iter().enumerate() {
            if head.records != self.records {
                continue;
            }
            if let Some(met) = self.met.get_mut(index) {
                *met = true;
            }
            if head.chain != self.chain {
                let detail = format!(
                    "the signed head `{name}` says another hash for the first {} records",
                    head.records
                );
                // The record just counted is the last one that the head covers.
                let behind = std::mem::replace(&mut self.records, head.records.saturating_sub(1));
                self.bad(place, Some(header), ProblemKind::Rewritten, &detail);
                self.records = behind;
            }
        }
    }

    fn newest_head(&self) -> u64 {
        self.heads.iter().map(|(_, head)| head.records).max().unwrap_or(0)
    }

    /// Judges the whole.
    pub fn finish(self) {
        for (met, (name, head)) in self.met.iter().zip(self.heads) {
            if head.records > self.records {
                let detail = format!(
                    "the signed head `{name}` covers {} records, the log holds {}: it was cut or \
                     rolled back",
                    head.records, self.records
                );
                self.report.add(Problem {
                    record: Some(self.records),
                    ..problem(ProblemKind::Cut, detail)
                });
            } else if !met {
                let detail = format!(
                    "the signed head `{name}` covers {} records, but no record is at that place",
                    head.records
                );
                self.report.add(problem(ProblemKind::Rewritten, detail));
            }
        }
        self.report.unprotected = self.records.saturating_sub(self.newest_head());
        self.report.chain = hex(&self.chain);
        self.report.unanswered = self.rings.unanswered();
        self.report.discarded = self.rings.discarded;
        self.report.half_written = self.rings.half_written;
        self.report.before_log = self.rings.before_log;
    }

    fn bad(&mut self, place: &Place<'_>, header: Option<&Header>, kind: ProblemKind, detail: &str) {
        self.report.add(Problem {
            kind,
            segment: Some(place.segment.to_owned()),
            record: Some(self.records),
            offset: Some(place.offset),
            id: header.map(Header::id),
            detail: detail.to_owned(),
        });
    }
}
