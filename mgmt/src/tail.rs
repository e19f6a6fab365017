//! One line a request, for `sluice tail` and for the terminal that `sluice run` was started on.
//!
//! ```text
//!  writer's thread ──tap──► bounded queue ──► tail's thread: join, write lines ──► terminal
//!                                                                              └─► readers
//! ```
//!
//! The audit writer is never held up: where nobody reads, a record costs two loads; where the queue
//! is full, records are dropped and counted. A reader that is slow loses lines and is told how
//! many. On the terminal at most [`LINES_A_SECOND`] lines appear, then how many more there were.

mod line;

pub use line::paint;

use crate::manage::vitals::Counts;
use line::line;
use sluice_audit::list::{Joiner, Row};
use sluice_audit::writer::Observer;
use sluice_contract::record::{Kind, Origin, encode_dictionary, header};
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// Records that may wait for the tail's thread.
const QUEUE: usize = 8192;

/// Lines that a reader may be behind.
const READER_LINES: usize = 1024;

/// Lines that the terminal shows in a second.
pub const LINES_A_SECOND: u64 = 40;

/// How often the terminal is told of lines that were left out.
const WINDOW: Duration = Duration::from_secs(1);

/// The tail.
#[derive(Clone)]
pub struct Tail(Arc<Shared>);

struct Shared {
    text: broadcast::Sender<Arc<str>>,
    json: broadcast::Sender<Arc<str>>,
    /// Readers of either.
    readers: AtomicUsize,
    /// The terminal has room in this second.
    terminal_open: AtomicBool,
    /// Requests that the terminal did not show since it was told last.
    left_out: AtomicU64,
    /// Where dropped records are counted.
    counts: Arc<Counts>,
    /// What names stand for, on its way to the tail's thread.
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    configured: Vec<String>,
    principals: HashMap<u64, String>,
}

/// Where the terminal's lines go.
pub type Terminal = Box<dyn Write + Send>;

/// Starts the tail's thread. The observer is for the audit writer; the thread ends with it.
pub fn start(terminal: Option<Terminal>, counts: Arc<Counts>) -> io::Result<(Tail, Observer)> {
    let shared = Arc::new(Shared {
        text: broadcast::Sender::new(READER_LINES),
        json: broadcast::Sender::new(READER_LINES),
        readers: AtomicUsize::new(0),
        terminal_open: AtomicBool::new(terminal.is_some()),
        left_out: AtomicU64::new(0),
        counts,
        names: Mutex::default(),
    });
    let has_terminal = terminal.is_some();
    let (records, queue) = sync_channel(QUEUE);
    let mut thread = Lines {
        shared: Arc::clone(&shared),
        queue,
        joiner: Joiner::default(),
        terminal,
        shown: 0,
        window_ends: Instant::now() + WINDOW,
    };
    std::thread::Builder::new().name("tail".to_owned()).spawn(move || thread.run())?;
    Ok((Tail(Arc::clone(&shared)), observer(shared, records, has_terminal)))
}

