//! Who is at the other end of a control connection.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Uid, geteuid};
use std::io;
use std::os::fd::AsFd;

/// The other end may not speak to us.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The kernel does not say who it is.
    #[error("cannot tell who connected: {0}")]
    Unknown(#[from] io::Error),
    /// It belongs to another user.
    #[error("user {0} may not connect")]
    Foreign(u32),
}

/// Checks that the process that made the connection belongs to our own user, or to root. Returns
/// its process id.
pub fn check_peer(socket: &impl AsFd) -> Result<i32, PeerError> {
    let peer = getsockopt(socket, PeerCredentials).map_err(io::Error::from)?;
    if !is_allowed(Uid::from_raw(peer.uid()), geteuid()) {
        return Err(PeerError::Foreign(peer.uid()));
    }
    Ok(peer.pid())
}

fn is_allowed(peer: Uid, own: Uid) -> bool {
    peer == own || peer.is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_user_and_root_are_allowed() {
        let (a, b, root) = (Uid::from_raw(1000), Uid::from_raw(1001), Uid::from_raw(0));
        assert!(is_allowed(a, a) && is_allowed(root, a) && is_allowed(root, root));
        assert!(!is_allowed(b, a) && !is_allowed(a, root));
    }

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(check_peer(&one).unwrap(), std::process::id().cast_signed());
    }
}
