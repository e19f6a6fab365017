//! The node: which snapshot is wanted, which is in force, and how one becomes the other.
//!
//! ```text
//!  configuration or keys ──build──► candidate ──sent──► Applied ──► wanted
//!                                       ├─ Refused ──► the old one is sent again, and stays
//!                                       └─ no answer, gone ──► as above, once it is back
//! ```
//!
//! One task owns all of this and takes one event after another, so nothing is ever half-way. A
//! configuration is taken whole or not at all. Keys are different: what the key file says holds at
//! once, also for a data path that comes back later.
//!
//! INVARIANT: before a snapshot goes down, it is archived and its names are on their way to the
//! log; the writer takes names before it takes records.

use super::change::{Change, built_again, loaded_again};
use super::data_path::{Answer, Down};
use super::vitals::{Counts, SnapshotView, View};
use crate::cli::options::RunOptions;
use crate::config::Config;
use crate::identity;
use crate::publish::{self, Built};
use crate::tail::Tail;
use sluice_audit::writer::{Command as Write, Handle};
use sluice_contract::control::{Applied, Hello, Prepared, Refused, Reply};
use sluice_contract::ids::SnapshotHash;
use sluice_contract::record::{Notice, NoticeCode};
use sluice_contract::snapshot::Enforcement;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Time in which the data path answers to a snapshot.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which keys that were refused are tried again: a revoked key must not stay in force
/// because workers were slow once.
const KEYS_RETRY: Duration = Duration::from_secs(1);

/// Requests that may wait for the one before them; one more is refused.
const ASKED_MAX: usize = 16;

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Read the configuration again.
    Configuration,
    /// Read keys and secrets again.
    Keys,
}

/// What happens to the node.
#[derive(Debug)]
pub enum Event {
    /// A data path says hello.
    Connected {
        /// The connection.
        id: u64,
        /// Who it is.
        hello: Hello,
        /// Where to send snapshots.
        queue: mpsc::Sender<Down>,
    },
    /// It answers.
    Answered {
        /// The connection.
        id: u64,
        /// Its answer.
        answer: Answer,
    },
    /// It is gone.
    Disconnected {
        /// The connection.
        id: u64,
    },
    /// Something is asked for.
    Asked {
        /// What.
        ask: Ask,
        /// Where the result goes.
        reply: Option<oneshot::Sender<Reply>>,
    },
}

/// Where things are, and whom the node talks to.
pub struct Surroundings {
    /// Options of the command line, to read the configuration again.
    pub options: RunOptions,
    /// State folder.
    pub state: PathBuf,
    /// What the supervisor made.
    pub prepared: Prepared,
    /// Compiled patterns.
    pub patterns: Arc<Vec<u8>>,
    /// The audit writer.
    pub writer: Handle,
    /// Lines for people.
    pub tail: Tail,
    /// For probes and people.
    pub view: watch::Sender<View>,
    /// What is counted.
    pub counts: Arc<Counts>,
}

/// The node.
pub struct Node {
    around: Surroundings,
    config: Arc<Config>,
    wanted: Arc<Built>,
    candidate: Option<Candidate>,
    /// The wanted snapshot was sent again after a refusal, and must be answered until then. Nothing
    /// else is sent meanwhile, so whatever is still said of the refused one is known to be.
    restoring: Option<Instant>,
    keys_retry: Option<Instant>,
    asked: VecDeque<(Ask, Option<oneshot::Sender<Reply>>)>,
    link: Option<Link>,
    /// Snapshot and data path of the last notice in the log.
    noticed: Option<(SnapshotHash, u64)>,
    last_boot: Option<u64>,
}

/// A snapshot that was sent and not answered.
struct Candidate {
    ask: Ask,
    config: Arc<Config>,
    built: Arc<Built>,
    reply: Option<oneshot::Sender<Reply>>,
    deadline: Instant,
}

