//! Upstream connections of one worker: idle ones are kept, newest first, and taken again.
//!
//! An idle connection stays armed for reading, so a connection that its upstream closed is seen
//! before it is taken. Making a connection is a task of its own: a client that leaves meanwhile
//! leaves the connection to the pool instead of tearing it down half-way.

use super::address;
use super::resolver::{Host, Resolved};
use crate::counters::Counters;
use crate::deadline::Deadlines;
use crate::link::Link;
use crate::plan::Plan;
use crate::signal::Signal;
use crate::tls::Tls;
use hashbrown::HashMap;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use sluice_contract::metrics::Counter;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Its name has no address (yet).
    #[error("its name does not resolve")]
    Unresolved,
    /// Every address of its name is one that may not be connected to.
    #[error("its name resolves to an address that is not allowed")]
    AddressRefused,
    /// Connecting failed.
    #[error("it cannot be connected to")]
    Unreachable,
    /// The TLS handshake failed.
    #[error("its tls handshake failed")]
    Tls,
    /// All its connections are in use.
    #[error("all its connections are in use")]
    Busy,
}

/// What a connection needs to be made.
struct Recipe {
    host: Host,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    allow_link_local: bool,
    connect_timeout: Duration,
}

/// Idle and counted connections of one upstream.
#[derive(Default)]
struct Pool {
    idle: RefCell<Vec<Link>>,
    in_use: Cell<usize>,
}

/// Every pool of a worker, and the addresses that the resolver told.
pub struct Pools {
    by_name: RefCell<HashMap<String, Rc<Pool>>>,
    addresses: RefCell<HashMap<(String, u16), Vec<SocketAddr>>>,
    next_address: Cell<usize>,
    deadlines: Rc<Deadlines>,
    counters: Rc<Counters>,
}

/// A connection in use. Dropping it closes it; [`Lease::keep`] gives it back.
pub struct Lease {
    link: Option<Link>,
    pool: Rc<Pool>,
    idle_bound: usize,
    /// Taken from the pool rather than made: it may turn out to be closed.
    pub reused: bool,
}

