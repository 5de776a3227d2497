//! `vaultgen adopt`: vaults of Odoo Box, made by its own tools, become ours.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    legacy::{LegacyVault, NEEDS, PASSWORDS},
    machine::{self, Need::Program},
    terminal::Operator,
    tree,
};
use vault_format::{Lock, Plaintext, password};

const MACHINE_KEY: &str = "machines/odoo-box.key";

fn on(vault: &LegacyVault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

#[track_caller]
fn adopted(vault: &LegacyVault) -> Ended {
    let adopted = on(vault, &["adopt", "--batch"]).succeeds();
    on(vault, &["verify"]).succeeds();
    on(vault, &["verify", "--identity"]).arg(vault.file("age.key")).succeeds();
    adopted
}

#[track_caller]
fn open(vault: &LegacyVault, name: &str) -> Vec<u8> {
    vault.opening(&vault.file("age.key"), name).succeeds().output
}

fn lock(vault: &LegacyVault) -> Lock {
    Lock::parse(&fs::read_to_string(vault.file("vault.lock")).expect("a lock")).expect("a whole lock")
}

/// Of the paths without slashes at their end, those for which Git shows a change.
fn git_status(vault: &LegacyVault) -> BTreeSet<String> {
    let folder = vault.path().parent().expect("a folder").to_owned();
    let status = program("git").in_folder(folder).args(["status", "--porcelain", "--no-renames", "-uall"]);
    status.succeeds().text().lines().map(str::to_owned).collect()
}

fn git(vault: &LegacyVault, arguments: &[&str]) {
    let folder = vault.path().parent().expect("a folder").to_owned();
    let git = program("git").in_folder(folder).args(["-c", "user.name=o", "-c", "user.email=o@example.org"]);
    git.args(arguments).succeeds();
}

#[test]
fn a_full_vault_keeps_every_value() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let old_key = fs::read(vault.file("age.key")).expect("a key");
    let ssh = fs::read(vault.file("ssh/id_ed25519")).expect("a key");
    let ended = adopted(&vault);
    for name in PASSWORDS {
        let password = LegacyVault::password(name);
        assert_eq!(open(&vault, &format!("passwords/{name}.txt")), password.as_bytes());
        for suffix in ["sha512", "yesc"] {
            let file = format!("passwords/{name}.{suffix}");
            let hash = open(&vault, &file);
            let old = fs::read(vault.file(&file)).expect("plaintext");
            assert_eq!(hash, old.trim_ascii_end(), "{file}");
            assert!(!hash.ends_with(b"\n") && old.ends_with(b"\n"), "{file}");
            let is_hash = password::is_hash_of(&Plaintext::from(hash), &Plaintext::from(password.clone()));
            assert_eq!(is_hash, Some(true), "{file}");
            let policy = fs::read_to_string(vault.file("vault.toml")).expect("a policy");
            assert!(policy.contains(&format!("from = \"passwords/{name}.txt\"")), "{policy}");
        }
        ended.tells_nothing_of(&password);
    }
    for file in ["vault-ca-cert", "vault-ca-key", "localhost-cert", "localhost-key"] {
        let file = format!("certs/{file}.pem");
        assert_eq!(open(&vault, &file), fs::read(vault.file(&file)).expect("plaintext"), "{file}");
    }
    assert_eq!(open(&vault, "ssh/id_ed25519"), ssh);
    assert_eq!(fs::read(vault.file("age.key.old")).expect("the old key"), old_key);
    for key in ["age.key", "age.key.old", "signing.key", MACHINE_KEY] {
        let mode = fs::metadata(vault.file(key)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    for warning in [
        "a newline was cut off:\n  passwords/admin.sha512",
        "only in plaintext so far, encrypted now:\n  ssh/id_ed25519",
        "certs/vault-ca-cert.pem is valid until 21",
        "certs/localhost-cert.pem has an RSA key of 4096 bits",
        "may sign other certificates, though meant for a server: make it anew:\n  certs/localhost-cert.pem",
        "plaintext beside its ciphertext",
    ] {
        ended.says(warning);
    }
    // Nothing of the plaintext was removed, since nobody asked.
    assert!(vault.file("passwords/root.txt").exists() && vault.file("ssh/id_ed25519").exists());
}

#[test]
fn the_machine_goes_on_with_the_old_key_and_opens_what_it_needs_only() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let (key, recipient) = (vault.beside("etc-age.key"), vault.recipient());
    fs::copy(vault.file("age.key"), &key).expect("the machine's key");
    let ended = adopted(&vault);
    let gets = [
        "passwords/root.sha512",
        "passwords/root.yesc",
        "passwords/admin.sha512",
        "passwords/admin.yesc",
        "passwords/odoo-admin.txt",
        "passwords/pgadmin-admin.txt",
        "certs/vault-ca-cert.pem",
        "certs/localhost-cert.pem",
        "certs/localhost-key.pem",
    ];
    let lock = lock(&vault);
    assert_eq!(lock.secrets.len(), 17);
    for (name, secret) in &lock.secrets {
        let ours = gets.contains(&name.as_str());
        let opened = vault.opening(&key, name.as_str()).run();
        assert_eq!(opened.status == Some(0), ours, "{name}: {opened}");
        let kept = vault.opening(&vault.file(MACHINE_KEY), name.as_str()).run();
        assert_eq!(kept.status == Some(0), ours, "{name}: {kept}");
        // The SSH identity was in plaintext only, so the old key never opened it.
        let known = !ours && name.as_str() != "ssh/id_ed25519";
        let exposed: Vec<_> = secret.exposed_to.iter().map(|key| key.as_str().to_owned()).collect();
        assert_eq!(exposed, if known { vec![recipient.clone()] } else { vec![] }, "{name}");
        if known {
            ended.says(&format!("  {name}"));
        }
    }
    ended.says("known to the old key");
    // What it knows is forgotten only with a new value.
    on(&vault, &["verify"]).succeeds().says("is known to 1 removed key");
    on(&vault, &["machine", "list"]).succeeds().says("odoo-box  odoo-box").says(&recipient);
}

#[test]
fn git_takes_ciphertext_and_public_files_and_nothing_else() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("git")]) {
        return;
    }
    let vault = LegacyVault::full();
    vault.seal("passwords/odd", "odd");
    git(&vault, &["init", "-q"]);
    git(&vault, &["add", "vault"]);
    git(&vault, &["commit", "-q", "-m", "an Odoo Box vault"]);
    let tracked = program("git").in_folder(vault.beside("")).args(["ls-files"]).succeeds().text();
    adopted(&vault);
    let changed = tracked.lines().filter(|path| path.ends_with(".age") || path.ends_with(".gitignore"));
    let mut expected: BTreeSet<String> = changed.map(|path| format!(" M {path}")).collect();
    for new in [".gitattributes", "allowed_signers", "vault.lock", "vault.lock.sig", "vault.toml"] {
        expected.insert(format!("?? vault/{new}"));
    }
    for file in ["ssh/id_ed25519.age", "templates/admin.conf"] {
        expected.insert(format!("?? vault/{file}"));
    }
    assert_eq!(git_status(&vault), expected);
}

