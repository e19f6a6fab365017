//! One core: its listeners, its plan, and everything that its connections share.
//!
//! A worker is a thread that owns all it touches. It hears from the rest of the process through a
//! mailbox (a bounded channel and a wake-up socket) and from the audit writer through the ring's
//! wake-up socket; nothing else crosses threads.

mod refusals;

use crate::audit::Audit;
use crate::clock::{Clock, unix_seconds};
use crate::counters::Counters;
use crate::deadline::{Deadlines, TICK};
use crate::govern::Inspector;
use crate::plan::Plan;
use crate::side::{Job, SideDoor};
use crate::signal::Signal;
use crate::trace::Ids;
use crate::upstream::{Pools, resolver::Resolved};
use crossbeam::channel::{Receiver, Sender};
use monoio::io::Canceller;
use monoio::net::{TcpListener, TcpStream};
use refusals::Refusals;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// What a worker is told.
pub enum Message {
    /// Run on this plan from the next request on, and say so.
    Plan(Arc<Plan>),
    /// A name resolved.
    Resolved(Resolved),
    /// The side thread is done with a body.
    Done(Box<Job>),
    /// Stop accepting; finish what is under way within so many milliseconds; end.
    Drain(u64),
}

/// What a worker answers to a plan.
#[derive(Debug)]
pub struct Answer {
    /// Canaries caught and canaries, or why the plan can't be run.
    pub result: Result<(u32, u32), String>,
}

/// A plan and what this worker needs to run it.
pub struct WorkerPlan {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The inspector.
    pub inspector: RefCell<Inspector>,
}

/// Everything that the connections of a worker share.
pub struct Worker {
    /// Its number.
    pub index: u16,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub counters: Rc<Counters>,
    /// Audit.
    pub audit: Rc<Audit>,
    /// Upstream connections.
    pub pools: Rc<Pools>,
    /// Deadlines.
    pub deadlines: Rc<Deadlines>,
    /// The side thread.
    pub side: SideDoor,
    /// Makes ids.
    pub ids: RefCell<Ids>,
    /// Bytes held for requests in flight.
    pub in_flight: Cell<u64>,
    plan: RefCell<Option<Rc<WorkerPlan>>>,
    refusals: RefCell<Refusals>,
    connections: Cell<usize>,
    draining: Cell<bool>,
    idle: Signal,
    cache_seen: Cell<(u64, u64)>,
}

/// What a worker thread is started with.
pub struct Start {
    /// Its number.
    pub index: u16,
    /// Its audit side.
    pub producer: sluice_contract::ring::Producer,
    /// Its counters.
    pub counters: sluice_contract::ring::Ring,
    /// Wakes the audit writer.
    pub writer: std::os::fd::OwnedFd,
    /// The audit writer wakes it here.
    pub commits: UnixStream,
    /// Its listening sockets, by listener.
    pub listeners: Vec<std::net::TcpListener>,
    /// Messages.
    pub messages: Receiver<Message>,
    /// A byte here says that there are messages.
    pub mailbox: UnixStream,
    /// For the side thread: its end of the mailbox.
    pub deliver: Mailbox,
    /// Answers to plans.
    pub answers: Sender<Answer>,
    /// Boot number of the process.
    pub boot: u64,
    /// Key of request ids.
    pub ids: [u8; 32],
}

/// The sending end of a worker's mailbox.
pub struct Mailbox {
    messages: Sender<Message>,
    wake: UnixStream,
}

impl Mailbox {
    /// A mailbox over a channel and a wake-up socket.
    pub fn new(messages: Sender<Message>, wake: UnixStream) -> Mailbox {
        Mailbox { messages, wake }
    }

    /// Sends a message; waits where the mailbox is full. False where the worker is gone.
    pub fn send(&self, message: Message) -> bool {
        let sent = self.messages.send(message).is_ok();
        crate::io::send_wake(&self.wake);
        sent
    }

    /// A second sending end.
    pub fn try_clone(&self) -> std::io::Result<Mailbox> {
        Ok(Mailbox { messages: self.messages.clone(), wake: self.wake.try_clone()? })
    }
}

