//! A kill at any system call that changes a file: the next command finishes or undoes the change.
//!
//! `ODBOX_CRASH=every-call` kills at all other system calls too, which takes long.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Run, program, vaultgen},
    legacy::{self, LegacyVault},
    machine::{
        self,
        Need::{self, Program, Root},
    },
    stop::{At, Stop, stops},
    tree::{self, contents},
    vault::{Vault, VaultBuilder},
};
use tempfile::TempDir;

/// `vaultgen` keeps its memory out of reach of other processes, so that only root can trace it.
const NEEDS: [Need; 3] = [Root, Program("strace"), Program("ssh-keygen")];
const GUEST: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

const MACHINE: &str = "devm";
/// What is no hash yet: the lock of a vault built for tests has no facts about it.
const NO_HASH: &str = "to be replaced";

/// What is at each path, without the times.
type Contents = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// A vault and an operator's home that start as they were again and again, at the same paths.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn of(builder: VaultBuilder) -> Self {
        let scene = Self::empty();
        let vault = builder.build();
        tree::copy(&vault.path(), &scene.vault());
        fs::copy(vault.signers(), scene.folder.path().join("signers")).expect("signers");
        scene.trust_anew();
        scene
    }

    fn small() -> Self {
        Self::of(Vault::with("certs/one.pem", "one").and("token", "two"))
    }

    /// One of its two secrets is for machines.
    fn for_machines() -> Self {
        Self::of(Vault::with("passwords/odoo-admin.txt", "one").of_kind("password").and("token", "two"))
    }

    /// No vault yet.
    fn empty() -> Self {
        let scene = Self { folder: tree::folder() };
        fs::create_dir_all(scene.work().join("home")).expect("a home");
        scene
    }

    /// The operator has seen nothing but what is there now.
    fn trust_anew(&self) {
        let _ = fs::remove_dir_all(self.work().join("home/.config"));
        let verify = self.vaultgen(&["verify", "--allowed-signers"]);
        verify.arg(self.folder.path().join("signers")).succeeds();
    }

    /// The vault as the one commit of a repository.
    fn in_git(self) -> Self {
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "vault"]);
        self.git(&["commit", "-q", "-m", "a vault"]);
        self
    }

    fn git(&self, arguments: &[&str]) {
        let git = program("git").in_folder(self.work()).args(["-c", "user.name=operator"]);
        git.args(["-c", "user.email=operator@example.org"]).args(arguments).succeeds();
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn vault(&self) -> PathBuf {
        self.work().join("vault")
    }

    fn vaultgen(&self, arguments: &[&str]) -> Run {
        let run = vaultgen().at_home(self.work().join("home"));
        run.arg("--vault").arg(self.vault()).args(arguments)
    }

    /// One more change before the one that is tried.
    fn after(self, arguments: &[&str]) -> Self {
        self.vaultgen(arguments).succeeds();
        self
    }

    /// A public key of somebody who may sign, beside the vault.
    fn signer(&self) -> String {
        let key = self.folder.path().join("guest");
        let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        keygen.arg(&key).succeeds();
        key.with_extension("pub").to_str().expect("a path that is text").to_owned()
    }

    /// Keeps the present as what [`Self::restore`] brings back.
    fn keep(&self) {
        let kept = self.folder.path().join("kept");
        let _ = fs::remove_dir_all(&kept);
        tree::copy(&self.work(), &kept);
    }

    fn restore(&self) {
        fs::remove_dir_all(self.work()).expect("a scene to remove");
        tree::copy(&self.folder.path().join("kept"), &self.work());
    }

    /// Everybody can be opened, and the operator is not asked whether to trust what is there.
    #[track_caller]
    fn expect_sound(&self, what: &str) {
        let open = self.vaultgen(&["verify", "--identity"]).arg(self.vault().join("age.key"));
        let opened = open.run();
        assert_eq!(opened.status, Some(0), "{what}: {opened}");
        let count = fs::read_to_string(self.vault().join("vault.lock")).expect("a lock");
        let count = count.matches("\n[secret.").count();
        opened.says(&format!("opened: {count} secrets"));
        assert!(!self.vault().join(".vaultgen").exists(), "{what}: the staging folder remains");
        let text = opened.text();
        assert!(!text.contains("is not part of the vault"), "{what}: {text}");
        self.expect_machine_served(what);
    }

    /// If the policy has a machine, the key that was made for it opens the machine's one secret.
    #[track_caller]
    fn expect_machine_served(&self, what: &str) {
        let policy = fs::read_to_string(self.vault().join("vault.toml")).expect("a policy");
        if policy.contains(&format!("\n{MACHINE} = {{")) {
            let key = self.vault().join(format!("machines/{MACHINE}.key"));
            let opened = self.vaultgen(&["verify", "--identity"]).arg(key).run();
            assert_eq!(opened.status, Some(0), "{what}: {opened}");
            opened.says("opened: 1 secrets");
        }
    }

    /// As [`Self::expect_sound`], and nothing waits to be signed.
    #[track_caller]
    fn expect_trusted(&self, what: &str) {
        let sign = self.vaultgen(&["sign", "--batch"]).run();
        assert_eq!(sign.status, Some(0), "{what}: {sign}");
        sign.says("nothing to do");
    }
}

