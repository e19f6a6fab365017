//! The audit ring: one producer (a worker), one consumer (the audit writer), in shared memory.
//!
//! ```text
//!  offset 0        one page       fixed words, see the constants below
//!  offset 4096     two pages      the worker's counters (crate::metrics)
//!  offset 12288    slots          RING_SLOT_BYTES each
//!
//!  slot:  | commit word u64 | length u32 | 0 u32 | record ... |
//! ```
//!
//! A *position* counts records from 0 and is the record's sequence; its slot is position modulo
//! slots. The commit word says in which state the slot is for which position:
//! `position + 1` committed, the same with [`WRITING`] set half-written. The consumer finds records
//! by their commit words alone, so a producer that dies half-way leaves nothing to repair: the next
//! one starts at the first position that is not committed and reuses that slot.
//!
//! One mark goes back: `durable`, the number of positions that are on disk. It both frees slots
//! and acknowledges records, so a record is never overwritten before it is on disk, and the
//! consumer may die at any moment: the next one goes on after the last sequence in the log.
//!
//! INVARIANT: durable <= head <= durable + slots. Each side treats what the other wrote as
//! untrusted: the producer ignores a durable mark that goes back or beyond its head; the consumer
//! checks a record's magic, length, ring and sequence before it takes it.

use crate::limits::{RING_RECORD_BYTES_MAX, RING_SLOT_BYTES, RING_SLOT_HEAD_BYTES};
use crate::ring_map::{SharedMap, create_memory_file};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Set in a commit word while the slot is being written.
pub const WRITING: u64 = 1 << 63;

/// Counters that a ring's memory holds for its worker.
pub const COUNTERS: usize = 1024;

const MAGIC: u64 = u64::from_le_bytes(*b"SLCRING1");

// Fixed words. Those of one writer share a cache line, those of different writers do not.
const AT_MAGIC: usize = 0;
const AT_SLOTS: usize = 8;
const AT_RING: usize = 16;
/// Written by the producer.
const AT_BOOT: usize = 128;
const AT_PRODUCER_WAITS: usize = 136;
const AT_HALF_WRITTEN: usize = 144;
/// Written by the consumer.
const AT_DURABLE: usize = 256;
const AT_CONSUMER: usize = 264;
const AT_TROUBLE: usize = 268;
const AT_COUNTERS: usize = 4096;
const AT_SLOTS_START: usize = AT_COUNTERS + COUNTERS * 8;

/// What the consumer does, as it says itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Consumer {
    /// Working: it will look again before it sleeps.
    Awake = 0,
    /// Napping for a few milliseconds: wake it for a record that somebody waits for, or when the
    /// ring fills.
    Napping = 1,
    /// Asleep: wake it for any record.
    Asleep = 2,
}

/// Why the consumer takes nothing at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Trouble {
    /// All is well.
    None = 0,
    /// The disk is full, or over the watermark.
    DiskFull = 1,
    /// Writing or syncing failed.
    WriteError = 2,
}

/// The memory is no ring of this build.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// It could not be made or mapped.
    #[error("cannot map the audit ring")]
    Map(#[from] io::Error),
    /// Magic, slots and length do not fit each other.
    #[error("memory is no audit ring of this build")]
    Layout,
}

/// A mapped ring, before one takes a side.
pub struct Ring {
    map: SharedMap,
    slots: u64,
    number: u64,
}

impl Ring {
    /// Makes the memory of a ring with `slots` slots (a power of two) and the random number `ring`.
    pub fn create(slots: u32, ring: u64) -> Result<OwnedFd, RingError> {
        if !slots.is_power_of_two() {
            return Err(RingError::Layout);
        }
        let length = AT_SLOTS_START + slots as usize * RING_SLOT_BYTES;
        let fd = create_memory_file(length)?;
        let map = SharedMap::open(&fd)?;
        for (at, value) in [(AT_SLOTS, u64::from(slots)), (AT_RING, ring), (AT_MAGIC, MAGIC)] {
            map.atomic_u64(at).ok_or(RingError::Layout)?.store(value, Ordering::Release);
        }
        Ok(fd)
    }

