//! New values, made or taken: OpenSSL, OpenSSH and libcrypt accept what comes of it.

use std::{collections::BTreeMap, fs};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree::contents,
    vault::Vault,
};

const NEEDS: [Need; 4] = [Program("age"), Program("openssl"), Program("ssh-keygen"), Program("perl")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];
const VALUE: &str = "s3cr3t-Value-of-somebody";
const PASSWORD: &str = "kelp-Orbit7-vanilla-tram";

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// Runs a verb and expects that exactly these secrets have other ciphertext than before.
#[track_caller]
fn expect_rotated(vault: &Vault, run: Run, status: i32, names: &[&str]) -> Ended {
    let read = || -> BTreeMap<String, Vec<u8>> {
        let file = |name: &String| fs::read(vault.path().join(format!("{name}.age"))).expect("a ciphertext");
        vault.names().into_iter().map(|name| (name.clone(), file(&name))).collect()
    };
    let before = read();
    let ended = run.exits(status);
    let after = read();
    let changed: Vec<&str> =
        after.keys().map(String::as_str).filter(|name| before.get(*name) != after.get(*name)).collect();
    assert_eq!(changed, names, "{ended}");
    ended
}

#[track_caller]
fn expect_refused(vault: &Vault, run: Run, status: i32, error: &str) -> Ended {
    let before = contents(&vault.path());
    let ended = run.exits(status);
    ended.explains_once(error);
    assert!(contents(&vault.path()) == before, "something was changed: {ended}");
    ended
}

#[track_caller]
fn expect_sound(vault: &Vault) {
    let opened = on(vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    opened.says(&format!("opened: {} secret", vault.names().len()));
}

/// OpenSSL takes the certificate for `localhost`, signed by the CA, with the key that lies beside it.
#[track_caller]
fn expect_server(vault: &Vault) {
    let file = |name: &str| {
        let path = vault.beside(&name.replace('/', "-"));
        fs::write(&path, vault.open(name)).expect("a file");
        path
    };
    let (ca, leaf) = (file("certs/vault-ca-cert.pem"), file("certs/localhost-cert.pem"));
    for name in ["-verify_hostname=localhost", "-verify_ip=127.0.0.1", "-verify_ip=::1"] {
        let (flag, name) = name.split_once('=').expect("a flag");
        let verify = program("openssl").args(["verify", "-x509_strict", "-purpose", "sslserver", flag, name]);
        verify.arg("-CAfile").arg(&ca).arg(&leaf).succeeds();
    }
    let of_key = program("openssl").args(["pkey", "-pubout", "-in"]).arg(file("certs/localhost-key.pem"));
    let of_certificate = program("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(&leaf);
    assert_eq!(of_key.succeeds().text(), of_certificate.succeeds().text());
}

/// The line of the `.pub` file is what ssh-keygen makes of the private key.
#[track_caller]
fn expect_ssh_key(vault: &Vault) {
    let file = vault.beside("ssh-key");
    let _ = fs::remove_file(&file);
    fs::write(&file, vault.open("ssh/id_ed25519")).expect("a file");
    program("chmod").arg("600").arg(&file).succeeds();
    let made = program("ssh-keygen").arg("-y").arg("-f").arg(&file).succeeds().text();
    let public = fs::read_to_string(vault.path().join("ssh/id_ed25519.pub")).expect("a public key");
    assert_eq!(public, made);
}

#[test]
fn what_vaultgen_makes_is_made_anew_with_all_that_follows() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let rotate = |names: &[&str]| on(&vault, &["rotate", "--batch"]).args(names);
    let old = vault.open_text("passwords/root.txt");
    let names = ["passwords/root.sha512", "passwords/root.txt", "passwords/root.yesc"];
    let ended = expect_rotated(&vault, rotate(&["passwords/root.txt"]), 0, &names);
    let new = vault.open_text("passwords/root.txt");
    assert!(new != old && new.split('-').count() == 7);
    ended.tells_nothing_of(&new);
    // One stands for both.
    let pair = ["certs/localhost-cert.pem", "certs/localhost-key.pem"];
    for name in pair {
        expect_rotated(&vault, rotate(&[name]), 0, &pair);
        expect_server(&vault);
    }
    let public = fs::read_to_string(vault.path().join("ssh/id_ed25519.pub")).expect("a public key");
    let ended = expect_rotated(&vault, rotate(&["ssh/id_ed25519"]), 0, &["ssh/id_ed25519"]);
    ended.says("ssh/id_ed25519.pub");
    expect_ssh_key(&vault);
    let now = fs::read_to_string(vault.path().join("ssh/id_ed25519.pub")).expect("a public key");
    assert!(now != public && now.split(' ').next_back() == public.split(' ').next_back());
    expect_sound(&vault);
    // Validity and serial are of a new certificate.
    let facts = |key: &str| {
        let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
        let table = lock.split("[secret.\"certs/localhost-cert.pem\"").nth(1).expect("a table").to_owned();
        table.split(key).nth(1).expect("a fact").lines().next().expect("a line").to_owned()
    };
    assert!(facts("names").contains("localhost"), "{}", facts("names"));
}

/// Only by its name; and then nothing is left that the old one signed.
#[test]
fn a_new_ca_signs_anew_what_the_old_one_had_signed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["machine", "add", "devm", "--local-ca"]).succeeds();
    let all = on(&vault, &["rotate", "--batch", "--older-than", "0s"]);
    let before = vault.open("certs/vault-ca-cert.pem");
    let ended = all.exits(1);
    ended.says("not rotated: certs/vault-ca-cert.pem: the CA is made anew only when it is named");
    assert!(vault.open("certs/vault-ca-cert.pem") == before);
    expect_server(&vault);

    let names = [
        "certs/local-ca-cert.pem",
        "certs/local-ca-key.pem",
        "certs/localhost-cert.pem",
        "certs/localhost-key.pem",
        "certs/vault-ca-cert.pem",
        "certs/vault-ca-key.pem",
    ];
    let rotate = on(&vault, &["rotate", "certs/vault-ca-key.pem"]);
    let ended = expect_rotated(&vault, rotate, 0, &names);
    ended.says("whoever trusts the CA must get certs/vault-ca-cert.pem anew");
    expect_server(&vault);
    let (ca, local) = (vault.beside("ca"), vault.beside("local"));
    fs::write(&ca, vault.open("certs/vault-ca-cert.pem")).expect("a file");
    fs::write(&local, vault.open("certs/local-ca-cert.pem")).expect("a file");
    program("openssl").args(["verify", "-CAfile"]).arg(&ca).arg(&local).succeeds();
    let text = program("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&local).succeeds().text();
    assert!(text.contains("DNS:devm") && text.contains("DNS:localhost"), "{text}");
    expect_sound(&vault);
}

