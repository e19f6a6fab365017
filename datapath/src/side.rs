//! Long bodies are governed on a thread beside the worker, so that one client never stalls a core.
//!
//! The queue is bounded ([`SIDE_QUEUE`]); what finds it full is refused with 503. The thread runs
//! at the lowest priority, so on a busy machine it takes what the workers leave. A finished job
//! comes back through the worker's mailbox.

use crate::govern::{Ask, Governed, Inspector};
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::signal::Signal;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use hashbrown::HashMap;
use sluice_contract::limits::SIDE_QUEUE;
use sluice_contract::reason::Reason;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

/// What is to be governed.
pub enum Work {
    /// A request.
    Request(Ask),
    /// The response to a request of this caller, which asked what `asked` says.
    Response {
        /// The caller.
        caller: usize,
        /// What was asked.
        asked: Box<Governed>,
    },
}

/// A body on its way through the side thread.
pub struct Job {
    id: u64,
    /// The plan that it is governed under.
    pub plan: Arc<Plan>,
    /// What is to be done.
    pub work: Work,
    /// The buffer that holds the body.
    pub buffer: Vec<u8>,
    /// The body in it.
    pub body: Range<usize>,
    /// What was made of it.
    pub out: Box<Governed>,
    /// How it went.
    pub result: Result<(), Refusal>,
}

struct Waiting {
    done: RefCell<Option<Box<Job>>>,
    signal: Signal,
}

/// The worker's end.
pub struct SideDoor {
    jobs: Sender<Box<Job>>,
    waiting: RefCell<HashMap<u64, Rc<Waiting>>>,
    next: Cell<u64>,
}

impl SideDoor {
    /// Starts the thread of worker `worker`; `deliver` brings a finished job to its mailbox.
    pub fn start(
        worker: u16,
        deliver: impl Fn(Box<Job>) + Send + 'static,
    ) -> std::io::Result<SideDoor> {
        let (jobs, orders) = bounded(SIDE_QUEUE);
        std::thread::Builder::new().name(format!("side-{worker}")).spawn(move || {
            crate::boot::lower_priority();
            run(&orders, &deliver);
        })?;
        Ok(SideDoor { jobs, waiting: RefCell::default(), next: Cell::new(0) })
    }

    /// Has a body governed; gives everything back with the result in it. A job that the queue has no
    /// room for comes back with the refusal.
    pub async fn govern(
        &self,
        plan: Arc<Plan>,
        work: Work,
        buffer: Vec<u8>,
        body: Range<usize>,
        out: Box<Governed>,
    ) -> Result<Box<Job>, (Option<Box<Job>>, Refusal)> {
        let id = self.next.get();
        self.next.set(id + 1);
        let waiting = Rc::new(Waiting { done: RefCell::new(None), signal: Signal::default() });
        let job = Box::new(Job { id, plan, work, buffer, body, out, result: Ok(()) });
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) =
            self.jobs.try_send(job)
        {
            let refusal = Refusal::new(
                Reason::Overloaded,
                "too many long bodies are being inspected; try again shortly",
            );
            return Err((Some(job), refusal));
        }
        self.waiting.borrow_mut().insert(id, Rc::clone(&waiting));
        waiting.signal.wait().await;
        let done = waiting.done.borrow_mut().take();
        done.ok_or_else(|| (None, Refusal::new(Reason::Internal, "the inspection was lost")))
    }

    /// A finished job came back.
    pub fn deliver(&self, job: Box<Job>) {
        let waiting = self.waiting.borrow_mut().remove(&job.id);
        if let Some(waiting) = waiting {
            waiting.done.replace(Some(job));
            waiting.signal.raise();
        }
    }
}

fn run(orders: &Receiver<Box<Job>>, deliver: &impl Fn(Box<Job>)) {
    let mut inspector: Option<(Arc<Plan>, Inspector)> = None;
    while let Ok(mut job) = orders.recv() {
        // A panic is our bug; it costs this job and the inspector, not the thread.
        let governed = catch_unwind(AssertUnwindSafe(|| govern(&mut inspector, &mut job)));
        job.result = governed.unwrap_or_else(|_panic| {
            inspector = None;
            Err(Refusal::new(Reason::Internal, "the inspection failed; the body was not forwarded"))
        });
        deliver(job);
    }
}

fn govern(inspector: &mut Option<(Arc<Plan>, Inspector)>, job: &mut Job) -> Result<(), Refusal> {
    if !inspector.as_ref().is_some_and(|(plan, _)| Arc::ptr_eq(plan, &job.plan)) {
        let made = Inspector::new(&job.plan)
            .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
        *inspector = Some((Arc::clone(&job.plan), made));
    }
    let Some((plan, inspector)) = inspector.as_mut() else {
        return Err(Refusal::new(Reason::Internal, "no inspector"));
    };
    let body = job.buffer.get(job.body.clone()).unwrap_or_default();
    match &job.work {
        Work::Request(ask) => inspector.request(plan, ask, body, &mut job.out),
        Work::Response { caller, asked } => {
            inspector.response(plan, *caller, asked, body, &mut job.out)
        }
    }
}
