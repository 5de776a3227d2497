//! `vaultgen certs`: OpenSSL, Nginx and curl accept what the vault's CA signs.

use std::fs;

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    nginx::{self, Nginx},
    tree,
    vault::{self, Vault},
};

const PEERS: [Need; 2] = [Program("age"), Program("openssl")];

fn on(vault: &Vault, words: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(words)
}

/// Writes a secret beside the vault, as age opens it.
fn export(vault: &Vault, name: &str) -> std::path::PathBuf {
    let file = vault.beside(name);
    fs::write(&file, vault.open(&format!("certs/{name}"))).expect("a file");
    file
}

fn text(vault: &Vault, name: &str) -> String {
    let file = export(vault, &format!("{name}-cert.pem"));
    program("openssl").args(["x509", "-noout", "-text", "-in"]).arg(file).succeeds().text()
}

fn verify(vault: &Vault, name: &str, check: [&str; 2]) -> Ended {
    let run = program("openssl").args(["verify", "-x509_strict", "-purpose", "sslserver"]).args(check);
    let run = run.arg("-CAfile").arg(export(vault, "vault-ca-cert.pem"));
    run.arg(export(vault, &format!("{name}-cert.pem"))).run()
}

#[test]
fn nginx_and_curl_take_every_type_of_key() {
    if !machine::has(&PEERS) || !machine::has(&nginx::NEEDS) {
        return;
    }
    // Keys of type RSA take long to make, so there are few.
    let sites = [
        ("odoo.example.org", "odoo.example.org"),
        ("[fd00::7]", "fd00__7"),
        ("10.0.0.7", "10.0.0.7"),
        ("web.example.net", "_.example.net"),
    ];
    for (key_type, count, shown, key_usage) in [
        ("p256", 4, "NIST CURVE: P-256", "Digital Signature\n"),
        ("p384", 4, "NIST CURVE: P-384", "Digital Signature\n"),
        ("rsa4096", 2, "Public-Key: (4096 bit)", "Digital Signature, Key Encipherment\n"),
    ] {
        let vault = Vault::init(&["--key-type", key_type]);
        let names = ["odoo.example.org", "fd00::7", "10.0.0.7", "*.example.net"];
        let made = on(&vault, &["certs", "--key-type", key_type]).args(&names[..count]).succeeds();
        made.says("new: certs/fd00__7-cert.pem and certs/fd00__7-key.pem, for fd00::7, until ");
        let ca = export(&vault, "vault-ca-cert.pem");
        for (name, stem) in [("localhost", "localhost")].iter().chain(&sites[..count]) {
            let [certificate, key] =
                ["cert", "key"].map(|part| vault.open(&format!("certs/{stem}-{part}.pem")));
            let nginx = Nginx::serving([("any", certificate, key)]);
            assert_eq!(nginx.asked_for(name, &ca).succeeds().text(), "any", "{key_type} {name}");
            let stranger = nginx.asked_for("other.example.com", &ca).run();
            assert_eq!(stranger.status, Some(60), "{key_type} {name}: {stranger}");
        }
        let text = text(&vault, "odoo.example.org");
        for part in
            [shown, key_usage, "TLS Web Server Authentication\n", "CA:FALSE\n", "DNS:odoo.example.org\n"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(
            verify(&vault, "odoo.example.org", ["-verify_hostname", "odoo.example.org"]).status,
            Some(0)
        );
        assert_eq!(verify(&vault, "fd00__7", ["-verify_ip", "fd00::7"]).status, Some(0));
        let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
        let facts = lock.matches(&format!("key-type = \"{key_type}\"")).count();
        assert_eq!(facts, count + 2, "{lock}");
        on(&vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    }
}

#[test]
fn a_certificate_starts_now_and_ends_with_the_ca_at_the_latest() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::standard();
    let seconds = |date: &str| {
        let run = program("date").args(["-u", "+%s", "-d", date]).succeeds().text();
        run.trim_end().parse::<i64>().expect("seconds")
    };
    let date = |name: &str, which: &str| {
        let file = export(&vault, &format!("{name}-cert.pem"));
        let run = program("openssl").args(["x509", "-noout", which, "-in"]).arg(file).succeeds().text();
        seconds(run.split_once('=').expect("a date").1)
    };
    let before = seconds("now");
    on(&vault, &["certs", "a.example", "--days", "30"]).succeeds();
    on(&vault, &["certs", "b.example", "--days", "99999"]).succeeds();
    on(&vault, &["certs", "c.example"]).succeeds();
    let after = seconds("now");
    for (name, days) in [("a.example", Some(30)), ("b.example", None), ("c.example", Some(397))] {
        let (start, end) = (date(name, "-startdate"), date(name, "-enddate"));
        assert!((before..=after).contains(&start), "{name}");
        let expected = days.map_or(date("vault-ca", "-enddate"), |days| start + days * 86_400);
        assert_eq!(end, expected, "{name}");
        assert_eq!(verify(&vault, name, ["-verify_hostname", name]).status, Some(0), "{name}");
    }
    on(&vault, &["certs", "a.example", "--days", "0"]).exits(2);
}

#[test]
fn a_name_again_gets_a_new_key_and_keeps_its_policy() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["certs", "a.example", "A.Example", "--san", "b.example", "--san", "::1"]).succeeds();
    assert!(text(&vault, "a.example").contains("DNS:a.example, DNS:b.example, IP Address:0:0:0:0:0:0:0:1\n"));
    let policy = vault.path().join("vault.toml");
    let edited = fs::read_to_string(&policy).expect("a policy").replace(
        "description = \"the private key of certs/a.example-cert.pem\"\nowner = \"nginx\"",
        "# ours\nowner = \"caddy\"",
    );
    assert!(edited.contains("# ours"), "{edited}");
    fs::write(&policy, &edited).expect("a policy");
    on(&vault, &["sign", "--yes"]).succeeds();

    let first = ["certs/a.example-cert.pem", "certs/a.example-key.pem"].map(|name| vault.open(name));
    let again = on(&vault, &["certs", "a.example"]).succeeds();
    again.says("replaced: certs/a.example-cert.pem and certs/a.example-key.pem, for a.example, until ");
    again.says(
        "warning: certs/a.example-cert.pem is no longer good for ::1, b.example, as the one before was",
    );
    for (name, first) in ["certs/a.example-cert.pem", "certs/a.example-key.pem"].into_iter().zip(first) {
        assert_ne!(vault.open(name), first, "{name}");
    }
    assert_eq!(fs::read_to_string(&policy).expect("a policy"), edited);
    on(&vault, &["certs", "a.example"]).succeeds();
    let localhost = on(&vault, &["certs"]).succeeds();
    localhost.says("replaced: certs/localhost-cert.pem").says("for 127.0.0.1, ::1, localhost, until");
    on(&vault, &["machine", "add", "web-1"]).succeeds();
    let known = on(&vault, &["certs", "a.example"]).succeeds();
    assert!(!known.text().contains("no machine can open"), "{known}");
    on(&vault, &["certs", "c.example"]).succeeds().says("no machine can open them yet: `vaultgen grant ");
}