/// Which calls to stop at.
fn at() -> At {
    let every = env::var_os("ODBOX_CRASH").is_some_and(|value| value == "every-call");
    if every { At::EveryCall } else { At::Changes }
}

/// Every place at which the verb can be stopped, and what it makes when it is not.
fn rehearse(scene: &Scene, verb: &[&str]) -> (Vec<Stop>, Contents) {
    scene.keep();
    let (_, found) = stops(scene.vaultgen(verb), at(), &scene.folder.path().join("trace"));
    let whole = contents(&scene.vault());
    (found, whole)
}

/// Ends the verb at each of its calls, and expects the old or the new vault after the next command.
fn expect_whole(scene: &Scene, verb: &[&str], signal: &str) {
    let (found, whole) = rehearse(scene, verb);
    assert!(whole.keys().all(|path| !path.starts_with(".vaultgen")), "staging remains");
    scene.restore();
    let old = contents(&scene.vault());
    let (mut kept, mut made) = (0, 0);
    for stop in &found {
        let what = format!("{} stopped at {}", verb.join(" "), stop.call);
        scene.restore();
        let ended = stop.signals(scene.vaultgen(verb), signal).run();
        if at() == At::Changes {
            assert_eq!(ended.status, None, "{what}: it went on: {ended}");
        }
        scene.expect_sound(&what);
        let now = contents(&scene.vault());
        if now == old {
            kept += 1;
        } else {
            expect_same_kind(&now, &whole, &what);
            scene.expect_trusted(&what);
            made += 1;
        }
    }
    assert!(kept > 0 && made > 0, "{}: {kept} times the old vault, {made} times the new", verb.join(" "));
    let name = verb[..verb.len().min(2)].join(" ");
    println!("{name}: {} times {signal}: {kept} old, {made} new", found.len());
}

/// Two runs of a verb make the same files, with other ciphertext.
#[track_caller]
fn expect_same_kind(now: &Contents, whole: &Contents, what: &str) {
    let shape = |contents: &Contents| -> BTreeMap<PathBuf, u32> {
        contents.iter().map(|(path, (mode, _))| (path.clone(), *mode)).collect()
    };
    assert_eq!(shape(now), shape(whole), "{what}");
    for public in ["allowed_signers", ".gitignore", ".gitattributes", "signing.key"].map(Path::new) {
        assert!(now.get(public) == whole.get(public), "{what}: {}", public.display());
    }
}

fn expect_whole_after_kills(scene: &Scene, verb: &[&str]) {
    expect_whole(scene, verb, "KILL");
}

#[test]
fn killed_while_adding_a_recipient() {
    if machine::has(&NEEDS) {
        expect_whole_after_kills(&Scene::small(), &["recipients", "add", "ops", GUEST]);
    }
}

#[test]
fn killed_while_removing_a_recipient() {
    if machine::has(&NEEDS) {
        let scene = Scene::small().after(&["recipients", "add", "ops", GUEST]);
        expect_whole_after_kills(&scene, &["recipients", "remove", "ops", GUEST]);
    }
}

