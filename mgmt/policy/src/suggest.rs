//! The nearest known word to a mistyped one.

/// The candidate nearest to `word`, where it is near enough to be meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let far = word.chars().count() / 3 + 2;
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance < far)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The suggestion to use the nearest candidate, or else all of them where they are few.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(nearest) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    let all: Vec<_> = candidates.into_iter().collect();
    (all.len() <= 12).then(|| format!("known: {}", all.join(", ")))
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (row, mine) in left.chars().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        let mut last_theirs = None;
        for (column, theirs) in right.iter().copied().enumerate() {
            let at = |costs: &[usize], column: usize| {
                costs.get(column).copied().unwrap_or(usize::MAX / 2)
            };
            let mut cost = (at(&above, column) + usize::from(mine != theirs))
                .min(at(&above, column + 1) + 1)
                .min(at(&current, column) + 1);
            if last == Some(theirs) && last_theirs == Some(mine) {
                cost = cost.min(at(&before, column.wrapping_sub(1)) + 1);
            }
            current.push(cost);
            last_theirs = Some(theirs);
        }
        last = Some(mine);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (left, right, edits) in [
            ("", "", 0),
            ("", "ab", 2),
            ("blok", "block", 1),
            ("payment_crad", "payment_card", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
            assert_eq!(distance(right, left), edits, "{right} {left}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(nearest("blok", ["block", "mask"]), Some("block"));
        assert_eq!(nearest("zzzzzz", ["block", "mask"]), None);
        assert_eq!(did_you_mean("zzzzzz", ["block"]).as_deref(), Some("known: block"));
    }
}
