//! What the load generator is asked to do.

use std::{net::SocketAddr, path::PathBuf};

use crate::ring;

/// When an open loop's requests are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// At equal distances.
    Even,
    /// As from many independent clients.
    Poisson,
}

/// Sends chat requests, every one with a different text, and prints one JSON object of figures.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "sluice-load")]
pub struct Options {
    /// Address of the server or proxy.
    #[arg(long)]
    pub target: SocketAddr,
    /// `Host` header; the target when left out.
    #[arg(long)]
    pub host: Option<String>,
    /// Speak TLS and trust the certificates of this PEM file only; the name is `localhost`.
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Connections: in a closed loop each sends its next request when the last was answered, in an
    /// open loop they bound the requests in flight.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// Open loop at so many requests a second; a closed loop when left out.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Arrivals of an open loop.
    #[arg(long, value_enum, default_value_t = Arrivals::Poisson)]
    pub arrivals: Arrivals,
    /// How long to send.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Stop a closed loop after so many requests, if that comes first.
    #[arg(long)]
    pub requests: Option<u64>,
    /// Size of a request's body.
    #[arg(long, default_value_t = 2048)]
    pub body_bytes: usize,
    /// Ask for a stream.
    #[arg(long)]
    pub stream: bool,
    /// Put a payment card's number into each request.
    #[arg(long)]
    pub with_card: bool,
    #[arg(long, default_value = "bench")]
    pub model: String,
    /// Value of `Authorization: Bearer`.
    #[arg(long, default_value = "sk-bench")]
    pub bearer: String,
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Cores to pin threads to, in turn.
    #[arg(long, value_parser = ring::parse_cpus)]
    pub cpus: Option<std::vec::Vec<usize>>,
    /// Different seeds give different texts and arrivals.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}
