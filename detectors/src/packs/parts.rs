//! A list of parts of words, and which of them a text holds.
//!
//! The rows are sorted and indexed by their first byte when the program is compiled, so that a
//! text is gone through once, whatever the length of the list.

/// Parts and what each says.
pub(crate) struct Parts<T: 'static> {
    rows: &'static [(&'static str, T)],
    /// Where the rows that begin with each byte begin.
    from: [u8; 257],
}

impl<T: Copy> Parts<T> {
    /// The parts `rows`, in lower case, sorted, fewer than 256.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
    pub(crate) const fn new(rows: &'static [(&'static str, T)]) -> Parts<T> {
        let mut from = [0; 257];
        let (mut byte, mut row) = (0, 0_u8);
        while byte < from.len() {
            while (row as usize) < rows.len()
                && (rows[row as usize].0.as_bytes()[0] as usize) < byte
            {
                row += 1;
            }
            from[byte] = row;
            byte += 1;
        }
        Parts { rows, from }
    }

    /// What the parts say that `text`, in lower case, holds; in the order they stand there.
    pub(crate) fn held_by<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = T> + 'a {
        text.iter().enumerate().flat_map(move |(at, byte)| {
            let first = usize::from(*byte);
            let range = match self.from.get(first..first + 2) {
                Some([from, to]) => usize::from(*from)..usize::from(*to),
                _ => 0..0,
            };
            let rest = text.get(at..).unwrap_or(&[]);
            let rows = self.rows.get(range).unwrap_or(&[]);
            rows.iter().filter(move |(part, _)| rest.starts_with(part.as_bytes())).map(|row| row.1)
        })
    }

    /// The rows.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> &'static [(&'static str, T)] {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found_where_it_stands() {
        static LIST: Parts<u8> = Parts::new(&[("a", 1), ("ab", 2), ("b", 3), ("\u{e9}", 4)]);
        let found: Vec<_> = LIST.held_by("xab\u{e9}b".as_bytes()).collect();
        assert_eq!(found, [1, 2, 3, 4, 3]);
        assert_eq!(LIST.held_by(b"").count(), 0);
    }
}
