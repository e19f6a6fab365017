//! One turn of the writer: collect → append → acknowledge → publish, and what to do next.
//!
//! INVARIANT: nothing of a group is acknowledged before all of it is on disk, and nothing of a
//! group that failed is forgotten: records stay in their rings, commands in `pending`.

use super::lane::Lane;
use super::room::Room;
use super::{Command, Commands, Observer, Options, WriterStats};
use crate::error::AuditError;
use crate::group::Group;
use crate::head::{Head, HeadKeeper};
use crate::log::{Log, RingPosition};
use crate::storage::Storage;
use sluice_contract::record::{Notice, NoticeCode};
use sluice_contract::ring::{Consumer, Trouble};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Commands that are held while the writer is stalled; the rest waits in the queue.
const PENDING_MAX: usize = 1024;

/// Groups written at a stop, before the rings are left as they are: the workers have stopped by
/// then, so a few hold all there is.
const LAST_GROUPS: usize = 1024;

/// Tries at a stop.
const LAST_TRIES: u32 = 3;

/// What to do after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Take another turn at once.
    Again,
    /// Collect records for a few milliseconds: nobody waits for them.
    Nap,
    /// Sleep until something comes.
    Sleep,
    /// Stalled: try again in a while.
    Retry,
    /// Finish and end.
    Stop,
}

/// Everything that a writer works with.
pub(crate) struct Writer<S: Storage> {
    pub log: Log<S>,
    pub lanes: Vec<Lane>,
    pub pending: VecDeque<Command>,
    pub commands: Commands,
    pub group: Group,
    room: Room,
    pub keeper: Option<HeadKeeper>,
    pub observer: Observer,
    pub stats: Arc<WriterStats>,
    pub segment_bytes: u64,
    pub segment_age: Duration,
    /// The lane that is drained first: they take turns, as a full group ends a drain.
    pub first_lane: usize,
    /// Why nothing is taken.
    stall: Option<Trouble>,
}

/// Unix time in nanoseconds.
pub(crate) fn unix_ns() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A notice about nothing but its code and value.
pub(crate) fn plain_notice(code: NoticeCode, value: u64) -> Notice {
    Notice { code: code as u32, worker: 0, ring: 0, position: 0, value, hash: [0; 32] }
}

impl<S: Storage> Writer<S> {
    pub(crate) fn new(
        log: Log<S>,
        lanes: Vec<Lane>,
        commands: Commands,
        observer: Observer,
        stats: Arc<WriterStats>,
        options: &Options,
    ) -> Writer<S> {
        let group = Group::new(log.state.tail);
        Writer {
            log,
            lanes,
            pending: VecDeque::new(),
            commands,
            group,
            room: Room::new(options),
            keeper: None,
            observer,
            stats,
            segment_bytes: options.segment_bytes,
            segment_age: options.segment_age,
            first_lane: 0,
            stall: None,
        }
    }

    /// One turn.
    pub(crate) async fn turn(&mut self) -> Result<Next, AuditError> {
        self.take_commands();
        if self.commands.is_stopping() {
            return Ok(Next::Stop);
        }
        if !self.has_room().await {
            return Ok(Next::Retry);
        }
        match self.commit().await {
            Ok(next) => {
                self.resume();
                Ok(next)
            }
            Err(error) => self.give_back(error).await,
        }
    }

    /// Writes what is left, a last notice and the last head. A failure is tried again a few times:
    /// records that stay in the rings are lost when the supervisor ends too.
    pub(crate) async fn finish(&mut self) -> Result<(), AuditError> {
        // The reserve is for this: what the rings hold is to be on disk, full or not.
        self.room.release();
        let mut written = self.write_rest().await;
        if written.is_ok() {
            let stop = plain_notice(NoticeCode::ManagementStop, 0);
            self.pending.push_back(Command::Notice(stop));
            written = self.write_rest().await;
        }
        // Signs the last head and waits for it.
        self.keeper = None;
        written
    }

