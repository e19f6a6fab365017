//! Every socket operation of a worker, so that the runtime can be patched or replaced here.
//!
//! An io_uring operation that is dropped half-way loses what it had completed (an accepted
//! descriptor, bytes read). So reads are owned by a task of their own, one for each connection: it
//! is handed a buffer, reads into it, and leaves the result in an [`Inbox`]. Whoever waits for the
//! inbox waits for memory only and may be dropped, raced or timed out at will. A read ends when
//! bytes come, when the peer closes, or when we shut the socket down, which ends every operation on
//! it with either driver.
#![expect(unsafe_code, reason = "shutdown and accept4 on raw descriptors; kept to this file")]

use monoio::buf::{IoBuf, IoBufMut};
use monoio::io::{AsyncReadRent, AsyncWriteRentExt, CancelHandle, Splitable};
use monoio::net::tcp::{TcpOwnedReadHalf, TcpOwnedWriteHalf};
use monoio::net::{TcpListener, TcpStream};
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Unsent bytes that a socket takes before a write to it waits. What is on its way to a fast peer is
/// not counted; a peer that does not read costs this much of the kernel's memory rather than
/// megabytes, and what is read for it from the other side ends sooner.
const UNSENT_BYTES: u32 = 128 << 10;

/// Bytes of one read. A socket can hold megabytes; taken at once by several connections, they would
/// hold up everyone else on the core for as long as copying takes.
const READ_BYTES_MAX: usize = 128 << 10;

/// Where a connection's reader is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Waits for a buffer.
    Idle,
    /// Has a buffer to read into.
    Ordered,
    /// A read is under way.
    Reading,
    /// The buffer has come back.
    Delivered,
    /// The owner is gone.
    Closed,
}

/// Where a reader leaves what it read.
pub struct Inbox {
    phase: Cell<Phase>,
    buffer: RefCell<Vec<u8>>,
    /// Bytes the last read added.
    added: Cell<usize>,
    /// The peer closed or the read failed: nothing more comes.
    ended: Cell<bool>,
    failed: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    owner: RefCell<Option<Waker>>,
}

