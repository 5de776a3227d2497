//! Somebody who can push but not sign: no verb builds on what they made, and `sign` shows it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree,
    vault::Vault,
};

const NEEDS: [Need; 3] = [Program("ssh-keygen"), Program("age-keygen"), Program("sha256sum")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];
/// The pusher's own.
const EVIL: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// A vault in which every verb has something to do.
struct Scene {
    vault: Vault,
    /// A key that is in `ops` and in `guest`, which may read `token`.
    friend: String,
    /// Where the vault lies as it was before the last change.
    older: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let vault = Vault::with("certs/one.pem", "one").and("token", "two").build().trusted();
        let friend = new_key();
        for name in ["colleague", "third", "evil"] {
            let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]);
            keygen.arg(vault.beside(name)).succeeds();
        }
        let colleague = vault.beside("colleague.pub").display().to_string();
        let run = |arguments: &[&str]| on(&vault.path(), arguments).succeeds();
        run(&["recipients", "add", "ops", &friend]);
        run(&["recipients", "add", "guest", &friend]);
        run(&["recipients", "add", "other", &friend]);
        run(&["signers", "add", "colleague", &colleague]);
        let older = vault.beside("older");
        tree::copy(&vault.path(), &older);
        run(&["grant", "token", "guest"]);
        Self { vault, friend, older }
    }

    /// Every verb that changes a vault; each works on the vault as it is.
    fn verbs(&self) -> Vec<Run> {
        let another = new_key();
        let third = self.vault.beside("third.pub").display().to_string();
        let verbs: [&[&str]; 10] = [
            &["init", "--batch"],
            &["recipients", "add", "ops", &another],
            &["recipients", "remove", "ops", &self.friend],
            &["grant", "token", "other"],
            &["revoke", "token", "guest"],
            &["rekey"],
            &["rekey", "--secret", "token"],
            &["rekey", "--new-identity"],
            &["signers", "add", "third", &third],
            &["signers", "remove", "colleague"],
        ];
        verbs.map(|verb| on(&self.vault.path(), verb)).into()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.vault.path().join(file)
    }

    /// Puts another state of the vault in place of the present one; the operator's keys stay.
    fn pull(&self, other: &Path) {
        fs::remove_dir_all(self.vault.path()).expect("a vault to remove");
        tree::copy(other, &self.vault.path());
    }

    #[track_caller]
    fn expect_refusals(&self, runs: impl IntoIterator<Item = Run>, error: &str) {
        let before = tree::snapshot(&self.vault.path());
        for run in runs {
            let refused = run.run();
            assert_eq!(refused.status, Some(1), "{refused}");
            refused.explains_once(error);
            assert!(tree::snapshot(&self.vault.path()) == before, "something was changed: {refused}");
        }
    }

    /// No verb builds on it, and it cannot be signed either.
    #[track_caller]
    fn expect_dead_end(&self, error: &str) {
        self.expect_refusals(self.verbs(), error);
        let signs = [&["sign", "--yes"][..], &["sign", "--yes", "--batch"], &["sign", "--batch"]];
        self.expect_refusals(signs.map(|sign| on(&self.vault.path(), sign)), error);
    }

    /// No verb but `sign` builds on it; that one shows `meaning`, and changes nothing on a no.
    fn expect_question(&self, error: &str, meaning: &[&str]) {
        self.expect_refusals(self.verbs(), error);
        if !machine::has(&TERMINAL) {
            return;
        }
        let before = tree::snapshot(&self.vault.path());
        let mut operator = Operator::starts(on(&self.vault.path(), &["sign"]));
        operator.reads("Sign this? [y/N] ").types("n");
        let (status, screen) = operator.ends();
        assert_eq!(status, 1, "{screen}");
        for part in meaning {
            assert!(screen.contains(part), "it does not show {part:?}: {screen}");
        }
        assert!(screen.contains("error: not signed; nothing was changed"), "{screen}");
        assert!(tree::snapshot(&self.vault.path()) == before, "something was changed");
        // And nobody is there to say yes.
        let unattended = on(&self.vault.path(), &["sign", "--batch"]).under(["setsid", "--wait"]);
        self.expect_refusals([unattended], "there is no terminal to ask on");
    }
}

fn on(vault: &Path, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault).args(arguments)
}

fn new_key() -> String {
    let text = program("age-keygen").succeeds().text();
    let key = text.lines().find_map(|line| line.strip_prefix("# public key: "));
    key.expect("a public key").to_owned()
}

fn digest(file: &Path) -> String {
    let line = program("sha256sum").arg(file).succeeds().text();
    line.trim_start_matches('\\').split(' ').next().expect("a digest").to_owned()
}

/// If a verb refused a good vault too, its refusals would prove nothing.
#[test]
fn every_verb_works_where_nobody_pushed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let kept = scene.vault.beside("kept");
    tree::copy(&scene.vault.path(), &kept);
    // The first makes passwords, and another test shows that it works.
    for run in scene.verbs().into_iter().skip(1) {
        let home = tree::folder();
        let trust = on(&scene.vault.path(), &["verify", "--allowed-signers"]).arg(scene.vault.signers());
        trust.at_home(home.path()).succeeds();
        run.at_home(home.path()).succeeds();
        scene.pull(&kept);
    }
}

