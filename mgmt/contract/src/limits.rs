//! Every bound of the product in one place, and what happens there.
//!
//! A bound that an operator may move has its default here and its field in
//! [`crate::snapshot::Limits`]; the others are constants of the build.

/// Workers a node can have; the supervisor refuses more at start.
pub const WORKERS_MAX: usize = 256;

/// Distinct classes that one set of facts can hold. One more sets [`crate::facts::Flags::OVERFLOW`],
/// which every policy sees as a block.
pub const FACT_CLASSES_MAX: usize = 48;

/// Determining policies that one record names; the rest is dropped, the first ones decide.
pub const RECORD_POLICIES_MAX: usize = 8;

/// Groups of a principal; a key with more is refused when it is made.
pub const PRINCIPAL_GROUPS_MAX: usize = 16;

/// Findings that one scan can hold. One more sets [`crate::facts::Flags::OVERFLOW`].
pub const FINDINGS_MAX: usize = 4096;

/// Bytes of one audit ring slot, commit word included.
pub const RING_SLOT_BYTES: usize = 1024;

/// Bytes of a slot before its record: commit word and length.
pub const RING_SLOT_HEAD_BYTES: usize = 16;

/// The longest record that passes through a ring.
pub const RING_RECORD_BYTES_MAX: usize = RING_SLOT_BYTES - RING_SLOT_HEAD_BYTES;

/// Slots of a worker's ring (a power of two). A full ring makes requests wait up to `audit_wait`
/// and then refuses them with [`crate::reason::Reason::AuditUnavailable`].
pub const RING_SLOTS: u32 = 8192;

/// The longest record of the log. Fits a tlog-tiles entry (65,535 bytes).
pub const RECORD_BYTES_MAX: usize = 65_528;

/// The longest frame on the control socket; a longer one closes the connection.
pub const FRAME_BYTES_MAX: usize = 32 << 20;

/// Descriptors that one frame can carry.
pub const FRAME_FDS_MAX: usize = 64;

/// Default bound of a request body in bytes; a longer one is 413.
pub const BODY_BYTES: u64 = 8 << 20;

/// Default bound of an inspected (not streamed) response body in bytes; a longer one is 502.
pub const RESPONSE_BYTES: u64 = 8 << 20;

/// Default bound of a request or response head in bytes; a longer one is 431 or 502.
pub const HEAD_BYTES: usize = 32 << 10;

/// Header fields of one head; one more is 431.
pub const HEADERS_MAX: usize = 96;

/// Default bound, per worker, of bytes held for requests in flight (body, copy, tape, views);
/// above it 503 with `Retry-After`.
pub const IN_FLIGHT_BYTES: u64 = 256 << 20;

/// Bodies above this are inspected by a side thread, so that one client never stalls a core.
pub const INLINE_INSPECT_BYTES: usize = 256 << 10;

/// Bodies that may wait for the side thread of a worker; one more is 503 with `Retry-After`.
pub const SIDE_QUEUE: usize = 64;

/// Depth of a JSON body; a deeper one is 400.
pub const JSON_DEPTH: usize = 128;

/// Nodes of a JSON body; one more is 400.
pub const JSON_NODES: usize = 1 << 20;

/// Connections that one worker serves at a time; above it new ones are closed and counted.
pub const CONNECTIONS: usize = 16_384;

/// Default bound of idle upstream connections per worker and upstream.
pub const UPSTREAM_IDLE: usize = 64;

/// Default bound of concurrent connections per worker and upstream; above it 503.
pub const UPSTREAM_CONNECTIONS: usize = 4096;

/// Default time for a request head, milliseconds; after it 408 and close.
pub const HEAD_TIMEOUT_MS: u64 = 10_000;

/// Default time for a request body, milliseconds; after it 408 and close.
pub const BODY_TIMEOUT_MS: u64 = 60_000;

/// Default time that an idle keep-alive connection is kept, milliseconds.
pub const IDLE_TIMEOUT_MS: u64 = 75_000;

/// Default time that a write to a client may make no progress, milliseconds.
pub const SEND_TIMEOUT_MS: u64 = 60_000;

/// Default time for an upstream connection to be made, milliseconds; after it 502.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// Default time that an upstream may stay silent, milliseconds; after it 504.
pub const UPSTREAM_TIMEOUT_MS: u64 = 60_000;

/// Default time that a request waits for its record, milliseconds; after it 503.
pub const AUDIT_WAIT_MS: u64 = 2_000;

/// Default time that requests in flight get at an orderly stop, milliseconds.
pub const DRAIN_MS: u64 = 10_000;

/// Entries of a worker's decision cache; at the bound it is emptied.
pub const DECISION_CACHE: usize = 16_384;

/// Distinct sources of refusals that a worker counts in a second; the rest shares one line.
pub const REFUSAL_SOURCES_MAX: usize = 48;

/// Bytes of a client's own request id that are kept and sent back; a longer one is replaced.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Bytes of a model name.
pub const MODEL_BYTES_MAX: usize = 256;

/// Bytes of a session key taken from a header or a body; a longer one is cut before hashing.
pub const SESSION_BYTES_MAX: usize = 512;
