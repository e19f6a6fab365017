//! Waiting for something within one worker: a flag and a waker, no allocation beyond the first.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A flag that one task waits for.
#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    /// Raises the flag and wakes the waiting task.
    pub fn raise(&self) {
        self.raised.set(true);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the flag down, if it is up.
    pub fn take(&self) -> bool {
        self.raised.replace(false)
    }

    /// Ready once the flag is up; takes it down.
    pub fn poll(&self, waker: &Waker) -> Poll<()> {
        if self.take() {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(waker.clone());
        Poll::Pending
    }

    /// Waits for the flag and takes it down.
    pub async fn wait(&self) {
        poll_fn(|context| self.poll(context.waker())).await;
    }
}
