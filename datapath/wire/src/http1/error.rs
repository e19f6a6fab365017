//! Why a head is refused, and with which status.
//!
//! One enum for each side: a client is told, an upstream's fault is a 502. Messages never hold what
//! was sent.

use super::lines::LineError;
use super::target::TargetError;

/// Why a request head is refused. The connection is closed after any of these: where the next
/// request would begin is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The request line does not follow the grammar.
    #[error("the request line is malformed")]
    BadRequestLine,
    /// A line of the head ends with a line feed alone.
    #[error("a line of the head ends without a carriage return")]
    BareLf,
    /// More than one empty line came before the request line.
    #[error("the request line is missing")]
    LeadingBlank,
    /// The method is no upper-case token.
    #[error("the method is malformed")]
    BadMethod,
    /// A method that no server of ours implements.
    #[error("the method is unknown")]
    UnknownMethod,
    /// `CONNECT` or `TRACE`.
    #[error("the method is not allowed here")]
    MethodRefused,
    /// The target has characters that no target has, or a form that its method does not take.
    #[error("the request target is malformed")]
    BadTarget,
    /// The authority of an absolute target differs from `Host`.
    #[error("the request target and the host header name different hosts")]
    TargetHostMismatch,
    /// The target is longer than allowed.
    #[error("the request target is too long")]
    TargetTooLong,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the protocol version is not supported")]
    UnsupportedVersion,
    /// The head is longer than allowed.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// There are more headers than allowed.
    #[error("the request has too many headers")]
    TooManyHeaders,
    /// A name, a value or the line of a header does not follow the grammar (folded lines, white
    /// space before the colon, control characters).
    #[error("a header line is malformed")]
    BadHeader,
    /// A header that must come once came twice.
    #[error("the header `{0}` may be sent once only")]
    DuplicateHeader(&'static str),
    /// There is no `Host` in a request of HTTP/1.1.
    #[error("the host header is missing")]
    MissingHost,
    /// `Host` is no host.
    #[error("the host header is malformed")]
    BadHost,
    /// `Content-Length` is no number, or a list.
    #[error("the content length is malformed")]
    BadContentLength,
    /// `Content-Length` is beyond 64 bits.
    #[error("the content length is too large")]
    ContentLengthOverflow,
    /// `Content-Length` together with `Transfer-Encoding`.
    #[error("a content length and a transfer coding were both sent")]
    LengthWithCoding,
    /// `Transfer-Encoding` is malformed, or chunked is not its last coding.
    #[error("the transfer coding is malformed")]
    BadTransferCoding,
    /// A transfer coding other than chunked.
    #[error("the transfer coding is not supported")]
    UnknownTransferCoding,
    /// `Expect` asks for something other than `100-continue`.
    #[error("the expectation cannot be met")]
    UnknownExpectation,
}

impl RequestError {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequestLine
            | Self::BareLf
            | Self::LeadingBlank
            | Self::BadMethod
            | Self::BadTarget
            | Self::TargetHostMismatch
            | Self::BadHeader
            | Self::DuplicateHeader(_)
            | Self::MissingHost
            | Self::BadHost
            | Self::BadContentLength
            | Self::LengthWithCoding
            | Self::BadTransferCoding => 400,
            Self::MethodRefused => 405,
            Self::ContentLengthOverflow => 413,
            Self::TargetTooLong => 414,
            Self::UnknownExpectation => 417,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::UnknownMethod | Self::UnknownTransferCoding => 501,
            Self::UnsupportedVersion => 505,
        }
    }
}

impl From<LineError> for RequestError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::BareLf => Self::BareLf,
            LineError::HeadTooLong => Self::HeadTooLarge,
            LineError::FirstLineTooLong => Self::TargetTooLong,
            LineError::TooManyLines => Self::TooManyHeaders,
            LineError::LeadingBlank => Self::LeadingBlank,
        }
    }
}

impl From<TargetError> for RequestError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Malformed => Self::BadTarget,
            TargetError::OtherHost => Self::TargetHostMismatch,
        }
    }
}

/// Why a response head is refused. The upstream connection is closed after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The status line does not follow the grammar.
    #[error("the status line is malformed")]
    BadStatusLine,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the protocol version is not supported")]
    UnsupportedVersion,
    /// A status outside 100 to 599.
    #[error("the status `{0}` is out of range")]
    BadStatus(u16),
    /// `101 Switching Protocols`, which was not asked for.
    #[error("the upstream switched protocols unasked")]
    SwitchedProtocols,
    /// A line of the head ends with a line feed alone.
    #[error("a line of the head ends without a carriage return")]
    BareLf,
    /// The head is longer than allowed.
    #[error("the response head is too large")]
    HeadTooLarge,
    /// There are more headers than allowed.
    #[error("the response has too many headers")]
    TooManyHeaders,
    /// A header line does not follow the grammar.
    #[error("a header line is malformed")]
    BadHeader,
    /// A header that must come once came twice.
    #[error("the header `{0}` may be sent once only")]
    DuplicateHeader(&'static str),
    /// `Content-Length` is no number, a list, or beyond 64 bits.
    #[error("the content length is malformed")]
    BadContentLength,
    /// `Content-Length` together with `Transfer-Encoding`.
    #[error("a content length and a transfer coding were both sent")]
    LengthWithCoding,
    /// A transfer coding other than exactly `chunked`, or one in HTTP/1.0.
    #[error("the transfer coding is not supported")]
    BadTransferCoding,
    /// A status that has no body came with one.
    #[error("a response that can have no body declares one")]
    UnexpectedBody,
}

impl From<LineError> for ResponseError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::BareLf => Self::BareLf,
            LineError::HeadTooLong => Self::HeadTooLarge,
            LineError::FirstLineTooLong | LineError::LeadingBlank => Self::BadStatusLine,
            LineError::TooManyLines => Self::TooManyHeaders,
        }
    }
}
