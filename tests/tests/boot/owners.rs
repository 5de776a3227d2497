//! Users that are made and removed while vaultd serves, by what machines make users with.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

/// Waits until the secret belongs to whom `stat` is to name, with this mode.
fn belongs_to(machine: &Machine, expected: &str) {
    machine.run(&format!(
        "for try in $(seq 200); do
             [ \"$(stat --format='%U %a' /run/vault/{TOKEN})\" != '{expected}' ] || exit 0
             sleep 0.05
         done
         stat /run/vault/{TOKEN}
         exit 1"
    ));
}

#[test]
fn a_user_that_is_made_later_has_its_file_without_a_reload() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.give_token_to_billing();
    machine.run("systemctl enable --quiet --now vaultd.service");
    belongs_to(&machine, "root 400");
    let status = || machine.run("systemctl show --property=StatusText --value vaultd.service");
    assert!(status().contains("there is no user billing"), "{}", status());
    let unresolved = "unresolved   user billing: what is theirs is root's until they are there";
    assert!(machine.run("vaultd status").contains(unresolved));

    // The next vaultd goes on where this one was.
    let mount = machine.run("findmnt --noheadings --output=ID /run/vault");
    machine.run("systemctl restart vaultd.service");
    assert_eq!(machine.run("findmnt --noheadings --output=ID /run/vault"), mount, "the mount stays");
    assert!(machine.run("vaultd status").contains(unresolved));

    let held = "ls -l /proc/$(systemctl show --property=MainPID --value vaultd.service)/fd";
    assert!(machine.run(held).contains("inotify"), "the unit lets it look out");
    machine.write("/etc/sysusers.d/billing.conf", "u billing 901 \"Billing\"\n");
    machine.run("systemd-sysusers");
    belongs_to(&machine, "billing 400");
    machine.reads_from_billing(TOKEN, "first");
    machine.wait_for_lines("vaultd: user billing is there now, as 901", 1);
    assert!(!status().contains("there is no"), "{}", status());
    assert!(!machine.run("vaultd status").contains("unresolved"));

    // Whoever gets its number later gets nothing of its.
    machine.run("userdel billing; useradd --system --uid 901 stranger");
    belongs_to(&machine, "root 400");
    machine
        .try_run(&format!("setpriv --reuid 901 --regid 901 --clear-groups cat /run/vault/{TOKEN}"))
        .says("Permission denied");
    machine.run("useradd --system --uid 902 billing");
    belongs_to(&machine, "billing 400");
    // One that cannot load the vault knows whose the files are, and who they are now.
    machine.damage_vault();
    machine.run("systemctl restart vaultd.service; userdel billing");
    belongs_to(&machine, "root 400");
    machine.run("useradd --system --uid 902 billing");
    belongs_to(&machine, "billing 400");
    machine.bring_vault();
    machine.run("systemctl reload vaultd.service");
    machine.reads_from_billing(TOKEN, "first");
    assert_eq!(machine.state(), "running");

    // Also after the next boot, when nothing is remembered.
    machine.run("userdel billing; rm /etc/sysusers.d/billing.conf");
    machine.reboot();
    belongs_to(&machine, "root 400");
    machine.run("useradd --system billing");
    belongs_to(&machine, "billing 400");
    machine.reads_from_billing(TOKEN, "first");
}
