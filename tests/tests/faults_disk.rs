//! Fault injection: a full disk (being written; owner: helper "faults").
#[cfg(test)]
mod skeleton {}
