//! The closed list of reasons for which a request is refused, with status and code.
//!
//! Every refusal is counted by its reason, in `sluice_refusals_total{reason}` and in refusal
//! records.

macro_rules! reasons {
    ($($id:literal $name:ident $code:literal $status:literal $kind:literal;)*) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`, status ", stringify!($status))] $name = $id,)*
        }

        impl Reason {
            /// Every reason, by number.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// `error.code`, and the label of the metric.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// The status that the client sees.
            pub const fn status(self) -> u16 {
                match self { $(Reason::$name => $status,)* }
            }

            /// `error.type`.
            pub const fn kind(self) -> &'static str {
                match self { $(Reason::$name => $kind,)* }
            }

            /// The reason with this number.
            pub fn from_number(number: u16) -> Option<Reason> {
                Reason::ALL.iter().copied().find(|reason| *reason as u16 == number)
            }
        }
    };
}

reasons! {
    // The client's doing: 1..=63.
    1 BadRequest "bad_request" 400 "invalid_request_error";
    2 InvalidJson "invalid_json" 400 "invalid_request_error";
    3 InvalidBody "invalid_body" 400 "invalid_request_error";
    4 BodyTooLarge "body_too_large" 413 "invalid_request_error";
    5 HeadTooLarge "head_too_large" 431 "invalid_request_error";
    6 UnknownPath "unknown_path" 404 "invalid_request_error";
    7 MethodNotAllowed "method_not_allowed" 405 "invalid_request_error";
    8 UnsupportedMediaType "unsupported_media_type" 415 "invalid_request_error";
    9 InvalidApiKey "invalid_api_key" 401 "authentication_error";
    10 ModelNotAllowed "model_not_allowed" 403 "permission_error";
    11 ModelNotFound "model_not_found" 404 "invalid_request_error";
    12 ForeignOrigin "foreign_origin" 403 "permission_error";
    13 RequestTimeout "request_timeout" 408 "invalid_request_error";
    14 HttpVersion "http_version_not_supported" 505 "invalid_request_error";
    15 ExpectationFailed "expectation_failed" 417 "invalid_request_error";
    16 UriTooLong "uri_too_long" 414 "invalid_request_error";
    17 NotImplemented "not_implemented" 501 "invalid_request_error";
    18 LengthRequired "length_required" 411 "invalid_request_error";
    // Policy: 64..=95.
    64 Policy "blocked_by_policy" 403 "policy_violation";
    65 ResponsePolicy "response_blocked_by_policy" 403 "policy_violation";
    // Ours: 96..=127.
    96 AuditUnavailable "audit_unavailable" 503 "service_unavailable";
    97 Overloaded "overloaded" 503 "service_unavailable";
    98 Draining "draining" 503 "service_unavailable";
    99 Internal "internal_error" 500 "server_error";
    100 NotReady "not_ready" 503 "service_unavailable";
    // The upstream's: 128..=159.
    128 UpstreamUnreachable "upstream_unreachable" 502 "upstream_error";
    129 UpstreamTimeout "upstream_timeout" 504 "upstream_error";
    130 UpstreamProtocol "upstream_protocol_error" 502 "upstream_error";
    131 UpstreamEncoded "upstream_encoded" 502 "upstream_error";
    132 UpstreamRedirect "upstream_redirect" 502 "upstream_error";
    133 UpstreamTooLarge "upstream_response_too_large" 502 "upstream_error";
    134 UpstreamUninspectable "upstream_response_not_inspectable" 502 "upstream_error";
    135 UpstreamAddressRefused "upstream_address_refused" 502 "upstream_error";
    136 UpstreamBusy "upstream_busy" 503 "service_unavailable";
}

impl Reason {
    /// Whether a client may send the same request again: not where policy or the request itself
    /// is the cause. Goes out as `x-should-retry`.
    pub const fn may_retry(self) -> bool {
        matches!(
            self,
            Reason::AuditUnavailable
                | Reason::Overloaded
                | Reason::Draining
                | Reason::NotReady
                | Reason::UpstreamUnreachable
                | Reason::UpstreamTimeout
                | Reason::UpstreamBusy
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(*reason as u16), Some(*reason));
        }
    }

    #[test]
    fn policy_blocks_are_never_retried() {
        assert!(!Reason::Policy.may_retry() && Reason::Policy.status() == 403);
    }
}
