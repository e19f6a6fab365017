//! Every metric, once: its name, its labels, its help.
//!
//! A worker's counters live in its ring's memory, at the index of [`Counter`]: one writer, plain
//! stores, no lock; management reads them for `/metrics`. As the memory belongs to the supervisor,
//! counters go on over a restart of the data path.

use crate::decision::Verdict;
use crate::reason::Reason;
use crate::ring::COUNTERS;

macro_rules! counters {
    ($($name:ident $metric:literal $kind:ident $help:literal;)*) => {
        /// A counter or gauge of one worker.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(usize)]
        pub enum Counter {
            $(#[doc = $help] $name,)*
        }

        impl Counter {
            /// Every counter, by index.
            pub const ALL: &[Counter] = &[$(Counter::$name,)*];

            /// Name of the metric.
            pub const fn metric(self) -> &'static str {
                match self { $(Counter::$name => $metric,)* }
            }

            /// Help text of the metric.
            pub const fn help(self) -> &'static str {
                match self { $(Counter::$name => $help,)* }
            }

            /// Counter or gauge.
            pub const fn kind(self) -> MetricKind {
                match self { $(Counter::$name => MetricKind::$kind,)* }
            }
        }
    };
}

/// Prometheus types that are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
}

counters! {
    Requests "sluice_requests_total" Counter "Requests that reached the decision.";
    Connections "sluice_connections_total" Counter "Client connections accepted.";
    ConnectionsOpen "sluice_connections_open" Gauge "Client connections open.";
    ConnectionsRefused "sluice_connections_refused_total" Counter "Client connections closed at once, as there were too many.";
    RequestsInFlight "sluice_requests_in_flight" Gauge "Requests between head and end of answer.";
    InFlightBytes "sluice_in_flight_bytes" Gauge "Bytes held for requests in flight.";
    ReceivedBytes "sluice_received_bytes_total" Counter "Request body bytes received.";
    SentBytes "sluice_sent_bytes_total" Counter "Response body bytes sent.";
    Findings "sluice_findings_total" Counter "Findings in requests.";
    ResponseFindings "sluice_response_findings_total" Counter "Findings in responses.";
    Redactions "sluice_redactions_total" Counter "Findings that were rewritten.";
    PolicyErrors "sluice_policy_errors_total" Counter "Decisions in which a policy could not be evaluated.";
    DecisionCacheHits "sluice_decision_cache_hits_total" Counter "Decisions taken from the cache.";
    DecisionCacheMisses "sluice_decision_cache_misses_total" Counter "Decisions that Cedar made.";
    InspectMicros "sluice_inspect_microseconds_total" Counter "Time spent on parsing and inspecting requests.";
    InspectAside "sluice_inspect_aside_total" Counter "Bodies inspected by the side thread.";
    AuditRecords "sluice_audit_records_total" Counter "Records put into the ring.";
    AuditRingUsed "sluice_audit_ring_used" Gauge "Records in the ring that are not on disk.";
    AuditWaits "sluice_audit_waits_total" Counter "Requests that waited for their record.";
    AuditWaitMicros "sluice_audit_wait_microseconds_total" Counter "Time that requests waited for their record.";
    AuditPassed "sluice_audit_passed_total" Counter "Requests that passed without a record, on routes that fail open.";
    UpstreamConnects "sluice_upstream_connects_total" Counter "Upstream connections made.";
    UpstreamReuses "sluice_upstream_reuses_total" Counter "Upstream connections taken from the pool.";
    UpstreamRetries "sluice_upstream_retries_total" Counter "Requests sent again, as a pooled connection was closed.";
    UpstreamFailures "sluice_upstream_failures_total" Counter "Upstream failures of any kind.";
    ClientLeft "sluice_client_left_total" Counter "Requests cancelled as the client left.";
    Streams "sluice_streams_total" Counter "Streamed answers.";
    StreamEvents "sluice_stream_events_total" Counter "Events passed on in streamed answers.";
    Panics "sluice_panics_total" Counter "Panics caught; each is a bug.";
    TlsHandshakes "sluice_tls_handshakes_total" Counter "TLS handshakes with clients.";
    TlsFailures "sluice_tls_failures_total" Counter "TLS handshakes with clients that failed.";
    TlsResumed "sluice_tls_resumed_total" Counter "TLS handshakes with clients that resumed a session.";
    Canaries "sluice_canaries" Gauge "Canaries of the running snapshot.";
    CanariesPassed "sluice_canaries_passed" Gauge "Canaries that were caught.";
    WouldAct "sluice_would_act_total" Counter "Requests that an observing route would not have passed unchanged.";
    ObserveRoutes "sluice_observe_routes" Gauge "Routes that only observe.";
}

/// First index of the refusals by reason: the place in [`Reason::ALL`] is added.
pub const REFUSALS_AT: usize = 256;

/// Name of the metric of refusals by reason.
pub const REFUSALS: &str = "sluice_refusals_total";

/// First index of requests by verdict: the verdict's number is added.
pub const VERDICTS_AT: usize = 384;

/// Name of the metric of requests by verdict.
pub const VERDICTS: &str = "sluice_verdicts_total";

/// First index of answers by status class: 1 for 1xx to 5 for 5xx, 0 for none.
pub const STATUSES_AT: usize = 400;

/// Name of the metric of answers by status class.
pub const STATUSES: &str = "sluice_responses_total";

/// First index of the histogram of the time that Sluice added to a request: buckets, then the sum
/// in microseconds, then the count.
pub const ADDED_AT: usize = 448;

/// Name of that histogram.
pub const ADDED: &str = "sluice_added_seconds";

/// Upper bounds of its buckets in microseconds; the last bucket has none.
pub const ADDED_BOUNDS_US: [u64; 14] = [
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 409_600,
    1_638_400,
];

/// Index of the refusal counter of `reason`.
pub fn refusal_index(reason: Reason) -> usize {
    REFUSALS_AT + Reason::ALL.iter().position(|each| *each == reason).unwrap_or(0)
}

/// Index of the request counter of `verdict`.
pub const fn verdict_index(verdict: Verdict) -> usize {
    VERDICTS_AT + verdict as usize
}

const _: () = assert!(Counter::ALL.len() <= REFUSALS_AT);
const _: () = assert!(REFUSALS_AT + Reason::ALL.len() <= VERDICTS_AT);
const _: () = assert!(ADDED_AT + ADDED_BOUNDS_US.len() + 3 <= COUNTERS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for counter in Counter::ALL {
            let name = counter.metric();
            assert!(name.starts_with("sluice_"));
            assert_eq!(name.ends_with("_total"), counter.kind() == MetricKind::Counter, "{name}");
        }
    }
}
