//! What a set of durations says of itself, for people: no test fails by it.

use std::time::Duration;

/// Median, 99th percentile and longest of `times`, in milliseconds, as text.
pub fn told(times: &[Duration]) -> String {
    if times.is_empty() {
        return "none".to_owned();
    }
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let longest = times[times.len() - 1];
    format!(
        "{} times: P50 {:.1} ms, P99 {:.1} ms, longest {:.1} ms",
        times.len(),
        ms(at(50)),
        ms(at(99)),
        ms(longest)
    )
}
