//! Machines: where their keys come from, and what they then can open.

use std::fs;

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{self, Need::Program},
    ssh::{self, HOST, SshMachine},
    tree::{self, contents},
    vault::Vault,
};

const PROGRAMS: [machine::Need; 2] = [Program("age"), Program("ssh-keygen")];
const CERTIFICATE: &str = "certs/one-cert.pem";

fn small() -> Vault {
    Vault::with(CERTIFICATE, "one").and("token", "two").build().trusted()
}

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// Asks the machine, as `machine add` does.
fn add(vault: &Vault, machine: &SshMachine) -> Run {
    machine.reached_by(on(vault, &["machine", "add", "web-1", "--batch", "--ssh", HOST]))
}

/// A script that answers like a machine, but with the keys beside it.
const WITH_OWN_KEYS: &str = r#"cd "${0%/*}"
expected="cat /etc/ssh/ssh_host_ed25519_key.pub || cat /etc/ssh/ssh_host_rsa_key.pub"
[ "$SSH_ORIGINAL_COMMAND" = "$expected" ] || exit 9
cat identity.pub"#;

#[test]
fn a_machine_is_asked_for_its_host_key() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    for (kind, warns) in [("ed25519", false), ("rsa", true)] {
        let vault = small();
        let machine = SshMachine::running(WITH_OWN_KEYS);
        let identity = machine.path("identity");
        program("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&identity).succeeds();
        let asked = add(&vault, &machine).succeeds();
        let fingerprint = program("ssh-keygen").arg("-lf").arg(&identity).succeeds().text();
        let fingerprint = fingerprint.split(' ').nth(1).expect("a fingerprint");
        asked.says(&format!("host key of web-1: ssh-{kind} {fingerprint}\n"));
        assert_eq!(asked.errors.contains("warning: an ssh-rsa key takes"), warns, "{asked}");
        on(&vault, &["grant", "token", "web-1"]).succeeds();
        let opened = program("age").args(["-d", "-i"]).arg(&identity).arg(vault.path().join("token.age"));
        assert_eq!(opened.succeeds().output, b"two", "{kind}");
    }
}

#[test]
fn a_machine_that_was_asked_gets_another_key() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    let vault = small();
    on(&vault, &["machine", "add", "web-1"]).succeeds();
    on(&vault, &["grant", "token", "web-1"]).succeeds();
    let machine = SshMachine::running("cat \"${0%/*}/host.pub\"");
    let replace = on(&vault, &["machine", "replace", "web-1", "--stolen", "--batch", "--ssh", HOST]);
    machine.reached_by(replace).succeeds().says("known to a removed key");
    let opened = program("age").args(["-d", "-i"]).arg(machine.path("host"));
    assert_eq!(opened.arg(vault.path().join("token.age")).succeeds().output, b"two");
}

#[test]
fn what_ssh_says_beside_is_passed_on_and_harmless() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    let script = "printf 'Welcome\\nerror: \\033[2Jowned\\n' >&2; cat \"${0%/*}/host.pub\"";
    let added = add(&small(), &SshMachine::running(script)).succeeds();
    added.says("warning: ssh says: Welcome\n  | error: \\u{1b}[2Jowned\n");
    assert!(!added.errors.contains('\u{1b}'), "{added}");
}

/// Whoever answers may say anything, and may be somebody else.
#[test]
fn a_hostile_answer_changes_nothing() {
    if !machine::has(&PROGRAMS) || !machine::has(&ssh::NEEDS) {
        return;
    }
    let vault = small();
    let before = tree::snapshot(&vault.path());
    for (script, error) in [
        ("yes", "box answers with more than a host key"),
        ("cat \"${0%/*}/host.pub\" \"${0%/*}/host.pub\"", "not one SSH public key"),
        ("printf '\\377'", "something that is no text"),
        ("printf '\\033[2Jpwned' >&2; exit 3", "could not be asked for its host key: \\u{1b}[2Jpwned"),
        ("exit 3", "could not be asked for its host key: exit status: 3"),
        (":", "not one SSH public key"),
        ("echo ecdsa-sha2-nistp256 AAAA", "not one SSH public key"),
        ("echo ssh-ed25519 AAAA", "cannot be a recipient"),
        ("echo motd; cat \"${0%/*}/host.pub\"", "not one SSH public key"),
    ] {
        let refused = add(&vault, &SshMachine::running(script)).exits(1);
        refused.explains_once(error);
        assert!(!refused.errors.contains('\u{1b}'), "{refused}");
    }
    let machine = SshMachine::running("cat \"${0%/*}/host.pub\"");
    machine.impersonate();
    add(&vault, &machine).exits(1).explains_once("Host key verification failed");
    for host in ["-oProxyCommand=touch pwned", "-V", ""] {
        let refused = on(&vault, &["machine", "add", "web-1", &format!("--ssh={host}")]).exits(2);
        refused.says("invalid value");
    }
    let missing = on(&vault, &["machine", "add", "web-1", "--ssh", HOST]);
    missing.under(["env", "PATH=/nonexistent"]).exits(1).explains_once("cannot run ssh");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
}

