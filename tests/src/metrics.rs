//! Prometheus text, read as strictly as Prometheus does.

use std::collections::HashMap;

/// Samples by series: the name with its labels, as it is written.
#[derive(Clone, Debug, Default)]
pub struct Metrics(HashMap<String, f64>);

impl Metrics {
    /// Reads `text`; fails the test where it is not the exposition format.
    #[track_caller]
    pub fn parse(text: &str) -> Metrics {
        let mut samples = HashMap::new();
        let (mut seen, mut family) = (Vec::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.splitn(3, ' ');
                let (keyword, name) = (words.next().unwrap(), words.next().unwrap());
                assert!(matches!(keyword, "HELP" | "TYPE"), "{line}");
                assert!(words.next().is_some_and(|text| !text.is_empty()), "{line}");
                if keyword == "HELP" {
                    assert!(!seen.contains(&name.to_owned()), "{name} stands twice");
                    seen.push(name.to_owned());
                    name.clone_into(&mut family);
                }
                assert_eq!(name, family, "{line}");
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let name = series.split('{').next().unwrap();
            let suffixes = ["_bucket", "_sum", "_count"];
            let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(name == family || base == Some(family.as_str()), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
        }
        assert!(text.ends_with('\n'));
        Metrics(samples)
    }

    /// The sample of `series`.
    #[track_caller]
    pub fn of(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no metric `{series}`"))
    }

    /// The sample of `series` as a count.
    #[track_caller]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are small whole numbers"
    )]
    pub fn count(&self, series: &str) -> u64 {
        self.of(series) as u64
    }

    /// Names of all series.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
