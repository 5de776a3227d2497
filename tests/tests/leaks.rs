//! Plaintext that must not be in a repository is told from other files, as those write it who make it.

use std::{fs, path::Path};

use fixtures::{
    command::{Run, program},
    machine::{self, Need::Program},
    tree,
};
use tempfile::TempDir;
use vault_format::leak::{
    HashFormat, KeyFormat,
    Secret::{self, AgeIdentity, PasswordHash, PrivateKey},
    scan,
};

const PASSPHRASE: &str = "orbit-kelp-vanilla";

/// A folder in which programs write secrets.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tree::folder())
    }

    fn run(&self, name: &str, words: &str) -> Run {
        program(name).in_folder(self.0.path()).at_home(self.0.path()).args(words.split_whitespace())
    }

    fn finds(&self, file: &str, expected: impl Into<Option<Secret>>) {
        let bytes = fs::read(self.0.path().join(file)).expect("a file");
        let found: Vec<_> = scan(&bytes).into_iter().map(|leak| leak.what).collect();
        assert_eq!(found, expected.into().into_iter().collect::<Vec<_>>(), "{file}");
    }
}

fn key(format: KeyFormat, protected: bool) -> Secret {
    PrivateKey { format, protected }
}

#[test]
fn keys_of_openssl_are_found() {
    if !machine::has(&[Program("openssl")]) {
        return;
    }
    let bench = Bench::new();
    let openssl = |words: &str| bench.run("openssl", words).succeeds();
    let protect = format!("-aes256 -passout pass:{PASSPHRASE}");
    for (kind, old) in [
        ("RSA -pkeyopt rsa_keygen_bits:2048", Some(("rsa", KeyFormat::Pkcs1))),
        ("EC -pkeyopt ec_paramgen_curve:P-256", Some(("ec", KeyFormat::Sec1))),
        ("EC -pkeyopt ec_paramgen_curve:P-521", Some(("ec", KeyFormat::Sec1))),
        ("ED25519", None),
        ("X25519", None),
        ("ED448", None),
    ] {
        openssl(&format!("genpkey -algorithm {kind} -out key.pem"));
        bench.finds("key.pem", key(KeyFormat::Pkcs8, false));
        openssl("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der");
        bench.finds("key.der", key(KeyFormat::Pkcs8, false));
        for by in ["-v2 aes256", "-v1 PBE-SHA1-3DES"] {
            for form in ["PEM", "DER"] {
                openssl(&format!(
                    "pkcs8 -topk8 -in key.pem {by} -passout pass:{PASSPHRASE} -outform {form} -out key.p8"
                ));
                bench.finds("key.p8", key(KeyFormat::Pkcs8, true));
            }
        }
        openssl("pkey -in key.pem -pubout -out key.pub");
        bench.finds("key.pub", None);
        openssl("pkey -in key.pem -pubout -outform DER -out pub.der");
        bench.finds("pub.der", None);
        let Some((command, format)) = old else { continue };
        let traditional = if command == "rsa" { "-traditional" } else { "" };
        openssl(&format!("{command} {traditional} -in key.pem -out old.pem"));
        bench.finds("old.pem", key(format, false));
        openssl(&format!("{command} {traditional} -in key.pem -outform DER -out old.der"));
        bench.finds("old.der", key(format, false));
        openssl(&format!("{command} {traditional} -in key.pem {protect} -out old.pem"));
        bench.finds("old.pem", key(format, true));
    }
    openssl("dsaparam -out dsa-parameters.pem 1024");
    openssl("gendsa -out key.pem dsa-parameters.pem");
    openssl("dsa -in key.pem -out dsa.der -outform DER");
    bench.finds("dsa.der", key(KeyFormat::Dsa, false));
}

#[test]
fn stores_of_keys_are_found() {
    if !machine::has(&[Program("openssl")]) {
        return;
    }
    let bench = Bench::new();
    let openssl = |words: &str| bench.run("openssl", words).succeeds();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -subj /CN=a",
    );
    openssl(&format!("pkcs12 -export -in cert.pem -inkey key.pem -out a.p12 -passout pass:{PASSPHRASE}"));
    bench.finds("a.p12", key(KeyFormat::Pkcs12, true));
    openssl("x509 -in cert.pem -outform DER -out cert.der");
    bench.finds("cert.der", None);
    if !machine::has(&[Program("keytool")]) {
        return;
    }
    let keytool = |words: &str| {
        let store = format!("-storetype JKS -storepass {PASSPHRASE} -noprompt {words}");
        bench.run("keytool", &store).succeeds();
    };
    keytool("-importcert -file cert.pem -alias trusted -keystore trust.jks");
    bench.finds("trust.jks", None);
    fs::copy(bench.0.path().join("trust.jks"), bench.0.path().join("keys.jks")).expect("a store");
    keytool("-genkeypair -alias own -keyalg EC -dname CN=a -keystore keys.jks");
    bench.finds("keys.jks", key(KeyFormat::JavaKeyStore, true));
}