#[test]
fn killed_while_granting_and_revoking() {
    if machine::has(&NEEDS) {
        let scene = Scene::small().after(&["recipients", "add", "guest", GUEST]);
        expect_whole_after_kills(&scene, &["grant", "token", "guest"]);
        let scene = Scene::small().after(&["recipients", "add", "guest", GUEST]);
        let scene = scene.after(&["grant", "token", "guest"]);
        expect_whole_after_kills(&scene, &["revoke", "token", "guest"]);
    }
}

#[test]
fn killed_while_encrypting_anew() {
    if machine::has(&NEEDS) {
        expect_whole_after_kills(&Scene::small(), &["rekey"]);
    }
}

#[test]
fn killed_while_replacing_the_identity() {
    if machine::has(&NEEDS) {
        expect_whole_after_kills(&Scene::small(), &["rekey", "--new-identity"]);
    }
}

#[test]
fn killed_while_adding_and_removing_a_signer() {
    if machine::has(&NEEDS) {
        let scene = Scene::small();
        let key = scene.signer();
        expect_whole_after_kills(&scene, &["signers", "add", "guest", &key]);
        let scene = Scene::small();
        let key = scene.signer();
        let scene = scene.after(&["signers", "add", "guest", &key]);
        expect_whole_after_kills(&scene, &["signers", "remove", "guest"]);
    }
}

#[test]
fn killed_while_adding_removing_and_replacing_a_machine() {
    if machine::has(&NEEDS) {
        let add = ["machine", "add", MACHINE];
        expect_whole_after_kills(&Scene::for_machines(), &add);
        let scene = Scene::for_machines().after(&add);
        expect_whole_after_kills(&scene, &["machine", "remove", MACHINE]);
        let scene = Scene::for_machines().after(&add);
        expect_whole_after_kills(&scene, &["machine", "replace", MACHINE, "--lost"]);
    }
}

#[test]
fn killed_while_bringing_a_state_back() {
    if machine::has(&NEEDS) && machine::has(&[Program("git")]) {
        let scene = Scene::small().in_git().after(&["recipients", "add", "friend", GUEST]);
        scene.git(&["commit", "-q", "-a", "-m", "a friend"]);
        expect_whole_after_kills(&scene, &["revert", "--yes", "HEAD~1"]);
    }
}

#[test]
fn killed_while_joining_branches() {
    if machine::has(&NEEDS) && machine::has(&[Program("git")]) {
        let scene = Scene::small().in_git();
        scene.git(&["checkout", "-q", "-b", "side"]);
        let scene = scene.after(&["recipients", "add", "friend", GUEST]);
        scene.git(&["commit", "-q", "-a", "-m", "their change"]);
        scene.git(&["checkout", "-q", "main"]);
        scene.trust_anew();
        let scene = scene.after(&["rekey", "--secret", "token"]);
        scene.git(&["commit", "-q", "-a", "-m", "our change"]);
        expect_whole_after_kills(&scene, &["merge", "--batch", "--yes", "side"]);
    }
}

#[test]
fn killed_while_replacing_a_password() {
    if machine::has(&NEEDS) {
        let hash = "kind = \"password-hash\"\nfrom = \"passwords/root.txt\"";
        let secrets = Vault::with("passwords/root.txt", "one").of_kind("password");
        let scene = Scene::of(secrets.and("passwords/root.yesc", NO_HASH).policy(hash));
        // Hashes that vaultgen made, with their facts in the lock.
        expect_whole_after_kills(&scene.after(&["root", "--batch"]), &["root", "--batch"]);
    }
}

#[test]
fn killed_while_adding_a_secret_and_a_tree() {
    if machine::has(&NEEDS) {
        let scene = Scene::small();
        let tree = scene.folder.path().join("tree");
        fs::create_dir_all(tree.join("deep/er")).expect("a folder");
        fs::write(tree.join("deep/er/one"), "1").expect("a file");
        fs::write(tree.join("two"), "2").expect("a file");
        let paths = [tree.join("two"), tree].map(|path| path.to_str().expect("UTF-8").to_owned());
        expect_whole_after_kills(&scene, &["add", "new/secret", "--file", &paths[0]]);
        expect_whole_after_kills(&scene, &["add", "--from", &paths[1]]);
    }
}

