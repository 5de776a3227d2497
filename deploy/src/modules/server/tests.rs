use crate::{modules::sample, tree::Tree};

/// The server without what it implies of others that need more.
fn server(tables: &str) -> Tree {
    sample::tree(&format!("[server]\n[vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\n{tables}"))
}

#[test]
fn three_ports_are_open_and_no_other() {
    let tree = server("");
    assert_eq!(tree.manifest.open_ports.iter().copied().collect::<Vec<_>>(), [22, 80, 443]);
    let rules = tree.text("/etc/nftables.conf");
    assert!(rules.contains("tcp dport { 22, 80, 443 } accept\n"), "{rules}");
    assert_eq!(rules.matches("dport").count(), 2, "{rules}");
    assert_eq!(rules.matches("policy drop;").count(), 2, "{rules}");
    let wanted = "/etc/systemd/system/sysinit.target.wants/nftables.service";
    assert_eq!(tree.link(wanted), "/usr/lib/systemd/system/nftables.service");
}

#[test]
fn without_rules_there_is_no_network() {
    let required = "/etc/systemd/system/systemd-networkd.service.requires/nftables.service";
    assert_eq!(server("").link(required), "/usr/lib/systemd/system/nftables.service");
}

#[test]
fn the_rules_let_in_what_is_open() {
    let text = |ports: &[u16]| match super::firewall::rules(ports.iter().copied()).1.into() {
        crate::system::Entry { content: crate::system::Content::Text(text), .. } => text,
        other => panic!("{other:?}"),
    };
    assert!(text(&[22, 8443]).contains("tcp dport { 22, 8443 } accept"));
    assert!(!text(&[]).contains("tcp dport"));
}

#[test]
fn ssh_has_one_key_that_is_born_on_the_machine() {
    let tree = server("");
    let keys: Vec<&str> =
        tree.text("/etc/ssh/sshd_config").lines().filter(|line| line.starts_with("HostKey ")).collect();
    assert_eq!(keys, ["HostKey /etc/ssh/ssh_host_ed25519_key"]);
    let unit = tree.text("/etc/systemd/system/odbox-ssh-host-key.service");
    assert!(unit.contains("ConditionFileNotEmpty=!/etc/ssh/ssh_host_ed25519_key\n"), "{unit}");
    assert!(
        unit.contains("ssh-keygen -q -t ed25519 -N \"\" -C %H -f /etc/ssh/ssh_host_ed25519_key.new\n"),
        "{unit}"
    );
    assert_eq!(tree.link("/etc/systemd/system/sshd-keygen.service"), "/dev/null");
    assert_eq!(tree.link("/etc/systemd/system-generators/systemd-ssh-generator"), "/dev/null");
    assert!(tree.manifest.packages.contains("openssh-server"));
    assert_eq!(tree.manifest.ports[&22], "ssh.service");
}

#[test]
fn the_key_is_told_as_one_that_is_born_here() {
    let resolved = sample::dev_vm("[server]\n[vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\n");
    let keys = sample::sound(resolved).system.born_keys;
    assert!(keys.keys().any(|path| path.as_str() == "/etc/ssh/ssh_host_ed25519_key"));
}

#[test]
fn what_login_says_comes_first() {
    assert!(server("").text("/etc/ssh/sshd_config").starts_with("Include /etc/ssh/sshd_config.d/*.conf\n"));
}

#[test]
fn base_comes_with_it() {
    assert!(server("").manifest.packages.contains("emacs-nox"));
    assert!(server("[base]\neditor = \"vim\"\n").manifest.packages.contains("vim"));
}
