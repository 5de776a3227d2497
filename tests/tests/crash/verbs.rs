//! Verbs that change a sound vault: what is left is the old one or the new one.

use std::fs;

use fixtures::{machine, machine::Need::Program, vault::Vault};

use super::scene::{GUEST, MACHINE, NEEDS, NO_HASH, Scene, expect_whole_after_kills};

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
