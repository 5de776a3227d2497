//! A repository with a vault, and Git as its people run it.

use std::path::{Path, PathBuf};

use fixtures::{
    command::{Run, odbox, program, vaultgen},
    machine::Need::{self, Program},
    tree,
};
use tempfile::TempDir;

pub fn git(folder: &Path) -> Run {
    program("git").in_folder(folder).args([
        "-c",
        "user.name=operator",
        "-c",
        "user.email=operator@example.org",
    ])
}

/// A repository with a vault, in which Git finds our `vaultgen`.
pub struct Clone(pub TempDir);

impl Clone {
    pub fn new() -> Self {
        let clone = Self(tree::folder());
        clone.git(&["init", "-q", "-b", "main"]).succeeds();
        clone.vaultgen(&["init", "--batch", "--bare"]).succeeds();
        clone.git(&["add", "."]).succeeds();
        clone.git(&["commit", "-q", "-m", "a vault"]).succeeds();
        clone.vaultgen(&["git", "install"]).succeeds();
        clone
    }

    pub fn vault(&self) -> PathBuf {
        self.0.path().join("vault")
    }

    pub fn vaultgen(&self, arguments: &[&str]) -> Run {
        vaultgen().args(arguments).in_folder(self.0.path())
    }

    pub fn git(&self, arguments: &[&str]) -> Run {
        let ours = odbox("vaultgen");
        let ours = ours.parent().expect("a folder").display().to_string();
        let starter = ["sh", "-c", "PATH=\"$0:$PATH\" exec \"$@\"", &ours];
        git(self.0.path()).args(arguments).under(starter)
    }

    /// Writes a file of the work tree, and stages it.
    pub fn stage(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let file = self.0.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(&file, bytes).expect("a file");
        self.git(&["add", "-f"]).arg(&file).succeeds();
    }

    /// Commits what is staged.
    pub fn commits(&self) {
        self.git(&["commit", "-q", "-m", "more"]).succeeds();
    }

    /// Encrypts a secret with stock age.
    pub fn put(&self, name: &str) {
        let file = self.vault().join(format!("{name}.age"));
        let recipient = program("age-keygen").arg("-y").arg(self.vault().join("age.key")).succeeds().text();
        program("age").args(["-r", recipient.trim(), "-o"]).arg(file).input("a secret").succeeds();
    }

    pub fn refuses(&self, error: &str) {
        self.git(&["commit", "-q", "-m", "more"]).exits(1).explains(error);
        self.git(&["reset", "-q", "--hard"]).succeeds();
    }
}

pub const PEERS: [Need; 3] = [Program("git"), Program("age"), Program("age-keygen")];
