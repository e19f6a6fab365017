//! One worker's ring, as the writer drains it: every record is checked before it is taken, as the
//! worker's memory is not trusted.
//!
//! INVARIANT: `logged <= taken`; positions below `logged` are on disk (or passed over, and a notice
//! of that is on disk), those from `logged` to `taken` are in the group under construction. What a
//! ring's own marks say is never believed against this.

use crate::error::AuditError;
use crate::group::{Group, is_worker_kind};
use crate::log::RingPosition;
use sluice_contract::record::{
    DecisionFixed, HEADER_BYTES, Kind, Notice, NoticeCode, OutcomeFixed, RefusalCount, VERSION,
    header,
};
use sluice_contract::ring::{Consumer, ConsumerSide, Ring, Taken, Trouble, Wake};
use std::mem::{offset_of, size_of};
use std::os::fd::OwnedFd;

/// A durable mark so far beyond the log is no mark but damage; counting that far takes centuries.
const MARK_AHEAD_MAX: u64 = 1 << 48;

/// A worker's ring and where the log is with it.
pub(crate) struct Lane {
    consumer: ConsumerSide,
    worker: u16,
    logged: u64,
    taken: u64,
    /// Half-written slots that the log was told of, and will have been with this group.
    half_written: (u64, u64),
    /// Records passed over in this group.
    discarded: u64,
    wake: OwnedFd,
}

impl Lane {
    /// Takes the consumer's side of `ring`. `known` is how far the log says that it is.
    pub(crate) fn attach(
        worker: usize,
        ring: Ring,
        known: Option<RingPosition>,
        wake: OwnedFd,
    ) -> Result<Lane, AuditError> {
        let impossible = |_| AuditError::RingMark { worker };
        let (logged, told) = known.map_or((0, 0), |known| (known.next, known.half_written));
        let number = u16::try_from(worker).map_err(impossible)?;
        let consumer = ConsumerSide::attach(ring, logged);
        if consumer.cursor() > logged.saturating_add(MARK_AHEAD_MAX) {
            return Err(AuditError::RingMark { worker });
        }
        Ok(Lane {
            consumer,
            worker: number,
            logged,
            taken: logged,
            half_written: (told, told),
            discarded: 0,
            wake,
        })
    }

    /// How far the ring is in the log.
    pub(super) fn position(&self) -> RingPosition {
        RingPosition {
            ring: self.consumer.ring().number(),
            worker: self.worker,
            next: self.logged,
            half_written: self.half_written.0,
        }
    }

    /// Takes what the ring holds into `group`.
    pub(super) fn drain(&mut self, group: &mut Group, boot: u64) -> Result<(), AuditError> {
        if !self.is_sane() {
            return Ok(());
        }
        self.tell_lost(group, boot)?;
        self.tell_half_written(group, boot)?;
        let mut bad = 0;
        // A ring's worth at most: a worker that writes as fast as we read must not hold the group.
        for _ in 0..self.consumer.ring().slots() {
            if group.is_full() {
                break;
            }
            let position = self.consumer.cursor();
            let start = group.bytes.len();
            let checked = match self.consumer.take(&mut group.bytes) {
                Taken::Nothing => break,
                Taken::Record => self.check(position, group.bytes.get(start..).unwrap_or_default()),
                Taken::Broken => None,
            };
            if position < self.logged {
                // The mark in shared memory went back: this is in the log already.
                group.bytes.truncate(start);
                continue;
            }
            self.taken = position + 1;
            match checked {
                Some(time_ns) if bad == 0 => group.seal(start, time_ns),
                Some(time_ns) => {
                    // The notice goes first. Only a broken worker leads here: copying is fine.
                    let record = group.bytes.split_off(start);
                    self.tell_discarded(group, boot, position - bad, bad)?;
                    bad = 0;
                    let start = group.bytes.len();
                    group.bytes.extend_from_slice(&record);
                    group.seal(start, time_ns);
                }
                None => {
                    group.bytes.truncate(start);
                    bad += 1;
                }
            }
        }
        if bad > 0 {
            self.tell_discarded(group, boot, self.taken - bad, bad)?;
        }
        Ok(())
    }

    /// The time of `record`, where it is what the worker should have written at `position`.
    fn check(&self, position: u64, record: &[u8]) -> Option<u64> {
        let header = header(record).ok()?;
        let is_good = header.length as usize == record.len()
            && header.version == VERSION
            && header.reserved == 0
            && header.worker == self.worker
            && header.ring == self.consumer.ring().number()
            && header.sequence == position
            && is_worker_kind(header.kind)
            && lists_fit(header.kind, record);
        is_good.then_some(header.time_ns)
    }