fn wake(slot: &RefCell<Option<Waker>>) {
    let waker = slot.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn park(slot: &RefCell<Option<Waker>>, waker: &Waker) {
    let mut slot = slot.borrow_mut();
    match slot.as_mut() {
        Some(parked) => parked.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

impl Inbox {
    fn new() -> Inbox {
        Inbox {
            phase: Cell::new(Phase::Idle),
            buffer: RefCell::new(Vec::new()),
            added: Cell::new(0),
            ended: Cell::new(false),
            failed: Cell::new(false),
            reader: RefCell::new(None),
            owner: RefCell::new(None),
        }
    }

    /// Whether a read is ordered, under way or waiting to be taken.
    pub fn is_armed(&self) -> bool {
        self.phase.get() != Phase::Idle
    }

    /// Whether the peer has closed, or the read failed; known only once a read was armed.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether the connection ended with an error rather than an orderly close.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Orders a read into the spare capacity of `buffer`.
    pub fn order(&self, buffer: Vec<u8>) {
        debug_assert!(self.phase.get() == Phase::Idle, "one read at a time");
        self.buffer.replace(buffer);
        self.phase.set(Phase::Ordered);
        wake(&self.reader);
    }

    /// Takes the buffer back once the read is done, with the number of bytes added; 0 at the end.
    pub fn poll_take(&self, waker: &Waker) -> Poll<(Vec<u8>, usize)> {
        if self.phase.get() == Phase::Delivered {
            self.phase.set(Phase::Idle);
            return Poll::Ready((self.buffer.take(), self.added.take()));
        }
        park(&self.owner, waker);
        Poll::Pending
    }

    fn poll_order(&self, waker: &Waker) -> Poll<Option<Vec<u8>>> {
        match self.phase.get() {
            Phase::Closed => Poll::Ready(None),
            Phase::Ordered => {
                self.phase.set(Phase::Reading);
                Poll::Ready(Some(self.buffer.take()))
            }
            Phase::Idle | Phase::Reading | Phase::Delivered => {
                park(&self.reader, waker);
                Poll::Pending
            }
        }
    }

    fn deliver(&self, buffer: Vec<u8>, result: &io::Result<usize>) {
        if self.phase.get() == Phase::Closed {
            return;
        }
        self.added.set(*result.as_ref().unwrap_or(&0));
        if self.added.get() == 0 {
            self.ended.set(true);
            self.failed.set(result.is_err());
        }
        self.buffer.replace(buffer);
        self.phase.set(Phase::Delivered);
        wake(&self.owner);
    }
}

/// Owns the reads of one connection until the owner or the peer is gone.
async fn read_for(mut half: TcpOwnedReadHalf, inbox: Rc<Inbox>) {
    while let Some(buffer) = std::future::poll_fn(|context| inbox.poll_order(context.waker())).await
    {
        let from = buffer.len();
        let to = buffer.capacity().min(from + READ_BYTES_MAX);
        let (result, slice) = half.read(buffer.slice_mut(from..to)).await;
        inbox.deliver(slice.into_inner(), &result);
        if inbox.has_ended() {
            return;
        }
    }
}

/// A connected socket: its inbox, and its writing half.
pub struct Socket {
    inbox: Rc<Inbox>,
    writer: TcpOwnedWriteHalf,
    descriptor: RawFd,
    open: Rc<Cell<bool>>,
}

/// Shuts a socket down from outside, for deadlines and for peers that left.
#[derive(Clone)]
pub struct Kill {
    descriptor: RawFd,
    open: Rc<Cell<bool>>,
}

impl Kill {
    /// Ends every operation on the socket. Does nothing once the socket is gone.
    pub fn kill(&self) {
        if self.open.get() {
            shutdown(self.descriptor);
        }
    }
}

fn shutdown(descriptor: RawFd) {
    // SAFETY: a plain system call; `open` says that the descriptor is still the socket's.
    unsafe { libc::shutdown(descriptor, libc::SHUT_RDWR) };
}

fn bound_unsent(stream: &TcpStream) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `stream` is borrowed.
    let descriptor = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
    SockRef::from(&descriptor).set_tcp_notsent_lowat(UNSENT_BYTES)
}

impl Socket {
    /// Takes `stream` over: no-delay, few unsent bytes, and a reader of its own.
    pub fn new(stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        bound_unsent(&stream)?;
        let descriptor = stream.as_raw_fd();
        let (half, writer) = stream.into_split();
        let inbox = Rc::new(Inbox::new());
        monoio::spawn(read_for(half, Rc::clone(&inbox)));
        Ok(Socket { inbox, writer, descriptor, open: Rc::new(Cell::new(true)) })
    }

    /// Where reads arrive.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// A handle that shuts the socket down.
    pub fn kill_handle(&self) -> Kill {
        Kill { descriptor: self.descriptor, open: Rc::clone(&self.open) }
    }

    /// Writes `buffer` whole and gives it back. Ends early only when the socket does.
    pub async fn write(&mut self, buffer: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        if buffer.is_empty() {
            return (Ok(()), buffer);
        }
        let (result, buffer) = self.writer.write_all(buffer).await;
        (result.map(|_| ()), buffer)
    }

    /// Writes `buffer[from..to]` and gives the buffer back.
    pub async fn write_part(
        &mut self,
        buffer: Vec<u8>,
        from: usize,
        to: usize,
    ) -> (io::Result<()>, Vec<u8>) {
        if from >= to {
            return (Ok(()), buffer);
        }
        let (result, slice) = self.writer.write_all(buffer.slice(from..to)).await;
        (result.map(|_| ()), slice.into_inner())
    }

    /// Sends a few bytes without waiting; whether they were taken, nobody learns here.
    pub fn send_now(&self, bytes: &[u8]) {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // A peer that is gone is told apart by `is_reset`.
        SockRef::from(&self.descriptor()).send_with_flags(bytes, flags).ok();
    }

    /// Whether the peer has answered something of ours with a reset: nobody is there to read.
    pub fn is_reset(&self) -> bool {
        !matches!(SockRef::from(&self.descriptor()).take_error(), Ok(None))
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the writing half keeps the descriptor open for as long as `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.descriptor) }
    }

    /// Says that nothing more will be written, so that the peer reads an end rather than a reset.
    pub fn finish(&self) {
        // SAFETY: as for `shutdown`.
        unsafe { libc::shutdown(self.descriptor, libc::SHUT_WR) };
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.open.set(false);
        // Ends the read under way, so that the reader lets go of its half and the descriptor closes.
        shutdown(self.descriptor);
        self.inbox.phase.set(Phase::Closed);
        wake(&self.inbox.reader);
    }
}

/// Accepts one connection; ends with an error when `cancel` is pulled.
pub async fn accept(
    listener: &TcpListener,
    cancel: CancelHandle,
) -> io::Result<(TcpStream, SocketAddr)> {
    listener.cancelable_accept(cancel).await
}

/// Connects to `address` within `limit`.
pub async fn connect(address: SocketAddr, limit: std::time::Duration) -> io::Result<TcpStream> {
    // Dropping a connect is safe, unlike other operations: its descriptor closes with it.
    match monoio::time::timeout(limit, TcpStream::connect_addr(address)).await {
        Ok(connected) => connected,
        Err(elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, elapsed.to_string())),
    }
}

/// Reads wake-up bytes from `stream` and calls `on_wake` for each batch of them, until it ends.
pub async fn read_wakes(stream: std::os::unix::net::UnixStream, mut on_wake: impl FnMut()) {
    // io_uring waits on a blocking descriptor and gives up on a non-blocking one; epoll is the
    // other way round.
    if stream.set_nonblocking(monoio::utils::is_legacy()).is_err() {
        return;
    }
    let Ok(mut stream) = monoio::net::UnixStream::from_std(stream) else { return };
    let mut buffer = Vec::with_capacity(64);
    loop {
        let (result, back) = stream.read(buffer).await;
        buffer = back;
        match result {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                buffer.clear();
                on_wake();
            }
        }
    }
}

/// Wakes the audit writer. The descriptor is an eventfd; a full one is awake already.
pub fn wake_writer(eventfd: &impl AsRawFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: writes eight bytes of ours to an owned descriptor.
    unsafe { libc::write(eventfd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Sends one wake-up byte without blocking; a full socket is awake already.
pub fn send_wake(socket: &impl AsRawFd) {
    // SAFETY: sends one byte of ours on an owned descriptor.
    unsafe {
        libc::send(
            socket.as_raw_fd(),
            [1u8].as_ptr().cast(),
            1,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
}
