//! Files of the state folder: read whole, replaced whole, under one lock.
//!
//! A replacement is written beside the file, synced, and renamed over it, so that a crash leaves
//! the old file or the new one. Files are 0600, the folder 0700.

use super::IdentityError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Reads a JSON file; `None` where there is none.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, IdentityError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(IdentityError::File { path: path.to_owned(), source }),
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|source| IdentityError::Damaged { path: path.to_owned(), source })
}

/// Replaces a JSON file.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), IdentityError> {
    let mut bytes = zeroize::Zeroizing::new(
        serde_json::to_vec_pretty(value)
            .map_err(|source| IdentityError::Damaged { path: path.to_owned(), source })?,
    );
    bytes.push(b'\n');
    replace(path, &bytes).map_err(|source| IdentityError::File { path: path.to_owned(), source })
}

/// Replaces the file at `path`, whole and durable. Its folder is made where it is not there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = Path::new(&beside);
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    })();
    if written.is_err() {
        // What is left beside is ours; the first error is the one to tell.
        drop(std::fs::remove_file(beside));
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Makes a folder that only we can enter.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Holds the lock of the state folder until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, so that the lock is")] File);

/// Waits for the lock of the state folder, which is made where it is not there.
pub fn lock(state: &Path) -> Result<Lock, IdentityError> {
    let path = state.join("keys.lock");
    let held = make_folder(state).and_then(|()| {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        file.lock()?;
        Ok(Lock(file))
    });
    held.map_err(|source| IdentityError::File { path, source })
}
