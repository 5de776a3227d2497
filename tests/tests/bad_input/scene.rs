//! A vault, a place to serve it at, and what becomes of both.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Ended, Run, program, vaultd},
    machine::Need::{self, Fuse, Program, Root},
    mount::MountPoint,
    vault::{Vault, VaultBuilder},
};
use serde_json::Value;

pub const NEEDS: [Need; 6] =
    [Root, Fuse, Program("mount"), Program("unshare"), Program("prlimit"), Program("setpriv")];
/// In every secret, and in no message.
pub const CANARY: &str = "canary-51c0de";

/// A vault that nobody serves yet.
pub struct Scene {
    pub vault: Vault,
    /// The identity that opens it, outside of it.
    pub identity: PathBuf,
    pub place: MountPoint,
    /// Where it is remembered what was accepted.
    pub state: PathBuf,
}

impl Scene {
    pub fn new() -> Self {
        Self::of(Vault::with("token", format!("{CANARY} of the token")).and("folder/other", CANARY))
    }

    pub fn of(files: VaultBuilder) -> Self {
        let (vault, place) = (files.build(), MountPoint::new());
        let (identity, state) = (vault.beside("machine.key"), place.state());
        fs::copy(vault.identity(), &identity).expect("an identity");
        Self { vault, identity, place, state }
    }

    /// The state that may follow.
    pub fn next(&self) -> VaultBuilder {
        Vault::with("token", format!("{CANARY} of the next token")).and("folder/other", CANARY)
    }

    pub fn mount(&self) -> Run {
        self.run("mount").arg("--background")
    }

    pub fn shut_down(&self) {
        self.place.ask("unmount").succeeds();
        self.place.wait_until_unserved();
    }

    pub fn mount_without_identity(&self) -> Run {
        self.run_without_identity("mount").arg("--background")
    }

    /// In the foreground, for whom there is no `/dev/null`.
    pub fn mount_in_front(&self) -> Run {
        self.run("mount")
    }

    pub fn check(&self) -> Run {
        self.run("check")
    }

    fn run(&self, verb: &str) -> Run {
        self.run_without_identity(verb).arg("--identity").arg(&self.identity)
    }

    fn run_without_identity(&self, verb: &str) -> Run {
        let run = vaultd().arg(verb).arg("--vault").arg(self.vault.path());
        let run = run.arg("--allowed-signers").arg(self.vault.signers());
        run.arg("--state").arg(&self.state).arg(self.place.path())
    }

    /// The vault's files, with their sizes, times and modes; some are too large to be read here.
    fn files(&self) -> String {
        let find = program("find").arg(self.vault.path());
        find.args(["-printf", "%p %y %s %T@ %m\n"]).run().text()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.place.join(name)).expect(name)
    }

    pub fn status(&self) -> Value {
        let status = self.place.ask("status").arg("--json").succeeds();
        serde_json::from_slice(&status.output).expect("JSON")
    }

    /// Runs what must be refused with this error, and change nothing.
    #[track_caller]
    pub fn refuses(&self, run: Run, error: &str) -> Ended {
        let (files, monitors) = (self.files(), self.place.monitors());
        let refused = run.run();
        assert_eq!(refused.status, Some(1), "{refused}");
        refused.explains(error).tells_nothing_of(CANARY);
        assert!(refused.output.is_empty(), "{refused}");
        assert_eq!(self.files(), files, "something was changed");
        assert_eq!(self.place.monitors(), monitors);
        refused
    }

    /// A reload is refused with this error, and what is served stays.
    #[track_caller]
    pub fn serves_on(&self, error: &str) {
        self.refuses(self.place.ask("reload"), error);
        self.expect_good();
        let status = self.status();
        assert_eq!((&status["generation"], &status["fallback"]), (&1.into(), &false.into()), "{status}");
        assert!(status["problem"].as_str().is_some_and(|problem| problem.contains(error)), "{status}");
    }

    /// A boot serves what was accepted last, and says so wherever somebody looks.
    #[track_caller]
    pub fn falls_back(&self, error: &str) {
        let booted = self.mount().succeeds();
        booted.explains(error).says("FALLBACK").tells_nothing_of(CANARY);
        self.expect_good();
        let status = self.status();
        assert_eq!(status["fallback"], true, "{status}");
        assert!(status["problem"].as_str().is_some_and(|problem| problem.contains(error)), "{status}");
        self.place.ask("status").succeeds().says("FALLBACK").says(error).tells_nothing_of(CANARY);
        self.shut_down();
        // Unless the machine was told not to.
        self.refuses(self.mount().arg("--no-fallback"), error);
        assert!(!self.place.is_mounted());
    }

    #[track_caller]
    pub fn expect_good(&self) {
        assert_eq!(self.read("token"), format!("{CANARY} of the token"));
        assert_eq!(self.read("folder/other"), CANARY);
    }
}

/// A vault that something was done to: refused by `check`, by the first mount, by a reload and at boot.
#[track_caller]
pub fn bad_vault(harm: impl Fn(&Vault), error: &str) {
    bad_vault_within(&[] as &[&str], harm, error);
}

/// As [`bad_vault`], where `limits` keep each process from using more than it needs to find out.
#[track_caller]
pub fn bad_vault_within(limits: &[impl AsRef<OsStr>], harm: impl Fn(&Vault), error: &str) {
    let scene = Scene::new();
    harm(&scene.vault);
    scene.refuses(scene.check().under(limits), error);
    scene.refuses(scene.mount().under(limits), error);
    assert!(!scene.place.is_mounted());
    follows_a_good_one(limits, harm, error);
}

/// An identity that something was done to: refused as a bad vault is. What was accepted last does not help then, for
/// it is kept encrypted.
#[track_caller]
pub fn bad_identity(harm: impl Fn(&Path), error: &str) {
    let scene = Scene::new();
    harm(&scene.identity);
    scene.refuses(scene.check(), error).explains_once(error);
    scene.refuses(scene.mount(), error).explains_once(error);
    let scene = Scene::new();
    scene.mount().succeeds();
    harm(&scene.identity);
    scene.serves_on(error);
    scene.shut_down();
    scene.refuses(scene.mount(), error).explains_once(error);
    assert!(!scene.place.is_mounted());
}

/// A vault that something was done to after this machine accepted it.
#[track_caller]
pub fn follows_a_good_one(limits: &[impl AsRef<OsStr>], harm: impl Fn(&Vault), error: &str) {
    let scene = Scene::new();
    scene.mount().under(limits).succeeds();
    harm(&scene.vault);
    scene.serves_on(error);
    scene.shut_down();
    scene.falls_back(error);
    scene.refuses(scene.check().under(limits), error);
}