/// The CA of the snake-oil vault signs for loopback names only, and so does the one after it.
#[test]
fn a_new_ca_reaches_no_further_than_the_old_one() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::copy_of(&fixtures::vault::snake_oil());
    vault.set_mode("signing.key", 0o600);
    let vault = vault.trusted();
    let text = || {
        let file = vault.beside("ca");
        fs::write(&file, vault.open("certs/vault-ca-cert.pem")).expect("a file");
        let print = program("openssl").args(["x509", "-noout", "-subject", "-ext", "nameConstraints", "-in"]);
        print.arg(&file).succeeds().text()
    };
    let before = text();
    assert!(before.contains("DNS:localhost") && before.contains("SNAKE OIL"), "{before}");
    on(&vault, &["rotate", "certs/vault-ca-cert.pem"]).succeeds();
    assert_eq!(text(), before);
    expect_server(&vault);
}

/// A filter picks; what vaultgen cannot make is left, said, and makes the run fail.
#[test]
fn what_is_due_is_rotated_and_what_cannot_be_is_said() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["add", "smtp", "--expires", "2026-01-01", "--service", "mail.service"])
        .input(VALUE)
        .succeeds();
    let nothing = [["--due"].as_slice(), &["--older-than", "1d"], &["--expiring", "1d"]];
    expect_rotated(&vault, on(&vault, &["rotate", "--batch", "--older-than", "1d"]), 0, &[])
        .says("nothing to do");
    for filter in [nothing[0], nothing[2]] {
        let left = expect_rotated(&vault, on(&vault, &["rotate", "--batch"]).args(filter), 1, &[]);
        left.says("not rotated: smtp: vaultgen cannot make it").explains("1 left");
    }
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let hash = "[secret.\"passwords/root.yesc\"]\n";
    let smtp = "[secret.smtp]\n";
    let text = text.replace(hash, &format!("{hash}rotate-after = \"0s\"\n"));
    let text = text.replace(smtp, &format!("{smtp}rotate-at = \"https://smtp.example/\\u001b[2J\"\n"));
    fs::write(&policy, text).expect("an edit");
    on(&vault, &["sign", "--yes"]).succeeds();
    // A hash that is due means its password.
    let names = ["passwords/root.sha512", "passwords/root.txt", "passwords/root.yesc"];
    let run = on(&vault, &["rotate", "--batch", "--due"]);
    let ended = expect_rotated(&vault, run, 1, &names);
    ended.says("not rotated: smtp").says("https://smtp.example/");
    assert!(!ended.errors.contains('\u{1b}'), "{ended}");

    let run = on(&vault, &["rotate", "smtp", "--stdin"]).input("new");
    let ended = expect_rotated(&vault, run, 0, &["smtp"]);
    ended.says("change it there too: https://smtp.example/").says("read by: mail.service");
    ended.says("smtp still expires on 2026-01-01");
    let run = on(&vault, &["rotate", "--batch", "--expiring", "400d", "--quiet"]);
    expect_rotated(&vault, run, 1, &["certs/localhost-cert.pem", "certs/localhost-key.pem"]);
    expect_server(&vault);
}

