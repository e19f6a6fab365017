//! How the data path comes to be: hygiene, descriptors from the supervisor, one thread a core.
//!
//! No file is read here or later, but for the system's certificate authorities: configuration comes
//! as a snapshot, sockets and rings come from the supervisor.
#![expect(unsafe_code, reason = "process hygiene and inherited descriptors; kept to this file")]

mod driver;

use crate::control::{Control, Workers};
use crate::ipc;
use crate::upstream::resolver::Resolver;
use crate::worker::{Mailbox, Message, Start};
use anyhow::{Context as _, bail};
use crossbeam::channel::{Receiver, bounded};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use sluice_contract::control::{Kind, Prepared, SUPERVISOR_FD};
use sluice_contract::ring::{Producer, Ring};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Messages that may wait for a worker.
const MAILBOX: usize = 1024;

/// Bytes of a worker's stack; requests live on the heap, parsers are not recursive.
const STACK_BYTES: usize = 4 << 20;

/// Runs the process until it is told to stop.
pub fn run() -> ExitCode {
    init_logs();
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the data path cannot run");
            ExitCode::FAILURE
        }
    }
}

fn init_logs() {
    use std::io::IsTerminal as _;
    use tracing_subscriber::fmt;
    let builder = fmt().with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        builder.json().flatten_event(true).init();
    }
}

fn start() -> anyhow::Result<()> {
    harden().context("cannot harden the process")?;
    let signals = block_signals().context("cannot take signals")?;
    // SAFETY: the supervisor left its socket there for us; nobody else uses the number.
    let supervisor = UnixStream::from(unsafe { OwnedFd::from_raw_fd(SUPERVISOR_FD) });
    let (prepared, descriptors) =
        receive(&supervisor).context("cannot get sockets and rings from the supervisor")?;
    let boot = random_u64()?;
    let workers = spawn(&prepared, descriptors, boot)?;
    Control::new(supervisor, signals, prepared.prepare, boot, workers).run()
}

/// No core dumps, no other process reads our memory, files are ours alone, as many descriptors as
/// we may have.
fn harden() -> anyhow::Result<()> {
    // SAFETY: plain system calls on this process.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    Ok(())
}

