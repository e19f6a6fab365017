//! The URL of an upstream, taken apart by hand: scheme, host, port and the path before `/v1`.
//!
//! Strict on purpose: what stands here goes into `Host` headers and request lines.

use super::reason::UrlReason;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A URL of an upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// Whether the scheme is https.
    pub tls: bool,
    /// Host name or address, an IPv6 address without its brackets, in lower case.
    pub host: String,
    /// Port; the scheme's own where it is left out.
    pub port: u16,
    /// Empty, or a slash and what follows, without one at the end.
    pub base_path: String,
}

impl Url {
    /// Takes `url` apart.
    pub fn parse(url: &str) -> Result<Url, UrlReason> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlReason::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlReason::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(UrlReason::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(UrlReason::Credentials);
        }
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(UrlReason::Port)?,
            None if tls => 443,
            None => 80,
        };
        Ok(Url { tls, host, port, base_path: base_path(path)? })
    }

    /// Whether the host is an address that is link-local or a cloud's metadata service.
    pub fn is_link_local(&self) -> bool {
        match self.host.parse() {
            Ok(IpAddr::V4(address)) => is_link_local_v4(address),
            Ok(IpAddr::V6(address)) => {
                address.is_unicast_link_local()
                    || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                    || address.to_ipv4_mapped().is_some_and(is_link_local_v4)
            }
            Err(_) => false,
        }
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

fn is_link_local_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || address == Ipv4Addr::new(100, 100, 100, 200)
}

fn host_and_port(authority: &str) -> Result<(String, Option<&str>), UrlReason> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlReason::Host)?;
        let address = host.parse::<Ipv6Addr>().or(Err(UrlReason::Host))?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or(UrlReason::Host)?),
        };
        return Ok((address.to_string(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let labels = host.strip_suffix('.').unwrap_or(host);
    // A host that ends in a number must be an address (URL standard, "ends in a number").
    let last = labels.rsplit('.').next().unwrap_or("");
    let numeric = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let valid = labels.len() <= 253 && labels.split('.').all(label);
    if !valid || (numeric && host.parse::<Ipv4Addr>().is_err()) {
        return Err(UrlReason::Host);
    }
    Ok((host.to_ascii_lowercase(), port))
}

fn base_path(path: &str) -> Result<String, UrlReason> {
    let path = path.trim_end_matches('/');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !path.bytes().all(fits) || path.contains("//") || path.split('/').any(|part| part == "..") {
        return Err(UrlReason::Path);
    }
    if path == "/v1" || path.ends_with("/v1") {
        return Err(UrlReason::Version);
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(tls: bool, host: &str, port: u16, base_path: &str) -> Url {
        Url { tls, host: host.into(), port, base_path: base_path.into() }
    }

    #[test]
    fn urls_are_taken_apart() {
        let cases = [
            ("http://127.0.0.1:8000", Ok(url(false, "127.0.0.1", 8000, ""))),
            ("https://api.openai.com/", Ok(url(true, "api.openai.com", 443, ""))),
            ("HTTPS://Gateway.Example/openai/", Ok(url(true, "gateway.example", 443, "/openai"))),
            ("http://[::1]:9", Ok(url(false, "::1", 9, ""))),
            ("http://vllm-0_a", Ok(url(false, "vllm-0_a", 80, ""))),
            ("vllm:8000", Err(UrlReason::Scheme)),
            ("ftp://x", Err(UrlReason::Scheme)),
            ("http://", Err(UrlReason::Host)),
            ("http://a b", Err(UrlReason::Host)),
            ("http://1.2.3", Err(UrlReason::Host)),
            ("http://[::g]", Err(UrlReason::Host)),
            ("http://u:p@x", Err(UrlReason::Credentials)),
            ("http://x?y", Err(UrlReason::Query)),
            ("http://x:0", Err(UrlReason::Port)),
            ("http://x:99999", Err(UrlReason::Port)),
            ("http://x/a b", Err(UrlReason::Path)),
            ("http://x/a/../b", Err(UrlReason::Path)),
            ("https://api.openai.com/v1", Err(UrlReason::Version)),
            ("https://x/api/v1/", Err(UrlReason::Version)),
        ];
        for (text, expected) in cases {
            assert_eq!(Url::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn metadata_addresses_are_known() {
        for host in [
            "169.254.169.254",
            "100.100.100.200",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.1.1]",
        ] {
            assert!(Url::parse(&format!("http://{host}")).unwrap().is_link_local(), "{host}");
        }
        assert!(!Url::parse("http://10.0.0.1").unwrap().is_link_local());
        assert!(Url::parse("http://localhost:1").unwrap().is_loopback());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "(https?://)?[ -~é]{0,40}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert!(!url.host.is_empty() && !url.host.contains(['/', ' ', '@']));
                prop_assert!(url.base_path.is_empty() || url.base_path.starts_with('/'));
                prop_assert!(!url.base_path.ends_with('/'));
            }
        }
    }
}
