//! Standard output and standard error of commands.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Runs `write` on standard output, locked and buffered. A reader that went away is no failure.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<ExitCode>) -> ExitCode {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let done = write(&mut out).and_then(|code| out.flush().map(|()| code));
    match done {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is left in the buffer has nobody to go to.
            drop(out.into_parts());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(super::EXIT_USAGE)
        }
    }
}

/// Says on standard error what went wrong.
pub fn complain(error: &dyn Display) {
    // Where standard error is gone too, the exit code has to do.
    drop(writeln!(io::stderr().lock(), "sluice: {error}"));
}

/// Whether standard output shows colours.
pub fn in_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
