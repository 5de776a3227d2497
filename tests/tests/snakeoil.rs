//! The vault whose keys everybody knows is refused wherever it lies and whoever signed it.

use std::{collections::BTreeSet, fs, path::Path};

use fixtures::{
    command::{program, vaultgen},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    tree,
    vault::{Vault, snake_oil},
};

const NEEDS: [Need; 3] = [Root, Fuse, Program("ssh-keygen")];

/// The vault to serve, the identity and the signers that this machine has, beside a guard.
type Arrangement = fn(&Vault, &Vault) -> [std::path::PathBuf; 3];

/// Each is given a copy of the snake-oil vault, and another vault.
const ARRANGEMENTS: [(&str, Arrangement); 5] = [
    ("in place", |_, _| [snake_oil(), snake_oil().join("age.key"), snake_oil().join("allowed_signers")]),
    ("copied elsewhere", |copy, _| [copy.path(), copy.identity(), copy.signers()]),
    ("signed by another key", |copy, _| {
        copy.sign_with_new_key();
        [copy.path(), copy.identity(), copy.signers()]
    }),
    ("trusting other signers", |copy, other| [copy.path(), copy.identity(), other.signers()]),
    ("with another identity and signed by another key", |copy, other| {
        copy.sign_with_new_key();
        [copy.path(), other.identity(), copy.signers()]
    }),
];

#[test]
fn is_refused_in_every_arrangement() {
    if !machine::has(&NEEDS) {
        return;
    }
    for (name, arrange) in ARRANGEMENTS {
        let (copy, other) = (Vault::copy_of(&snake_oil()), Vault::with("file", "bytes").build());
        let [vault, identity, signers] = arrange(&copy, &other);
        // A file mode that Git does not keep must not be what hides the reason.
        let private = copy.beside("age.key");
        fs::copy(identity, &private).expect("a copy of the identity");
        fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o400)).expect("chmod");
        let place = MountPoint::new();
        let refused = place.mount_with(&vault, &private, &signers).run();
        assert_eq!(refused.status, Some(1), "{name}: {refused}");
        refused.explains("this is the snake-oil vault").says("--allow-snakeoil");
        assert!(!place.is_mounted() && place.monitors().is_empty(), "{name}");
    }
}

/// As it lies in the repository, with an identity that everybody may read.
#[test]
fn is_served_in_place_where_that_is_allowed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let place = MountPoint::new();
    let (identity, signers) = (snake_oil().join("age.key"), snake_oil().join("allowed_signers"));
    place.mount_with(&snake_oil(), &identity, &signers).arg("--allow-snakeoil").succeeds();
    assert_eq!(fs::read(place.join("passwords/root.txt")).expect("a password"), b"abc123");
}

/// Its keys in a vault of one's own are no less known.
#[test]
fn its_identity_and_signer_are_refused_for_any_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (copy, own) = (Vault::copy_of(&snake_oil()), Vault::with("file", "bytes").build());
    let place = MountPoint::new();
    let machines = MACHINES.map(|name| copy.path().join(format!("machines/{name}.key")));
    for identity in machines.into_iter().chain([copy.identity()]) {
        let refused = place.mount_with(&own.path(), &identity, &own.signers()).exits(1);
        refused.explains("this is the snake-oil vault (by its identity)");
    }
    let refused = place.mount_with(&own.path(), &own.identity(), &copy.signers()).exits(1);
    refused.explains("this is the snake-oil vault (by its signer)");
}

/// The machines of the dev VMs.
const MACHINES: [&str; 2] = ["devm-aarch64", "devm-x86_64"];