/// What is in Git stays in Git: the new private key must not be the next.
#[test]
fn keys_and_plaintext_in_git_are_noticed() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("git")]) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/root.txt", "a-Good-one-7");
    git(&vault, &["init", "-q"]);
    git(&vault, &["add", "-f", "vault"]);
    git(&vault, &["commit", "-q", "-m", "everything"]);
    let before = tree::snapshot(&vault.path());
    on(&vault, &["adopt", "--batch"]).exits(1).explains("Git tracks age.key");
    assert_eq!(tree::snapshot(&vault.path()), before);
    git(&vault, &["rm", "-q", "--cached", "vault/age.key"]);
    let ended = adopted(&vault);
    ended.says("Git has plaintext").says("change these values: passwords/root.txt");
    assert!(git_status(&vault).iter().all(|line| !line.contains(".key") || line.starts_with("D ")));
}

/// Whoever names the old key by `--identity` may have another in the folder.
#[test]
fn a_key_in_the_folder_is_kept_even_if_it_opens_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::of_ec2();
    program("age-keygen").arg("-o").arg(vault.file("age.key")).succeeds();
    let other = fs::read(vault.file("age.key")).expect("a key");
    on(&vault, &["adopt", "--batch"]).exits(1).explains("opens none of the 2 encrypted files");
    on(&vault, &["adopt", "--batch", "--identity"]).arg(vault.beside("age.key")).succeeds();
    assert_eq!(fs::read(vault.file("age.key.old")).expect("a key"), other);
    vault.opening(&vault.file(MACHINE_KEY), "passwords/odoo-admin.txt").succeeds();
    assert_eq!(open(&vault, "passwords/odoo-admin.txt"), LegacyVault::password("odoo-admin").as_bytes());
}

