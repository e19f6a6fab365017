//! `sluice inspect`: what the data path's detectors see in a text, for scripts and for people.
//!
//! ```text
//! {"id":1,"text":"…","origin":"user"}
//!   -> {"id":1,"findings":[{"class","start","end","confidence"}],"scores":{…},"flags":[…]}
//! ```
//! `start` and `end` count Unicode code points of `text`. Half of a surrogate pair, which JSON can
//! say and UTF-8 cannot, counts as one code point and is inspected as U+FFFD. A line that cannot be
//! read is told on standard error with its number, has no answer, and the rest goes on.
//!
//! The engine is the data path's own; nothing is decided here, and nothing kept.

mod line;
mod show;

pub use line::Origins;

use line::Line;
use sluice_contract::facts::Origin;
use sluice_detectors::{Inspection, Pack, PackError, Scanner, inspect_text};
use std::io::{self, BufRead, Write};
use std::sync::Arc;

/// Why inspection stopped.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The engine could not be made.
    #[error("detectors: {0}")]
    Engine(#[from] PackError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What became of the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Lines answered.
    pub answered: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// Lines with an origin that this build does not know, inspected as a user's.
    pub unknown_origins: u64,
}

/// The engine.
pub struct Inspector {
    scanner: Scanner,
}

impl Inspector {
    /// Compiles the patterns of this build.
    pub fn new() -> Result<Inspector, PackError> {
        Ok(Inspector { scanner: Scanner::new(Arc::new(Pack::compile()?))? })
    }

    fn inspect(&mut self, origin: Origin, text: &str) -> Inspection {
        inspect_text(&mut self.scanner, text, origin)
    }

    /// Answers each line of `input` on `output`; what is wrong with a line goes to `errors`.
    pub fn lines(
        &mut self,
        input: &mut dyn BufRead,
        output: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> Result<Summary, InspectError> {
        let mut summary = Summary::default();
        let mut bytes = Vec::new();
        for number in 1_u64.. {
            bytes.clear();
            if input.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match Line::parse(&bytes) {
                Ok(line) => {
                    let origin = match line.origin {
                        Origins::Known(origin) => origin,
                        Origins::Unknown => {
                            summary.unknown_origins += 1;
                            Origin::User
                        }
                    };
                    let inspection = self.inspect(origin, &line.text);
                    line::answer(output, &line.id, &inspection)?;
                    summary.answered += 1;
                }
                Err(error) => {
                    // The parser's words hold no content, only what it expected and where.
                    writeln!(errors, "line {number}: {error}")?;
                    summary.unreadable += 1;
                }
            }
        }
        output.flush()?;
        Ok(summary)
    }

    /// Shows to a person what is in `text`.
    pub fn show(
        &mut self,
        origin: Origin,
        text: &str,
        output: &mut dyn Write,
        colour: bool,
    ) -> Result<(), InspectError> {
        let inspection = self.inspect(origin, text);
        show::show(output, text, &inspection, colour)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
