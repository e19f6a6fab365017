//! Credentials: validators for what literals and long runs point at.
//!
//! Three ways lead here: the fixed prefix of a provider's token, a structure (PEM, JWT, URL), and
//! a name in front of a value (`password = "..."`). The first two prove themselves; the last one
//! needs a value that is neither a placeholder nor a piece of code.

mod assignment;
mod name;
mod place;
mod structure;
mod token;
mod value;

pub(crate) use assignment::{named, run, whole};
pub(crate) use structure::structure;
pub(crate) use token::token;