    /// Maps a ring and checks its layout.
    pub fn open(fd: impl AsFd) -> Result<Ring, RingError> {
        let map = SharedMap::open(fd)?;
        let word = |at: usize| {
            map.atomic_u64(at).map(|word| word.load(Ordering::Acquire)).ok_or(RingError::Layout)
        };
        let (magic, slots, ring) = (word(AT_MAGIC)?, word(AT_SLOTS)?, word(AT_RING)?);
        let fits = usize::try_from(slots)
            .ok()
            .and_then(|slots| slots.checked_mul(RING_SLOT_BYTES))
            .and_then(|bytes| bytes.checked_add(AT_SLOTS_START))
            == Some(map.length());
        if magic != MAGIC || !fits || !slots.is_power_of_two() {
            return Err(RingError::Layout);
        }
        Ok(Ring { map, slots, number: ring })
    }

    /// The random number of this ring.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Slots.
    pub fn slots(&self) -> u64 {
        self.slots
    }

    /// Counter `index`; see [`crate::metrics`].
    pub fn counter(&self, index: usize) -> Option<&AtomicU64> {
        if index >= COUNTERS {
            return None;
        }
        self.map.atomic_u64(AT_COUNTERS + index * 8)
    }

    /// Offset of the slot of `position`.
    fn slot(&self, position: u64) -> usize {
        let index = usize::try_from(position & (self.slots - 1)).unwrap_or(0);
        AT_SLOTS_START + index * RING_SLOT_BYTES
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        static NOWHERE: AtomicU64 = AtomicU64::new(0);
        // `open` checked that every word and slot lies in the mapping; the fallback is never used.
        self.map.atomic_u64(at).unwrap_or(&NOWHERE)
    }

    fn half_word(&self, at: usize) -> &AtomicU32 {
        static NOWHERE: AtomicU32 = AtomicU32::new(0);
        self.map.atomic_u32(at).unwrap_or(&NOWHERE)
    }

    fn commit_word(&self, position: u64) -> &AtomicU64 {
        self.word(self.slot(position))
    }

    /// The durable mark, as the consumer wrote it.
    fn durable(&self) -> u64 {
        self.word(AT_DURABLE).load(Ordering::Acquire)
    }

    /// Half-written slots that producers found after a kill, ever.
    pub fn half_written(&self) -> u64 {
        self.word(AT_HALF_WRITTEN).load(Ordering::Acquire)
    }

    /// The first position from `start` on that is not committed, at most `slots` further.
    fn first_uncommitted(&self, start: u64) -> u64 {
        (start..start.saturating_add(self.slots))
            .find(|position| {
                self.commit_word(*position).load(Ordering::Acquire) != position.wrapping_add(1)
            })
            .unwrap_or_else(|| start.saturating_add(self.slots))
    }
}

/// The ring is full, or what is free is reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the audit ring is full")]
pub struct Full;

/// Whether the consumer has to be woken for what was just pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Wake {
    /// Nothing to do.
    No,
    /// Write to the consumer's wake descriptor.
    Yes,
}

/// The worker's side.
///
/// A decision reserves the slot of its outcome: [`Producer::reserve`] before, then
/// [`Producer::push`] twice, or [`Producer::release`] where no outcome follows.
pub struct Producer {
    ring: Ring,
    head: u64,
    durable: u64,
    reserved: u64,
}

impl Producer {
    /// Takes the producer's side for the process start `boot`. Returns how many half-written slots
    /// the one before left (0 or 1); they are counted in the ring too.
    pub fn attach(ring: Ring, boot: u64) -> (Producer, u64) {
        let durable = ring.durable();
        let head = ring.first_uncommitted(durable);
        let torn = ring.commit_word(head).load(Ordering::Acquire) == (head + 1) | WRITING;
        if torn {
            ring.word(AT_HALF_WRITTEN).fetch_add(1, Ordering::AcqRel);
        }
        ring.word(AT_BOOT).store(boot, Ordering::Release);
        ring.half_word(AT_PRODUCER_WAITS).store(0, Ordering::Release);
        (Producer { ring, head, durable, reserved: 0 }, u64::from(torn))
    }

