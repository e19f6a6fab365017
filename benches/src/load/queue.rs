//! Requests that are due, and the connections that wait for one; within a thread.
//!
//! The connection that became idle last is woken first: few warm connections carry a low rate, and
//! more join as it rises, as in a client's pool. Nothing is ever dropped: what no connection takes
//! waits, and its latency grows.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    task::{Poll, Waker},
    time::Instant,
};

#[derive(Debug, Default)]
pub struct Queue {
    due: RefCell<VecDeque<Instant>>,
    idle: RefCell<Vec<Waker>>,
    closed: Cell<bool>,
}

impl Queue {
    pub fn push(&self, due: Instant) {
        self.due.borrow_mut().push_back(due);
        let idle = self.idle.borrow_mut().pop();
        if let Some(waker) = idle {
            waker.wake();
        }
    }

    /// No more requests will come; waiting connections end.
    pub fn close(&self) {
        self.closed.set(true);
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        idle.into_iter().for_each(Waker::wake);
    }

    pub fn len(&self) -> usize {
        self.due.borrow().len()
    }

    /// The oldest request that is due; none once the queue is closed and empty.
    pub async fn pop(&self) -> Option<Instant> {
        poll_fn(|context| {
            if let Some(due) = self.due.borrow_mut().pop_front() {
                return Poll::Ready(Some(due));
            }
            if self.closed.get() {
                return Poll::Ready(None);
            }
            self.idle.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