#[test]
fn a_vault_of_ec2_is_adopted_with_its_key_from_elsewhere() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::of_ec2();
    on(&vault, &["adopt", "--batch"]).exits(1).explains("there is no identity to decrypt with");
    assert!(!vault.file("vault.toml").exists());
    let adopt = on(&vault, &["adopt", "--batch", "--machine", "ec2", "--identity"]);
    let ended = adopt.arg(vault.beside("age.key")).succeeds();
    ended.says("missing of the standard vault").says("passwords/root.txt");
    on(&vault, &["verify"]).succeeds();
    for name in ["odoo-admin", "pgadmin-admin"] {
        let secret = format!("passwords/{name}.txt");
        assert_eq!(open(&vault, &secret), LegacyVault::password(name).as_bytes());
        vault.opening(&vault.beside("age.key"), &secret).succeeds();
        vault.opening(&vault.file("machines/ec2.key"), &secret).succeeds();
    }
    assert!(lock(&vault).files.contains_key("ssh/id_rsa.pub"));
    assert!(!vault.file("age.key.old").exists());
    // And `init` makes the rest of it.
    on(&vault, &["init", "--batch"]).succeeds();
    on(&vault, &["verify"]).succeeds();
    assert_eq!(lock(&vault).secrets.len(), 17);
    assert_eq!(open(&vault, "passwords/odoo-admin.txt"), LegacyVault::password("odoo-admin").as_bytes());
}

#[test]
fn odoo_goes_on_with_its_password_from_a_template() {
    if !machine::has(&NEEDS) {
        return;
    }
    const TABLE: &str = "[template.\"odoo/admin.conf\"]\nsource = \"templates/admin.conf\"\nowner = \"odoo\"\n\
        group = \"odoo\"\naudience = [\"ops\", \"odoo-box\"]\n";
    let policy = |vault: &LegacyVault| fs::read_to_string(vault.file("vault.toml")).expect("a policy");
    let vault = LegacyVault::full();
    adopted(&vault);
    assert!(policy(&vault).contains(TABLE), "{}", policy(&vault));
    on(&vault, &["init", "--batch"]).succeeds().says("nothing to do");

    // What no line of Odoo's configuration can say is kept, but not shown.
    let vault = LegacyVault::full();
    vault.seal("passwords/odoo-admin.txt", "correct #horse battery");
    adopted(&vault)
        .says("warning: there is no template odoo/admin.conf: the value of passwords/odoo-admin.txt");
    assert!(!policy(&vault).contains("[template") && !vault.file("templates/admin.conf").exists());

    // What somebody has there already stays.
    let vault = LegacyVault::full();
    vault.put("templates/admin.conf", "own = true\n");
    adopted(&vault);
    assert!(!policy(&vault).contains("[template"));
    assert_eq!(fs::read(vault.file("templates/admin.conf")).expect("a file"), b"own = true\n");
}

#[test]
fn the_odd_spelling_gets_the_name_of_today() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/odoo-admin", "an-Old-spelling-9\n");
    vault.seal("passwords/root", "left-Alone-8");
    vault.seal("passwords/root.txt", "the-Other-7");
    let ended = adopted(&vault);
    assert!(!vault.file("passwords/odoo-admin.age").exists());
    assert_eq!(open(&vault, "passwords/odoo-admin.txt"), b"an-Old-spelling-9");
    // Where both are there, neither is lost.
    assert_eq!(open(&vault, "passwords/root"), b"left-Alone-8");
    assert_eq!(open(&vault, "passwords/root.txt"), b"the-Other-7");
    ended.says("plaintext beside its ciphertext").says("passwords/odoo-admin, passwords/root");
    on(&vault, &["adopt", "--batch", "--remove-plaintext"]).succeeds();
    assert!(!vault.file("passwords/odoo-admin").exists() && !vault.file("passwords/root").exists());
}

#[test]
fn plaintext_is_removed_on_request_only_where_its_ciphertext_is_the_same() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    vault.put("passwords/admin.txt", "changed-since-5");
    vault.put("certs/alone.pem", "no ciphertext");
    vault.put("notes", "not ours");
    let ended = on(&vault, &["adopt", "--batch", "--remove-plaintext"]).succeeds();
    ended.says("is not what its ciphertext opens to").says("passwords/admin.txt");
    ended.says("plaintext that is in no secret").says("certs/alone.pem");
    ended.tells_nothing_of("changed-since-5");
    for kept in ["passwords/admin.txt", "certs/alone.pem", "notes", "ssh/id_ed25519.pub"] {
        assert!(vault.file(kept).exists(), "{kept}");
    }
    let names = lock(&vault).secrets.into_keys();
    for name in names.filter(|name| name.as_str() != "passwords/admin.txt") {
        assert!(!vault.file(name.as_str()).exists(), "{name}");
        open(&vault, name.as_str());
    }
    on(&vault, &["verify"]).succeeds();
    assert_eq!(open(&vault, "passwords/admin.txt"), LegacyVault::password("admin").as_bytes());
}

