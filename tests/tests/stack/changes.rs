//! What goes on while the node runs: a server that dies, a vault that changes.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use fixtures::{
    command::{program, vaultgen},
    vault::{self, Vault},
};

use crate::{logins::over_ssh, node::Node, odoo};

/// Units that a secret reaches, or that others depend on.
const UNITS: [&str; 6] = [
    "odoo.service",
    "nginx.service",
    "pgadmin.service",
    "postgresql.service",
    "odbox-login.service",
    "ssh.service",
];

/// Which units were started anew since.
struct Since<'a> {
    node: &'a Node,
    lives: Vec<String>,
}

impl<'a> Since<'a> {
    fn now(node: &'a Node) -> Self {
        Self { node, lives: lives(node) }
    }

    fn started_anew(&self) -> Vec<&str> {
        let pairs = self.lives.iter().zip(lives(self.node)).zip(UNITS);
        pairs.filter(|((before, after), _)| **before != *after).map(|(_, unit)| unit).collect()
    }
}

fn lives(node: &Node) -> Vec<String> {
    let shown = node.run(&format!("systemctl show --property=InvocationID {}", UNITS.join(" ")));
    shown.split("\n\n").map(str::to_owned).collect()
}

/// The server of vaultd is killed; the next one serves the same mount.
pub fn a_dead_server_disturbs_nobody(node: &Node) {
    let since = Since::now(node);
    let monitor = node.property("vaultd.service", "MainPID");
    let secret = || node.run("sha256sum /run/vault/odoo/admin.conf /run/vault/passwords/odoo-admin.txt");
    let before = secret();
    let servers = node.run("pgrep -u vaultd");
    node.run("pkill -KILL -u vaultd");
    assert_eq!(secret(), before);
    let after = node.run("pgrep -u vaultd");
    assert!(!servers.lines().any(|server| after.lines().any(|other| server == other)), "{servers}, {after}");
    odoo::takes_the_vaults_password(node);
    assert_eq!(since.started_anew(), [""; 0]);
    assert_eq!(node.property("vaultd.service", "MainPID"), monitor);
}

/// Another password of Odoo's and of the administrator's, in a vault whose policy says who is to be told: Odoo has its
/// new master password, whoever logs in the new hash, and nobody else is disturbed. Odoo's web login is Odoo's own since
/// the first initialisation.
pub fn a_new_password_reaches_who_has_it(node: &Node) {
    let copy = Vault::copy_of(&vault::snake_oil()).trusted();
    let vault = copy.path();
    let policy = vault.join("vault.toml");
    let mut text = fs::read_to_string(&policy).expect("a policy");
    for (secret, unit) in
        [("passwords/odoo-admin.txt", "odoo.service"), ("passwords/admin.yesc", "odbox-login.service")]
    {
        let head = format!("[secret.\"{secret}\"]\n");
        text = text.replacen(&head, &format!("{head}on-change = [\"restart {unit}\"]\n"), 1);
    }
    fs::write(&policy, text).expect("a policy");
    vaultgen().args(["sign", "--yes", "--quiet", "--vault"]).arg(&vault).succeeds();
    for (secret, value) in [("odoo-admin", "one that is of Odoo"), ("admin", "one that is of the admin")] {
        let rotate = vaultgen().args(["rotate", "--stdin", "--quiet", "--vault"]).arg(&vault);
        rotate.arg(format!("passwords/{secret}.txt")).input(value).succeeds();
    }
    // Private keys stay with the operator.
    fs::remove_dir_all(vault.join("machines")).expect("keys of machines");
    program("find").arg(&vault).args(["-name", "*.key", "-delete"]).succeeds();

    let since = Since::now(node);
    node.bring(&vault, "/etc/vaultd/vault");
    node.run("vaultd reload");
    // Told to the system manager, which stops Odoo first.
    let expected = ["odoo.service", "odbox-login.service"];
    let end = Instant::now() + Duration::from_secs(60);
    while since.started_anew() != expected && Instant::now() < end {
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(since.started_anew(), expected);
    odoo::wait_until_it_answers(node);
    node.run("systemctl is-active --quiet odoo.service odbox-login.service");
    let settings = node.run("cat /run/credentials/odoo.service/admin.conf");
    assert!(settings.contains("one that is of Odoo"), "{settings}");
    odoo::takes_the_vaults_password(node);
    assert_eq!(over_ssh(node, "admin", "one that is of the admin").as_deref(), Some("admin"));
    assert_eq!(over_ssh(node, "admin", "abc123"), None);
}