/// Takes SIGTERM through a descriptor and leaves SIGINT to the supervisor.
fn block_signals() -> anyhow::Result<nix::sys::signalfd::SignalFd> {
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    let mut taken = SigSet::empty();
    taken.add(Signal::SIGTERM);
    Ok(SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// A random number from the system.
pub fn random_u64() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(u64::from_le_bytes(bytes))
}

/// Gives this thread the lowest priority, so that it takes what the workers leave.
pub fn lower_priority() {
    // SAFETY: a plain system call on this thread. That it may be refused is no harm.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Reads the supervisor's frames until every descriptor is there.
fn receive(supervisor: &UnixStream) -> anyhow::Result<(Prepared, Vec<OwnedFd>)> {
    let mut descriptors = Vec::new();
    loop {
        let frame = ipc::read(supervisor)?;
        if frame.kind != Kind::Prepared {
            bail!("the supervisor sent {:?} where sockets and rings were expected", frame.kind);
        }
        let prepared: Prepared = sluice_contract::control::decode(&frame.payload)?;
        if frame.descriptors.is_empty() && prepared.descriptors > descriptors.len() {
            bail!("the supervisor sent a frame without descriptors");
        }
        descriptors.extend(frame.descriptors);
        if descriptors.len() >= prepared.descriptors {
            return Ok((prepared, descriptors));
        }
    }
}

/// The CPUs that this process may run on.
fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_else(|_error| CpuSet::new());
    (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect()
}

fn spawn(prepared: &Prepared, descriptors: Vec<OwnedFd>, boot: u64) -> anyhow::Result<Workers> {
    let count = usize::from(prepared.prepare.workers);
    let listeners = prepared.listeners.len();
    let expected = 2 * count + 1 + listeners * count;
    if count == 0 || descriptors.len() != expected {
        bail!("{} descriptors came, {expected} were expected", descriptors.len());
    }
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().context("a descriptor is missing");
    let mut rings = Vec::new();
    for _ in 0..count {
        rings.push((next()?, UnixStream::from(next()?)));
    }
    let writer = next()?;
    // Sockets come listener by listener; workers take them worker by worker.
    let mut sockets: Vec<Vec<std::net::TcpListener>> = (0..count).map(|_| Vec::new()).collect();
    for _ in 0..listeners {
        for of_worker in &mut sockets {
            of_worker.push(next()?.into());
        }
    }
    let cpus = cpus();
    let steering = steer(&sockets, &cpus);
    let (answers, answered) = bounded(count);
    let (drivers, driver) = bounded(count);
    let mut mailboxes = Vec::new();
    let mut threads = Vec::new();
    for (index, ((ring, commits), listeners)) in rings.into_iter().zip(sockets).enumerate() {
        let (producer, torn) = Producer::attach(Ring::open(&ring)?, boot);
        if torn > 0 {
            tracing::warn!(
                worker = index,
                "a half-written record of the process before was reused"
            );
        }
        let (messages, inbox) = bounded(MAILBOX);
        let (wake, mailbox) = UnixStream::pair()?;
        let sender = Mailbox::new(messages, wake);
        let start = Start {
            index: u16::try_from(index)?,
            producer,
            counters: Ring::open(&ring)?,
            writer: writer.try_clone()?,
            commits,
            listeners,
            messages: inbox,
            mailbox,
            deliver: sender.try_clone()?,
            answers: answers.clone(),
            boot,
            ids: random_key()?,
        };
        mailboxes.push(sender);
        let cpu = cpus.get(index % cpus.len().max(1)).copied();
        let drivers = drivers.clone();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .stack_size(STACK_BYTES)
            .spawn(move || work(start, cpu, &drivers))?;
        threads.push(thread);
    }
    let driver = drivers_agree(&driver, count)?;
    let told: Vec<Mailbox> =
        mailboxes.iter().map(Mailbox::try_clone).collect::<std::io::Result<_>>()?;
    let resolver = Resolver::start(move |resolved| {
        for mailbox in &told {
            mailbox.send(Message::Resolved(resolved.clone()));
        }
    })?;
    Ok(Workers { mailboxes, threads, answers: answered, resolver, driver, steering })
}

fn random_key() -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system gives no random numbers")?;
    Ok(key)
}

/// Steers by CPU where worker `n` runs on CPU `n` for every CPU; the kernel's hash otherwise.
fn steer(sockets: &[Vec<std::net::TcpListener>], cpus: &[usize]) -> String {
    let aligned = sockets.len() > 1
        && cpus.len() == sockets.len()
        && cpus.iter().enumerate().all(|(index, cpu)| index == *cpu);
    if !aligned {
        return "hash".into();
    }
    let first = sockets.first().map(Vec::as_slice).unwrap_or_default();
    for listener in first {
        if let Err(error) = sluice_ebpf::steer_by_cpu(listener) {
            tracing::warn!(%error, "connections are spread by the kernel's hash");
            return "hash".into();
        }
    }
    "cpu".into()
}

/// Every worker says which driver it runs on; they all see the same kernel, so they agree.
fn drivers_agree(
    drivers: &Receiver<Result<&'static str, String>>,
    count: usize,
) -> anyhow::Result<String> {
    let mut agreed = "";
    for _ in 0..count {
        match drivers.recv()? {
            Ok(driver) => agreed = driver,
            Err(error) => bail!("a worker has no runtime: {error}"),
        }
    }
    Ok(agreed.to_owned())
}

/// A worker's thread.
fn work(
    start: Start,
    cpu: Option<usize>,
    drivers: &crossbeam::channel::Sender<Result<&'static str, String>>,
) {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        let pinned = set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
        if let Err(error) = pinned {
            tracing::warn!(%error, cpu, "a worker is not pinned");
        }
    }
    let worker = start.index;
    if let Err(error) = driver::run(drivers, crate::worker::run(start)) {
        tracing::error!(%error, worker, "a worker ended");
    }
}
