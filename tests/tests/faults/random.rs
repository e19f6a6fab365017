//! Random choices that can be made again: the seed is printed, `SLUICE_SEED` sets it.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Split and mix: fast, small, good enough.
pub struct Random(u64);

impl Random {
    /// The generator of the test `name`; says its seed.
    pub fn new(name: &str) -> Random {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let given = std::env::var("SLUICE_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or(u64::from(since.subsec_nanos()));
        eprintln!("{name}: SLUICE_SEED={seed}");
        Random(seed)
    }

    /// Another generator, whose numbers this one decides.
    pub fn fork(&mut self) -> Random {
        Random(self.next())
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `range`.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// One of `values`.
    pub fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::try_from(self.next() % values.len() as u64).unwrap()]
    }

    /// Sleeps for so many milliseconds of `range`, down to the microsecond.
    pub fn sleep_ms(&mut self, range: Range<u64>) {
        let micros = self.within(range.start * 1000..range.end * 1000);
        std::thread::sleep(Duration::from_micros(micros));
    }
}

/// A number from the environment; `otherwise` without.
pub fn setting(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}