    /// The ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The position, and so the sequence, of the next record.
    pub fn next_sequence(&self) -> u64 {
        self.head
    }

    /// Reads the durable mark anew. A mark that goes back or beyond the head is ignored.
    pub fn refresh(&mut self) -> u64 {
        let mark = self.ring.durable();
        if mark >= self.durable && mark <= self.head {
            self.durable = mark;
        }
        self.durable
    }

    /// Whether the record at `sequence` is on disk.
    pub fn is_durable(&mut self, sequence: u64) -> bool {
        self.durable > sequence || self.refresh() > sequence
    }

    fn free(&self) -> u64 {
        self.ring.slots - (self.head - self.durable)
    }

    /// Whether less than half of the ring is free. The mark is read anew only where the known one
    /// says so: it is on a cache line of the other side.
    fn is_filling(&mut self) -> bool {
        let half = self.ring.slots / 2;
        self.free() < half && {
            self.refresh();
            self.free() < half
        }
    }

    /// Reserves `count` slots.
    pub fn reserve(&mut self, count: u64) -> Result<(), Full> {
        if self.free() < self.reserved + count {
            self.refresh();
            if self.free() < self.reserved + count {
                return Err(Full);
            }
        }
        self.reserved += count;
        Ok(())
    }

    /// Gives `count` reserved slots back.
    pub fn release(&mut self, count: u64) {
        self.reserved = self.reserved.saturating_sub(count);
    }

    /// Writes `record` into one of the reserved slots. `waits` says that somebody waits for it to
    /// be durable.
    pub fn push(&mut self, record: &[u8], waits: bool) -> Result<Wake, Full> {
        if self.reserved == 0 || record.len() > RING_RECORD_BYTES_MAX {
            return Err(Full);
        }
        let position = self.head;
        let slot = self.ring.slot(position);
        let word = self.ring.commit_word(position);
        word.store((position + 1) | WRITING, Ordering::Relaxed);
        // The half-written mark must be visible before any byte of the record is.
        fence(Ordering::Release);
        let length = u64::try_from(record.len()).unwrap_or(0);
        self.ring.word(slot + 8).store(length, Ordering::Relaxed);
        self.ring.map.write(slot + RING_SLOT_HEAD_BYTES, record);
        word.store(position + 1, Ordering::Release);
        self.head += 1;
        self.reserved -= 1;
        if waits {
            self.ring.half_word(AT_PRODUCER_WAITS).store(1, Ordering::Relaxed);
        }
        // Pairs with the fence in `Consumer::announce`: either we see that it sleeps, or it sees
        // our record.
        fence(Ordering::SeqCst);
        let asleep = match self.ring.half_word(AT_CONSUMER).load(Ordering::Relaxed) {
            s if s == Consumer::Asleep as u32 => true,
            s if s == Consumer::Napping as u32 => waits || self.is_filling(),
            _ => false,
        };
        if asleep {
            let state = self.ring.half_word(AT_CONSUMER);
            state.store(Consumer::Awake as u32, Ordering::Relaxed);
            return Ok(Wake::Yes);
        }
        Ok(Wake::No)
    }

    /// Asks for a wake-up once more is durable. Look at [`Producer::is_durable`] again after this
    /// and before sleeping.
    pub fn ask_for_wake(&self) {
        self.ring.half_word(AT_PRODUCER_WAITS).store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// What the consumer says is wrong.
    pub fn trouble(&self) -> Trouble {
        match self.ring.half_word(AT_TROUBLE).load(Ordering::Relaxed) {
            1 => Trouble::DiskFull,
            2 => Trouble::WriteError,
            _ => Trouble::None,
        }
    }
}

/// What the consumer found at its cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Nothing there yet.
    Nothing,
    /// A record; its bytes are in the buffer.
    Record,
    /// A committed slot whose length is impossible; it is passed over.
    Broken,
}

