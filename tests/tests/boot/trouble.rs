//! A monitor that dies, and a vault that wants attention.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

#[test]
fn a_killed_monitor_is_followed_by_another_one() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service");
    // Each is killed only when it serves; the fifth start within a minute is the last.
    for restarts in 1..=4 {
        machine.run("systemctl kill --signal=KILL --kill-whom=main vaultd.service");
        machine.run(&format!(
            "until [ $(systemctl show --property=NRestarts --value vaultd.service) = {restarts} ] &&
                 systemctl is-active --quiet vaultd.service; do sleep 0.05; done"
        ));
        assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
        assert_eq!(machine.run("findmnt --noheadings --output=TARGET /run/vault"), "/run/vault", "one mount");
    }
    // A reader that nobody would ever answer again, and a server that does not listen.
    machine.run("systemctl kill --signal=STOP vaultd.service; systemd-run --quiet --unit=reader cat /run/vault/api/token");
    machine.run("systemctl kill --signal=KILL --kill-whom=main vaultd.service");
    machine.run("until systemctl is-failed --quiet vaultd.service; do sleep 0.05; done");
    machine.run("while mountpoint --quiet /run/vault; do sleep 0.05; done");
    machine.run("while systemctl is-active --quiet reader.service; do sleep 0.05; done");
    machine.run("systemctl reset-failed; systemctl start vaultd.service");
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
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
    let sandboxed =
        "systemd-run --quiet --unit=sandboxed -p ProtectSystem=strict -p PrivateTmp=yes sleep infinity";
    machine.run(&format!("systemctl start vaultd.service; {sandboxed}; systemctl restart vaultd.service"));
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
    let inside = "nsenter --mount --target $(systemctl show --property=MainPID --value sandboxed.service)";
    assert_eq!(machine.run(&format!("{inside} cat /run/vault/{TOKEN}")), "first");
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
        "printf x | vaultgen add --quiet --vault /root/vault api/old --audience web-1 \\
             --expires $(date -d 'next week' +%F)",
    );
    machine.bring_vault();
    machine.run("systemctl reload vaultd.service; systemctl start vaultd-due.service");
    assert!(told().starts_with("api/old: "), "{}", told());
    machine.run("systemctl is-active --quiet vaultd-due.timer");
}
