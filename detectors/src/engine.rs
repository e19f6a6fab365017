//! The two passes that find candidates: Hyperscan for literals, or a filter by their rarest bytes
//! where the CPU has what it takes, and a SIMD classifier for kinds of bytes. None decides
//! anything; what they point at is validated by hand.

pub(crate) mod anchors;
pub(crate) mod hyperscan;
pub(crate) mod scalar;
pub(crate) mod simd;

/// Bytes that one set of masks speaks of.
pub(crate) const BLOCK: usize = 64;

/// What kinds of bytes a block of 64 holds; bit `i` is byte `i`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Masks {
    /// `0-9`.
    pub(crate) digit: u64,
    /// `@`.
    pub(crate) at: u64,
    /// `%`, `&`, `\`: may begin an escape.
    pub(crate) escape: u64,
    /// `A-Z a-z 0-9 + / - _`: the alphabets of base64 and of hex.
    pub(crate) base64: u64,
    /// Bytes above 127.
    pub(crate) high: u64,
}
