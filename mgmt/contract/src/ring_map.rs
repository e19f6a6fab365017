//! The shared memory of one audit ring: mapping, atomics, and copies in and out.
//!
//! The memory is a sealed memfd that the supervisor makes and both sides map. The other side may
//! be hostile or half dead, so nothing here trusts what the memory holds: offsets are checked
//! against the mapping's own length, and contents are only ever copied, never borrowed. What the
//! bytes mean is the business of [`crate::ring`].
#![expect(unsafe_code, reason = "shared memory is reached through raw pointers; kept to this file")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A mapped memory file. Unmapped when dropped.
pub struct SharedMap {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is plain memory that belongs to this value; atomics are the only references
// handed out, all else is copied.
unsafe impl Send for SharedMap {}
// SAFETY: as above; copies in are made by the one producer only, which `Producer` being `&mut`
// ensures within a process.
unsafe impl Sync for SharedMap {}

/// Makes a memory file of `length` zeros that can neither shrink nor grow.
pub fn create_memory_file(length: usize) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string, the call takes no other pointer.
    let raw = unsafe { libc::memfd_create(c"sluice-ring".as_ptr(), flags) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and is owned by nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let size = libc::off_t::try_from(length)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // SAFETY: plain system call on an owned descriptor.
    if unsafe { libc::ftruncate(fd.as_raw_fd(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: plain system call on an owned descriptor.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd)
}

impl SharedMap {
    /// Maps the memory file `fd` whole. Refused unless it is sealed against shrinking: a file that
    /// shrinks would turn reads into signals.
    pub fn open(fd: impl AsFd) -> io::Result<SharedMap> {
        let raw = fd.as_fd().as_raw_fd();
        // SAFETY: plain system call on a borrowed descriptor.
        let seals = unsafe { libc::fcntl(raw, libc::F_GET_SEALS) };
        if seals < 0 || seals & libc::F_SEAL_SHRINK == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "memory file is not sealed"));
        }
        // SAFETY: `stat` is plain old data for which zeros are a valid value.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `stat` outlives the call.
        if unsafe { libc::fstat(raw, &raw mut stat) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let length = usize::try_from(stat.st_size)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping of a file that cannot shrink; nothing else points there.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, raw, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(SharedMap { base, length })
    }

    /// Bytes of the mapping.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The pointer to `bytes` bytes at `offset`; `None` outside the mapping.
    fn place(&self, offset: usize, bytes: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(bytes)?;
        if end > self.length {
            return None;
        }
        // SAFETY: `offset` lies within the mapping, by the check above.
        Some(unsafe { self.base.add(offset) })
    }

    /// The atomic at `offset`; `None` outside the mapping or off its alignment.
    pub fn atomic_u64(&self, offset: usize) -> Option<&AtomicU64> {
        let place = self.place(offset, 8)?.cast::<AtomicU64>();
        if !offset.is_multiple_of(8) {
            return None;
        }
        // SAFETY: in bounds, aligned (the mapping starts on a page), lives as long as the mapping,
        // and every process reaches these eight bytes through atomics only.
        Some(unsafe { place.as_ref() })
    }

    /// The atomic at `offset`; `None` outside the mapping or off its alignment.
    pub fn atomic_u32(&self, offset: usize) -> Option<&AtomicU32> {
        let place = self.place(offset, 4)?.cast::<AtomicU32>();
        if !offset.is_multiple_of(4) {
            return None;
        }
        // SAFETY: as for `atomic_u64`.
        Some(unsafe { place.as_ref() })
    }

    /// Copies `bytes` to `offset`; false outside the mapping.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(place) = self.place(offset, bytes.len()) else { return false };
        // SAFETY: in bounds by `place`; the source is a slice of ours, which cannot overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.as_ptr(), bytes.len()) };
        true
    }

    /// Copies from `offset` into `out`; false outside the mapping.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        let Some(place) = self.place(offset, out.len()) else { return false };
        // SAFETY: in bounds by `place`; the target is a slice of ours, which cannot overlap.
        unsafe { std::ptr::copy_nonoverlapping(place.as_ptr(), out.as_mut_ptr(), out.len()) };
        true
    }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `open` mapped; references handed out cannot outlive `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}
