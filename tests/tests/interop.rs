//! The peers read what `vaultgen init` makes: age, rage, OpenSSL, OpenSSH.

use std::{fs, path::PathBuf};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{self, Need::Program},
    vault::Vault,
};

const DAY: i64 = 24 * 60 * 60;

#[test]
fn age_and_rage_open_every_secret() {
    if !machine::has(&[Program("age"), Program("rage")]) {
        return;
    }
    let vault = Vault::standard();
    for name in vault.names() {
        let rage = program("rage").args(["-d", "-i"]).arg(vault.identity());
        let by_rage = rage.arg(vault.path().join(format!("{name}.age"))).succeeds().output;
        let by_age = vault.open(&name);
        let show = vaultgen().args(["show", &name, "--vault"]).arg(vault.path()).succeeds().output;
        assert!(!by_age.is_empty() && by_age == by_rage && by_age == show, "{name}");
        if name.starts_with("passwords/") {
            assert!(by_age.iter().all(u8::is_ascii_graphic), "{name} has a space, newline or worse");
        }
    }
}

#[test]
fn age_keygen_derives_the_recipient_of_the_policy() {
    if !machine::has(&[Program("age-keygen")]) {
        return;
    }
    let vault = Vault::standard();
    let recipient = program("age-keygen").arg("-y").arg(vault.identity()).succeeds().text();
    let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
    assert!(policy.contains(recipient.trim_end()), "{recipient}");
}

/// Certificates and keys of a vault as files, and OpenSSL's view of them.
struct Certificates(Vault);

impl Certificates {
    fn of(vault: Vault) -> Self {
        for name in ["vault-ca-cert", "localhost-cert"] {
            let pem = vault.open(&format!("certs/{name}.pem"));
            fs::write(vault.beside(name), pem).expect("a certificate");
        }
        Self(vault)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.beside(name)
    }

    fn x509(&self, name: &str, arguments: &[&str]) -> String {
        let run = program("openssl").args(["x509", "-noout", "-in"]).arg(self.file(name));
        run.args(arguments).succeeds().text()
    }

    fn extension(&self, name: &str, extension: &str) -> String {
        self.x509(name, &["-ext", extension])
    }

    fn days(&self, name: &str) -> i64 {
        let moment = |which: &str| {
            let line = self.x509(name, &[which, "-dateopt", "iso_8601"]);
            let date = line.split_once('=').expect("a date").1.trim_end().to_owned();
            let seconds = program("date").args(["-u", "+%s", "-d", &date]).succeeds().text();
            seconds.trim_end().parse::<i64>().expect("seconds")
        };
        (moment("-enddate") - moment("-startdate")) / DAY
    }

    fn public_key_of(&self, name: &str) -> (String, String) {
        let key = self.0.open(&format!("certs/{name}-key.pem"));
        let of_key = program("openssl").args(["pkey", "-pubout"]).input(key).succeeds().text();
        (self.x509(&format!("{name}-cert"), &["-pubkey"]), of_key)
    }
}

#[test]
fn openssl_accepts_the_certificates() {
    if !machine::has(&[Program("age"), Program("openssl")]) {
        return;
    }
    let certificates = Certificates::of(Vault::standard());
    let verify = |purpose: &str, name: &str| {
        let run = program("openssl").args(["verify", "-x509_strict", "-purpose", "sslserver"]);
        let run = run.args(["-verify_hostname", name, "-CAfile"]).arg(certificates.file("vault-ca-cert"));
        run.arg(certificates.file(purpose)).run()
    };
    assert_eq!(verify("localhost-cert", "localhost").status, Some(0));
    assert_ne!(verify("localhost-cert", "example.org").status, Some(0));

    let names = certificates.extension("localhost-cert", "subjectAltName");
    for name in ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"] {
        assert!(names.contains(name), "{names}");
    }
    let usage = certificates.extension("localhost-cert", "extendedKeyUsage");
    assert!(usage.contains("TLS Web Server Authentication"), "{usage}");
    let constraints = certificates.extension("localhost-cert", "basicConstraints");
    assert!(!constraints.contains("CA:TRUE"), "{constraints}");
    let constraints = certificates.extension("vault-ca-cert", "basicConstraints");
    assert!(constraints.contains("critical") && constraints.contains("CA:TRUE"), "{constraints}");

    assert_eq!(certificates.days("localhost-cert"), 397);
    let ten_years = certificates.days("vault-ca-cert");
    assert!((3650..=3653).contains(&ten_years), "{ten_years} days");
}

