//! Deadlines of connections, checked once a tick for the whole worker instead of one timer each.
//!
//! A connection sets its deadline and says what reaching it does: wake the task, which then sees
//! [`Watch::has_expired`], or shut the socket down, which ends whatever operation is under way.
//! Resolution is the tick; time-outs are in seconds, so that is enough.

use crate::io::Kill;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::Duration;

/// Time between two checks.
pub const TICK: Duration = Duration::from_millis(100);

const NEVER: u64 = u64::MAX;

/// The deadline of one connection.
pub struct Watch {
    deadline_ms: Cell<u64>,
    expired: Cell<bool>,
    /// Reaching the deadline shuts the socket down as well.
    kills: Cell<bool>,
    /// Nothing is under way on the connection.
    idle: Cell<bool>,
    kill: Kill,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    /// Sets the deadline to `at_ms`, a monotonic time; reaching it wakes the task.
    pub fn wake_at(&self, at_ms: u64) {
        self.deadline_ms.set(at_ms);
        self.kills.set(false);
        self.idle.set(false);
        self.expired.set(false);
    }

    /// Sets the deadline of a connection that waits for its next request: it may also be ended
    /// sooner, see [`Deadlines::expire_idle`].
    pub fn idle_until(&self, at_ms: u64) {
        self.wake_at(at_ms);
        self.idle.set(true);
    }

    /// Sets the deadline to `at_ms`; reaching it shuts the socket down.
    pub fn kill_at(&self, at_ms: u64) {
        self.wake_at(at_ms);
        self.kills.set(true);
    }

    /// Takes the deadline away.
    pub fn rest(&self) {
        self.deadline_ms.set(NEVER);
        self.expired.set(false);
    }

    /// Whether the deadline was reached.
    pub fn has_expired(&self) -> bool {
        self.expired.get()
    }

    /// Wakes `waker` when the deadline is reached.
    pub fn watch(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match slot.as_mut() {
            Some(parked) => parked.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    fn check(&self, now_ms: u64) {
        if now_ms >= self.deadline_ms.get() {
            self.expire();
        }
    }

    fn expire(&self) {
        self.deadline_ms.set(NEVER);
        self.expired.set(true);
        if self.kills.get() {
            self.kill.kill();
        }
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Every deadline of a worker.
#[derive(Default)]
pub struct Deadlines {
    watches: RefCell<Vec<Weak<Watch>>>,
}

impl Deadlines {
    /// A deadline for the socket of `kill`; not set yet.
    pub fn register(&self, kill: Kill) -> Rc<Watch> {
        let watch = Rc::new(Watch {
            deadline_ms: Cell::new(NEVER),
            expired: Cell::new(false),
            kills: Cell::new(false),
            idle: Cell::new(false),
            kill,
            waker: RefCell::new(None),
        });
        self.watches.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    /// Expires every connection on which nothing is under way.
    pub fn expire_idle(&self) {
        let watches: Vec<_> = self.watches.borrow().iter().filter_map(Weak::upgrade).collect();
        for watch in watches.iter().filter(|watch| watch.idle.get()) {
            watch.expire();
        }
    }

    /// Checks every deadline, and forgets the connections that are gone.
    pub fn tick(&self, now_ms: u64) {
        let mut index = 0;
        loop {
            // The list is not borrowed while a watch acts, so that acting may register another.
            let watch = match self.watches.borrow().get(index) {
                Some(watch) => watch.upgrade(),
                None => return,
            };
            if let Some(watch) = watch {
                watch.check(now_ms);
                index += 1;
            } else {
                self.watches.borrow_mut().swap_remove(index);
            }
        }
    }
}
