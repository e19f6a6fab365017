//! The control thread: supervisor, signals and management on one side, the workers on the other.
//!
//! A snapshot is made ready here, handed to every worker, and acknowledged once all of them run on
//! it. If one of them can't, all go back to the plan before: a bad snapshot is refused whole. When
//! management dies, the workers go on with what they have and this thread connects again.

use crate::ipc::{self, Frame, IpcError};
use crate::plan::{PATTERNS, Plan, PlanError};
use crate::upstream::resolver::{Host, Resolver};
use crate::worker::{Answer, Mailbox, Message};
use crossbeam::channel::Receiver;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use rustls::server::ProducesTickets;
use sluice_contract::control::{Applied, Hello, Kind, Prepare, Refused, encode};
use sluice_contract::ids::SnapshotHash;
use sluice_contract::snapshot::{Secrets, Snapshot, UpstreamKind};
use sluice_detectors::Pack;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use zeroize::Zeroize;

/// Time between two attempts to reach management.
const RECONNECT_MS: u16 = 100;

/// How long workers may take to take a plan; canaries are in that time. Management waits a little
/// longer than this for the answer.
const APPLY: Duration = Duration::from_secs(4);

/// How long management may take to send or take one frame.
const FRAME: Duration = Duration::from_secs(5);

/// What requests in flight get at most where the supervisor was killed. The node that is started in
/// its place can serve only once this process is gone, as management then closes the audit log.
const ORPHAN_DRAIN_MS: u64 = 500;

/// The workers, as the control thread sees them.
pub struct Workers {
    /// Where messages go.
    pub mailboxes: Vec<Mailbox>,
    /// Their threads.
    pub threads: Vec<JoinHandle<()>>,
    /// Where answers to plans come.
    pub answers: Receiver<Answer>,
    /// The resolver.
    pub resolver: Resolver,
    /// The I/O driver.
    pub driver: String,
    /// How connections find their worker.
    pub steering: String,
}

/// A public part, read and checked.
struct Public {
    snapshot: Snapshot,
    hash: SnapshotHash,
    pack: Arc<Pack>,
    pack_hash: SnapshotHash,
}

/// The control thread.
pub struct Control {
    supervisor: UnixStream,
    signals: SignalFd,
    prepare: Prepare,
    boot: u64,
    workers: Workers,
    management: Option<UnixStream>,
    /// A public part that waits for its secret one.
    candidate: Option<Rc<Public>>,
    /// The secret part that comes next belongs to a public one that was refused.
    drops_secret: bool,
    active: Option<Active>,
    ticketer: Option<Arc<dyn ProducesTickets>>,
}

/// What all workers run on.
struct Active {
    public: Rc<Public>,
    plan: Arc<Plan>,
    /// Canaries caught, and canaries.
    canaries: (u32, u32),
}

/// What a turn of the loop found.
enum Turn {
    Go,
    /// It is time to end; requests in flight get so many milliseconds.
    Stop(u64),
}

impl Control {
    /// A control thread that has heard nothing yet.
    pub fn new(
        supervisor: UnixStream,
        signals: SignalFd,
        prepare: Prepare,
        boot: u64,
        workers: Workers,
    ) -> Control {
        Control {
            supervisor,
            signals,
            prepare,
            boot,
            workers,
            management: None,
            candidate: None,
            drops_secret: false,
            active: None,
            ticketer: None,
        }
    }

    /// Runs until the supervisor says stop, dies, or a signal comes; then drains the workers.
    pub fn run(mut self) -> anyhow::Result<()> {
        loop {
            match self.turn()? {
                Turn::Go => {}
                Turn::Stop(limit_ms) => return self.drain(limit_ms),
            }
        }
    }