#[test]
fn a_key_added_to_a_group() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let policy = fs::read_to_string(scene.path("vault.toml")).expect("a policy");
    let first = policy.find("\"age1").expect("a key");
    let evil = format!("{}\"{EVIL}\", {}", &policy[..first], &policy[first..]);
    fs::write(scene.path("vault.toml"), evil).expect("a policy");
    let gains = ["certs/one.pem", "token"].map(|name| format!("can decrypt      {name}  {EVIL}"));
    scene.expect_question(
        "vault.toml is not what was signed",
        &["changed file     vault.toml", &gains[0], &gains[1]],
    );
}

#[test]
fn another_ciphertext_under_the_name() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    fs::copy(scene.path("certs/one.pem.age"), scene.path("token.age")).expect("another ciphertext");
    scene.expect_question("token.age is not what was signed", &["changed secret   token"]);
}

/// The state is sound in itself, for whoever believes the signers in it.
#[test]
fn other_signers_and_a_new_signature() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let key = scene.vault.beside("evil");
    let public = fs::read_to_string(key.with_extension("pub")).expect("a public key");
    let (signers, lock) = (scene.path("allowed_signers"), scene.path("vault.lock"));
    let before = digest(&signers);
    let words: Vec<&str> = public.split(' ').take(2).collect();
    fs::write(&signers, format!("operator namespaces=\"odbox-vault\" {}\n", words.join(" ").trim()))
        .expect("signers");
    let text = fs::read_to_string(&lock).expect("a lock");
    assert!(text.contains(&before), "the lock covers the signers");
    let serial = text.lines().find(|line| line.starts_with("serial = ")).expect("a serial");
    let text = text.replace(&before, &digest(&signers)).replace(serial, "serial = 77");
    fs::write(&lock, &text).expect("a lock");
    let sign = program("ssh-keygen").args(["-Y", "sign", "-n", "odbox-vault", "-f"]).arg(&key);
    let signature = sign.input(text).succeeds().output;
    fs::write(scene.path("vault.lock.sig"), signature).expect("a signature");
    on(&scene.vault.path(), &["verify"]).succeeds().says("signer not authenticated");
    scene.expect_refusals(scene.verbs(), "who was no signer when you last saw it");
    let signs = [&["sign", "--yes"][..], &["sign", "--batch"]].map(|sign| on(&scene.vault.path(), sign));
    scene.expect_refusals(signs, "which is none of the trusted signers");
}

#[test]
fn a_symbolic_link_for_a_folder() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let elsewhere = scene.vault.beside("elsewhere");
    fs::rename(scene.path("certs"), &elsewhere).expect("a folder to move");
    symlink(&elsewhere, scene.path("certs")).expect("a link");
    scene.expect_dead_end("symbolic link or a special file");
}

#[test]
fn an_older_state_brought_back() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    scene.pull(&scene.older);
    scene.expect_dead_end("the vault is older than the one you last saw: serial 5 after 6");
}

/// Signed by a signer, of the same serial, and yet not what this operator saw.
#[test]
fn the_state_of_a_side_branch() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let (branch, home) = (scene.vault.beside("branch"), tree::folder());
    tree::copy(&scene.older, &branch);
    let on_branch = |arguments: &[&str]| on(&branch, arguments).at_home(home.path());
    on_branch(&["verify", "--allowed-signers"]).arg(scene.vault.signers()).succeeds();
    on_branch(&["rekey"]).succeeds().says("serial 6");
    scene.pull(&branch);
    scene.expect_dead_end("the vault (serial 6) does not descend from the state you last saw (serial 6)");
}

/// A staged change that somebody else made is not finished, and not thrown away either.
#[test]
fn a_staging_folder_from_elsewhere() {
    if !machine::has(&NEEDS) {
        return;
    }
    let plant: [fn(&Scene); 3] = [
        |scene| fs::write(scene.path(".vaultgen/commit"), "token.age\nage.key\n").expect("a commit file"),
        |scene| {
            let files = scene.path(".vaultgen/files");
            fs::create_dir(&files).expect("a folder");
            fs::copy(scene.path("certs/one.pem.age"), files.join("token.age")).expect("a file");
        },
        |scene| {
            fs::remove_dir(scene.path(".vaultgen")).expect("a folder to remove");
            fs::create_dir(scene.vault.beside("elsewhere")).expect("a folder");
            let mode = fs::Permissions::from_mode(0o1700);
            fs::set_permissions(scene.vault.beside("elsewhere"), mode).expect("chmod");
            symlink(scene.vault.beside("elsewhere"), scene.path(".vaultgen")).expect("a link");
        },
    ];
    for plant in plant {
        let scene = Scene::new();
        fs::create_dir(scene.path(".vaultgen")).expect("a folder");
        plant(&scene);
        scene.expect_dead_end("a change is staged here that this program did not stage");
        scene.expect_refusals([on(&scene.vault.path(), &["verify"])], "a change is staged here");
    }
}