#[test]
fn a_host_key_file_holds_one_key() {
    if !machine::has(&PROGRAMS) {
        return;
    }
    let vault = small();
    let file = vault.beside("host");
    program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file).succeeds();
    let public = file.with_extension("pub");
    let add = || on(&vault, &["machine", "add", "web-1", "--ssh-host-key"]).arg(&public);
    let key = fs::read_to_string(&public).expect("a key");
    fs::write(&public, format!("{key}{key}")).expect("two keys");
    add().exits(1).explains_once("not one SSH public key");
    fs::write(&public, key).expect("a key");
    add().succeeds().says("host key of web-1: ssh-ed25519 SHA256:");
}

/// A vault with a machine that has a local CA, whose certificate and key lie beside the vault as the
/// machine itself opens them.
fn with_local_ca() -> Vault {
    let vault = Vault::standard();
    let added = on(&vault, &["machine", "add", "web-1", "--local-ca"]).succeeds();
    added.says("\n  certs/local-ca-cert.pem\n  certs/local-ca-key.pem\n");
    open_local_ca(&vault);
    vault
}

/// Puts what the machine opens beside the vault.
fn open_local_ca(vault: &Vault) {
    for name in ["vault-ca-cert.pem", "local-ca-cert.pem", "local-ca-key.pem"] {
        let opened = opened_by_machine(vault, &format!("certs/{name}")).succeeds().output;
        fs::write(vault.beside(name), opened).expect("a file");
    }
}

fn opened_by_machine(vault: &Vault, name: &str) -> Run {
    let identity = vault.path().join("machines/web-1.key");
    program("age").args(["-d", "-i"]).arg(identity).arg(vault.path().join(format!("{name}.age")))
}

/// What a server certificate has beside its names.
const LEAF: &str = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n\
    basicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash";
const AUTHORITY: &str = "keyUsage=critical,keyCertSign\nbasicConstraints=critical,CA:TRUE\n\
    authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash";

fn openssl(vault: &Vault, words: &str) -> Run {
    program("openssl").args(words.split(' ')).in_folder(vault.beside("."))
}

/// Makes the files `NAME-cert.pem` and `NAME-key.pem`, signed by those of `ca`.
fn sign(vault: &Vault, name: &str, ca: &str, extensions: &str) {
    fs::write(vault.beside("extensions"), extensions).expect("a file");
    let request = format!("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name}");
    openssl(vault, &format!("{request} -keyout {name}-key.pem -out request")).succeeds();
    let sign = format!("x509 -req -in request -CA {ca}-cert.pem -CAkey {ca}-key.pem -days 9");
    openssl(vault, &format!("{sign} -extfile extensions -out {name}-cert.pem")).succeeds();
}

/// What OpenSSL says of a server certificate, trusting the vault's CA.
fn judged(vault: &Vault, certificate: &str, chain: &str) -> Ended {
    let verify = "verify -x509_strict -purpose sslserver -CAfile vault-ca-cert.pem";
    openssl(vault, &format!("{verify} -untrusted {chain} {certificate}")).run()
}

