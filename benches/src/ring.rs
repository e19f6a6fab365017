//! Pinned threads, each with an io_uring of its own.
//!
//! The ring is asked for as the data path asks for it (single issuer, deferred task work), and with
//! fewer flags where the kernel refuses. There is no fallback to epoll: a mock or a load generator
//! whose cost changed silently would spoil a comparison, so a kernel without io_uring is an error.

use std::{future::Future, io, thread};

use monoio::{IoUringDriver, Runtime, RuntimeBuilder, time::TimeDriver};

/// Entries of the submission queue: more than the operations that any of our loops starts at once.
const RING_ENTRIES: u32 = 4096;

type TimedRuntime = Runtime<TimeDriver<IoUringDriver>>;

/// Starts a named thread, on `cpu` when one is given, and runs the future that `start` makes there.
pub fn spawn<T, F, S>(
    name: String,
    cpu: Option<usize>,
    start: S,
) -> io::Result<thread::JoinHandle<io::Result<T>>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>>,
    S: FnOnce() -> F + Send + 'static,
{
    thread::Builder::new().name(name).spawn(move || {
        if let Some(cpu) = cpu {
            monoio::utils::bind_to_cpu_set([cpu]).map_err(io::Error::from)?;
        }
        runtime()?.block_on(start())
    })
}

/// The runtime must be made on the thread that drives it: a single-issuer ring belongs to it.
fn runtime() -> io::Result<TimedRuntime> {
    let mut deferred = io_uring::IoUring::builder();
    deferred.setup_single_issuer().setup_defer_taskrun();
    let mut cooperative = io_uring::IoUring::builder();
    cooperative.setup_coop_taskrun().setup_taskrun_flag();
    build(deferred).or_else(|_| build(cooperative)).or_else(|_| build(io_uring::IoUring::builder()))
}

fn build(ring: io_uring::Builder) -> io::Result<TimedRuntime> {
    RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(RING_ENTRIES)
        .uring_builder(ring)
        .enable_timer()
        .build()
}

/// A list of cores as taskset writes it: `0`, `0,2`, `0-3`.
pub fn parse_cpus(list: &str) -> Result<Vec<usize>, String> {
    let number = |text: &str| {
        text.parse::<usize>().ok().filter(|&cpu| cpu < 1024).ok_or(format!("`{text}` is no core"))
    };
    let mut cpus = Vec::new();
    for part in list.split(',') {
        match part.split_once('-') {
            Some((first, last)) => cpus.extend(number(first)?..=number(last)?),
            None => cpus.push(number(part)?),
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_read_as_taskset_writes_them() {
        assert_eq!(parse_cpus("1"), Ok(vec![1]));
        assert_eq!(parse_cpus("0,2-4"), Ok(vec![0, 2, 3, 4]));
        assert!(parse_cpus("").is_err() && parse_cpus("a").is_err());
    }

    #[test]
    fn a_thread_runs_its_future_to_the_end() {
        let thread = spawn("ring-test".to_owned(), None, || async { Ok(7) }).unwrap();
        assert_eq!(thread.join().unwrap().unwrap(), 7);
    }
}
