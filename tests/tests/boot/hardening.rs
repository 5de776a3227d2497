//! What the unit may do.

use crate::machine::{Machine, can_boot};

#[test]
fn the_unit_is_confined_and_its_mount_is_everybodys() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.run("systemd-analyze security --threshold=30 --no-pager vaultd.service");
    for unit in
        ["vaultd-verify.service", "vaultd-due.service", "vaultd-metrics.service", "vaultd-programs@0.service"]
    {
        machine.run(&format!("systemd-analyze security --threshold=40 --no-pager {unit}"));
    }
    machine.run("systemd-analyze verify /usr/local/lib/systemd/system/vaultd*");

    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service");
    let monitor = machine.run("systemctl show --property=MainPID --value vaultd.service");
    let of = |pid: &str, namespace: &str| machine.run(&format!("readlink /proc/{pid}/ns/{namespace}"));
    assert_eq!(of(&monitor, "mnt"), of("1", "mnt"));
    assert_ne!(of(&monitor, "net"), of("1", "net"));
    let status = machine.run(&format!("cat /proc/{monitor}/status"));
    assert!(status.contains("\nNoNewPrivs:\t1\n") && status.contains("\nSeccomp:\t2\n"), "{status}");
    let may = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).expect("capabilities");
    let may = u64::from_str_radix(may, 16).expect("a number");
    assert_eq!(may & 1 << 19, 0, "CAP_SYS_PTRACE is another process's");
    let server =
        machine.run("vaultd status --json | sed -n '/\"server\"/,/}/s/.*\"pid\": \\([0-9]*\\),/\\1/p'");
    let status = machine.run(&format!("cat /proc/{server}/status"));
    assert_eq!(machine.run(&format!("stat -c %U /proc/{server}/environ")), "root", "not dumpable");
    let user = machine.run("id -u vaultd");
    assert!(status.contains(&format!("\nUid:\t{user}\t{user}\t{user}\t{user}\n")), "{status}");
    machine.run("mountpoint --quiet /run/vault");
    assert_eq!(machine.run("stat -c '%a %U:%G' /run/vault"), "711 root:root");
    // As an upgrade of any package does.
    machine.run("systemd-tmpfiles --create");
}
