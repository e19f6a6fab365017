//! Refusals before inspection, counted by source and second: a flood of them must not fill the log.

use crate::audit::Audit;
use crate::clock::unix_seconds;
use crate::govern::opaque_id;
use crate::plan::Plan;
use sluice_contract::limits::REFUSAL_SOURCES_MAX;
use sluice_contract::reason::Reason;
use sluice_contract::record::RefusalCount;
use std::net::IpAddr;

/// The refusals since the last record of them.
#[derive(Default)]
pub struct Refusals {
    counts: Vec<RefusalCount>,
}

impl Refusals {
    /// Counts one. Sources beyond the bound share one line for each reason.
    pub fn note(&mut self, plan: &Plan, source: IpAddr, reason: Reason) {
        let bytes = match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let source = opaque_id(plan, "source", &bytes);
        let reason = reason as u16;
        let known =
            |count: &&mut RefusalCount, source| count.source == source && count.reason == reason;
        if let Some(count) = self.counts.iter_mut().find(|count| known(count, source)) {
            count.count = count.count.saturating_add(1);
            return;
        }
        // Half of the lines are for sources, the rest for sums by reason.
        let source = if self.counts.len() < REFUSAL_SOURCES_MAX / 2 { source } else { 0 };
        if let Some(count) = self.counts.iter_mut().find(|count| known(count, source)) {
            count.count = count.count.saturating_add(1);
        } else if self.counts.len() < REFUSAL_SOURCES_MAX {
            self.counts.push(RefusalCount { source, count: 1, reason, reserved: 0 });
        } else if let Some(last) = self.counts.last_mut() {
            // No line is left for this reason: it goes to the last one, so that the sum is right.
            *last = RefusalCount { source: 0, count: last.count.saturating_add(1), ..*last };
        }
    }

    /// Writes them into the log.
    pub fn flush(&mut self, audit: &Audit) {
        if self.counts.is_empty() {
            return;
        }
        audit.record_refusals(unix_seconds(), &self.counts);
        self.counts.clear();
    }
}