/// The connected data path.
struct Link {
    id: u64,
    boot: u64,
    queue: mpsc::Sender<Down>,
}

impl Node {
    /// A node that wants `built`, made of `config`.
    pub fn new(around: Surroundings, config: Arc<Config>, built: Built) -> Node {
        let node = Node {
            around,
            config,
            wanted: Arc::new(built),
            candidate: None,
            restoring: None,
            keys_retry: None,
            asked: VecDeque::new(),
            link: None,
            noticed: None,
            last_boot: None,
        };
        node.show();
        node
    }

    /// The snapshot that it wants now.
    pub fn wanted(&self) -> Arc<Built> {
        Arc::clone(&self.wanted)
    }

    /// Takes events until there are no more.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        loop {
            let answer = self.candidate.as_ref().map(|candidate| candidate.deadline);
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.take(event),
                    None => return,
                },
                () = until(answer.or(self.restoring)) => self.unanswered(),
                () = until(self.keys_retry) => {
                    self.keys_retry = None;
                    self.asked.push_back((Ask::Keys, None));
                }
            }
            while self.candidate.is_none()
                && self.restoring.is_none()
                && let Some((ask, reply)) = self.asked.pop_front()
            {
                self.change(ask, reply).await;
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected { id, hello, queue } => self.connected(id, hello, queue),
            Event::Answered { id, answer } if self.is_linked(id) => match answer {
                Answer::Applied(applied) => self.applied(applied),
                Answer::Refused(refused) => self.refused(&refused),
            },
            Event::Disconnected { id } if self.is_linked(id) => self.disconnected(),
            // Of a connection that another one replaced.
            Event::Answered { .. } | Event::Disconnected { .. } => {}
            // Each reads what is on disk when its turn comes, so that one does for all that wait;
            // only who wants an answer gets one of their own.
            Event::Asked { ask, reply: None } if self.is_waiting(ask) => {}
            Event::Asked { reply, .. } if self.asked.len() >= ASKED_MAX => {
                tell(reply, false, "too many requests wait already");
            }
            Event::Asked { ask, reply } => self.asked.push_back((ask, reply)),
        }
    }

    fn is_waiting(&self, ask: Ask) -> bool {
        self.asked.iter().any(|(waiting, _)| *waiting == ask)
    }

    fn is_linked(&self, id: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.id == id)
    }

    /// A data path comes, or comes back: it gets what is wanted. A connection that it had before
    /// is dead, whether we noticed or not.
    fn connected(&mut self, id: u64, hello: Hello, queue: mpsc::Sender<Down>) {
        tracing::info!(pid = hello.pid, driver = %hello.driver, workers = hello.workers, "data path connected");
        if self.link.is_some() {
            self.disconnected();
        }
        let started = self.last_boot.replace(hello.boot) != Some(hello.boot);
        self.link = Some(Link { id, boot: hello.boot, queue });
        self.around.view.send_modify(|view| {
            view.data_path_starts += u64::from(started);
            view.data_path = Some(hello);
            view.applied = None;
            view.refused = None;
        });
        self.send(Down::Snapshot(Arc::clone(&self.wanted)));
    }

    fn disconnected(&mut self) {
        (self.link, self.restoring) = (None, None);
        self.around.view.send_modify(|view| (view.data_path, view.applied) = (None, None));
        self.give_up("the data path went away before it answered");
    }

    fn send(&mut self, down: Down) {
        let Some(link) = &self.link else { return };
        if link.queue.try_send(down).is_err() {
            // It takes nothing; once it connects again it gets what is wanted then.
            tracing::error!("the data path takes no snapshot; its connection is closed");
            self.disconnected();
        }
    }

    /// The data path runs on a snapshot.
    fn applied(&mut self, applied: Applied) {
        let is = |built: &Built| {
            (built.hash, built.secrets.version) == (applied.snapshot, applied.secrets)
        };
        if self.candidate.as_ref().is_some_and(|candidate| is(&candidate.built)) {
            if let Some(candidate) = self.candidate.take() {
                self.accept(candidate, &applied);
            }
        } else if is(&self.wanted) {
            self.restoring = None;
        } else {
            // An answer to one that was given up; the answer to the last one follows.
            return;
        }
        let boot = self.link.as_ref().map_or(0, |link| link.boot);
        if self.noticed.replace((applied.snapshot, boot)) != Some((applied.snapshot, boot)) {
            self.notice(applied.snapshot);
        }
        self.around.view.send_modify(|view| {
            view.applied = Some(applied);
            view.refused = None;
        });
        self.show();
    }

    fn accept(&mut self, candidate: Candidate, applied: &Applied) {
        let Candidate { ask, config, built, reply, .. } = candidate;
        let counted = match ask {
            Ask::Configuration => &self.around.counts.snapshots_applied,
            Ask::Keys => &self.around.counts.keys_applied,
        };
        counted.fetch_add(1, Ordering::Relaxed);
        (self.config, self.wanted) = (config, built);
        let all = applied.canaries_passed >= applied.canaries;
        let text = accepted_text(ask, &self.wanted, applied);
        if all {
            tracing::info!(snapshot = %applied.snapshot, ?ask, "snapshot in force");
        } else {
            tracing::error!(snapshot = %applied.snapshot, "canaries were missed");
        }
        tell(reply, all, &text);
    }

    /// The data path stays with what it has. Both parts of a snapshot may be refused; the first
    /// reason is the one that counts.
    fn refused(&mut self, refused: &Refused) {
        tracing::error!(reason = %refused.reason, "the data path refused a snapshot");
        let of_candidate = self
            .candidate
            .as_ref()
            .is_some_and(|candidate| refused.snapshot.is_none_or(|it| it == candidate.built.hash));
        if of_candidate {
            self.turn_down(&refused.reason);
        } else if self.restoring.is_none() {
            let reason = refused.reason.clone();
            self.around.view.send_modify(|view| {
                view.refused.get_or_insert(reason);
            });
        }
    }

    /// The candidate is dropped, and the data path is put back on what is wanted: whichever part of
    /// the candidate it may have kept, what comes next must not meet it.
    fn turn_down(&mut self, reason: &str) {
        let Some(candidate) = self.candidate.take() else { return };
        self.around.counts.snapshots_refused.fetch_add(1, Ordering::Relaxed);
        let text = format!("the data path refused it: {reason}; nothing was changed");
        tell(candidate.reply, false, &text);
        if candidate.ask == Ask::Keys {
            self.keys_retry = Some(Instant::now() + KEYS_RETRY);
        }
        if self.around.view.borrow().applied.is_some() {
            self.restoring = Some(Instant::now() + ANSWER_TIMEOUT);
            self.send(Down::Snapshot(Arc::clone(&self.wanted)));
        }
    }

    /// No answer in time. Which snapshot the data path will run on is unknown: its connection is
    /// closed, it connects again and gets the old one.
    fn unanswered(&mut self) {
        tracing::error!("the data path does not answer; its connection is closed");
        self.give_up("the data path did not answer in time");
        self.disconnected();
    }

    /// The candidate is dropped and the old one stays; keys hold all the same.
    fn give_up(&mut self, why: &str) {
        let Some(candidate) = self.candidate.take() else { return };
        self.around.counts.snapshots_refused.fetch_add(1, Ordering::Relaxed);
        match candidate.ask {
            Ask::Configuration => {
                tell(candidate.reply, false, &format!("{why}; nothing was changed"));
            }
            Ask::Keys => {
                self.wanted = candidate.built;
                tell(candidate.reply, false, &format!("{why}; the keys hold once it is back"));
            }
        }
    }

    /// Makes a candidate of what is on disk now, and sends it.
    async fn change(&mut self, ask: Ask, reply: Option<oneshot::Sender<Reply>>) {
        let made = match ask {
            Ask::Configuration if self.link.is_none() => {
                Err("the data path is not connected; nothing was changed, try again".to_owned())
            }
            Ask::Configuration => loaded_again(&self.around, &self.config).await,
            Ask::Keys => built_again(&self.around, &self.config).await,
        };
        let Change { config, built } = match made {
            Ok(change) => change,
            Err(why) => {
                self.around.counts.snapshots_refused.fetch_add(1, Ordering::Relaxed);
                tracing::error!(?ask, "refused: {why}");
                tell(reply, false, &why);
                return;
            }
        };
        let same_public = built.hash == self.wanted.hash;
        if same_public && built.secrets.version == self.wanted.secrets.version {
            self.config = config;
            tell(reply, true, "nothing has changed");
            return;
        }
        if let Err(why) = announce(&self.around, &config, &built) {
            tracing::error!(?ask, "refused: {why}");
            tell(reply, false, &why);
            return;
        }
        let built = Arc::new(built);
        if self.link.is_none() {
            (self.config, self.wanted) = (config, built);
            self.show();
            tell(reply, true, "the keys hold once the data path is connected");
            return;
        }
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.candidate =
            Some(Candidate { ask, config, built: Arc::clone(&built), reply, deadline });
        let down = if same_public { Down::Secrets(built) } else { Down::Snapshot(built) };
        self.send(down);
    }

    fn notice(&self, hash: SnapshotHash) {
        let code = NoticeCode::SnapshotActive as u32;
        let notice = Notice { code, worker: 0, ring: 0, position: 0, value: 0, hash: hash.0 };
        if let Err(error) = self.around.writer.send(Write::Notice(notice)) {
            tracing::error!(%error, "no notice of the snapshot in force");
        }
    }

    /// Publishes what is wanted, for probes and people.
    fn show(&self) {
        let snapshot = &self.wanted.snapshot;
        let observing = snapshot.routes.iter();
        let observing = observing.filter(|route| route.enforcement == Enforcement::Observe);
        let shown = SnapshotView {
            hash: self.wanted.hash,
            secrets: self.wanted.secrets.version,
            routes: snapshot.routes.len(),
            observing: observing.map(|route| route.name.clone()).collect(),
        };
        self.around.view.send_modify(|view| view.snapshot = Some(shown));
    }
}

