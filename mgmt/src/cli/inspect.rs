//! `sluice inspect`.

use super::{EXIT_USAGE, output};
use crate::inspect::{InspectError, Inspector, Summary};
use sluice_contract::facts::Origin;
use std::io::{self, BufReader, Read, Write};
use std::process::ExitCode;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(clap::Args, Debug)]
pub struct Inspect {
    /// Answer JSON lines `{"id", "text", "origin"}` on standard input, one for one.
    #[arg(long, conflicts_with_all = ["text", "origin"])]
    jsonl: bool,
    /// Text to inspect; standard input without.
    text: Option<String>,
    /// Where the text comes from.
    #[arg(long, default_value = "user", value_parser = origin)]
    origin: Origin,
}

fn origin(name: &str) -> Result<Origin, String> {
    Origin::by_name(name).ok_or_else(|| {
        let known = Origin::ALL.map(Origin::name).join(", ");
        format!("one of {known}")
    })
}

impl Inspect {
    pub fn run(self) -> ExitCode {
        let mut inspector = match Inspector::new() {
            Ok(inspector) => inspector,
            Err(error) => {
                output::complain(&InspectError::from(error));
                return ExitCode::from(EXIT_USAGE);
            }
        };
        output::print(|out| {
            let done = if self.jsonl {
                lines(&mut inspector, out)
            } else {
                self.show(&mut inspector, out)
            };
            match done {
                Ok(code) => Ok(code),
                Err(InspectError::Io(error)) => Err(error),
                Err(error @ InspectError::Engine(_)) => Err(io::Error::other(error)),
            }
        })
    }

    fn show(
        self,
        inspector: &mut Inspector,
        out: &mut dyn Write,
    ) -> Result<ExitCode, InspectError> {
        let text = match self.text {
            Some(text) => text,
            None => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes)?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        inspector.show(self.origin, &text, out, output::in_colour())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn lines(inspector: &mut Inspector, out: &mut dyn Write) -> Result<ExitCode, InspectError> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock());
    let summary = inspector.lines(&mut input, out, &mut io::stderr().lock())?;
    let Summary { unreadable, unknown_origins, .. } = summary;
    if unknown_origins > 0 {
        let message = format!("{unknown_origins} lines of unknown origin were inspected as `user`");
        output::complain(&message);
    }
    if unreadable > 0 {
        output::complain(&format!("{unreadable} lines could not be read"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
