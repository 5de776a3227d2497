//! `docs/adopting.md`: all of its commands, one after the other, on a machine of Odoo Box.

use std::{fs, path::Path};

use fixtures::{
    command::{odbox, program},
    legacy::{self, LegacyVault},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    terminal::Operator,
};

const NEEDS: [Need; 7] =
    [Root, Fuse, Program("git"), Program("unshare"), Program("mount"), Program("sh"), Program("stty")];

/// Another `/etc`, `/run` and `/var/lib`, seen by nobody else; the machine has the key that the vault was made with.
const MACHINE: &str = r#"
set -eu
cp -a /etc "$1/etc"
mkdir "$1/run" "$1/lib"
mount --bind "$1/etc" /etc
mount --bind "$1/run" /run
mount --bind "$1/lib" /var/lib
cd "$1"
install -m 0400 vault/age.key /etc/age.key
PATH=$2:$PATH
export GIT_AUTHOR_NAME=o GIT_AUTHOR_EMAIL=o@example.org GIT_COMMITTER_NAME=o GIT_COMMITTER_EMAIL=o@example.org
git init -q -b main
git add vault
git commit -q -m "an Odoo Box vault"
echo "the machine is ready"
"#;

/// The text of all blocks of commands.
fn commands() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adopting.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.collect()
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let old_key = vault.beside("old.key");
    fs::copy(vault.file("age.key"), &old_key).expect("a copy");
    let programs = odbox("vaultgen").parent().expect("a folder").to_owned();
    let script = format!("{MACHINE}\n{}", commands());
    let shell = program("unshare").args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    let mut operator = Operator::starts(shell.arg(vault.beside("")).arg(programs));
    operator.reads("the machine is ready");
    operator.reads("UNSIGNED: nothing in").reads("pgadmin-admin.yesc");
    operator.reads("Adopt this vault? [y/N] ").types("y");
    operator.reads("Passphrase for a recovery identity, to keep offline (empty: none): ").types("");
    operator.reads("adopted, 17 secrets").reads("removed plaintext");
    operator.reads("vault-ca-cert.pem").reads("odoo-box.key");
    operator.reads("Give them new values, and sign? [y/N] ").types("y");
    for name in legacy::PASSWORDS {
        operator.reads(&format!("Password for {name} (empty: generate one): ")).types("");
    }
    let (status, screen) = operator.ends();
    assert_eq!(status, 0, "{screen}");

    // Nobody has the old key for anything any more, and nothing is left to change.
    let on = |words: &[&str]| fixtures::command::vaultgen().arg("--vault").arg(vault.path()).args(words);
    let verified = on(&["verify"]).succeeds();
    assert!(!verified.text().contains("known to") && !verified.errors.contains("is known to"), "{verified}");
    for name in ["passwords/root.txt", "passwords/root.yesc", "certs/localhost-key.pem"] {
        assert_ne!(vault.opening(&old_key, name).run().status, Some(0), "{name}");
        vault.opening(&vault.file("age.key"), name).succeeds();
    }
    let machine = vault.file("machines/odoo-box.key");
    vault.opening(&machine, "passwords/root.yesc").succeeds();
    assert_ne!(vault.opening(&machine, "passwords/root.txt").run().status, Some(0));
    assert!(!vault.file("passwords/root.txt").exists());
    let status = program("git").in_folder(vault.beside("")).args(["status", "--porcelain", "vault"]);
    assert_eq!(status.succeeds().text(), "");
}
