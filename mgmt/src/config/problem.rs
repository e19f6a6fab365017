//! One thing that is wrong with the configuration, and how a person sees it.
//!
//! Every problem has a reason; most have a place (file, line, column, the line itself) and a
//! suggestion. A credential that somebody wrote into the file is masked in the line that is shown,
//! as problems end up in terminals, logs and tickets.

use super::reason::Reason;
use std::fmt;
use std::ops::Range;

/// Where in a file a problem is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters to underline.
    pub width: u32,
    /// The line, credentials masked.
    pub source: String,
}

impl Place {
    /// The place of the bytes `span` of `text`.
    pub fn of(text: &str, span: &Range<usize>) -> Place {
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = text.get(start..).unwrap_or("");
        let source = rest.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let end = span.end.min(start + source.len());
        let under = text.get(span.start..end).map_or(1, |under| under.chars().count().max(1));
        Place {
            line: number(before.matches('\n').count() + 1),
            column: number(before.get(start..).map_or(0, |line| line.chars().count()) + 1),
            width: number(under),
            source: mask(source),
        }
    }

    /// The place of a line and column that another parser reported.
    pub fn at(text: &str, line: u32, column: u32) -> Place {
        let source = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or("");
        Place { line, column, width: 1, source: mask(source) }
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Puts `*` over a credential that stands in `line` itself. `"client"` is a word, not a credential.
fn mask(line: &str) -> String {
    let mut out = line.to_owned();
    for key in ["api_key", "token"] {
        let Some((before, after)) = line.split_once(key) else { continue };
        let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let Some(quote) = value.chars().next().filter(|c| *c != '{') else { continue };
        if value.trim_matches(quote) == "client" {
            continue;
        }
        let kept = before.len() + key.len() + (after.len() - value.len());
        let stars = value.chars().skip(1).map(|_| '*');
        out = line.get(..kept).unwrap_or("").chars().chain([quote]).chain(stars).collect();
    }
    out
}

/// One thing that is wrong, or worth a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file, where it is about one.
    pub file: Option<String>,
    /// Where in the file.
    pub place: Option<Place>,
    /// What is wrong.
    pub reason: Reason,
    /// What to do about it.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem that is about no place in a file.
    pub fn new(reason: Reason) -> Problem {
        Problem { file: None, place: None, reason, suggestion: None }
    }

    fn order(&self) -> (Option<&str>, Option<(u32, u32)>) {
        (self.file.as_deref(), self.place.as_ref().map(|place| (place.line, place.column)))
    }
}

/// `file:line:column: reason (suggestion)`, on one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(place) = &self.place {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            write!(f, " ")?;
        }
        write!(f, "{}", self.reason)?;
        self.suggestion.iter().try_for_each(|suggestion| write!(f, " ({suggestion})"))
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// In the order of files and lines; `None` where there are none.
    pub fn of(mut problems: Vec<Problem>) -> Option<Problems> {
        problems.sort_by(|a, b| a.order().cmp(&b.order()));
        problems.dedup();
        Some(Problems(problems)).filter(|problems| !problems.0.is_empty())
    }

    /// With source lines and carets, as `sluice check` shows it.
    pub fn show(&self, out: &mut dyn std::io::Write, colour: bool) -> std::io::Result<()> {
        show(&self.0, Severity::Error, out, colour)?;
        let (count, s) = (self.0.len(), if self.0.len() == 1 { "" } else { "s" });
        writeln!(out, "{count} problem{s}: the configuration is refused")
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.0.iter().try_for_each(|problem| {
            write!(f, "{separator}{problem}")?;
            separator = "\n";
            Ok(())
        })
    }
}

/// How a list of problems is headed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is taken; worth a look.
    Warning,
}

/// Writes `problems` with source lines and carets.
pub fn show(
    problems: &[Problem],
    severity: Severity,
    out: &mut dyn std::io::Write,
    colour: bool,
) -> std::io::Result<()> {
    let (word, paint) = match severity {
        Severity::Error => ("error", "\x1b[1;31m"),
        Severity::Warning => ("warning", "\x1b[1;33m"),
    };
    let (paint, bold, dim, reset) =
        if colour { (paint, "\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "", "") };
    for Problem { file, place, reason, suggestion } in problems {
        writeln!(out, "{paint}{word}{reset}{bold}: {reason}{reset}")?;
        match (file, place) {
            (Some(file), Some(place)) => {
                let line = place.line.to_string();
                let blank = " ".repeat(line.len());
                writeln!(out, "{blank}{dim}-->{reset} {file}:{line}:{}", place.column)?;
                writeln!(out, "{blank} {dim}|{reset}")?;
                writeln!(out, "{dim}{line} |{reset} {}", place.source.replace('\t', " "))?;
                let indent = " ".repeat(place.column.saturating_sub(1) as usize);
                let carets = "^".repeat(place.width as usize);
                writeln!(out, "{blank} {dim}|{reset} {indent}{paint}{carets}{reset}")?;
            }
            (Some(file), None) => writeln!(out, " {dim}-->{reset} {file}")?,
            (None, _) => {}
        }
        if let Some(suggestion) = suggestion {
            writeln!(out, "  {dim}={reset} help: {suggestion}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reason::Reason;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let place = Place::of("a = 1\nbé = [1]\n", &(12..15));
        assert_eq!((place.line, place.column, place.width), (2, 6, 3));
        assert_eq!(place.source, "bé = [1]");
        let past = Place::of("a", &(9..12));
        assert_eq!((past.line, past.width), (1, 1));
    }

    #[test]
    fn a_credential_in_a_line_is_masked() {
        assert_eq!(mask(r#"api_key = "sk-abc""#), r#"api_key = "*******"#);
        assert_eq!(mask(r#"api_key = "client""#), r#"api_key = "client""#);
        assert_eq!(
            mask(r#"api_key = { env = "OPENAI_API_KEY" }"#),
            r#"api_key = { env = "OPENAI_API_KEY" }"#
        );
        assert_eq!(mask("token='x'"), "token='**");
        assert_eq!(mask("a = 1 # token"), "a = 1 # token");
    }

    #[test]
    fn a_caret_stands_under_the_place() {
        let problem = Problem {
            file: Some("s.toml".into()),
            place: Some(Place::of("[node]\n  wokers = 2\n", &(9..15))),
            reason: Reason::UnknownKey { key: "wokers".into(), section: "[node]" },
            suggestion: Some("did you mean `workers`?".into()),
        };
        let problems = Problems::of(vec![problem.clone(), problem]).unwrap();
        let mut out = Vec::new();
        problems.show(&mut out, false).unwrap();
        let expected = "error: unknown key `wokers` in [node]\n --> s.toml:2:3\n  |\n2 |   wokers = 2\n  |   ^^^^^^\n  = help: did you mean `workers`?\n\n1 problem: the configuration is refused\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(
            problems.to_string(),
            "s.toml:2:3: unknown key `wokers` in [node] (did you mean `workers`?)"
        );
    }
}
