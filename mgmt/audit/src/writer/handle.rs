//! How the rest of management talks to the writer: a bounded queue of commands that wakes its
//! thread. Stopping goes by a flag, so that a full queue cannot hold it up.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use sluice_contract::record::Notice;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Commands that may wait for the writer; one more is refused.
const COMMANDS_MAX: usize = 1024;

/// What the writer can be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Make these names known to the log; the ones it knows already cost nothing. Send them before
    /// the snapshot that uses them goes down: commands are taken before records are.
    Names(Vec<String>),
    /// Write this notice.
    Notice(Notice),
    /// Write what the rings hold, a [`sluice_contract::record::NoticeCode::ManagementStop`] and the
    /// last head, then end.
    Stop,
}

/// A command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotSent {
    /// The writer has ended.
    #[error("the audit writer has ended")]
    Gone,
    /// Too many commands wait: the writer is stalled.
    #[error("the audit writer is stalled: {COMMANDS_MAX} commands wait")]
    Full,
}

/// Sends commands and wakes the writer for them.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: Sender<Command>,
    stopping: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
}

/// The writer's end of a [`Handle`].
#[derive(Debug)]
pub struct Commands {
    queue: Receiver<Command>,
    stopping: Arc<AtomicBool>,
}

/// A handle and its other end. `consumer_wake` is the eventfd of [`super::Wiring`].
pub fn channel(consumer_wake: impl AsFd) -> io::Result<(Handle, Commands)> {
    let wake = Arc::new(consumer_wake.as_fd().try_clone_to_owned()?);
    let stopping = Arc::new(AtomicBool::new(false));
    let (commands, queue) = bounded(COMMANDS_MAX);
    let handle = Handle { commands, stopping: Arc::clone(&stopping), wake };
    Ok((handle, Commands { queue, stopping }))
}

impl Handle {
    /// Sends `command`; never waits.
    pub fn send(&self, command: Command) -> Result<(), NotSent> {
        let sent = match command {
            Command::Stop => {
                self.stopping.store(true, Ordering::Release);
                Ok(())
            }
            command => self.commands.try_send(command).map_err(|refused| match refused {
                TrySendError::Full(_) => NotSent::Full,
                TrySendError::Disconnected(_) => NotSent::Gone,
            }),
        };
        // A counter at its limit (EAGAIN) is a wake-up that is due already.
        nix::unistd::write(&*self.wake, &1u64.to_ne_bytes()).ok();
        sent
    }
}

impl Commands {
    /// The next command that waits.
    pub(super) fn next(&self) -> Option<Command> {
        self.queue.try_recv().ok()
    }

    /// Whether the writer is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
