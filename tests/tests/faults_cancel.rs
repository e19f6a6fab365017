//! Fault injection: requests cancelled at random moments (being written; owner: helper "faults").
#[cfg(test)]
mod skeleton {}
