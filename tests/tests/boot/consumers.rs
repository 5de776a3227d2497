//! Services that need a secret to start, in every way that `docs/services.md` shows.

use std::env;

use serde_json::Value;

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

/// How often the machine is rebooted; more by hand.
const REBOOTS: &str = "ODBOX_BOOT_REBOOTS";

#[test]
fn all_have_their_secret_from_the_start_to_the_end_of_every_boot() {
    if !can_boot() {
        return;
    }
    let reboots = env::var(REBOOTS).map_or(3, |number| number.parse().expect("a number of reboots"));
    let mut machine = Machine::new();
    machine.add_users();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.follow_the_page();
    machine.run("systemctl enable --quiet vaultd.service");
    let units = machine.install_examples(4, "first");
    assert!(units.len() >= 20, "{units:?}");

    for boot in 1..=reboots {
        machine.reboot();
        assert_eq!(machine.state(), "running", "boot {boot}: {}", machine.run("systemctl --failed"));
        machine.run(&format!("systemctl is-active --quiet {}", units.join(" ")));
        machine.wait_for_lines("consumer: has it", units.len());
        machine.reads_from_billing(TOKEN, "first");

        machine.reboot();
        let before = machine.run("journalctl --boot=-1 --no-pager --output=cat");
        let lines = |text: &str| before.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines("consumer: had it to the end"), units.len(), "boot {boot}: {before}");
        assert_eq!(lines("consumer: wrong"), 0, "boot {boot}: {before}");
        stops_after_its_consumers(&before, &units);
        names_who_opened(&machine);
    }
}

/// From the first open of the boot before to the last.
fn names_who_opened(machine: &Machine) {
    let records =
        machine.run("journalctl --boot=-1 --no-pager --output=json ODBOX_REASON=mode ODBOX_DECISION=allowed");
    let records: Vec<Value> =
        records.lines().map(|record| serde_json::from_str(record).expect("JSON")).collect();
    assert!(records.len() > 10, "{records:#?}");
    let nameless: Vec<_> = records.iter().filter(|record| record["ODBOX_EXE"].is_null()).collect();
    assert!(nameless.is_empty(), "{} of {}: {nameless:#?}", nameless.len(), records.len());
}

/// From the journal of a boot: the mount goes cleanly, when nobody needs it any more.
fn stops_after_its_consumers(journal: &str, units: &[String]) {
    let place = |text: &str| journal.lines().position(|line| line.starts_with(text));
    let stopped = place("Stopping vaultd.service").unwrap_or_else(|| panic!("never stopped: {journal}"));
    for unit in units {
        let consumer = place(&format!("Stopped {unit}")).unwrap_or_else(|| panic!("{unit}: {journal}"));
        assert!(consumer < stopped, "{unit} was stopped after vaultd: {journal}");
    }
    assert!(place("Stopped vaultd.service").is_some(), "{journal}");
    for failure in [
        "vaultd.service: Failed",
        "vaultd.service: State 'stop-sigterm' timed out",
        "run-vault.mount: Failed",
    ] {
        assert_eq!(place(failure), None, "{journal}");
    }
}
