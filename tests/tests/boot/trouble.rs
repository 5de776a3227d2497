//! A monitor that dies, and a vault that wants attention.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

#[test]
fn what_is_started_in_vain_is_taken_away() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service");
    // A reader that waits for a server that does not listen, and a program that is none any more.
    machine.run("systemctl kill --signal=STOP vaultd.service; systemd-run --quiet --unit=reader cat /run/vault/api/token");
    machine.run("cp -a /usr/local/bin/vaultd /root/; printf '#!/bin/sh\nexit 70\n' >/root/broken; chmod +x /root/broken");
    machine.run("mv /root/broken /usr/local/bin/vaultd");
    machine.run("systemctl kill --signal=KILL --kill-whom=main vaultd.service");
    machine.run("until systemctl is-failed --quiet vaultd.service; do sleep 0.05; done");
    machine.run("while systemctl is-active --quiet reader.service; do sleep 0.05; done");
    machine.run("cp -a /root/vaultd /usr/local/bin/; systemctl reset-failed; systemctl start vaultd.service");
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
    assert_eq!(machine.run("findmnt --noheadings --output=TARGET /run/vault"), "/run/vault", "one mount");
}

#[test]
fn stopping_leaves_nothing_mounted() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service; systemctl stop vaultd.service");
    machine.run("! mountpoint --quiet /run/vault; test -z \"$(ls -A /run/vault)\"");
    assert_eq!(machine.state_of("vaultd.service"), "inactive");
    // Whoever tells the process itself to end means the mount.
    machine.run("systemctl start vaultd.service; systemctl kill --kill-whom=main vaultd.service");
    machine.run("while mountpoint --quiet /run/vault; do sleep 0.05; done");
    assert_eq!(machine.run("systemctl show --property=NFileDescriptorStore --value vaultd.service"), "0");
}

#[test]
fn what_is_due_is_told() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service; systemctl start vaultd-due.service");
    let told = || {
        machine.run(
            "journalctl --sync; journalctl --unit=vaultd-due.service --priority=warning --output=cat --quiet",
        )
    };
    assert_eq!(told(), "");
    machine.run(
        "printf x | vaultgen add --quiet --vault /root/vault api/old --audience box \\
             --expires $(date -d 'next week' +%F)",
    );
    machine.bring_vault();
    machine.run("systemctl reload vaultd.service; systemctl start vaultd-due.service");
    assert!(told().starts_with("api/old: "), "{}", told());
    machine.run("systemctl is-active --quiet vaultd-due.timer");
}
