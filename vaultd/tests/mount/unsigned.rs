//! `--unsigned`: the rules for memory are the same, whoever made the vault.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use vault_format::{Identities, Plaintext, Timestamp, cipher};

use crate::stand::{empty_directory, installed, possible};

const VAULTD: &str = env!("CARGO_BIN_EXE_vaultd");
const SECRET: &str = "the plaintext of an unsigned secret";

/// A vault of Odoo Box with one secret.
fn legacy_vault(folder: &Path) {
    let identities = Identities::generate();
    let plaintext = Plaintext::from(SECRET.to_owned());
    let ciphertext = cipher::encrypt(&plaintext, &identities.recipients()).expect("a ciphertext");
    fs::create_dir(folder.join("passwords")).expect("a folder");
    fs::write(folder.join("passwords/root.txt.age"), ciphertext).expect("a secret");
    fs::write(folder.join("age.key"), identities.to_file(Timestamp::now()).expose()).expect("a key");
    fs::set_permissions(folder.join("age.key"), Permissions::from_mode(0o600)).expect("chmod");
}

fn mount_without_locking(vault: &Path, directory: &Path, flags: &[&str]) -> Output {
    Command::new("setpriv")
        .args(["--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "prlimit", "--memlock=4096:4096"])
        .args([VAULTD, "mount", "--unsigned", "--background", "--vault"])
        .arg(vault)
        .arg("--identity")
        .arg(vault.join("age.key"))
        .args(flags)
        .arg(directory)
        .output()
        .expect("setpriv")
}

#[test]
fn memory_that_cannot_be_locked_is_refused_unless_told_otherwise() {
    if !possible() || !installed("setpriv") || !installed("prlimit") {
        return;
    }
    let vault = tempfile::tempdir().expect("a folder");
    legacy_vault(vault.path());
    let (_parent, directory) = empty_directory();
    let refused = mount_without_locking(vault.path(), &directory, &[]);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{complaint}");
    assert!(complaint.starts_with("error: cannot lock the memory of this process"), "{complaint}");

    let accepted = mount_without_locking(vault.path(), &directory, &["--allow-swappable"]);
    let complaint = String::from_utf8_lossy(&accepted.stderr);
    assert!(
        complaint.contains("warning: UNSIGNED") && complaint.contains("memory is not locked"),
        "{complaint}"
    );
    assert!(!complaint.contains(SECRET), "{complaint}");
    let served = fs::read(directory.join("passwords/root.txt")).expect("a served file");
    assert_eq!(served, SECRET.as_bytes());
    let unmounted = Command::new(VAULTD).arg("unmount").arg(&directory).status();
    assert!(unmounted.expect("vaultd").success());
}
