//! `make bench`: Sluice against nginx and against no proxy at all, in the same run.
//!
//! Flow: `run` starts the mock and every subject (`subject`, `nginx`, `sluice`), checks by `verify`
//! that each one does its work, then measures `scenario` after `scenario` in interleaved rounds
//! (`measure`) and hands the samples to `results`, which makes the table, the CSV and the `chart`.
//! The yardstick is CPU time a request of all the subject's processes, as `proc` reads it: it does
//! not depend on how busy the machine is otherwise, as throughput and latency do.
//! Every child is ended by its process id, whatever ends the run (`child`).

mod chart;
mod child;
mod error;
mod host;
mod interrupt;
mod measure;
mod nginx;
mod options;
mod proc;
mod results;
mod run;
mod scenario;
mod sluice;
mod subject;
mod verify;

pub use error::HarnessError;
pub use options::Options;
pub use run::run;
