//! The rules, as data: one readable table a pack. What a row means is code elsewhere.

pub(crate) mod attacks;
pub(crate) mod context;
pub(crate) mod identifiers;
pub(crate) mod parts;
pub(crate) mod secrets;

/// What a literal of the database stands for. The numbers are places in the pack's own table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// The fixed beginning of a token: [`secrets::TOKENS`].
    Token(u16),
    /// A word that names a password or a key: [`secrets::NAMES`].
    Name(u16),
    /// The beginning of something with a structure of its own.
    Structure(secrets::Structure),
    /// A term of the attack scores: [`attacks::TERMS`].
    Term(u16),
}

/// One literal of the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its bytes.
    pub(crate) bytes: &'static [u8],
    /// Whether ASCII letters match in either case.
    pub(crate) caseless: bool,
    /// What it stands for.
    pub(crate) meaning: Meaning,
}

/// Every literal of every pack, always in the same order.
pub(crate) fn rows() -> Vec<Row> {
    let number = |index: usize| u16::try_from(index).unwrap_or(u16::MAX);
    let tokens = secrets::TOKENS.iter().enumerate().map(|(index, token)| Row {
        bytes: token.prefix.as_bytes(),
        caseless: false,
        meaning: Meaning::Token(number(index)),
    });
    let names = secrets::NAMES.iter().enumerate().map(|(index, name)| Row {
        bytes: name.as_bytes(),
        caseless: true,
        meaning: Meaning::Name(number(index)),
    });
    let structures = secrets::STRUCTURES.iter().map(|(literal, caseless, structure)| Row {
        bytes: literal.as_bytes(),
        caseless: *caseless,
        meaning: Meaning::Structure(*structure),
    });
    let terms = attacks::TERMS.iter().enumerate().map(|(index, term)| Row {
        bytes: term.literal.as_bytes(),
        caseless: true,
        meaning: Meaning::Term(number(index)),
    });
    tokens.chain(names).chain(structures).chain(terms).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_literal_is_short_or_holds_a_separator() {
        for row in rows() {
            assert!(row.bytes.len() >= 3, "{row:?}");
            assert!(!row.bytes.contains(&0), "{row:?}");
        }
    }
}
