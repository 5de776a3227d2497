use std::fs;

use fixtures::vault::Vault;

use crate::{
    modules::sample,
    node::{NodeFile, Variant},
    pipeline,
    tree::Tree,
};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMxUxW2exbAADrU177NwKk6Sc8mwxx0V7vIw4ByB2vqj ops";
const STANDARD: &str = "[vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\n";
const BOTH_KEYS: &str = "root-ssh-key = \"key.pub\"\nadmin-ssh-key = \"key.pub\"\n";

/// What comes of a node on a disk with a vault that holds nothing to log in with.
fn with_keys(login: &str, keys: &str) -> Result<Tree, String> {
    let vault = Vault::with("api/token", "x").machine("box").build();
    fs::write(vault.beside("key.pub"), format!("{KEY}\n")).expect("a key");
    let text = format!(
        "architecture = \"x86_64\"\nplatform = \"ec2\"\n[login]\n{login}\n\
         [vault]\nsource = \"vault\"\nsigners = \"allowed_signers\"\nmachine = \"box\"\n{keys}"
    );
    let node = vault.beside("node.toml");
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    pipeline::resolve(&files, Variant::Run)
        .map(|resolved| resolved.tree())
        .map_err(|problems| sample::all(&problems))
}

#[test]
fn in_the_cloud_keys_are_the_only_way_in() {
    let tree = with_keys("", BOTH_KEYS).expect("a tree");
    let ssh = tree.text("/etc/ssh/sshd_config.d/00-odbox-login.conf");
    for line in [
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "AuthenticationMethods publickey",
        "AllowUsers root admin",
        "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u",
    ] {
        assert!(ssh.lines().any(|there| there == line), "{line} is not in {ssh}");
    }
    for user in ["root", "admin"] {
        let path = format!("/etc/ssh/authorized_keys.d/{user}");
        assert_eq!(tree.text(&path), format!("{KEY}\n"));
        assert_eq!(tree.access(&path), ("root", "root", "0644"));
    }
    assert!(tree.at("/etc/systemd/system/odbox-login.service").is_none());
    assert!(tree.manifest.secrets.is_empty());
}

