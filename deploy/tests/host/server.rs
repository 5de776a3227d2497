//! OpenSSH, nft and sudo take what is rendered for them.

use std::path::PathBuf;

use deploy::tree::Tree;
use fixtures::{
    command::{Ended, program},
    machine::{
        self,
        Need::{Program, Root},
    },
    tree,
};
use tempfile::TempDir;

use crate::node;

fn server() -> Tree {
    node::dev_vm("[server]\n")
}

/// OpenSSH's configuration in a folder, with a host key.
struct Ssh {
    folder: TempDir,
}

impl Ssh {
    fn new(rendered: &Tree) -> Self {
        let ssh = Self { folder: tree::folder() };
        let root = ssh.folder.path();
        let moved = |text: &str| text.replace("/etc/ssh", &format!("{}/etc/ssh", root.display()));
        for path in ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/00-odbox-login.conf"] {
            node::write(&root.join(&path[1..]), moved(node::text(rendered, path)));
        }
        let key = root.join("etc/ssh/ssh_host_ed25519_key");
        program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key).succeeds();
        ssh
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("etc/ssh/sshd_config")
    }

    /// What sshd makes of it.
    fn effective(&self) -> Ended {
        program("sshd").arg("-T").arg("-f").arg(self.file()).succeeds()
    }
}

#[test]
fn sshd_takes_its_configuration() {
    // sshd wants the folder to which it confines itself.
    if !machine::has(&[Root, Program("sshd"), Program("ssh-keygen")]) {
        return;
    }
    std::fs::create_dir_all("/run/sshd").expect("a folder");
    let ssh = Ssh::new(&server());
    program("sshd").arg("-t").arg("-f").arg(ssh.file()).succeeds();
    let effective = ssh.effective();
    for line in [
        "permitrootlogin yes",
        "passwordauthentication yes",
        "kbdinteractiveauthentication no",
        "permitemptypasswords no",
        "x11forwarding no",
        "allowusers root",
        "allowusers admin",
        "usepam yes",
    ] {
        effective.says(line);
    }
    let said = effective.text();
    let value =
        |key: &str| said.lines().find_map(|line| line.strip_prefix(key)).expect("a setting").to_owned();
    assert!(
        value("kexalgorithms ").split(',').any(|one| one.starts_with("sntrup761x25519-sha512")),
        "{said}"
    );
    assert!(value("kexalgorithms ").contains("curve25519-sha256"), "{said}");
    assert_eq!(
        value("ciphers "),
        "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
    );
    for old in ["diffie-hellman", "ecdh-sha2", "hmac-sha1"] {
        assert!(!format!("{}{}", value("kexalgorithms "), value("macs ")).contains(old), "{old}: {said}");
    }
    assert!(value("macs ").split(',').all(|mac| mac.contains("-etm@")), "{said}");
}

#[test]
fn nft_takes_the_rules() {
    if !machine::has(&[Root, Program("nft"), Program("unshare")]) {
        return;
    }
    let folder = tree::folder();
    let file = folder.path().join("nftables.conf");
    node::write(&file, node::text(&server(), "/etc/nftables.conf"));
    // In a network of its own, in which they can be put in force.
    program("nft").arg("-f").arg(&file).under(["unshare", "--net"]).succeeds();
}

#[test]
fn sudo_takes_the_rule() {
    if !machine::has(&[Root, Program("visudo")]) {
        return;
    }
    let folder = tree::folder();
    let file = folder.path().join("odbox");
    node::write(&file, node::text(&server(), "/etc/sudoers.d/odbox"));
    program("visudo").args(["--check", "--strict", "--file"]).arg(&file).succeeds();
}