#[test]
fn its_machines_are_served_what_their_services_need() {
    if !machine::has(&NEEDS) {
        return;
    }
    for name in MACHINES {
        let place = MountPoint::new();
        let identity = snake_oil().join(format!("machines/{name}.key"));
        let mount = || place.mount_with(&snake_oil(), &identity, &snake_oil().join("allowed_signers"));
        mount().exits(1).explains("this is the snake-oil vault");
        mount().arg("--allow-snakeoil").succeeds();
        let files =
            tree::snapshot(&place.path()).into_keys().filter(|path| place.path().join(path).is_file());
        let files: Vec<_> = files.map(|path| path.to_str().expect("UTF-8").to_owned()).collect();
        assert_eq!(files, SERVED, "{name}");
        let configuration = fs::read_to_string(place.join("odoo/admin.conf")).expect("a file");
        assert_eq!(configuration, "[options]\nadmin_passwd = abc123\n");
    }
}

const SERVED: [&str; 12] = [
    "certs/local-ca-cert.pem",
    "certs/local-ca-key.pem",
    "certs/localhost-cert.pem",
    "certs/localhost-key.pem",
    "certs/vault-ca-cert.pem",
    "odoo/admin.conf",
    "passwords/admin.sha512",
    "passwords/admin.yesc",
    "passwords/odoo-admin.txt",
    "passwords/pgadmin-admin.txt",
    "passwords/root.sha512",
    "passwords/root.yesc",
];

/// The policy with each key taken out of it.
fn shape(policy: &str) -> BTreeSet<String> {
    let words = policy.lines().map(|line| {
        let words = line.split(' ').map(|word| match word.trim_start_matches(['[', '"']) {
            key if key.starts_with("age1") || key.starts_with("AAAA") => "KEY",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    });
    words.collect()
}

#[test]
fn is_what_vaultgen_makes() {
    let folder = tree::folder();
    let made = folder.path().join("vault");
    vaultgen().args(["init", "--snakeoil", "--batch", "--vault"]).arg(&made).succeeds();
    let files = |vault: &Path| tree::snapshot(vault).into_keys().collect::<Vec<_>>();
    assert_eq!(files(&made), files(&snake_oil()));
    let policy = |vault: &Path| fs::read_to_string(vault.join("vault.toml")).expect("a policy");
    assert_eq!(shape(&policy(&made)), shape(&policy(&snake_oil())));
    vaultgen().args(["verify", "--vault"]).arg(&made).succeeds().says("sound: 19 secrets, serial 1");
    vaultgen().args(["init", "--snakeoil", "--batch", "--vault"]).arg(&made).succeeds().says("nothing to do");
}

/// Whoever trusts the CA trusts the local one below it, for loopback and nothing else.
#[test]
fn its_local_ca_signs_for_loopback_for_a_hundred_years() {
    if !machine::has(&[Program("age"), Program("openssl")]) {
        return;
    }
    let vault = Vault::copy_of(&snake_oil());
    for name in ["vault-ca-cert.pem", "local-ca-cert.pem", "local-ca-key.pem"] {
        fs::write(vault.beside(name), vault.open(&format!("certs/{name}"))).expect("a file");
    }
    let openssl = |words: &str| program("openssl").args(words.split(' ')).in_folder(vault.beside("."));
    let shown = openssl("x509 -noout -text -checkend 3124224000 -in local-ca-cert.pem").succeeds().text();
    for part in ["Name Constraints: critical", "DNS:localhost\n", "CA:TRUE, pathlen:0"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for (names, accepted) in
        [("DNS:localhost,IP:127.0.0.1,IP:::1", true), ("DNS:devm-x86_64", false), ("DNS:example.org", false)]
    {
        let request = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=leaf -keyout leaf-key.pem \
             -addext subjectAltName={names} -addext basicConstraints=critical,CA:FALSE -days 9 \
             -CA local-ca-cert.pem -CAkey local-ca-key.pem -out leaf-cert.pem"
        );
        openssl(&request).succeeds();
        let verify = "verify -CAfile vault-ca-cert.pem -untrusted local-ca-cert.pem leaf-cert.pem";
        let judged = openssl(verify).run();
        assert_eq!(judged.status == Some(0), accepted, "{names}: {judged}");
    }
}