#[test]
fn in_the_cloud_a_missing_key_locks_out() {
    for (keys, who, option) in [
        ("admin-ssh-key = \"key.pub\"", "root", "root-ssh-key"),
        ("root-ssh-key = \"key.pub\"", "admin", "admin-ssh-key"),
    ] {
        let problems = with_keys("", keys).expect_err("nobody can log in");
        let message =
            format!("`{who}` has no SSH key, which locks them out | write `{option} = …` in [vault]");
        assert!(problems.contains(&message), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}

#[test]
fn the_standard_way_is_by_the_hashes_of_the_vault() {
    let tree = sample::tree(STANDARD);
    let unit = tree.text("/etc/systemd/system/odbox-login.service");
    for line in [
        "LoadCredential=root:/run/vault/passwords/root.yesc",
        "LoadCredential=admin:/run/vault/passwords/admin.yesc",
        "ExecStart=/usr/local/lib/odbox/login-passwords root root admin admin",
        "After=vaultd-ready.target",
        "Before=systemd-user-sessions.service ssh.service",
        "MemorySwapMax=0",
    ] {
        assert!(unit.lines().any(|there| there == line), "{line} is not in {unit}");
    }
    let mount = tree.text("/etc/systemd/system/run-odbox-login.mount");
    assert!(
        mount.contains("Where=/run/odbox/login\n") && mount.contains("Options=noswap,mode=0700,"),
        "{mount}"
    );
    assert!(tree.text("/etc/ssh/sshd_config.d/00-odbox-login.conf").contains("PasswordAuthentication yes\n"));
    assert!(tree.at("/etc/ssh/authorized_keys.d/root").is_none());
}

/// `pam-auth-update` and `/etc/shadow` have no say, in either mode.
#[test]
fn pam_asks_for_the_vaults_hashes_only() {
    for tree in [with_keys("", BOTH_KEYS).expect("a tree"), sample::tree(STANDARD)] {
        let stack: Vec<&str> =
            tree.text("/etc/pam.d/common-auth").lines().filter(|line| !line.starts_with('#')).collect();
        assert!(stack[0].ends_with("pam_pwdfile.so pwdfile=/run/odbox/login/passwords"), "{stack:?}");
        assert!(stack[1].contains("requisite") && stack[1].ends_with("pam_deny.so"), "{stack:?}");
        assert!(!stack.iter().any(|line| line.contains("pam_unix")), "{stack:?}");
        assert!(tree.manifest.packages.contains("libpam-pwdfile"));
    }
}

#[test]
fn nothing_that_is_rendered_has_a_hash() {
    let tree = sample::tree(STANDARD);
    let texts = tree.files.values().filter_map(|content| match content {
        crate::system::Content::Text(text) => Some(text),
        _ => None,
    });
    assert!(texts.into_iter().all(|text| !text.contains("$y$j") && !text.contains("$6$rounds")));
}

#[test]
fn the_standard_way_takes_keys_instead_of_a_password() {
    let tree = with_keys("mode = \"standard\"", BOTH_KEYS).expect("a tree");
    assert_eq!(tree.text("/etc/ssh/authorized_keys.d/admin"), format!("{KEY}\n"));
    assert!(
        tree.text("/etc/systemd/system/odbox-login.service")
            .contains("ExecStart=/usr/local/lib/odbox/login-passwords\n")
    );
    let problems = with_keys("mode = \"standard\"", "root-ssh-key = \"key.pub\"").expect_err("no credential");
    assert!(problems.contains("`admin` is a user without any credential"), "{problems}");
    assert!(problems.contains("`vaultgen password admin`"), "{problems}");
    assert_eq!(problems.lines().count(), 1, "{problems}");
}

#[test]
fn the_administrator_has_the_name_of_the_node_and_may_become_root() {
    let tree = sample::tree(&format!("{STANDARD}admin-username = \"jane\"\n"));
    assert_eq!(tree.manifest.users["jane"], 1000);
    assert_eq!(tree.manifest.groups["sudo"], 27);
    assert_eq!(tree.access("/home/jane"), ("jane", "jane", "0700"));
    let users = tree.text("/etc/sysusers.d/odbox.conf");
    assert!(users.contains("u jane 1000 \"Administrator\" /home/jane /bin/bash\nm jane sudo\n"), "{users}");
    let unit = tree.text("/etc/systemd/system/odbox-login.service");
    assert!(unit.contains("login-passwords root root admin jane\n"), "{unit}");
    assert!(tree.text("/etc/ssh/sshd_config.d/00-odbox-login.conf").contains("AllowUsers root jane\n"));
}

#[test]
fn the_administrator_is_nobody_whom_every_debian_has() {
    for taken in ["root", "www-data", "sudo"] {
        let problems = sample::problems(&format!("{STANDARD}admin-username = \"{taken}\"\n"));
        assert!(problems.contains(&format!("`{taken}` is a user or group of every Debian")), "{problems}");
    }
}

#[test]
fn who_administers_is_offered_to_others() {
    use crate::modules::{Offers, implied, read};
    let text = "architecture = \"x86_64\"\nplatform = \"ec2\"\n[login]\nadmin-email = \"a@example.org\"\n";
    let (files, implied) = ([NodeFile::from_text("n", "n.toml", text)], implied());
    let mut problems = crate::problem::Problems::default();
    let node = crate::node::Node::parse(&files, &implied, &["login"], &mut problems).expect("a node");
    let mut offers = Offers::default();
    read(&node, &mut problems).iter().for_each(|(_, module)| module.offer(&mut offers));
    assert_eq!(offers.admin_email.map(|email| email.to_string()).as_deref(), Some("a@example.org"));
}
