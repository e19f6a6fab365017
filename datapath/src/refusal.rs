//! Refusals: why a request is not served, and the answer that says so in the client's own format.
//!
//! The reasons, their statuses and codes are a closed list in the contract; here they get a message
//! that tells what, where and what to do. No message holds content.

use sluice_contract::class::Class;
use sluice_contract::reason::Reason;
use sluice_wire::dialects::openai::{ErrorObject, openai_error};
use sluice_wire::dialects::{DialectError, RouteError};
use sluice_wire::http1::{BodyError, RequestError};
use sluice_wire::json::{JsonError, JsonErrorKind};
use std::borrow::Cow;

/// Why a request is not served.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The reason: status, code, metric.
    pub reason: Reason,
    /// What, where, what to do.
    pub message: Cow<'static, str>,
    /// JSON path of the fault.
    pub param: Option<String>,
    /// Classes that led to it.
    pub classes: Vec<Class>,
    /// Policy that decided.
    pub policy: Option<String>,
    /// The connection can't go on: where the next request starts is not known.
    pub closes: bool,
    /// `Allow` header of a 405.
    pub allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal with a message.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal {
            reason,
            message: message.into(),
            param: None,
            classes: Vec::new(),
            policy: None,
            closes: false,
            allow: None,
        }
    }

    /// The same, and the connection is closed after it.
    #[must_use]
    pub fn closing(mut self) -> Refusal {
        self.closes = true;
        self
    }

    /// The same, at the JSON path `param`.
    #[must_use]
    pub fn at(mut self, param: String) -> Refusal {
        self.param = (!param.is_empty()).then_some(param);
        self
    }

    /// Writes the error object.
    pub fn write_body(&self, out: &mut Vec<u8>, record: Option<&str>) {
        let classes: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
        openai_error(
            out,
            &ErrorObject {
                message: &self.message,
                kind: self.reason.kind(),
                param: self.param.as_deref(),
                code: Some(self.reason.code()),
                classes: &classes,
                policy: self.policy.as_deref(),
                record,
            },
        );
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Refusal {
        let reason = match error.status() {
            405 => Reason::MethodNotAllowed,
            413 => Reason::BodyTooLarge,
            414 => Reason::UriTooLong,
            417 => Reason::ExpectationFailed,
            431 => Reason::HeadTooLarge,
            501 => Reason::NotImplemented,
            505 => Reason::HttpVersion,
            _ => Reason::BadRequest,
        };
        Refusal::new(reason, error.to_string()).closing()
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        let reason = match error {
            BodyError::TooLarge { .. } => Reason::BodyTooLarge,
            BodyError::TrailersTooLarge => Reason::HeadTooLarge,
            _ => Reason::BadRequest,
        };
        Refusal::new(reason, error.to_string()).closing()
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Refusal {
        match error {
            RouteError::NotFound => Refusal::new(
                Reason::UnknownPath,
                "unknown path; served are POST /v1/chat/completions, /v1/completions, \
                 /v1/embeddings and GET /v1/models",
            ),
            RouteError::MethodNotAllowed { allow } => {
                let mut refusal =
                    Refusal::new(Reason::MethodNotAllowed, format!("this path takes {allow}"));
                refusal.allow = Some(allow);
                refusal
            }
        }
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Refusal {
        let reason = match error.kind {
            JsonErrorKind::TooLarge => Reason::BodyTooLarge,
            _ => Reason::InvalidJson,
        };
        let param = match &error.kind {
            JsonErrorKind::DuplicateKey { path } => path.clone(),
            _ => String::new(),
        };
        Refusal::new(reason, error.to_string()).at(param)
    }
}

impl From<DialectError> for Refusal {
    fn from(error: DialectError) -> Refusal {
        Refusal::new(Reason::InvalidBody, error.message).at(error.param)
    }
}