impl Lease {
    /// The connection; `None` only after it was given back.
    pub fn link(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    /// Gives the connection back for another request.
    pub fn keep(mut self) {
        let Some(mut link) = self.link.take() else { return };
        if !link.is_quiet() {
            return;
        }
        link.watch().rest();
        // From now on the pool sees it when the upstream closes.
        link.arm();
        let mut idle = self.pool.idle.borrow_mut();
        if idle.len() < self.idle_bound {
            idle.push(link);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.in_use.set(self.pool.in_use.get().saturating_sub(1));
    }
}

/// The connection that a task makes, and whether anybody still waits for it.
struct Pending {
    result: RefCell<Option<Result<Lease, UpstreamError>>>,
    signal: Signal,
}

impl Pools {
    /// Empty pools.
    pub fn new(deadlines: Rc<Deadlines>, counters: Rc<Counters>) -> Pools {
        Pools {
            by_name: RefCell::default(),
            addresses: RefCell::default(),
            next_address: Cell::new(0),
            deadlines,
            counters,
        }
    }

    /// Takes an answer of the resolver.
    pub fn resolved(&self, resolved: Resolved) {
        let Host { name, port } = resolved.host;
        self.addresses.borrow_mut().insert((name, port), resolved.addresses);
    }

    /// Lets go of idle connections that their upstream closed, or spoke on without being asked.
    pub fn tick(&self) {
        for pool in self.by_name.borrow().values() {
            pool.idle.borrow_mut().retain_mut(Link::is_quiet);
        }
    }

    /// Drops every idle connection: the next request makes a new one. For reloads, as certificates
    /// and addresses may have changed.
    pub fn clear(&self) {
        self.by_name.borrow_mut().clear();
    }

    fn pool(&self, name: &str) -> Rc<Pool> {
        if let Some(pool) = self.by_name.borrow().get(name) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(Pool::default());
        self.by_name.borrow_mut().insert(name.to_owned(), Rc::clone(&pool));
        pool
    }

    /// A connection to the upstream at `index` of `plan`: an idle one, or (where `fresh` asks for
    /// that, or there is none) a new one.
    pub async fn lease(
        self: &Rc<Self>,
        plan: &Plan,
        index: usize,
        fresh: bool,
    ) -> Result<Lease, UpstreamError> {
        let (Some(upstream), Some(prepared)) =
            (plan.snapshot.upstreams.get(index), plan.upstreams.get(index))
        else {
            return Err(UpstreamError::Unresolved);
        };
        let pool = self.pool(&upstream.name);
        if !fresh {
            loop {
                let Some(mut link) = pool.idle.borrow_mut().pop() else { break };
                if !link.is_quiet() {
                    continue;
                }
                self.counters.count(Counter::UpstreamReuses);
                return Ok(Self::lend(&pool, link, upstream.idle_connections, true));
            }
        }
        if pool.in_use.get() >= upstream.connections {
            return Err(UpstreamError::Busy);
        }
        let recipe = Recipe {
            host: Host { name: upstream.host.clone(), port: upstream.port },
            tls: prepared.tls.clone(),
            allow_link_local: upstream.allow_link_local,
            connect_timeout: Duration::from_millis(plan.snapshot.limits.connect_timeout_ms),
        };
        let pending = Rc::new(Pending { result: RefCell::new(None), signal: Signal::default() });
        // Counted from now on, so that a burst cannot make more than the bound.
        pool.in_use.set(pool.in_use.get() + 1);
        monoio::spawn(make_for(
            Rc::clone(self),
            pool,
            recipe,
            upstream.idle_connections,
            Rc::downgrade(&pending),
        ));
        pending.signal.wait().await;
        let result = pending.result.borrow_mut().take();
        result.unwrap_or(Err(UpstreamError::Unreachable))
    }

    fn lend(pool: &Rc<Pool>, link: Link, idle_bound: usize, reused: bool) -> Lease {
        pool.in_use.set(pool.in_use.get() + 1);
        Lease { link: Some(link), pool: Rc::clone(pool), idle_bound, reused }
    }

    fn addresses_of(&self, host: &Host) -> Vec<SocketAddr> {
        if let Ok(ip) = host.name.parse::<IpAddr>() {
            return vec![SocketAddr::new(ip, host.port)];
        }
        let known = self.addresses.borrow();
        known.get(&(host.name.clone(), host.port)).cloned().unwrap_or_default()
    }

    /// Makes a connection: tries each allowed address once, in turns.
    async fn make(&self, recipe: &Recipe) -> Result<Link, UpstreamError> {
        let known = self.addresses_of(&recipe.host);
        if known.is_empty() {
            return Err(UpstreamError::Unresolved);
        }
        let allowed: Vec<_> = known
            .into_iter()
            .filter(|known| address::is_allowed(known.ip(), recipe.allow_link_local))
            .collect();
        if allowed.is_empty() {
            return Err(UpstreamError::AddressRefused);
        }
        let first = self.next_address.get();
        self.next_address.set(first.wrapping_add(1));
        let turns = allowed.iter().cycle().skip(first % allowed.len()).take(allowed.len());
        let mut error = UpstreamError::Unreachable;
        for address in turns {
            match self.make_at(recipe, *address).await {
                Ok(link) => return Ok(link),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    async fn make_at(&self, recipe: &Recipe, address: SocketAddr) -> Result<Link, UpstreamError> {
        let limit = recipe.connect_timeout;
        let stream = match crate::io::connect(address, limit).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%address, %error, "cannot connect to an upstream");
                return Err(UpstreamError::Unreachable);
            }
        };
        self.counters.count(Counter::UpstreamConnects);
        let mut link =
            Link::plain(stream, &self.deadlines).map_err(|_error| UpstreamError::Unreachable)?;
        if let Some((config, name)) = &recipe.tls {
            let tls = Tls::client(config, name.clone()).map_err(|_error| UpstreamError::Tls)?;
            // The handshake shares the time that connecting has.
            let handshake = monoio::time::timeout(limit, link.secure(tls)).await;
            match handshake {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%address, %error, "tls handshake with an upstream failed");
                    return Err(UpstreamError::Tls);
                }
                Err(_elapsed) => return Err(UpstreamError::Tls),
            }
        }
        Ok(link)
    }
}

/// Makes one connection and hands it to whoever waits, or to the pool where nobody does any more.
async fn make_for(
    pools: Rc<Pools>,
    pool: Rc<Pool>,
    recipe: Recipe,
    idle_bound: usize,
    pending: std::rc::Weak<Pending>,
) {
    let made = pools.make(&recipe).await;
    let result = match made {
        // The count was taken by `lease`, and goes over to the lease.
        Ok(link) => Ok(Lease { link: Some(link), pool, idle_bound, reused: false }),
        Err(error) => {
            pool.in_use.set(pool.in_use.get().saturating_sub(1));
            Err(error)
        }
    };
    match (pending.upgrade(), result) {
        (Some(pending), result) => {
            pending.result.replace(Some(result));
            pending.signal.raise();
        }
        (None, Ok(lease)) => lease.keep(),
        (None, Err(_)) => {}
    }
}
