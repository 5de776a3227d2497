//! A repository of two years with one instance of everything that can be wrong, and one in which nothing is.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use fixtures::{
    command::{program, vaultgen},
    legacy::LegacyVault,
    machine,
    vault::{Vault, snake_oil},
};
use snapbox::file;
use vault_format::{
    Digest, LOCK_FILE, Lock, SIGNATURE_FILE, SecretName, Timestamp, audit::Code,
    certificate::CertificateFacts, facts::Facts, lock::LockedSecret, password::HashFacts,
};

use super::{
    NEEDS,
    scene::{Repository, sign, sign_next},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What cannot be in the same repository: who is trusted is asked once, and this one is whole.
const ELSEWHERE: [Code; 2] = [Code::TrustAnchoredHere, Code::Shallow];

#[test]
fn each_finding_is_found_where_it_is() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = everything();
    let found = repository.findings(&["HEAD", "--allowed-signers", "signers"]);
    let code = |line: &String| line.split(' ').nth(1).map(str::to_owned);
    let codes: std::collections::BTreeSet<String> = found.iter().filter_map(code).collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !ELSEWHERE.contains(code) && !codes.contains(code.word()))
        .map(|code| code.word())
        .collect();
    assert!(missing.is_empty(), "not found: {missing:?} in {found:#?}");
    snapbox::assert_data_eq!(found.join("\n") + "\n", file!["expected.txt"]);
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("api/token", "1").build());
    let signers = vault.signers().display().to_string();
    repository.put(&vault, "vault");
    with_recovery(&repository.join("vault"), &vault.path());
    repository.commit("2025-01-10", "a vault");
    sign_next(&repository.join("vault"), &vault.path(), |_| {});
    repository
        .write("README.md", "-----BEGIN PRIVATE KEY-----\nis how a key begins, and $6$salt$hash is a hash\n");
    repository.commit("2026-06-10", "a newer state");
    for question in [&[][..], &["HEAD"], &["HEAD~1..HEAD"]] {
        let arguments = [question, &["--allowed-signers", &signers, "--fail-on", "low"]].concat();
        assert_eq!(repository.findings(&arguments), [""; 0], "{question:?}");
    }
}

/// Calls the operator's key one that is kept offline.
fn with_recovery(folder: &Path, keys: &Path) {
    let policy = folder.join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let identity = program("age-keygen").arg("-y").arg(keys.join("age.key")).succeeds().text();
    let safe = format!("[recipients]\nsafe = {{ kind = \"recovery\", keys = [{:?}] }}\n", identity.trim());
    fs::write(&policy, text.replace("[recipients]\n", &safe)).expect("a policy");
    sign_next(folder, keys, |_| {});
}

pub fn everything() -> Repository {
    let repository = Repository::new();
    let vault = Vault::with("a", "1").and("b", "2").build().trusted();
    let keys = vault.path();
    first_year(&repository, &vault, &keys);
    second_year(&repository, &vault, &keys);
    fs::write(repository.join("signers"), fs::read(vault.signers()).expect("signers")).expect("a file");
    neglect(&repository, &repository.join("signers"));
    repository.commit("2026-03-01", "more of them");
    repository
}

/// What went wrong in the past, and what nobody looked after.
fn first_year(repository: &Repository, vault: &Vault, keys: &Path) {
    let chains = ["swapped", "fork", "older", "skipped", "mended"];
    for folder in chains.into_iter().chain(["vault"]) {
        repository.put(vault, folder);
    }
    repository.commit("2024-12-01", "vaults");
    sign_next(&repository.join("older"), keys, |_| {});
    fs::write(repository.join("mended/a.age"), "junk").expect("a file");
    repository.commit("2025-02-01", "a newer state, and a broken one");

    repository.put(&Vault::with("a", "1").build(), "swapped-by");
    fs::remove_dir_all(repository.join("swapped")).expect("a folder");
    fs::rename(repository.join("swapped-by"), repository.join("swapped")).expect("a folder");
    for folder in ["older", "mended"] {
        fs::remove_dir_all(repository.join(folder)).expect("a folder");
        repository.put(vault, folder);
    }
    let skipping = |lock: &mut Lock| {
        lock.serial += 5;
        lock.ancestors = vec![Digest::of(b"a state that nobody has")];
    };
    sign_next(&repository.join("skipped"), keys, skipping);
    sign_next(&repository.join("fork"), keys, |lock| {
        lock.serial -= 1;
        lock.ancestors = vec![Digest::of(b"a state that nobody has")];
    });
    repository.commit("2025-06-01", "states that do not follow");
    leave_plaintext(repository);
}

