//! The audit stage: records go into the worker's ring, and a request waits where its route asks.
//!
//! Only this module can make a [`Recorded`], and only a [`Recorded`] can be forwarded, so nothing
//! leaves unrecorded by construction. The slot of the outcome is reserved with the decision's; a
//! `Recorded` that is dropped without its outcome (a panic, a cancelled task) gives it back.

use crate::clock::{Clock, unix_ns};
use crate::counters::Counters;
use crate::signal::Signal;
use sluice_contract::ids::RecordId;
use sluice_contract::metrics::Counter;
use sluice_contract::record::{
    DecisionFixed, DecisionRecord, Origin, OutcomeRecord, RecordBuffer, RefusalCount,
    encode_refusals,
};
use sluice_contract::ring::{Full, Producer, Trouble, Wake};
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The audit side of one worker.
pub struct Audit {
    producer: RefCell<Producer>,
    buffer: RefCell<RecordBuffer>,
    waiters: RefCell<Vec<Rc<Waiter>>>,
    writer: OwnedFd,
    counters: Rc<Counters>,
    clock: Clock,
    ring: u64,
    boot: u64,
    worker: u16,
    /// A request passed without a record since the last decision.
    unrecorded: Cell<bool>,
}

/// What a waiting request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    /// The record at this sequence on disk.
    Durable(u64),
    /// Room in the ring.
    Room,
}

struct Waiter {
    need: Need,
    deadline_ms: u64,
    signal: Signal,
}

/// The audit could not take a record in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// The disk is full or over its watermark.
    #[error("the audit disk is full")]
    DiskFull,
    /// Writing fails.
    #[error("the audit log cannot be written")]
    WriteError,
    /// Nobody takes records.
    #[error("the audit writer does not answer")]
    Stalled,
}

/// A decision that is in the ring, or on disk where its route asks for that.
pub struct Recorded {
    audit: Rc<Audit>,
    /// Sequence of the decision; `None` where the route fails open and nothing was recorded.
    sequence: Option<u64>,
    closed: bool,
}

impl Recorded {
    /// The id of the decision's record.
    pub fn id(&self) -> Option<RecordId> {
        self.sequence.map(|sequence| self.audit.id(sequence))
    }

    /// Writes the outcome into the slot that was kept for it.
    pub fn close(mut self, mut outcome: OutcomeRecord<'_>) {
        self.closed = true;
        let Some(decision) = self.sequence else { return };
        outcome.fixed.decision = decision;
        let audit = &self.audit;
        let mut producer = audit.producer.borrow_mut();
        let mut buffer = audit.buffer.borrow_mut();
        let origin = audit.origin(producer.next_sequence());
        // Every outcome fits a slot; should one not, its slot is given back.
        let pushed = match outcome.encode(&origin, &mut buffer) {
            Ok(()) => producer.push(buffer.bytes(), false),
            Err(_) => Err(Full),
        };
        match pushed {
            Ok(wake) => audit.pushed(wake),
            Err(Full) => producer.release(1),
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.closed && self.sequence.is_some() {
            self.audit.producer.borrow_mut().release(1);
        }
    }
}

impl Audit {
    /// The audit side of worker `worker`, whose records `producer` takes; `writer` wakes the
    /// writer.
    pub fn new(
        producer: Producer,
        writer: OwnedFd,
        counters: Rc<Counters>,
        clock: Clock,
        worker: u16,
        boot: u64,
    ) -> Audit {
        let ring = producer.ring().number();
        Audit {
            producer: RefCell::new(producer),
            buffer: RefCell::default(),
            waiters: RefCell::default(),
            writer,
            counters,
            clock,
            ring,
            boot,
            worker,
            unrecorded: Cell::new(false),
        }
    }

    fn id(&self, sequence: u64) -> RecordId {
        RecordId { boot: self.boot, worker: self.worker, sequence }
    }

    fn origin(&self, sequence: u64) -> Origin {
        Origin {
            worker: self.worker,
            ring: self.ring,
            boot: self.boot,
            sequence,
            time_ns: unix_ns(),
        }
    }

    fn pushed(&self, wake: Wake) {
        self.counters.count(Counter::AuditRecords);
        if wake == Wake::Yes {
            crate::io::wake_writer(&self.writer);
        }
    }

