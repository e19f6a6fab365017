//! Addresses that no upstream may have, unless its configuration says so.
//!
//! A name that resolves to a metadata service or to a link-local address would let whoever
//! controls the name read the node's own credentials (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services that do not live on link-local addresses: Alibaba Cloud, Azure's wire server,
/// Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The metadata service of AWS over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether an upstream may be connected to at `address`.
pub fn is_allowed(address: IpAddr, allow_link_local: bool) -> bool {
    match address {
        IpAddr::V4(v4) => is_allowed_v4(v4, allow_link_local),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_allowed_v4(v4, allow_link_local),
            None => {
                let link_local = v6.segments().first().is_some_and(|s| s & 0xffc0 == 0xfe80);
                let special = link_local || v6 == METADATA_V6;
                !v6.is_multicast() && !v6.is_unspecified() && (allow_link_local || !special)
            }
        },
    }
}

fn is_allowed_v4(v4: Ipv4Addr, allow_link_local: bool) -> bool {
    let special = v4.is_link_local() || METADATA_V4.contains(&v4);
    let this_network = v4.octets().first() == Some(&0);
    !v4.is_multicast() && !this_network && !v4.is_broadcast() && (allow_link_local || !special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_link_local_are_refused_unless_listed() {
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert!(!is_allowed(address, false), "{text}");
            assert!(is_allowed(address, true), "{text}");
        }
    }

    #[test]
    fn addresses_that_no_host_has_are_always_refused() {
        for text in ["0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "::", "ff02::1"] {
            assert!(!is_allowed(text.parse().unwrap(), true), "{text}");
        }
    }

    #[test]
    fn hosts_are_allowed() {
        for text in ["127.0.0.1", "10.1.2.3", "::1", "2606:4700::1111", "192.168.0.1"] {
            assert!(is_allowed(text.parse().unwrap(), false), "{text}");
        }
    }
}