/// The writer's side.
pub struct ConsumerSide {
    ring: Ring,
    cursor: u64,
    /// The mark as this side wrote it: the one in the ring may have been tampered with.
    durable: u64,
}

impl ConsumerSide {
    /// Takes the consumer's side. `logged` is the number of positions of this ring that the log
    /// holds: the last sequence in it plus one, 0 where there is none. What is logged is durable by
    /// now, so the mark is set. Where the ring's own mark is ahead, that one holds: the log may be
    /// younger than the ring. Callers check [`ConsumerSide::cursor`] against what they can believe.
    pub fn attach(ring: Ring, logged: u64) -> ConsumerSide {
        let cursor = logged.max(ring.durable());
        ring.word(AT_DURABLE).store(cursor, Ordering::Release);
        ring.half_word(AT_TROUBLE).store(Trouble::None as u32, Ordering::Release);
        ring.half_word(AT_CONSUMER).store(Consumer::Awake as u32, Ordering::Release);
        ConsumerSide { ring, cursor, durable: cursor }
    }

    /// The ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The next position to take.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Boot of the producer that attached last.
    pub fn boot(&self) -> u64 {
        self.ring.word(AT_BOOT).load(Ordering::Acquire)
    }

    /// Takes the record at the cursor: appends its bytes to `out` and moves on.
    pub fn take(&mut self, out: &mut Vec<u8>) -> Taken {
        let slot = self.ring.slot(self.cursor);
        if self.ring.word(slot).load(Ordering::Acquire) != self.cursor + 1 {
            return Taken::Nothing;
        }
        let length = usize::try_from(self.ring.word(slot + 8).load(Ordering::Relaxed));
        self.cursor += 1;
        let length = match length {
            Ok(length) if length <= RING_RECORD_BYTES_MAX => length,
            _ => return Taken::Broken,
        };
        let start = out.len();
        out.resize(start + length, 0);
        let copied = out
            .get_mut(start..)
            .is_some_and(|place| self.ring.map.read(slot + RING_SLOT_HEAD_BYTES, place));
        if copied { Taken::Record } else { Taken::Broken }
    }

    /// Whether a record waits at the cursor.
    pub fn has_more(&self) -> bool {
        self.ring.commit_word(self.cursor).load(Ordering::Acquire) == self.cursor + 1
    }

    /// Whether somebody waits for a record to be durable.
    pub fn is_awaited(&self) -> bool {
        self.ring.half_word(AT_PRODUCER_WAITS).load(Ordering::Acquire) != 0
    }

    /// Says that every position below the cursor is on disk. Returns whether the producer asked to
    /// be woken.
    pub fn mark_durable(&mut self) -> Wake {
        self.durable = self.cursor;
        self.ring.word(AT_DURABLE).store(self.cursor, Ordering::Release);
        fence(Ordering::SeqCst);
        let waits = self.ring.half_word(AT_PRODUCER_WAITS);
        if waits.load(Ordering::Relaxed) == 0 {
            return Wake::No;
        }
        waits.store(0, Ordering::Relaxed);
        Wake::Yes
    }

    /// Goes back to the durable mark: what was taken since was not written.
    pub fn rewind(&mut self) {
        self.cursor = self.durable;
    }

    /// Announces what the consumer is about to do. After announcing sleep it must look at
    /// [`ConsumerSide::has_more`] once more before it sleeps.
    pub fn announce(&self, state: Consumer) {
        self.ring.half_word(AT_CONSUMER).store(state as u32, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says what is wrong, so that refusals can tell.
    pub fn report(&self, trouble: Trouble) {
        self.ring.half_word(AT_TROUBLE).store(trouble as u32, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