/// A key with its public half, and a password with its hash.
#[test]
fn killed_while_rotating() {
    if machine::has(&NEEDS) {
        let ssh = Vault::with("ssh/id_ed25519", "one").of_kind("ssh-key").and("token", "two");
        let scene = Scene::of(ssh.public_file("ssh/id_ed25519.pub", "to be replaced\n"));
        let scene = scene.after(&["rotate", "ssh/id_ed25519"]).after(&["remove", "--yes", "token"]);
        expect_whole_after_kills(&scene, &["rotate", "ssh/id_ed25519"]);
        let scene = Scene::of(Vault::with("passwords/root.txt", "one").of_kind("password"));
        let scene = scene.after(&["root", "--batch"]);
        expect_whole_after_kills(&scene, &["rotate", "passwords/root.txt"]);
    }
}

#[test]
fn killed_while_removing_a_secret() {
    if machine::has(&NEEDS) {
        expect_whole_after_kills(&Scene::small(), &["remove", "--yes", "token"]);
    }
}

/// The new state is one that waits for a signer, who can make it the vault's.
#[test]
fn killed_while_proposing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::for_machines();
    let verb = ["machine", "add", MACHINE, "--no-sign"];
    let (found, _) = rehearse(&scene, &verb);
    scene.restore();
    let old = contents(&scene.vault());
    let (mut kept, mut made) = (0, 0);
    for stop in &found {
        let what = format!("{} stopped at {}", verb.join(" "), stop.call);
        scene.restore();
        let ended = stop.signals(scene.vaultgen(&verb), "KILL").run();
        if at() == At::Changes {
            assert_eq!(ended.status, None, "{what}: it went on: {ended}");
        }
        let verified = scene.vaultgen(&["verify"]).run();
        if contents(&scene.vault()) == old {
            scene.expect_sound(&what);
            kept += 1;
            continue;
        }
        assert_eq!(verified.status, Some(1), "{what}: {verified}");
        verified.explains_once("vault.toml is not what was signed");
        let signed = scene.vaultgen(&["sign", "--yes"]).run();
        assert_eq!(signed.status, Some(0), "{what}: {signed}");
        assert!(scene.vault().join(format!("machines/{MACHINE}.key")).exists(), "{what}");
        scene.expect_sound(&what);
        scene.expect_trusted(&what);
        made += 1;
    }
    assert!(kept > 0 && made > 0, "{kept} times the old vault, {made} times the proposal");
    println!("{}: {} times KILL: {kept} old, {made} proposed", verb.join(" "), found.len());
}

/// The old state is the one before the signature, which is not sound but is what it was.
#[test]
fn killed_while_signing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::small();
    let policy = scene.vault().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    fs::write(&policy, text.replace("\"0400\"", "\"0440\"")).expect("an edit");
    fs::remove_file(scene.vault().join("certs/one.pem.age")).expect("a secret to remove");
    let verb = ["sign", "--yes"];
    let (found, whole) = rehearse(&scene, &verb);
    scene.restore();
    let old = contents(&scene.vault());
    let mut made = 0;
    for stop in &found {
        let what = format!("sign stopped at {}", stop.call);
        scene.restore();
        let _ = stop.signals(scene.vaultgen(&verb), "KILL").run();
        let verified = scene.vaultgen(&["verify"]).run();
        let now = contents(&scene.vault());
        if now == old {
            assert_eq!(verified.status, Some(1), "{what}: {verified}");
        } else {
            scene.expect_sound(&what);
            scene.expect_trusted(&what);
            expect_same_kind(&now, &whole, &what);
            made += 1;
        }
    }
    assert!(made > 0 && made < found.len(), "{made} of {}", found.len());
    println!("sign --yes: {} times KILL: {} old, {made} new", found.len(), found.len() - made);
}

