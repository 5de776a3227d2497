//! The firewall: what nobody asked for stays outside.

use crate::{
    system::{Contributor, Enabled, File},
    value::AbsolutePath,
};

/// HTTP, to be redirected and for certificates, and HTTPS. Port 22 is opened by who listens there.
const WEB: [u16; 2] = [80, 443];

const RULES: &str = "\
#!/usr/sbin/nft -f
# nft(8). What is not named here does not come in.
flush ruleset

table inet odbox {
	chain input {
		type filter hook input priority filter; policy drop;

		ct state established,related accept
		ct state invalid drop
		iif \"lo\" accept

		# What IP needs to work: RFC 1122, and for IPv6 RFC 4890, section 4.4.
		icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
		icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
		icmp type echo-request limit rate 20/second accept
		icmpv6 type echo-request limit rate 20/second accept
		icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
		icmpv6 type { mld-listener-query, mld2-listener-report } ip6 saddr fe80::/10 accept
		# The answer to a question that went to all: no connection that the kernel knows (RFC 8415).
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept

		PORTS
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
";

pub(super) fn contribute(system: &mut Contributor<'_>) {
    system.package("nftables");
    system.packaged_unit("nftables.service", Enabled::WantedBy("sysinit.target"));
    WEB.into_iter().for_each(|port| system.open_port(port));
    // Without its rules the machine would be open: then it has no network either. Both are in order already, by
    // network-pre.target.
    let required = "/etc/systemd/system/systemd-networkd.service.requires/nftables.service";
    let unit = AbsolutePath::known("/usr/lib/systemd/system/nftables.service");
    system.file(AbsolutePath::known(required), File::link(unit));
}

/// The rules that let in these ports.
pub(super) fn rules(ports: impl IntoIterator<Item = u16>) -> (AbsolutePath, File) {
    let ports: Vec<String> = ports.into_iter().map(|port| port.to_string()).collect();
    let accept = match ports.is_empty() {
        true => "# No port is open.".to_owned(),
        false => format!("tcp dport {{ {} }} accept", ports.join(", ")),
    };
    let text = RULES.replace("PORTS", &accept);
    (AbsolutePath::known("/etc/nftables.conf"), File::text(text).mode(0o755))
}
