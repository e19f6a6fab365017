//! The discipline of durable files: private folders, atomic replacement, locks.
//!
//! A file that is replaced is written under another name, synced, renamed, and its folder synced:
//! after a crash there is the old one or the new one, whole.

use crate::error::AuditError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the names of files that are being written end with. Left behind by a crash, they are
/// removed at the next start.
pub(crate) const NEW_SUFFIX: &str = ".new";

/// Whether there was no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Makes `path` and its parents, readable by the owner only.
pub(crate) fn create_private_directory(path: &Path) -> Result<(), AuditError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(AuditError::file("create", path))
}

/// Makes what was renamed, made or removed in `directory` last.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The name under which `path` is written before it is renamed.
pub(crate) fn new_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEW_SUFFIX);
    PathBuf::from(name)
}

/// Makes the file `path` with `bytes`, readable by the owner only, and syncs it.
pub(crate) fn create_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces the file `path` by one with `bytes`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), AuditError> {
    let new = new_name(path);
    create_synced(&new, bytes).map_err(AuditError::file("write", &new))?;
    std::fs::rename(&new, path).map_err(AuditError::file("rename", &new))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    sync_directory(directory).map_err(AuditError::file("sync", directory))
}

/// Reads a small file; `None` where there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, AuditError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AuditError::file("read", path)(error)),
    }
}

/// Locks `directory` against a second writer, until the lock is dropped or the process ends.
pub(crate) fn lock(directory: &Path) -> Result<Flock<File>, AuditError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(AuditError::file("open", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        nix::errno::Errno::EWOULDBLOCK => AuditError::Locked(directory.to_path_buf()),
        other => AuditError::file("lock", &path)(other.into()),
    })
}