    /// Records a decision. With `sync` it returns once the record is on disk. Waits at most
    /// `wait_ms`, for room and for the disk together.
    pub async fn record(
        self: &Rc<Self>,
        decision: &DecisionRecord<'_>,
        sync: bool,
        wait_ms: u64,
    ) -> Result<Recorded, (Unavailable, Option<Recorded>)> {
        let deadline_ms = self.clock.millis() + wait_ms;
        loop {
            let reserved = self.producer.borrow_mut().reserve(2);
            if reserved.is_ok() {
                break;
            }
            if !self.wait(Need::Room, deadline_ms).await {
                return Err((self.unavailable(), None));
            }
        }
        let sequence = {
            let mut producer = self.producer.borrow_mut();
            let mut buffer = self.buffer.borrow_mut();
            let sequence = producer.next_sequence();
            let mut decision = *decision;
            if self.unrecorded.replace(false) {
                decision.fixed.flags |= DecisionFixed::FLAG_UNRECORDED_BEFORE;
            }
            // The bounds of facts, policies and groups keep every decision within a slot.
            let encoded = decision.encode(&self.origin(sequence), &mut buffer);
            let pushed = match encoded {
                Ok(()) => producer.push(buffer.bytes(), sync),
                Err(_) => Err(Full),
            };
            match pushed {
                Ok(wake) => self.pushed(wake),
                Err(Full) => {
                    producer.release(2);
                    return Err((Unavailable::WriteError, None));
                }
            }
            sequence
        };
        let recorded = Recorded { audit: Rc::clone(self), sequence: Some(sequence), closed: false };
        if sync {
            let start = self.clock.micros();
            let durable = self.wait(Need::Durable(sequence), deadline_ms).await;
            self.counters.count(Counter::AuditWaits);
            self.counters.add(Counter::AuditWaitMicros, self.clock.micros() - start);
            if !durable {
                return Err((self.unavailable(), Some(recorded)));
            }
        }
        Ok(recorded)
    }

    /// Stands in for a record on a route that fails open. Counted; the next record says so.
    pub fn pass_unrecorded(self: &Rc<Self>) -> Recorded {
        self.counters.count(Counter::AuditPassed);
        self.unrecorded.set(true);
        Recorded { audit: Rc::clone(self), sequence: None, closed: false }
    }

    /// Records the refusals of one second, if there is room; they are counted in metrics anyway.
    pub fn record_refusals(&self, second: u64, counts: &[RefusalCount]) {
        let mut producer = self.producer.borrow_mut();
        if producer.reserve(1).is_err() {
            return;
        }
        let mut buffer = self.buffer.borrow_mut();
        let origin = self.origin(producer.next_sequence());
        let pushed = match encode_refusals(&origin, second, counts, &mut buffer) {
            Ok(()) => producer.push(buffer.bytes(), false),
            Err(_) => Err(Full),
        };
        match pushed {
            Ok(wake) => self.pushed(wake),
            Err(Full) => producer.release(1),
        }
    }

    fn unavailable(&self) -> Unavailable {
        match self.producer.borrow().trouble() {
            Trouble::DiskFull => Unavailable::DiskFull,
            Trouble::WriteError => Unavailable::WriteError,
            Trouble::None => Unavailable::Stalled,
        }
    }

    fn is_met(&self, need: Need) -> bool {
        let mut producer = self.producer.borrow_mut();
        match need {
            Need::Durable(sequence) => producer.is_durable(sequence),
            Need::Room => {
                let room = producer.reserve(2).is_ok();
                if room {
                    producer.release(2);
                }
                room
            }
        }
    }

    /// Waits for `need`; false at the deadline.
    async fn wait(&self, need: Need, deadline_ms: u64) -> bool {
        loop {
            self.producer.borrow().ask_for_wake();
            if self.is_met(need) {
                return true;
            }
            if self.clock.millis() >= deadline_ms {
                return false;
            }
            let waiter = Rc::new(Waiter { need, deadline_ms, signal: Signal::default() });
            self.waiters.borrow_mut().push(Rc::clone(&waiter));
            waiter.signal.wait().await;
        }
    }

    /// The writer says that more is durable, or a tick passed: wakes whoever has what it needs, or
    /// is out of time.
    pub fn settle(&self) {
        let now_ms = self.clock.millis();
        let mut waiters = self.waiters.borrow_mut();
        loop {
            waiters.retain(|waiter| {
                let done = waiter.deadline_ms <= now_ms || self.is_met(waiter.need);
                if done {
                    waiter.signal.raise();
                }
                !done
            });
            if waiters.is_empty() {
                return;
            }
            self.producer.borrow().ask_for_wake();
            // The writer may have moved the mark just before it could see that we ask.
            if !waiters.iter().any(|waiter| self.is_met(waiter.need)) {
                return;
            }
        }
    }

    /// Sets the gauge of records that are not on disk.
    pub fn measure(&self) {
        let mut producer = self.producer.borrow_mut();
        let used = producer.next_sequence() - producer.refresh();
        self.counters.set(Counter::AuditRingUsed, used);
    }
}
