//! Steering by CPU with classic BPF: a connection goes to the worker of the core that received it.
//!
//! The program is two instructions: load the CPU's number, return it. The kernel takes it as the
//! index of the listener in the order of binding. An index beyond the group falls back to the
//! kernel's hash, so a machine with more cores than workers loses nothing.
//! Source: socket(7), `SO_ATTACH_REUSEPORT_CBPF`.
#![expect(unsafe_code, reason = "setsockopt with a program; kept to this file")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The kernel refused the program; its hash spreads connections instead.
#[derive(Debug, thiserror::Error)]
#[error("cannot steer connections by cpu")]
pub struct SteerError(#[from] io::Error);

/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;

/// `BPF_RET | BPF_A`.
const RETURN: u16 = 0x16;

/// `SKF_AD_OFF + SKF_AD_CPU`.
const CPU: u32 = 0xffff_f000_u32.wrapping_add(36);

/// Attaches the program to the group of `listener`. One listener of a group is enough.
pub fn steer_by_cpu(listener: impl AsFd) -> Result<(), SteerError> {
    let mut code = [
        libc::sock_filter { code: LOAD, jt: 0, jf: 0, k: CPU },
        libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: 0 },
    ];
    let program = libc::sock_fprog { len: 2, filter: code.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).unwrap_or(0);
    // SAFETY: `program` and the code it points to outlive the call, which copies both.
    let result = unsafe {
        libc::setsockopt(
            listener.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
}
