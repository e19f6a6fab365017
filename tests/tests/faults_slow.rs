//! Fault injection: slow clients beside honest ones (being written; owner: helper "faults").
#[cfg(test)]
mod skeleton {}
