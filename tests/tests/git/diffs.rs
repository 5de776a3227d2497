//! What Git shows of a secret: the public facts that the lock has of it, never a byte of it.

use fixtures::{command::program, machine};

use super::clone::{Clone, PEERS};

#[test]
fn a_diff_tells_who_can_open_a_secret() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.put("token");
    clone.vaultgen(&["sign", "--yes"]).succeeds();
    clone.git(&["add", "."]).succeeds();
    let diff = clone.git(&["diff", "--cached", "--", "vault/token.age"]).succeeds();
    diff.says("+opened by X25519").says("+8 bytes").says("+SHA-256 ").tells_nothing_of("a secret");
}

/// The newest state that lists just these bytes tells of them, wherever it is.
#[test]
fn a_diff_tells_what_the_lock_says() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.vaultgen(&["certs", "db.example.org", "--batch"]).succeeds();
    clone.vaultgen(&["password", "db/app", "--generate", "--batch"]).succeeds();
    clone.git(&["add", "."]).succeeds();
    let certificate = "vault/certs/db.example.org-cert.pem.age";
    let staged = clone.git(&["diff", "--cached", "--", certificate]).succeeds();
    staged
        .says("+name certs/db.example.org-cert.pem\n+kind certificate\n")
        .says("+audience ops\n")
        .says("+origin generated\n")
        .says("+certificate CN=db.example.org\n")
        .says("+names db.example.org\n")
        .says("+key p256, SPKI SHA-256 ")
        .says("signed by operator (by its own list of signers)\n")
        .says("+opened by X25519\n");
    clone.commits();

    // From any folder, with any command, and of a file that HEAD has no more.
    let folder = clone.vault().join("certs");
    clone
        .git(&["show", "--", "db.example.org-cert.pem.age"])
        .in_folder(&folder)
        .succeeds()
        .says("+certificate CN=db");
    clone.vaultgen(&["remove", "db/app", "--batch", "--yes"]).succeeds();
    clone.git(&["add", "."]).succeeds();
    clone.commits();
    let log = clone.git(&["log", "-p", "--", "db/app.age"]).in_folder(clone.vault()).succeeds();
    log.says("-name db/app\n-kind password\n").says("+name db/app\n");
    // What changed is what a diff shows.
    clone.vaultgen(&["certs", "db.example.org", "--batch"]).succeeds();
    let diff = clone.git(&["diff", "--", certificate]).succeeds();
    diff.says("-rotated ").says("+rotated ").says(" created ").says(" audience ops\n");
}

/// Another branch tells too, and each of several vaults for itself.
#[test]
fn every_vault_of_a_clone_tells() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let other = "below/other";
    std::fs::create_dir(clone.0.path().join("below")).expect("a folder");
    let vaultgen = |arguments: &[&str]| clone.vaultgen(&["--vault", other, "--batch"]).args(arguments);
    vaultgen(&["init", "--bare"]).succeeds();
    vaultgen(&["password", "db/web", "--generate"]).succeeds();
    // Which files Git asks about is in the work tree, which will not have the other vault.
    clone.stage(".gitattributes", "*.age diff=odbox-age\n");
    clone.commits();
    clone.git(&["add", "."]).succeeds();
    let of_other = |revision: &str| {
        let shown = clone.git(&["show", revision, "--", "below/other/db/web.age"]).succeeds();
        shown.says("+name db/web\n").says("claimed by below/other/vault.lock, serial ");
    };
    clone.git(&["checkout", "-q", "-b", "side"]).succeeds();
    clone.commits();
    of_other("side");
    clone.git(&["checkout", "-q", "main"]).succeeds();
    of_other("side");
}

/// Names of an audience: people, groups of what is left, and keys that nobody has a name for.
#[test]
fn keys_are_told_by_their_names() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let key = || {
        let identity = program("age-keygen").succeeds().text();
        identity.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a key").to_owned()
    };
    let (bob, nobody) = (key(), key());
    clone.vaultgen(&["recipients", "add", "bob", &bob, "--batch"]).succeeds();
    let policy = clone.vault().join("vault.toml");
    let text = std::fs::read_to_string(&policy).expect("a policy");
    let text = text.replace("[recipients]\n", &format!("[recipients]\nteam = [\"bob\", \"{nobody}\"]\n"));
    std::fs::write(&policy, text).expect("a policy");
    clone.vaultgen(&["sign", "--yes"]).succeeds();
    clone.vaultgen(&["password", "db/app", "--generate", "--batch"]).succeeds();
    clone.vaultgen(&["grant", "db/app", "team", "--batch"]).succeeds();
    clone.git(&["add", "."]).succeeds();
    let diff = || clone.git(&["diff", "--cached", "--", "vault/db/app.age"]).succeeds();
    diff().says("+audience bob, ops, team\n");
    // The lock is that of before, and so is what it says.
    std::fs::write(&policy, "version = 1\n").expect("a policy");
    diff().says("+policy unknown: ").says(&nobody).says("signed by operator");
}

