//! Who may decrypt and who may sign: changed from end to end, and judged by age and OpenSSH.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree::{self, contents},
    vault::Vault,
};

const NEEDS: [Need; 3] = [Program("age"), Program("age-keygen"), Program("ssh-keygen")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];
/// What every change rewrites.
const STATE: [&str; 2] = ["vault.lock", "vault.lock.sig"];
const PASSPHRASE: &str = "quartz-Lemon3-harbour";
const REMARK: &str = "# Do not grant this to anybody before the audit.";

fn small() -> Vault {
    Vault::with("certs/one.pem", "one")
        .and("passwords/root.txt", "two")
        .and("token", "three")
        .build()
        .trusted()
}

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// Somebody with an age identity or SSH key of their own.
struct Person {
    file: PathBuf,
    key: String,
}

impl Person {
    fn with_identity(vault: &Vault, name: &str) -> Self {
        let file = vault.beside(name);
        program("age-keygen").arg("-o").arg(&file).succeeds();
        let key = program("age-keygen").arg("-y").arg(&file).succeeds().text().trim_end().to_owned();
        Self { file, key }
    }

    fn with_ssh_key(vault: &Vault, name: &str, kind: &str, passphrase: &str) -> Self {
        let file = vault.beside(name);
        let keygen = program("ssh-keygen").args(["-q", "-t", kind, "-C", name, "-N", passphrase, "-f"]);
        keygen.arg(&file).succeeds();
        let key = fs::read_to_string(file.with_extension("pub")).expect("a public key").trim_end().to_owned();
        Self { file, key }
    }

    /// What Debian's age makes of a secret for this person.
    fn opens(&self, vault: &Vault, name: &str) -> Ended {
        let file = vault.path().join(format!("{name}.age"));
        program("age").args(["-d", "-i"]).arg(&self.file).arg(file).run()
    }

    #[track_caller]
    fn expect_to_open(&self, vault: &Vault, names: &[&str]) {
        for name in vault.names() {
            let opened = self.opens(vault, &name);
            if names.contains(&name.as_str()) {
                assert_eq!(opened.output, vault.open(&name), "{name}: {opened}");
            } else {
                assert_ne!(opened.status, Some(0), "{name}: {opened}");
            }
        }
    }

    fn public_file(&self) -> String {
        self.file.with_extension("pub").display().to_string()
    }
}

/// Runs a verb and expects that exactly these files have other bytes than before.
#[track_caller]
fn expect_rewritten(vault: &Vault, run: Run, files: &[&str]) -> Ended {
    let before = tree::snapshot(&vault.path());
    let ended = run.succeeds();
    let after = tree::snapshot(&vault.path());
    let is_file = |path: &&PathBuf| !vault.path().join(path).is_dir();
    let all: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).filter(is_file).collect();
    let changed: BTreeSet<&Path> =
        all.into_iter().filter(|path| before.get(*path) != after.get(*path)).map(PathBuf::as_path).collect();
    let expected: BTreeSet<&Path> = files.iter().chain(&STATE).map(Path::new).collect();
    assert_eq!(changed, expected, "{ended}");
    ended
}

/// The secrets that the lock calls known to a removed key, with those keys.
fn exposures(vault: &Vault) -> BTreeMap<String, String> {
    let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
    let tables = lock.split("\n[secret.").skip(1);
    let exposed = tables.filter_map(|table| {
        let keys = table.split_once("\nexposed-to = [")?.1.split_once(']')?.0;
        Some((table.split(']').next()?.trim_matches('"').to_owned(), keys.to_owned()))
    });
    exposed.collect()
}

fn verify(vault: &Vault) -> Ended {
    let all = on(vault, &["verify", "--identity"]).arg(vault.identity());
    all.arg("--allowed-signers").arg(vault.path().join("allowed_signers")).succeeds()
}

