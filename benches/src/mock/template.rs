//! An answer rendered once and made different each time by a nonce in its text.
//!
//! PERF: answering is one copy and eight patched bytes. The nonce keeps a proxy's caches from seeing
//! the same answer twice.

use memchr::memmem;

use crate::nonce::{NONCE_BYTES, nonce};

/// Stands in a template's text where the nonce goes.
pub const NONCE_MARK: &str = "nonce###";

#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    nonce_at: Option<usize>,
}

impl Template {
    pub fn new(bytes: Vec<u8>) -> Self {
        let nonce_at = memmem::find(&bytes, NONCE_MARK.as_bytes());
        Self { bytes, nonce_at }
    }

    pub fn push(&self, out: &mut Vec<u8>, counter: u32) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.nonce_at.map(|at| start + at)
            && let Some(place) = out.get_mut(at..at + NONCE_BYTES)
        {
            place.copy_from_slice(&nonce(counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_has_its_own_nonce_and_the_same_length() {
        let template = Template::new(b"a nonce### b".to_vec());
        let mut out = b"before".to_vec();
        template.push(&mut out, 1);
        template.push(&mut out, 2);
        assert_eq!(out.len(), 6 + 12 + 12);
        assert_ne!(out[6..18], out[18..30]);
        assert!(!out.contains(&b'#'));
    }
}
