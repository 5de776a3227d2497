//! `vaultgen import`: certificates that others signed, as OpenSSL makes them.

use std::fs;

use fixtures::{
    command::{Run, vaultgen},
    machine::{
        self,
        Need::{self, Program, Root},
    },
    nginx::{self, Nginx},
    openssl::{Certificate, OpenSsl, P256},
    trace::{Trace, traced},
    vault::Vault,
};

const PEERS: [Need; 2] = [Program("age"), Program("openssl")];
const P384: &str = "EC -pkeyopt ec_paramgen_curve:P-384";
const RSA: &str = "RSA -pkeyopt rsa_keygen_bits:2048";
const NAME: &str = "server.example.org";

/// A vault, and a server's certificate to import.
fn stand(algorithm: &str) -> (Vault, OpenSsl) {
    (Vault::with("token", "x").build().trusted(), OpenSsl::with_server(algorithm))
}

fn on(vault: &Vault, openssl: &OpenSsl, words: &str) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(words.split(' ')).in_folder(openssl.path("."))
}

#[test]
fn every_format_of_every_type_is_taken_and_served() {
    if !machine::has(&PEERS) || !machine::has(&nginx::NEEDS) {
        return;
    }
    for (algorithm, old_form, key_type) in [
        (P256, true, "p256"),
        (P384, true, "p384"),
        (RSA, true, "rsa2048"),
        ("RSA -pkeyopt rsa_keygen_bits:3072", true, "rsa3072"),
        ("ED25519", false, "ed25519"),
    ] {
        let (vault, openssl) = stand(algorithm);
        openssl.join(&["server-cert.pem", "between-cert.pem"], "expected");
        // PKCS#8, and PKCS#1 or SEC 1.
        let mut keys = vec!["server-key.pem"];
        if old_form {
            openssl.run("pkey -traditional -in server-key.pem -out old").succeeds();
            keys.push("old");
        }
        for key in keys {
            let import = format!("import server-cert.pem {key} between-cert.pem");
            let taken = on(&vault, &openssl, &import).succeeds();
            taken.says(
                "certs/server-cert.pem and certs/server-key.pem, for server.example.org, until 2100-01-01",
            );
            taken.says("clients must trust CN=root\n").says(&format!("{key} is still there, unencrypted"));
            let [certificate, stored] =
                ["cert", "key"].map(|part| vault.open(&format!("certs/server-{part}.pem")));
            assert_eq!(certificate, openssl.read("expected"), "{key_type} {key}");
            assert!(stored.starts_with(b"-----BEGIN PRIVATE KEY-----\n"), "{key_type} {key}");
            openssl.write("stored", &stored);
            let public = |file| openssl.run(&format!("pkey -pubout -in {file}")).succeeds().text();
            assert_eq!(public("stored"), public("server-key.pem"), "{key_type} {key}");
            let nginx = Nginx::serving([(NAME, certificate, stored)]);
            let asked = nginx.asked_for(NAME, &openssl.path("root-cert.pem"));
            assert_eq!(asked.succeeds().text(), NAME, "{key_type} {key}");
        }
        let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
        assert_eq!(lock.matches("origin = \"imported\"").count(), 3, "{lock}");
        assert!(lock.contains(&format!("key-type = \"{key_type}\"")), "{lock}");
        let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
        assert!(policy.contains("owner = \"nginx\"\ngroup = \"nginx\"\nmode = \"0444\""), "{policy}");
        on(&vault, &openssl, "verify --identity").arg(vault.identity()).succeeds().says("opened: 3 secrets");
    }
}