    fn turn(&mut self) -> anyhow::Result<Turn> {
        if self.management.is_none() {
            self.connect();
        }
        let (from_supervisor, from_signals, from_management) = {
            let mut watched = vec![
                PollFd::new(self.supervisor.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            let timeout = match &self.management {
                Some(management) => {
                    watched.push(PollFd::new(management.as_fd(), PollFlags::POLLIN));
                    PollTimeout::NONE
                }
                None => PollTimeout::from(RECONNECT_MS),
            };
            match poll(&mut watched, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready = |index: usize| {
                let events = watched.get(index).and_then(PollFd::revents);
                events.is_some_and(|events| !events.is_empty())
            };
            (ready(0), ready(1), ready(2))
        };
        if from_signals && self.signals.read_signal()?.is_some() {
            tracing::info!("stopping on a signal");
            return Ok(Turn::Stop(self.prepare.drain_ms));
        }
        if from_supervisor {
            match ipc::read(&self.supervisor) {
                Ok(frame) if frame.kind == Kind::Stop => {
                    return Ok(Turn::Stop(self.prepare.drain_ms));
                }
                Ok(frame) => {
                    tracing::warn!(kind = ?frame.kind, "unexpected word of the supervisor");
                }
                Err(error) => {
                    tracing::warn!(%error, "the supervisor is gone; finishing what is under way");
                    return Ok(Turn::Stop(self.prepare.drain_ms.min(ORPHAN_DRAIN_MS)));
                }
            }
        }
        if from_management {
            self.hear();
        }
        Ok(Turn::Go)
    }

    fn connect(&mut self) {
        let Ok(socket) = UnixStream::connect(&self.prepare.control) else { return };
        let hello = Hello {
            program: env!("CARGO_PKG_VERSION").into(),
            boot: self.boot,
            pid: std::process::id(),
            workers: self.prepare.workers,
            driver: self.workers.driver.clone(),
            steering: self.workers.steering.clone(),
        };
        let bounded = socket
            .set_read_timeout(Some(FRAME))
            .and_then(|()| socket.set_write_timeout(Some(FRAME)));
        let Ok(frame) = encode(Kind::Hello, &hello) else { return };
        if bounded.is_ok() && ipc::write(&socket, &frame).is_ok() {
            self.management = Some(socket);
        }
    }

    fn hear(&mut self) {
        let Some(management) = &self.management else { return };
        let reply = match ipc::read(management) {
            Ok(frame) => self.take(frame),
            Err(IpcError::Closed) => {
                tracing::warn!("management is gone; going on with what is known");
                self.management = None;
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "management cannot be understood; connecting again");
                self.management = None;
                return;
            }
        };
        let Some(reply) = reply else { return };
        let sent = self.management.as_ref().map(|socket| ipc::write(socket, &reply));
        if !matches!(sent, Some(Ok(()))) {
            self.management = None;
        }
    }

    /// Takes a frame; what is to be answered.
    fn take(&mut self, frame: Frame) -> Option<Vec<u8>> {
        match frame.kind {
            Kind::Public => match self.take_public(&frame.payload, &frame.descriptors) {
                Ok(public) => {
                    self.candidate = Some(Rc::new(public));
                    self.drops_secret = false;
                    None
                }
                Err(reason) => {
                    // Its keys must never meet the upstreams of another snapshot.
                    self.candidate = None;
                    self.drops_secret = true;
                    tracing::error!(%reason, "snapshot refused");
                    Some(refused(None, reason))
                }
            },
            Kind::Secret => {
                let mut payload = frame.payload;
                let secrets = sluice_contract::control::decode::<Secrets>(&payload);
                payload.zeroize();
                if std::mem::take(&mut self.drops_secret) {
                    return None;
                }
                // Alone, it goes with the public part that is running.
                let running = self.active.as_ref().map(|active| Rc::clone(&active.public));
                let public = self.candidate.take().or(running);
                let hash = public.as_ref().map(|public| public.hash);
                let applied = match (public, secrets) {
                    (Some(public), Ok(secrets)) => self.apply(&public, secrets),
                    (None, _) => Err("a secret part came before a public one".into()),
                    (_, Err(error)) => Err(error.to_string()),
                };
                match applied {
                    Ok(applied) => encode(Kind::Applied, &applied).ok(),
                    Err(reason) => {
                        tracing::error!(%reason, "snapshot refused");
                        Some(refused(hash, reason))
                    }
                }
            }
            kind => {
                tracing::warn!(?kind, "unexpected frame of management");
                None
            }
        }
    }

    fn take_public(&self, payload: &[u8], sections: &[OwnedFd]) -> Result<Public, String> {
        let (snapshot, hash) = Snapshot::decode(payload).map_err(|error| error.to_string())?;
        if snapshot.workers != self.prepare.workers
            || snapshot.listeners.len() != self.prepare.listeners.len()
        {
            return Err("the snapshot has other workers or listeners than this process".into());
        }
        let (index, section) =
            snapshot.section(PATTERNS).ok_or_else(|| PlanError::NoPatterns.to_string())?;
        let pack_hash = section.hash;
        let known = self.active.as_ref().filter(|active| active.public.pack_hash == pack_hash);
        let pack = match known {
            Some(active) => Arc::clone(&active.public.pack),
            None => {
                let descriptor = sections.get(index).ok_or("a section's descriptor is missing")?;
                Arc::new(read_pack(descriptor, section.bytes, pack_hash)?)
            }
        };
        Ok(Public { snapshot, hash, pack, pack_hash })
    }

    fn apply(&mut self, public: &Rc<Public>, secrets: Secrets) -> Result<Applied, String> {
        let (hash, version) = (public.hash, secrets.version);
        let applied = |(passed, all): (u32, u32)| Applied {
            snapshot: hash,
            secrets: version,
            canaries_passed: passed,
            canaries: all,
        };
        if let Some(active) = &self.active
            && active.plan.hash == hash
            && active.plan.secrets.version == version
        {
            return Ok(applied(active.canaries));
        }
        if self.ticketer.is_none() {
            self.ticketer = Some(crate::tls::ticketer().map_err(|error| error.to_string())?);
        }
        let ticketer = self.ticketer.as_ref().ok_or("no ticketer")?;
        let plan =
            Plan::build(public.snapshot.clone(), hash, secrets, Arc::clone(&public.pack), ticketer);
        let plan = Arc::new(plan.map_err(|error| error.to_string())?);
        self.resolve(&plan);
        let result = self.hand_out(&plan);
        let failure = match (result, &self.active) {
            (Ok((passed, all)), Some(_)) if passed < all => {
                format!("only {passed} of {all} canaries were caught")
            }
            (Ok(canaries), _) => {
                let (passed, all) = canaries;
                tracing::info!(snapshot = %hash, canaries = all, passed, "snapshot active");
                self.active = Some(Active { public: Rc::clone(public), plan, canaries });
                return Ok(applied(canaries));
            }
            (Err(reason), _) => reason,
        };
        if let Some(active) = &self.active {
            self.go_back(&active.plan);
        }
        Err(failure)
    }

    /// Hands a plan to every worker and waits for all of them.
    fn hand_out(&self, plan: &Arc<Plan>) -> Result<(u32, u32), String> {
        // Answers to a plan that was given up on are not answers to this one.
        while self.workers.answers.try_recv().is_ok() {}
        for mailbox in &self.workers.mailboxes {
            if !mailbox.send(Message::Plan(Arc::clone(plan))) {
                return Err("a worker is gone".into());
            }
        }
        let mut worst = (u32::MAX, 0);
        for _ in &self.workers.mailboxes {
            let answer = self.workers.answers.recv_timeout(APPLY);
            let answer = answer.map_err(|_error| "a worker does not answer".to_owned())?;
            let (passed, all) = answer.result?;
            worst = (worst.0.min(passed), worst.1.max(all));
        }
        Ok(worst)
    }

    fn go_back(&self, old: &Arc<Plan>) {
        if let Err(error) = self.hand_out(old) {
            tracing::error!(%error, "a worker could not go back to the plan before");
        }
        self.resolve(old);
    }

    /// Has the names of the plan's upstreams resolved from now on.
    fn resolve(&self, plan: &Plan) {
        let hosts = plan
            .snapshot
            .upstreams
            .iter()
            .filter(|upstream| upstream.kind != UpstreamKind::Echo)
            .map(|upstream| Host { name: upstream.host.clone(), port: upstream.port })
            .collect();
        if !self.workers.resolver.set(hosts) {
            tracing::warn!("the resolver is behind; names of the new snapshot come later");
        }
    }

    /// Stops accepting, lets the workers finish what is under way within `limit_ms`, and ends.
    fn drain(self, limit_ms: u64) -> anyhow::Result<()> {
        for mailbox in &self.workers.mailboxes {
            mailbox.send(Message::Drain(limit_ms));
        }
        for thread in self.workers.threads {
            if thread.join().is_err() {
                anyhow::bail!("a worker panicked");
            }
        }
        Ok(())
    }
}

fn refused(snapshot: Option<SnapshotHash>, reason: String) -> Vec<u8> {
    encode(Kind::Refused, &Refused { snapshot, reason }).unwrap_or_default()
}

/// Reads the pattern database out of its sealed memory file and checks its hash.
fn read_pack(descriptor: &OwnedFd, bytes: u64, hash: SnapshotHash) -> Result<Pack, String> {
    use std::os::unix::fs::FileExt as _;
    let length = usize::try_from(bytes).map_err(|error| error.to_string())?;
    if length > sluice_contract::limits::FRAME_BYTES_MAX {
        return Err("the pattern database is too long".into());
    }
    let file = std::fs::File::from(descriptor.try_clone().map_err(|error| error.to_string())?);
    let mut data = vec![0; length];
    file.read_exact_at(&mut data, 0).map_err(|error| error.to_string())?;
    if SnapshotHash::of(&data) != hash {
        return Err("the pattern database does not have its hash".into());
    }
    Pack::deserialize(&data).map_err(|error| error.to_string())
}
