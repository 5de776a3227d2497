//! A vault that hostile hands change while it is served. Each reload says what is wrong and fails, and the
//! generation that is served stays, byte for byte.

mod bytes;
mod files;
mod states;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fixtures::{
    tree,
    vault::{Vault, VaultBuilder},
};
use vault_format::{IDENTITY_FILE, LOCK_FILE, SIGNING_KEY_FILE};

use crate::stand::{LARGE, Stand, pattern};

/// In every secret, and in no message.
const CANARY: &str = "canary-7f3a91";

/// A small secret, one that the kernel reads itself, and a public file.
fn sample() -> VaultBuilder {
    let large = [CANARY.as_bytes(), &pattern(3, LARGE)].concat();
    Vault::with("small", format!("{CANARY} small"))
        .and("folder/large", large)
        .public_file("note.txt", "hello\n")
}

/// A mount that serves a vault which others change.
struct Victim {
    stand: Stand,
    /// The number of what is served.
    generation: u64,
    /// The vault as it was accepted.
    accepted: PathBuf,
    /// Each served file with its bytes, and a descriptor from before the first change.
    served: Vec<(PathBuf, Vec<u8>, File)>,
}

impl Victim {
    fn of(files: VaultBuilder) -> Self {
        Self::on(Stand::of(files))
    }

    fn on(stand: Stand) -> Self {
        let accepted = stand.vault.beside("accepted");
        tree::copy(&stand.vault.path(), &accepted);
        let paths = stand.vault.names().into_iter().map(|name| stand.place.join(&name));
        let served = paths.map(|path| {
            let bytes = fs::read(&path).expect("a served file");
            let open = File::open(&path).expect("a served file");
            (path, bytes, open)
        });
        let served = served.collect();
        let generation = stand.status()["generation"].as_u64().expect("a number");
        Self { stand, generation, accepted, served }
    }

    /// Every file of the vault but the operator's keys.
    fn files(&self) -> Vec<String> {
        let nodes =
            tree::snapshot(&self.accepted).into_keys().filter(|path| self.accepted.join(path).is_file());
        let files = nodes.map(|path| path.into_os_string().into_string().expect("a path that is text"));
        files.filter(|file| ![IDENTITY_FILE, SIGNING_KEY_FILE].contains(&file.as_str())).collect()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.stand.vault.path().join(file)
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.accepted.join(file)).expect("a file of the vault")
    }

    /// Puts another vault in its place.
    fn put(&self, vault: &Path) {
        fs::remove_dir_all(self.stand.vault.path()).expect("a vault to remove");
        tree::copy(vault, &self.stand.vault.path());
    }

    /// Has the vault loaded as it lies there, which must fail with these words, and harm nobody.
    #[track_caller]
    fn refuses(&self, what: &str, words: &[&str]) {
        let refused = self.stand.reload().run();
        assert_eq!(refused.status, Some(1), "{what}: {refused}");
        assert!(refused.output.is_empty(), "{what}: {refused}");
        for word in words {
            refused.explains(word);
        }
        refused.tells_nothing_of(CANARY);
        self.expect_unharmed(what);
    }

    /// The same generation, the same bytes, for whoever opens a file and for whoever has it open.
    #[track_caller]
    fn expect_unharmed(&self, what: &str) {
        for (path, bytes, open) in &self.served {
            assert!(fs::read(path).expect("a served file") == *bytes, "{what}: {}", path.display());
            let mut again = vec![0; bytes.len() + 1];
            let length = open.read_at(&mut again, 0).expect("an open file");
            assert!(again[..length] == bytes[..length] && length > 0, "{what}: {}", path.display());
        }
    }

    /// The vault as it was accepted is still good, and nothing but it was served meanwhile.
    #[track_caller]
    fn expect_whole(&self) {
        let status = self.stand.status();
        let expected = (&self.generation.into(), &false.into());
        assert_eq!((&status["generation"], &status["fallback"]), expected, "{status}");
        assert!(status["problem"].is_string(), "the last refusal is not in {status}");
        self.put(&self.accepted);
        assert_eq!(self.stand.reload().succeeds().text(), "nothing changed\n");
        self.expect_unharmed("in the end");
        assert!(self.stand.status()["problem"].is_null());
    }

    /// Does something to files, expects a refusal with these words, and undoes it.
    #[track_caller]
    fn refuses_after(&self, what: &str, damaged: &[&str], damage: impl FnOnce(), words: &[&str]) {
        damage();
        self.refuses(what, words);
        for file in damaged {
            let path = self.path(file);
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            fs::copy(self.accepted.join(file), path).expect("the file as it was");
        }
    }

    /// As [`Self::refuses_after`], with other bytes in a file.
    #[track_caller]
    fn refuses_with(&self, what: &str, file: &str, bytes: &[u8]) {
        let damage = || fs::write(self.path(file), bytes).expect("other bytes");
        self.refuses_after(&format!("{file} {what}"), &[file], damage, &[named(file)]);
    }
}

/// What is named where a file is not as it was: a lock and a signature that do not fit are one problem.
fn named(file: &str) -> &str {
    if file.starts_with(LOCK_FILE) { LOCK_FILE } else { file }
}
