//! An address by DHCP, names by DNS, the time.

use crate::{
    formats::unit::UnitFile,
    node::{Machine, Platform},
    system::{Contributor, Enabled, File},
    value::AbsolutePath,
};

pub(super) fn contribute(machine: &Machine, system: &mut Contributor<'_>) {
    let mut network = UnitFile::new();
    network.section("Match").set("Kind", "!*").set("Type", "ether");
    network.section("Network").set("DHCP", "yes").set("LLMNR", "no").set("MulticastDNS", "no");
    network.section("Link").set("RequiredForOnline", "routable");
    // The name comes from the description, or from the instance's metadata.
    network.section("DHCPv4").set("UseHostname", "no");
    network.section("DHCPv6").set("UseHostname", "no");
    put("/etc/systemd/network/50-odbox.network", &network, system);
    system.packaged_unit("systemd-networkd.service", Enabled::WantedBy("multi-user.target"));
    system.packaged_unit("systemd-networkd-wait-online.service", Enabled::WantedBy("network-online.target"));

    let mut resolved = UnitFile::new();
    resolved
        .section("Resolve")
        .comment("Nobody nearby is asked.")
        .set("LLMNR", "no")
        .set("MulticastDNS", "no");
    put("/etc/systemd/resolved.conf.d/odbox.conf", &resolved, system);
    let stub = AbsolutePath::known("/run/systemd/resolve/stub-resolv.conf");
    system.file(AbsolutePath::known("/etc/resolv.conf"), File::link(stub));
    system.package("systemd-resolved");
    system.packaged_unit("systemd-resolved.service", Enabled::WantedBy("sysinit.target"));

    if machine.platform == Platform::Ec2 {
        let mut time = UnitFile::new();
        time.section("Time").comment("Amazon's, which is on the same host.").set("NTP", "169.254.169.123");
        put("/etc/systemd/timesyncd.conf.d/odbox.conf", &time, system);
    }
    system.package("systemd-timesyncd");
    system.packaged_unit("systemd-timesyncd.service", Enabled::WantedBy("sysinit.target"));
}

fn put(path: &'static str, file: &UnitFile, system: &mut Contributor<'_>) {
    system.file(AbsolutePath::known(path), File::text(file.render()));
}
