//! What is killed: a vault and its operator that start as they were again and again, and how both are
//! judged afterwards.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Run, program, vaultgen},
    machine::Need::{self, Program, Root},
    stop::{At, Stop, stops},
    tree::{self, contents},
    vault::{Vault, VaultBuilder},
};
use tempfile::TempDir;

/// `vaultgen` keeps its memory out of reach of other processes, so that only root can trace it.
pub const NEEDS: [Need; 3] = [Root, Program("strace"), Program("ssh-keygen")];
pub const GUEST: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

pub const MACHINE: &str = "devm";
/// What is no hash yet: the lock of a vault built for tests has no facts about it.
pub const NO_HASH: &str = "to be replaced";

/// What is at each path, without the times.
pub type Contents = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// A vault and an operator's home that start as they were again and again, at the same paths.
pub struct Scene {
    pub folder: TempDir,
}

impl Scene {
    pub fn of(builder: VaultBuilder) -> Self {
        let scene = Self::empty();
        let vault = builder.build();
        tree::copy(&vault.path(), &scene.vault());
        fs::copy(vault.signers(), scene.folder.path().join("signers")).expect("signers");
        scene.trust_anew();
        scene
    }

    pub fn small() -> Self {
        Self::of(Vault::with("certs/one.pem", "one").and("token", "two"))
    }

    /// One of its two secrets is for machines.
    pub fn for_machines() -> Self {
        Self::of(Vault::with("passwords/odoo-admin.txt", "one").of_kind("password").and("token", "two"))
    }

    /// No vault yet.
    pub fn empty() -> Self {
        let scene = Self { folder: tree::folder() };
        fs::create_dir_all(scene.work().join("home")).expect("a home");
        scene
    }

    /// The operator has seen nothing but what is there now.
    pub fn trust_anew(&self) {
        let _ = fs::remove_dir_all(self.work().join("home/.config"));
        let verify = self.vaultgen(&["verify", "--allowed-signers"]);
        verify.arg(self.folder.path().join("signers")).succeeds();
    }

    /// The vault as the one commit of a repository.
    pub fn in_git(self) -> Self {
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "vault"]);
        self.git(&["commit", "-q", "-m", "a vault"]);
        self
    }

    pub fn git(&self, arguments: &[&str]) {
        let git = program("git").in_folder(self.work()).args(["-c", "user.name=operator"]);
        git.args(["-c", "user.email=operator@example.org"]).args(arguments).succeeds();
    }

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn vault(&self) -> PathBuf {
        self.work().join("vault")
    }

    pub fn vaultgen(&self, arguments: &[&str]) -> Run {
        let run = vaultgen().at_home(self.work().join("home"));
        run.arg("--vault").arg(self.vault()).args(arguments)
    }

    /// One more change before the one that is tried.
    pub fn after(self, arguments: &[&str]) -> Self {
        self.vaultgen(arguments).succeeds();
        self
    }

    /// A public key of somebody who may sign, beside the vault.
    pub fn signer(&self) -> String {
        let key = self.folder.path().join("guest");
        let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        keygen.arg(&key).succeeds();
        key.with_extension("pub").to_str().expect("a path that is text").to_owned()
    }

    /// Keeps the present as what [`Self::restore`] brings back.
    pub fn keep(&self) {
        let kept = self.folder.path().join("kept");
        let _ = fs::remove_dir_all(&kept);
        tree::copy(&self.work(), &kept);
    }

    pub fn restore(&self) {
        fs::remove_dir_all(self.work()).expect("a scene to remove");
        tree::copy(&self.folder.path().join("kept"), &self.work());
    }

    /// Everybody can be opened, and the operator is not asked whether to trust what is there.
    #[track_caller]
    pub fn expect_sound(&self, what: &str) {
        let open = self.vaultgen(&["verify", "--identity"]).arg(self.vault().join("age.key"));
        let opened = open.run();
        assert_eq!(opened.status, Some(0), "{what}: {opened}");
        let count = fs::read_to_string(self.vault().join("vault.lock")).expect("a lock");
        let count = count.matches("\n[secret.").count();
        opened.says(&format!("opened: {count} secret"));
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
            opened.says("opened: 1 secret");
        }
    }

    /// As [`Self::expect_sound`], and nothing waits to be signed.
    #[track_caller]
    pub fn expect_trusted(&self, what: &str) {
        let sign = self.vaultgen(&["sign", "--batch"]).run();
        assert_eq!(sign.status, Some(0), "{what}: {sign}");
        sign.says("nothing to do");
    }
}

/// Which calls to stop at.
pub fn at() -> At {
    let every = env::var_os("ODBOX_CRASH").is_some_and(|value| value == "every-call");
    if every { At::EveryCall } else { At::Changes }
}

/// Every place at which the verb can be stopped, and what it makes when it is not.
pub fn rehearse(scene: &Scene, verb: &[&str]) -> (Vec<Stop>, Contents) {
    scene.keep();
    let (_, found) = stops(scene.vaultgen(verb), at(), &scene.folder.path().join("trace"));
    let whole = contents(&scene.vault());
    (found, whole)
}

/// Ends the verb at each of these places, and lets `is_new` judge what is left: the old vault or the new
/// one. Both must come about.
#[track_caller]
pub fn at_each(scene: &Scene, verb: &[&str], signal: &str, found: &[Stop], is_new: impl Fn(&str) -> bool) {
    let (mut kept, mut made) = (0, 0);
    for stop in found {
        let what = format!("{} stopped at {}", verb.join(" "), stop.call);
        scene.restore();
        let ended = stop.signals(scene.vaultgen(verb), signal).run();
        if at() == At::Changes {
            assert_eq!(ended.status, None, "{what}: it went on: {ended}");
        }
        if is_new(&what) {
            made += 1;
        } else {
            kept += 1;
        }
    }
    let name = verb[..verb.len().min(2)].join(" ");
    assert!(kept > 0 && made > 0, "{name}: {kept} times the old vault, {made} times the new");
    println!("{name}: {} times {signal}: {kept} old, {made} new", found.len());
}

/// Ends the verb at each of its calls, and expects the old or the new vault after the next command.
#[track_caller]
pub fn expect_whole(scene: &Scene, verb: &[&str], signal: &str) {
    let (found, whole) = rehearse(scene, verb);
    assert!(whole.keys().all(|path| !path.starts_with(".vaultgen")), "staging remains");
    scene.restore();
    let old = contents(&scene.vault());
    at_each(scene, verb, signal, &found, |what| {
        scene.expect_sound(what);
        let now = contents(&scene.vault());
        if now == old {
            return false;
        }
        expect_same_kind(&now, &whole, what);
        scene.expect_trusted(what);
        true
    });
}

/// Two runs of a verb make the same files, with other ciphertext.
#[track_caller]
pub fn expect_same_kind(now: &Contents, whole: &Contents, what: &str) {
    let shape = |contents: &Contents| -> BTreeMap<PathBuf, u32> {
        contents.iter().map(|(path, (mode, _))| (path.clone(), *mode)).collect()
    };
    assert_eq!(shape(now), shape(whole), "{what}");
    for public in ["allowed_signers", ".gitignore", ".gitattributes", "signing.key"].map(Path::new) {
        assert!(now.get(public) == whole.get(public), "{what}: {}", public.display());
    }
}

pub fn expect_whole_after_kills(scene: &Scene, verb: &[&str]) {
    expect_whole(scene, verb, "KILL");
}