#[test]
fn a_recipient_comes_and_goes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let friend = Person::with_identity(&vault, "friend");
    let ciphertexts = ["vault.toml", "certs/one.pem.age", "passwords/root.txt.age", "token.age"];
    let all = ["certs/one.pem", "passwords/root.txt", "token"];
    friend.expect_to_open(&vault, &[]);
    let add = on(&vault, &["recipients", "add", "ops", &friend.key]);
    expect_rewritten(&vault, add, &ciphertexts).says("encrypted anew: 3 secrets; serial 2");
    friend.expect_to_open(&vault, &all);
    assert!(exposures(&vault).is_empty());

    let remove = || on(&vault, &["recipients", "remove", "ops", &friend.key]);
    let ended = expect_rewritten(&vault, remove(), &ciphertexts);
    friend.expect_to_open(&vault, &[]);
    for name in all {
        ended.says(&format!("\n  {name}\n"));
        verify(&vault).says(&format!("warning: {name} is known to 1 removed key: change it at its source"));
        assert!(exposures(&vault)[name].contains(&friend.key), "{name}");
    }
    remove().exits(1).explains_once("ops does not have the key");
    // Whoever may read it again is no stranger to it.
    on(&vault, &["recipients", "add", "ops", &friend.key]).succeeds();
    assert!(exposures(&vault).is_empty());
    assert!(!verify(&vault).text().contains("removed key"));
}

/// The stanzas of an age file, and its payload with the nonce.
fn parts(vault: &Vault, name: &str) -> (Vec<String>, Vec<u8>) {
    let file = fs::read(vault.path().join(format!("{name}.age"))).expect("a ciphertext");
    let mac = file.windows(5).position(|bytes| bytes == b"\n--- ").expect("a header") + 1;
    let end = mac + file[mac..].iter().position(|byte| *byte == b'\n').expect("the end of the header") + 1;
    let header = String::from_utf8(file[..mac].to_vec()).expect("text");
    (header.split("-> ").skip(1).map(str::to_owned).collect(), file[end..].to_vec())
}

/// Whoever leaves knows the key of the file, so it is not used again.
#[test]
fn a_file_keeps_its_key_only_while_nobody_leaves() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("rage")]) {
        return;
    }
    let vault = small();
    let friend = Person::with_identity(&vault, "friend");
    let ssh = Person::with_ssh_key(&vault, "ssh", "ed25519", "");
    let first = parts(&vault, "token");
    for person in [&friend, &ssh] {
        on(&vault, &["recipients", "add", "ops", &person.key]).succeeds();
    }
    let grown = parts(&vault, "token");
    assert_eq!(grown.1, first.1);
    assert_eq!(grown.0[..first.0.len()], first.0);
    for person in [&friend, &ssh] {
        person.expect_to_open(&vault, &["certs/one.pem", "passwords/root.txt", "token"]);
    }
    for identity in [&vault.identity(), &friend.file] {
        let rage = program("rage").args(["-d", "-i"]).arg(identity);
        assert_eq!(rage.arg(vault.path().join("token.age")).succeeds().output, b"three");
    }

    on(&vault, &["rekey", "--secret", "token"]).succeeds();
    let rekeyed = parts(&vault, "token");
    assert_ne!(rekeyed.1, grown.1);
    assert!(rekeyed.0.iter().all(|stanza| !grown.0.contains(stanza)));

    on(&vault, &["recipients", "remove", "ops", &friend.key]).succeeds();
    let shrunk = parts(&vault, "token");
    assert_ne!(shrunk.1, rekeyed.1);
    assert!(shrunk.0.iter().all(|stanza| !rekeyed.0.contains(stanza)));

    // One comes and another leaves in the same change.
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let ssh_key = ssh.key.rsplit_once(' ').expect("a comment").0;
    assert!(text.contains(ssh_key), "{text}");
    fs::write(&policy, text.replace(ssh_key, &friend.key)).expect("another policy");
    on(&vault, &["sign", "--yes"]).succeeds();
    friend.expect_to_open(&vault, &["certs/one.pem", "passwords/root.txt", "token"]);
    ssh.expect_to_open(&vault, &[]);
    let exchanged = parts(&vault, "token");
    assert_ne!(exchanged.1, shrunk.1);
    assert!(exchanged.0.iter().all(|stanza| !shrunk.0.contains(stanza)));
    verify(&vault);
}

