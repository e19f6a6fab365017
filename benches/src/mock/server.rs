//! The mock as a program: options, listening sockets, one thread a core.
//!
//! Every thread has its own `SO_REUSEPORT` socket and ring; they share nothing but counters. The
//! sockets are bound before any thread starts, so that an address in use is an error of the program
//! and port 0 is one port for all threads.

use std::{
    cell::RefCell,
    io::{self, Write as _},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use monoio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    answer::Answers,
    connection::{self, Shared},
    plan::Pace,
    stats::Stats,
};
use crate::ring;

const BACKLOG: i32 = 4096;

/// A fast OpenAI-compatible upstream for benchmarks and tests.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "sluice-mock")]
pub struct Options {
    /// Address to listen on; port 0 chooses one and prints it.
    #[arg(long, default_value = "127.0.0.1:9100")]
    pub listen: SocketAddr,
    /// Threads, each with a listening socket and ring of its own.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Cores to pin threads to, in turn (`0,2-3`); left out, threads are not pinned.
    #[arg(long, value_parser = ring::parse_cpus)]
    pub cpus: Option<std::vec::Vec<usize>>,
    /// Events of a streamed answer, before `[DONE]`.
    #[arg(long, default_value_t = 34)]
    pub chunks: usize,
    /// Wait between streamed events.
    #[arg(long, default_value_t = 0)]
    pub chunk_delay_ms: u64,
    /// Wait before an answer.
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u64,
}

/// A mock that is listening.
pub struct Server {
    pub address: SocketAddr,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

/// Serves until a thread fails; says `listening ADDRESS` on standard output when it is ready.
pub fn run(options: &Options) -> io::Result<()> {
    let server = start(options)?;
    writeln!(io::stdout(), "listening {}", server.address)?;
    io::stdout().flush()?;
    for thread in server.threads {
        thread.join().map_err(|_panic| io::Error::other("a thread panicked"))??;
    }
    Ok(())
}

/// Starts the threads; they serve as long as the process lives.
pub fn start(options: &Options) -> io::Result<Server> {
    let pace = Pace {
        chunks: options.chunks,
        chunk_delay: Duration::from_millis(options.chunk_delay_ms),
        delay: Duration::from_millis(options.delay_ms),
    };
    let first = listen(options.listen)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..options.threads {
        listeners.push(listen(address)?);
    }
    let stats = Arc::new(Stats::default());
    let mut threads = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let cpu = options.cpus.as_deref().and_then(|cpus| cpus.iter().cycle().nth(index).copied());
        let stats = Arc::clone(&stats);
        threads.push(ring::spawn(format!("mock-{index}"), cpu, move || {
            accept(listener, pace, stats)
        })?);
    }
    Ok(Server { address, threads })
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn accept(listener: std::net::TcpListener, pace: Pace, stats: Arc<Stats>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let shared = Rc::new(Shared { answers: RefCell::new(Answers::new(pace)), stats });
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Rc::clone(&shared);
                monoio::spawn(async move { connection::serve(stream, &shared).await });
            }
            // Out of descriptors, or the client was gone already: neither is an end of serving.
            Err(_) => monoio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[cfg(test)]
mod tests;
