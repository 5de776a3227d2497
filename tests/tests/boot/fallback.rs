//! A machine that boots with a vault that is not sound.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

#[test]
fn a_bad_vault_at_boot_is_loud_and_locks_nobody_out() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.add_users();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.give_token_to_billing();
    machine.run(
        "systemctl enable --quiet --now vaultd.service ssh.service
         useradd --create-home --shell /bin/sh alice
         ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
         install -D -o alice -m 0600 /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys",
    );
    machine.damage_vault();

    machine.reboot();
    assert_eq!(machine.state(), "degraded");
    assert_eq!(
        machine.run("systemctl --failed --plain --no-legend | cut -d ' ' -f 1"),
        "vaultd-verify.service"
    );
    machine.run("systemctl start vaultd-ready.target");
    machine.reads_from_billing(TOKEN, "first");
    let log = machine.run("journalctl --boot --unit=vaultd-verify.service --output=cat");
    assert!(log.contains("error: vault.toml is not what was signed"), "{log}");
    let status = machine.run("systemctl show --property=StatusText --value vaultd.service");
    assert!(status.ends_with("; FALLBACK: the vault's present state is refused"), "{status}");
    let login = "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes alice@127.0.0.1 id -un";
    assert_eq!(machine.run(login), "alice");
}

#[test]
fn without_a_state_to_fall_back_to_the_machine_boots_all_the_same() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.damage_vault();
    machine.run("systemctl enable --quiet vaultd.service ssh.service");
    machine.reboot();
    assert_eq!(machine.state_of("vaultd.service"), "failed");
    assert_eq!(machine.state_of("vaultd-verify.service"), "failed");
    assert_eq!(machine.state_of("ssh.service"), "active");
    assert_eq!(machine.run("ls -A /run/vault"), "");
    // Not again and again: it would be refused each time.
    assert_eq!(machine.run("systemctl show --property=NRestarts --value vaultd.service"), "0");
}
