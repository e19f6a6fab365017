//! When the requests of an open loop are due.
//!
//! A pure iterator of offsets from the start: evenly spaced, or with exponential gaps as from many
//! independent clients (a Poisson process). It never waits for anything, which is the point.

use std::time::Duration;

use super::{options::Arrivals, random::Random};

#[derive(Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    gap_s: f64,
    random: Random,
    sent: u64,
    at_s: f64,
}

impl Schedule {
    /// `rate` is in requests a second and above 0.
    pub fn new(arrivals: Arrivals, rate: f64, seed: u64) -> Self {
        Self { arrivals, gap_s: 1.0 / rate, random: Random::new(seed), sent: 0, at_s: 0.0 }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    #[expect(clippy::cast_precision_loss, reason = "a schedule has far fewer than 2^52 requests")]
    fn next(&mut self) -> Option<Duration> {
        self.at_s = match self.arrivals {
            // A product, not a sum, so that no error adds up.
            Arrivals::Even => self.sent as f64 * self.gap_s,
            Arrivals::Poisson => self.at_s - (1.0 - self.random.unit()).ln() * self.gap_s,
        };
        self.sent += 1;
        Some(Duration::from_secs_f64(self.at_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_are_spaced_exactly() {
        let offsets: Vec<_> = Schedule::new(Arrivals::Even, 10_000.0, 1).take(10_001).collect();
        assert_eq!(offsets[0], Duration::ZERO);
        assert_eq!(offsets[1], Duration::from_micros(100));
        assert_eq!(offsets[10_000], Duration::from_secs(1));
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_never_go_back() {
        let offsets: Vec<_> = Schedule::new(Arrivals::Poisson, 1000.0, 1).take(100_000).collect();
        assert!(offsets.is_sorted());
        let mean_s = offsets.last().unwrap().as_secs_f64() / 100_000.0;
        assert!((mean_s - 0.001).abs() < 0.000_02, "{mean_s}");
        // The gaps of a Poisson process vary as much as they are long.
        let spread = offsets
            .windows(2)
            .map(|pair| (pair[1].as_secs_f64() - pair[0].as_secs_f64() - mean_s).powi(2))
            .sum::<f64>()
            / 100_000.0;
        assert!((spread.sqrt() / mean_s - 1.0).abs() < 0.03);
    }

    #[test]
    fn equal_seeds_give_equal_schedules() {
        let offsets =
            |seed| -> Vec<_> { Schedule::new(Arrivals::Poisson, 10.0, seed).take(50).collect() };
        assert_eq!(offsets(3), offsets(3));
        assert_ne!(offsets(3), offsets(4));
    }
}