/// All of the standard vault but the SSH identity, which takes no hashing of passwords.
#[test]
fn killed_while_completing_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let mut builder = Vault::with("passwords/root.txt", "root");
    for name in ["admin", "odoo-admin", "pgadmin-admin"] {
        builder = builder.and(&format!("passwords/{name}.txt"), name);
    }
    for name in ["vault-ca-cert", "vault-ca-key", "localhost-cert", "localhost-key"] {
        builder = builder.and(&format!("certs/{name}.pem"), name);
    }
    expect_whole_after_kills(&Scene::of(builder), &["init", "--batch"]);
}

/// Of a vault that did not come to be, nothing is in the way of the next try.
#[test]
fn killed_while_making_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::empty();
    let verb = ["init", "--batch", "--bare"];
    let (found, whole) = rehearse(&scene, &verb);
    for stop in &found {
        let what = format!("init stopped at {}", stop.call);
        scene.restore();
        let _ = stop.signals(scene.vaultgen(&verb), "KILL").run();
        let again = scene.vaultgen(&verb).run();
        assert_eq!(again.status, Some(0), "{what}: {again}");
        scene.expect_sound(&what);
        scene.expect_trusted(&what);
        let (now, whole) = (contents(&scene.vault()), &whole);
        assert!(now.keys().eq(whole.keys()), "{what}: {:?}", now.keys());
    }
    println!("init --bare: {} times KILL", found.len());
}

/// An Odoo Box vault is adopted as a whole or stays what it was, and the next try adopts it.
#[test]
fn killed_while_adopting() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    for (file, value) in [("passwords/odoo-admin", "for-the-Machine-1"), ("passwords/root.txt", "for-Us-2")] {
        vault.seal(file, value);
        fs::remove_file(vault.file(file)).expect("plaintext to remove");
    }
    vault.put("ssh/id_rsa.pub", "ssh-rsa AAAA somebody\n");
    vault.put("passwords/strange.txt.age", "of somebody else");
    fs::remove_file(vault.file(".gitignore")).expect("a file to remove");
    let scene = Scene::empty();
    tree::copy(&vault.path(), &scene.vault());
    let verb = ["adopt", "--batch", "--machine", MACHINE];
    let (found, whole) = rehearse(&scene, &verb);
    scene.restore();
    let old = contents(&scene.vault());
    let key = &old[Path::new("age.key")];
    let (mut kept, mut made) = (0, 0);
    for stop in &found {
        let what = format!("adopt stopped at {}", stop.call);
        scene.restore();
        let ended = stop.signals(scene.vaultgen(&verb), "KILL").run();
        if at() == At::Changes {
            assert_eq!(ended.status, None, "{what}: it went on: {ended}");
        }
        let verified = scene.vaultgen(&["verify"]).run();
        if verified.status == Some(0) {
            made += 1;
        } else {
            verified.explains("it is an Odoo Box vault");
            assert!(contents(&scene.vault()) == old, "{what}: neither the old vault nor the new");
            kept += 1;
        }
        let again = scene.vaultgen(&verb).run();
        assert_eq!(again.status, Some(0), "{what}: {again}");
        scene.expect_sound(&what);
        scene.expect_trusted(&what);
        let now = contents(&scene.vault());
        assert!(now.keys().eq(whole.keys()), "{what}: {:?}", now.keys());
        assert!(&now[Path::new("age.key.old")] == key, "{what}: the old key");
    }
    assert!(kept > 0 && made > 0, "{kept} times the old vault, {made} times the new");
    println!("adopt: {} times KILL: {kept} old, {made} new", found.len());
}