#[test]
fn what_cannot_be_signed_changes_nothing() {
    let vault = Vault::standard();
    let before = tree::contents(&vault.path());
    let long = format!("{}.example", "x".repeat(57));
    for name in ["", "a b", "a\u{1b}[2J", "müller.example", "*", "*.org", "web_1", "10.1", "-x", "a..b"] {
        let refused = on(&vault, &["certs", "--"]).arg(name).exits(2);
        assert!(
            refused.errors.contains("nor an IP address") && !refused.errors.contains('\u{1b}'),
            "{refused}"
        );
        on(&vault, &["certs", "a.example", &format!("--san={name}")]).exits(2);
    }
    on(&vault, &["certs", &long]).exits(1).explains_once("too long for a common name");
    for reserved in ["vault-ca", "local-ca", "LOCAL-CA", "my-ca"] {
        on(&vault, &["certs", "a.example", reserved]).exits(1).explains_once("it ends in -ca");
    }
    on(&vault, &["certs", "a.example", "--key-type", "rsa1024"]).exits(2);
    fs::rename(vault.identity(), vault.beside("age.key")).expect("a move");
    on(&vault, &["certs", "a.example"]).exits(1).explains_once("no identity to decrypt");
    fs::rename(vault.beside("age.key"), vault.identity()).expect("a move");
    assert!(tree::contents(&vault.path()) == before, "something was changed");
    on(&vault, &["certs", "short.example", "--san", &long]).succeeds();
    // Half a CA is not made anew.
    on(&vault, &["remove", "certs/vault-ca-key.pem", "--yes"]).succeeds();
    on(&vault, &["certs"]).exits(1).explains_once("no CA to sign");
}

#[test]
fn a_vault_without_a_ca_gets_one() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::with("token", "x").build().trusted();
    on(&vault, &["certs", "a.example"]).succeeds().says("new: certs/vault-ca-cert.pem and ");
    assert!(!on(&vault, &["certs", "b.example"]).succeeds().text().contains("vault-ca"));
    for name in ["a.example", "b.example"] {
        let accepted = verify(&vault, name, ["-verify_hostname", name]);
        assert_eq!(accepted.status, Some(0), "{accepted}");
    }
}

/// The snake-oil CA is good for loopback only, whoever asks.
#[test]
fn a_constrained_ca_signs_within_its_constraints() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::copy_of(&vault::snake_oil()).trusted();
    let before = tree::contents(&vault.path());
    for names in [["example.org", "localhost"], ["localhost", "10.0.0.1"], ["notlocalhost", "::1"]] {
        let refused = on(&vault, &["certs", names[0], "--san", names[1]]).exits(1);
        let outside = names.iter().find(|name| !["localhost", "::1"].contains(*name)).expect("a name");
        refused.explains_once(&format!("the vault's CA may not sign for {outside}:"));
    }
    assert!(tree::contents(&vault.path()) == before, "something was changed");
    on(&vault, &["certs", "odoo.localhost", "--san", "127.8.0.1"]).succeeds();
    let accepted = verify(&vault, "odoo.localhost", ["-verify_hostname", "odoo.localhost"]);
    assert_eq!(accepted.status, Some(0), "{accepted}");
}

#[test]
fn a_key_of_another_certificate_is_found_with_an_identity() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["certs", "a.example"]).succeeds();
    let file = |name: &str| vault.path().join(format!("certs/{name}-key.pem.age"));
    fs::copy(file("a.example"), file("localhost")).expect("a copy");
    on(&vault, &["sign", "--yes"]).succeeds();
    let verify = on(&vault, &["verify", "--identity"]).arg(vault.identity()).exits(1);
    verify.explains("certs/localhost-key.pem is not the private key of certs/localhost-cert.pem");
}
