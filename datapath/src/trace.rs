//! Request ids and W3C trace context: taken from the client where they are sound, made otherwise.
//!
//! A client's own id is bounded, sent back as it came, and recorded only as a keyed hash.
//! Source: W3C Trace Context, level 1.

use crate::govern::opaque_id_128;
use crate::plan::Plan;
use arrayvec::ArrayVec;
use sluice_contract::limits::REQUEST_ID_BYTES_MAX;

/// Bytes of a `traceparent` header.
const TRACEPARENT_BYTES: usize = 55;

/// Bytes of a `tracestate` header that is passed on.
const TRACESTATE_BYTES_MAX: usize = 512;

/// Makes random-looking ids without a system call each: a counter through a keyed permutation.
pub struct Ids {
    key: [u8; 32],
    next: u64,
}

impl Ids {
    /// Ids under a random `key`.
    pub fn new(key: [u8; 32]) -> Ids {
        Ids { key, next: 0 }
    }

    /// Two times sixteen bytes that nobody can guess and that do not repeat.
    pub fn next(&mut self) -> ([u8; 16], [u8; 16]) {
        self.next = self.next.wrapping_add(1);
        let hash = blake3::keyed_hash(&self.key, &self.next.to_le_bytes());
        let half = |half: Option<&[u8; 16]>| half.copied().unwrap_or_default();
        (half(hash.as_bytes().first_chunk()), half(hash.as_bytes().last_chunk()))
    }
}

/// The ids of one request.
#[derive(Clone, Default)]
#[expect(clippy::struct_field_names, reason = "`trace_id` is the standard's own word")]
pub struct Trace {
    /// `x-request-id`, as the client sees it.
    pub request_id: ArrayVec<u8, REQUEST_ID_BYTES_MAX>,
    /// The same for the record.
    pub request_id_recorded: [u8; 16],
    /// The request id is the client's own.
    pub is_client_id: bool,
    /// Trace id.
    pub trace_id: [u8; 16],
    /// `traceparent` towards the upstream.
    pub parent: ArrayVec<u8, TRACEPARENT_BYTES>,
}

fn hex(out: &mut ArrayVec<u8, TRACEPARENT_BYTES>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            let digit = HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            // The buffer holds a whole header.
            if !out.is_full() {
                out.push(digit);
            }
        }
    }
}

fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    if text.len() != N * 2 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |digit: Option<&u8>| match digit? {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = digit(pair.first())? << 4 | digit(pair.last())?;
    }
    Some(out)
}

/// Reads a `traceparent`: trace id and flags.
fn parse_parent(header: &[u8]) -> Option<([u8; 16], [u8; 1])> {
    if header.len() != TRACEPARENT_BYTES || !header.starts_with(b"00-") {
        return None;
    }
    let dashes = [header.get(35)?, header.get(52)?];
    let trace: [u8; 16] = unhex(header.get(3..35)?)?;
    let parent: [u8; 8] = unhex(header.get(36..52)?)?;
    let flags: [u8; 1] = unhex(header.get(53..55)?)?;
    let sound = dashes == [&b'-', &b'-'] && trace != [0; 16] && parent != [0; 8];
    sound.then_some((trace, flags))
}

/// Whether a `tracestate` may be passed on.
pub fn is_sound_state(state: &[u8]) -> bool {
    state.len() <= TRACESTATE_BYTES_MAX && state.iter().all(|byte| (b' '..0x7f).contains(byte))
}

impl Trace {
    /// The ids of a request with these headers.
    pub fn of(
        plan: &Plan,
        ids: &mut Ids,
        request_id: Option<&[u8]>,
        traceparent: Option<&[u8]>,
    ) -> Trace {
        let (own, own_trace) = ids.next();
        let mut trace = Trace::default();
        let client_id = request_id.filter(|id| {
            !id.is_empty()
                && id.len() <= REQUEST_ID_BYTES_MAX
                && id.iter().all(u8::is_ascii_graphic)
        });
        if let Some(id) = client_id {
            trace.request_id.extend(id.iter().copied());
            trace.request_id_recorded = opaque_id_128(plan, "request_id", id);
            trace.is_client_id = true;
        } else {
            let mut text = ArrayVec::<u8, TRACEPARENT_BYTES>::new();
            hex(&mut text, &own);
            trace.request_id.extend(b"req_".iter().copied());
            trace.request_id.extend(text);
            trace.request_id_recorded = own;
        }
        let given = traceparent.and_then(parse_parent);
        let (trace_id, flags) = given.unwrap_or((own_trace, [1]));
        trace.trace_id = trace_id;
        trace.parent.extend(b"00-".iter().copied());
        hex(&mut trace.parent, &trace_id);
        trace.parent.push(b'-');
        hex(&mut trace.parent, own.first_chunk::<8>().unwrap_or(&[1; 8]));
        trace.parent.push(b'-');
        hex(&mut trace.parent, &flags);
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_parent_is_read_and_others_are_not() {
        let sound = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (trace, flags) = parse_parent(sound).unwrap();
        assert_eq!((trace[0], flags), (0x0a, [1]));
        for bad in [
            &b"00-00000000000000000000000000000000-b7ad6b7169203331-01"[..],
            b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            b"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            b"",
        ] {
            assert!(parse_parent(bad).is_none());
        }
    }

    #[test]
    fn ids_do_not_repeat() {
        let mut ids = Ids::new([7; 32]);
        let some: std::collections::BTreeSet<_> =
            (0..1000).map(|_| ids.next()).flat_map(|(a, b)| [a, b]).collect();
        assert_eq!(some.len(), 2000);
    }
}
