//! `vaultgen import` refuses what no client would accept, what is no key, and what is no certificate.

use fixtures::{
    command::{Run, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    openssl::{AUTHORITY, Certificate, OpenSsl, P256},
    tree,
    vault::Vault,
};

const PEERS: [Need; 2] = [Program("age"), Program("openssl")];

/// A vault, and a server's certificate to import.
fn stand() -> (Vault, OpenSsl) {
    (Vault::with("token", "x").build().trusted(), OpenSsl::with_server(P256))
}

fn on(vault: &Vault, openssl: &OpenSsl, words: &str) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(words.split(' ')).in_folder(openssl.path("."))
}

#[test]
fn what_no_client_would_accept_is_refused() {
    if !machine::has(&PEERS) {
        return;
    }
    let (vault, openssl) = stand();
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
    special(
        Certificate::with(&format!("{AUTHORITY}\nsubjectAltName=DNS:a")),
        "of an authority, not of a server",
    );
    special(
        Certificate::with(
            "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\nsubjectAltName=DNS:a",
        ),
        "not a certificate for servers",
    );
    special(Certificate::with(server), "no DNS name or IP address");
    special(
        Certificate::with(&format!("{server}\nsubjectAltName=DNS:a\n1.2.3.4=critical,DER:0500")),
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
    openssl.sign("between", "root", Certificate::with(AUTHORITY));
    refused(files, "CN=between did not sign CN=server");
    let old = Certificate { dates: ["20200101000000Z", "20210101000000Z"], ..Certificate::with(AUTHORITY) };
    between(P256, old, "CN=between expired");
    between(
        P256,
        Certificate { digest: "sha1", ..Certificate::with(AUTHORITY) },
        "CN=between is weak: signed with SHA-1",
    );
    between(
        "RSA -pkeyopt rsa_keygen_bits:1024",
        Certificate::with(AUTHORITY),
        "CN=between is weak: RSA of 1024 bits",
    );
    for limits in [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,keyCertSign",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign",
        "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth",
    ] {
        between(P256, Certificate::with(limits), "CN=between is no authority that may sign it");
    }
    let constraints = format!("{AUTHORITY}\nnameConstraints=critical,permitted;DNS:example.com");
    between(
        P256,
        Certificate::with(&constraints),
        "the certificate does not verify: NameConstraintViolation",
    );
    openssl.sign("between", "root", Certificate::with("basicConstraints=critical,CA:TRUE,pathlen:0"));
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
    let (vault, openssl) = stand();
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
