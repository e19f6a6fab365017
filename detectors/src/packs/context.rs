//! Words that say what a number near them is, in several languages.
//!
//! A word raises or lowers the trust in a candidate that its form alone does not prove. The table
//! is sorted by word, in lower case; words that are not ASCII are written as they stand in text.

use std::ops::{BitOr, BitOrAssign};

/// A set of meanings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Words(u16);

impl Words {
    /// A payment card.
    pub(crate) const CARD: Words = Words(1);
    /// A telephone.
    pub(crate) const PHONE: Words = Words(1 << 1);
    /// A United States social security number.
    pub(crate) const SSN: Words = Words(1 << 2);
    /// A number of another kind: an order, a version, an amount, a time.
    pub(crate) const OTHER: Words = Words(1 << 3);
    /// A bank account.
    pub(crate) const BANK: Words = Words(1 << 4);
    /// A fax machine, a mobile: a telephone for sure.
    pub(crate) const DIAL: Words = Words(1 << 5);

    /// Whether one of `other` is in this set.
    pub(crate) fn has(self, other: Words) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Words {
    type Output = Words;
    fn bitor(self, other: Words) -> Words {
        Words(self.0 | other.0)
    }
}

impl BitOrAssign for Words {
    fn bitor_assign(&mut self, other: Words) {
        self.0 |= other.0;
    }
}

const WORD_BYTES_MAX: usize = 24;

/// The meanings of one word in either case.
pub(crate) fn of_word(word: &[u8]) -> Words {
    let mut lower = [0_u8; WORD_BYTES_MAX];
    // In scripts without spaces a sentence is one word, and its end is what names the number.
    let word = word.get(word.len().saturating_sub(WORD_BYTES_MAX)..).unwrap_or(word);
    let Some(lower) = lower.get_mut(..word.len()) else { return Words::default() };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    let lower = &*lower;
    match WORDS.binary_search_by(|(word, _)| word.as_bytes().cmp(lower)) {
        Ok(index) => WORDS.get(index).map_or(Words::default(), |(_, words)| *words),
        Err(_) => of_part(lower),
    }
}

/// The meaning of a word by how it begins, or, in scripts without spaces, how it ends.
fn of_part(word: &[u8]) -> Words {
    if let [.., 0xEF, 0xBC, 0x9A] = word {
        // U+FF1A, the full-width colon.
        return of_part(word.get(..word.len() - 3).unwrap_or(&[]));
    }
    if STEMS.iter().any(|stem| word.starts_with(stem.as_bytes())) {
        return DIAL;
    }
    ENDINGS
        .iter()
        .find(|(end, _)| word.ends_with(end.as_bytes()))
        .map_or(Words::default(), |row| row.1)
}

/// How words for a telephone begin, whatever follows.
const STEMS: &[&str] = &["telefon", "téléphon", "teléfon", "телефон"];

/// How words end in scripts without spaces.
const ENDINGS: &[(&str, Words)] = &[
    ("電話", DIAL),
    ("电话", DIAL),
    ("手机", DIAL),
    ("手機", DIAL),
    ("携帯", DIAL),
    ("号码", PHONE),
    ("番号", PHONE),
    ("전화", DIAL),
    ("휴대폰", DIAL),
    ("卡号", CARD),
    ("信用卡", CARD),
    ("カード", CARD),
    ("카드", CARD),
];

/// The meanings of a JSON key: of its words, however they are joined.
pub(crate) fn of_key(key: &str) -> Words {
    let mut words = Words::default();
    let bytes = key.as_bytes();
    let mut start = 0;
    for (at, pair) in bytes.windows(2).enumerate() {
        let [left, right] = pair else { continue };
        let camel = left.is_ascii_lowercase() && right.is_ascii_uppercase();
        if camel || !is_letter(*right) {
            words |= of_word(bytes.get(start..=at).unwrap_or(&[]));
            start = at + 1 + usize::from(!camel);
        }
    }
    words | of_word(bytes.get(start..).unwrap_or(&[]))
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

const CARD: Words = Words::CARD;
const PHONE: Words = Words::PHONE;
const DIAL: Words = Words(Words::PHONE.0 | Words::DIAL.0);
const SSN: Words = Words::SSN;
const OTHER: Words = Words::OTHER;
const BANK: Words = Words::BANK;

static WORDS: &[(&str, Words)] = &[
    ("account", BANK),
    ("amex", CARD),
    ("amount", OTHER),
    ("anrufen", PHONE),
    ("bank", BANK),
    ("bel", PHONE),
    ("bic", BANK),
    ("bill", OTHER),
    ("build", OTHER),
    ("call", PHONE),
    ("called", PHONE),
    ("card", CARD),
    ("carta", CARD),
    ("carte", CARD),
    ("cartão", CARD),
    ("cc", CARD),
    ("cell", DIAL),
    ("cellphone", DIAL),
    ("cellulare", DIAL),
    ("celular", DIAL),
    ("commit", OTHER),
    ("contact", PHONE),
    ("credit", CARD),
    ("debit", CARD),
    ("desk", PHONE),
    ("dial", DIAL),
    ("epoch", OTHER),
    ("erreichbar", DIAL),
    ("faks", DIAL),
    ("fax", DIAL),
    ("gsm", DIAL),
    ("handy", DIAL),
    ("handynummer", DIAL),
    ("hotline", DIAL),
    ("iban", BANK),
    ("imei", OTHER),
    ("invoice", OTHER),
    ("isbn", OTHER),
    ("issn", OTHER),
    ("item", OTHER),
    ("karte", CARD),
    ("kartennummer", CARD),
    ("kontonummer", BANK),
    ("kreditkarte", CARD),
    ("llamar", PHONE),
    ("llame", PHONE),
    ("mastercard", CARD),
    ("mob", DIAL),
    ("mobiel", DIAL),
    ("mobil", DIAL),
    ("mobile", DIAL),
    ("mobilnummer", DIAL),
    ("mobiltelefon", DIAL),
    ("mobitel", DIAL),
    ("movil", DIAL),
    ("móvil", DIAL),
    ("npi", OTHER),
    ("numero", PHONE),
    ("nummer", PHONE),
    ("numéro", PHONE),
    ("office", PHONE),
    ("order", OTHER),
    ("part", OTHER),
    ("payment", CARD),
    ("ph", PHONE),
    ("phone", DIAL),
    ("phones", DIAL),
    ("pid", OTHER),
    ("port", OTHER),
    ("portable", DIAL),
    ("price", OTHER),
    ("puhelin", DIAL),
    ("rappeler", PHONE),
    ("reach", PHONE),
    ("revision", OTHER),
    ("ring", PHONE),
    ("rückruf", PHONE),
    ("security", SSN),
    ("seq", OTHER),
    ("serial", OTHER),
    ("session", OTHER),
    ("sku", OTHER),
    ("sms", DIAL),
    ("social", SSN),
    ("ssn", SSN),
    ("ssns", SSN),
    ("tarjeta", CARD),
    ("tel", DIAL),
    ("telefax", DIAL),
    ("telefon", DIAL),
    ("telefone", DIAL),
    ("telefonnummer", DIAL),
    ("telefono", DIAL),
    ("telefonszám", DIAL),
    ("telefoon", DIAL),
    ("telefoonnummer", DIAL),
    ("telemóvel", DIAL),
    ("telephone", DIAL),
    ("teléfono", DIAL),
    ("text", PHONE),
    ("ticket", OTHER),
    ("timestamp", OTHER),
    ("tlf", DIAL),
    ("tracking", OTHER),
    ("transaction", OTHER),
    ("tél", DIAL),
    ("téléphone", DIAL),
    ("version", OTHER),
    ("visa", CARD),
    ("whatsapp", DIAL),
    ("кредитка", CARD),
    ("тел", DIAL),
    ("телефон", DIAL),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_in_lower_case() {
        for pair in WORDS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
        for (word, _) in WORDS {
            assert!(word.len() <= WORD_BYTES_MAX && *word == word.to_lowercase(), "{word}");
        }
    }

    #[test]
    fn keys_are_split_into_words() {
        assert_eq!(of_key("ssn"), SSN);
        assert_eq!(of_key("homePhone"), DIAL);
        assert_eq!(of_key("credit_card.number"), CARD);
        assert_eq!(of_key("phone-number"), DIAL);
        assert_eq!(of_key(""), Words::default());
        assert_eq!(of_key("CARD"), CARD);
    }
}
