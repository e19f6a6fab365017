//! What outlives the other processes: listening sockets, audit rings, and the descriptors by which
//! worker and audit writer wake each other.
//!
//! Made once, when management says what is wanted, and kept for the supervisor's life; a restarted
//! child gets the same ones, so connections queue and records stay.

use nix::sys::eventfd::{EfdFlags, EventFd};
use sluice_contract::control::{Prepare, Prepared};
use sluice_contract::limits::WORKERS_MAX;
use sluice_contract::ring::{Ring, RingError};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Connections that the kernel queues before a worker takes them.
const BACKLOG: i32 = 4096;

/// Listening sockets that one node can have in all; bounds what is passed down.
const SOCKETS_MAX: usize = 4096;

/// How long an address may stay taken: the kernel takes a predecessor's `io_uring` down, and with
/// it the sockets that it accepted on, a while after the process is gone.
const ADDRESS_WAIT: Duration = Duration::from_secs(3);

/// How often it is tried meanwhile.
const ADDRESS_RETRY: Duration = Duration::from_millis(20);

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}{}", advice(*address, cause))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// A ring cannot be made.
    #[error("cannot make an audit ring of {slots} slots: {cause}")]
    Ring {
        /// Its slots.
        slots: u32,
        /// Why.
        cause: RingError,
    },
    /// Something else failed.
    #[error("cannot make what the workers need: {0}")]
    Other(#[from] io::Error),
    /// More workers, or more sockets, than a node can have.
    #[error("{workers} workers with {listeners} listeners are more than a node can have")]
    TooMany {
        /// Workers.
        workers: u16,
        /// Listeners.
        listeners: usize,
    },
    /// Made already, for something else.
    #[error(
        "listeners, workers or the state folder in the configuration changed since the start: \
         stop and start again"
    )]
    Changed,
}

fn advice(address: SocketAddr, cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; another program has it: `ss -ltnp 'sport = :{}'` shows which, `--listen` takes \
             another address",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => {
            "; a port below 1024 needs root or CAP_NET_BIND_SERVICE".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "; no interface of this machine has it: `ip address` shows those it has".to_owned()
        }
        _ => String::new(),
    }
}

/// What one worker has beside its sockets.
struct Worker {
    ring: OwnedFd,
    /// Management's end of the wake pair, and the worker's.
    wakes: (UnixStream, UnixStream),
}

/// Everything that was made.
pub struct Made {
    prepare: Prepare,
    addresses: Vec<SocketAddr>,
    workers: Vec<Worker>,
    audit_wake: EventFd,
    /// For each listener, for each worker.
    sockets: Vec<Socket>,
}

impl Made {
    /// Makes what `prepare` asks for.
    pub fn new(prepare: Prepare) -> Result<Made, MakeError> {
        let (workers, listeners) = (usize::from(prepare.workers), prepare.listeners.len());
        if !(1..=WORKERS_MAX).contains(&workers) || workers * listeners > SOCKETS_MAX {
            return Err(MakeError::TooMany { workers: prepare.workers, listeners });
        }
        let mut sockets = Vec::with_capacity(workers * listeners);
        let mut addresses = Vec::with_capacity(listeners);
        for asked in &prepare.listeners {
            let failed = |cause| MakeError::Listen { address: *asked, cause };
            wait_until_free(*asked).map_err(failed)?;
            let mut address = *asked;
            for _ in 0..workers {
                let socket = listen(address).map_err(failed)?;
                // Port 0: the first socket picks a port, the others share it.
                address = socket
                    .local_addr()
                    .and_then(|local| local.as_socket().ok_or(io::ErrorKind::Unsupported.into()))
                    .map_err(failed)?;
                sockets.push(socket);
            }
            addresses.push(address);
        }
        let slots = prepare.ring_slots;
        let workers = (0..workers)
            .map(|_| {
                let number = getrandom::u64().map_err(io::Error::other)?;
                let ring = Ring::create(slots, number)
                    .map_err(|cause| MakeError::Ring { slots, cause })?;
                let wakes = UnixStream::pair()?;
                wakes.0.set_nonblocking(true)?;
                wakes.1.set_nonblocking(true)?;
                Ok(Worker { ring, wakes })
            })
            .collect::<Result<Vec<Worker>, MakeError>>()?;
        let audit_wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(io::Error::from)?;
        Ok(Made { prepare, addresses, workers, audit_wake, sockets })
    }