    /// Tells of records that the mark acknowledges and the log does not hold: the log is younger
    /// than the ring, or lost its end.
    fn tell_lost(&mut self, group: &mut Group, boot: u64) -> Result<(), AuditError> {
        let position = self.consumer.cursor();
        if position <= self.logged {
            return Ok(());
        }
        self.taken = position;
        group.push_notice(boot, &self.notice(NoticeCode::RingEnded, position, 0))
    }

    fn tell_half_written(&mut self, group: &mut Group, boot: u64) -> Result<(), AuditError> {
        let found = self.consumer.ring().half_written();
        let told = self.half_written.0;
        if found <= told {
            return Ok(());
        }
        self.half_written.1 = found;
        group.push_notice(boot, &self.notice(NoticeCode::HalfWritten, self.taken, found - told))
    }

    fn tell_discarded(
        &mut self,
        group: &mut Group,
        boot: u64,
        position: u64,
        count: u64,
    ) -> Result<(), AuditError> {
        self.discarded += count;
        group.push_notice(boot, &self.notice(NoticeCode::Discarded, position, count))
    }

    fn notice(&self, code: NoticeCode, position: u64, value: u64) -> Notice {
        Notice {
            code: code as u32,
            worker: u32::from(self.worker),
            ring: self.consumer.ring().number(),
            position,
            value,
            hash: [0; 32],
        }
    }

    /// The group is on disk: says so to the worker, and wakes it where it asked.
    pub(super) fn commit(&mut self) -> Committed {
        let committed = Committed {
            discarded: std::mem::take(&mut self.discarded),
            half_written: self.half_written.1 - self.half_written.0,
            was_awaited: false,
        };
        self.half_written.0 = self.half_written.1;
        if self.taken == self.logged {
            return committed;
        }
        self.logged = self.taken;
        match self.consumer.mark_durable() {
            Wake::No => committed,
            Wake::Yes => {
                // A full descriptor (EAGAIN) holds a wake-up already; a worker that is gone is woken
                // by nobody.
                nix::unistd::write(&self.wake, &[1]).ok();
                Committed { was_awaited: true, ..committed }
            }
        }
    }

    /// The group was not written: what was taken is to be taken again.
    pub(super) fn abort(&mut self) {
        self.consumer.rewind();
        self.taken = self.logged;
        self.half_written.1 = self.half_written.0;
        self.discarded = 0;
    }

    /// Whether a record is there to be taken.
    pub(super) fn has_more(&self) -> bool {
        self.is_sane() && self.consumer.has_more()
    }

    /// Whether a record is there that somebody waits for.
    pub(super) fn is_urgent(&self) -> bool {
        self.consumer.is_awaited() && self.has_more()
    }

    /// Says what the writer is about to do.
    pub(super) fn announce(&self, state: Consumer) {
        self.consumer.announce(state);
    }

    /// Says why the writer takes nothing.
    pub(super) fn report(&self, trouble: Trouble) {
        self.consumer.report(trouble);
    }

    /// A cursor that came out of shared memory and cannot be: the lane is left alone.
    fn is_sane(&self) -> bool {
        self.consumer.cursor() <= self.logged.saturating_add(MARK_AHEAD_MAX)
    }
}

/// What a commit settled.
pub(super) struct Committed {
    pub discarded: u64,
    pub half_written: u64,
    /// The worker asked to be woken.
    pub was_awaited: bool,
}

/// Whether the lists of a worker's record fill it exactly, as a check of the log will demand.
fn lists_fit(kind: u16, record: &[u8]) -> bool {
    let byte = |at: usize| record.get(HEADER_BYTES + at).map_or(0, |count| usize::from(*count));
    let body = match Kind::from_number(kind) {
        Some(Kind::Decision) => {
            let lists = byte(offset_of!(DecisionFixed, classes))
                + byte(offset_of!(DecisionFixed, policies))
                + byte(offset_of!(DecisionFixed, groups));
            size_of::<DecisionFixed>() + 8 * lists
        }
        Some(Kind::Outcome) => {
            let lists =
                byte(offset_of!(OutcomeFixed, classes)) + byte(offset_of!(OutcomeFixed, policies));
            size_of::<OutcomeFixed>() + 8 * lists
        }
        Some(Kind::Refusals) => {
            let count = record
                .get(HEADER_BYTES + 8..)
                .and_then(|rest| rest.first_chunk())
                .map_or(u64::MAX, |count| u64::from_le_bytes(*count));
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            16 + count.saturating_mul(size_of::<RefusalCount>()).min(1 << 20)
        }
        Some(Kind::Dictionary | Kind::SegmentStart | Kind::Notice) | None => return false,
    };
    HEADER_BYTES + body == record.len()
}

#[cfg(test)]
mod tests;