/// Takes decisions and outcomes, where somebody reads. Runs on the writer's thread.
fn observer(shared: Arc<Shared>, records: SyncSender<Box<[u8]>>, has_terminal: bool) -> Observer {
    Box::new(move |record| {
        let open = shared.terminal_open.load(Ordering::Relaxed);
        if !open && shared.readers.load(Ordering::Relaxed) == 0 {
            if has_terminal && is_kind(record, Kind::Outcome) {
                shared.left_out.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        if !is_kind(record, Kind::Decision) && !is_kind(record, Kind::Outcome) {
            return;
        }
        if records.try_send(record.into()).is_err() {
            shared.counts.tail_dropped.fetch_add(1, Ordering::Relaxed);
        }
    })
}

fn is_kind(record: &[u8], kind: Kind) -> bool {
    header(record).is_ok_and(|header| header.kind == kind as u16)
}

impl Tail {
    /// A reader of lines from now on: text, or JSON.
    pub fn subscribe(&self, json: bool) -> Reader {
        let lines = if json { self.0.json.subscribe() } else { self.0.text.subscribe() };
        self.0.readers.fetch_add(1, Ordering::Relaxed);
        Reader { lines, shared: Arc::clone(&self.0) }
    }

    /// Names of the configuration.
    pub fn add_names(&self, names: impl IntoIterator<Item = String>) {
        self.names().configured.extend(names);
    }

    /// Names of opaque ids.
    pub fn add_principals(&self, names: HashMap<u64, String>) {
        self.names().principals.extend(names);
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads lines.
pub struct Reader {
    lines: broadcast::Receiver<Arc<str>>,
    shared: Arc<Shared>,
}

/// What a reader gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// A line.
    Line(Arc<str>),
    /// It was too slow for so many.
    Lost(u64),
}

impl Reader {
    /// The next line; `None` once there are no more. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Read> {
        match self.lines.recv().await {
            Ok(line) => Some(Read::Line(line)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Read::Lost(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The tail's thread.
struct Lines {
    shared: Arc<Shared>,
    queue: Receiver<Box<[u8]>>,
    joiner: Joiner,
    terminal: Option<Terminal>,
    /// Lines that the terminal showed in this window.
    shown: u64,
    window_ends: Instant,
}

impl Lines {
    fn run(&mut self) {
        loop {
            let record = if self.terminal.is_some() {
                let left = self.window_ends.saturating_duration_since(Instant::now());
                self.queue.recv_timeout(left)
            } else {
                self.queue.recv().map_err(RecvTimeoutError::from)
            };
            match record {
                Ok(record) => self.take(&record),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.terminal.is_some() && Instant::now() >= self.window_ends {
                self.end_window();
            }
        }
    }

    fn take(&mut self, record: &[u8]) {
        self.learn();
        let row = self.joiner.push(record);
        while let Some(row) = self.joiner.take_unanswered() {
            self.show(&row);
        }
        if let Some(row) = row {
            self.show(&row);
        }
    }

    /// Gives the joiner the names that came since.
    fn learn(&mut self) {
        let names = std::mem::take(&mut *Tail(Arc::clone(&self.shared)).names());
        if !names.configured.is_empty() {
            let origin = Origin { worker: 0, ring: 0, boot: 0, sequence: 0, time_ns: 0 };
            let names = names.configured.iter().map(String::as_str);
            for record in encode_dictionary(origin, names).unwrap_or_default() {
                self.joiner.push(&record);
            }
        }
        self.joiner.add_principals(names.principals);
    }

    fn show(&mut self, row: &Row) {
        let text = line(row);
        if self.shared.json.receiver_count() > 0
            && let Ok(json) = serde_json::to_string(row)
        {
            // Fails where the last reader has just left.
            self.shared.json.send(json.into()).ok();
        }
        if self.terminal.is_some() {
            self.print(&text);
        }
        if self.shared.text.receiver_count() > 0 {
            self.shared.text.send(text.into()).ok();
        }
    }

    fn print(&mut self, text: &str) {
        if self.shown >= LINES_A_SECOND {
            self.shared.terminal_open.store(false, Ordering::Relaxed);
            self.shared.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.shown += 1;
        self.write(&format!("{}\n", paint(text)));
    }

    fn end_window(&mut self) {
        let left_out = self.shared.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            self.write(&format!("\x1b[2m… {} more\x1b[0m\n", line::grouped(left_out)));
        }
        self.shown = 0;
        self.window_ends = Instant::now() + WINDOW;
        self.shared.terminal_open.store(self.terminal.is_some(), Ordering::Relaxed);
    }

    /// Writes to the terminal; one that is gone is given up.
    fn write(&mut self, text: &str) {
        let Some(terminal) = &mut self.terminal else { return };
        if terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).is_err() {
            self.terminal = None;
            self.shared.terminal_open.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