#[test]
fn each_key_matches_its_certificate() {
    if !machine::has(&[Program("age"), Program("openssl")]) {
        return;
    }
    let certificates = Certificates::of(Vault::standard());
    let (ca, ca_key) = certificates.public_key_of("vault-ca");
    let (leaf, leaf_key) = certificates.public_key_of("localhost");
    assert_eq!((&ca, &leaf), (&ca_key, &leaf_key));
    assert_ne!(ca, leaf);
}

/// Whoever trusts the public CA risks nothing but localhost.
#[test]
fn the_snake_oil_ca_is_good_for_localhost_only() {
    if !machine::has(&[Program("age"), Program("openssl")]) {
        return;
    }
    let certificates = Certificates::of(Vault::copy_of(&fixtures::vault::snake_oil()));
    let constraints = certificates.extension("vault-ca-cert", "nameConstraints");
    for name in ["critical", "DNS:localhost", "IP:127.0.0.0/255.0.0.0"] {
        assert!(constraints.contains(name), "{constraints}");
    }
    let run = program("openssl").args(["verify", "-x509_strict", "-CAfile"]);
    run.arg(certificates.file("vault-ca-cert")).arg(certificates.file("localhost-cert")).succeeds();
}

#[test]
fn openssh_reads_the_ssh_identity() {
    if !machine::has(&[Program("age"), Program("ssh-keygen")]) {
        return;
    }
    let vault = Vault::standard();
    let key = vault.beside("id");
    fs::write(&key, vault.open("ssh/id_ed25519")).expect("a key");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    let public = fs::read_to_string(vault.path().join("ssh/id_ed25519.pub")).expect("a public key");
    assert_eq!(program("ssh-keygen").arg("-y").arg("-f").arg(&key).succeeds().text(), public);
    assert!(public.starts_with("ssh-ed25519 "), "{public}");
}

#[test]
fn openssh_verifies_the_signature() {
    if !machine::has(&[Program("ssh-keygen")]) {
        return;
    }
    let vault = Vault::standard();
    let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
    let check = |lock: &str, namespace: &str| -> Ended { by_openssh(&vault, namespace).input(lock).run() };
    assert_eq!(check(&lock, "odbox-vault").status, Some(0));
    assert_ne!(check(&lock, "file").status, Some(0));
    assert_ne!(check(&lock.replace("serial = 1", "serial = 2"), "odbox-vault").status, Some(0));
    assert_ne!(check(&format!("{lock}\n"), "odbox-vault").status, Some(0));
}

fn by_openssh(vault: &Vault, namespace: &str) -> Run {
    let run = program("ssh-keygen").args(["-Y", "verify", "-I", "operator", "-n", namespace, "-f"]);
    run.arg(vault.signers()).arg("-s").arg(vault.path().join("vault.lock.sig"))
}

/// The other way round: a lock that OpenSSH signed is one that vaultgen accepts.
#[test]
fn a_signature_by_openssh_is_accepted() {
    if !machine::has(&[Program("ssh-keygen")]) {
        return;
    }
    let vault = Vault::with("token", "of somebody").build();
    vault.sign_with_new_key();
    let verify = vaultgen().args(["verify", "--vault"]).arg(vault.path());
    verify.arg("--allowed-signers").arg(vault.signers()).succeeds().says("signed by other");
    vaultgen().args(["verify", "--vault"]).arg(vault.path()).exits(1);
}
