//! The file operations of the log, as the seam at which tests let each of them fail.
//!
//! A contract in two lines: when `sync`, `create`, `truncate` or `sync_directory` return, the
//! change is on disk; a `write` that failed may have written any part of its bytes.

use crate::durable;
use nix::sys::statvfs::statvfs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What the log does to files.
pub(crate) trait Storage {
    /// An open segment.
    type File;

    /// Opens an existing file for writing.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Writes all of `bytes` at `at`, and gives the buffer back.
    async fn write(&self, file: &Self::File, bytes: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>);

    /// Makes what was written last.
    async fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Cuts the file to `length` bytes, lastingly.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    /// Makes a file with `bytes`, lastingly but for its name.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        durable::create_synced(path, bytes)
    }

    /// Renames a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    /// Makes names in `directory` last.
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        durable::sync_directory(directory)
    }

    /// Bytes free on the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = statvfs(path)?;
        Ok(stat.blocks_available() * stat.fragment_size())
    }
}

/// Through io_uring.
pub(crate) struct UringStorage;

impl Storage for UringStorage {
    type File = tokio_uring::fs::File;

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        Ok(tokio_uring::fs::File::from_std(OpenOptions::new().write(true).open(path)?))
    }

    async fn write(&self, file: &Self::File, bytes: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
        file.write_all_at(bytes, at).await
    }

    async fn sync(&self, file: &Self::File) -> io::Result<()> {
        file.sync_data().await
    }
}

/// Through plain system calls, where the kernel offers no io_uring.
pub(crate) struct PlainStorage;

impl Storage for PlainStorage {
    type File = File;

    fn open(&self, path: &Path) -> io::Result<Self::File> {
        OpenOptions::new().write(true).open(path)
    }

    async fn write(&self, file: &Self::File, bytes: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
        (file.write_all_at(&bytes, at), bytes)
    }

    async fn sync(&self, file: &Self::File) -> io::Result<()> {
        file.sync_data()
    }
}
