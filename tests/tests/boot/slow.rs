//! A vaultd that hangs, or dies slowly again and again: it holds up the boot for a while, and not for ever.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

/// Seconds after which the machine lets people in: those of `JobRunningTimeoutSec=`, and what a busy host adds.
const LONGEST: u64 = 150;
/// What vaultd waits for in these tests. Until then no attempt to start it succeeds.
const MENDED: &str = "/etc/vaultd/mended";

/// A machine whose vaultd begins with shell commands (`$$` is one `$`), and a service with a secret of it.
fn machine(begins: &str) -> Machine {
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.write(
        "/etc/systemd/system/vaultd.service.d/slow.conf",
        &format!("[Service]\nExecStart=\nExecStart=sh -c '[ -e {MENDED} ] || {begins}; exec vaultd mount'\n"),
    );
    machine.write(
        "/etc/systemd/system/consumer.service",
        &format!(
            "[Unit]\nWants=vaultd-ready.target\nAfter=vaultd-ready.target\n\
             [Service]\nLoadCredential=token:/run/vault/{TOKEN}\nExecStart=sleep infinity\n\
             [Install]\nWantedBy=multi-user.target\n"
        ),
    );
    machine.run("systemctl enable --quiet vaultd.service ssh.service consumer.service");
    machine
}

/// Expects the machine to have let people in after a while, without a secret for anybody.
fn is_open_without_secrets(machine: &Machine) {
    let seconds = |unit: &str, property: &str| -> u64 {
        let microseconds = machine.run(&format!("systemctl show --property={property} --value {unit}"));
        microseconds.parse::<u64>().expect("microseconds") / 1_000_000
    };
    assert_eq!(machine.state_of("ssh.service"), "active");
    let waited =
        seconds("ssh.service", "ActiveEnterTimestampMonotonic") - seconds("", "UserspaceTimestampMonotonic");
    assert!((60..LONGEST).contains(&waited), "people could log in after {waited} s");
    assert_eq!(machine.run("ls -A /run/vault"), "");
    assert_eq!(machine.state_of("consumer.service"), "failed");
    assert_eq!(machine.state_of("vaultd-ready.target"), "inactive");
}

/// Expects vaultd to serve without anybody's help, from when it can.
fn serves_once_mended(machine: &Machine) {
    machine.run(&format!(
        "for try in $(seq 300); do ! mountpoint --quiet /run/vault || exit 0; sleep 1; done; exit 1"
    ));
    machine.run("until systemctl is-active --quiet vaultd.service; do sleep 0.1; done");
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
    // Whatever failed for want of a secret.
    machine
        .run("systemctl start multi-user.target; systemctl is-active consumer.service vaultd-ready.target");
}

#[test]
fn one_that_hangs_holds_up_the_boot_for_a_while() {
    if !can_boot() {
        return;
    }
    let mut machine = machine("kill -STOP $$$$");
    machine.reboot();
    is_open_without_secrets(&machine);
    machine.run(&format!("touch {MENDED}; systemctl kill --signal=CONT vaultd.service"));
    serves_once_mended(&machine);
}

#[test]
fn one_that_dies_slowly_holds_up_the_boot_for_a_while() {
    if !can_boot() {
        return;
    }
    let mut machine = machine("{ sleep 20; kill -KILL $$$$; }");
    machine.reboot();
    is_open_without_secrets(&machine);
    // It is tried again, in the background.
    machine.run(&format!("touch {MENDED}"));
    serves_once_mended(&machine);
}