/// Runs a worker until it is drained. Called on its own thread, within its runtime.
pub async fn run(start: Start) -> std::io::Result<()> {
    let clock = Clock::default();
    let counters = Rc::new(Counters::new(start.counters));
    counters.reset_gauges();
    let deadlines = Rc::new(Deadlines::default());
    let audit = Rc::new(Audit::new(
        start.producer,
        start.writer,
        Rc::clone(&counters),
        clock,
        start.index,
        start.boot,
    ));
    let deliver = start.deliver;
    let side = SideDoor::start(start.index, move |job| {
        deliver.send(Message::Done(job));
    })?;
    let worker = Rc::new(Worker {
        index: start.index,
        clock,
        pools: Rc::new(Pools::new(Rc::clone(&deadlines), Rc::clone(&counters))),
        counters,
        audit,
        deadlines,
        side,
        ids: RefCell::new(Ids::new(start.ids)),
        in_flight: Cell::new(0),
        plan: RefCell::default(),
        refusals: RefCell::default(),
        connections: Cell::new(0),
        draining: Cell::new(false),
        idle: Signal::default(),
        cache_seen: Cell::new((0, 0)),
    });

    let audit = Rc::clone(&worker.audit);
    monoio::spawn(crate::io::read_wakes(start.commits, move || audit.settle()));
    monoio::spawn(tick(Rc::clone(&worker)));

    let drained = Rc::new(Signal::default());
    let inbox = MailReader {
        worker: Rc::clone(&worker),
        messages: start.messages,
        answers: start.answers,
        listeners: RefCell::new(start.listeners),
        cancel: RefCell::new(Vec::new()),
        drained: Rc::clone(&drained),
    };
    inbox.read();
    monoio::spawn(crate::io::read_wakes(start.mailbox, move || inbox.read()));
    drained.wait().await;
    worker.flush_refusals();
    Ok(())
}

/// Checks deadlines, settles audit waits, writes refusals once a second.
async fn tick(worker: Rc<Worker>) {
    let mut second = unix_seconds();
    loop {
        monoio::time::sleep(TICK).await;
        worker.deadlines.tick(worker.clock.millis());
        worker.audit.settle();
        worker.audit.measure();
        worker.pools.tick();
        worker.measure_cache();
        let now = unix_seconds();
        if now != second {
            second = now;
            worker.flush_refusals();
        }
    }
}

/// Reads the mailbox.
struct MailReader {
    worker: Rc<Worker>,
    messages: Receiver<Message>,
    answers: Sender<Answer>,
    /// Sockets that are not accepted from yet: accepting starts with the first plan.
    listeners: RefCell<Vec<std::net::TcpListener>>,
    cancel: RefCell<Vec<Canceller>>,
    drained: Rc<Signal>,
}

impl MailReader {
    fn read(&self) {
        while let Ok(message) = self.messages.try_recv() {
            match message {
                Message::Plan(plan) => {
                    let result = self.worker.take_plan(plan);
                    if result.is_ok() {
                        self.listen();
                    }
                    // Where nobody waits for the answer any more, the process is ending.
                    self.answers.send(Answer { result }).ok();
                }
                Message::Resolved(resolved) => self.worker.pools.resolved(resolved),
                Message::Done(job) => self.worker.side.deliver(job),
                Message::Drain(limit_ms) => self.drain(limit_ms),
            }
        }
    }

    fn listen(&self) {
        for (index, listener) in self.listeners.borrow_mut().drain(..).enumerate() {
            let canceller = Canceller::new();
            monoio::spawn(accept(Rc::clone(&self.worker), listener, index, canceller.handle()));
            self.cancel.borrow_mut().push(canceller);
        }
    }

    fn drain(&self, limit_ms: u64) {
        if self.worker.draining.replace(true) {
            return;
        }
        for canceller in self.cancel.borrow_mut().drain(..) {
            canceller.cancel();
        }
        self.listeners.borrow_mut().clear();
        self.worker.deadlines.expire_idle();
        monoio::spawn(end(Rc::clone(&self.worker), limit_ms, Rc::clone(&self.drained)));
    }
}

/// Ends the worker once its connections are done, or time is up.
async fn end(worker: Rc<Worker>, limit_ms: u64, drained: Rc<Signal>) {
    let limit = std::time::Duration::from_millis(limit_ms);
    let all_done = async {
        while worker.connections.get() > 0 {
            worker.idle.wait().await;
        }
    };
    if monoio::time::timeout(limit, all_done).await.is_err() {
        tracing::warn!(
            worker = worker.index,
            connections = worker.connections.get(),
            "connections cut at the end of the drain"
        );
    }
    drained.raise();
}

