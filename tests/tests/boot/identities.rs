//! Where a machine's identity can be.

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

#[test]
fn it_is_in_a_file_that_only_root_can_read() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    assert_eq!(machine.run("stat -c '%a %U' /etc/age.key"), "600 root");
    machine.serves_at_the_next_boot();

    machine.run("chmod 0644 /etc/age.key");
    machine.run("systemctl stop vaultd.service");
    machine.try_run("systemctl start vaultd.service").says("Job for vaultd.service failed");
    let log = machine.run("journalctl --boot --unit=vaultd.service --output=cat");
    assert!(log.contains("/etc/age.key") && log.contains("  hint: "), "{log}");
}

#[test]
fn it_is_a_credential_that_only_this_machine_decrypts() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run(
        "mkdir -p /etc/credstore.encrypted
         systemd-creds encrypt --name=vaultd.identity /etc/age.key /etc/credstore.encrypted/vaultd.identity
         rm /etc/age.key",
    );
    machine.serves_at_the_next_boot();
    machine.change_token("second");
    machine.run("systemctl reload vaultd.service");
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "second");
}

#[test]
fn it_is_the_ssh_host_key() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    let key = machine.run("test -f /etc/ssh/ssh_host_ed25519_key || ssh-keygen -A >&2; cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub");
    machine.make_vault(&key, "first");
    machine.write("/etc/vaultd/vaultd.toml", "identity = \"/etc/ssh/ssh_host_ed25519_key\"\n");
    machine.serves_at_the_next_boot();
}

#[test]
fn a_machine_without_a_tpm_is_told_so() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.run("mkdir -p /etc/credstore.encrypted");
    let refused = machine.try_run("vaultd keygen --tpm2");
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.explains("systemd-creds did not encrypt the identity").tells_nothing_of("AGE-SECRET");
    assert_eq!(machine.run("ls -A /etc/credstore.encrypted"), "");
}

/// A TPM in software, which is there before vaultd is and keeps its state over a reboot.
const TPM: &str = "[Unit]
DefaultDependencies=no
After=local-fs.target
Before=vaultd.service
[Service]
Type=forking
StateDirectory=swtpm
ExecStart=swtpm socket --tpm2 --daemon --flags startup-clear --tpmstate dir=/var/lib/swtpm \\
    --ctrl type=unixio,path=/run/swtpm.ctrl --server type=unixio,path=/run/swtpm
[Install]
WantedBy=sysinit.target
";

/// Tells systemd, and its programs, where it is.
const WHERE: &str = "SYSTEMD_TPM2_DEVICE=swtpm:path=/run/swtpm";

#[test]
fn it_is_a_credential_that_only_this_tpm_decrypts() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.write("/etc/systemd/system/swtpm.service", TPM);
    machine.write("/etc/systemd/system.conf.d/tpm.conf", &format!("[Manager]\nManagerEnvironment={WHERE}\n"));
    machine.run("systemctl enable --quiet swtpm.service");
    machine.reboot();
    let recipient = machine.run(&format!("mkdir -p /etc/credstore.encrypted; {WHERE} vaultd keygen --tpm2"));
    machine.make_vault(&recipient, "first");
    machine.serves_at_the_next_boot();
    machine.run("test ! -e /etc/age.key; ! grep -q AGE-SECRET-KEY /etc/credstore.encrypted/vaultd.identity");

    machine.run("systemctl stop vaultd.service swtpm.service; rm -r /var/lib/swtpm");
    machine.run("systemctl start swtpm.service");
    machine.try_run("systemctl start vaultd.service").says("Job for vaultd.service failed");
    assert_eq!(machine.run("ls -A /run/vault"), "");
}

impl Machine {
    fn serves_at_the_next_boot(&mut self) {
        self.run("systemctl enable --quiet vaultd.service");
        self.reboot();
        assert_eq!(self.state(), "running");
        assert_eq!(self.run(&format!("cat /run/vault/{TOKEN}")), "first");
    }
}
