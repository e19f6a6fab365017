//! Digits as people write them: runs with separators between them.
//!
//! INVARIANT: runs are in order, each at least one digit, and `number` holds their digits one
//! after the other. A group has at most [`RUNS_MAX`] runs and [`DIGITS_MAX`] digits; a longer row
//! of digits is cut there and read on as the next group.

use crate::text::Text;

/// Runs in one group.
pub(crate) const RUNS_MAX: usize = 24;

/// Digits in one group.
pub(crate) const DIGITS_MAX: usize = 64;

/// What stands between two runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gap {
    /// One space, of any kind.
    Space,
    /// A hyphen or a dash.
    Dash,
    /// A full stop.
    Dot,
    /// A slash.
    Slash,
    /// Anything else that may stand there: brackets, several separators.
    Mixed,
}

/// One run of digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Offset of its first digit.
    pub(crate) start: usize,
    /// Offset after its last digit.
    pub(crate) end: usize,
    /// What stands before it; of no meaning for the first run.
    pub(crate) gap: Gap,
    /// Place of its first digit among the group's digits.
    first: u8,
}

impl Run {
    /// Digits of the run.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    fn first(&self) -> usize {
        usize::from(self.first)
    }
}

/// A group of runs.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    runs: [Run; RUNS_MAX],
    count: usize,
    number: [u8; DIGITS_MAX],
    digits: usize,
    end: usize,
}

impl Group {
    /// Reads the group whose first digit is at `at`, up to `limit`.
    pub(crate) fn read(text: &Text<'_>, at: usize, limit: usize) -> Group {
        let none = Run { start: at, end: at, gap: Gap::Mixed, first: 0 };
        let mut group =
            Group { runs: [none; RUNS_MAX], count: 0, number: [0; DIGITS_MAX], digits: 0, end: at };
        let limit = limit.min(text.end());
        let mut start = at;
        let mut gap = Gap::Mixed;
        while group.count < RUNS_MAX {
            let end = text.run(start, limit - start, |byte| byte.is_ascii_digit());
            let digits = text.slice(start..end);
            let Some(place) = group.number.get_mut(group.digits..group.digits + digits.len())
            else {
                if group.count == 0 {
                    group.end = end;
                }
                break;
            };
            place.copy_from_slice(digits);
            if let Some(run) = group.runs.get_mut(group.count) {
                let first = u8::try_from(group.digits).unwrap_or(u8::MAX);
                *run = Run { start, end, gap, first };
            }
            group.count += 1;
            group.digits += digits.len();
            group.end = end;
            match next_run(text, end, limit) {
                Some((next, kind)) => (start, gap) = (next, kind),
                None => break,
            }
        }
        group
    }

    /// The runs in order.
    pub(crate) fn runs(&self) -> &[Run] {
        self.runs.get(..self.count).unwrap_or(&[])
    }

    /// All digits.
    pub(crate) fn digits(&self) -> usize {
        self.digits
    }

    /// The digits of runs `from..to`.
    pub(crate) fn number(&self, from: usize, to: usize) -> &[u8] {
        let (Some(first), Some(last)) =
            (self.runs().get(from), self.runs().get(to.wrapping_sub(1)))
        else {
            return &[];
        };
        self.number.get(first.first()..last.first() + last.len()).unwrap_or(&[])
    }

    /// Offset after the last digit.
    pub(crate) fn end(&self) -> usize {
        self.end
    }
}

/// How many digits the group at `at` has, and where it ends; most are too short to look at.
pub(crate) fn extent(text: &Text<'_>, at: usize) -> (usize, usize) {
    let mut digits = 0;
    let mut start = at;
    loop {
        let end = text.run(start, text.end() - start, |byte| byte.is_ascii_digit());
        digits += end - start;
        match next_run(text, end, text.end()) {
            Some((next, _)) if digits < DIGITS_MAX => start = next,
            _ => return (digits, end),
        }
    }
}

/// The next run after `at` and what stands before it, where that is a gap inside of a number.
fn next_run(text: &Text<'_>, at: usize, limit: usize) -> Option<(usize, Gap)> {
    let mut place = at;
    let mut kind = None;
    let mut signs = 0;
    while signs < 3 && place < limit {
        let byte = text.byte(place);
        if byte.is_ascii_digit() {
            break;
        }
        let (gap, length) = match byte {
            b' ' => (Gap::Space, 1),
            b'-' => (Gap::Dash, 1),
            b'.' => (Gap::Dot, 1),
            b'/' => (Gap::Slash, 1),
            b'(' | b')' => (Gap::Mixed, 1),
            // U+00A0
            0xC2 if text.byte(place + 1) == 0xA0 => (Gap::Space, 2),
            // U+2000..=U+200A, U+202F, U+2010..=U+2015, U+2212
            0xE2 => match (text.byte(place + 1), text.byte(place + 2)) {
                (0x80, 0x80..=0x8A | 0xAF) => (Gap::Space, 3),
                (0x80, 0x90..=0x95) | (0x88, 0x92) => (Gap::Dash, 3),
                _ => return None,
            },
            _ => return None,
        };
        kind = Some(if signs == 0 { gap } else { Gap::Mixed });
        signs += 1;
        place += length;
    }
    let kind = kind?;
    (place < limit && text.byte(place).is_ascii_digit()).then_some((place, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limit: usize) -> (Vec<(usize, Gap)>, usize) {
        let text = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let group = Group::read(&text, 0, limit);
        (group.runs().iter().map(|run| (run.len(), run.gap)).collect(), group.end())
    }

    #[test]
    fn separators_make_groups() {
        let (runs, end) = read("4111-1111 1111.1111\u{a0}12) 3-(4, 5", 99);
        let lengths: Vec<_> = runs.iter().map(|run| run.0).collect();
        assert_eq!(lengths, [4, 4, 4, 4, 2, 1, 1]);
        assert_eq!(runs[1].1, Gap::Dash);
        assert_eq!(runs[2].1, Gap::Space);
        assert_eq!(runs[3].1, Gap::Dot);
        assert_eq!(runs[4].1, Gap::Space);
        assert_eq!(runs[5].1, Gap::Mixed);
        assert_eq!(end, 29);
    }

    #[test]
    fn a_group_is_bounded_and_always_moves_on() {
        let long = "1".repeat(500);
        let text = Text::new(long.as_bytes(), 0..500, &[], "");
        assert_eq!(Group::read(&text, 0, 999).end(), 500);
        let many = "1 ".repeat(100);
        let text = Text::new(many.as_bytes(), 0..200, &[], "");
        let group = Group::read(&text, 0, 999);
        assert_eq!((group.runs().len(), group.end()), (RUNS_MAX, RUNS_MAX * 2 - 1));
    }

    #[test]
    fn a_limit_ends_a_group() {
        assert_eq!(read("4111 15", 99), (vec![(4, Gap::Mixed), (2, Gap::Space)], 7));
        assert_eq!(read("4111 15", 6).1, 6);
        assert_eq!(read("4111 15", 5).1, 4);
    }
}