/// A value that somebody else knows stays theirs, and is never made up.
#[test]
fn other_values_come_from_standard_input() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["add", "api/password", "--kind", "password"]).input("short\n").succeeds();
    let rotate = |name: &str| on(&vault, &["rotate", name, "--stdin"]);
    expect_rotated(&vault, on(&vault, &["rotate", "--batch", "api/password"]), 1, &[]).says("not rotated");
    // Somebody else's password may be anything; one that people log in with may not.
    expect_rotated(&vault, rotate("api/password").input("abc\n"), 0, &["api/password"]);
    assert_eq!(vault.open_text("api/password"), "abc");
    expect_refused(&vault, rotate("passwords/root.txt").input("password1"), 1, "is weak");
    expect_refused(&vault, rotate("passwords/root.txt").input("two\nlines and more"), 1, "control character");
    let names = ["passwords/root.sha512", "passwords/root.txt", "passwords/root.yesc"];
    expect_rotated(&vault, rotate("passwords/root.txt").input(PASSWORD), 0, &names)
        .tells_nothing_of(PASSWORD);
    assert_eq!(vault.open_text("passwords/root.txt"), PASSWORD);
    // An SSH key from outside brings its public half.
    let file = vault.beside("id");
    program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "theirs", "-f"]).arg(&file).succeeds();
    let key = fs::read(&file).expect("a key");
    expect_rotated(&vault, rotate("ssh/id_ed25519").input(key.clone()), 0, &["ssh/id_ed25519"]);
    expect_ssh_key(&vault);
    assert!(vault.open("ssh/id_ed25519") == key);
    // A key without its certificate would stop the server.
    let other =
        program("openssl").args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let other = other.succeeds().output;
    expect_refused(
        &vault,
        rotate("certs/localhost-key.pem").input(other),
        1,
        "another key than that of certs/localhost-cert.pem",
    );
    let same = vault.open("certs/localhost-cert.pem");
    expect_rotated(&vault, rotate("certs/localhost-cert.pem").input(same), 0, &["certs/localhost-cert.pem"]);
    expect_refused(&vault, rotate("certs/localhost-key.pem").input("no key"), 1, "it is not a PEM file");
    expect_refused(&vault, rotate("ssh/id_ed25519").input(""), 1, "it is empty");
    expect_sound(&vault);
}

#[test]
fn a_rotation_that_says_too_little_is_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let rotate = |arguments: &[&str]| on(&vault, &["rotate"]).args(arguments);
    expect_refused(&vault, rotate(&[]), 2, "nothing says what to rotate");
    expect_refused(&vault, rotate(&["--due", "--stdin"]).input(VALUE), 2, "for one NAME");
    expect_refused(&vault, rotate(&["passwords/root.txt", "none"]), 1, "there is no secret none");
    let refused =
        expect_refused(&vault, rotate(&["passwords/root.yesc"]), 1, "is the hash of passwords/root.txt");
    refused.says("vaultgen rotate passwords/root.txt");
    fs::rename(vault.identity(), vault.beside("away")).expect("an identity elsewhere");
    // The CA's key has to be opened; a password has not.
    expect_refused(&vault, rotate(&["certs/localhost-cert.pem"]), 1, "no identity to decrypt with");
    rotate(&["passwords/root.txt", "ssh/id_ed25519"]).succeeds();
    rotate(&["passwords/root.txt", "--no-sign"]).succeeds().says("proposed");
    on(&vault, &["sign", "--yes", "--identity"]).arg(vault.beside("away")).succeeds();
    fs::rename(vault.beside("away"), vault.identity()).expect("an identity");
    expect_sound(&vault);
}

#[test]
fn what_only_a_person_knows_is_asked_for() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = Vault::with("one", "1").and("two", "2").build().trusted();
    let mut operator = Operator::starts(on(&vault, &["rotate", "--older-than", "0s"]));
    operator.reads("New value for one (empty: none): ").types("");
    operator.reads("New value for two (empty: none): ").types(VALUE);
    operator.reads("The same again for two: ").types(VALUE);
    let (status, screen) = operator.ends();
    assert!(status == 1 && !screen.contains(VALUE), "{screen}");
    assert!(screen.contains("rotated: two") && screen.contains("not rotated: one: no value"), "{screen}");
    assert_eq!((vault.open_text("one").as_str(), vault.open_text("two").as_str()), ("1", VALUE));
}
