//! A vault in Git: only ciphertext and public files get in, and a clone is still sound.

use std::path::Path;

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{self, Need::Program},
    tree,
};

fn git(folder: &Path) -> Run {
    program("git").in_folder(folder).args([
        "-c",
        "user.name=operator",
        "-c",
        "user.email=operator@example.org",
    ])
}

#[test]
fn git_takes_ciphertext_and_public_files_only() {
    if !machine::has(&[Program("git")]) {
        return;
    }
    let folder = tree::folder();
    let (here, clone) = (folder.path().join("here"), folder.path().join("clone"));
    program("git").args(["init", "-q"]).arg(&here).succeeds();
    vaultgen().args(["init", "--batch"]).in_folder(&here).succeeds();
    // What people leave lying about beside the ciphertext.
    for stray in ["passwords/root.txt", "notes", "machines/devm.key", "recovery.key"] {
        let path = here.join("vault").join(stray);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, "plaintext").expect("a stray file");
    }
    git(&here).args(["add", "."]).succeeds();
    let staged = git(&here).args(["ls-files"]).succeeds().text();
    let staged: Vec<&str> = staged.lines().map(|file| file.strip_prefix("vault/").unwrap_or(file)).collect();
    let public = [
        ".gitattributes",
        ".gitignore",
        "allowed_signers",
        "ssh/id_ed25519.pub",
        "vault.lock",
        "vault.lock.sig",
        "vault.toml",
    ];
    let (ciphertext, rest): (Vec<&str>, Vec<&str>) =
        staged.into_iter().partition(|file| file.ends_with(".age"));
    assert_eq!((ciphertext.len(), rest.as_slice()), (17, &public[..]));

    git(&here).args(["commit", "-q", "-m", "a vault"]).succeeds();
    git(folder.path()).args(["clone", "-q"]).arg(&here).arg(&clone).succeeds();
    let verify = |path: &Path| vaultgen().args(["verify", "--vault"]).arg(path.join("vault")).succeeds();
    verify(&here).says("notes is not part of the vault");
    verify(&clone).says("sound: 17 secrets");
}

#[test]
fn a_clone_that_converts_line_ends_is_still_sound() {
    if !machine::has(&[Program("git")]) {
        return;
    }
    let folder = tree::folder();
    let (here, clone) = (folder.path().join("here"), folder.path().join("clone"));
    program("git").args(["init", "-q"]).arg(&here).succeeds();
    vaultgen().args(["init", "--batch", "--bare"]).in_folder(&here).succeeds();
    git(&here).args(["add", "."]).succeeds();
    git(&here).args(["commit", "-q", "-m", "a vault"]).succeeds();
    git(folder.path()).args(["-c", "core.autocrlf=true", "clone", "-q"]).arg(&here).arg(&clone).succeeds();
    vaultgen().args(["verify", "--vault"]).arg(clone.join("vault")).succeeds();
}
