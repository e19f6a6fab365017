//! The options that `sluice run` and `sluice manage` share.
//!
//! The supervisor passes them on to management as it got them ([`RunOptions::arguments`]), as it
//! reads no configuration itself. What an option says goes over what the file says.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where things are, from the command line.
#[derive(Clone, PartialEq, Eq, Debug, Default, clap::Args)]
pub struct RunOptions {
    /// Configuration file; safe defaults and a built-in echo model without.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of keys, audit log and sockets [default: ./sluice-state].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Address to listen on, instead of those in the file [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address of the management port [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

impl RunOptions {
    /// The same options as arguments.
    pub fn arguments(&self) -> Vec<OsString> {
        let paths = [("--config", &self.config), ("--state", &self.state)];
        let addresses = [("--listen", self.listen), ("--admin", self.admin)];
        let paths = paths
            .into_iter()
            .filter_map(|(name, path)| path.as_ref().map(|path| [name.into(), path.into()]));
        let addresses = addresses.into_iter().filter_map(|(name, address)| {
            address.map(|address| [name.into(), address.to_string().into()])
        });
        paths.chain(addresses).flatten().collect()
    }
}

/// Which node a command is about.
#[derive(Clone, PartialEq, Eq, Debug, Default, clap::Args)]
pub struct StateOptions {
    /// State folder of the node [default: ./sluice-state].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Configuration file that names the state folder.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl StateOptions {
    /// As the options of the node itself.
    pub fn as_run_options(&self) -> RunOptions {
        RunOptions {
            config: self.config.clone(),
            state: self.state.clone(),
            ..RunOptions::default()
        }
    }
}
