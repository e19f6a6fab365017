//! Decisions by their exact inputs, so that Cedar is asked once for each kind of request.
//!
//! One cache a worker, never shared. Bounded by [`DECISION_CACHE`]: at the bound it is emptied and
//! that is counted, which is simpler than eviction and costs a few misses an hour. A hit allocates
//! nothing.

use crate::inputs::{Inputs, KEY_BYTES_MAX};
use arrayvec::ArrayVec;
use hashbrown::{DefaultHashBuilder, HashTable};
use sluice_contract::decision::Decision;
use sluice_contract::limits::DECISION_CACHE;
use std::hash::BuildHasher;

/// A worker's decisions.
///
/// Its owner empties it whenever what [`crate::QuestionKeys`] stand for changes.
#[derive(Debug)]
pub struct DecisionCache {
    /// Indices into `slots`.
    table: HashTable<u32>,
    slots: Vec<Slot>,
    /// The keys of all slots, one after the other.
    bytes: Vec<u8>,
    key: ArrayVec<u8, KEY_BYTES_MAX>,
    hasher: DefaultHashBuilder,
    bound: usize,
    stats: CacheStats,
}

/// What a cache has seen since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheStats {
    /// Decisions found.
    pub hits: u64,
    /// Decisions that Cedar was asked for.
    pub misses: u64,
    /// Times it was full and emptied.
    pub emptied: u64,
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    start: usize,
    len: usize,
    decision: Decision,
}

impl Default for DecisionCache {
    fn default() -> Self {
        DecisionCache::new()
    }
}

impl DecisionCache {
    /// An empty cache with the bound of the build.
    pub fn new() -> DecisionCache {
        DecisionCache::with_bound(DECISION_CACHE)
    }

    /// An empty cache of at most `bound` decisions, at least one.
    pub fn with_bound(bound: usize) -> DecisionCache {
        DecisionCache {
            table: HashTable::new(),
            slots: Vec::new(),
            bytes: Vec::new(),
            key: ArrayVec::new(),
            hasher: DefaultHashBuilder::default(),
            bound: bound.max(1),
            stats: CacheStats::default(),
        }
    }

    /// Forgets every decision. The counters go on.
    pub fn clear(&mut self) {
        self.table.clear();
        self.slots.clear();
        self.bytes.clear();
    }

    /// Decisions held.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no decision is held.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What it has seen.
    pub fn stats(&self) -> CacheStats {
        self.stats
    }

    /// The decision on `inputs` by the policies of `fingerprint`, made by `decide` where it is not
    /// held.
    pub(crate) fn decision(
        &mut self,
        fingerprint: u64,
        inputs: &Inputs,
        decide: impl FnOnce() -> Decision,
    ) -> &Decision {
        inputs.write_key(fingerprint, &mut self.key);
        let hash = self.hasher.hash_one(self.key.as_slice());
        let found = self.table.find(hash, |index| self.is_key_of(*index, hash)).copied();
        let index = if let Some(index) = found {
            self.stats.hits += 1;
            index
        } else {
            self.stats.misses += 1;
            self.insert(hash, decide())
        };
        self.at(index)
    }

    fn is_key_of(&self, index: u32, hash: u64) -> bool {
        self.slots.get(index as usize).is_some_and(|slot| {
            slot.hash == hash
                && self.bytes.get(slot.start..slot.start + slot.len) == Some(self.key.as_slice())
        })
    }

    #[cold]
    fn insert(&mut self, hash: u64, decision: Decision) -> u32 {
        if self.slots.len() >= self.bound {
            self.clear();
            self.stats.emptied += 1;
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { hash, start: self.bytes.len(), len: self.key.len(), decision });
        self.bytes.extend_from_slice(&self.key);
        let slots = &self.slots;
        self.table.insert_unique(hash, index, |index| {
            slots.get(*index as usize).map_or(0, |slot| slot.hash)
        });
        index
    }

    #[expect(clippy::indexing_slicing, reason = "the index comes from the table or from `insert`")]
    fn at(&self, index: u32) -> &Decision {
        &self.slots[index as usize].decision
    }
}
