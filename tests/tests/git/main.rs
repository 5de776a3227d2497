//! A vault in Git: only ciphertext and public files get in, and a clone is still sound.

mod ci;
mod clone;
mod diffs;
mod plaintext;
mod uninstall;

use std::path::Path;

use fixtures::{
    command::{program, vaultgen},
    machine::{self, Need::Program},
    tree,
};

use self::clone::{Clone, PEERS, git};

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
        "templates/admin.conf",
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

#[test]
fn a_clone_commits_nothing_that_is_not_sound_or_secret() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    // Twice changes nothing, and other people's hooks stay.
    let before = tree::snapshot(&clone.0.path().join(".git/hooks"));
    clone.vaultgen(&["git", "install"]).succeeds();
    assert!(tree::snapshot(&clone.0.path().join(".git/hooks")) == before, "the hook was changed");

    clone.put("token");
    clone.git(&["add", "."]).succeeds();
    clone.refuses("token.age is not in the lock");
    for key in ["age.key", "signing.key", "machines/web.key"] {
        std::fs::create_dir_all(clone.vault().join("machines")).expect("a folder");
        if key.starts_with("machines") {
            std::fs::write(clone.vault().join(key), "a key").expect("a key");
        }
        clone.git(&["add", "-f", &format!("vault/{key}")]).succeeds();
        clone.git(&["commit", "-q", "-m", "more"]).exits(1).explains_once(&format!("{key} is a private key"));
        clone.git(&["rm", "-q", "--cached", &format!("vault/{key}")]).succeeds();
    }
    std::fs::write(clone.vault().join("token"), "a secret").expect("a stray file");
    clone.git(&["add", "-f", "vault/token"]).succeeds();
    clone.refuses("token is no part of the vault");

    // What counts is what is committed, not what lies in the folder.
    clone.put("token");
    clone.vaultgen(&["sign", "--yes"]).succeeds();
    clone.git(&["add", "vault/token.age"]).succeeds();
    clone.git(&["commit", "-q", "-m", "half"]).exits(1).explains("token.age is not in the lock");
    clone.git(&["add", "."]).succeeds();
    clone.git(&["commit", "-q", "-m", "all"]).succeeds();
}

/// The check must not say yes because it looked elsewhere, or found no vault where something else lies.
#[test]
fn what_cannot_be_checked_is_not_committed() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let here = clone.0.path();
    // Git takes another repository for it, whose objects are not in this one.
    let other = tree::folder();
    program("git").args(["init", "-q"]).arg(other.path()).succeeds();
    let elsewhere = |arguments: &[&str]| {
        let (folder, tree) = (other.path().join(".git"), here.display().to_string());
        let set = format!("--git-dir={}", folder.display());
        let hooks = format!("core.hooksPath={}/.git/hooks", here.display());
        let words = ["-c", &hooks, &set, &format!("--work-tree={tree}")];
        clone.git(&words).args(arguments)
    };
    elsewhere(&["add", "-f", "vault/age.key"]).succeeds();
    elsewhere(&["commit", "-q", "-m", "a key"]).exits(1).explains_once("git works on another repository");
    let check = clone.vaultgen(&["git", "check"]);
    check.under(["env", "GIT_WORK_TREE=vault"]).exits(1).explains_once("git works on another repository");

    // No policy, but files of the vault.
    std::fs::write(clone.vault().join("notes.txt"), "a secret").expect("a stray file");
    clone.git(&["rm", "-q", "--cached", "vault/vault.toml"]).succeeds();
    clone.git(&["add", "-f", "vault/notes.txt"]).succeeds();
    clone.refuses("without vault.toml");

    // A link or another repository in place of the vault.
    let commit = clone.git(&["rev-parse", "HEAD"]).succeeds().text();
    let blob = clone.git(&["hash-object", "-w", "--stdin"]).input("elsewhere").succeeds().text();
    for (mode, id) in [("120000", &blob), ("100644", &blob), ("160000", &commit)] {
        clone.git(&["rm", "-q", "-r", "--cached", "vault"]).succeeds();
        let entry = format!("{mode},{},vault", id.trim());
        clone.git(&["update-index", "--add", "--cacheinfo", &entry]).succeeds();
        clone.refuses("vault is no folder in the index");
    }
    // A link in the work tree, which leads to where nothing has to be checked.
    let empty = here.join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    clone.git(&["add", "-f", "vault/age.key"]).succeeds();
    std::fs::rename(clone.vault(), here.join("away")).expect("a move");
    std::os::unix::fs::symlink(&empty, clone.vault()).expect("a link");
    clone.git(&["commit", "-q", "-m", "a key"]).exits(1).explains_once("vault is reached by a link");
    std::fs::remove_file(clone.vault()).expect("no link");
    std::fs::rename(here.join("away"), clone.vault()).expect("a move");
    // A commit that takes all of it out is fine.
    clone.git(&["rm", "-q", "-r", "--cached", "vault"]).succeeds();
    clone.git(&["commit", "-q", "-m", "no vault"]).succeeds();
}

