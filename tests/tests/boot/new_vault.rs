//! A new state of the vault while the machine runs.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

#[test]
fn a_reload_serves_a_sound_state_and_tells_of_one_that_is_not() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.add_users();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.follow_the_page();
    machine.run("systemctl enable --quiet --now vaultd.service");
    let units = machine.install_examples(1, "first");
    machine.run(&format!("systemctl start {}", units.join(" ")));
    machine.wait_for_lines("consumer: has it", units.len());

    machine.write("/etc/expected", "second");
    machine.change_token("second");
    machine.run("systemctl reload vaultd.service");
    machine.reads_from_billing(TOKEN, "second");
    machine.wait_for_lines("consumer: has the new one", 1);
    machine.run(&format!("systemctl restart {}", units.join(" ")));
    machine.wait_for_lines("consumer: has it", 2 * units.len());
    // At their end all but the one with a credential, which is a copy, had the new value.
    machine.wait_for_lines("consumer: had it to the end", units.len() - 1);
    machine.wait_for_lines("consumer: wrong", 1);
    let serial = machine.run("vaultd status --json | sed -n 's/.*\"serial\": \\([0-9]*\\),/\\1/p'");
    let status = machine.run("systemctl show --property=StatusText --value vaultd.service");
    assert_eq!(status, format!("3 files, serial {serial}, signed by operator"));

    machine.damage_vault();
    machine.try_run("systemctl reload vaultd.service").says("Job for vaultd.service failed");
    machine.wait_for_lines("error: vault.toml is not what was signed", 2);
    machine.run("until systemctl is-failed --quiet vaultd-verify.service; do sleep 0.05; done");
    assert_eq!(machine.state(), "degraded");
    assert_eq!(machine.state_of("vaultd.service"), "active");
    machine.reads_from_billing(TOKEN, "second");
    let status = machine.run("systemctl show --property=StatusText --value vaultd.service");
    assert!(status.ends_with("; the vault's present state is refused"), "{status}");

    machine.bring_vault();
    machine.run("systemctl reload vaultd.service");
    machine.run("until systemctl is-active --quiet vaultd-verify.service; do sleep 0.05; done");
    assert_eq!(machine.state(), "running");
}

#[test]
fn a_signal_is_as_good_as_a_reload() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.add_users();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.give_token_to_billing();
    machine.run("systemctl enable --quiet --now vaultd.service");
    machine.change_token("second");
    machine.run("systemctl kill --signal=HUP --kill-whom=main vaultd.service");
    machine.run(
        "until [ \"$(cat /run/vault/api/token)\" = second ]; do sleep 0.05; done
         until systemctl is-active --quiet vaultd.service; do sleep 0.05; done",
    );
    assert_eq!(machine.state(), "running");
}

#[test]
fn whether_it_is_served_is_told_whoever_reloads() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service");
    assert_eq!(machine.state(), "running");
    let ways = [
        "systemctl reload vaultd.service",
        "vaultd reload",
        "systemctl kill --signal=HUP --kill-whom=main vaultd.service",
    ];
    let becomes = |state: &str| {
        machine.run(&format!(
            "until [ $(systemctl is-active vaultd-verify.service) = {state} ]; do sleep 0.05; done"
        ));
    };
    for (bad, good) in ways.iter().zip(ways.iter().cycle().skip(1)) {
        machine.damage_vault();
        machine.try_run(bad);
        becomes("failed");
        assert_eq!(machine.state(), "degraded", "{bad}");
        machine.bring_vault();
        machine.run(good);
        becomes("active");
        assert_eq!(machine.state(), "running", "{bad}, {good}");
    }
    // As often as anybody likes.
    machine.run("for time in $(seq 20); do vaultd reload; done");
    becomes("active");
    assert_eq!(machine.state(), "running");
}
