//! Who gets in with a password: by the vault's hashes alone.

use std::sync::atomic::{AtomicU8, Ordering};

use fixtures::terminal::Operator;

use crate::node::Node;

/// Asks over SSH who one is, with a password that is in no argument. Each time from another address: sshd does not listen
/// for a while to one that was wrong several times.
pub fn over_ssh(node: &Node, user: &str, password: &str) -> Option<String> {
    static COUNT: AtomicU8 = AtomicU8::new(2);
    let from = format!("127.0.0.{}", COUNT.fetch_add(1, Ordering::Relaxed));
    node.write("/run/password", password);
    node.install("/root/askpass", b"#!/bin/sh\ncat /run/password\n");
    let told = node.try_run(&format!(
        "SSH_ASKPASS=/root/askpass SSH_ASKPASS_REQUIRE=force ssh -o NumberOfPasswordPrompts=1 \
             -o PreferredAuthentications=password,keyboard-interactive -o StrictHostKeyChecking=accept-new \
             -o UserKnownHostsFile=/run/known -o BindAddress={from} {user}@127.0.0.1 id -un"
    ));
    node.run("rm /run/password");
    match told.status {
        Some(0) => Some(told.text().trim().to_owned()),
        _ => {
            told.says("Permission denied");
            None
        }
    }
}

/// Root's and the administrator's.
pub fn ssh_takes_the_vaults_passwords_alone(node: &Node) {
    for user in ["admin", "root"] {
        assert_eq!(over_ssh(node, user, "abc123").as_deref(), Some(user));
        for wrong in ["abc124", "admin", ""] {
            assert_eq!(over_ssh(node, user, wrong), None, "{user} with {wrong:?}");
        }
    }
    assert_eq!(over_ssh(node, "odoo", "abc123"), None, "a service is nobody who logs in");
}

/// By login(1), which getty(8) starts, on a terminal that is the machine's.
pub fn a_terminal_takes_the_vaults_password_alone(node: &Node) {
    let mut operator =
        Operator::starts(node.shell("exec systemd-run --quiet --pty --wait --collect login admin"));
    operator.reads("Password: ").types("abc124").reads("Login incorrect");
    operator.reads("login: ").types("admin").reads("Password: ").types("abc123").reads("admin@devm");
    operator.types("echo \"I am $(id -un)\"").reads("I am admin").types("exit");
    assert_eq!(operator.ends().0, 0);
}