#[test]
fn one_secret_is_granted_and_revoked() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let friend = Person::with_identity(&vault, "friend");
    let add = on(&vault, &["recipients", "add", "guest", &friend.key]);
    expect_rewritten(&vault, add, &["vault.toml"]).says("no audience names it yet");
    let grant = on(&vault, &["grant", "passwords/root.txt", "guest"]);
    expect_rewritten(&vault, grant, &["vault.toml", "passwords/root.txt.age"]);
    friend.expect_to_open(&vault, &["passwords/root.txt"]);
    let revoke = on(&vault, &["revoke", "passwords/root.txt", "guest"]);
    expect_rewritten(&vault, revoke, &["vault.toml", "passwords/root.txt.age"])
        .says("\n  passwords/root.txt\n");
    friend.expect_to_open(&vault, &[]);
    let exposed = exposures(&vault);
    assert!(exposed.len() == 1 && exposed["passwords/root.txt"].contains(&friend.key), "{exposed:?}");
    verify(&vault).says("passwords/root.txt is known to 1 removed key");

    // A new value is known to nobody who was removed: until there is a verb, age and `sign` do it.
    let recipient = program("age-keygen").arg("-y").arg(vault.identity()).succeeds().text();
    let file = vault.path().join("passwords/root.txt.age");
    program("age").args(["-r", recipient.trim_end(), "-o"]).arg(file).input("new").succeeds();
    on(&vault, &["sign", "--yes"]).succeeds().says("changed secret   passwords/root.txt");
    assert!(exposures(&vault).is_empty());
    assert!(!verify(&vault).text().contains("removed key"));
    assert_eq!(vault.open_text("passwords/root.txt"), "new");
}

#[test]
fn exactly_what_was_asked_for_is_encrypted_anew() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    expect_rewritten(&vault, on(&vault, &["rekey", "--secret", "token"]), &["vault.toml", "token.age"]);
    on(&vault, &["rekey", "--secret", "nothing"]).exits(1).explains_once("there is no secret nothing");
    let old = vault.beside("old.key");
    fs::copy(vault.identity(), &old).expect("a copy of the identity");
    let old = Person { file: old, key: String::new() };
    old.expect_to_open(&vault, &["certs/one.pem", "passwords/root.txt", "token"]);
    on(&vault, &["rekey", "--new-identity"]).succeeds();
    old.expect_to_open(&vault, &[]);
    assert_eq!(vault.open_text("token"), "three");
    let kept = fs::read(vault.path().join("age.key.old")).expect("the old identity");
    assert_eq!(kept, fs::read(&old.file).expect("the old identity"));
}

#[test]
fn comments_in_the_policy_survive() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let table = "[secret.\"passwords/root.txt\"]";
    assert!(text.contains(table), "{text}");
    fs::write(&policy, text.replace(table, &format!("{REMARK}\n{table}"))).expect("a remark");
    on(&vault, &["sign", "--yes"]).succeeds();
    let friend = Person::with_identity(&vault, "friend");
    let signer = Person::with_ssh_key(&vault, "signer", "ed25519", "");
    for verb in [
        &["recipients", "add", "guest", &friend.key][..],
        &["grant", "passwords/root.txt", "guest"],
        &["revoke", "passwords/root.txt", "guest"],
        &["recipients", "add", "ops", &friend.key],
        &["recipients", "remove", "ops", &friend.key],
        &["signers", "add", "colleague", &signer.public_file()],
        &["signers", "remove", "colleague"],
        &["rekey", "--new-identity"],
    ] {
        on(&vault, verb).succeeds();
        let text = fs::read_to_string(&policy).expect("a policy");
        assert!(text.contains(&format!("{REMARK}\n{table}")), "{verb:?}: {text}");
    }
}

#[test]
fn ssh_keys_open_what_they_may() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    for kind in ["ed25519", "rsa"] {
        let person = Person::with_ssh_key(&vault, kind, kind, "");
        let added = on(&vault, &["recipients", "add", kind, &person.key]).succeeds();
        assert_eq!(added.errors.contains("warning: an ssh-rsa key takes"), kind == "rsa", "{added}");
        on(&vault, &["grant", "token", kind]).succeeds();
        person.expect_to_open(&vault, &["token"]);
        let show = on(&vault, &["show", "token", "--identity"]).arg(&person.file).succeeds();
        assert_eq!(show.output, b"three", "{kind}");
    }
    verify(&vault);
}

/// The state that `ssh-keygen -Y verify` accepts as signed by `name`.
fn by_openssh(vault: &Vault, name: &str) -> Ended {
    let run = program("ssh-keygen").args(["-Y", "verify", "-n", "odbox-vault", "-I", name, "-f"]);
    let run =
        run.arg(vault.path().join("allowed_signers")).arg("-s").arg(vault.path().join("vault.lock.sig"));
    run.input(fs::read(vault.path().join("vault.lock")).expect("a lock")).run()
}

