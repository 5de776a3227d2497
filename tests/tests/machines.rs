//! Machines: where their keys come from, and what they then can open.

use std::fs;

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{self, Need::Program},
    ssh::{self, HOST, SshMachine},
    tree,
    vault::Vault,
};

const PROGRAMS: [machine::Need; 2] = [Program("age"), Program("ssh-keygen")];
const CERTIFICATE: &str = "certs/one-cert.pem";

fn small() -> Vault {
    Vault::with(CERTIFICATE, "one").and("token", "two").build().trusted()
}

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// Asks the machine, as `machine add` does.
fn add(vault: &Vault, machine: &SshMachine) -> Run {
    machine.reached_by(on(vault, &["machine", "add", "web-1", "--batch", "--ssh", HOST]))
}

/// A script that answers like a machine, but with the keys beside it.
const WITH_OWN_KEYS: &str = r#"cd "${0%/*}"
expected="cat /etc/ssh/ssh_host_ed25519_key.pub || cat /etc/ssh/ssh_host_rsa_key.pub"
[ "$SSH_ORIGINAL_COMMAND" = "$expected" ] || exit 9
cat identity.pub"#;

#[test]
fn a_machine_is_asked_for_its_host_key() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    for (kind, warns) in [("ed25519", false), ("rsa", true)] {
        let vault = small();
        let machine = SshMachine::running(WITH_OWN_KEYS);
        let identity = machine.path("identity");
        program("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&identity).succeeds();
        let asked = add(&vault, &machine).succeeds();
        let fingerprint = program("ssh-keygen").arg("-lf").arg(&identity).succeeds().text();
        let fingerprint = fingerprint.split(' ').nth(1).expect("a fingerprint");
        asked.says(&format!("host key of web-1: ssh-{kind} {fingerprint}\n"));
        assert_eq!(asked.errors.contains("warning: an ssh-rsa key takes"), warns, "{asked}");
        on(&vault, &["grant", "token", "web-1"]).succeeds();
        let opened = program("age").args(["-d", "-i"]).arg(&identity).arg(vault.path().join("token.age"));
        assert_eq!(opened.succeeds().output, b"two", "{kind}");
    }
}

#[test]
fn a_machine_that_was_asked_gets_another_key() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    let vault = small();
    on(&vault, &["machine", "add", "web-1"]).succeeds();
    on(&vault, &["grant", "token", "web-1"]).succeeds();
    let machine = SshMachine::running("cat \"${0%/*}/host.pub\"");
    let replace = on(&vault, &["machine", "replace", "web-1", "--stolen", "--batch", "--ssh", HOST]);
    machine.reached_by(replace).succeeds().says("known to a removed key");
    let opened = program("age").args(["-d", "-i"]).arg(machine.path("host"));
    assert_eq!(opened.arg(vault.path().join("token.age")).succeeds().output, b"two");
}

/// Whoever answers may say anything, and may be somebody else.
#[test]
fn a_hostile_answer_changes_nothing() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    let vault = small();
    let before = tree::snapshot(&vault.path());
    for (script, error) in [
        ("yes", "box answers with more than a host key"),
        ("cat \"${0%/*}/host.pub\" \"${0%/*}/host.pub\"", "not one SSH public key"),
        ("printf '\\377'", "something that is no text"),
        ("printf '\\033[2Jpwned' >&2; exit 3", "could not be asked for its host key: \\u{1b}[2Jpwned"),
        ("exit 3", "could not be asked for its host key: exit status: 3"),
        (":", "not one SSH public key"),
        ("echo ecdsa-sha2-nistp256 AAAA", "not one SSH public key"),
        ("echo ssh-ed25519 AAAA", "cannot be a recipient"),
        ("echo motd; cat \"${0%/*}/host.pub\"", "not one SSH public key"),
    ] {
        let refused = add(&vault, &SshMachine::running(script)).exits(1);
        refused.explains_once(error);
        assert!(!refused.errors.contains('\u{1b}'), "{refused}");
    }
    let machine = SshMachine::running("cat \"${0%/*}/host.pub\"");
    machine.impersonate();
    add(&vault, &machine).exits(1).explains_once("Host key verification failed");
    for host in ["-oProxyCommand=touch pwned", "-V", ""] {
        let refused = on(&vault, &["machine", "add", "web-1", &format!("--ssh={host}")]).exits(2);
        refused.says("invalid value");
    }
    let missing = on(&vault, &["machine", "add", "web-1", "--ssh", HOST]);
    missing.under(["env", "PATH=/nonexistent"]).exits(1).explains_once("cannot run ssh");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
}

#[test]
fn a_host_key_file_holds_one_key() {
    if !machine::has(&PROGRAMS) {
        return;
    }
    let vault = small();
    let file = vault.beside("host");
    program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file).succeeds();
    let public = file.with_extension("pub");
    let add = || on(&vault, &["machine", "add", "web-1", "--ssh-host-key"]).arg(&public);
    let key = fs::read_to_string(&public).expect("a key");
    fs::write(&public, format!("{key}{key}")).expect("two keys");
    add().exits(1).explains_once("not one SSH public key");
    fs::write(&public, key).expect("a key");
    add().succeeds().says("host key of web-1: ssh-ed25519 SHA256:");
}
