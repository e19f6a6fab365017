//! What is on this machine that could be attached: a key in the environment, engines on loopback.
//!
//! For the banner of a first start: what was found, and what to write to use it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an engine may take to accept a connection.
const PROBE: Duration = Duration::from_millis(100);

/// Something that could be attached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachable {
    /// `OPENAI_API_KEY`, `Ollama`, `vLLM`.
    pub name: &'static str,
    /// Where it was looked for.
    pub place: &'static str,
    /// Whether it is there.
    pub found: bool,
    /// What to put into `sluice.toml`.
    pub hint: String,
}

/// What is there to attach. Connects to two loopback ports, one after the other.
pub fn attachable() -> Vec<Attachable> {
    let openai = std::env::var_os("OPENAI_API_KEY").is_some_and(|key| !key.is_empty());
    found(openai, &|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpStream::connect_timeout(&address, PROBE).is_ok()
    })
}

fn found(openai: bool, listens: &dyn Fn(u16) -> bool) -> Vec<Attachable> {
    vec![
        Attachable {
            name: "OPENAI_API_KEY",
            place: "environment",
            found: openai,
            hint: hint(
                "openai",
                "https://api.openai.com",
                "external",
                "api_key = { env = \"OPENAI_API_KEY\" }\n",
            ),
        },
        Attachable {
            name: "Ollama",
            place: "127.0.0.1:11434",
            found: listens(11_434),
            hint: hint("ollama", "http://127.0.0.1:11434", "internal", ""),
        },
        Attachable {
            name: "vLLM",
            place: "127.0.0.1:8000",
            found: listens(8_000),
            hint: hint("vllm", "http://127.0.0.1:8000", "internal", ""),
        },
    ]
}

fn hint(name: &str, url: &str, trust: &str, key: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\nurl = \"{url}\"\ntrust = \"{trust}\"\n{key}\n\
         [[route]]\nname = \"{name}\"\nmodels = [\"*\"]\ntargets = [\"{name}\"]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::check;

    #[test]
    fn what_is_offered_is_taken() {
        for attachable in found(true, &|port| port == 8000) {
            assert_eq!(attachable.found, attachable.name != "Ollama");
            assert_eq!(check(&attachable.hint).err(), None, "{}", attachable.hint);
        }
    }
}
