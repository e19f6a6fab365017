//! A parsed `sluice.toml`, read key by key, with every problem kept at its place.
//!
//! Reading never stops at a problem: a value that cannot be used is reported and left out, so that
//! one run shows everything. Names, shapes and ranges come from [`super::keys`].

use super::keys::{self, Key, Section, Shape};
use super::nearest::did_you_mean;
use super::problem::{Place, Problem};
use super::reason::Reason;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of a file that the document is about.
pub type Span = Range<usize>;

/// The file, and what was found wrong with it so far.
pub struct Report<'t> {
    file: Option<String>,
    text: &'t str,
    folder: PathBuf,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'t> Report<'t> {
    /// Of the file at `path` with this text; of no file where there is none.
    pub fn new(path: Option<&Path>, text: &'t str) -> Report<'t> {
        let folder = path.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let file = path.map(|path| path.display().to_string());
        Report { file, text, folder, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// Notes a problem at `span`.
    pub fn problem(&self, span: &Span, reason: Reason, suggestion: Option<String>) {
        self.problems.borrow_mut().push(self.at(span, reason, suggestion));
    }

    /// Notes a problem of another file, or of none.
    pub fn foreign(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Notes something that is worth a look.
    pub fn warn(&self, span: &Span, reason: Reason, suggestion: Option<String>) {
        self.warnings.borrow_mut().push(self.at(span, reason, suggestion));
    }

    /// Notes something in another file that is worth a look.
    pub fn warn_foreign(&self, problem: Problem) {
        self.warnings.borrow_mut().push(problem);
    }

    fn at(&self, span: &Span, reason: Reason, suggestion: Option<String>) -> Problem {
        // Options of the command line and defaults stand nowhere in the file.
        let place =
            self.file.as_ref().filter(|_| !span.is_empty()).map(|_| Place::of(self.text, span));
        Problem { file: self.file.clone(), place, reason, suggestion }
    }

    /// The line of `span`.
    pub fn line(&self, span: &Span) -> u32 {
        Place::of(self.text, span).line
    }

    /// A path of the file, from the file's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// How many problems there are.
    pub fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Problems and warnings.
    pub fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// One table of the file.
#[derive(Clone)]
pub struct Fields<'d> {
    report: &'d Report<'d>,
    section: Section,
    table: Option<&'d DeTable<'d>>,
    /// Where the table stands; empty where it is left out.
    pub span: Span,
}

impl<'d> Fields<'d> {
    /// The keys of `table`; those without a row are reported.
    pub fn new(
        report: &'d Report<'d>,
        section: Section,
        table: &'d DeTable<'d>,
        span: Span,
    ) -> Fields<'d> {
        for found in table.keys() {
            let name: &str = found.get_ref();
            if keys::key(section, name).is_none() {
                let reason = Reason::UnknownKey { key: name.to_owned(), section: section.title() };
                report.problem(&found.span(), reason, self::suggest_key(section, name));
            }
        }
        Fields { report, section, table: Some(table), span }
    }

    /// A table that is left out.
    fn absent(report: &'d Report<'d>, section: Section) -> Fields<'d> {
        Fields { report, section, table: None, span: 0..0 }
    }

    /// Whether the table is in the file.
    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Where `name` stands, else the table.
    pub fn span_of(&self, name: &str) -> Span {
        self.value(name).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// The value of `name`, unread.
    pub fn value(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        let (_, value) = self.table?.iter().find(|(key, _)| key.get_ref().as_ref() == name)?;
        Some(value)
    }

    /// Reports that `name` is missing.
    pub fn missing(&self, name: &'static str, suggestion: Option<String>) {
        let reason = Reason::Missing { key: name, section: self.section.title() };
        let about = || keys::key(self.section, name).map(|key| key.about.to_owned());
        let suggestion = suggestion.or_else(about);
        self.report.problem(&self.span, reason, suggestion);
    }

    /// Reports that `value` is no `expected`.
    pub fn wrong_type(&self, name: &str, expected: &'static str, value: &Spanned<DeValue<'_>>) {
        let found = value.get_ref().type_str();
        let reason = Reason::WrongType { key: name.to_owned(), expected, found };
        self.report.problem(&value.span(), reason, None);
    }

    /// The text of `name`.
    pub fn text(&self, name: &'static str) -> Option<(&'d str, Span)> {
        let value = self.value(name)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(name, "text", value);
        }
        Some((text?, value.span()))
    }

    /// The name that `name` holds.
    pub fn name(&self, name: &'static str) -> Option<(&'d str, Span)> {
        let (text, span) = self.text(name)?;
        if is_name(text) {
            return Some((text, span));
        }
        self.report.problem(&span, Reason::BadName(text.to_owned()), None);
        None
    }

    /// The path that `name` holds, from the file's folder.
    pub fn path(&self, name: &'static str) -> Option<(PathBuf, Span)> {
        let (text, span) = self.text(name)?;
        if text.is_empty() {
            let consequence = "leave it out instead";
            self.report.problem(&span, Reason::Empty { key: name, consequence }, None);
            return None;
        }
        Some((self.report.path(text), span))
    }

    /// The address that `name` holds.
    pub fn address(&self, name: &'static str) -> Option<SocketAddr> {
        let (text, span) = self.text(name)?;
        let address = text.parse().ok();
        if address.is_none() {
            let example =
                if text.contains("localhost") { "127.0.0.1:8080" } else { "0.0.0.0:8080" };
            let suggestion = format!("an IP address and a port, as in `{example}`");
            self.report.problem(&span, Reason::BadAddress(text.to_owned()), Some(suggestion));
        }
        address
    }

    /// Puts the switch `name`, where it is given, into `into`.
    pub fn switch(&self, name: &'static str, into: &mut bool) {
        let Some(value) = self.value(name) else { return };
        match value.get_ref().as_bool() {
            Some(switch) => *into = switch,
            None => self.wrong_type(name, "true or false", value),
        }
    }

    /// Puts the number `name`, where it is given, into `into`. Its range is that of its row.
    pub fn count<T: TryFrom<u64>>(&self, name: &'static str, into: &mut T) {
        let Some(Key { shape: Shape::Count { unit, least, most }, .. }) =
            keys::key(self.section, name)
        else {
            return;
        };
        let Some(value) = self.value(name) else { return };
        let Some(integer) = value.get_ref().as_integer() else {
            return self.wrong_type(name, "a whole number", value);
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.filter(|n| (least..=most).contains(&n)).and_then(|n| T::try_from(n).ok()) {
            Some(number) => *into = number,
            None => self.report.problem(
                &value.span(),
                Reason::OutOfRange {
                    key: name,
                    value: integer.to_string(),
                    least: *least,
                    most: *most,
                    unit,
                },
                None,
            ),
        }
    }

    /// The word that `name` holds, as a value of the contract, whose words those of the row are.
    pub fn word<T: DeserializeOwned>(&self, name: &'static str) -> Option<T> {
        let Some(Key { shape: Shape::Word(words), .. }) = keys::key(self.section, name) else {
            return None;
        };
        let (word, span) = self.text(name)?;
        if words.contains(&word) {
            let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
            return T::deserialize(word).ok();
        }
        let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let suggestion = did_you_mean(word, words.iter().copied());
        let suggestion = suggestion.unwrap_or_else(|| format!("one of {list}"));
        let reason = Reason::UnknownWord { key: name, word: word.to_owned() };
        self.report.problem(&span, reason, Some(suggestion));
        None
    }

    /// The values of the list `name`; empty where it is left out.
    pub fn list(&self, name: &'static str) -> Vec<&'d Spanned<DeValue<'d>>> {
        let Some(value) = self.value(name) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(list) => list.iter().collect(),
            None => {
                self.wrong_type(name, "a list in [ ]", value);
                Vec::new()
            }
        }
    }

    /// The texts of the list `name`.
    pub fn texts(&self, name: &'static str) -> Vec<(&'d str, Span)> {
        let values = self.list(name).into_iter();
        let text = |value: &'d Spanned<DeValue<'d>>| {
            let text = value.get_ref().as_str();
            if text.is_none() {
                self.wrong_type(name, "a list of texts", value);
            }
            Some((text?, value.span()))
        };
        values.filter_map(text).collect()
    }

    /// The table `name`; an absent one where it is left out.
    pub fn table(&self, name: &'static str) -> Fields<'d> {
        let Some(Key { shape: Shape::Table(section), .. }) = keys::key(self.section, name) else {
            return Fields::absent(self.report, self.section);
        };
        match self.value(name) {
            None => Fields::absent(self.report, *section),
            Some(value) => match value.get_ref().as_table() {
                Some(table) => Fields::new(self.report, *section, table, value.span()),
                None => {
                    self.wrong_type(name, "a table", value);
                    Fields::absent(self.report, *section)
                }
            },
        }
    }

    /// The tables `name`.
    pub fn tables(&self, name: &'static str) -> Vec<Fields<'d>> {
        let Some(Key { shape: Shape::Tables(section), .. }) = keys::key(self.section, name) else {
            return Vec::new();
        };
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            let reason = Reason::WrongType {
                key: name.to_owned(),
                expected: section.title(),
                found: value.get_ref().type_str(),
            };
            let suggestion = Some(format!("write {} with two brackets", section.title()));
            self.report.problem(&value.span(), reason, suggestion);
            return Vec::new();
        };
        let entry = |value: &'d Spanned<DeValue<'d>>| match value.get_ref().as_table() {
            Some(table) => Some(Fields::new(self.report, *section, table, value.span())),
            None => {
                self.wrong_type(name, "a list of tables", value);
                None
            }
        };
        list.iter().filter_map(entry).collect()
    }
}

fn suggest_key(section: Section, name: &str) -> Option<String> {
    did_you_mean(name, keys::names(section)).or_else(|| {
        let elsewhere = keys::KEYS.iter().find(|key| key.name == name)?;
        Some(format!("`{name}` is a key of {}", elsewhere.section.title()))
    })
}

/// Whether `text` can be the name of an upstream, a route or a region.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}
