//! From a request to a plan of bytes, pauses and hang-ups.
//!
//! Sans-I/O: `connection` carries plans out. Ordinary answers are appended to the caller's buffer
//! from templates (`Plan::Whole`); anything with a pause, a fault or a size of its own is a list of
//! steps. The mode comes from the model's name or from the path's `/mode/NAME` prefix.

use serde_json::Value;

use super::{
    body,
    fault::Mode,
    framed::{REDIRECT_TARGET, big, filler, framed, refuse},
    openai::{self, Endpoint, Reply},
    plan::{Pace, Plan, Step},
    response::Head,
    streamed::{EVENT_STREAM, streamed},
    template::{NONCE_MARK, Template},
};
use crate::{
    http::{RequestHead, push_chunk},
    nonce::nonce,
};

const PII_TEXT: &str = "Write to jane.doe@example.com; the card is 4111 1111 1111 1111 and the social \
                        security number is 536-90-4399. That is all I have on file.";

#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub head: &'a RequestHead<'a>,
    /// The head as it arrived, its empty line included.
    pub raw_head: &'a [u8],
    pub body: &'a [u8],
}

/// Renders answers; one a thread.
pub struct Answers {
    pace: Pace,
    chat: Templates,
    completion: Templates,
    counter: u32,
}

struct Templates {
    json: Template,
    stream: Template,
    stream_usage: Template,
}

impl Templates {
    fn new(endpoint: Endpoint, pace: Pace) -> Self {
        let text = plain_text(NONCE_MARK);
        let reply = |usage| Reply { endpoint, model: "mock", text: &text, usage };
        let burst = |usage| {
            let mut out = Vec::new();
            EVENT_STREAM.push(&mut out, 0);
            for event in reply(usage).events(pace.chunks) {
                push_chunk(&mut out, event.as_bytes());
            }
            push_chunk(&mut out, b"");
            Template::new(out)
        };
        Self {
            json: Template::new(Head::default().with_body(&reply(false).json(), usize::MAX)),
            stream: burst(false),
            stream_usage: burst(true),
        }
    }
}

/// About a hundred tokens of an answer, made different by one word.
fn plain_text(word: &str) -> String {
    format!(
        "The short answer is that the {word} schedule holds as long as both teams agree on \
         the order of work. Start with the part that others wait for, write down what you \
         assume, and look at it again after a week. If the first measurement surprises you, \
         trust it and ask why; most plans fail because nobody wanted to read the numbers. I \
         would keep the old path in place until the new one has carried a full day of traffic, \
         and only then remove it. Let me know if you would like a list of the steps."
    )
}

impl Answers {
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            chat: Templates::new(Endpoint::Chat, pace),
            completion: Templates::new(Endpoint::Completion, pace),
            counter: 0,
        }
    }

    /// The plan for a complete request; an ordinary answer is appended to `out`.
    pub fn answer(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Plan {
        self.counter = self.counter.wrapping_add(1);
        let (mode, path) = match route(request.head.target) {
            Ok(routed) => routed,
            Err(NoSuchMode) => return refuse(404, "no such mode"),
        };
        let named = || body::model(request.body).map_or(Ok(Mode::Plain), str::parse);
        let Ok(mode) = mode.map_or_else(named, Ok) else {
            return refuse(404, "the model name begins with `mock-` and is no mode");
        };
        match (request.head.method, path) {
            (b"POST", b"/v1/chat/completions") => self.generate(Endpoint::Chat, mode, request, out),
            (b"POST", b"/v1/completions") => {
                self.generate(Endpoint::Completion, mode, request, out)
            }
            (b"POST", b"/v1/embeddings") => {
                let value = serde_json::from_slice(request.body).unwrap_or(Value::Null);
                framed(mode, &openai::embeddings(&value))
            }
            (b"GET", b"/v1/models") => framed(mode, &openai::models()),
            (b"GET", b"/mock/stats") => Plan::Stats,
            (_, target) if target == REDIRECT_TARGET.as_bytes() => Plan::Redirected,
            _ => refuse(404, "no such endpoint"),
        }
    }

    fn generate(
        &self,
        endpoint: Endpoint,
        mode: Mode,
        request: Request<'_>,
        out: &mut Vec<u8>,
    ) -> Plan {
        let stream = body::wants_stream(request.body);
        let usage = body::wants_usage(request.body);
        let plain = self.pace.delay.is_zero() && self.pace.chunk_delay.is_zero();
        if mode == Mode::Plain && plain {
            let templates = match endpoint {
                Endpoint::Chat => &self.chat,
                Endpoint::Completion => &self.completion,
            };
            let template = match (stream, usage) {
                (false, _) => &templates.json,
                (true, false) => &templates.stream,
                (true, true) => &templates.stream_usage,
            };
            template.push(out, self.counter);
            return Plan::Whole;
        }
        let text = match mode {
            Mode::EchoBody => String::from_utf8_lossy(request.body).into_owned(),
            Mode::Headers => String::from_utf8_lossy(request.raw_head).trim_end().to_owned(),
            Mode::Pii => PII_TEXT.to_owned(),
            Mode::HugeJson(kilobytes) => filler(kilobytes.saturating_mul(1024)),
            _ => plain_text(&String::from_utf8_lossy(&nonce(self.counter))),
        };
        let model = body::model(request.body).unwrap_or("mock");
        let reply = Reply { endpoint, model, text: &text, usage };
        match mode {
            Mode::Big(megabytes) => big(&reply, stream, megabytes),
            _ if stream => streamed(mode, self.pace, &reply.events(self.pace.chunks)),
            _ => self.delayed(framed(mode, &reply.json())),
        }
    }

    fn delayed(&self, plan: Plan) -> Plan {
        match plan {
            Plan::Steps { mut steps, close } if !self.pace.delay.is_zero() => {
                steps.insert(0, Step::Pause(self.pace.delay));
                Plan::Steps { steps, close }
            }
            plan => plan,
        }
    }
}

struct NoSuchMode;

/// Takes a `/mode/NAME` prefix and a query off the target.
fn route(target: &[u8]) -> Result<(Option<Mode>, &[u8]), NoSuchMode> {
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    let Some(rest) = path.strip_prefix(b"/mode/") else {
        return Ok((None, path));
    };
    let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    let (name, path) = rest.split_at(end);
    let mode = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    mode.map(|mode| (Some(mode), path)).ok_or(NoSuchMode)
}

/// Whether a request of which only part of the body is here wants its answer already.
pub fn before_body(target: &[u8], partial_body: &[u8]) -> Option<Plan> {
    let (mode, _) = route(target).ok()?;
    let named = || body::model(partial_body).and_then(|name| name.parse().ok());
    match mode.or_else(named) {
        Some(mode @ (Mode::Early | Mode::Stall)) => Some(framed(mode, &openai::models())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
