//! What a configuration does with what is found: what is acted on, and what is only recorded.
//!
//! Asked of the policies themselves, for a principal without groups, one finding of each class at
//! a time; for `sluice check` and the banner. Classes with one verdict are named by the group that
//! holds them all.

use super::Config;
use super::routes::Route;
use sluice_contract::class::{CLASSES, Class};
use sluice_contract::decision::Verdict;
use sluice_contract::snapshot::{Enforcement, Target, Trust};
use sluice_policy::{RouteRef, TargetRef};
use std::collections::BTreeMap;

/// What one route does on the way to one target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// The route.
    pub route: String,
    /// The target's upstream.
    pub target: String,
    /// Whether data leaves the building.
    pub trust: Trust,
    /// Whether it is carried out; else only recorded.
    pub enforcement: Enforcement,
    /// Names of the classes by what is done with them, the strictest first. `Allow` is what is
    /// recorded only.
    pub verdicts: Vec<(Verdict, Vec<&'static str>)>,
}

/// What `config` does, route by route and target by target.
pub fn effects(config: &Config) -> Vec<Effect> {
    let of_route = |route: &Route| {
        let targets = route.public.targets.iter();
        targets.filter_map(|target| effect(config, route, target)).collect::<Vec<_>>()
    };
    config.routes.iter().flat_map(of_route).collect()
}

fn effect(config: &Config, route: &Route, target: &Target) -> Option<Effect> {
    let upstream = &config.upstreams.get(target.upstream)?.public;
    let sets: Vec<&str> = route.public.policies.iter().map(String::as_str).collect();
    let policy = config.policies.engine.compose(&sets).ok()?;
    let model = route.public.models.first().map_or("", |model| model.trim_end_matches('*'));
    let summary = policy.summary(
        &RouteRef {
            name: &route.public.name,
            enforcement: route.public.enforcement,
            allow_opaque: route.public.allow_opaque,
        },
        model,
        &TargetRef {
            name: &upstream.name,
            provider: upstream.kind.name(),
            trust: upstream.trust,
            region: upstream.region.as_deref().unwrap_or(""),
        },
    );
    let mut verdicts: BTreeMap<Verdict, Vec<Class>> = BTreeMap::new();
    for (class, verdict) in summary {
        verdicts.entry(verdict).or_default().push(class);
    }
    Some(Effect {
        route: route.public.name.clone(),
        target: upstream.name.clone(),
        trust: upstream.trust,
        enforcement: route.public.enforcement,
        verdicts: verdicts
            .into_iter()
            .rev()
            .map(|(verdict, classes)| (verdict, grouped(&classes)))
            .collect(),
    })
}

/// The names of `classes`, each group that they hold whole by its own name.
fn grouped(classes: &[Class]) -> Vec<&'static str> {
    let holds = |group: Class| leaves(group).all(|leaf| classes.contains(&leaf));
    let mut names = Vec::new();
    for class in classes {
        let highest = class.lineage().take_while(|group| holds(*group)).last().unwrap_or(*class);
        if !names.contains(&highest.name()) {
            names.push(highest.name());
        }
    }
    names
}

/// The classes below `group` that group no others.
fn leaves(group: Class) -> impl Iterator<Item = Class> {
    let is_leaf = |class: Class| !CLASSES.iter().any(|row| row.parent == Some(class));
    CLASSES.iter().map(|row| row.class).filter(move |class| is_leaf(*class) && class.is_a(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_group_goes_by_its_name() {
        let contact = [Class::EMAIL, Class::PHONE];
        assert_eq!(grouped(&contact), ["contact"]);
        assert_eq!(grouped(&[Class::EMAIL, Class::US_SSN]), ["email", "national_id"]);
        let secrets: Vec<Class> = leaves(Class::SECRET).collect();
        assert_eq!(grouped(&secrets), ["secret"]);
        assert_eq!(grouped(&secrets[1..]).len(), secrets.len() - 1);
    }
}
