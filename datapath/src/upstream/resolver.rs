//! Names to addresses, on a thread of its own: the system's resolver blocks.
//!
//! The thread is told which names there are (a bounded queue), resolves each at once and then
//! again every [`REFRESH`], and hands every answer to the workers. An error keeps the answer
//! before it (stale on error) and is tried again after [`RETRY`]. The system's resolver tells no
//! time to live, so the refresh stands in for it.

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::net::SocketAddr;
use std::time::Duration;

/// How long an answer is used before it is asked for again.
pub const REFRESH: Duration = Duration::from_secs(30);

/// How long after an error a name is asked for again.
pub const RETRY: Duration = Duration::from_secs(2);

/// Sets of names that may wait for the thread; a reload makes one.
const QUEUE: usize = 16;

/// A name to resolve.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The name.
    pub host: Host,
    /// Its addresses, at least one.
    pub addresses: Vec<SocketAddr>,
}

/// The resolver's thread, as the rest of the process sees it.
#[derive(Clone)]
pub struct Resolver {
    names: Sender<Vec<Host>>,
}

/// The resolver could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the resolver's thread")]
pub struct NoResolver(#[from] std::io::Error);

impl Resolver {
    /// Starts the thread; every answer goes through `publish`.
    pub fn start(publish: impl Fn(Resolved) + Send + 'static) -> Result<Resolver, NoResolver> {
        let (names, orders) = bounded(QUEUE);
        std::thread::Builder::new()
            .name("resolver".into())
            .spawn(move || run(&orders, &publish))?;
        Ok(Resolver { names })
    }

    /// Sets the names to resolve from now on. False where the thread is behind or gone.
    pub fn set(&self, hosts: Vec<Host>) -> bool {
        match self.names.try_send(hosts) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

fn run(orders: &Receiver<Vec<Host>>, publish: &(impl Fn(Resolved) + Send)) {
    let mut hosts: Vec<Host> = Vec::new();
    let mut wait = REFRESH;
    loop {
        match orders.recv_timeout(wait) {
            Ok(new) => hosts = new,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let mut failed = false;
        for host in &hosts {
            match resolve(host) {
                Ok(addresses) if !addresses.is_empty() => {
                    publish(Resolved { host: host.clone(), addresses });
                }
                Ok(_) => failed = true,
                Err(error) => {
                    failed = true;
                    tracing::warn!(host = %host.name, %error, "cannot resolve an upstream");
                }
            }
        }
        wait = if failed { RETRY } else { REFRESH };
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the thread that may block on names")]
fn resolve(host: &Host) -> std::io::Result<Vec<SocketAddr>> {
    use std::net::ToSocketAddrs;
    Ok((host.name.as_str(), host.port).to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_resolved() {
        let (sender, answers) = bounded(8);
        let resolver = Resolver::start(move |resolved| drop(sender.send(resolved))).unwrap();
        assert!(resolver.set(vec![Host { name: "127.0.0.1".into(), port: 7 }]));
        let answer = answers.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(answer.addresses, ["127.0.0.1:7".parse().unwrap()]);
    }
}
