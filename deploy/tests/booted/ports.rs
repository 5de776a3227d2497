//! A port stays its owner's while that does not run, as Odoo in a cold backup.

use std::fs;

use deploy::node::Variant;
use fixtures::machine::{self, Need::Program};

use crate::machine::{Machine, NEEDS};

/// Binds each port that it is told, and says which it got: over IPv4 and IPv6, TCP and UDP.
const BIND: &str = "\
import socket, sys
for port in map(int, sys.argv[1:]):
    for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                socket.socket(family, kind).bind((address, port))
                print(port, 'bound', flush=True)
            except PermissionError:
                print(port, 'refused', flush=True)
";

#[test]
fn no_other_service_can_take_a_port() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("python3")]) {
        return;
    }
    let machine = Machine::of("[service-stack]\npgadmin = true\n", Variant::Run);
    // PgAdmin's own unit, with another program and nothing to wait for.
    let path = machine.path("/etc/systemd/system/pgadmin.service");
    let unit = fs::read_to_string(path).expect("a unit");
    let is_kept = |line: &&str| {
        !["Requires=", "After=", "Wants=", "ExecStart", "Type=", "Restart", "LoadCredential="]
            .iter()
            .any(|key| line.starts_with(key))
    };
    let kept: String = unit.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
    assert!(kept.contains("\nUser=pgadmin\n"), "{kept}");
    machine.write("/opt/bind", BIND);
    let start = "[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /opt/bind 5050 8069 8072 80 0\n";
    machine.write("/etc/systemd/system/takes.service", &kept.replacen("[Service]\n", start, 1));
    let said = machine.tells(
        "systemctl start takes.service
         journalctl --sync
         journalctl --unit=takes.service --output=cat
         systemctl show --property=SocketBindAllow,SocketBindDeny takes.service
         systemctl --version",
    );
    assert!(said.contains("SocketBindAllow=5050\n") && said.contains("SocketBindDeny=1-65535\n"), "{said}");
    let count = |line: &str| said.lines().filter(|said| *said == line).count();
    let found = |port: u16| (count(&format!("{port} bound")), count(&format!("{port} refused")));
    assert_eq!((found(5050), found(0)), ((4, 0), (4, 0)), "its own, and one that the kernel chooses: {said}");
    let others = (found(8069), found(8072));
    if others == ((4, 0), (4, 0)) && said.contains("-BPF_FRAMEWORK") {
        // Debian 12's systemd goes on without.
        return;
    }
    if others == ((4, 0), (4, 0)) {
        return machine::skip("the kernel takes no BPF from a container here");
    }
    assert_eq!(others, ((0, 4), (0, 4)), "Odoo's: {said}");
}
