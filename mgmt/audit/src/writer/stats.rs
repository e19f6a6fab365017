//! What the writer tells about itself, for metrics and the banner.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// Counters and gauges of the writer; written by its thread with plain stores, read by anyone.
#[derive(Debug, Default)]
pub struct WriterStats {
    /// Records made durable since start, management's own included.
    pub records: AtomicU64,
    /// Groups made durable since start.
    pub groups: AtomicU64,
    /// Bytes made durable since start.
    pub bytes: AtomicU64,
    /// Records in the log.
    pub log_records: AtomicU64,
    /// Number of the segment that is being written.
    pub segment: AtomicU64,
    /// Records of the last group.
    pub group_records: AtomicU64,
    /// How old the first record of the last group was when the group was durable, microseconds.
    pub lag_us: AtomicU64,
    /// Duration of the last write and fdatasync together, microseconds.
    pub sync_us: AtomicU64,
    /// Whether the writer takes nothing, as the disk is full or under its watermark.
    pub disk_full: AtomicBool,
    /// Whether the writer takes nothing, as writing fails.
    pub failing: AtomicBool,
    /// Times that the writer stopped taking records.
    pub stalls: AtomicU64,
    /// Writes and syncs that failed.
    pub write_errors: AtomicU64,
    /// Half-written slots that workers found after a kill.
    pub half_written: AtomicU64,
    /// Records that were passed over, as they were no valid records.
    pub discarded: AtomicU64,
    /// Whether the writer runs on io_uring; plain system calls otherwise.
    pub uring: AtomicBool,
    /// Signed heads written since start.
    pub heads: AtomicU64,
    /// Signed heads that could not be written.
    pub head_errors: AtomicU64,
    /// Records that the last signed head covers.
    pub head_records: AtomicU64,
}
