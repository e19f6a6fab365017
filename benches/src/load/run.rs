//! The load generator as a program: threads, their shares, the figures of all.

use std::{
    cell::RefCell,
    io::{self, Write as _},
    rc::Rc,
    sync::mpsc,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

use super::{
    body::Pool,
    client::Shared,
    figures::Figures,
    options::Options,
    transport,
    worker::{self, Share, StartLine},
};
use crate::ring;

/// Runs the load and prints its figures as one line of JSON.
pub fn run(options: &Options) -> io::Result<()> {
    let figures = measure(options)?;
    writeln!(io::stdout(), "{}", figures.to_json())
}

fn measure(options: &Options) -> io::Result<Figures> {
    if options.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(io::Error::other("the rate must be above 0"));
    }
    let tls = options.tls_ca.as_deref().map(transport::tls_config).transpose()?;
    let threads = options.threads.max(1);
    let mut handles = Vec::new();
    let mut lines = Vec::new();
    for index in 0..threads {
        let cpu = options.cpus.as_deref().and_then(|cpus| cpus.iter().cycle().nth(index).copied());
        let (options, tls) = (options.clone(), tls.clone());
        let share = share(&options, index, threads);
        let (ready, is_ready) = mpsc::channel();
        let (start, go) = mpsc::channel();
        lines.push((is_ready, start));
        handles.push(ring::spawn(format!("load-{index}"), cpu, move || async move {
            let shared = Rc::new(Shared {
                target: options.target,
                tls,
                stream: options.stream,
                pool: RefCell::new(Pool::new(&options, share.seed)),
                figures: RefCell::default(),
            });
            worker::run(share, &options, shared, StartLine { ready, go }).await
        })?);
    }
    // A thread that failed before it was ready says why when it is joined; the others then find
    // their line cut.
    let all_ready = lines.iter().all(|(is_ready, _)| is_ready.recv().is_ok());
    let cpu_before = cpu_time()?;
    if all_ready {
        // A thread that died since is found when it is joined.
        for (_, start) in &lines {
            start.send(()).ok();
        }
    }
    drop(lines);
    let mut figures = Figures::default();
    for handle in handles {
        figures.merge(&handle.join().map_err(|_panic| io::Error::other("a thread panicked"))??);
    }
    figures.cpu = cpu_time()?.saturating_sub(cpu_before);
    Ok(figures)
}

/// The part of thread `index`: what does not divide goes to the first threads.
#[expect(clippy::cast_precision_loss, reason = "there are few threads")]
fn share(options: &Options, index: usize, threads: usize) -> Share {
    let part = |total: usize| total / threads + usize::from(index < total % threads);
    Share {
        connections: part(options.connections.max(threads)),
        rate: options.rate.map(|rate| rate / threads as f64),
        requests: options.requests.map(|total| {
            total / threads as u64 + u64::from((index as u64) < total % threads as u64)
        }),
        seed: options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index as u64),
    }
}

/// User and system time of this process.
fn cpu_time() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::mock;

    fn against_mock(arguments: &[&str]) -> Figures {
        let mock = mock::Options::parse_from(["mock", "--listen", "127.0.0.1:0"]);
        let target = mock::start(&mock).unwrap().address.to_string();
        let fixed = ["load", "--target", &target, "--seconds", "0.2"];
        measure(&Options::parse_from(fixed.iter().chain(arguments))).unwrap()
    }

    #[test]
    fn a_closed_loop_gets_only_good_answers() {
        for arguments in [&["--stream"][..], &["--body-bytes", "32768", "--threads", "2"]] {
            let figures = against_mock(arguments);
            assert!(figures.requests > 0 && figures.latency.count() == figures.requests);
            assert_eq!(figures.errors_total(), 0, "{:?}", figures.errors);
        }
        assert_eq!(against_mock(&["--requests", "10", "--connections", "3"]).requests, 10);
    }

    #[test]
    fn an_open_loop_sends_what_its_schedule_says() {
        let figures = against_mock(&["--rate", "500", "--arrivals", "even", "--connections", "4"]);
        // From the start to the end of 0.2 seconds, both included.
        assert_eq!((figures.requests, figures.errors_total()), (101, 0));
        assert_eq!(figures.lag.count(), 101);
    }

    #[test]
    fn wrong_answers_are_failures_by_name() {
        let figures = against_mock(&["--requests", "3", "--model", "mock-status-503"]);
        assert_eq!((figures.requests, figures.errors.get("status 503")), (0, Some(&3)));
        let figures = against_mock(&["--requests", "2", "--model", "mock-die-stream", "--stream"]);
        assert_eq!((figures.requests, figures.errors_total()), (0, 2));
    }

    #[test]
    fn a_wrong_address_is_an_error_and_not_a_hang() {
        // Port 1 of loopback: nobody listens there.
        let options = Options::parse_from(["load", "--target", "127.0.0.1:1", "--threads", "2"]);
        assert!(measure(&options).is_err());
    }

    #[test]
    fn shares_add_up() {
        let options = Options::parse_from([
            "x",
            "--target",
            "127.0.0.1:1",
            "--connections",
            "5",
            "--requests",
            "7",
        ]);
        let shares: Vec<_> = (0..2).map(|index| share(&options, index, 2)).collect();
        assert_eq!(shares.iter().map(|share| share.connections).sum::<usize>(), 5);
        assert_eq!(shares.iter().map(|share| share.requests.unwrap()).sum::<u64>(), 7);
        assert_ne!(shares[0].seed, shares[1].seed);
    }
}
