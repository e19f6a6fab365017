//! What a policy can look at: the principal, the resource, and the attributes of the context.
//!
//! The names are those of the schema; a test holds the two together.

use sluice_contract::facts::Score;

/// Something other than a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Field {
    Principal,
    /// Which model; of a class, the question says it already.
    Resource,
    Route,
    UseCase,
    Enforcement,
    AllowOpaque,
    Model,
    Target,
    AttackHigh,
    AttackMedium,
    Opaque,
    Normalised,
    Truncated,
    Classes,
    Origins,
}

impl Field {
    /// The attributes of the context among the fields.
    pub(crate) const ATTRIBUTES: [Field; 13] = [
        Field::Route,
        Field::UseCase,
        Field::Enforcement,
        Field::AllowOpaque,
        Field::Model,
        Field::Target,
        Field::AttackHigh,
        Field::AttackMedium,
        Field::Opaque,
        Field::Normalised,
        Field::Truncated,
        Field::Classes,
        Field::Origins,
    ];

    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Field::Principal => "principal",
            Field::Resource => "resource",
            Field::Route => "route",
            Field::UseCase => "use_case",
            Field::Enforcement => "enforcement",
            Field::AllowOpaque => "allow_opaque",
            Field::Model => "model",
            Field::Target => "target",
            Field::AttackHigh => "attack_high",
            Field::AttackMedium => "attack_medium",
            Field::Opaque => "opaque",
            Field::Normalised => "normalised",
            Field::Truncated => "truncated",
            Field::Classes => "classes",
            Field::Origins => "origins",
        }
    }

    /// The attribute at `path` below `context`, or around it: parts of the target are the target.
    pub(crate) fn at(path: &[&str]) -> Option<Field> {
        let (first, rest) = path.split_first()?;
        let field = Field::ATTRIBUTES.into_iter().find(|field| field.name() == *first)?;
        (rest.is_empty() || field == Field::Target).then_some(field)
    }
}

/// A number in the context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Number {
    TextBytes,
    Texts,
    OpaqueBytes,
    Count,
    Confidence,
    Score(Score),
}

impl Number {
    /// The numbers that are attributes of the context; scores stand in a record of their own.
    pub(crate) const PLAIN: [Number; 5] =
        [Number::TextBytes, Number::Texts, Number::OpaqueBytes, Number::Count, Number::Confidence];

    /// How many numbers there are.
    pub(crate) const ALL: usize = Number::PLAIN.len() + Score::ALL.len();

    /// The place of this number among all.
    pub(crate) const fn index(self) -> usize {
        match self {
            Number::TextBytes => 0,
            Number::Texts => 1,
            Number::OpaqueBytes => 2,
            Number::Count => 3,
            Number::Confidence => 4,
            Number::Score(score) => Number::PLAIN.len() + score as usize,
        }
    }

    /// The highest value that it can have.
    pub(crate) const fn most(self) -> u32 {
        match self {
            Number::TextBytes | Number::Texts | Number::OpaqueBytes => u32::MAX,
            Number::Count => u16::MAX as u32,
            Number::Confidence | Number::Score(_) => 100,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Number::TextBytes => "text_bytes",
            Number::Texts => "texts",
            Number::OpaqueBytes => "opaque_bytes",
            Number::Count => "count",
            Number::Confidence => "confidence",
            Number::Score(score) => score.name(),
        }
    }

    /// The number at `path` below `context`.
    pub(crate) fn at(path: &[&str]) -> Option<Number> {
        match path {
            ["scores", name] => {
                Score::ALL.into_iter().find(|score| score.name() == *name).map(Number::Score)
            }
            [name] => Number::PLAIN.into_iter().find(|number| number.name() == *name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let scores = Score::ALL.into_iter().map(Number::Score);
        let places: Vec<_> = Number::PLAIN.into_iter().chain(scores).map(Number::index).collect();
        assert_eq!(places, (0..Number::ALL).collect::<Vec<_>>());
    }

    #[test]
    fn paths_lead_to_fields() {
        assert_eq!(Field::at(&["target", "trust"]), Some(Field::Target));
        assert_eq!(Field::at(&["route", "x"]), None);
        assert_eq!(Field::at(&["principal"]), None);
        assert_eq!(Number::at(&["scores", "risk"]), Some(Number::Score(Score::Risk)));
        assert_eq!(Number::at(&["risk"]), None);
    }
}