fn leave_plaintext(repository: &Repository) {
    let key = program("openssl").args(["genpkey", "-algorithm", "ed25519"]).succeeds().output;
    repository.write("notes/key.pem", key);
    repository.write("notes/identity.txt", program("age-keygen").succeeds().output);
    let hash = program("mkpasswd").args(["-m", "sha-512", "-s"]).input("abc123").succeeds().output;
    repository.write("notes/shadow", [b"root:", &hash[..]].concat());
    repository.commit("2025-09-01", "notes");
    fs::remove_dir_all(repository.join("notes")).expect("a folder");
    let large = fs::File::create(repository.join("image.raw")).expect("a file");
    large.set_len(65 << 20).expect("a large file");
    repository.commit("2025-10-01", "no more notes");
}

/// What is wrong now, each thing in a vault of its own where one hides another.
fn second_year(repository: &Repository, vault: &Vault, keys: &Path) {
    for folder in ["unsigned", "wrong", "strange", "damaged", "unreadable", "binary", "readers", "template"] {
        repository.put(vault, folder);
    }
    fs::remove_file(repository.join("unsigned").join(SIGNATURE_FILE)).expect("a signature");
    fs::write(repository.join("wrong").join(LOCK_FILE), format!("{}\n", vault.lock())).expect("a lock");
    let stranger = Vault::with("x", "1").build();
    sign(&repository.join("strange"), &stranger.path(), &super::scene::lock(&repository.join("strange")));
    damage(repository);
    repository.write("unreadable/vault.toml", "version = 1\nunknown = 2\n");
    sign_next(&repository.join("unreadable"), keys, |_| {});
    repository.write("binary/a.age", "no ciphertext");
    sign_next(&repository.join("binary"), keys, |_| {});
    sign_next(&repository.join("readers"), keys, |lock| {
        let stranger = super::scene::lock(&stranger.path()).secrets.into_values().next().expect("a secret");
        for secret in lock.secrets.values_mut() {
            secret.recipients.extend(stranger.recipients.clone());
        }
    });
    too_wide_template(repository, keys);
    put_legacy(repository);
    spare(repository, vault);
}

fn damage(repository: &Repository) {
    let damaged = repository.join("damaged");
    let mut bytes = fs::read(damaged.join("a.age")).expect("a ciphertext");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(damaged.join("a.age"), bytes).expect("a file");
    fs::remove_file(damaged.join("b.age")).expect("a file");
    fs::write(damaged.join("more.age"), "nobody signed this").expect("a file");
    symlink("/etc/passwd", damaged.join("link")).expect("a link");
}

fn too_wide_template(repository: &Repository, keys: &Path) {
    let folder = repository.join("template");
    repository.write("template/templates/t", "{{ secret(\"a\") }}");
    let policy = fs::read_to_string(folder.join("vault.toml")).expect("a policy");
    let policy = policy.replace("[secret.\"a\"]\n", "[secret.\"a\"]\nservices = [\"a.service\"]\n");
    let template = "\n[template.\"t\"]\nsource = \"templates/t\"\nservices = [\"b.service\"]\n";
    fs::write(folder.join("vault.toml"), policy + template).expect("a policy");
    sign_next(&folder, keys, |lock| {
        lock.files.insert("templates/t".to_owned(), Digest::of(b"{{ secret(\"a\") }}"));
    });
}

fn put_legacy(repository: &Repository) {
    let legacy = LegacyVault::empty();
    legacy.seal("passwords/admin.txt", "abc123");
    fixtures::tree::copy(&legacy.path(), &repository.join("odoo-box"));
    fs::remove_file(repository.join("odoo-box/.gitignore")).expect("a file");
}

