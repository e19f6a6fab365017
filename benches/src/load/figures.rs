//! What a run measured, and how it is printed.
//!
//! Latencies of failed requests are not recorded: they would flatter a subject that refuses fast. The
//! kinds of failure are counted by name instead, and requests that were due but never answered
//! count as failures.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::histogram::Histogram;

#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Complete, correct answers.
    pub requests: u64,
    pub errors: BTreeMap<String, u64>,
    /// Bytes of the answers' bodies.
    pub bytes: u64,
    /// From the due time (open loop) or the sending (closed loop) to the end of the answer.
    pub latency: Histogram,
    /// To the first byte of the answer's body.
    pub first_event: Histogram,
    /// Between a request's due time and its sending: the generator's own part of the latency.
    pub lag: Histogram,
    /// The longest thread's time from its first sending to its last answer.
    pub elapsed: Duration,
    /// User and system time of the generator in that time.
    pub cpu: Duration,
}

impl Figures {
    pub fn fail(&mut self, kind: String) {
        *self.errors.entry(kind).or_default() += 1;
    }

    pub fn errors_total(&self) -> u64 {
        self.errors.values().sum()
    }

    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        self.bytes += other.bytes;
        self.latency.merge(&other.latency);
        self.first_event.merge(&other.first_event);
        self.lag.merge(&other.lag);
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn to_json(&self) -> Value {
        let requests = self.requests as f64;
        let seconds = self.elapsed.as_secs_f64();
        let first = &self.first_event;
        json!({
            "requests": self.requests,
            "errors": self.errors_total(),
            "error_kinds": self.errors,
            "seconds": seconds,
            "rps": if seconds > 0.0 { requests / seconds } else { 0.0 },
            "p50_us": self.latency.quantile_us(0.5),
            "p90_us": self.latency.quantile_us(0.9),
            "p99_us": self.latency.quantile_us(0.99),
            "p999_us": self.latency.quantile_us(0.999),
            "max_us": self.latency.max_us(),
            "first_event_p50_us": first.quantile_us(0.5),
            "first_event_p99_us": first.quantile_us(0.99),
            "lag_p50_us": self.lag.quantile_us(0.5),
            "lag_p99_us": self.lag.quantile_us(0.99),
            "bytes": self.bytes,
            "cpu_us_per_request":
                if requests > 0.0 { self.cpu.as_secs_f64() * 1e6 / requests } else { 0.0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up_and_the_longest_counts() {
        let mut one =
            Figures { requests: 2, elapsed: Duration::from_secs(1), ..Figures::default() };
        one.fail("status 503".to_owned());
        let mut two =
            Figures { requests: 4, elapsed: Duration::from_secs(2), ..Figures::default() };
        two.fail("status 503".to_owned());
        one.merge(&two);
        let json = one.to_json();
        assert_eq!((json["requests"].as_u64(), json["errors"].as_u64()), (Some(6), Some(2)));
        assert_eq!(json["rps"].as_f64(), Some(3.0));
    }
}
