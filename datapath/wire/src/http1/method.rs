//! Request methods.
//!
//! A closed list: what is not in it is refused before anything else is looked at.

use super::error::RequestError;

/// A method that this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `POST`.
    Post,
    /// `HEAD`.
    Head,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
    /// `PATCH`.
    Patch,
}

impl Method {
    /// The method as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
        }
    }

    pub(super) fn parse(token: &[u8]) -> Result<Self, RequestError> {
        Ok(match token {
            b"GET" => Self::Get,
            b"POST" => Self::Post,
            b"HEAD" => Self::Head,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"CONNECT" | b"TRACE" => return Err(RequestError::MethodRefused),
            _ if token.iter().any(u8::is_ascii_lowercase) => return Err(RequestError::BadMethod),
            _ => return Err(RequestError::UnknownMethod),
        })
    }
}