/// The vault is the same before and after; plaintext that is not removed yet is removed by the next try.
#[test]
fn killed_while_removing_plaintext() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    for file in ["passwords/odoo-admin.txt", "passwords/root.txt"] {
        vault.seal(file, "the-Plaintext-1");
    }
    fs::remove_file(vault.file(".gitignore")).expect("a file to remove");
    let scene = Scene::empty();
    tree::copy(&vault.path(), &scene.vault());
    scene.vaultgen(&["adopt", "--batch", "--machine", MACHINE]).succeeds();
    let verb = ["adopt", "--batch", "--remove-plaintext"];
    let (found, whole) = rehearse(&scene, &verb);
    assert!(!whole.contains_key(Path::new("passwords/root.txt")), "plaintext is left");
    for stop in &found {
        let what = format!("adopt --remove-plaintext stopped at {}", stop.call);
        scene.restore();
        let _ = stop.signals(scene.vaultgen(&verb), "KILL").run();
        let again = scene.vaultgen(&verb).run();
        assert_eq!(again.status, Some(0), "{what}: {again}");
        scene.expect_sound(&what);
        scene.expect_trusted(&what);
        assert!(contents(&scene.vault()) == whole, "{what}");
    }
    assert!(found.len() > 5, "{} calls", found.len());
    println!("adopt --remove-plaintext: {} times KILL", found.len());
}

/// The old state is one with a file that is gone, which the next try makes anew.
#[test]
fn killed_while_making_anew_what_was_removed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::empty();
    scene.vaultgen(&["init", "--batch"]).succeeds();
    fs::remove_file(scene.vault().join("ssh/id_ed25519.age")).expect("a file to remove");
    let verb = ["init", "--batch"];
    let (found, whole) = rehearse(&scene, &verb);
    scene.restore();
    let old = contents(&scene.vault());
    let (mut kept, mut made) = (0, 0);
    for stop in &found {
        let what = format!("init stopped at {}", stop.call);
        scene.restore();
        let _ = stop.signals(scene.vaultgen(&verb), "KILL").run();
        let verified = scene.vaultgen(&["verify"]).run();
        let now = contents(&scene.vault());
        if now == old {
            assert_eq!(verified.status, Some(1), "{what}: {verified}");
            kept += 1;
        } else {
            scene.expect_sound(&what);
            scene.expect_trusted(&what);
            expect_same_kind(&now, &whole, &what);
            made += 1;
        }
    }
    assert!(kept > 0 && made > 0, "{kept} times the old vault, {made} times the new");
    println!("init after a removal: {} times KILL: {kept} old, {made} new", found.len());
}

/// The next command is killed as well, while it undoes the change or finishes it.
#[test]
fn killed_twice() {
    if !machine::has(&NEEDS) {
        return;
    }
    let verb = ["recipients", "add", "ops", GUEST];
    let scene = Scene::small();
    scene.keep();
    let old = contents(&scene.vault());
    let (_, found) = stops(scene.vaultgen(&verb), At::Changes, &scene.folder.path().join("trace"));
    let commits = |stop: &Stop| stop.call.contains("rename") && stop.call.contains("commit.new");
    let commit = found.iter().position(commits).expect("a commit");
    for (first, is_new) in [(&found[commit], false), (&found[commit + 1], true)] {
        scene.restore();
        let _ = first.signals(scene.vaultgen(&verb), "KILL").run();
        assert!(scene.vault().join(".vaultgen").exists(), "nothing to finish or undo");
        let interrupted = Scene { folder: tree::folder() };
        tree::copy(&scene.work(), &interrupted.work());
        interrupted.keep();
        let verify = ["verify"];
        let trace = interrupted.folder.path().join("trace");
        let (_, again) = stops(interrupted.vaultgen(&verify), at(), &trace);
        for stop in &again {
            let what = format!("verify stopped at {}", stop.call);
            interrupted.restore();
            let _ = stop.signals(interrupted.vaultgen(&verify), "KILL").run();
            interrupted.expect_sound(&what);
            assert_eq!(contents(&interrupted.vault()) != old, is_new, "{what}");
        }
        assert!(again.len() > 3, "{} calls", again.len());
        println!("{}: {} times KILL", if is_new { "finishing" } else { "undoing" }, again.len());
    }
}

/// Control-C, or the machine going down.
#[test]
fn told_to_end_while_adding_a_recipient() {
    if machine::has(&NEEDS) {
        for signal in ["INT", "TERM"] {
            expect_whole(&Scene::small(), &["recipients", "add", "ops", GUEST], signal);
        }
    }
}
