//! Signed heads: how many records the log holds and the chain hash behind the last, signed.
//!
//! A folder alone cannot show that its tail was cut off, so the head says how long the log was; and
//! a folder alone cannot show that it was rolled back whole, so a copy of the head is kept outside.

mod keeper;

pub(crate) use keeper::{HeadKeeper, Place};

use crate::chain::HASH_BYTES;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// A head is due so long after the one before it, if there were records. The rest of the second is
/// for writing it: a record is unprotected for at most a second.
pub const HEAD_INTERVAL: Duration = Duration::from_millis(800);

/// The random id of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogId(pub [u8; 16]);

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl LogId {
    /// The origin line of heads, and the name of the key that signs them.
    pub(crate) fn origin(&self) -> String {
        format!("sluice/{self}")
    }
}

/// What a head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Records of the log.
    pub records: u64,
    /// Chain hash behind the last of them.
    pub chain: [u8; HASH_BYTES],
}

impl Head {
    /// The text that is signed. `time` is Unix time in seconds.
    pub(crate) fn text(&self, log: &LogId, time: u64) -> String {
        let chain = STANDARD.encode(self.chain);
        format!("{}\n{}\n{chain}\ntime {time}\n", log.origin(), self.records)
    }

    /// Reads the text of a head of `log`.
    pub(crate) fn parse(text: &str, log: &LogId) -> Option<Head> {
        let mut lines = text.lines();
        if lines.next()? != log.origin() {
            return None;
        }
        let records = lines.next()?.parse().ok()?;
        let chain = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        Some(Head { records, chain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back() {
        let head = Head { records: 17, chain: [3; HASH_BYTES] };
        let log = LogId([0xab; 16]);
        let text = head.text(&log, 5);
        assert!(text.starts_with("sluice/abababababababababababababababab\n17\n"));
        assert_eq!(Head::parse(&text, &log), Some(head));
        assert_eq!(Head::parse(&text, &LogId([0; 16])), None);
    }
}
