//! What the writer is told at start: places and bounds.

use sluice_contract::ring::Ring;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// Places and bounds of the log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's folder; made with mode 0700.
    pub directory: PathBuf,
    /// The private key; made at first start with mode 0600.
    pub key_file: PathBuf,
    /// Folder outside the log in which a copy of the signed head is kept, by the log's id.
    pub heads_directory: PathBuf,
    /// A segment is sealed once it is at least so long.
    pub segment_bytes: u64,
    /// A segment is sealed by the first record after this time.
    pub segment_age: Duration,
    /// Nothing is taken while less than this is free on the disk.
    pub free_bytes_min: u64,
    /// Bytes kept in a file of their own, given up to close cleanly on a full disk.
    pub reserve_bytes: u64,
    /// How long records that nobody waits for are collected before they are written as one group.
    /// What comes within it is lost if the machine dies; a record that somebody waits for ends it.
    pub nap: Duration,
}

impl Options {
    /// The defaults: segments of 256 MiB or a day, 64 MiB kept free, 4 MiB reserve, naps of
    /// 25 ms (a group costs about 0.2 ms of CPU, most of it the kernel's).
    pub fn new(
        directory: impl Into<PathBuf>,
        key_file: impl Into<PathBuf>,
        heads_directory: impl Into<PathBuf>,
    ) -> Options {
        Options {
            directory: directory.into(),
            key_file: key_file.into(),
            heads_directory: heads_directory.into(),
            segment_bytes: 256 << 20,
            segment_age: Duration::from_hours(24),
            free_bytes_min: 64 << 20,
            reserve_bytes: 4 << 20,
            nap: Duration::from_millis(25),
        }
    }
}

/// What connects the writer to the workers.
pub struct Wiring {
    /// One ring a worker, by worker number.
    pub rings: Vec<Ring>,
    /// The eventfd that workers and [`super::Handle`] write to.
    pub consumer_wake: OwnedFd,
    /// One descriptor a worker; a byte is written to it when the worker asked to be woken. Must be
    /// nonblocking: a full one means that the worker has a wake-up already.
    pub producer_wakes: Vec<OwnedFd>,
}
