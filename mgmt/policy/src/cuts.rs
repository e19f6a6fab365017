//! How finely a number must be known: the points at which some policy changes its mind.
//!
//! Policies compare scores, counts and sizes with literals. Between two neighbouring literals
//! every such comparison comes out alike, so all numbers in between are one number to them: the
//! lower end. That makes the inputs of a decision few, and the decision cache effective, without
//! rounding anything that an author can see.

/// The points at which policies tell numbers apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Cuts {
    /// No policy looks.
    #[default]
    Unread,
    /// Policies compare it with literals only: values at or above a cut differ from those below.
    /// Rising.
    At(Vec<u32>),
    /// Some policy does something else with it.
    Exact,
}

/// A comparison of a number with a literal, the number on the left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    /// `<` or `>=`
    AtLeast,
    /// `<=` or `>`
    Above,
    /// `==` or `!=`
    Equal,
}

impl Cuts {
    pub(crate) fn is_read(&self) -> bool {
        *self != Cuts::Unread
    }

    /// Takes up a comparison with `literal`.
    pub(crate) fn compare(&mut self, comparison: Comparison, literal: i64) {
        let above = literal.saturating_add(1);
        let cuts = match comparison {
            Comparison::AtLeast => [literal, literal],
            Comparison::Above => [above, above],
            Comparison::Equal => [literal, above],
        };
        if *self == Cuts::Unread {
            *self = Cuts::At(Vec::new());
        }
        if let Cuts::At(known) = self {
            // Outside the numbers that can occur nothing changes.
            known.extend(cuts.into_iter().filter_map(|cut| u32::try_from(cut).ok()));
            known.sort_unstable();
            known.dedup();
        }
    }

    /// Takes up a use that is no comparison with a literal.
    pub(crate) fn use_exactly(&mut self) {
        *self = Cuts::Exact;
    }

    /// Takes up all that `other` has.
    pub(crate) fn merge(&mut self, other: &Cuts) {
        match (&mut *self, other) {
            (_, Cuts::Unread) | (Cuts::Exact, _) => {}
            (_, Cuts::Exact) => *self = Cuts::Exact,
            (Cuts::Unread, Cuts::At(_)) => self.clone_from(other),
            (Cuts::At(mine), Cuts::At(theirs)) => {
                mine.extend_from_slice(theirs);
                mine.sort_unstable();
                mine.dedup();
            }
        }
    }

    /// The number that stands for `value`: the highest cut at or below it, else zero.
    #[inline]
    pub(crate) fn representative(&self, value: u32) -> u32 {
        match self {
            Cuts::Unread => 0,
            Cuts::Exact => value,
            Cuts::At(cuts) => {
                cuts.iter().copied().take_while(|cut| *cut <= value).last().unwrap_or(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(comparison: usize, value: i64, literal: i64) -> bool {
        match comparison {
            0 => value < literal,
            1 => value >= literal,
            2 => value <= literal,
            3 => value > literal,
            4 => value == literal,
            _ => value != literal,
        }
    }

    const KINDS: [Comparison; 6] = [
        Comparison::AtLeast,
        Comparison::AtLeast,
        Comparison::Above,
        Comparison::Above,
        Comparison::Equal,
        Comparison::Equal,
    ];

    proptest! {
        #[test]
        fn no_comparison_tells_a_value_from_its_representative(
            comparisons in prop::collection::vec((0usize..6, -3i64..120), 0..6),
            value in 0u32..120,
        ) {
            let mut cuts = Cuts::default();
            for (kind, literal) in &comparisons {
                cuts.compare(KINDS[*kind], *literal);
            }
            let representative = cuts.representative(value);
            for (kind, literal) in comparisons {
                prop_assert_eq!(
                    holds(kind, i64::from(value), literal),
                    holds(kind, i64::from(representative), literal)
                );
            }
            prop_assert!(representative <= value);
        }

        #[test]
        fn merging_is_taking_up_both(
            left in prop::collection::vec((0usize..6, -3i64..120), 0..4),
            right in prop::collection::vec((0usize..6, -3i64..120), 0..4),
        ) {
            let gather = |comparisons: &[(usize, i64)]| {
                let mut cuts = Cuts::default();
                for (kind, literal) in comparisons {
                    cuts.compare(KINDS[*kind], *literal);
                }
                cuts
            };
            let mut merged = gather(&left);
            merged.merge(&gather(&right));
            prop_assert_eq!(merged, gather(&[left, right].concat()));
        }
    }

    #[test]
    fn unread_is_nothing_and_exact_is_everything() {
        let mut cuts = Cuts::Unread;
        assert_eq!(cuts.representative(7), 0);
        cuts.use_exactly();
        cuts.compare(Comparison::AtLeast, 3);
        assert_eq!(cuts.representative(7), 7);
    }
}
