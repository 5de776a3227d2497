//! Services that are told of a new value, and those that are not.

use crate::machine::{Machine, can_boot};
use crate::operator::POLICY;

#[test]
fn only_units_that_the_machine_allows_are_told_of_a_new_value() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.add_users();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.follow_the_page();
    // Beside what the page shows: one that is restarted, and one that the machine does not allow.
    machine.run(&format!(
        "sed -i 's/\"reload proxy.service\"/&, \"restart shop.service\", \"restart ssh.service\"/' {POLICY}
         vaultgen sign --yes --quiet --vault /root/vault
         sed -i 's/\"proxy.service\"/&, \"shop.service\"/' /etc/vaultd/vaultd.toml"
    ));
    machine.bring_vault();
    machine.run("systemctl enable --quiet --now vaultd.service ssh.service");
    let units = machine.install_examples(1, "first");
    machine.run(&format!("systemctl start {}", units.join(" ")));
    machine.wait_for_lines("consumer: has it", units.len());
    let main = |unit: &str| machine.run(&format!("systemctl show --property=MainPID --value {unit}"));
    let [proxy, shop, ssh] = ["proxy.service", "shop.service", "ssh.service"].map(main);

    // Nothing changed: nobody is told.
    machine.run("systemctl reload vaultd.service");
    machine.write("/etc/expected", "second");
    machine.change_token("second");
    machine.run("systemctl reload vaultd.service");
    machine.wait_for_lines("consumer: has the new one", 1);
    machine.wait_for_lines("consumer: has it", units.len() + 1);
    assert_eq!(main("proxy.service"), proxy, "it was reloaded, not restarted");
    assert_ne!(main("shop.service"), shop);
    assert_eq!(main("ssh.service"), ssh, "nobody allowed that");
    let refused = "warning: the vault wants to restart ssh.service, which on-change-units of vaultd.toml does not allow";
    machine.wait_for_lines(refused, 1);
    let page = include_str!("../../../docs/services.md");
    assert!(page.contains(&format!("\n{refused}\n")), "the page shows another line");
    let journal = machine.journal();
    assert_eq!(journal.matches("consumer: has the new one").count(), 1, "{journal}");
    assert_eq!(journal.matches(refused).count(), 1, "{journal}");
}
