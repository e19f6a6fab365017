//! What is compared: the mock alone, nginx, and Sluice in its ways of keeping evidence.
//!
//! A subject is a running tree of processes and the addresses that it serves. The TLS variants
//! terminate TLS and forward in the clear; they are compared with nginx doing the same.

use std::{net::SocketAddr, path::PathBuf};

use super::child::Child;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// No proxy: the mock.
    Direct,
    /// A bare reverse proxy.
    Nginx,
    NginxTls,
    /// All detectors, policy, asynchronous audit.
    Sluice,
    /// The same with the decision on disk before anything is forwarded.
    SluiceSync,
    SluiceTls,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Direct,
        Self::Nginx,
        Self::NginxTls,
        Self::Sluice,
        Self::SluiceSync,
        Self::SluiceTls,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::NginxTls => "nginx-tls",
            Self::Sluice => "sluice",
            Self::SluiceSync => "sluice-sync",
            Self::SluiceTls => "sluice-tls",
        }
    }

    pub fn is_sluice(self) -> bool {
        matches!(self, Self::Sluice | Self::SluiceSync | Self::SluiceTls)
    }

    pub fn is_nginx(self) -> bool {
        matches!(self, Self::Nginx | Self::NginxTls)
    }

    pub fn has_tls(self) -> bool {
        matches!(self, Self::NginxTls | Self::SluiceTls)
    }

    /// The nginx that it is measured by.
    pub fn yardstick(self) -> Self {
        if self.has_tls() { Self::NginxTls } else { Self::Nginx }
    }
}

/// A certificate for `localhost` and the files that servers and clients read it from.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

pub struct Subject {
    pub kind: Kind,
    /// None for the mock alone, which serves every subject.
    pub child: Option<Child>,
    /// Where whole answers are asked for.
    pub plain: SocketAddr,
    /// Where streams are asked for; nginx needs another configuration for them.
    pub stream: SocketAddr,
    /// What a client has to trust, when it speaks TLS.
    pub ca: Option<PathBuf>,
}

impl Subject {
    pub fn target(&self, stream: bool) -> SocketAddr {
        if stream { self.stream } else { self.plain }
    }
}
