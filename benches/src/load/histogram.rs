//! A log-linear histogram of durations: constant memory, relative error below one per cent.
//!
//! ```text
//! value (ns)   0 ..127   128 ..255   256 ..511   512 ..1023  ...
//! step             1          1           2           4      ...   64 or more steps an octave
//! ```
//! INVARIANT: every bucket's width is at most 1/64 of its lowest value, so that a quantile, given as
//! its bucket's highest value, is at most 1.6 % above the true one, and never below.

use std::time::Duration;

/// Buckets an octave, as a power of two.
const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;
/// Octaves up to 2^42 ns, over an hour; longer durations count as that.
const OCTAVES: usize = 42 - STEP_BITS as usize;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * (OCTAVES + 1)], count: 0, max_ns: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        if let Some(bucket) = self.buckets.get_mut(bucket_of(ns).min(last)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value that the share `quantile` (0..=1) of all values does not exceed, in microseconds;
    /// 0 when nothing was recorded.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts stay far below 2^52 and quantiles are not negative"
    )]
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let rank = ((self.count as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        let ns = bucket.map_or(0, |bucket| highest_of(bucket).min(self.max_ns));
        ns as f64 / 1000.0
    }

    pub fn max_us(&self) -> f64 {
        self.quantile_us(1.0)
    }
}

/// Which bucket counts `ns`.
fn bucket_of(ns: u64) -> usize {
    let octave = (u64::BITS - ns.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let step = usize::try_from(ns >> octave).unwrap_or(usize::MAX);
    octave as usize * STEPS + step
}

/// The highest value that `bucket` counts.
fn highest_of(bucket: usize) -> u64 {
    let octave = (bucket / STEPS).saturating_sub(1);
    let step = (bucket - octave * STEPS) as u64;
    ((step + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_a_known_series() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(Duration::from_micros(us)));
        for (quantile, us) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let read = histogram.quantile_us(quantile);
            assert!(read >= us && read <= us * 1.016, "{quantile}: {read}");
        }
        assert!((histogram.max_us() - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_recorded_is_zero() {
        assert!(Histogram::default().quantile_us(0.99).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(ns in 0_u64..1 << 42) {
            let bucket = bucket_of(ns);
            let highest = highest_of(bucket);
            prop_assert!(ns <= highest);
            prop_assert!((highest - ns) * 64 <= ns);
            prop_assert!(bucket == 0 || highest_of(bucket - 1) < ns);
            prop_assert!(bucket < Histogram::default().buckets.len());
        }

        #[test]
        fn merging_equals_recording_in_one(values in proptest::collection::vec(any::<u64>(), 0..50), cut in 0_usize..50) {
            let (mut whole, mut left, mut right) =
                (Histogram::default(), Histogram::default(), Histogram::default());
            for (index, &ns) in values.iter().enumerate() {
                whole.record(Duration::from_nanos(ns));
                let part = if index < cut { &mut left } else { &mut right };
                part.record(Duration::from_nanos(ns));
            }
            left.merge(&right);
            prop_assert_eq!(left, whole);
        }
    }
}
