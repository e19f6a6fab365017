//! Addresses that no other test has.
//!
//! Each thing that listens gets a loopback address of its own, `127.A.B.C`, so any port is free on
//! it: no test takes another's port, and no outgoing connection (those come from 127.0.0.1) sits on
//! a port that a restarted process wants back.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// A loopback address that nobody else in this run uses.
pub fn loopback() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Test programs run one after the other, mostly; their process ids keep them apart all the same.
    let [.., process] = std::process::id().to_be_bytes();
    // Not 127.0, where everything else is, and not the broadcast address.
    Ipv4Addr::new(127, 1 + process % 250, high, low)
}

/// The port of `address`, as text.
pub fn port_of(address: SocketAddr) -> String {
    address.port().to_string()
}