/// A vault that is sound, and in which nobody looks after anything.
fn neglect(repository: &Repository, signers: &Path) {
    let vault = Vault::standard().trusted();
    let run = |arguments: &[&str]| vaultgen().args(arguments).arg("--vault").arg(vault.path()).succeeds();
    run(&["machine", "add", "web-1"]);
    run(&["grant", "certs/vault-ca-key.pem", "web-1"]);
    vaultgen().args(["add", "token", "--vault"]).arg(vault.path()).input("the value").succeeds();
    run(&["grant", "token", "web-1"]);
    run(&["recipients", "add", "bob", &public_key()]);
    run(&["grant", "passwords/root.txt", "bob"]);
    run(&["revoke", "passwords/root.txt", "bob"]);
    run(&["recipients", "add", "test", &snake_oil_recipient()]);
    run(&["grant", "passwords/admin.txt", "test"]);
    repository.put(&vault, "neglected");
    let policy = repository.join("neglected/vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    fs::write(&policy, neglected(text)).expect("a policy");
    repository.write("neglected/notes.txt", "what to do");
    sign_next(&repository.join("neglected"), &vault.path(), |lock| {
        let long_ago = "2024-06-01T00:00:00Z".parse().expect("a moment");
        for name in ["ssh/id_ed25519", "passwords/odoo-admin.txt"] {
            secret(lock, name).rotated = long_ago;
        }
        let weak = HashFacts { scheme: "sha512crypt".to_owned(), cost: "rounds=5000".to_owned() };
        secret(lock, "passwords/root.sha512").facts = Some(Facts::PasswordHash(weak));
        let change = |facts: &mut Option<Facts>, change: &dyn Fn(&mut CertificateFacts)| match facts {
            Some(Facts::Certificate(certificate)) => change(certificate),
            _ => panic!("no certificate"),
        };
        change(&mut secret(lock, "certs/localhost-cert.pem").facts, &|certificate| {
            certificate.not_after = long_ago;
            certificate.key_type = "rsa1024".to_owned();
        });
        change(&mut secret(lock, "certs/vault-ca-cert.pem").facts, &|certificate| {
            certificate.not_after = Timestamp::now().after(DAY * 10);
        });
    });
    let own = fs::read_to_string(vault.signers()).expect("signers");
    let all = fs::read_to_string(signers).expect("signers") + &own;
    fs::write(signers, all).expect("signers");
}

fn secret<'a>(lock: &'a mut Lock, name: &str) -> &'a mut LockedSecret {
    lock.secrets.get_mut(&name.parse::<SecretName>().expect("a name")).expect("a secret")
}

/// A policy that says more than there is, and less than it should.
fn neglected(policy: String) -> String {
    let soon = Timestamp::now().after(DAY * 10).to_string();
    let lines = [
        ("passwords/admin.txt", "expires = 2026-01-01"),
        ("passwords/pgadmin-admin.txt", &format!("expires = {}", &soon[..10])),
        ("passwords/odoo-admin.txt", "rotate-after = \"30d\""),
        ("ssh/id_ed25519", "mode = \"0440\""),
    ];
    let policy = lines.iter().fold(policy, |policy, (name, line)| {
        let header = format!("[secret.{name:?}]\n");
        assert!(policy.contains(&header), "{name}");
        policy.replace(&header, &format!("{header}{line}\n"))
    });
    // One secret loses its table, and one that is gone still has one.
    let untold = "[secret.\"passwords/odoo-admin.sha512\"]\n";
    let start = policy.find(untold).expect("a table");
    let end = policy[start + 1..].find("\n[").map_or(policy.len(), |at| start + 1 + at);
    format!("{}{}\n[secret.\"gone\"]\n", &policy[..start], &policy[end..])
}

/// A vault with a recovery key that opens nothing.
fn spare(repository: &Repository, vault: &Vault) {
    repository.put(vault, "spare");
    let policy = repository.join("spare/vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let safe = format!("[recipients]\nsafe = {{ kind = \"recovery\", keys = [{:?}] }}\n", public_key());
    fs::write(&policy, text.replace("[recipients]\n", &safe)).expect("a policy");
    sign_next(&repository.join("spare"), &vault.path(), |_| {});
}

fn public_key() -> String {
    let identity = program("age-keygen").succeeds().text();
    let public = identity.lines().find_map(|line| line.strip_prefix("# public key: "));
    public.expect("a public key").to_owned()
}

fn snake_oil_recipient() -> String {
    let secret = super::scene::lock(&snake_oil()).secrets.into_values().next().expect("a secret");
    secret.recipients.first().expect("a recipient").to_string()
}
