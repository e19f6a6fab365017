//! Fault injection: every process may be killed at any moment (being written; owner: helper "faults").
#[cfg(test)]
mod skeleton {}