#[test]
fn an_added_signer_signs_until_removed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let colleague = Person::with_ssh_key(&vault, "colleague", "ed25519", "");
    let rekey = || on(&vault, &["rekey", "--sign-key"]).arg(&colleague.file);
    rekey().exits(1).explains_once("is none of this vault's signers");
    let add = on(&vault, &["signers", "add", "colleague", &colleague.public_file()]);
    expect_rewritten(&vault, add, &["vault.toml", "allowed_signers"]);
    rekey().succeeds();
    assert_eq!(by_openssh(&vault, "colleague").status, Some(0));
    assert_ne!(by_openssh(&vault, "operator").status, Some(0));
    on(&vault, &["verify"]).succeeds().says("signed by colleague");
    let signed = vault.beside("signed");
    tree::copy(&vault.path(), &signed);

    let remove = on(&vault, &["signers", "remove", "colleague"]);
    expect_rewritten(&vault, remove, &["vault.toml", "allowed_signers"]);
    assert_eq!(by_openssh(&vault, "operator").status, Some(0));
    rekey().exits(1).explains_once("is none of this vault's signers");
    let lines = fs::read_to_string(vault.path().join("allowed_signers")).expect("signers");
    assert!(lines.lines().any(|line| line.starts_with("colleague ") && line.contains("valid-before=")));
    // What the removed one signs now is refused, however sound it is.
    let lock = fs::read(vault.path().join("vault.lock")).expect("a lock");
    let sign = program("ssh-keygen").args(["-Y", "sign", "-n", "odbox-vault", "-f"]).arg(&colleague.file);
    fs::write(vault.path().join("vault.lock.sig"), sign.input(lock).succeeds().output).expect("a signature");
    on(&vault, &["verify"]).exits(1).explains_once("which is none of the trusted signers");
    on(&vault, &["rekey"]).exits(1).explains_once("which is none of the trusted signers");
}

#[test]
fn sign_shows_what_it_means_and_asks() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = small();
    let friend = Person::with_identity(&vault, "friend");
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let guest = format!("[recipients]\nguest = {{ kind = \"person\", keys = [\"{}\"] }}", friend.key);
    let text = text.replace("[recipients]", &guest);
    let table = "[secret.\"token\"]";
    fs::write(&policy, text.replace(table, &format!("{table}\naudience = [\"ops\", \"guest\"]")))
        .expect("an edit");
    on(&vault, &["verify"]).exits(1).explains_once("vault.toml is not what was signed");

    let before = contents(&vault.path());
    let answers = |answer: &str| {
        let mut operator = Operator::starts(on(&vault, &["sign"]));
        operator.reads("Sign this? [y/N] ").types(answer);
        let (status, screen) = operator.ends();
        let gain = format!("can decrypt      token  {}", friend.key);
        assert!(screen.contains("changed file     vault.toml") && screen.contains(&gain), "{screen}");
        (status, screen)
    };
    for no in ["n", "", "nonsense"] {
        let (status, screen) = answers(no);
        assert!(status == 1 && screen.contains("not signed; nothing was changed"), "{screen}");
        assert!(contents(&vault.path()) == before, "something was changed after {no:?}");
    }
    let (status, screen) = answers("y");
    assert!(status == 0 && screen.contains("signed: serial 2"), "{screen}");
    friend.expect_to_open(&vault, &["token"]);
    verify(&vault);
    on(&vault, &["sign", "--yes", "--batch"]).succeeds().says("nothing to do");
}

/// Keys with a passphrase are asked for on the terminal, and the passphrase is never seen.
#[test]
fn keys_with_a_passphrase() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = small();
    let person = Person::with_ssh_key(&vault, "person", "ed25519", PASSPHRASE);
    on(&vault, &["recipients", "add", "ops", &person.key]).succeeds();
    on(&vault, &["signers", "add", "person", &person.public_file()]).succeeds();
    let rekey = on(&vault, &["rekey", "--secret", "token", "--sign-key"]).arg(&person.file);
    let rekey = rekey.arg("--identity").arg(&person.file);
    let before = contents(&vault.path());
    for (passphrase, expected) in [("wrong", 1), (PASSPHRASE, 0)] {
        let mut operator = Operator::starts(rekey.clone());
        // Once, to decrypt and to sign with.
        operator.reads("Passphrase for ").reads(": ").types(passphrase);
        let (status, screen) = operator.ends();
        assert_eq!(status, expected, "{screen}");
        assert!(!screen.contains(PASSPHRASE), "{screen}");
        assert_eq!(contents(&vault.path()) == before, expected != 0, "{screen}");
    }
    on(&vault, &["verify"]).succeeds().says("signed by person");
    rekey.under(["setsid", "--wait"]).exits(1);
}
