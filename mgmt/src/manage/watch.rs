//! What makes the node look at its files again without being asked: the key file changed, a signal,
//! or keys that are due to be rotated.

use super::node::{Ask, Event};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// How often the key file is looked at: a revoked key must be out of force within a second.
const KEYS_INTERVAL: Duration = Duration::from_millis(500);

/// How often secrets are looked at; they rotate by their own age.
const SECRETS_INTERVAL: Duration = Duration::from_mins(10);

/// Asks the node for what is due, for ever.
pub async fn watch(keys: PathBuf, mut hang_up: Signal, node: mpsc::Sender<Event>) {
    let mut seen = version(&keys);
    let mut look = interval(KEYS_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rotate = interval_at(Instant::now() + SECRETS_INTERVAL, SECRETS_INTERVAL);
    loop {
        let ask = tokio::select! {
            _ = look.tick() => {
                let now = version(&keys);
                if now == seen {
                    continue;
                }
                seen = now;
                Ask::Keys
            }
            _ = rotate.tick() => Ask::Keys,
            _ = hang_up.recv() => Ask::Configuration,
        };
        if node.send(Event::Asked { ask, reply: None }).await.is_err() {
            return;
        }
    }
}

/// What tells one state of a file from another: it is replaced whole, so its inode changes too.
fn version(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_replaced_file_is_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert_eq!(version(&path), None);
        fs::write(&path, "a").unwrap();
        let first = version(&path);
        assert!(first.is_some() && first == version(&path));
        let other = folder.path().join("new");
        fs::write(&other, "b").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(version(&path), first);
    }
}