/// Archives `built` and makes its names known, before it is sent.
pub fn announce(around: &Surroundings, config: &Config, built: &Built) -> Result<(), String> {
    publish::archive(&around.state, built).map_err(|error| error.to_string())?;
    let policies = config.policies.engine.names();
    let names: Vec<String> = built.snapshot.names().chain(policies).map(str::to_owned).collect();
    around.writer.send(Write::Names(names.clone())).map_err(|error| error.to_string())?;
    around.tail.add_names(names);
    match identity::names(&identity::principals_path(&around.state)) {
        Ok(principals) => around.tail.add_principals(principals),
        // Lines then show ids; nothing else depends on the names.
        Err(error) => tracing::warn!(%error, "names of principals are not known"),
    }
    Ok(())
}

fn accepted_text(ask: Ask, built: &Built, applied: &Applied) -> String {
    let what = match ask {
        Ask::Configuration => format!("snapshot {} is in force", short(built.hash)),
        Ask::Keys => format!("{} keys are in force", built.secrets.keys.len()),
    };
    let (passed, all) = (applied.canaries_passed, applied.canaries);
    format!("{what}, canaries {passed} of {all}")
}

/// The first twelve digits of a hash, as rows and the banner show it.
pub fn short(hash: SnapshotHash) -> String {
    let mut text = hash.to_string();
    text.truncate(12);
    text
}

/// Waits for `deadline`; for ever without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn tell(reply: Option<oneshot::Sender<Reply>>, ok: bool, text: &str) {
    if let Some(reply) = reply {
        // Who asked may have left meanwhile.
        drop(reply.send(Reply { ok, text: text.to_owned() }));
    }
}
