//! Room on the disk: a watermark below which nothing is taken, and a reserve that is given up when
//! the disk is full all the same, so that what began can be finished and the head be signed.

use crate::storage::Storage;
use crate::writer::Options;
use nix::fcntl::posix_fallocate;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The free space is looked at no more often than this while all is well.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches the free space and keeps the reserve.
pub(super) struct Room {
    directory: PathBuf,
    reserve: PathBuf,
    reserve_bytes: u64,
    free_bytes_min: u64,
    looked: Option<Instant>,
    is_held: bool,
}

impl Room {
    pub(super) fn new(options: &Options) -> Room {
        Room {
            directory: options.directory.clone(),
            reserve: options.directory.join("reserve"),
            reserve_bytes: options.reserve_bytes,
            free_bytes_min: options.free_bytes_min,
            looked: None,
            is_held: false,
        }
    }

    /// Whether a group may be written, while all is well. Looks at the disk once a second.
    pub(super) fn suffices(&mut self, storage: &impl Storage, now: Instant) -> bool {
        let is_fresh = self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK_EVERY);
        if is_fresh {
            return true;
        }
        self.looked = Some(now);
        // A file system that does not tell is found full by writing.
        let suffices =
            storage.free_bytes(&self.directory).is_ok_and(|free| free >= self.free_bytes_min)
                || self.free_bytes_min == 0;
        suffices && (self.is_held || self.hold().is_ok())
    }

    /// Whether there is room again after the disk was full. Asks for the reserve and as much again
    /// above the watermark, so that the writer does not stop and go at the edge.
    pub(super) fn is_back(&mut self, storage: &impl Storage, now: Instant) -> bool {
        let wanted = self.free_bytes_min.saturating_add(self.reserve_bytes.saturating_mul(2));
        let held = if self.is_held { self.reserve_bytes } else { 0 };
        let is_back = storage
            .free_bytes(&self.directory)
            .is_ok_and(|free| free.saturating_add(held) >= wanted)
            && (self.is_held || self.hold().is_ok());
        if is_back {
            self.looked = Some(now);
        }
        is_back
    }

    /// Puts the reserve on the disk.
    fn hold(&mut self) -> io::Result<()> {
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.reserve)
            .and_then(|file| match i64::try_from(self.reserve_bytes) {
                Ok(0) | Err(_) => Ok(()),
                Ok(bytes) => Ok(posix_fallocate(&file, 0, bytes)?),
            });
        self.is_held = made.is_ok();
        if made.is_err() {
            // A part of it helps nobody.
            std::fs::remove_file(&self.reserve).ok();
        }
        made
    }

    /// Gives the reserve up.
    pub(super) fn release(&mut self) {
        self.is_held = false;
        std::fs::remove_file(&self.reserve).ok();
    }
}
