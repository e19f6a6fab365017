//! A group under construction: records and their chain hashes, in one reused buffer, and where the
//! log will end once it is on disk. Nothing of the log moves until then.

use crate::chain::{self, HASH_BYTES};
use crate::error::AuditError;
use sluice_contract::record::{
    Kind, MANAGEMENT_WORKER, Notice, Origin, encode_dictionary, encode_notice,
};

/// A group is closed once it has so many bytes.
pub(crate) const GROUP_BYTES: usize = 4 << 20;

/// Where the log ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    /// Bytes of the current segment.
    pub length: u64,
    /// Records of the log.
    pub records: u64,
    /// Chain hash behind the last.
    pub chain: [u8; HASH_BYTES],
    /// Sequence of management's next record.
    pub sequence: u64,
}

/// A group of records.
pub(crate) struct Group {
    /// Records and hashes, as they will stand in the file.
    pub bytes: Vec<u8>,
    /// Where the log ends with this group.
    pub tail: Tail,
    /// Unix time of its making, nanoseconds.
    pub time_ns: u64,
    /// Time of its first record.
    pub first_ns: Option<u64>,
}

impl Group {
    pub(crate) fn new(tail: Tail) -> Group {
        Group { bytes: Vec::new(), tail, time_ns: 0, first_ns: None }
    }

    /// Empties the group; it will follow `tail`.
    pub(crate) fn start(&mut self, tail: Tail, time_ns: u64) {
        self.bytes.clear();
        self.tail = tail;
        self.time_ns = time_ns;
        self.first_ns = None;
    }

    /// Whether no more should be added.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= GROUP_BYTES
    }

    /// Takes what was put behind byte `start` of the buffer as the next record.
    pub(crate) fn seal(&mut self, start: usize, time_ns: u64) {
        let record = self.bytes.get(start..).unwrap_or_default();
        self.tail.chain = chain::next(&self.tail.chain, record);
        self.bytes.extend_from_slice(&self.tail.chain);
        self.tail.length += (self.bytes.len() - start) as u64;
        self.tail.records += 1;
        self.first_ns.get_or_insert(time_ns);
    }

    /// Adds a record of management, made with [`Group::origin`].
    pub(crate) fn push(&mut self, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.tail.sequence += 1;
        self.seal(start, self.time_ns);
    }

    /// The origin of management's next record. Its ring is its boot: each start counts anew.
    pub(crate) fn origin(&self, boot: u64) -> Origin {
        Origin {
            worker: MANAGEMENT_WORKER,
            ring: boot,
            boot,
            sequence: self.tail.sequence,
            time_ns: self.time_ns,
        }
    }

    pub(crate) fn push_notice(&mut self, boot: u64, notice: &Notice) -> Result<(), AuditError> {
        let record =
            encode_notice(&self.origin(boot), notice).map_err(|_long| AuditError::TooLong)?;
        self.push(&record);
        Ok(())
    }

    pub(crate) fn push_names<'a>(
        &mut self,
        boot: u64,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), AuditError> {
        let records =
            encode_dictionary(self.origin(boot), names).map_err(|_long| AuditError::TooLong)?;
        for record in &records {
            self.push(record);
        }
        Ok(())
    }

    /// The records of the group, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (_, record, tail) = sluice_contract::record::split(rest).ok()?;
            rest = tail.get(HASH_BYTES..).unwrap_or_default();
            Some(record)
        })
    }
}

/// Whether `kind` may come out of a worker's ring.
pub(crate) fn is_worker_kind(kind: u16) -> bool {
    match Kind::from_number(kind) {
        Some(Kind::Decision | Kind::Outcome | Kind::Refusals) => true,
        Some(Kind::Dictionary | Kind::SegmentStart | Kind::Notice) | None => false,
    }
}