/// OpenSSL's word for it, with what lies beside the vault.
fn expect_signs_for_web_1_alone(vault: &Vault) {
    let leaf = |names: &str| {
        sign(vault, "leaf", "local-ca", &format!("{LEAF}\nsubjectAltName={names}"));
        judged(vault, "leaf-cert.pem", "local-ca-cert.pem")
    };
    for name in ["DNS:localhost", "DNS:web-1,DNS:odoo.web-1", "IP:127.0.0.1,IP:127.8.0.1,IP:::1"] {
        let accepted = leaf(name);
        assert_eq!(accepted.status, Some(0), "{name}: {accepted}");
    }
    for name in ["DNS:web-2", "DNS:web-1.example.org", "DNS:web-1,DNS:example.org", "IP:10.0.0.1", "IP:::2"] {
        let refused = leaf(name);
        assert_ne!(refused.status, Some(0), "{name}: {refused}");
        refused.says("permitted subtree violation");
    }
}

#[test]
fn a_local_ca_signs_for_its_machine_and_nobody_else() {
    if !machine::has(&PROGRAMS) || !machine::has(&[Program("openssl")]) {
        return;
    }
    let vault = with_local_ca();
    expect_signs_for_web_1_alone(&vault);
    sign(&vault, "below", "local-ca", AUTHORITY);
    sign(&vault, "leaf", "below", &format!("{LEAF}\nsubjectAltName=DNS:localhost"));
    let chain =
        ["below-cert.pem", "local-ca-cert.pem"].map(|file| fs::read(vault.beside(file)).expect("a file"));
    fs::write(vault.beside("chain"), chain.concat()).expect("a file");
    let refused = judged(&vault, "leaf-cert.pem", "chain");
    assert_ne!(refused.status, Some(0), "{refused}");
    refused.says("path length constraint exceeded");
    let text = program("openssl").args(["x509", "-noout", "-text", "-in"]);
    let text = text.arg(vault.beside("local-ca-cert.pem")).succeeds().text();
    for part in ["Name Constraints: critical", "CA:TRUE, pathlen:0", "Subject: CN = odbox local CA of web-1"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_local_ca_is_for_one_machine() {
    if !machine::has(&PROGRAMS) {
        return;
    }
    let vault = with_local_ca();
    assert_ne!(opened_by_machine(&vault, "certs/vault-ca-key.pem").run().status, Some(0));
    let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
    assert_eq!(policy.matches("owner = \"local-ca\"\ngroup = \"local-ca\"\n").count(), 2, "{policy}");
    on(&vault, &["verify", "--identity"]).arg(vault.identity()).succeeds().says("sound: 19 secrets");
    let before = tree::snapshot(&vault.path());
    let second = || on(&vault, &["machine", "add", "web-2", "--local-ca"]);
    second().exits(1).explains_once("the vault's one local CA belongs to web-1");
    on(&vault, &["machine", "add", "web-1"]).exits(1).explains_once("is called web-1 already");
    let again = on(&vault, &["machine", "add", "web-1", "--local-ca"]).exits(1);
    again.explains_once("web-1 has a local CA already");
    assert!(again.errors.contains("`vaultgen rotate certs/local-ca-cert.pem`"), "{again}");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");

    on(&vault, &["machine", "remove", "web-1"]).succeeds();
    let first = vault.open("certs/local-ca-key.pem");
    second().succeeds();
    assert_ne!(vault.open("certs/local-ca-key.pem"), first);
    assert_ne!(opened_by_machine(&vault, "certs/local-ca-key.pem").run().status, Some(0));
    on(&vault, &["verify"]).succeeds();
}

/// And it keeps its key, its profile and whatever else it can open; then the local CA can be made anew.
#[test]
fn a_machine_that_is_there_can_be_given_a_local_ca() {
    if !machine::has(&PROGRAMS) || !machine::has(&[Program("openssl")]) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["machine", "add", "web-1"]).succeeds();
    let (before, key) = (tree::snapshot(&vault.path()), vault.beside("other"));
    program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).succeeds();
    let give = |more: &[&str]| on(&vault, &[&["machine", "add", "web-1", "--local-ca"], more].concat());
    let host_key = key.with_extension("pub").display().to_string();
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    for its_key in [["--recipient", recipient], ["--ssh-host-key", &host_key], ["--ssh", "web-1"]] {
        give(&its_key).exits(1).explains_once("web-1 is in the vault already, and keeps its key");
    }
    give(&["--profile", "none"]).exits(1).explains_once("keeps its profile, odoo-box");
    on(&vault, &["machine", "add", "ops", "--local-ca"]).exits(1).explains_once("is called ops already");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");

    give(&["--profile", "odoo-box"])
        .succeeds()
        .says("new: certs/local-ca-cert.pem and certs/local-ca-key.pem");
    on(&vault, &["verify", "--identity"])
        .arg(vault.identity())
        .succeeds()
        .says("sound: 19 secrets, serial 3");
    open_local_ca(&vault);
    expect_signs_for_web_1_alone(&vault);
    opened_by_machine(&vault, "passwords/root.yesc").succeeds();
    assert_ne!(opened_by_machine(&vault, "certs/vault-ca-key.pem").run().status, Some(0));
    let recipients = |name| lock_table(&vault, name).split("recipients").nth(1).expect("keys").to_owned();
    let keys =
        |name| recipients(name).lines().map(str::trim).filter(|line| line.starts_with("\"age1")).count();
    assert_eq!(keys("certs/local-ca-key.pem"), 2, "the operator's and the machine's, in the signed lock");

    let first = fs::read(vault.beside("local-ca-key.pem")).expect("a key");
    let renewed = on(&vault, &["rotate", "certs/local-ca-cert.pem"]).succeeds();
    renewed.says("rotated: certs/local-ca-cert.pem, certs/local-ca-key.pem");
    open_local_ca(&vault);
    assert_ne!(fs::read(vault.beside("local-ca-key.pem")).expect("a key"), first);
    expect_signs_for_web_1_alone(&vault);
}

