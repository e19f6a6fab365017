//! `docs/config.md`, made from the table of keys.

use super::keys::{KEYS, Key, Section, Shape};
use super::server::Audit;
use sluice_contract::limits;
use sluice_contract::snapshot::Limits;

const HEAD: &str = "\
# Configuration

Made by `sluice reference`; a test fails where this page is out of date.

Without a file Sluice listens on 127.0.0.1:8080, has its management port on 127.0.0.1:8081 and its
state in `./sluice-state`, and sends every model to the built-in echo. `sluice check --config FILE`
checks a file and says what it does; `SIGHUP` and `sluice reload` take it, or refuse it whole.
Paths in the file are from the folder that the file is in. Listening addresses, `state`, `workers`,
`[admin]` and `[audit]` are taken at start; everything else at a reload too.

## Policy sets

Each `*.cedar` file in the folder of `[policy] dir` belongs to a set. A file whose name (without
`.cedar`) a route has in `policies` is the set of that name, in force on the routes that name it. All
other files together are the node's set, `default`, in force on every route. Where the folder has
nothing for the node's set, it is the preset `default`; `preset`, where given, joins the files of
the folder. A route may name a preset in `policies` too.
";

/// The page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = Section::Top;
    for key in KEYS.iter().filter(|key| key.section != Section::Top) {
        if key.section != section {
            section = key.section;
            heading(&mut page, section);
        }
        let Key { name, about, .. } = key;
        let (holds, default) = (cell(&holds(key.shape)), cell(&default(key)));
        let about = cell(about);
        page.extend(["| `", name, "` | ", &holds, " | ", &default, " | ", &about, " |\n"]);
    }
    page
}

fn heading(page: &mut String, section: Section) {
    page.extend(["\n## ", section.title(), "\n"]);
    let of_section = |key: &&Key| match key.shape {
        Shape::Table(of) | Shape::Tables(of) => key.section == Section::Top && of == section,
        _ => false,
    };
    if let Some(top) = KEYS.iter().find(of_section) {
        page.extend(["\n", top.about]);
        if !top.default.is_empty() {
            page.extend([" Where there is none: ", top.default, "."]);
        }
        page.push('\n');
    }
    page.push_str("\n| key | holds | default | |\n|---|---|---|---|\n");
}

fn holds(shape: Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Name => "name: 1 to 64 letters, digits, `.`, `_`, `-`".to_owned(),
        Shape::Path => "path".to_owned(),
        Shape::Address => "`IP:PORT`".to_owned(),
        Shape::Switch => "`true` or `false`".to_owned(),
        Shape::Count { unit, least, most } => format!("{least} to {most} {unit}"),
        Shape::Word(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Shape::List(what) => format!("list of {what}"),
        Shape::Table(section) | Shape::Tables(section) => {
            let keys = KEYS.iter().filter(|key| key.section == section);
            let names = keys.map(|key| key.name).collect::<Vec<_>>().join(", ");
            format!("`{{ {names} }}`")
        }
    }
}

/// The default as the code has it, where it is a number that the code has.
fn default(key: &Key) -> String {
    let audit = Audit::default();
    let number = match (key.section, key.name) {
        (Section::Limits, name) => serde_json::to_value(Limits::default())
            .ok()
            .and_then(|limits| limits.get(name).and_then(serde_json::Value::as_u64)),
        (Section::Upstream, "idle_connections") => Some(limits::UPSTREAM_IDLE as u64),
        (Section::Upstream, "connections") => Some(limits::UPSTREAM_CONNECTIONS as u64),
        (Section::Audit, "segment_bytes") => Some(audit.segment_bytes),
        (Section::Audit, "segment_hours") => Some(audit.segment_hours),
        (Section::Audit, "min_free_bytes") => Some(audit.min_free_bytes),
        _ => None,
    };
    number.map_or_else(|| key.default.to_owned(), |number| number.to_string())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.md");
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/config.md is out of date: write it anew with `sluice reference`"
        );
    }

    #[test]
    fn every_key_has_a_default_and_an_explanation() {
        for key in KEYS.iter().filter(|key| key.section != Section::Top) {
            assert!(!default(key).is_empty(), "{}", key.name);
            assert!(key.about.ends_with('.'), "{}", key.name);
        }
    }

    #[test]
    fn rows_of_limits_are_the_limits() {
        let limits = serde_json::to_value(Limits::default()).unwrap();
        let mut known: Vec<&str> = limits.as_object().unwrap().keys().map(String::as_str).collect();
        let mut rows: Vec<&str> = super::super::keys::names(Section::Limits).collect();
        known.sort_unstable();
        rows.sort_unstable();
        assert_eq!(rows, known);
    }

    #[test]
    fn defaults_are_in_range() {
        for key in KEYS {
            if let (Shape::Count { least, most, .. }, Ok(number)) =
                (key.shape, default(key).parse::<u64>())
            {
                assert!((least..=most).contains(&number), "{}", key.name);
            }
        }
    }
}