#[test]
fn what_cannot_be_opened_stays_and_is_named() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/odoo-admin.txt", "a-Good-one-7");
    let other = LegacyVault::empty();
    other.seal("passwords/root.txt", "x");
    fs::copy(other.file("passwords/root.txt.age"), vault.file("passwords/root.txt.age")).expect("a file");
    vault.put("passwords/cut.txt.age", "age-encryption.org/v1\n");
    vault.put("certs/empty.pem.age", "");
    vault.seal("certs/a name.pem", "spaces");
    let left =
        ["passwords/root.txt.age", "passwords/cut.txt.age", "certs/empty.pem.age", "certs/a name.pem.age"];
    let before: Vec<_> = left.map(|path| fs::read(vault.file(path)).expect("a file")).into();
    let ended = adopted(&vault);
    for (path, bytes) in left.iter().zip(before) {
        ended.says(&format!("{path} stays as it is, and is no secret"));
        assert_eq!(fs::read(vault.file(path)).expect("a file"), bytes, "{path}");
        on(&vault, &["verify"]).succeeds().says(&format!("{path} is signed, but is no secret"));
    }
    // They are covered: whoever changes one is noticed.
    vault.put("passwords/cut.txt.age", "other");
    on(&vault, &["verify"]).exits(1).explains("passwords/cut.txt.age is not what was signed");
    vault.put("passwords/cut.txt.age", "age-encryption.org/v1\n");
    // And a secret of that name can be made in its place.
    on(&vault, &["init", "--batch"]).succeeds();
    on(&vault, &["verify"]).succeeds();
    assert_eq!(open(&vault, "passwords/root.yesc")[..3], *b"$y$");
    assert!(!lock(&vault).files.contains_key("passwords/root.txt.age"));
}

#[test]
fn what_fits_no_name_is_opaque_and_what_does_not_fit_its_name_too() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let certificate = fs::read(vault.file("certs/localhost-cert.pem")).expect("a certificate");
    let key = fs::read(vault.file("certs/localhost-key.pem")).expect("a key");
    vault.seal("certs/fullchain.pem", certificate);
    vault.seal("certs/privkey.pem", key);
    let authority = fs::read(vault.file("certs/vault-ca-key.pem")).expect("a key");
    vault.seal("certs/renamed.pem", authority);
    vault.seal("tokens/api", "token\n");
    vault.seal("passwords/other.yesc", "$1$abcdefgh$nohash\n");
    // Of another password than the one beside it.
    let hash = program("mkpasswd").args(["-m", "sha-512", "-s"]).input("another").succeeds().output;
    vault.seal("passwords/root.sha512", hash);
    let ended = adopted(&vault);
    assert_eq!(open(&vault, "tokens/api"), b"token\n");
    assert_eq!(open(&vault, "passwords/other.yesc"), b"$1$abcdefgh$nohash\n");
    ended.says("not what the name says, kept as opaque:\n  passwords/other.yesc");
    ended.says("not the hash of the password beside it, or too costly to tell:\n  passwords/root.sha512");
    let machine = vault.file(MACHINE_KEY);
    for theirs in ["certs/fullchain.pem", "certs/privkey.pem", "passwords/root.sha512"] {
        vault.opening(&machine, theirs).succeeds();
    }
    // A CA's key by any other name stays with people.
    for ours in ["certs/renamed.pem", "certs/vault-ca-key.pem", "tokens/api"] {
        assert_ne!(vault.opening(&machine, ours).run().status, Some(0), "{ours}");
    }
}