    async fn write_rest(&mut self) -> Result<(), AuditError> {
        let mut tries = 0;
        for _ in 0..LAST_GROUPS {
            self.take_commands();
            match self.commit().await {
                Ok(Next::Sleep) => break,
                Ok(_) => {}
                Err(error) => {
                    self.abort();
                    self.stats.write_errors.fetch_add(1, Relaxed);
                    tries += 1;
                    if tries == LAST_TRIES {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn take_commands(&mut self) {
        while self.pending.len() < PENDING_MAX
            && let Some(command) = self.commands.next()
        {
            self.pending.push_back(command);
        }
    }

    /// Collects a group and makes it durable. The steps between are in [`crate::append`].
    async fn commit(&mut self) -> Result<Next, AuditError> {
        if self.pending.is_empty() && !self.lanes.iter().any(Lane::has_more) {
            return Ok(Next::Sleep);
        }
        let began = Instant::now();
        let time_ns = unix_ns();
        self.rotate_when_due(time_ns)?;

        // Collect. A crash leaves all as it was: records stay in the rings until their mark moves.
        let commands = self.collect(time_ns)?;
        if self.group.bytes.is_empty() {
            self.settle(commands);
            return Ok(Next::Sleep);
        }

        // Append: write, sync, advance.
        self.log.append(&mut self.group).await?;

        // Acknowledge: move the marks, wake who waits. A crash before leaves records that are on
        // disk and not acknowledged; the next start finds them and goes on behind them.
        let is_awaited = self.acknowledge();
        self.settle(commands);

        // Publish: leave the head to be signed, show the records. A crash before leaves records
        // that no head covers; the next head does.
        self.publish(false);
        self.group.records().for_each(|record| (self.observer)(record));
        self.count(began);

        let is_urgent = self.lanes.iter().any(Lane::is_urgent);
        let has_more = is_awaited && self.lanes.iter().any(Lane::has_more);
        Ok(if is_urgent || has_more || self.group.is_full() { Next::Again } else { Next::Nap })
    }

    /// Collects pending commands, then what the rings hold. Returns how many commands are in.
    fn collect(&mut self, time_ns: u64) -> Result<usize, AuditError> {
        let boot = self.log.state.boot;
        self.group.start(self.log.state.tail, time_ns);
        for command in &self.pending {
            match command {
                Command::Names(names) => {
                    let known = &self.log.state.names;
                    let new = names.iter().map(String::as_str).filter(|name| !known.knows(name));
                    self.group.push_names(boot, new)?;
                }
                Command::Notice(notice) => self.group.push_notice(boot, notice)?,
                // Travels by a flag.
                Command::Stop => {}
            }
        }
        let (before, after) = self.lanes.split_at_mut(self.first_lane);
        for lane in after.iter_mut().chain(before) {
            lane.drain(&mut self.group, boot)?;
        }
        self.first_lane = (self.first_lane + 1) % self.lanes.len().max(1);
        Ok(self.pending.len())
    }

    /// Moves the marks. Returns whether somebody waited.
    fn acknowledge(&mut self) -> bool {
        let mut is_awaited = false;
        for lane in &mut self.lanes {
            let committed = lane.commit();
            is_awaited |= committed.was_awaited;
            self.stats.discarded.fetch_add(committed.discarded, Relaxed);
            self.stats.half_written.fetch_add(committed.half_written, Relaxed);
        }
        is_awaited
    }

    /// The first `commands` pending commands are done.
    fn settle(&mut self, commands: usize) {
        for command in self.pending.drain(..commands) {
            if let Command::Names(names) = command {
                for name in names {
                    self.log.state.names.add(name);
                }
            }
        }
    }

    fn publish(&self, urgent: bool) {
        let tail = &self.log.state.tail;
        let head = Head { records: tail.records, chain: tail.chain };
        if let Some(keeper) = &self.keeper {
            keeper.leave(head, urgent);
        }
    }

    fn rotate_when_due(&mut self, time_ns: u64) -> Result<(), AuditError> {
        let state = &self.log.state;
        let age = Duration::from_nanos(time_ns.saturating_sub(state.started_ns));
        if state.tail.length < self.segment_bytes && age < self.segment_age {
            return Ok(());
        }
        // Seal with a head of its own.
        self.publish(true);
        let positions: Vec<RingPosition> = self.lanes.iter().map(Lane::position).collect();
        self.log.rotate(&positions, time_ns)
    }

    fn count(&self, began: Instant) {
        let stats = &self.stats;
        let tail = &self.log.state.tail;
        let before = stats.log_records.swap(tail.records, Relaxed);
        let records = tail.records.saturating_sub(before);
        stats.records.fetch_add(records, Relaxed);
        stats.group_records.store(records, Relaxed);
        stats.groups.fetch_add(1, Relaxed);
        stats.bytes.fetch_add(self.group.bytes.len() as u64, Relaxed);
        stats.segment.store(self.log.state.segment, Relaxed);
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        stats.sync_us.store(micros, Relaxed);
        let first_ns = self.group.first_ns.unwrap_or(u64::MAX);
        stats.lag_us.store(unix_ns().saturating_sub(first_ns) / 1000, Relaxed);
    }

    /// Whether a group may be tried.
    async fn has_room(&mut self) -> bool {
        let now = Instant::now();
        match &self.stall {
            Some(Trouble::DiskFull) => self.room.is_back(&self.log.storage, now),
            Some(_) => true,
            None if self.room.suffices(&self.log.storage, now) => true,
            None => {
                self.stop_taking(Trouble::DiskFull, 0).await;
                false
            }
        }
    }

    /// A group failed: nothing of it counts, the rings keep its records.
    async fn give_back(&mut self, error: AuditError) -> Result<Next, AuditError> {
        let held_back = self.group.tail.records.saturating_sub(self.log.state.tail.records);
        self.abort();
        let trouble = match &error {
            AuditError::File { .. } if error.is_disk_full() => Trouble::DiskFull,
            AuditError::File { .. } => Trouble::WriteError,
            // Not of the disk: trying again would not help.
            _ => return Err(error),
        };
        self.stats.write_errors.fetch_add(1, Relaxed);
        if trouble == Trouble::DiskFull {
            self.room.release();
        }
        if self.stall.as_ref().is_none_or(|before| *before != trouble) {
            self.stop_taking(trouble, held_back).await;
        }
        Ok(Next::Retry)
    }

    fn abort(&mut self) {
        self.lanes.iter_mut().for_each(Lane::abort);
        self.group.start(self.log.state.tail, 0);
    }

    /// Tells everyone that nothing is taken, and the log since when.
    async fn stop_taking(&mut self, trouble: Trouble, held_back: u64) {
        self.lanes.iter().for_each(|lane| lane.report(trouble));
        self.stats.disk_full.store(trouble == Trouble::DiskFull, Relaxed);
        self.stats.failing.store(trouble == Trouble::WriteError, Relaxed);
        if self.stall.replace(trouble).is_none() {
            self.stats.stalls.fetch_add(1, Relaxed);
            let mut notice = plain_notice(NoticeCode::Refused, held_back);
            notice.position = u64::from(trouble as u32);
            if self.write_alone(&notice).await.is_err() {
                self.pending.push_front(Command::Notice(notice));
            }
        }
    }

    /// Writes one notice, out of turn.
    async fn write_alone(&mut self, notice: &Notice) -> Result<(), AuditError> {
        self.group.start(self.log.state.tail, unix_ns());
        self.group.push_notice(self.log.state.boot, notice)?;
        self.log.append(&mut self.group).await?;
        self.publish(true);
        self.group.records().for_each(|record| (self.observer)(record));
        self.count(Instant::now());
        Ok(())
    }

    /// All is well again.
    fn resume(&mut self) {
        if self.stall.take().is_some() {
            self.lanes.iter().for_each(|lane| lane.report(Trouble::None));
            self.stats.disk_full.store(false, Relaxed);
            self.stats.failing.store(false, Relaxed);
        }
    }

    /// Announces a nap or sleep to the workers. Returns whether to go ahead: after the announcement
    /// the rings are looked at once more, so that a record is either seen here or wakes us.
    pub(super) fn may_rest(&self, state: Consumer) -> bool {
        self.lanes.iter().for_each(|lane| lane.announce(state));
        match state {
            Consumer::Asleep => !self.lanes.iter().any(Lane::has_more),
            Consumer::Napping => !self.is_urgent(),
            Consumer::Awake => false,
        }
    }

    /// Whether somebody waits for a record, or for the writer's end.
    pub(super) fn is_urgent(&self) -> bool {
        self.commands.is_stopping() || self.lanes.iter().any(Lane::is_urgent)
    }
}

#[cfg(test)]
impl<S: Storage> Writer<S> {
    /// A group on disk whose acknowledgement was cut off by the writer's death.
    pub(crate) async fn write_unacknowledged(&mut self) {
        self.collect(unix_ns()).unwrap();
        self.log.append(&mut self.group).await.unwrap();
    }
}

#[cfg(test)]
mod tests;