/// Accepts from one socket until it is cancelled.
async fn accept(
    worker: Rc<Worker>,
    listener: std::net::TcpListener,
    index: usize,
    cancel: monoio::io::CancelHandle,
) {
    if monoio::utils::is_legacy() && listener.set_nonblocking(true).is_err() {
        tracing::error!(listener = index, "cannot make a listener non-blocking");
        return;
    }
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, listener = index, "cannot accept from a listener");
            return;
        }
    };
    while !worker.draining.get() {
        match crate::io::accept(&listener, cancel.clone()).await {
            Ok((stream, peer)) => admit(&worker, stream, peer, index),
            Err(_) if worker.draining.get() => return,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                monoio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, listener: usize) {
    let Some(plan) = worker.plan() else { return };
    if worker.connections.get() >= plan.plan.snapshot.limits.connections {
        worker.counters.count(Counter::ConnectionsRefused);
        return;
    }
    worker.counters.count(Counter::Connections);
    worker.connections.set(worker.connections.get() + 1);
    worker.counters.set(Counter::ConnectionsOpen, worker.connections.get() as u64);
    let worker = Rc::clone(worker);
    monoio::spawn(async move {
        let served = pin!(crate::conn::serve(Rc::clone(&worker), stream, peer, listener));
        if contained(served).await.is_none() {
            worker.counters.count(Counter::Panics);
            tracing::error!(worker = worker.index, "a connection's task panicked; it was closed");
        }
        worker.connections.set(worker.connections.get() - 1);
        worker.counters.set(Counter::ConnectionsOpen, worker.connections.get() as u64);
        if worker.draining.get() {
            worker.idle.raise();
        }
    });
}

/// Runs `task`; `None` where it panicked. What it held is dropped, so its sockets close.
async fn contained<T>(mut task: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
        Ok(std::task::Poll::Ready(value)) => std::task::Poll::Ready(Some(value)),
        Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
        Err(_panic) => std::task::Poll::Ready(None),
    })
    .await
}

impl Worker {
    /// The plan to begin a request with.
    pub fn plan(&self) -> Option<Rc<WorkerPlan>> {
        self.plan.borrow().clone()
    }

    /// Whether the worker is ending: connections close after the request under way.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Makes `plan` ready on this worker, tries the canaries on it, and takes it.
    fn take_plan(&self, plan: Arc<Plan>) -> Result<(u32, u32), String> {
        let mut inspector = Inspector::new(&plan).map_err(|error| error.to_string())?;
        let (passed, all) = crate::canary::run(&plan, &mut inspector);
        // What the canaries filled the cache with does not count.
        let inspector = Inspector::new(&plan).map_err(|error| error.to_string())?;
        self.counters.set(Counter::Canaries, u64::from(all));
        self.counters.set(Counter::CanariesPassed, u64::from(passed));
        self.counters.set(Counter::ObserveRoutes, plan.observing() as u64);
        self.cache_seen.set((0, 0));
        self.pools.clear();
        self.plan.replace(Some(Rc::new(WorkerPlan { plan, inspector: RefCell::new(inspector) })));
        Ok((passed, all))
    }

    /// Counts a refusal, by its reason and by its source.
    pub fn count_refusal(&self, peer: SocketAddr, reason: Reason) {
        self.counters.refusal(reason);
        let Some(plan) = self.plan() else { return };
        self.refusals.borrow_mut().note(&plan.plan, peer.ip(), reason);
    }

    fn flush_refusals(&self) {
        self.refusals.borrow_mut().flush(&self.audit);
    }

    fn measure_cache(&self) {
        let Some(plan) = self.plan() else { return };
        let Ok(inspector) = plan.inspector.try_borrow() else { return };
        let stats = inspector.cache_stats();
        let (hits, misses) = self.cache_seen.replace((stats.hits, stats.misses));
        self.counters.add(Counter::DecisionCacheHits, stats.hits.saturating_sub(hits));
        self.counters.add(Counter::DecisionCacheMisses, stats.misses.saturating_sub(misses));
    }
}
