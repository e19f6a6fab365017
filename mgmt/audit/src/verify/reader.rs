//! Reads a segment file record by record: the frame of every record, whatever its kind.

use std::io::{self, Read};

/// Bytes of a chain hash.
pub(super) const HASH: usize = 32;
/// Bytes of a record's header.
pub(super) const HEADER: usize = 48;
/// The longest record.
const RECORD_MAX: usize = 65_528;
const MAGIC: [u8; 4] = *b"SLRC";

/// Little-endian numbers out of bytes; zeros where the bytes end.
pub(super) fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let end = at.saturating_add(width);
    let bytes = bytes.get(at..end).unwrap_or_default();
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The header of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub kind: u16,
    pub version: u16,
    pub worker: u16,
    pub reserved: u16,
    pub ring: u64,
    pub boot: u64,
    pub sequence: u64,
}

impl Header {
    #[expect(clippy::cast_possible_truncation, reason = "`number` reads two bytes there")]
    fn read(bytes: &[u8]) -> Header {
        Header {
            kind: number(bytes, 4, 2) as u16,
            version: number(bytes, 6, 2) as u16,
            worker: number(bytes, 12, 2) as u16,
            reserved: number(bytes, 14, 2) as u16,
            ring: number(bytes, 16, 8),
            boot: number(bytes, 24, 8),
            sequence: number(bytes, 32, 8),
        }
    }

    /// The id, as clients see it.
    pub fn id(&self) -> String {
        format!("{:016x}-{}-{}", self.boot, self.worker, self.sequence)
    }
}

/// What stands at the reader's place.
pub(super) enum Entry<'a> {
    /// A record and the hash behind it.
    Record { header: Header, record: &'a [u8], hash: [u8; HASH] },
    /// Nothing: the file ends.
    End,
    /// The file ends within a record.
    Cut { bytes: u64 },
    /// No record.
    Bad { detail: String },
}

/// Reads a file from its start.
pub(super) struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    at_end: bool,
    /// Where the next record starts.
    pub offset: u64,
}

impl<R: Read> Reader<R> {
    pub fn new(source: R) -> Self {
        Reader { source, buffer: vec![0; 1 << 20], from: 0, to: 0, at_end: false, offset: 0 }
    }

    /// The next record.
    pub fn next(&mut self) -> io::Result<Entry<'_>> {
        while self.to - self.from < RECORD_MAX + HASH && !self.at_end {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            match self.source.read(self.buffer.get_mut(self.to..).unwrap_or_default()) {
                Ok(0) => self.at_end = true,
                Ok(read) => self.to += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = self.buffer.get(self.from..self.to).unwrap_or_default();
        let cut = Entry::Cut { bytes: bytes.len() as u64 };
        if bytes.is_empty() {
            return Ok(Entry::End);
        }
        let magic = bytes.get(..4).unwrap_or(bytes);
        if !MAGIC.starts_with(magic) {
            return Ok(Entry::Bad { detail: "no record starts here".to_owned() });
        }
        if bytes.len() < HEADER {
            return Ok(cut);
        }
        let length = usize::try_from(number(bytes, 8, 4)).unwrap_or(usize::MAX);
        if !(HEADER..=RECORD_MAX).contains(&length) || !length.is_multiple_of(8) {
            return Ok(Entry::Bad { detail: format!("a record cannot be {length} bytes long") });
        }
        let Some((record, hash)) =
            bytes.get(..length + HASH).and_then(|entry| entry.split_last_chunk::<HASH>())
        else {
            return Ok(cut);
        };
        self.from += length + HASH;
        self.offset += (length + HASH) as u64;
        Ok(Entry::Record { header: Header::read(record), record, hash: *hash })
    }
}
