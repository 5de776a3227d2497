//! A Git repository whose commits have the dates that a test wants.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    tree,
    vault::Vault,
};
use serde_json::Value;
use vault_format::{
    Digest, LOCK_FILE, Lock, Plaintext, SIGNATURE_FILE, SIGNING_KEY_FILE, passphrase::Nobody,
    signature::LockSigner, ssh::SshKey,
};

/// A repository in a folder that goes with it.
pub struct Repository(tempfile::TempDir);

impl Repository {
    pub fn new() -> Self {
        let repository = Self(tree::folder());
        repository.git(&["init", "-q", "-b", "main"]).succeeds();
        repository
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn git(&self, arguments: &[&str]) -> Run {
        git(self.path(), "2026-01-01").args(arguments)
    }

    /// Commits all that there is, on this day.
    pub fn commit(&self, day: &str, message: &str) {
        git(self.path(), day).args(["add", "-A", "-f"]).succeeds();
        git(self.path(), day).args(["commit", "-q", "--allow-empty", "-m", message]).succeeds();
    }

    pub fn vaultgen(&self, arguments: &[&str]) -> Ended {
        vaultgen().args(arguments).in_folder(self.path()).succeeds()
    }

    pub fn audit(&self, arguments: &[&str]) -> Run {
        vaultgen().arg("audit").args(arguments).in_folder(self.path())
    }

    /// The report as a program reads it.
    pub fn report(&self, arguments: &[&str]) -> Value {
        let ended = self.audit(&["--json"]).args(arguments).succeeds();
        let report = serde_json::from_slice(&ended.output).expect("JSON");
        super::schema::holds(&report);
        report
    }

    /// The codes, paths and secrets of what is wrong.
    pub fn findings(&self, arguments: &[&str]) -> Vec<String> {
        let report = self.report(arguments);
        let findings = report["findings"].as_array().expect("findings");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |finding: &Value| {
            let (severity, code) = (text(&finding["severity"]), text(&finding["code"]));
            let commit = if finding["place"]["commit"].is_null() { "now" } else { "commit" };
            format!(
                "{severity} {code} {} {} {commit}",
                text(&finding["place"]["path"]),
                text(&finding["secret"])
            )
        };
        findings.iter().map(line).collect()
    }

    /// Copies a vault to this folder, without its private keys.
    pub fn put(&self, vault: &Vault, folder: &str) {
        let path = self.join(folder);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        tree::copy(&vault.path(), &path);
        for key in ["age.key", "signing.key"] {
            fs::remove_file(self.join(folder).join(key)).expect("a key to remove");
        }
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}

pub fn git(folder: &Path, day: &str) -> Run {
    let dates = ["GIT_COMMITTER_DATE", "GIT_AUTHOR_DATE"].map(|name| format!("{name}={day}T12:00:00Z"));
    let identity = ["-c", "user.name=Olivia Operator", "-c", "user.email=operator@example.org"];
    program("git")
        .args(identity)
        .in_folder(folder)
        .under(["env"].into_iter().chain(dates.iter().map(String::as_str)))
}

/// Signs another lock in a vault's folder, with the key that lies in `keys`.
pub fn sign(folder: &Path, keys: &Path, lock: &Lock) {
    let key = fs::read(keys.join(SIGNING_KEY_FILE)).map(Plaintext::from).expect("a key file");
    let key = SshKey::parse(&key, &Nobody).expect("a signing key");
    let text = lock.to_text().expect("a lock");
    fs::write(folder.join(SIGNATURE_FILE), key.sign_lock(text.as_bytes()).expect("a signature"))
        .expect("a file");
    fs::write(folder.join(LOCK_FILE), text).expect("a lock");
}

/// The lock of a vault's folder.
pub fn lock(folder: &Path) -> Lock {
    Lock::parse(&fs::read_to_string(folder.join(LOCK_FILE)).expect("a lock")).expect("a whole lock")
}

/// Signs the next state: the files as they lie there, and whatever else `change` makes of the lock.
pub fn sign_next(folder: &Path, keys: &Path, change: impl FnOnce(&mut Lock)) {
    let before = fs::read(folder.join(LOCK_FILE)).expect("a lock");
    let mut lock = lock(folder);
    lock.serial += 1;
    lock.ancestors.insert(0, Digest::of(&before));
    let digest = |path: &str| fs::read(folder.join(path)).map(|bytes| Digest::of(&bytes));
    for (path, sha256) in &mut lock.files {
        *sha256 = digest(path).expect("a file");
    }
    for (name, secret) in &mut lock.secrets {
        secret.sha256 = digest(&name.ciphertext_path()).unwrap_or(secret.sha256);
    }
    change(&mut lock);
    sign(folder, keys, &lock);
}
