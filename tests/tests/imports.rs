//! `vaultgen import`: certificates that others signed, as OpenSSL makes them.

use std::fs;

use fixtures::{
    command::{Run, vaultgen},
    machine::{
        self,
        Need::{self, Program, Root},
    },
    nginx::{self, Nginx},
    openssl::{AUTHORITY, Certificate, OpenSsl, P256},
    trace::{Trace, traced},
    tree,
    vault::Vault,
};

const PEERS: [Need; 2] = [Program("age"), Program("openssl")];
const P384: &str = "EC -pkeyopt ec_paramgen_curve:P-384";
const RSA: &str = "RSA -pkeyopt rsa_keygen_bits:2048";
const NAME: &str = "server.example.org";

/// A vault, and a root with an intermediate that signed `server`.
fn stand(algorithm: &str) -> (Vault, OpenSsl) {
    let openssl = OpenSsl::new();
    openssl.authority("root", "root");
    openssl.authority("between", "root");
    openssl.key("server", algorithm);
    openssl.sign("server", "between", Certificate::default());
    (Vault::with("token", "x").build().trusted(), openssl)
}

fn extensions(extensions: &str) -> Certificate<'_> {
    Certificate { extensions, ..Certificate::default() }
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

#[test]
fn what_no_client_would_accept_is_refused() {
    if !machine::has(&PEERS) {
        return;
    }
    let (vault, openssl) = stand(P256);
    let plain = Certificate::default();
    let before = tree::contents(&vault.path());
    let refused = |words: &str, error: &str| {
        on(&vault, &openssl, &format!("import {words}")).exits(1).explains_once(error);
        assert!(tree::contents(&vault.path()) == before, "{words}: something was changed");
    };
    let files = "server-cert.pem server-key.pem between-cert.pem";
    let special = |certificate: Certificate<'_>, error: &str| {
        openssl.sign("server", "between", certificate);
        refused(files, error);
    };
    let server = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth";
    let dates = |dates| Certificate { dates, ..Certificate::default() };
    special(dates(["20200101000000Z", "20210101000000Z"]), "CN=server expired on 2021-01-01T00:00:00Z");
    special(dates(["20990101000000Z", "21000101000000Z"]), "CN=server is not valid before 2099-01-01T");
    special(Certificate { digest: "sha1", ..plain }, "CN=server is weak: signed with SHA-1");
    special(extensions(&format!("{AUTHORITY}\nsubjectAltName=DNS:a")), "of an authority, not of a server");
    special(
        extensions("basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\nsubjectAltName=DNS:a"),
        "not a certificate for servers",
    );
    special(extensions(server), "no DNS name or IP address");
    special(
        extensions(&format!("{server}\nsubjectAltName=DNS:a\n1.2.3.4=critical,DER:0500")),
        "does not verify: Unsupp",
    );

    openssl.sign("server", "between", plain);
    refused(
        "server-cert.pem between-key.pem between-cert.pem",
        "key does not belong to the certificate of CN=server",
    );
    refused(
        "server-cert.pem server-key.pem",
        "the certificate of CN=between, which signed CN=server, is missing",
    );
    refused("server-cert.pem server-key.pem root-cert.pem", "the certificate of CN=between, which signed");
    openssl.join(&["root-cert.pem", "between-cert.pem"], "chain");
    refused("server-cert.pem server-key.pem chain", "the wrong order");
    openssl.join(&["between-cert.pem", "server-cert.pem"], "chain-cert.pem");
    refused("chain-cert.pem server-key.pem", "the wrong order");
    openssl.authority("other", "root");
    openssl.join(&["between-cert.pem", "root-cert.pem", "other-cert.pem"], "chain");
    refused("server-cert.pem server-key.pem chain", "the wrong order");

    // Another authority of the same name; authorities that expired, are weak or limited.
    let between = |key: &str, certificate: Certificate<'_>, error: &str| {
        openssl.key("between", key);
        openssl.sign("between", "root", certificate);
        openssl.sign("server", "between", plain);
        refused(files, error);
    };
    openssl.key("between", P256);
    openssl.sign("between", "root", extensions(AUTHORITY));
    refused(files, "CN=between did not sign CN=server");
    let old = Certificate { dates: ["20200101000000Z", "20210101000000Z"], ..extensions(AUTHORITY) };
    between(P256, old, "CN=between expired");
    between(
        P256,
        Certificate { digest: "sha1", ..extensions(AUTHORITY) },
        "CN=between is weak: signed with SHA-1",
    );
    between(
        "RSA -pkeyopt rsa_keygen_bits:1024",
        extensions(AUTHORITY),
        "CN=between is weak: RSA of 1024 bits",
    );
    for limits in [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,keyCertSign",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign",
        "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth",
    ] {
        between(P256, extensions(limits), "CN=between is no authority that may sign it");
    }
    let constraints = format!("{AUTHORITY}\nnameConstraints=critical,permitted;DNS:example.com");
    between(P256, extensions(&constraints), "the certificate does not verify: NameConstraintViolation");
    openssl.sign("between", "root", extensions("basicConstraints=critical,CA:TRUE,pathlen:0"));
    openssl.authority("below", "between");
    openssl.sign("server", "below", plain);
    openssl.join(&["below-cert.pem", "between-cert.pem"], "chain");
    refused("server-cert.pem server-key.pem chain", "CN=between is no authority that may sign it");
}

