//! The connections of one thread, driven in a closed or an open loop.
//!
//! All connections are open before the clock starts. Tasks that are still waiting for an answer a
//! while after the last request was sent are given up and counted as unanswered, so that a subject
//! that hangs ends the run instead of hanging it.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    sync::mpsc::{Receiver, Sender},
    time::{Duration, Instant},
};

use monoio::task::JoinHandle;

use super::{
    client::{Client, Shared},
    figures::Figures,
    options::Options,
    queue::Queue,
    schedule::Schedule,
    timer::Timer,
};

/// How long answers are waited for after the last request.
const GRACE: Duration = Duration::from_secs(5);
/// Before a closed loop tries again after a failure.
const AFTER_FAILURE: Duration = Duration::from_millis(1);

/// One thread's share of the work.
pub struct Share {
    pub connections: usize,
    pub rate: Option<f64>,
    pub requests: Option<u64>,
    pub seed: u64,
}

/// How a thread says that it is ready and learns that all are. A thread that fails drops its ends,
/// which the others' main thread notices.
pub struct StartLine {
    pub ready: Sender<()>,
    pub go: Receiver<()>,
}

pub async fn run(
    share: Share,
    options: &Options,
    shared: Rc<Shared>,
    start_line: StartLine,
) -> io::Result<Figures> {
    let mut clients = Vec::with_capacity(share.connections);
    for _ in 0..share.connections {
        clients.push(monoio::time::timeout(GRACE, Client::connected(&shared)).await??);
    }
    start_line.ready.send(()).map_err(io::Error::other)?;
    start_line.go.recv().map_err(io::Error::other)?;
    let start = Instant::now();
    let waiting = Rc::new(Cell::new(0));
    match share.rate {
        Some(rate) => open_loop(clients, rate, share.seed, options, &waiting).await?,
        None => closed_loop(clients, share.requests, options, &waiting).await,
    }
    let mut figures = shared.figures.borrow().clone();
    figures.elapsed = start.elapsed();
    for _ in 0..waiting.get() {
        figures.fail("unanswered".to_owned());
    }
    Ok(figures)
}

/// Counts a request as waiting until its answer came.
struct Waiting<'a>(&'a Cell<u64>);

impl<'a> Waiting<'a> {
    fn new(cell: &'a Cell<u64>) -> Self {
        cell.set(cell.get() + 1);
        Self(cell)
    }

    fn over(self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn closed_loop(
    clients: Vec<Client>,
    requests: Option<u64>,
    options: &Options,
    waiting: &Rc<Cell<u64>>,
) {
    let deadline = Instant::now() + Duration::from_secs_f64(options.seconds);
    let left = Rc::new(Cell::new(requests.unwrap_or(u64::MAX)));
    let drive = |mut client: Client| {
        let (waiting, left) = (Rc::clone(waiting), Rc::clone(&left));
        monoio::spawn(async move {
            while left.get() > 0 {
                let now = Instant::now();
                if now >= deadline {
                    break;
                }
                left.set(left.get() - 1);
                let request = Waiting::new(&waiting);
                let good = client.exchange(now).await;
                request.over();
                if !good {
                    monoio::time::sleep(AFTER_FAILURE).await;
                }
            }
        })
    };
    let tasks = clients.into_iter().map(drive).collect();
    join(tasks, deadline + GRACE).await;
}

async fn open_loop(
    clients: Vec<Client>,
    rate: f64,
    seed: u64,
    options: &Options,
    waiting: &Rc<Cell<u64>>,
) -> io::Result<()> {
    let queue = Rc::new(Queue::default());
    let drive = |mut client: Client| {
        let (waiting, queue) = (Rc::clone(waiting), Rc::clone(&queue));
        monoio::spawn(async move {
            while let Some(due) = queue.pop().await {
                let request = Waiting::new(&waiting);
                client.exchange(due).await;
                request.over();
            }
        })
    };
    let tasks = clients.into_iter().map(drive).collect();
    let mut timer = Timer::new()?;
    let start = Instant::now();
    let end = Duration::from_secs_f64(options.seconds);
    for offset in Schedule::new(options.arrivals, rate, seed) {
        if offset > end {
            break;
        }
        let due = start + offset;
        if due > Instant::now() {
            timer.wait_until(due).await?;
        }
        queue.push(due);
    }
    queue.close();
    join(tasks, start + end + GRACE).await;
    waiting.set(waiting.get() + queue.len() as u64);
    Ok(())
}

/// Waits for the tasks, but not beyond `deadline`.
async fn join(tasks: Vec<JoinHandle<()>>, deadline: Instant) {
    for task in tasks {
        let left = deadline.saturating_duration_since(Instant::now());
        if monoio::time::timeout(left, task).await.is_err() {
            break;
        }
    }
}
