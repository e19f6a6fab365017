//! What a request's model name asks the mock to do, beside answering.
//!
//! The mode is the model's name, or, for requests that carry none, the path's prefix
//! `/mode/NAME`. A name that begins with `mock-` and is no mode is an error rather than an ordinary
//! answer: a test with a misspelt fault must not pass.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    /// The answer's text is the request body as it arrived.
    EchoBody,
    /// The answer's text is the request head as it arrived.
    Headers,
    /// The answer's text holds an e-mail address, a payment card and a social security number.
    Pii,
    Status(u16),
    Redirect,
    Gzip,
    /// Waits so many milliseconds before the head.
    Slow(u64),
    /// Reads the request and never answers.
    Hang,
    /// Never reads the rest of the request.
    Stall,
    /// Closes after half of the body.
    Die,
    /// Closes after half of the events.
    DieStream,
    /// Sends 100 and 103 before the answer.
    Interim,
    /// Answers 101 and speaks something else.
    Switch,
    /// A JSON body in chunks.
    Chunked,
    /// A body that ends with the connection.
    UntilClose,
    /// Both content-length and transfer-encoding.
    BadFraming,
    /// So many megabytes of text, streamed.
    Big(u64),
    /// So many kilobytes of text in one JSON body.
    HugeJson(u64),
    /// Answers before the request's body was read, then closes.
    Early,
}

/// No mode has this name, or its number is missing or out of range.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(model: &str) -> Result<Self, UnknownMode> {
        let Some(name) = model.strip_prefix("mock-") else {
            return Ok(Self::Plain);
        };
        Ok(match name {
            "echo-body" => Self::EchoBody,
            "headers" => Self::Headers,
            "pii" => Self::Pii,
            "redirect" => Self::Redirect,
            "gzip" => Self::Gzip,
            "hang" => Self::Hang,
            "stall" => Self::Stall,
            "die" => Self::Die,
            "die-stream" => Self::DieStream,
            "100" => Self::Interim,
            "101" => Self::Switch,
            "chunked" => Self::Chunked,
            "close" => Self::UntilClose,
            "badframing" => Self::BadFraming,
            "early" => Self::Early,
            _ => return numbered(name).ok_or(UnknownMode),
        })
    }
}

fn numbered(name: &str) -> Option<Mode> {
    let (kind, number) = name.rsplit_once('-')?;
    match kind {
        "status" => {
            number.parse().ok().filter(|status| (200..600).contains(status)).map(Mode::Status)
        }
        "slow" => number.parse().ok().map(Mode::Slow),
        "big" => number.parse().ok().map(Mode::Big),
        "huge-json" => number.parse().ok().map(Mode::HugeJson),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_modes() {
        for (name, mode) in [
            ("gpt-4o", Mode::Plain),
            ("mock", Mode::Plain),
            ("mock-echo-body", Mode::EchoBody),
            ("mock-status-503", Mode::Status(503)),
            ("mock-slow-250", Mode::Slow(250)),
            ("mock-big-50", Mode::Big(50)),
            ("mock-huge-json-900", Mode::HugeJson(900)),
            ("mock-die", Mode::Die),
            ("mock-die-stream", Mode::DieStream),
        ] {
            assert_eq!(name.parse(), Ok(mode), "{name}");
        }
    }

    #[test]
    fn a_misspelt_mode_is_an_error() {
        for name in ["mock-", "mock-dye", "mock-status-", "mock-status-x", "mock-5", "mock-slow"] {
            assert_eq!(name.parse::<Mode>(), Err(UnknownMode), "{name}");
        }
    }
}