    /// Checks that `prepare` asks for what there is; only the time to drain may differ.
    pub fn check(&self, prepare: &Prepare) -> Result<(), MakeError> {
        let same = Prepare { drain_ms: self.prepare.drain_ms, ..prepare.clone() } == self.prepare;
        if same { Ok(()) } else { Err(MakeError::Changed) }
    }

    /// Descriptors for management.
    pub fn for_management(&self) -> Vec<BorrowedFd<'_>> {
        let workers = self.workers.iter();
        workers
            .flat_map(|worker| [worker.ring.as_fd(), worker.wakes.0.as_fd()])
            .chain([self.audit_wake.as_fd()])
            .collect()
    }

    /// Descriptors for the data path.
    pub fn for_data_path(&self) -> Vec<BorrowedFd<'_>> {
        let workers = self.workers.iter();
        workers
            .flat_map(|worker| [worker.ring.as_fd(), worker.wakes.1.as_fd()])
            .chain([self.audit_wake.as_fd()])
            .chain(self.sockets.iter().map(AsFd::as_fd))
            .collect()
    }

    /// The frame that announces `descriptors` descriptors.
    pub fn prepared(&self, descriptors: usize) -> Prepared {
        Prepared {
            prepare: self.prepare.clone(),
            listeners: self.addresses.clone(),
            error: None,
            descriptors,
        }
    }
}

/// The frame that says that nothing was made.
pub fn refused(prepare: Prepare, error: &MakeError) -> Prepared {
    Prepared { prepare, listeners: Vec::new(), error: Some(error.to_string()), descriptors: 0 }
}

/// Waits until nobody listens on `address`. With `SO_REUSEPORT` a second node of the same user
/// would silently share the port and take half of the connections; so it is tried without first.
fn wait_until_free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let started = Instant::now();
    loop {
        match bind(address, false) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && started.elapsed() < ADDRESS_WAIT =>
            {
                std::thread::sleep(ADDRESS_RETRY);
            }
            other => return other.and_then(|probe| probe.listen(1)),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = bind(address, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two listeners, whatever the system's default.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn prepare(listeners: &[&str], workers: u16) -> Prepare {
        Prepare {
            listeners: listeners.iter().map(|address| address.parse().unwrap()).collect(),
            workers,
            ring_slots: 16,
            control: "/run/control.sock".into(),
            drain_ms: 1000,
        }
    }

    #[test]
    fn workers_share_the_port_that_the_first_picked() {
        let made = Made::new(prepare(&["127.0.0.1:0", "[::1]:0"], 3)).unwrap();
        let ports: Vec<u16> = made
            .sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().as_socket().unwrap().port())
            .collect();
        assert!(ports[0] != 0 && ports[..3] == [ports[0]; 3] && ports[3..] == [ports[3]; 3]);
        assert_eq!(made.addresses[0].port(), ports[0]);
        assert_eq!(made.for_management().len(), 3 * 2 + 1);
        assert_eq!(made.for_data_path().len(), 3 * 2 + 1 + 6);
        TcpStream::connect(made.addresses[0]).unwrap();
    }

    #[test]
    fn an_address_in_use_is_told_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = Made::new(prepare(&[&address], 1)).err().unwrap().to_string();
        assert!(error.contains(&address) && error.contains("ss -ltnp"), "{error}");
        let error = Made::new(prepare(&["192.0.2.1:1"], 1)).err().unwrap().to_string();
        assert!(error.contains("no interface"), "{error}");
    }

    #[test]
    fn a_second_node_does_not_share_a_port_unnoticed() {
        let first = Made::new(prepare(&["127.0.0.1:0"], 2)).unwrap();
        let again = first.addresses[0].to_string();
        assert!(matches!(Made::new(prepare(&[&again], 2)), Err(MakeError::Listen { .. })));
    }

    #[test]
    fn bounds_hold() {
        assert!(matches!(Made::new(prepare(&[], 0)), Err(MakeError::TooMany { .. })));
        assert!(matches!(Made::new(prepare(&[], 257)), Err(MakeError::TooMany { .. })));
        let mut odd = prepare(&[], 1);
        odd.ring_slots = 17;
        assert!(matches!(Made::new(odd), Err(MakeError::Ring { slots: 17, .. })));
    }

    #[test]
    fn only_the_time_to_drain_may_change() {
        let made = Made::new(prepare(&["127.0.0.1:0"], 1)).unwrap();
        let mut asked = prepare(&["127.0.0.1:0"], 1);
        asked.drain_ms = 1;
        assert!(made.check(&asked).is_ok());
        asked.workers = 2;
        assert!(matches!(made.check(&asked), Err(MakeError::Changed)));
    }
}
