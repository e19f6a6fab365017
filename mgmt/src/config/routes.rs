//! `[[route]]`: which requests go to which targets, under which policies.
//!
//! The first route that takes a model wins, so a model that an earlier route takes already would
//! never reach a later one: that is refused, not left to be discovered.

use super::document::{Fields, Report, Span, is_name};
use super::nearest::did_you_mean;
use super::reason::Reason;
use super::upstreams::{ECHO, Upstream};
use sluice_contract::limits::MODEL_BYTES_MAX;
use sluice_contract::snapshot::{
    AuditMode, BlockAs, Enforcement, FailureMode, Route as Public, Target, UpstreamKind,
    model_matches,
};

/// Name of the node's policy set, which every route has.
pub const NODE_SET: &str = "default";

/// Routes that a file may have; models, targets and sets that a route may have.
const MANY_MAX: usize = 1024;

/// A route, and where it says what.
#[derive(Clone, Debug)]
pub struct Route {
    /// What the snapshot says of it.
    pub public: Public,
    pub(super) span: Span,
    models: Vec<Span>,
    /// The sets that it adds to the node's.
    pub(super) sets: Vec<(String, Span)>,
}

/// The routes of the file; one from every model to the built-in echo, where the file has neither
/// upstreams nor routes.
pub fn routes(
    report: &Report<'_>,
    tables: &[Fields<'_>],
    upstreams: &[Upstream],
    upstreams_in_file: bool,
) -> Vec<Route> {
    if tables.is_empty() && upstreams_in_file {
        let name = upstreams.first().map_or(ECHO, |upstream| &upstream.public.name);
        let suggestion =
            format!("[[route]] name = \"default\", models = [\"*\"], targets = [\"{name}\"]");
        report.problem(&(0..0), Reason::NoRoute, Some(suggestion));
    }
    if tables.is_empty() {
        return vec![to_echo()];
    }
    if tables.len() > MANY_MAX {
        let (what, count) = ("routes", tables.len());
        report.problem(&(0..0), Reason::TooMany { what, count, most: MANY_MAX }, None);
    }
    let mut routes: Vec<Route> = Vec::new();
    for fields in tables.iter().take(MANY_MAX) {
        let route = route(report, fields, upstreams);
        let name = &route.public.name;
        let same = |other: &&Route| other.public.name == *name && !name.is_empty();
        if let Some(first) = routes.iter().find(same) {
            let line = report.line(&first.span);
            let reason = Reason::Duplicate { what: "route", name: name.clone(), line };
            report.problem(&route.span, reason, None);
        }
        unreachable(report, &routes, &route);
        routes.push(route);
    }
    routes
}

fn empty() -> Route {
    Route {
        public: Public {
            name: NODE_SET.to_owned(),
            models: Vec::new(),
            targets: Vec::new(),
            policies: vec![NODE_SET.to_owned()],
            enforcement: Enforcement::Enforce,
            audit: None,
            failure_mode: FailureMode::Closed,
            block_as: BlockAs::Error,
            allow_opaque: false,
        },
        span: 0..0,
        models: Vec::new(),
        sets: Vec::new(),
    }
}

/// `echo` stands before `*`, so that it is listed as a model.
fn to_echo() -> Route {
    let mut route = empty();
    route.public.models = vec![ECHO.to_owned(), "*".to_owned()];
    route.public.targets = vec![Target { upstream: 0, model: None }];
    route
}

fn route(report: &Report<'_>, fields: &Fields<'_>, upstreams: &[Upstream]) -> Route {
    let mut route = empty();
    route.span = fields.span_of("name");
    for name in ["name", "models", "targets"] {
        if fields.value(name).is_none() {
            fields.missing(name, None);
        }
    }
    let public = &mut route.public;
    public.name = fields.name("name").map_or_else(String::new, |(name, _)| name.to_owned());
    public.enforcement = fields.word("enforcement").unwrap_or(Enforcement::Enforce);
    public.audit = fields.word::<AuditMode>("audit");
    public.failure_mode = fields.word("failure_mode").unwrap_or(FailureMode::Closed);
    public.block_as = fields.word("block_as").unwrap_or(BlockAs::Error);
    fields.switch("allow_opaque", &mut public.allow_opaque);
    models(report, fields, &mut route);
    targets(report, fields, upstreams, &mut route.public);
    for (set, span) in fields.texts("policies") {
        if !is_name(set) {
            report.problem(&span, Reason::BadName(set.to_owned()), None);
        } else if !route.public.policies.iter().any(|known| known == set) {
            route.public.policies.push(set.to_owned());
            route.sets.push((set.to_owned(), span));
        }
    }
    route
}

fn models(report: &Report<'_>, fields: &Fields<'_>, route: &mut Route) {
    let given = fields.texts("models");
    if given.is_empty() && fields.value("models").is_some_and(|value| value.get_ref().is_array()) {
        let reason = Reason::Empty { key: "models", consequence: "the route takes nothing" };
        report.problem(&fields.span_of("models"), reason, Some("models = [\"*\"]".to_owned()));
    }
    for (model, span) in given.into_iter().take(MANY_MAX) {
        let stem = model.strip_suffix('*').unwrap_or(model);
        let fits = !stem.contains('*')
            && !model.is_empty()
            && model.len() <= MODEL_BYTES_MAX
            && !model.chars().any(char::is_control);
        if !fits {
            report.problem(&span, Reason::BadModel(model.to_owned()), None);
            continue;
        }
        if route.public.models.iter().any(|known| known == model) {
            let line = report.line(&span);
            let reason = Reason::Duplicate { what: "model", name: model.to_owned(), line };
            report.problem(&span, reason, None);
        }
        route.public.models.push(model.to_owned());
        route.models.push(span);
    }
}

fn targets(report: &Report<'_>, fields: &Fields<'_>, upstreams: &[Upstream], route: &mut Public) {
    let given = fields.list("targets");
    if given.is_empty() && fields.value("targets").is_some_and(|value| value.get_ref().is_array()) {
        let reason = Reason::Empty { key: "targets", consequence: "requests would go nowhere" };
        report.problem(&fields.span_of("targets"), reason, None);
    }
    for value in given.into_iter().take(MANY_MAX) {
        let (upstream, model) = if let Some(name) = value.get_ref().as_str() {
            (Some((name, value.span())), None)
        } else if let Some(table) = value.get_ref().as_table() {
            let target = Fields::new(report, super::keys::Section::Target, table, value.span());
            if target.value("upstream").is_none() {
                target.missing("upstream", None);
            }
            (target.text("upstream"), target.text("model"))
        } else {
            fields.wrong_type("targets", "names of upstreams or `{ upstream, model }`", value);
            continue;
        };
        let model = model.and_then(|(model, span)| {
            let fits = (1..=MODEL_BYTES_MAX).contains(&model.len())
                && !model.chars().any(|c| c.is_control() || c == '*');
            if !fits {
                report.problem(&span, Reason::BadModel(model.to_owned()), None);
            }
            fits.then(|| model.to_owned())
        });
        let Some((name, span)) = upstream else { continue };
        let Some(index) = upstreams.iter().position(|known| known.public.name == name) else {
            report.problem(
                &span,
                Reason::UnknownUpstream(name.to_owned()),
                suggest_upstream(name, upstreams),
            );
            continue;
        };
        let target = Target { upstream: index, model };
        if route.targets.contains(&target) {
            let (name, line) = (name.to_owned(), report.line(&value.span()));
            report.problem(&value.span(), Reason::Duplicate { what: "target", name, line }, None);
        }
        route.targets.push(target);
    }
}

fn suggest_upstream(name: &str, upstreams: &[Upstream]) -> Option<String> {
    let known = || upstreams.iter().map(|upstream| upstream.public.name.as_str());
    did_you_mean(name, known()).or_else(|| {
        let echo = upstreams.iter().any(|upstream| upstream.public.kind == UpstreamKind::Echo);
        if name == ECHO && !echo {
            return Some("add [[upstream]] name = \"echo\", kind = \"echo\"".to_owned());
        }
        let list = known().filter(|name| !name.is_empty()).collect::<Vec<_>>().join("`, `");
        (!list.is_empty()).then(|| format!("there is `{list}`"))
    })
}

/// Reports the models of `route` that `before` take already.
fn unreachable(report: &Report<'_>, before: &[Route], route: &Route) {
    for (model, span) in route.public.models.iter().zip(&route.models) {
        let first = before.iter().find_map(|first| {
            let taken = first.public.models.iter().find(|taken| covers(taken, model))?;
            Some((first, taken))
        });
        if let Some((first, taken)) = first {
            let reason = Reason::Unreachable {
                route: route.public.name.clone(),
                model: model.clone(),
                first: first.public.name.clone(),
                taken: taken.clone(),
                line: report.line(&first.span),
            };
            let suggestion = if model == taken {
                "leave it out of one of them"
            } else {
                "put the more specific route first"
            };
            report.problem(span, reason, Some(suggestion.to_owned()));
        }
    }
}

/// Whether `first` takes every model that `second` takes: a pattern does if it takes the other's
/// start.
fn covers(first: &str, second: &str) -> bool {
    match second.strip_suffix('*') {
        Some(start) => first.strip_suffix('*').is_some_and(|taken| start.starts_with(taken)),
        None => model_matches(first, second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_covered_pattern_takes_nothing_more(
            first in "[ab]{0,2}\\*?", second in "[ab]{0,2}\\*?", model in "[ab]{0,4}",
        ) {
            if covers(&first, &second) && model_matches(&second, &model) {
                prop_assert!(model_matches(&first, &model));
            }
        }
    }
}