/// A policy names the keys of today only, and who left knows the value all the same.
#[test]
fn a_removed_key_is_told_by_its_last_name() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let identity = program("age-keygen").succeeds().text();
    let bob = identity.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a key");
    clone.vaultgen(&["recipients", "add", "bob", bob, "--batch"]).succeeds();
    clone.vaultgen(&["password", "db/app", "--generate", "--batch"]).succeeds();
    clone.vaultgen(&["grant", "db/app", "bob", "--batch"]).succeeds();
    clone.git(&["add", "."]).succeeds();
    clone.commits();
    clone.vaultgen(&["revoke", "db/app", "bob", "--batch"]).succeeds();
    let known_to = format!("+known to removed keys bob [{}…]\n", &bob[..16]);
    let diff = || clone.git(&["diff", "HEAD", "--", "vault/db/app.age"]).succeeds();
    diff().says("-audience bob, ops\n").says("+audience ops\n").says(&known_to);
    // His name goes too.
    clone.vaultgen(&["recipients", "remove", "bob", bob, "--batch"]).succeeds();
    diff().says(&known_to);
    // What somebody calls him now who cannot sign counts less.
    let policy = clone.vault().join("vault.toml");
    let text = std::fs::read_to_string(&policy).expect("a policy");
    let line = format!("[recipients]\nmallory = {{ kind = \"person\", keys = [{bob:?}] }}\n");
    std::fs::write(&policy, text.replace("[recipients]\n", &line)).expect("a policy");
    clone.git(&["commit", "-q", "--no-verify", "-a", "-m", "a policy that nobody signed"]).succeeds();
    let shown = clone.git(&["show", "--", "vault/db/app.age"]).succeeds();
    shown.says(&known_to).tells_nothing_of("mallory");
}

#[test]
fn what_no_lock_lists_is_described_by_itself() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.put("token");
    clone.git(&["add", "."]).succeeds();
    let diff = clone.git(&["diff", "--cached", "--", "vault/token.age"]).succeeds();
    assert!(diff.says("+opened by X25519\n+8 bytes\n+SHA-256 ").text().contains("@@\n+opened"), "{diff}");
    // Nor is there need of a repository.
    let elsewhere = fixtures::tree::folder();
    std::fs::copy(clone.vault().join("token.age"), elsewhere.path().join("a.age")).expect("a copy");
    let show = clone.vaultgen(&["git", "show", "a.age"]).in_folder(elsewhere.path()).succeeds();
    assert!(show.text().starts_with("opened by X25519\n8 bytes\n"), "{show}");
}

/// Who can push can write any lock: it is told as what it is, and writes nothing on the terminal.
#[test]
fn a_lock_that_nobody_signed_is_told_as_such() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.vaultgen(&["certs", "db.example.org", "--batch"]).succeeds();
    let lock = clone.vault().join("vault.lock");
    let text = std::fs::read_to_string(&lock).expect("a lock");
    let hostile = text.replace("\"CN=db.example.org\"", "\"CN=\\u001b[2J\\u202e\\n+opened by nobody\"");
    assert_ne!(hostile, text);
    std::fs::write(&lock, hostile).expect("a lock");
    clone.git(&["add", "."]).succeeds();
    let diff = clone.git(&["diff", "--cached", "--", "vault/certs/db.example.org-cert.pem.age"]).succeeds();
    diff.says("+certificate CN=\\u{1b}[2J\\u{202e}\\u{a}+opened by nobody\n")
        .says("whose signature does not hold\n");
    // One that is none at all is passed over.
    std::fs::write(&lock, diff.text()).expect("no lock");
    clone.git(&["add", "."]).succeeds();
    let diff = clone.git(&["diff", "--cached", "--", "vault/certs/db.example.org-cert.pem.age"]).succeeds();
    assert!(!diff.text().contains("claimed by"), "{diff}");
}