#[test]
fn what_is_no_key_or_certificate_is_refused() {
    if !machine::has(&PEERS) {
        return;
    }
    let (vault, openssl) = stand(P256);
    let before = tree::contents(&vault.path());
    let secret = String::from_utf8(openssl.read("server-key.pem")).expect("text");
    let body = secret.lines().nth(1).expect("a line");
    let refused = |words: &str, error: &str| {
        let refused = on(&vault, &openssl, &format!("import {words}")).exits(1);
        refused.explains_once(error).tells_nothing_of(body);
        assert!(tree::contents(&vault.path()) == before, "{words}: something was changed");
    };
    let key = |bytes: &str, error: &str| {
        openssl.write("bad-key.pem", bytes);
        refused("server-cert.pem bad-key.pem between-cert.pem", error);
    };
    for (make, error) in [
        ("pkcs8 -topk8 -in server-key.pem -passout pass:x -out bad", "the private key is encrypted"),
        ("ec -in server-key.pem -aes128 -passout pass:x -out bad", "the private key is encrypted"),
        ("pkey -in server-key.pem -outform DER -out bad", "not a PEM file"),
        ("pkey -in server-key.pem -pubout -out bad", "not a private key"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out bad", "a type that is not supported"),
        ("ecparam -genkey -name secp256k1 -noout -out bad", "a type that is not supported"),
        ("genpkey -algorithm X25519 -out bad", "a type that is not supported"),
        ("genrsa -out bad 1024", "RSA of 1024 bits"),
        ("genrsa -traditional -out bad 1024", "RSA of 1024 bits"),
    ] {
        openssl.run(make).succeeds();
        refused("server-cert.pem bad between-cert.pem", error);
    }
    key("", "not a PEM file");
    key(&secret.replacen("-----BEGIN", "x\n-----BEGIN", 1), "not a PEM file");
    key(&format!("{secret}junk"), "something before, between or after");
    key(&format!("{secret}{secret}"), "not one private key alone");
    key(&secret.replace(body, &body[..body.len() - 4]), "damaged");
    key(&secret.replace(body, &format!("\u{1b}[2J{body}")), "damaged");
    key(&secret[..secret.len() - 10], "damaged");
    key(&secret.replace("PRIVATE", "SECRET"), "not a private key");

    let certificate = String::from_utf8(openssl.read("server-cert.pem")).expect("text");
    for (bytes, error) in [
        (format!("{certificate}{secret}"), "something else in it than certificates"),
        (format!("{certificate}\u{1b}[2J"), "something before, between or after"),
        (format!("subject=x\n{certificate}"), "not a PEM file"),
        (certificate.replacen('M', "Q", 1), ""),
        (certificate.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "something else in it than"),
        ("\0".repeat(100_000), "not a plain file of less than 64 KiB"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            "not a PEM certificate",
        ),
    ] {
        openssl.write("bad-cert.pem", bytes);
        refused("bad-cert.pem server-key.pem between-cert.pem", error);
    }
    openssl.run("x509 -in server-cert.pem -outform DER -out der.crt").succeeds();
    refused("der.crt server-key.pem between-cert.pem", "der.crt: it is not a PEM file");
    refused(". server-key.pem", "CERT has no file name");
    refused("--name x . server-key.pem", ".: it is not a plain file");
    refused("missing-cert.pem server-key.pem", "missing-cert.pem: there is no such file");
    refused("server-cert.pem missing between-cert.pem", "missing: there is no such file");
    openssl.join(&["server-cert.pem"], "vault-ca-cert.pem");
    refused("vault-ca-cert.pem server-key.pem between-cert.pem", "it ends in -ca");
    for name in ["..", "a/b", "a/../../b", "a b", "é", "", "x-CA"] {
        let named = format!("--name={name}");
        let words = ["import", &named, "server-cert.pem", "server-key.pem", "between-cert.pem"];
        let import = vaultgen().arg("--vault").arg(vault.path()).args(words);
        import.in_folder(openssl.path(".")).exits(1).explains_once("\" ");
    }
    assert!(tree::contents(&vault.path()) == before, "something was changed");
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
    openssl.sign("server", "between", extensions(names));
    let taken = on(&vault, &openssl, "import server-cert.pem server-key.pem between-cert.pem").run();
    assert!(!taken.text().contains('\u{1b}') && !taken.errors.contains('\u{1b}'), "{taken}");
    assert!(taken.text().contains("\\u{1b}[2J") || taken.status == Some(1), "{taken}");
}