/// The same check for one of several work trees, and for a commit of some files only.
#[test]
fn every_work_tree_is_checked() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.git(&["worktree", "add", "-q", "other", "-b", "other"]).succeeds();
    let other = clone.0.path().join("other");
    let git = |arguments: &[&str]| clone.git(arguments).in_folder(&other);
    std::fs::write(other.join("vault/notes"), "a secret").expect("a stray file");
    git(&["add", "-f", "vault/notes"]).succeeds();
    git(&["commit", "-q", "-m", "more"]).exits(1).explains_once("notes is no part of the vault");
    git(&["reset", "-q"]).succeeds();
    std::fs::write(other.join("README"), "a vault").expect("a file");
    git(&["add", "README"]).succeeds();
    git(&["commit", "-q", "-m", "some", "README"]).succeeds();
}

#[test]
fn another_object_format_is_said() {
    if !machine::has(&[Program("git")]) {
        return;
    }
    let folder = tree::folder();
    let git = program("git").in_folder(folder.path());
    git.args(["init", "-q", "--object-format=sha256"]).succeeds();
    vaultgen().args(["init", "--batch", "--bare"]).in_folder(folder.path()).succeeds();
    let check = vaultgen().args(["git", "check"]).in_folder(folder.path()).exits(1);
    check.explains_once("cannot be opened").says("object format sha1");
}

#[test]
fn the_hook_of_somebody_else_stays() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let hook = clone.0.path().join(".git/hooks/pre-commit");
    std::fs::write(&hook, "#!/bin/sh\ntrue\n").expect("a hook");
    let refused = clone.vaultgen(&["git", "install"]).exits(1);
    refused.explains_once("not by vaultgen").says("vaultgen --vault 'vault' git check || exit 1");
    assert_eq!(std::fs::read_to_string(&hook).expect("a hook"), "#!/bin/sh\ntrue\n");
}

/// A hook for all repositories of an operator is not ours to write.
#[test]
fn hooks_are_written_into_this_repository_only() {
    if !machine::has(&PEERS) {
        return;
    }
    let (clone, shared) = (Clone::new(), tree::folder());
    let set = |path: &std::path::Path| {
        clone.git(&["config", "core.hooksPath"]).arg(path).succeeds();
        clone.vaultgen(&["git", "install"])
    };
    set(shared.path()).exits(1).explains_once("outside of this repository").says("core.hooksPath");
    // Not by a link either.
    let link = clone.0.path().join("hooks");
    std::os::unix::fs::symlink(shared.path(), &link).expect("a link");
    set(&link).exits(1).explains_once("outside of this repository");
    assert_eq!(std::fs::read_dir(shared.path()).expect("a folder").count(), 0);
    set(&clone.0.path().join(".githooks/new")).succeeds();
    assert!(clone.0.path().join(".githooks/new/pre-commit").is_file());
}

#[test]
fn a_check_that_was_commented_out_comes_back() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let hook = clone.0.path().join(".git/hooks/pre-commit");
    let text = std::fs::read_to_string(&hook).expect("a hook");
    std::fs::write(&hook, text.replace("\nvaultgen", "\n# vaultgen")).expect("a hook");
    clone.git(&["add", "-f", "vault/age.key"]).succeeds();
    clone.vaultgen(&["git", "install"]).succeeds();
    clone.refuses("age.key is a private key");
}

/// Bringing a state back never takes the place of one that Git does not have.
#[test]
fn a_state_that_is_not_committed_is_not_reverted() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.put("token");
    clone.vaultgen(&["sign", "--yes"]).succeeds();
    let before = tree::snapshot(&clone.vault());
    let revert = |revision| clone.vaultgen(&["revert", "--yes", revision]);
    revert("HEAD").exits(1).explains_once("is not that of HEAD, and would be lost");
    assert!(tree::snapshot(&clone.vault()) == before, "something was changed");
    clone.git(&["add", "."]).succeeds();
    clone.git(&["commit", "-q", "-m", "a token"]).succeeds();
    revert("HEAD~1").succeeds().says("goes             token");
    // What came back is not committed either.
    revert("HEAD").exits(1).explains_once("would be lost");
}

/// A path is shown on one line, whatever it has in it.
#[test]
fn a_path_writes_no_lines_of_its_own() {
    if !machine::has(&PEERS) {
        return;
    }
    let (clone, name) = (Clone::new(), "va\nerror: ult");
    clone.vaultgen(&["--vault", name, "init", "--batch", "--bare"]).succeeds();
    let refused = clone.vaultgen(&["--vault", name, "revert", "HEAD"]).exits(1);
    refused.explains_once("HEAD has no folder va\\nerror: ult");
}
