//! `[policy]`: the files of the folder, sorted into sets, loaded and checked by the policy crate.
//!
//! A file whose name (without `.cedar`) a route has in `policies` is a set of its own, in force on
//! the routes that name it. Every other file is part of the node's set, `default`, in force on
//! every route: a file that somebody forgot to name is in force, not dead. The preset is the
//! node's set where the folder has nothing for it, and joins it where it is asked for by name.

use super::document::{Fields, Report};
use super::keys::PRESETS;
use super::nearest::did_you_mean;
use super::problem::{Place, Problem};
use super::reason::Reason;
use super::routes::{NODE_SET, Route};
use sluice_contract::decision::Verdict;
use sluice_contract::snapshot::PolicyText;
use sluice_policy::{Engine, LoadError};
use std::path::{Path, PathBuf};

/// Longest policy file.
const FILE_BYTES_MAX: usize = 4 << 20;

/// The policies of a node.
#[derive(Debug)]
pub struct Policies {
    /// Texts of all sets.
    pub texts: Vec<PolicyText>,
    /// The preset that is part of the node's set.
    pub preset: Option<&'static str>,
    /// What was loaded from them.
    pub engine: Engine,
}

/// A policy file, and where it is on disk.
struct File {
    path: Option<PathBuf>,
    text: PolicyText,
}

/// Loads what `fields` and `routes` ask for; `None` where there are problems.
pub fn policies(report: &Report<'_>, fields: &Fields<'_>, routes: &[Route]) -> Option<Policies> {
    let mut files = Vec::new();
    if let Some((dir, span)) = fields.path("dir") {
        match folder(&dir) {
            Ok(paths) if paths.is_empty() => {
                let suggestion = "leave `dir` out for the built-in policies".to_owned();
                report.problem(&span, Reason::NoPolicies(dir), Some(suggestion));
            }
            Ok(paths) => {
                let files_read = paths.into_iter().filter_map(|path| file(report, path, routes));
                files.extend(files_read);
            }
            Err(error) => {
                let reason = Reason::Unreadable {
                    what: "policy folder",
                    path: dir,
                    error: error.to_string(),
                };
                report.problem(&span, reason, None);
            }
        }
    }
    let asked: Option<String> = fields.word("preset");
    let asked = asked.and_then(|name| PRESETS.iter().find(|preset| **preset == name).copied());
    let has_node_set = files.iter().any(|file| file.text.set == NODE_SET);
    let preset = asked.or((!has_node_set).then_some(NODE_PRESET));
    if let Some(text) = preset.and_then(|name| built_in(NODE_SET, name)) {
        files.insert(0, text);
    }
    known_sets(report, routes, &mut files);
    let texts: Vec<PolicyText> = files.iter().map(|file| file.text.clone()).collect();
    let before = report.count();
    let engine = match Engine::load(&texts) {
        Ok(engine) => engine,
        Err(errors) => {
            for error in &errors {
                report.foreign(problem(&files, error));
            }
            return None;
        }
    };
    for warning in engine.warnings() {
        report.warn_foreign(problem(&files, warning));
    }
    for route in routes {
        let sets: Vec<&str> = route.public.policies.iter().map(String::as_str).collect();
        if let Err(error) = engine.compose(&sets)
            && report.count() == before
        {
            report.problem(&route.span, Reason::Policy(error.to_string()), None);
        }
    }
    let permits =
        |info: &sluice_policy::PolicyInfo| info.set == NODE_SET && info.verdict == Verdict::Allow;
    if !engine.policies().any(permits) {
        let suggestion = "add one, or `preset = \"default\"` beside `dir`".to_owned();
        report.warn(&fields.span_of("dir"), Reason::NoPermit, Some(suggestion));
    }
    Some(Policies { texts, preset, engine })
}

/// The preset of a node that asks for none.
const NODE_PRESET: &str = "default";

fn folder(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|extension| extension == "cedar") && !hidden {
            paths.push(path);
        }
    }
    // The order in the folder is the file system's; that of the snapshot must not be.
    paths.sort();
    Ok(paths)
}

fn file(report: &Report<'_>, path: PathBuf, routes: &[Route]) -> Option<File> {
    let text = std::fs::read_to_string(&path).and_then(|text| match text.len() {
        0..=FILE_BYTES_MAX => Ok(text),
        _ => Err(std::io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes"))),
    });
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let (what, error) = ("policy file", error.to_string());
            report.foreign(Problem::new(Reason::Unreadable { what, path, error }));
            return None;
        }
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let named = routes.iter().flat_map(|route| &route.sets).any(|(set, _)| *set == stem);
    let set = if named { stem.into_owned() } else { NODE_SET.to_owned() };
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Some(File { path: Some(path), text: PolicyText { set, file, text } })
}

fn built_in(set: &str, preset: &str) -> Option<File> {
    let text = sluice_policy::preset(preset)?.to_owned();
    let text = PolicyText { set: set.to_owned(), file: format!("preset-{preset}.cedar"), text };
    Some(File { path: None, text })
}

/// Reports the sets of routes that are neither a file nor a preset; adds the presets.
fn known_sets(report: &Report<'_>, routes: &[Route], files: &mut Vec<File>) {
    for (set, span) in routes.iter().flat_map(|route| &route.sets) {
        if files.iter().any(|file| file.text.set == *set) {
            continue;
        }
        if let Some(preset) = built_in(set, set) {
            files.push(preset);
            continue;
        }
        let stems = files.iter().filter_map(|file| file.text.file.strip_suffix(".cedar"));
        let suggestion = did_you_mean(set, stems.chain(PRESETS.iter().copied()))
            .or_else(|| Some(format!("there is no `{set}.cedar` in the folder of [policy] dir")));
        report.problem(span, Reason::UnknownSet(set.clone()), suggestion);
        // An empty set in its place keeps the loader from saying the same again.
        let (file, text) = (format!("{set}.cedar"), String::new());
        files.push(File { path: None, text: PolicyText { set: set.clone(), file, text } });
    }
}

fn problem(files: &[File], error: &LoadError) -> Problem {
    let file = files.iter().find(|file| file.text.file == error.file);
    let path = file.and_then(|file| file.path.as_ref());
    Problem {
        file: Some(path.map_or_else(|| error.file.clone(), |path| path.display().to_string())),
        place: Some(Place::at(file.map_or("", |file| &file.text.text), error.line, error.column)),
        reason: Reason::Policy(error.reason.to_string()),
        suggestion: error.suggestion.clone(),
    }
}