#[test]
fn keys_of_openssh_are_found() {
    if !machine::has(&[Program("ssh-keygen")]) {
        return;
    }
    let bench = Bench::new();
    for kind in ["ed25519", "rsa -b 2048", "ecdsa -b 384"] {
        for (passphrase, protected) in [("", false), (PASSPHRASE, true)] {
            let _ = fs::remove_file(bench.0.path().join("id"));
            let keygen = bench.run("ssh-keygen", &format!("-q -t {kind} -f id")).args(["-N", passphrase]);
            keygen.succeeds();
            bench.finds("id", key(KeyFormat::OpenSsh, protected));
            bench.finds("id.pub", None);
        }
    }
    bench.run("ssh-keygen", "-q -t rsa -b 2048 -m PEM -f old").args(["-N", PASSPHRASE]).succeeds();
    bench.finds("old", key(KeyFormat::Pkcs1, true));
}

#[test]
fn keys_of_gpg_are_found() {
    if !machine::has(&[Program("gpg")]) {
        return;
    }
    let bench = Bench::new();
    let gpg = |words: &str, passphrase: &str| {
        let run = bench.run("gpg", "--homedir . --batch --quiet --pinentry-mode loopback");
        run.args(["--passphrase", passphrase]).args(words.split_whitespace()).succeeds();
    };
    for (number, kind) in ["rsa2048", "ed25519", "dsa2048"].into_iter().enumerate() {
        for (passphrase, protected) in [("", false), (PASSPHRASE, true)] {
            let user = format!("u{number}{protected}@example.org");
            gpg(&format!("--quick-generate-key {user} {kind} sign never"), passphrase);
            for form in ["--armor", "--no-armor"] {
                gpg(&format!("--yes {form} --output secret --export-secret-keys {user}"), passphrase);
                bench.finds("secret", key(KeyFormat::Pgp, protected));
            }
            gpg(&format!("--yes --armor --output public --export {user}"), passphrase);
            bench.finds("public", None);
        }
    }
}

#[test]
fn keys_of_putty_are_found() {
    // As puttygen writes it, with what it calls the private part replaced by as much of anything.
    let private = "A".repeat(48);
    let text = |encryption: &str| {
        format!(
            "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: {encryption}\r\nComment: me\r\nPublic-Lines: 2\r\n\
             AAAAC3NzaC1lZDI1NTE5AAAAI\r\nAAAAAAAA\r\nPrivate-Lines: 1\r\n{private}\r\nPrivate-MAC: 00\r\n"
        )
    };
    let bench = Bench::new();
    for (encryption, protected) in [("none", false), ("aes256-cbc", true)] {
        for text in [text(encryption), text(encryption).replace("\r\n", "\\r\\n")] {
            fs::write(bench.0.path().join("a.ppk"), text).expect("a key");
            bench.finds("a.ppk", key(KeyFormat::Putty, protected));
        }
    }
}

#[test]
fn identities_of_age_are_found() {
    if !machine::has(&[Program("age-keygen"), Program("age")]) {
        return;
    }
    let bench = Bench::new();
    bench.run("age-keygen", "-o age.key").succeeds();
    bench.finds("age.key", AgeIdentity);
    bench.run("age-keygen", "-y -o age.pub age.key").succeeds();
    bench.finds("age.pub", None);
    bench.run("age", "-e -a -R age.pub -o age.age age.key").succeeds();
    bench.finds("age.age", None);
}

#[test]
fn hashes_of_crypt_are_found() {
    if !machine::has(&[Program("mkpasswd")]) {
        return;
    }
    let bench = Bench::new();
    for (method, format) in [
        ("md5crypt", HashFormat::Md5),
        ("bcrypt", HashFormat::Bcrypt),
        ("bcrypt-a", HashFormat::Bcrypt),
        ("sha256crypt", HashFormat::Sha256),
        ("sha512crypt", HashFormat::Sha512),
        ("sha512crypt -R 10000", HashFormat::Sha512),
        ("scrypt", HashFormat::Scrypt),
        ("yescrypt", HashFormat::Yescrypt),
        ("gost-yescrypt", HashFormat::GostYescrypt),
    ] {
        let hash = bench.run("mkpasswd", &format!("-m {method} {PASSPHRASE}")).succeeds().text();
        fs::write(bench.0.path().join("shadow"), format!("root:{}:20000:0:99999:7:::\n", hash.trim()))
            .expect("a file");
        bench.finds("shadow", PasswordHash(format));
    }
}

/// What has keys in it to be tested with.
const TEST_KEYS: [&str; 2] = ["vault-format/src/leak/tests.rs", "vault-format/src/plugin.rs"];

/// What odbox itself consists of, which speaks of secrets more than most.
#[test]
fn sources_and_manuals_hold_none() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["docs", "vault-format/src", "vaultgen/src", "vaultd/src", "scripts"] {
        for (path, bytes) in files(&top.join(folder)) {
            assert!(scan(&bytes).is_empty(), "{}: {:?}", path.display(), scan(&bytes));
        }
    }
}

fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !TEST_KEYS.iter().any(|known| path.ends_with(known)) {
            let bytes = fs::read(&path).expect("a file");
            found.push((path, bytes));
        }
    }
    found
}
