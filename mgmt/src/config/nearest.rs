//! The known word that is nearest to one that is not known, for suggestions.

/// The nearest of `known` to `word`, unless they have too little in common.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let folded = word.to_lowercase();
    known
        .into_iter()
        .map(|other| (distance(&folded, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// "did you mean …?" for the nearest of `known`.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|nearest| format!("did you mean `{nearest}`?"))
}

/// Characters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, j) + usize::from(x != *y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = j > 0 && b.get(j - 1) == Some(&x) && previous == Some(*y);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        previous = Some(x);
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slips_of_the_finger_are_one_apart() {
        for (a, b) in [("worker", "workers"), ("wrokers", "workers"), ("wxrkers", "workers")] {
            assert_eq!(distance(a, b), 1, "{a} {b}");
        }
        assert_eq!(nearest("adress", ["address", "tls"]), Some("address"));
        assert_eq!(nearest("VLLM", ["vllm"]), Some("vllm"));
        assert_eq!(nearest("x", ["address", "tls"]), None);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_for_equals(a in "[abc]{0,8}", b in "[abc]{0,8}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
        }
    }
}
