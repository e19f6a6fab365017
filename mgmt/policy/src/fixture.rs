//! Questions for tests, with owned parts and defaults.

use crate::{
    Direction, Enforcement, Engine, PolicySource, PrincipalRef, Question, QuestionKeys,
    RoutePolicy, RouteRef, TargetRef, Trust,
};
use sluice_contract::class::Class;
use sluice_contract::decision::Decision;
use sluice_contract::facts::{Facts, Origin, Score};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The policy of one set made of `text`.
pub(crate) fn policy(text: &str) -> RoutePolicy {
    engine(&[("t", "t.cedar", text)]).compose(&["t"]).unwrap()
}

/// The engine of `(set, file, text)`s.
pub(crate) fn engine(sources: &[(&str, &str, &str)]) -> Engine {
    match Engine::load(&self::sources(sources)) {
        Ok(engine) => engine,
        Err(errors) => {
            panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    }
}

pub(crate) fn sources(sources: &[(&str, &str, &str)]) -> Vec<PolicySource> {
    sources
        .iter()
        .map(|(set, file, text)| PolicySource {
            set: (*set).to_owned(),
            file: (*file).to_owned(),
            text: (*text).to_owned(),
        })
        .collect()
}

/// A question with owned parts: by default, application `app` sends a clean request by route `r` to
/// the model `m` at the external upstream `up`.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) direction: Direction,
    pub(crate) application: String,
    pub(crate) user: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) use_case: Option<String>,
    pub(crate) route: String,
    pub(crate) enforcement: Enforcement,
    pub(crate) allow_opaque: bool,
    pub(crate) model: String,
    pub(crate) target: String,
    pub(crate) trust: Trust,
    pub(crate) region: String,
    pub(crate) facts: Facts,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            direction: Direction::Request,
            application: "app".into(),
            user: None,
            groups: Vec::new(),
            use_case: None,
            route: "r".into(),
            enforcement: Enforcement::Enforce,
            allow_opaque: false,
            model: "m".into(),
            target: "up".into(),
            trust: Trust::External,
            region: String::new(),
            facts: Facts::default(),
        }
    }
}

impl Asked {
    pub(crate) fn request() -> Asked {
        Asked::default()
    }

    pub(crate) fn response() -> Asked {
        Asked { direction: Direction::Response, ..Asked::default() }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Asked)) -> Asked {
        change(&mut self);
        self
    }

    pub(crate) fn internal(self) -> Asked {
        self.with(|asked| asked.trust = Trust::Internal)
    }

    pub(crate) fn found(self, class: Class) -> Asked {
        self.with(|asked| asked.facts.add(class, Origin::User, 100))
    }

    pub(crate) fn scored(self, score: Score, hundredths: u8) -> Asked {
        self.with(|asked| asked.facts.scores.raise(score, hundredths))
    }

    pub(crate) fn ask<T>(&self, to: impl FnOnce(&Question<'_>) -> T) -> T {
        let principal = PrincipalRef {
            tenant: "default",
            application: &self.application,
            user: self.user.as_deref(),
            groups: &self.groups,
            team: Some("team"),
            project: None,
            use_case: self.use_case.as_deref(),
        };
        let route = RouteRef {
            name: &self.route,
            enforcement: self.enforcement,
            allow_opaque: self.allow_opaque,
        };
        let target = TargetRef {
            name: &self.target,
            provider: "openai",
            trust: self.trust,
            region: &self.region,
        };
        let principal_key = key(&(&self.application, &self.user, &self.groups, &self.use_case));
        let route_key = key(&(&self.route, self.enforcement, self.allow_opaque));
        let target_key = key(&(&self.target, self.trust, &self.region));
        to(&Question {
            direction: self.direction,
            principal: &principal,
            route: &route,
            model: &self.model,
            target: &target,
            facts: &self.facts,
            keys: QuestionKeys {
                principal: principal_key,
                route: u32::try_from(route_key >> 32).unwrap(),
                target: u32::try_from(target_key >> 32).unwrap(),
                model: key(&self.model),
            },
        })
    }

    pub(crate) fn decide(&self, policy: &RoutePolicy) -> Decision {
        self.ask(|question| policy.decide_uncached(question))
    }
}

fn key(names: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}
