//! What the processes of Sluice agree on, and nothing else.
//!
//! A *snapshot* goes down from management to the data path, audit *records* come up through one
//! shared-memory *ring* a worker, and a committed mark goes back. This crate is data and index
//! arithmetic: no sockets, no files, no threads, no clock. The one place that touches shared
//! memory is [`ring_map`].
#![warn(missing_docs)]

pub mod class;
pub mod control;
pub mod decision;
pub mod facts;
pub mod ids;
pub mod limits;
pub mod metrics;
pub mod reason;
pub mod record;
pub mod ring;
pub mod ring_map;
pub mod snapshot;
