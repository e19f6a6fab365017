//! Joins decisions and their outcomes as the records come by, with bounded memory.
//!
//! Rows come in the order of completion: a row is there when its outcome is. A decision without an
//! outcome is given up when none can come any more: its worker has another boot or ring, or its
//! ring went round. Those are asked for apart, with [`Joiner::take_unanswered`].

use super::row::{Names, Row};
use sluice_contract::ids::NameId;
use sluice_contract::limits::RING_SLOTS;
use sluice_contract::record::{DecisionView, DictionaryView, Header, Kind, OutcomeView, header};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Decisions of one worker that may wait for their outcomes. A decision reserves the slot of its
/// outcome, so no more than a ring's slots can be open; beyond that the oldest is given up.
const OPEN_MAX: usize = RING_SLOTS as usize;

/// Decisions of one worker that have no outcome yet.
#[derive(Default)]
struct Open {
    ring: u64,
    boot: u64,
    decisions: BTreeMap<u64, DecisionView>,
}

/// Joins records into rows.
#[derive(Default)]
pub struct Joiner {
    names: Names,
    workers: HashMap<u16, Open>,
    unanswered: VecDeque<Row>,
}

impl Joiner {
    /// A joiner that writes principals by the names in `principals` (opaque id to name).
    pub fn new(principals: HashMap<u64, String>) -> Joiner {
        Joiner { names: Names { principals, ..Names::default() }, ..Joiner::default() }
    }

    /// Makes names of opaque ids known, as principals come and go.
    pub fn add_principals(&mut self, principals: impl IntoIterator<Item = (u64, String)>) {
        self.names.principals.extend(principals);
    }

    /// Makes names of the configuration known, where their dictionary records are not seen.
    pub fn add_names(&mut self, names: impl IntoIterator<Item = String>) {
        let with_id = |name: String| (NameId::of(&name).0, name);
        self.names.configured.extend(names.into_iter().map(with_id));
    }

    /// Takes the next record of the log. Returns the row that its outcome completes. Records that
    /// cannot be read are passed over; finding them is the business of `verify`.
    pub fn push(&mut self, record: &[u8]) -> Option<Row> {
        let header = header(record).ok()?;
        match Kind::from_number(header.kind)? {
            Kind::Decision => {
                self.decided(&header, DecisionView::decode(record).ok()?);
                None
            }
            Kind::Outcome => self.answered(&header, &OutcomeView::decode(record).ok()?),
            Kind::Dictionary => {
                let names = DictionaryView::decode(record).ok()?.names;
                self.names.configured.extend(names.into_iter().map(|(id, name)| (id.0, name)));
                None
            }
            Kind::SegmentStart | Kind::Refusals | Kind::Notice => None,
        }
    }

    /// A row whose request has no outcome and can get none any more.
    pub fn take_unanswered(&mut self) -> Option<Row> {
        self.unanswered.pop_front()
    }

    /// Gives up on every open decision: the log has ended.
    pub fn finish(&mut self) {
        let mut open: Vec<DecisionView> =
            self.workers.drain().flat_map(|(_, open)| open.decisions.into_values()).collect();
        open.sort_by_key(|decision| decision.header.time_ns);
        self.unanswered.extend(open.iter().map(|decision| Row::new(decision, None, &self.names)));
    }

    fn decided(&mut self, header: &Header, decision: DecisionView) {
        let open = self.workers.entry(header.worker).or_default();
        let mut lost = BTreeMap::new();
        if (open.ring, open.boot) != (header.ring, header.boot) {
            lost = std::mem::take(&mut open.decisions);
            (open.ring, open.boot) = (header.ring, header.boot);
        }
        open.decisions.insert(header.sequence, decision);
        if open.decisions.len() > OPEN_MAX {
            lost.extend(open.decisions.pop_first());
        }
        self.unanswered.extend(lost.values().map(|decision| Row::new(decision, None, &self.names)));
    }

    fn answered(&mut self, header: &Header, outcome: &OutcomeView) -> Option<Row> {
        let open = self.workers.get_mut(&header.worker)?;
        if (open.ring, open.boot) != (header.ring, header.boot) {
            return None;
        }
        let decision = open.decisions.remove(&outcome.fixed.decision)?;
        Some(Row::new(&decision, Some(outcome), &self.names))
    }
}
