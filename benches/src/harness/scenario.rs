//! The kinds of traffic that subjects are measured with.
//!
//! Names are columns of committed results: they may be added to, not changed.

use super::subject::Kind;

/// Connections of a closed loop; enough to keep one core busy, few enough not to queue.
const CONNECTIONS: usize = 32;
/// Connections that keep a core busy although each request waits for the disk.
const BUSY_CONNECTIONS: usize = 256;
/// Requests in flight that an open loop may have; beyond it they wait, and the wait counts.
const OPEN_CONNECTIONS: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loop {
    /// The next request follows the answer.
    Closed,
    /// So many requests a second, due at random times whatever the answers do.
    Open(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub name: String,
    /// For people, in charts.
    pub title: String,
    pub body_bytes: usize,
    pub stream: bool,
    pub with_card: bool,
    pub traffic: Loop,
    pub connections: usize,
}

impl Scenario {
    fn closed(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            body_bytes: 2048,
            stream: false,
            with_card: false,
            traffic: Loop::Closed,
            connections: CONNECTIONS,
        }
    }

    /// As fast as answers come, from a fixed number of connections.
    pub fn all_closed() -> Vec<Self> {
        vec![
            Self::closed("chat-2k", "2 KB in, JSON out"),
            Self { body_bytes: 32 * 1024, ..Self::closed("chat-32k", "32 KB in, JSON out") },
            Self {
                stream: true,
                ..Self::closed("stream-burst", "2 KB in, burst of 34 events out")
            },
            Self {
                with_card: true,
                ..Self::closed("chat-2k-card", "2 KB with a card's number in")
            },
            Self { connections: 1, ..Self::closed("chat-2k-single", "2 KB in, one connection") },
            Self {
                connections: BUSY_CONNECTIONS,
                ..Self::closed("chat-2k-busy", "2 KB in, 256 connections")
            },
        ]
    }

    /// At a rate, whole answers or streams.
    pub fn open(rate: f64, stream: bool) -> Self {
        let (suffix, what) = if stream { ("-stream", "streams") } else { ("", "JSON") };
        Self {
            stream,
            traffic: Loop::Open(rate),
            connections: OPEN_CONNECTIONS,
            ..Self::closed(
                &format!("open-{rate:.0}{suffix}"),
                &format!("{rate:.0} requests/s, {what}"),
            )
        }
    }

    /// One worker against two, everything on all cores.
    pub fn workers(count: usize) -> Self {
        let plural = if count == 1 { "" } else { "s" };
        Self::closed(
            &format!("workers-{count}"),
            &format!("{count} worker{plural}, all cores shared"),
        )
    }

    /// Whether it tells anything about this subject.
    pub fn concerns(&self, kind: Kind) -> bool {
        // A card changes nothing for those that do not look for one, except for the yardstick.
        !self.with_card || kind.is_sluice() || kind.is_nginx()
    }
}
