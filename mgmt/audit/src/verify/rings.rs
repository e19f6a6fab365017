//! The rings' own order: in the log, the records of each ring follow each other without gap or
//! repeat, and each outcome follows its decision.

use super::ProblemKind;
use super::reader::Header;
use super::record::{Body, MANAGEMENT, RingNotice};
use std::collections::{BTreeSet, HashMap};

/// Decisions of one ring that are remembered until their outcome comes. Far beyond what can be in
/// flight; beyond it the oldest is forgotten, and outcomes below are taken on trust.
const OPEN_MAX: usize = 1 << 17;

/// Ranges of passed-over positions that are remembered per ring, as their outcomes may follow.
const SKIPPED_MAX: usize = 1 << 10;

struct Ring {
    worker: u16,
    boot: u64,
    next: u64,
    open: BTreeSet<u64>,
    forgotten_below: u64,
    skipped: Vec<(u64, u64)>,
}

impl Ring {
    fn new(worker: u16, next: u64) -> Ring {
        let (open, skipped) = (BTreeSet::new(), Vec::new());
        Ring { worker, boot: 0, next, open, forgotten_below: 0, skipped }
    }

    fn is_skipped(&self, position: u64) -> bool {
        self.skipped.iter().any(|(from, to)| (*from..*to).contains(&position))
    }
}

/// What is wrong with a record's place.
pub(super) struct Misplaced {
    pub kind: ProblemKind,
    pub detail: String,
}

/// All rings of a log.
#[derive(Default)]
pub(super) struct Rings {
    by_number: HashMap<u64, Ring>,
    pub discarded: u64,
    pub half_written: u64,
    pub before_log: u64,
    unanswered: u64,
}

impl Rings {
    /// Decisions without an outcome.
    pub fn unanswered(&self) -> u64 {
        self.unanswered + self.by_number.values().map(|ring| ring.open.len() as u64).sum::<u64>()
    }

    /// Takes the next record of the log.
    pub fn take(&mut self, header: &Header, body: &Body) -> Option<Misplaced> {
        let order = self.follow(header);
        let content = match *body {
            Body::Decision => {
                self.decision(header);
                None
            }
            Body::Outcome { decision } => self.outcome(header, decision),
            Body::Notice { ring, worker, position, about: Some(about) } => {
                self.notice(ring, worker, position, about)
            }
            Body::Notice { about: None, .. }
            | Body::Dictionary
            | Body::SegmentStart { .. }
            | Body::Refusals
            | Body::Unknown => None,
        };
        order.or(content)
    }

    /// Checks that the record follows the one before it in its ring.
    fn follow(&mut self, header: &Header) -> Option<Misplaced> {
        let ring = self.by_number.entry(header.ring).or_insert_with(|| Ring::new(header.worker, 0));
        if ring.boot != header.boot {
            // The worker's process is another: what was open before gets no outcome any more.
            ring.boot = header.boot;
            self.unanswered += ring.open.len() as u64;
            ring.open.clear();
        }
        let expected = ring.next;
        ring.next = header.sequence.saturating_add(1);
        let (number, sequence) = (header.ring, header.sequence);
        if ring.worker != header.worker {
            let detail = format!(
                "ring {number:016x} belongs to worker {}, not to {}",
                ring.worker, header.worker
            );
            return Some(Misplaced { kind: ProblemKind::Ring, detail });
        }
        match sequence.cmp(&expected) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => {
                let last = sequence - 1;
                let detail =
                    format!("records {expected} to {last} of ring {number:016x} are missing");
                Some(Misplaced { kind: ProblemKind::Gap, detail })
            }
            std::cmp::Ordering::Less => {
                ring.next = expected;
                let detail = format!("ring {number:016x} is at {expected}, not at {sequence}");
                Some(Misplaced { kind: ProblemKind::Duplicate, detail })
            }
        }
    }

    fn decision(&mut self, header: &Header) {
        let Some(ring) = self.by_number.get_mut(&header.ring) else { return };
        ring.open.insert(header.sequence);
        if ring.open.len() > OPEN_MAX
            && let Some(oldest) = ring.open.pop_first()
        {
            ring.forgotten_below = oldest + 1;
            self.unanswered += 1;
        }
    }

    fn outcome(&mut self, header: &Header, decision: u64) -> Option<Misplaced> {
        let ring = self.by_number.get_mut(&header.ring)?;
        if ring.open.remove(&decision) || ring.is_skipped(decision) {
            return None;
        }
        if decision < ring.forgotten_below {
            self.unanswered = self.unanswered.saturating_sub(1);
            return None;
        }
        let detail = format!("outcome of decision {decision}, which is not open in its ring");
        Some(Misplaced { kind: ProblemKind::Outcome, detail })
    }

    fn notice(
        &mut self,
        number: u64,
        worker: u64,
        position: u64,
        about: RingNotice,
    ) -> Option<Misplaced> {
        let worker = u16::try_from(worker).unwrap_or(MANAGEMENT);
        let ring = self.by_number.entry(number).or_insert_with(|| Ring::new(worker, 0));
        let expected = ring.next;
        match about {
            RingNotice::HalfWritten { count } => {
                self.half_written = self.half_written.saturating_add(count);
                None
            }
            RingNotice::Discarded { count } => {
                ring.next = position.saturating_add(count);
                self.discarded = self.discarded.saturating_add(count);
                if ring.skipped.len() >= SKIPPED_MAX {
                    ring.skipped.remove(0);
                }
                ring.skipped.push((position, ring.next));
                Self::expect(number, expected, position)
            }
            RingNotice::Ended => {
                ring.next = position;
                if expected == 0 {
                    self.before_log = self.before_log.saturating_add(position);
                    return None;
                }
                let detail = format!(
                    "records {expected} to {} of ring {number:016x} were acknowledged and are not \
                     in the log",
                    position.saturating_sub(1)
                );
                Some(Misplaced { kind: ProblemKind::Lost, detail })
            }
            RingNotice::Position => {
                ring.next = position;
                Self::expect(number, expected, position)
            }
        }
    }

    fn expect(number: u64, expected: u64, position: u64) -> Option<Misplaced> {
        if expected == position {
            return None;
        }
        let detail = format!("ring {number:016x} is at {expected}, the notice says {position}");
        Some(Misplaced { kind: ProblemKind::Gap, detail })
    }
}