#[test]
fn the_chain_may_come_in_one_file_and_with_its_root() {
    if !machine::has(&PEERS) {
        return;
    }
    let (vault, openssl) = stand(P256);
    openssl.authority("below", "between");
    openssl.sign("server", "below", Certificate::default());
    let chain = ["server-cert.pem", "below-cert.pem", "between-cert.pem"];
    openssl.join(&chain, "expected");
    openssl.join(&chain, "full-cert.pem");
    openssl.join(&[chain[0], chain[1], chain[2], "root-cert.pem"], "rooted.crt");
    openssl.join(&[chain[1], chain[2]], "chain");
    let windows = String::from_utf8(openssl.read("expected")).expect("text").replace('\n', "\r\n");
    openssl.write("windows.cer", windows);
    openssl.run("ecparam -genkey -name prime256v1 -out other-key.pem").succeeds();
    for (words, name) in [
        ("import full-cert.pem server-key.pem", "full"),
        ("import full-cert.pem server-key.pem chain", "full"),
        ("import rooted.crt server-key.pem", "rooted"),
        ("import server-cert.pem server-key.pem chain", "server"),
        ("import windows.cer server-key.pem", "windows"),
        ("import --name www.example.org server-cert.pem server-key.pem chain", "www.example.org"),
    ] {
        on(&vault, &openssl, words).succeeds();
        assert_eq!(vault.open(&format!("certs/{name}-cert.pem")), openssl.read("expected"), "{words}");
    }
    // With the curve in front, as `openssl ecparam` writes keys.
    openssl.sign("other", "below", Certificate::default());
    on(&vault, &openssl, "import other-cert.pem other-key.pem chain").succeeds().says("new: certs/other");
    // Signed by a root itself, or by nobody else.
    openssl.sign("server", "root", Certificate::default());
    on(&vault, &openssl, "import server-cert.pem server-key.pem root-cert.pem").succeeds().says("replaced: ");
    assert_eq!(vault.open("certs/server-cert.pem"), openssl.read("server-cert.pem"));
    openssl.sign("server", "server", Certificate::default());
    on(&vault, &openssl, "import server-cert.pem server-key.pem").succeeds();
    assert_eq!(vault.open("certs/server-cert.pem"), openssl.read("server-cert.pem"));
}

/// The key of a file, or from a pipe, gets into no other file.
#[test]
fn the_key_is_only_read() {
    if !machine::has(&PEERS) || !machine::has(&[Root, Program("strace")]) {
        return;
    }
    for algorithm in [P256, RSA] {
        let (vault, openssl) = stand(algorithm);
        let secret = String::from_utf8(openssl.read("server-key.pem")).expect("text");
        let encrypt = openssl.run("pkcs8 -topk8 -in server-key.pem -passout pass:x -out encrypted");
        encrypt.succeeds();
        let decrypted = openssl.run("pkey -in encrypted -passin pass:x").succeeds().output;
        for (words, input) in [
            ("import server-cert.pem server-key.pem between-cert.pem", Vec::new()),
            ("import server-cert.pem - between-cert.pem", decrypted),
        ] {
            let log = vault.beside("log");
            traced(on(&vault, &openssl, words).input(input), &log).succeeds();
            let trace = Trace::read(&log);
            assert!(trace.targets().any(|target| target.ends_with("server-key.pem.age")), "{trace:?}");
            assert_eq!(trace.unseen, Vec::<String>::new());
            for line in secret.lines().filter(|line| !line.starts_with("-----")) {
                assert_eq!(trace.find(line.as_bytes()), Vec::<&str>::new());
            }
        }
        assert_eq!(vault.open_text("certs/server-key.pem"), secret);
    }
    let (vault, openssl) = stand(P256);
    let long = on(&vault, &openssl, "import server-cert.pem - between-cert.pem").input(vec![b'x'; 70_000]);
    long.exits(1).explains_once("not a plain file of less than 64 KiB");
}

/// What is in a stranger's certificate is not written on the terminal as it is.
#[test]
fn names_cannot_reach_the_terminal() {
    if !machine::has(&PEERS) {
        return;
    }
    let (vault, openssl) = stand(P256);
    let names = "basicConstraints=critical,CA:FALSE\n\
        subjectAltName=DER:30:12:82:05:61:1b:5b:32:4a:82:09:6c:6f:63:61:6c:68:6f:73:74";
    openssl.sign("server", "between", Certificate::with(names));
    let taken = on(&vault, &openssl, "import server-cert.pem server-key.pem between-cert.pem").run();
    assert!(!taken.text().contains('\u{1b}') && !taken.errors.contains('\u{1b}'), "{taken}");
    assert!(taken.text().contains("\\u{1b}[2J") || taken.status == Some(1), "{taken}");
}
