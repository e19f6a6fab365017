//! The embedded schema and the names that this crate shares with it.
//!
//! A test holds the two together: every action, entity type and context attribute named here is
//! in `sluice.cedarschema`, and the other way round.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors, Schema};
use sluice_contract::snapshot::Enforcement;

/// The schema's text, as it is documented for operators.
pub const SCHEMA: &str = include_str!("../schema/sluice.cedarschema");

/// A question of the schema.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Action {
    /// May this principal send this request to this model?
    Invoke = 0,
    /// May this class of data go to this target?
    Disclose = 1,
    /// May this answer, as a whole, reach this principal?
    Answer = 2,
    /// May this class of data reach this principal?
    Receive = 3,
    /// May this tool call pass? Not asked yet.
    CallTool = 4,
}

impl Action {
    /// Every action, by number.
    pub const ALL: [Action; 5] =
        [Action::Invoke, Action::Disclose, Action::Answer, Action::Receive, Action::CallTool];

    /// The name in the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Invoke => "invoke",
            Action::Disclose => "disclose",
            Action::Answer => "answer",
            Action::Receive => "receive",
            Action::CallTool => "call_tool",
        }
    }

    /// The action called `name`.
    pub fn by_name(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Whether this build asks it.
    pub const fn is_asked(self) -> bool {
        !matches!(self, Action::CallTool)
    }

    /// Whether it is about one class, whose findings can be rewritten.
    pub const fn is_of_class(self) -> bool {
        matches!(self, Action::Disclose | Action::Receive)
    }

    /// The entity type of its resource.
    pub(crate) const fn resource_type(self) -> &'static str {
        match self {
            Action::Invoke | Action::Answer => "Model",
            Action::Disclose | Action::Receive => "Class",
            Action::CallTool => "Tool",
        }
    }
}

/// The schema's entity types, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    action: EntityTypeName,
    pub(crate) application: EntityTypeName,
    pub(crate) class: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) model: EntityTypeName,
    pub(crate) project: EntityTypeName,
    pub(crate) provider: EntityTypeName,
    pub(crate) target: EntityTypeName,
    pub(crate) team: EntityTypeName,
    pub(crate) tenant: EntityTypeName,
    pub(crate) user: EntityTypeName,
}

impl Types {
    pub(crate) fn new() -> Result<Types, String> {
        let named = |name: &str| name.parse().map_err(|error: ParseErrors| error.to_string());
        Ok(Types {
            action: named("Action")?,
            application: named("Application")?,
            class: named("Class")?,
            group: named("Group")?,
            model: named("Model")?,
            project: named("Project")?,
            provider: named("Provider")?,
            target: named("Target")?,
            team: named("Team")?,
            tenant: named("Tenant")?,
            user: named("User")?,
        })
    }

    pub(crate) fn uid(kind: &EntityTypeName, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
    }

    pub(crate) fn action(&self, action: Action) -> EntityUid {
        Types::uid(&self.action, action.name())
    }
}

/// Parses the embedded schema.
pub(crate) fn parse() -> Result<Schema, String> {
    let (schema, _warnings) =
        Schema::from_cedarschema_str(SCHEMA).map_err(|error| error.to_string())?;
    Ok(schema)
}

/// The name of `enforcement` in the context.
pub(crate) const fn enforcement_name(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Enforce => "enforce",
        Enforcement::Observe => "observe",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field, Number};
    use sluice_contract::facts::Score;
    use std::collections::BTreeSet;

    /// The attributes of the schema's record type `of`.
    fn attributes(of: &str) -> BTreeSet<&'static str> {
        let (_, rest) = SCHEMA.split_once(&format!("type {of} = {{")).unwrap();
        let (body, _) = rest.split_once("};").unwrap();
        body.lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
            .filter_map(|line| line.split_once(": ").map(|(name, _)| name))
            .collect()
    }

    #[test]
    fn actions_are_those_of_the_schema() {
        let schema = parse().unwrap();
        let types = Types::new().unwrap();
        let known: BTreeSet<_> = schema.actions().cloned().collect();
        assert_eq!(known, Action::ALL.into_iter().map(|action| types.action(action)).collect());
        for action in Action::ALL {
            let resources: Vec<_> = schema
                .resources_for_action(&types.action(action))
                .unwrap()
                .map(ToString::to_string)
                .collect();
            assert_eq!(resources, [action.resource_type()]);
            assert_eq!(Action::by_name(action.name()), Some(action));
        }
    }

    #[test]
    fn fields_are_the_attributes_of_the_schema() {
        let mut names: BTreeSet<_> = Field::ATTRIBUTES.into_iter().map(Field::name).collect();
        names.extend(Number::PLAIN.into_iter().map(Number::name));
        names.insert("scores");
        let of_class = BTreeSet::from(["count", "confidence", "origins"]);
        assert_eq!(attributes("Part"), names);
        assert_eq!(attributes("Whole"), &names - &of_class);
        assert_eq!(attributes("Scores"), Score::ALL.into_iter().map(Score::name).collect());
        let target = BTreeSet::from(["name", "provider", "trust", "region"]);
        assert_eq!(attributes("Destination"), target);
    }
}
