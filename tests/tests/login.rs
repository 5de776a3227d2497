//! Password hashes: the system's libcrypt and PAM take them as their own.

use fixtures::{
    command::program,
    login::Login,
    machine::{
        self,
        Need::{Program, Root},
    },
    vault::Vault,
};

const NAMES: [&str; 4] = ["root", "admin", "odoo-admin", "pgadmin-admin"];

/// What crypt(3) of the system's libcrypt makes of a password and a setting.
fn crypt(password: &str, setting: &str) -> String {
    let script = "chomp(my ($password, $setting) = <STDIN>); print crypt($password, $setting)";
    program("perl").args(["-e", script]).input(format!("{password}\n{setting}\n")).succeeds().text()
}

#[test]
fn libcrypt_makes_the_same_hash_of_each_password() {
    if !machine::has(&[Program("age"), Program("perl")]) {
        return;
    }
    let vault = Vault::standard();
    for name in NAMES {
        let password = vault.open_text(&format!("passwords/{name}.txt"));
        for (scheme, prefix) in [("sha512", "$6$"), ("yesc", "$y$")] {
            let hash = vault.open_text(&format!("passwords/{name}.{scheme}"));
            assert!(hash.starts_with(prefix), "{name}.{scheme}");
            assert!(!hash.ends_with('\n'), "{name}.{scheme}");
            assert!(crypt(&password, &hash) == hash, "{name}.{scheme} is of another password");
            assert!(crypt("another password", &hash) != hash, "{name}.{scheme} is of any password");
        }
    }
}

/// All passwords of the snake-oil vault are the same, which its hashes do not show.
#[test]
fn each_hash_has_a_salt_of_its_own() {
    if !machine::has(&[Program("age")]) {
        return;
    }
    let vault = Vault::copy_of(&fixtures::vault::snake_oil());
    let hashes = NAMES.map(|name| vault.open_text(&format!("passwords/{name}.yesc")));
    let different: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(different.len(), NAMES.len());
}

#[test]
fn a_user_with_the_hash_logs_in_with_the_password_only() {
    let programs = ["age", "useradd", "userdel", "chpasswd", "pamtester"].map(Program);
    if !machine::has(&[Root]) || !machine::has(&programs) {
        return;
    }
    let vault = Vault::standard();
    let password = vault.open_text("passwords/admin.txt");
    for scheme in ["sha512", "yesc"] {
        let login = Login::new();
        login.set_hash(&vault.open_text(&format!("passwords/admin.{scheme}")));
        let right = login.authenticate(&password);
        assert_eq!(right.status, Some(0), "{scheme}: {}", right.errors);
        let wrong = login.authenticate("another password");
        assert_eq!(wrong.status, Some(1), "{scheme}: {}", wrong.errors);
    }
}