#[test]
fn hostile_folders_are_refused_and_nothing_is_changed() {
    if !machine::has(&NEEDS) {
        return;
    }
    type Hostile = (fn(&LegacyVault), &'static str);
    let hostile: [Hostile; 6] = [
        (|vault| symlink("/etc/passwd", vault.file("passwords/x.txt.age")).expect("a link"), "symbolic link"),
        (|vault| symlink("/etc", vault.file("ssh")).expect("a link"), "symbolic link"),
        (|vault| drop(program("mkfifo").arg(vault.file("passwords/pipe")).succeeds()), "special file"),
        (|vault| vault.put("passwords/\u{1b}[2J.age", "x"), "cannot have such a name"),
        (|vault| vault.put("machines/odoo-box.key", "somebody's"), "is there already"),
        (
            |vault| vault.seal("passwords/ROOT.txt", "x"),
            "passwords/ROOT.txt and passwords/root.txt cannot both be there",
        ),
    ];
    for (make, error) in hostile {
        let vault = LegacyVault::empty();
        vault.seal("passwords/root.txt", "a-Good-one-7");
        make(&vault);
        let before = tree::snapshot(&vault.path());
        let refused = on(&vault, &["adopt", "--batch"]).exits(1);
        refused.explains(error);
        assert!(!refused.errors.contains('\u{1b}'), "{refused}");
        assert_eq!(tree::snapshot(&vault.path()), before, "{error}");
    }
}

#[test]
fn a_wrong_key_and_other_folders_are_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/root.txt", "a-Good-one-7");
    let other = LegacyVault::empty();
    fs::copy(other.file("age.key"), vault.file("age.key")).expect("another key");
    on(&vault, &["adopt", "--batch"]).exits(1).explains("the identity opens none of the 1 encrypted files");
    on(&vault, &["adopt", "--batch", "--no-sign"]).exits(1).explains("without signing");
    for name in ["ops", "a/b", "a b", ""] {
        let machine = format!("--machine={name}");
        on(&vault, &["adopt", "--batch", &machine]).exits(1).explains("cannot be the name of a machine");
    }
    // Nor does removing the policy of a signed vault make it one.
    vault.put("vault.lock", "");
    on(&vault, &["adopt", "--batch"]).exits(1).explains("it is no Odoo Box vault");
    let folder = tree::folder();
    fs::write(folder.path().join("file"), "").expect("a file");
    let adopt = vaultgen().args(["adopt", "--batch", "--vault"]).arg(folder.path());
    adopt.exits(1).explains("it is no Odoo Box vault");
}

#[test]
fn a_second_run_says_that_it_is_done() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/root.txt", "a-Good-one-7");
    adopted(&vault);
    let before = tree::snapshot(&vault.path());
    on(&vault, &["adopt", "--batch"]).succeeds().says("adopted already");
    assert_eq!(tree::snapshot(&vault.path()), before);
    // Without plaintext to judge, no key is opened for it.
    on(&vault, &["adopt", "--batch", "--remove-plaintext"]).succeeds().says("removed plaintext");
    fs::write(vault.file("age.key"), "no identity").expect("a broken key");
    on(&vault, &["adopt", "--batch"]).succeeds().says("adopted already");
}

/// The operator's keys may have been moved since, to where every verb finds them.
#[test]
fn plaintext_is_judged_with_the_key_that_every_verb_finds() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let home = tree::folder();
    let adopt = |more: &[&str]| on(&vault, &["adopt", "--batch"]).args(more).at_home(home.path());
    adopt(&[]).succeeds().says("plaintext beside its ciphertext");
    let configured = home.path().join(".config/odbox/age.key");
    fs::rename(vault.file("age.key"), &configured).expect("a key to move");
    adopt(&[]).succeeds().says("plaintext beside its ciphertext");
    adopt(&["--remove-plaintext"]).succeeds().says("removed plaintext");
    assert!(!vault.file("passwords/admin.txt").exists());
}

#[test]
fn whoever_is_asked_can_say_no() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("sh"), Program("stty")]) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/root.txt", "a-Good-one-7");
    on(&vault, &["adopt"]).under(["setsid"]).exits(1).explains("there is no terminal to ask on");
    let mut operator = Operator::starts(on(&vault, &["adopt"]));
    operator.reads("passwords/root.txt  for ops").reads("Adopt this vault? [y/N] ").types("n");
    let (status, screen) = operator.ends();
    assert_eq!(status, 1, "{screen}");
    assert!(screen.contains("nothing was changed") && !vault.file("vault.toml").exists(), "{screen}");

    let mut operator = Operator::starts(on(&vault, &["adopt"]));
    operator.reads("Adopt this vault? [y/N] ").types("y");
    operator.reads("Passphrase for a recovery identity, to keep offline (empty: none): ").types("");
    let (status, screen) = operator.ends();
    assert_eq!(status, 0, "{screen}");
    on(&vault, &["verify"]).succeeds();
}

#[test]
fn every_other_verb_says_to_adopt() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    vault.seal("passwords/root.txt", "a-Good-one-7");
    let before = tree::snapshot(&vault.path());
    let verbs: [&[&str]; 6] =
        [&[], &["init", "--batch"], &["verify"], &["status"], &["show", "passwords/root.txt"], &["rekey"]];
    for verb in verbs {
        let refused = on(&vault, verb).exits(1);
        refused.explains("it is an Odoo Box vault").says("vaultgen adopt");
    }
    assert_eq!(tree::snapshot(&vault.path()), before);
    assert!(Path::new(&vault.file("age.key")).exists());
}