/// What the lock says of a secret, without its facts.
fn lock_table(vault: &Vault, name: &str) -> String {
    let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
    let table = lock.split(&format!("[secret.\"{name}\"]")).nth(1).expect("a table").to_owned();
    table.split("\n[").next().expect("a table").to_owned()
}

/// A machine gets certificates by its profile: also that of a local CA which was another one's.
#[test]
fn a_local_ca_that_is_nobodys_goes_to_the_machine_that_asks() {
    if !machine::has(&PROGRAMS) {
        return;
    }
    let vault = with_local_ca();
    on(&vault, &["machine", "add", "web-2"]).succeeds();
    on(&vault, &["machine", "add", "web-2", "--local-ca"]).exits(1).explains_once("belongs to web-1");
    let first = vault.open("certs/local-ca-key.pem");
    on(&vault, &["machine", "remove", "web-1"]).succeeds();
    on(&vault, &["machine", "add", "web-2", "--local-ca"])
        .succeeds()
        .says("replaced: certs/local-ca-cert.pem");
    assert_ne!(vault.open("certs/local-ca-key.pem"), first);
    let identity = vault.path().join("machines/web-2.key");
    for name in ["certs/local-ca-cert.pem", "certs/local-ca-key.pem"] {
        let sealed = vault.path().join(format!("{name}.age"));
        program("age").args(["-d", "-i"]).arg(&identity).arg(sealed).succeeds();
        let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
        let table = policy.split(&format!("[secret.\"{name}\"]")).nth(1).expect("a table");
        let audience = table.lines().find(|line| line.starts_with("audience")).expect("an audience");
        assert_eq!(audience, "audience = [\"ops\", \"web-2\"]", "{name}");
        assert!(!policy.contains("web-1"), "{policy}");
    }
    // What web-1 knew is worth nothing any more.
    let table = lock_table(&vault, "certs/local-ca-key.pem");
    assert!(!table.contains("exposed-to"), "{table}");
}

#[test]
fn a_local_ca_takes_a_host_name_and_the_key_of_the_vault_ca() {
    let vault = Vault::standard();
    let before = contents(&vault.path());
    on(&vault, &["machine", "add", "web_1", "--local-ca"]).exits(1).explains_once("neither a DNS name");
    fs::rename(vault.identity(), vault.beside("age.key")).expect("a move");
    on(&vault, &["machine", "add", "web-1", "--local-ca"]).exits(1).explains_once("no identity to decrypt");
    fs::rename(vault.beside("age.key"), vault.identity()).expect("a move");
    assert!(contents(&vault.path()) == before, "something was changed");
    let bare = Vault::with("token", "x").build().trusted();
    on(&bare, &["machine", "add", "web-1", "--local-ca"]).exits(1).explains_once("no CA to sign");
}
