//! An inspection for a person: the text with its findings marked, then what they are.

use sluice_detectors::{HIGH, Inspection, MEDIUM};
use std::io::{self, Write};

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const MARK: &str = "\x1b[1;37;41m";
const RESET: &str = "\x1b[0m";

/// Writes `inspection` of `text`; in colour, or with `[ ]` around findings.
pub fn show(
    out: &mut dyn Write,
    text: &str,
    inspection: &Inspection,
    colour: bool,
) -> io::Result<()> {
    let paint = |code: &'static str| if colour { code } else { "" };
    let (open, close) = if colour { (MARK, RESET) } else { ("[", "]") };
    let mut characters = text.chars().enumerate().peekable();
    for finding in &inspection.findings {
        while let Some((_, c)) = characters.next_if(|(at, _)| *at < finding.start) {
            write(out, c)?;
        }
        write!(out, "{open}")?;
        while let Some((_, c)) = characters.next_if(|(at, _)| *at < finding.end) {
            write(out, c)?;
        }
        write!(out, "{close}")?;
    }
    for (_, c) in characters {
        write(out, c)?;
    }
    writeln!(out, "\n")?;

    if inspection.findings.is_empty() {
        writeln!(out, "{}no findings{}", paint(DIM), paint(RESET))?;
    }
    for finding in &inspection.findings {
        writeln!(
            out,
            "{}{:<32}{} {:>3} %  characters {} to {}",
            paint(BOLD),
            finding.class,
            paint(RESET),
            finding.confidence,
            finding.start,
            finding.end
        )?;
    }
    for &(name, value) in &inspection.scores {
        if value == 0 {
            continue;
        }
        let tone = match value {
            HIGH.. => paint(RED),
            MEDIUM.. => paint(YELLOW),
            _ => "",
        };
        let bar = "█".repeat(usize::from(value / 5));
        writeln!(out, "{name:<32} {:.2}   {tone}{bar}{}", f64::from(value) / 100.0, paint(RESET))?;
    }
    if !inspection.flags.is_empty() {
        writeln!(out, "{}flags: {}{}", paint(DIM), inspection.flags.join(", "), paint(RESET))?;
    }
    Ok(())
}

/// What a terminal would act on, or hide, is shown by its name.
fn write(out: &mut dyn Write, c: char) -> io::Result<()> {
    let hidden = c.is_control() && c != '\n' && c != '\t'
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    if hidden { write!(out, "{}", c.escape_unicode()) } else { write!(out, "{c}") }
}
