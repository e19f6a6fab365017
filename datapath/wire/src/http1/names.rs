//! The header names that this node acts on.
//!
//! PERF: length and first letter pick one candidate, so that a name costs one comparison at most.

/// A header name with a meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    ApiKey,
    Authorization,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Expect,
    Host,
    Location,
    Origin,
    RetryAfter,
    TraceParent,
    TraceState,
    TransferEncoding,
    XApiKey,
    XRequestId,
    XSluiceKey,
    XSluiceSession,
    /// For one connection only, without a meaning of its own here.
    HopByHop,
    /// Any other name.
    Other,
}

impl Known {
    /// The meaning of `name`, in any case.
    pub(super) fn of(name: &[u8]) -> Self {
        let letter = |at: usize| name.get(at).map_or(0, |byte| byte | 0x20);
        let (word, known): (&[u8], Self) = match (name.len(), letter(0)) {
            (2, b't') => (b"te", Self::HopByHop),
            (4, b'h') => (b"host", Self::Host),
            (6, b'e') => (b"expect", Self::Expect),
            (6, b'o') => (b"origin", Self::Origin),
            (7, b'a') => (b"api-key", Self::ApiKey),
            (7, b't') => (b"trailer", Self::HopByHop),
            (7, b'u') => (b"upgrade", Self::HopByHop),
            (8, b'l') => (b"location", Self::Location),
            (9, b'x') => (b"x-api-key", Self::XApiKey),
            (10, b'c') => (b"connection", Self::Connection),
            (10, b'k') => (b"keep-alive", Self::HopByHop),
            (10, b't') => (b"tracestate", Self::TraceState),
            (11, b'r') => (b"retry-after", Self::RetryAfter),
            (11, b't') => (b"traceparent", Self::TraceParent),
            (12, b'c') => (b"content-type", Self::ContentType),
            (12, b'x') if letter(2) == b'r' => (b"x-request-id", Self::XRequestId),
            (12, b'x') => (b"x-sluice-key", Self::XSluiceKey),
            (13, b'a') => (b"authorization", Self::Authorization),
            (14, b'c') => (b"content-length", Self::ContentLength),
            (16, b'c') => (b"content-encoding", Self::ContentEncoding),
            (16, b'p') => (b"proxy-connection", Self::HopByHop),
            (16, b'x') => (b"x-sluice-session", Self::XSluiceSession),
            (17, b't') => (b"transfer-encoding", Self::TransferEncoding),
            (18, b'p') => (b"proxy-authenticate", Self::HopByHop),
            (19, b'p') => (b"proxy-authorization", Self::HopByHop),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(word) { known } else { Self::Other }
    }

    /// True for headers that concern one connection only (RFC 9110 7.6.1).
    pub(super) const fn is_hop_by_hop(self) -> bool {
        matches!(self, Self::HopByHop | Self::Connection | Self::TransferEncoding)
    }

    /// False for what whoever forwards a message leaves out or writes anew.
    pub(super) const fn is_end_to_end(self) -> bool {
        !self.is_hop_by_hop() && !matches!(self, Self::ContentLength | Self::Expect)
    }
}
